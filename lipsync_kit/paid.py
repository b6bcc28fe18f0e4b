"""Clips from a paid engine: the budget gate, then the coordinator, then what it cost."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lipsync_kit.catalog import Model, find_model, total
from lipsync_kit.engines.base import PassingFault
from lipsync_kit.engines.chain import Links, waves
from lipsync_kit.engines.fal.access import FalSettings, Secret
from lipsync_kit.engines.order import (
    ChunkReceipt,
    PaidFile,
    PaidJob,
    Receipt,
    RemoteOptions,
    over_cap,
    spoken,
    to_record,
)
from lipsync_kit.engines.orders import paid_jobs
from lipsync_kit.engines.remote import Outlook, collect, job_rows, outlook, total_receipt
from lipsync_kit.errors import BudgetError, EngineError, SetupError, UsageError
from lipsync_kit.ledger import Ledger, State
from lipsync_kit.progress import Progress, Silent, counted
from lipsync_kit.project import Layout, load, locked
from lipsync_kit.schema import Billed, Finding, Project
from lipsync_kit.settings import Settings, load_settings
from lipsync_kit.store import write_text
from lipsync_kit.takes import Takes

if TYPE_CHECKING:
    from lipsync_kit.engines.fal.engine import FalEngine
    from lipsync_kit.rendering import Clips, RenderOptions

BESIDE_PAUSE = 0.2
"""Seconds between two looks into a ledger that another process writes."""

LOCAL_STATUS: dict[State, str] = {
    "intent": "IN_QUEUE",
    "submitted": "IN_PROGRESS",
    "done": "COMPLETED",
    "failed": "FAILED",
    "rejected": "FAILED",
    "cancelled": "FAILED",
    "lost": "FAILED",
}
"""What an attempt's state is in the service's words."""


def paid_clips(
    layout: Layout,
    project: Project,
    options: RenderOptions,
    settings: Settings | None,
    progress: Progress,
    confirm: Callable[[str], bool] | None,
) -> Clips:
    """Every chunk's clip from fal, each paid at most once; what is missing, with ``--async``.

    Raises the gravest error of the run, after everything else was collected.
    """
    from lipsync_kit.engines.stills import still_clips
    from lipsync_kit.rendering import Clips

    with paid_engine(settings) as engine, Ledger(layout.ledger) as ledger:
        order = _Order(layout, project, find_model(project.model, project.task), ledger)
        order.remember(options)
        work = order.jobs(options)
        if not all(_is_here(ledger, job) for job in work):
            engine.check()
        _gate(outlook(ledger, work), options, order.model.id, confirm)
        for job in work:
            if job.index in options.retake:  # an earlier choice by hand no longer holds
                Takes(layout, engine.name).retake(job.content)
        receipt = order.collect(engine, work, options, progress)
        left = _left_behind(ledger, order.jobs())
    if receipt.error is not None:
        raise receipt.error
    rows = {row.index: row for row in receipt.chunks}
    takes = {row.index: (row.take, row.clip) for row in receipt.chunks if row.clip is not None}
    missing = {index: row.state for index, row in rows.items() if row.clip is None}
    if not missing:
        clips = {index: clip for index, (_, clip) in takes.items()}
        stills = still_clips(layout, project, clips, options.processes, progress)
        takes |= {index: (1, clip) for index, clip in stills.items()}
    return Clips(
        takes=takes,
        findings=(*left, *(finding for row in receipt.chunks for finding in row.findings)),
        missing=missing or None,
        handles=True,
        billed=Billed(
            seconds=receipt.seconds,
            usd=spoken(receipt.usd),
            maybe_seconds=receipt.maybe_seconds,
            maybe_usd=spoken(receipt.maybe_usd),
        ),
        bills={row.index: row.bill for row in receipt.chunks},
    )


@dataclass(frozen=True)
class _Order:
    """All that a project asks of a paid engine, chained or not."""

    layout: Layout
    project: Project
    model: Model
    ledger: Ledger

    def remember(self, options: RenderOptions) -> None:
        """Note whether the chunks are a chain, for whoever looks at them later."""
        chained = options.continuity == "chain"
        if not chained:
            self.layout.chained.unlink(missing_ok=True)
            return
        if self.project.task != "talk" or options.submit_only:
            raise UsageError(
                "--continuity chain makes talking films, and each chunk waits for the one before.",
                hint="Leave --async or --continuity out.",
            )
        write_text(self.layout.chained, "")

    def jobs(self, options: RenderOptions | None = None) -> list[PaidJob]:
        """Every chunk's job, as far as it can be told: a chain's links follow their clips."""
        retake = options.retake if options else ()
        take = dict(options.take) if options else {}
        images: dict[int, PaidFile] = {}
        work = self._with(images, retake, take)
        if self.layout.chained.exists():
            links = Links(self.layout, self.project, self.model)
            for wave in waves(self.project)[:-1]:
                found = links.after(wave, {job.index: job for job in work})
                images |= found
                work = self._with(images, retake, take) if found else work
        return work

    def _with(
        self, images: Mapping[int, PaidFile], retake: Sequence[int], take: Mapping[int, int]
    ) -> list[PaidJob]:
        return paid_jobs(
            self.layout,
            self.project,
            self.model,
            self.ledger,
            retake=retake,
            take=take,
            images=images,
        )

    def collect(
        self,
        engine: FalEngine,
        work: Sequence[PaidJob],
        options: RenderOptions,
        progress: Progress,
    ) -> Receipt:
        """Have every clip made or collected; a chain's waves one after another."""
        how = remote_options(options)
        if not self.layout.chained.exists():
            return collect(engine, self.ledger, work, how, progress)
        progress.note("chained: each chunk waits for the one before, so this takes longer")
        wanted, cap = {job.index: job for job in work}, how.max_cost
        done: dict[int, ChunkReceipt] = {}
        for wave in waves(self.project):
            now = [wanted[index] for index in wave]
            # The first wave is held to the cap for all of them, each later one for the rest.
            open_jobs = [wanted[index] for index in wanted if index not in done]
            _check_rest(outlook(self.ledger, open_jobs), cap)
            cost = outlook(self.ledger, now).usd
            part = collect(engine, self.ledger, now, replace(how, max_cost=cap), progress)
            done |= {row.index: row for row in part.chunks}
            if part.error is not None:
                return replace(part, chunks=tuple(done.values()))
            cap = None if cap is None or cost is None else cap - cost
            takes = {index: job.take for index, job in wanted.items() if index in done}
            wanted = {job.index: job for job in self._next(options, takes)}
        return replace(part, chunks=tuple(done[index] for index in sorted(done)))

    def _next(self, options: RenderOptions, takes: Mapping[int, int]) -> list[PaidJob]:
        """The jobs again, now that the clips before them are there."""
        left = tuple(index for index in options.retake if index not in takes)
        chosen = tuple(one for one in options.take if one[0] not in takes)
        return self.jobs(replace(options, retake=left, take=chosen))


