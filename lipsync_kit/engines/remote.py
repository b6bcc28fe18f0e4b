"""The coordinator of paid work: settle → submit → poll → fetch, for every chunk at once.

Steps run in a few threads; everything is decided here, in the caller's thread: who may send,
who is waited for, when it is over. Nothing is sent while the outcome of an earlier submit is
unknown, above the cap, or after the account was refused; what is at the service is collected
all the same. It knows no service: the engine does.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from lipsync_kit.catalog import total
from lipsync_kit.engines.base import RemoteEngine
from lipsync_kit.engines.dispatch import Step
from lipsync_kit.engines.errand import Errand
from lipsync_kit.engines.order import (
    ChunkReceipt,
    PaidJob,
    Receipt,
    RemoteOptions,
    over_cap,
    spoken,
)
from lipsync_kit.engines.uploads import Uploads
from lipsync_kit.errors import AccountError, BudgetError, LipsyncError, SetupError, UnsettledError
from lipsync_kit.ledger import Ledger
from lipsync_kit.progress import Progress, Task
from lipsync_kit.timing import clock

__all__ = ["PaidJob", "Receipt", "RemoteOptions", "collect", "job_rows", "outlook"]

THREADS = 8
"""Steps under way at once: enough to keep the line busy, few enough to be polite."""
QUESTION_PAUSE = 0.04
"""Seconds between two polls over all jobs, so that a hundred jobs ask no more than twenty."""
CROWD = 6
"""Jobs waiting above which a queue's every step is not worth a line."""
PARTING = 15.0
"""Seconds that an interrupted run gives a POST under way to be answered and written down."""
FETCH_GRACE = 30.0
"""Seconds that a download may go on when waiting has ended: it is all that is missing."""
NAP = 1.0
BEAT = 30.0
"""Seconds between two lines about what is waited for."""


@dataclass(frozen=True)
class Outlook:
    """What a run would send: chunks, seconds, USD (``None``: a price is unknown)."""

    chunks: int
    seconds: int
    usd: Fraction | None


def outlook(ledger: Ledger, work: Sequence[PaidJob]) -> Outlook:
    """What of ``work`` is neither done nor at the service, and what sending it would cost."""
    unsent = [job for job in work if not _accounted(ledger, job)]
    usd = total(job.usd for job in unsent)
    return Outlook(len(unsent), sum(job.seconds for job in unsent), usd)


def _accounted(ledger: Ledger, job: PaidJob) -> bool:
    attempt = ledger.latest(job.content, job.take)
    if attempt is None:
        return job.clip.exists()
    return attempt.barred or attempt.state in {"intent", "submitted", "done"}


def collect(
    engine: RemoteEngine,
    ledger: Ledger,
    work: Sequence[PaidJob],
    options: RemoteOptions,
    progress: Progress,
    on_clip: Callable[[PaidJob, Path], None] | None = None,
) -> Receipt:
    """Have every job's clip made or collected, each paid at most once.

    ``on_clip`` is called in this thread for every clip that is there, in the order of their
    coming. Returns a receipt whose ``error`` says what went wrong, if anything did: one
    chunk's failure does not keep the others. Only an interruption is raised; a POST under
    way is then still answered and written down.
    """
    errands = _Errands(engine, ledger, work, options, progress, on_clip or _ignore)
    with progress.task(engine.name, total=len(work), unit="chunks") as task:
        try:
            errands.run(task)
        finally:
            errands.part()
    return errands.receipt()


def _ignore(_job: PaidJob, _clip: Path) -> None:
    """Nobody waits for the clip."""


@dataclass(frozen=True)
class _Ended:
    """A step came to its end; ``crash`` is a bug of ours, raised again where it is seen."""

    errand: Errand
    step: Step
    crash: Exception | None = None


