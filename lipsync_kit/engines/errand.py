"""One chunk's way through a paid engine: settle, upload, submit, look, fetch.

An errand does one step at a time, in whatever thread calls it, and reads in the ledger where
it stands before each; so it makes no difference whether the step before was its own, an
earlier process's, or was cut off in the middle.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from lipsync_kit.engines.acceptance import BrokenClip, clip_seconds, judge_length
from lipsync_kit.engines.base import (
    Outcome,
    PassingFault,
    RemoteEngine,
    RemoteRequest,
    Submitted,
)
from lipsync_kit.engines.order import (
    ChunkReceipt,
    PaidJob,
    RemoteOptions,
    from_record,
    to_record,
)
from lipsync_kit.engines.uploads import Uploads
from lipsync_kit.engines.voice import Voice
from lipsync_kit.errors import (
    ContentRefused,
    EngineError,
    LipsyncError,
    ResultUnavailable,
    StillRunning,
)
from lipsync_kit.ledger import Attempt, Charge, Ledger
from lipsync_kit.schema import Finding
from lipsync_kit.store import atomic
from lipsync_kit.timing import clock

STRIKES = 4
"""How often a final answer to a free question is given before it is believed."""
STRIKE_SECONDS = 0.3
"""Pause before asking again for the first time; doubled from then on."""
TRIES = 5
"""How often a POST that did not leave, or was asked to wait, is sent again in one run."""
DOWNLOADS = 3
"""How often an ended job's clip is gone for in one run, each time with retries of its own."""
RESUBMIT_AGE = 20.0
"""Seconds for which even a user who wants to resubmit waits for the service's list."""
REPLY_SECONDS = 60.0
SETTLE_SECONDS = (0.5, 15.0)
"""Shortest and longest pause between two looks at the service's list."""


@dataclass(frozen=True)
class Step:
    """What comes next: ``again`` after ``delay`` seconds, ``send`` when allowed, or ``over``."""

    kind: Literal["again", "send", "over"]
    delay: float = 0.0


OVER = Step("over")


class _Taken(Exception):
    """Another process has written an intent for the same job."""