def _check_rest(planned: Outlook, cap: Fraction | None) -> None:
    """A chain that would pass the cap on its way is not begun."""
    if cap is not None and planned.usd is not None and planned.usd > cap:
        raise over_cap(planned.chunks, planned.usd, cap, "nothing more was sent")


def _left_behind(ledger: Ledger, work: Sequence[PaidJob]) -> tuple[Finding, ...]:
    """A word about jobs at the service whose chunks have changed since they were sent."""
    wanted = {job.content for job in work}
    lost = [
        attempt
        for attempt in ledger.attempts()
        if attempt.content not in wanted and attempt.state in {"intent", "submitted"}
    ]
    if not lost:
        return ()
    usd = spoken(total(attempt.planned_usd for attempt in lost))
    price = "an unknown price" if usd is None else f"about ${usd:.2f}"
    message = f"Sent for chunks that have changed since: {counted(len(lost), 'job')}, {price}."
    hint = "Prepared again as it was, the project collects them; they may be billed either way."
    ids = [attempt.ref.request_id for attempt in lost if attempt.ref is not None]
    data = {"request_ids": ids, "usd": usd}
    return (Finding(code="left_behind", severity="warning", message=message, hint=hint, data=data),)


def _is_here(ledger: Ledger, job: PaidJob) -> bool:
    attempt = ledger.live(job.content, job.take)
    return attempt is not None and attempt.state == "done" and job.clip.exists()


def remote_options(options: RenderOptions) -> RemoteOptions:
    """What a user chose, as the coordinator takes it."""
    made = RemoteOptions(
        poll_interval=options.poll_interval,
        timeout=options.timeout,
        logs=options.logs,
        max_cost=None if options.max_cost is None else Fraction(options.max_cost),
        submit_only=options.submit_only,
        resubmit_lost=options.resubmit_lost,
    )
    return made if options.jobs is None else replace(made, parallel=options.jobs)


def _gate(
    planned: Outlook,
    options: RenderOptions,
    model: str,
    confirm: Callable[[str], bool] | None,
) -> None:
    """Nothing is spent without a cap, a yes, or a person who says so."""
    if not planned.chunks or options.yes or options.max_cost is not None:
        return
    price = "an unknown price" if planned.usd is None else f"about ${float(planned.usd):.2f}"
    what = f"{counted(planned.chunks, 'chunk')}, {planned.seconds} s with {model}: {price}"
    if confirm is not None and confirm(f"{what}. Spend it?"):
        return
    raise BudgetError(
        f"Not confirmed: {what}.",
        code="not_confirmed",
        usd=spoken(planned.usd),
        seconds=planned.seconds,
        chunks=planned.chunks,
    )