class _Errands:
    """All errands of one run and who of them may do what.

    One thread only calls it, but for what errands ask (``say``, ``pace``, ``crowded``, ``closed``).
    """

    def __init__(
        self,
        engine: RemoteEngine,
        ledger: Ledger,
        work: Sequence[PaidJob],
        options: RemoteOptions,
        progress: Progress,
        on_clip: Callable[[PaidJob, Path], None],
    ) -> None:
        self._ledger = ledger
        self._options = options
        self._progress = progress
        self._on_clip = on_clip
        self._events: queue.SimpleQueue[_Ended | str] = queue.SimpleQueue()
        self._stopped: LipsyncError | None = None
        uploads = Uploads(engine, ledger)
        self._all = [Errand(job, engine, ledger, uploads, options, self) for job in work]
        self._due: dict[Errand, float] = dict.fromkeys(self._all, 0.0)
        self._unsent: dict[Errand, float] = {}
        self._running: set[Errand] = set()
        self._slots: set[Errand] = set()
        self._costs: dict[Errand, Fraction] = {}
        self._parting = False
        self._began = self._last_beat = time.monotonic()

    def run(self, task: Task) -> None:
        """Until everything is over, or nothing more can be done now."""
        self._check_cap()
        while True:
            self._start()
            if not self._running and not self._due and not self._may_ever_send():
                return
            self._hear(task)
            self._expire(task)
            self._beat()

    def _beat(self) -> None:
        """Every now and then, say who is still waited for."""
        now = time.monotonic()
        if now - self._last_beat < BEAT:
            return
        self._last_beat = now
        standing = [one.standing for one in self._all if one in self._slots]
        if standing:
            self._progress.note(f"after {clock(now - self._began)}: {'; '.join(standing[:6])}")

    def say(self, line: str) -> None:
        """Have a person told, from any thread."""
        self._events.put(line)

    def pace(self) -> float:
        """Seconds between two looks at one job."""
        return max(self._options.poll_interval, QUESTION_PAUSE * self._waiting)

    def crowded(self) -> bool:
        """Whether so many wait that a queue's every step is not worth a line."""
        return self._waiting > CROWD

    def closed(self) -> bool:
        """Whether the run is ending, so that nothing more may leave."""
        return self._parting

    @property
    def _waiting(self) -> int:
        return len(self._due) + len(self._running)

    def _check_cap(self) -> None:
        """An estimate above the cap stops before the first submit."""
        cap = self._options.max_cost
        if cap is None or self._options.cancel:
            return
        planned = outlook(self._ledger, [errand.job for errand in self._all])
        if planned.chunks and planned.usd is None:
            model = self._all[0].job.model
            self._stopped = BudgetError(
                f"The price of {model} is not known, so no cap can be kept.",
                code="price_unknown",
                hint="State it in your settings file, or choose a model with a price.",
            )
        elif planned.usd is not None and planned.usd > cap:
            self._stopped = over_cap(planned.chunks, planned.usd, cap, "nothing was sent")

    def _start(self) -> None:
        now = time.monotonic()
        for errand in [one for one, due in self._due.items() if due <= now]:
            if len(self._running) >= THREADS:
                return
            del self._due[errand]
            self._launch(errand, errand.step)
        for errand in [one for one, due in self._unsent.items() if due <= now]:
            if not self._may_send(errand):
                return
            del self._unsent[errand]
            self._slots.add(errand)
            self._costs[errand] = errand.job.usd or Fraction(0)
            errand.phase = "uploading"
            self._launch(errand, errand.send)

    def _launch(self, errand: Errand, work: Callable[[], Step]) -> None:
        def run() -> None:
            crash: Exception | None = None
            try:
                step = work()
            except LipsyncError as error:
                step = errand.fail(error)
            except Exception as error:
                step, crash = Step("over"), error
            self._events.put(_Ended(errand, step, crash))

        self._running.add(errand)
        threading.Thread(target=run, daemon=True, name=f"chunk-{errand.job.index}").start()

    def _may_send(self, errand: Errand) -> bool:
        """Whether one more paid submit may leave now."""
        if self._stopped is not None or len(self._running) >= THREADS:
            return False
        if not self._options.submit_only and len(self._slots) >= self._options.parallel:
            return False
        # Until everybody has read where they stand, an unknown submit may be among them.
        if any(one.phase in {"new", "settling"} and one not in self._unsent for one in self._open):
            return False
        return self._affords(errand)

    @property
    def _open(self) -> set[Errand]:
        return self._running | set(self._due)

    def _affords(self, errand: Errand) -> bool:
        cap = self._options.max_cost
        if cap is None:
            return True
        spent = sum(self._costs.values(), Fraction(0))
        if spent + (errand.job.usd or 0) <= cap:
            return True
        if any(one in self._slots for one in self._open):
            return False  # what is under way may yet turn out not to be billed
        self._stopped = BudgetError(
            f"chunk {errand.job.index} would pass the cap: ${float(spent):.2f} of"
            f" ${float(cap):.2f} are spent, and it costs ${float(errand.job.usd or 0):.2f}.",
            hint="Run `lipsync-kit render` again with a higher --max-cost; nothing is paid twice.",
            usd=float(spent),
            cap=float(cap),
        )
        return False

    def _may_ever_send(self) -> bool:
        """Whether anything unsent still has a chance, once its time has come."""
        if not self._unsent or self._stopped is not None:
            return False
        if not self._options.submit_only and len(self._slots) >= self._options.parallel:
            return False
        return self._affords(next(iter(self._unsent)))

    def _hear(self, task: Task) -> None:
        """Wait for one event, but not past the time when something is due."""
        now = time.monotonic()
        times = [*self._due.values(), *self._unsent.values()]
        times = [due - now for due in times if due > now]
        ends = [one.deadline for one in self._open if one.deadline is not None]
        times += [end - now for end in ends if end > now]
        try:
            event = self._events.get(timeout=max(0.001, min([NAP, *times])))
        except queue.Empty:
            return
        if isinstance(event, str):
            self._progress.note(event)
        elif event.errand in self._running:  # otherwise waiting for it was given up
            self._end_step(event, task)

    def _end_step(self, event: _Ended, task: Task) -> None:
        errand = event.errand
        self._running.discard(errand)
        if event.crash is not None:
            raise event.crash
        when = time.monotonic() + event.step.delay
        if event.step.kind == "send":
            self._slots.discard(errand)
            self._costs.pop(errand, None)
            self._unsent[errand] = when
            self._unsent = dict(sorted(self._unsent.items(), key=lambda one: one[0].job.index))
        elif event.step.kind == "again":
            self._slots.add(errand)
            self._due[errand] = when
        else:
            self._slots.discard(errand)
            self._over(errand, task)

    def _over(self, errand: Errand, task: Task) -> None:
        error = errand.error
        if errand in self._costs:
            self._costs[errand] = _cost(errand)
        if isinstance(error, AccountError | UnsettledError | SetupError) or (
            error is not None and error.code == "unreachable"
        ):
            self._stopped = self._stopped or error
        if error is not None:
            self._progress.note(f"! {error.message}")
        if errand.arrived:
            task.advance()
            self._on_clip(errand.job, errand.job.clip)

    def _expire(self, task: Task) -> None:
        """Stop waiting for those whose time has passed; their slots stay taken."""
        now = time.monotonic()
        for errand in list(self._open):
            grace = {"waiting": 0.0, "settling": 0.0, "fetching": FETCH_GRACE}.get(errand.phase)
            if grace is None or errand.deadline is None or errand.deadline + grace > now:
                continue
            self._running.discard(errand)
            self._due.pop(errand, None)
            errand.expire()
            self._over(errand, task)

    def part(self) -> None:
        """Give a POST under way its answer before leaving, whatever the reason."""
        self._parting = True
        until = time.monotonic() + PARTING
        while any(one.phase == "sending" for one in self._running) and time.monotonic() < until:
            try:
                event = self._events.get(timeout=0.1)
            except queue.Empty:
                continue
            if isinstance(event, _Ended):
                self._running.discard(event.errand)

    def receipt(self) -> Receipt:
        """What came of it all."""
        rows = tuple(errand.receipt() for errand in self._all)
        return total_receipt(self._ledger, rows, self._stopped, len(self._costs))