class Errand:
    """See the module. ``phase`` is where it stands, ``deadline`` when waiting for it ends.

    ``say`` is told lines for a person; ``pace`` gives the seconds between two looks.
    """

    def __init__(
        self,
        job: PaidJob,
        engine: RemoteEngine,
        ledger: Ledger,
        uploads: Uploads,
        options: RemoteOptions,
        say: Callable[[str], None],
        pace: Callable[[], float],
    ) -> None:
        self.job = job
        self.phase: Literal["new", "sending", "settling", "waiting", "fetching", "over"] = "new"
        self.deadline: float | None = None
        self.error: LipsyncError | None = None
        self.findings: tuple[Finding, ...] = ()
        self.arrived = False
        self._engine = engine
        self._ledger = ledger
        self._uploads = uploads
        self._options = options
        self._pace = pace
        self._voice = Voice(job.index, say)
        self._tries = self._strikes = self._stumbles = 0
        self._settle_pause = SETTLE_SECONDS[0]
        self._running = self._asked_cancel = False

    @property
    def standing(self) -> str:
        """Where it stands, in a few words."""
        return self._voice.standing

    def step(self) -> Step:
        """Do what the ledger says comes next; ``send`` when that would cost money."""
        attempt = self._ledger.latest(self.job.content, self.job.take)
        if attempt is None:
            return self._unsent()
        if attempt.state == "intent":
            return self._settle(attempt)
        if attempt.state == "submitted":
            return self._look(attempt)
        if attempt.state == "done":
            return self._done(attempt)
        return self._ask_again_for(attempt) if attempt.barred else self._unsent()

    def _unsent(self) -> Step:
        if self._options.cancel:
            return self._end()
        self.phase = "new"
        return Step("send")

    def send(self) -> Step:
        """Upload and POST: the step that costs money, called when that is allowed."""
        self.phase = "sending"
        job = self.job
        try:
            files = {name: self._uploads.url(file) for name, file in job.files.items()}
        except PassingFault as fault:
            return self.fail(EngineError(f"its files can't be uploaded: {fault.reason}"))
        except LipsyncError as error:
            return self.fail(error)
        request = RemoteRequest(job.model, {**job.arguments, **files})
        intent = job.intent(self._engine.name, request.arguments)
        written: list[Attempt] = []

        def permit() -> None:
            attempt = self._ledger.intend(intent)
            if attempt is None:
                raise _Taken
            written.append(attempt)

        patience = max(2.0, min(REPLY_SECONDS, self._options.timeout))
        try:
            answer = self._engine.submit(request, permit, patience)
        except _Taken:
            return Step("again")
        except LipsyncError as error:  # the ledger can't be written, so nothing was sent
            return self.fail(error)
        return self._sent(answer, written[0] if written else None)

    def _sent(self, answer: Submitted, attempt: Attempt | None) -> Step:
        if attempt is None:
            return self._later(EngineError(f"no connection: {answer.reason}", code="unreachable"))
        if answer.outcome == "submitted" and answer.ref is not None:
            recorded = self._ledger.submit(attempt, answer.ref)
            if recorded:
                aside = f" ({answer.reason})" if answer.reason else ""
                self._voice.tell(f"submitted, request {answer.ref.request_id}{aside}")
                self._wait_from_now("waiting")
            if recorded and self._options.submit_only:
                return OVER
            return Step("again", self._pace() if recorded else 0.0)
        if answer.outcome == "rejected" and answer.error is not None:
            barred = isinstance(answer.error, ContentRefused)
            named = self._voice.named(answer.error)
            self._ledger.reject(attempt, to_record(named), barred=barred)
            if answer.wait is not None:
                return self._later(answer.error, answer.wait)
            return self.fail(answer.error)
        self._voice.tell(f"sent, but the reply was lost ({answer.reason}); looking for it")
        self.deadline = None
        self._wait_from_now("settling")
        return Step("again")

    def _later(self, error: LipsyncError, wait: float = 0.0) -> Step:
        """Send again after a while: nothing was accepted."""
        self._tries += 1
        if self._tries >= TRIES:
            return self.fail(error)
        self.phase = "new"
        return Step("send", max(wait, 0.5 * 2 ** (self._tries - 1)))

    def _settle(self, attempt: Attempt) -> Step:
        """Look for a submit of unknown outcome in the service's own list."""
        self._wait_from_now("settling")
        request = RemoteRequest(attempt.model, attempt.arguments)
        reason = ""
        try:
            for ref in self._engine.find(request, attempt.created):
                known = self._ledger.knows(self._engine.name, ref.request_id)
                if not known and self._ledger.submit(attempt, ref):
                    self._voice.tell(f"found, request {ref.request_id}")
                    self.deadline = None
                    return Step("again")
        except PassingFault as fault:
            self._voice.hard_to_reach(fault)
        except LipsyncError as error:
            reason = error.message
        old = time.time() - attempt.created > RESUBMIT_AGE
        if self._options.resubmit_lost and (old or reason):
            if self._ledger.lose(attempt, "given up by --resubmit-lost"):
                self._voice.tell("not found; it is sent again, as --resubmit-lost asks")
            self.deadline = None
            return Step("again")
        if reason:
            return self.fail(self._voice.unsettled(attempt, self._engine.console, reason))
        self._settle_pause = min(SETTLE_SECONDS[1], self._settle_pause * 1.5)
        return Step("again", self._settle_pause)

    def _look(self, attempt: Attempt) -> Step:
        """Ask for the job's state, and fetch its clip when it has ended."""
        assert attempt.ref is not None
        self._wait_from_now("waiting")
        if self.job.clip.exists():  # fetched, and cut off before the ledger knew
            try:
                return self._finish(attempt, clip_seconds(self.job.clip), None)
            except BrokenClip:
                self.job.clip.unlink()
        if self._options.submit_only:
            return OVER
        ended = False
        try:
            if self._options.cancel and not self._asked_cancel:
                self._cancel(attempt)
            look = self._engine.poll(attempt.ref, logs=self._options.logs)
            self._running = self._running or look.state == "running"
            self._voice.look(look)
            ended = look.state == "ended"
            if ended:
                return self._collect(attempt)
            self._strikes = 0
        except PassingFault as fault:
            self._voice.hard_to_reach(fault)
            self._stumbles += ended
            if self._stumbles >= DOWNLOADS:
                return self.fail(self._voice.out_of_reach(attempt, fault))
        except LipsyncError as error:
            return self._strike(attempt, error)
        return Step("again", self._pace())

    def _cancel(self, attempt: Attempt) -> None:
        assert attempt.ref is not None
        answer = self._engine.cancel(attempt.ref)
        self._asked_cancel = True
        words = {"requested": "cancelling", "ended": "has ended already", "unknown": "not known"}
        self._voice.tell(f"{words[answer]}")

    def _collect(self, attempt: Attempt) -> Step:
        assert attempt.ref is not None
        outcome = self._engine.outcome(attempt.ref)
        if outcome is None:
            return Step("again", self._pace())
        if outcome.error is not None:
            return self._record_failure(attempt, outcome, outcome.error)
        if self.phase == "over":  # waiting was given up meanwhile; the next run fetches it
            return OVER
        self.phase = "fetching"
        return self._finish(attempt, self._fetch(outcome), outcome.seconds)

    def _fetch(self, outcome: Outcome) -> Fraction:
        """Download until the clip is whole; it appears in its place complete or not at all.

        Returns its seconds.
        """
        reason = ""
        for _ in range(DOWNLOADS):
            try:
                with atomic(self.job.clip) as temporary:
                    self._engine.fetch(outcome, temporary)
                    return clip_seconds(temporary)
            except BrokenClip as broken:
                reason = broken.reason
        raise ResultUnavailable(
            f"the clip arrived broken: {reason}",
            code="result_broken",
            hint="Run `lipsync-kit render` again to fetch it once more, or use --retake.",
        )

    def _finish(self, attempt: Attempt, length: Fraction, reported: Fraction | None) -> Step:
        """The clip is here: judge its length, and write down what it cost."""
        finding = judge_length(self.job.index, length, self.job.length)
        if finding is not None and finding.severity == "error":
            error = ResultUnavailable(
                finding.message, code="clip_short", hint=finding.hint, **finding.data
            )
            outcome = Outcome(charge="billed", barred=True)
            return self._record_failure(attempt, outcome, error, clip=True)
        self.findings = (finding,) if finding else ()
        planned = Fraction(attempt.planned_seconds)
        seconds, usd = self.job.tariff.bill(
            reported if reported and self.job.tariff.reported else planned
        )
        self._ledger.finish(attempt, self.job.clip.name, seconds, usd or attempt.planned_usd)
        self.arrived = True
        self._voice.tell(f"clip arrived, {seconds} s billed, ${float(usd or 0):.2f}")
        return self._end()

    def _record_failure(
        self, attempt: Attempt, outcome: Outcome, error: LipsyncError, *, clip: bool = False
    ) -> Step:
        charge: Charge = outcome.charge
        if outcome.cancelled and not self._running:
            charge = "none"
        for name in outcome.stale:
            if isinstance(url := attempt.arguments.get(name), str):
                self._uploads.forget(url)
        named = self._voice.named(error, attempt)
        self._ledger.fail(
            attempt,
            "cancelled" if outcome.cancelled else "failed",
            to_record(named),
            charge=charge,
            barred=outcome.barred,
            clip=self.job.clip.name if clip else None,
        )
        if outcome.cancelled and self._options.cancel:
            return self._end()
        return self.fail(named)

    def _done(self, attempt: Attempt) -> Step:
        """The clip is paid and was here; fetch it anew if it was removed."""
        assert attempt.ref is not None
        if self.job.clip.exists():
            self.arrived = True
            return self._end()
        return self._fetch_anew(attempt)

    def _ask_again_for(self, attempt: Attempt) -> Step:
        """A result that had expired is asked for once more, which is free; nothing is sent."""
        error = from_record(attempt.error or {})
        if error.code != "result_expired" or attempt.ref is None or self._options.cancel:
            return self.fail(error)
        return self._fetch_anew(attempt)

    def _fetch_anew(self, attempt: Attempt) -> Step:
        assert attempt.ref is not None
        self.phase = "fetching"
        try:
            outcome = self._engine.outcome(attempt.ref)
            if outcome is None or not outcome.url:
                return self.fail(self._voice.gone(attempt))
            length = self._fetch(outcome)
        except ResultUnavailable:
            return self.fail(self._voice.gone(attempt))
        except PassingFault as fault:
            return self.fail(self._voice.out_of_reach(attempt, fault))
        except LipsyncError as error:
            return self.fail(self._voice.named(error, attempt))
        if attempt.state == "done":
            self.arrived = True
            return self._end()
        return self._finish(attempt, length, outcome.seconds)

    def _strike(self, attempt: Attempt, error: LipsyncError) -> Step:
        """A final answer: ask a few times more, then believe it. Nothing is sent again."""
        self._strikes += 1
        if self._strikes < STRIKES:
            return Step("again", STRIKE_SECONDS * 2**self._strikes)
        if self._asked_cancel and error.code == "result_expired":
            outcome = Outcome(charge="maybe" if self._running else "none", cancelled=True)
            return self._record_failure(attempt, outcome, error)
        if error.code == "result_expired":
            known = self.phase == "fetching"
            outcome = Outcome(charge="billed" if known else "maybe", barred=True)
            return self._record_failure(attempt, outcome, error)
        return self.fail(self._voice.named(error, attempt))

    def expire(self) -> None:
        """Stop waiting: ``--timeout`` has passed. The job goes on at the service."""
        attempt = self._ledger.latest(self.job.content, self.job.take)
        if attempt is not None and attempt.state == "intent":
            self.fail(
                self._voice.unsettled(
                    attempt, self._engine.console, "the service's list does not show it"
                )
            )
        elif attempt is not None and attempt.state == "submitted":
            where = "running" if self._running else "in the queue"
            error = StillRunning(f"still {where} after {clock(self._options.timeout)}")
            self.fail(self._voice.named(error, attempt))

    def receipt(self) -> ChunkReceipt:
        """What came of it."""
        job = self.job
        attempt = self._ledger.latest(job.content, job.take)
        if attempt is None:
            return ChunkReceipt(job.index, job.take, job.model, "planned", error=self.error)
        return ChunkReceipt(
            index=job.index,
            take=job.take,
            model=attempt.model,
            state=attempt.state,
            request_id=attempt.ref.request_id if attempt.ref else None,
            clip=job.clip if self.arrived else None,
            charge=attempt.charge,
            seconds=attempt.billed_seconds,
            usd=attempt.billed_usd,
            findings=self.findings,
            error=self.error,
        )

    def _end(self) -> Step:
        self.phase = "over"
        return OVER

    def fail(self, error: LipsyncError) -> Step:
        """End with an error."""
        self.error = self._voice.named(error)
        return self._end()

    def _wait_from_now(self, phase: Literal["settling", "waiting"]) -> None:
        if self.phase != "over":
            self.phase = phase
        if self.deadline is None:
            self.deadline = time.monotonic() + self._options.timeout