def jobs(root: Path) -> list[dict[str, Any]]:
    """Every chunk of the project at ``root`` with its take, state, request id and cost."""
    project, layout = load(root), Layout(root)
    with Ledger(layout.ledger) as ledger:
        model = find_model(project.model, project.task)
        return job_rows(ledger, _Order(layout, project, model, ledger).jobs())


def look(root: Path, settings: Settings | None = None) -> list[dict[str, Any]]:
    """Every chunk with its ``index``, ``request_id`` and ``status``, asked at the service now.

    ``status``: IN_QUEUE (also before it is sent), IN_PROGRESS, COMPLETED or FAILED.
    """
    from lipsync_kit.requests import standing

    project, layout = load(root), Layout(root)
    rows = []
    with paid_engine(settings) as engine, Ledger(layout.ledger) as ledger:
        model = find_model(project.model, project.task)
        for job in _Order(layout, project, model, ledger).jobs():
            attempt = ledger.latest(job.content, job.take)
            state = "IN_QUEUE" if attempt is None else LOCAL_STATUS[attempt.state]
            error = None if attempt is None else attempt.error
            if attempt is not None and attempt.ref is not None and attempt.state == "submitted":
                state, told = standing(engine, attempt.ref)
                error = None if told is None else to_record(told)
            ref = None if attempt is None else attempt.ref
            request_id = None if ref is None else ref.request_id
            row = {"index": job.index, "request_id": request_id, "status": state}
            rows.append({**row, "error": error} if state == "FAILED" else row)
    return rows


def cancel(
    root: Path,
    chunks: Sequence[int] = (),
    *,
    settings: Settings | None = None,
    timeout: float = 60.0,
    poll_interval: float = 2.0,
    progress: Progress | None = None,
) -> Receipt:
    """Cancel what is at the service, all of it or these chunks.

    A job that finished all the same is kept: its clip is fetched. While another process
    renders the project, that one writes down what comes of it.
    """
    bar = progress or Silent()
    project, layout = load(root), Layout(root)
    known = {chunk.index for chunk in project.chunks}
    for index in chunks:
        if index not in known:
            raise UsageError(f"There is no chunk {index}: this project has 0 to {max(known)}.")
    with paid_engine(settings) as engine, Ledger(layout.ledger) as ledger:
        engine.check()
        model = find_model(project.model, project.task)
        work = _Order(layout, project, model, ledger).jobs()
        wanted = [job for job in work if not chunks or job.index in chunks]
        options = RemoteOptions(poll_interval, timeout, cancel=True)
        try:
            with locked(root, 0.0, bar):
                receipt = collect(engine, ledger, _at_the_service(ledger, wanted), options, bar)
        except SetupError as held:
            if held.code != "locked":
                raise
            bar.note(f"{held.message} It goes on with its other chunks.")
            receipt = _cancel_beside(engine, ledger, wanted, timeout, held)
    if receipt.error is not None:
        raise receipt.error
    return receipt


def _cancel_beside(
    engine: FalEngine, ledger: Ledger, work: list[PaidJob], timeout: float, held: SetupError
) -> Receipt:
    """Cancel while another process, named by ``held``, waits for the jobs and records their end."""
    until = time.monotonic() + timeout
    asked: set[str] = set()
    while left := _at_the_service(ledger, work):
        for job in left:
            attempt = ledger.live(job.content, job.take)
            ref = None if attempt is None else attempt.ref
            if ref is not None and ref.request_id not in asked:
                try:
                    engine.cancel(ref)
                except PassingFault as fault:
                    message = f"request {ref.request_id}: {fault.reason}"
                    raise EngineError(message, code="unreachable") from None
                asked.add(ref.request_id)
        if time.monotonic() > until:
            raise held
        time.sleep(BESIDE_PAUSE)
    return total_receipt(ledger, ())


def _at_the_service(ledger: Ledger, work: list[PaidJob]) -> list[PaidJob]:
    found = ((job, ledger.live(job.content, job.take)) for job in work)
    return [job for job, one in found if one is not None and one.state != "done"]


@contextmanager
def paid_engine(settings: Settings | None = None) -> Iterator[FalEngine]:
    """The fal engine as the settings say, closed when the block is left."""
    from lipsync_kit.engines.fal.engine import FalEngine

    engine = FalEngine(fal_settings(settings or load_settings()))
    try:
        yield engine
    finally:
        engine.close()


def fal_settings(settings: Settings) -> FalSettings:
    """Key and base URLs as the fal engine takes them."""
    return FalSettings(
        key=Secret(settings.key or ""),
        queue_url=settings.get("fal_queue_url") or FalSettings.queue_url,
        rest_url=settings.get("fal_rest_url") or FalSettings.rest_url,
        cdn_url=settings.get("fal_cdn_url") or FalSettings.cdn_url,
        api_url=settings.get("fal_api_url") or FalSettings.api_url,
    )