def _cost(errand: Errand) -> Fraction:
    """What an errand that ended costs, as far as it is known: its estimate until then."""
    receipt = errand.receipt()
    return (receipt.usd if receipt.charge else errand.job.usd) or Fraction(0)


def job_rows(ledger: Ledger, work: Sequence[PaidJob]) -> list[dict[str, Any]]:
    """Every job with its take, state, request id and cost: the estimate until it is known."""
    rows = []
    for job in work:
        attempt = ledger.latest(job.content, job.take)
        known = attempt is not None and attempt.charge
        usd = attempt.billed_usd if attempt is not None and known else job.usd
        rows.append(
            {
                "id": None if attempt is None else attempt.id,
                "index": job.index,
                "take": job.take,
                "state": "planned" if attempt is None else attempt.state,
                "request_id": attempt.ref.request_id if attempt and attempt.ref else None,
                "model": job.model if attempt is None else attempt.model,
                "usd": spoken(usd),
                "charge": "estimate" if attempt is None or not known else attempt.charge,
                "error": None if attempt is None else attempt.error,
            }
        )
    return rows


def total_receipt(
    ledger: Ledger,
    rows: tuple[ChunkReceipt, ...],
    stopped: LipsyncError | None = None,
    sent: int = 0,
) -> Receipt:
    """A receipt with the sums of everything that the ledger knows."""
    attempts = ledger.attempts()
    billed = [one for one in attempts if one.charge == "billed"]
    maybe = [one for one in attempts if one.charge == "maybe"]
    return Receipt(
        chunks=rows,
        seconds=sum(one.billed_seconds for one in billed),
        usd=total(one.billed_usd for one in billed),
        maybe_seconds=sum(one.billed_seconds for one in maybe),
        maybe_usd=total(one.billed_usd for one in maybe),
        stopped=stopped,
        sent=sent,
    )
