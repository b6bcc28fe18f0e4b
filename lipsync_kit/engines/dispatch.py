"""The way to a paid service: upload, submit once, and settle what nobody knows.

The half of an errand that costs money. It is written so that whatever is cut off, the ledger
holds enough to find out what became of it.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Literal, Protocol

from lipsync_kit.engines.base import PassingFault, RemoteEngine, RemoteRequest, Submitted
from lipsync_kit.engines.order import PaidJob, RemoteOptions, to_record
from lipsync_kit.engines.uploads import Uploads
from lipsync_kit.engines.voice import Voice
from lipsync_kit.errors import ContentRefused, EngineError, LipsyncError
from lipsync_kit.ledger import Attempt, Ledger
from lipsync_kit.schema import Finding

TRIES = 5
"""How often a POST that did not leave, or was asked to wait, is sent again in one run."""
RESUBMIT_AGE = 20.0
"""Seconds for which even a user who wants to resubmit waits for the service's list."""
REPLY_SECONDS = 60.0
SETTLE_SECONDS = (0.5, 15.0)
"""Shortest and longest pause between two looks at the service's list."""


Phase = Literal["new", "uploading", "sending", "settling", "waiting", "fetching", "over"]


@dataclass(frozen=True)
class Step:
    """What comes next: ``again`` after ``delay`` seconds, ``send`` when allowed, or ``over``."""

    kind: Literal["again", "send", "over"]
    delay: float = 0.0


OVER = Step("over")


class Floor(Protocol):
    """What an errand shares with all others of its run."""

    def say(self, line: str) -> None:
        """Tell a person one line."""
        ...

    def pace(self) -> float:
        """Seconds between two looks at one job."""
        ...

    def crowded(self) -> bool:
        """Whether so many wait that only what matters is told."""
        ...

    def closed(self) -> bool:
        """Whether the run is ending, so that nothing more may leave."""
        ...


class _Taken(Exception):
    """Nothing may be sent: another process has the job, or the run is ending."""


class Dispatch:
    """A job on its way out. ``phase`` is where it stands, ``deadline`` when waiting ends."""

    def __init__(
        self,
        job: PaidJob,
        engine: RemoteEngine,
        ledger: Ledger,
        uploads: Uploads,
        options: RemoteOptions,
        floor: Floor,
    ) -> None:
        self.job = job
        self.phase: Phase = "new"
        self.deadline: float | None = None
        self.error: LipsyncError | None = None
        self.findings: tuple[Finding, ...] = ()
        self.arrived = False
        self._engine = engine
        self._ledger = ledger
        self._uploads = uploads
        self._options = options
        self._floor = floor
        self._voice = Voice(job.index, floor.say)
        self._tries = self._strikes = self._stumbles = 0
        self._settle_pause = SETTLE_SECONDS[0]
        self._running = self._asked_cancel = self._looked = False

    @property
    def standing(self) -> str:
        """Where it stands, in a few words."""
        return self._voice.standing

    def send(self) -> Step:
        """Upload and POST: the step that costs money, called when that is allowed."""
        self.phase = "uploading"
        job = self.job
        try:
            files = {name: self._uploads.url(file) for name, file in job.files.items()}
        except PassingFault as fault:
            return self.fail(EngineError(f"its files can't be uploaded: {fault.reason}"))
        except LipsyncError as error:
            return self.fail(error)
        request = RemoteRequest(job.model, {**job.arguments, **files})
        intent = job.intent(self._engine, request.arguments)
        written: list[Attempt] = []

        def permit() -> None:
            attempt = None if self._floor.closed() else self._ledger.intend(intent)
            if attempt is None:
                raise _Taken
            written.append(attempt)
            self.phase = "sending"

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
            return Step("again", self._floor.pace() if recorded else 0.0)
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
        pause = max(wait, 0.5 * 2 ** (self._tries - 1))
        if self._tries >= TRIES or pause > self._options.timeout:
            return self.fail(error)
        self.phase = "new"
        return Step("send", pause)

    def _settle(self, attempt: Attempt) -> Step:
        """Look for a submit of unknown outcome in the service's own list."""
        self._wait_from_now("settling")
        request = RemoteRequest(attempt.model, attempt.arguments)
        reason = ""
        try:
            for ref in self._engine.find(request, attempt.created, attempt.clock_offset):
                known = self._ledger.knows(self._engine.name, ref.request_id)
                if not known and self._ledger.submit(attempt, ref):
                    self._voice.tell(f"found, request {ref.request_id}")
                    self.deadline = None
                    return Step("again")
            self._looked = True
        except PassingFault as fault:
            self._voice.hard_to_reach(fault)
        except LipsyncError as error:
            reason = error.message
        if self._options.resubmit_lost and (reason or self._looked_long_enough(attempt)):
            if self._ledger.lose(attempt, "given up by --resubmit-lost"):
                self._voice.tell("not found; it is sent again, as --resubmit-lost asks")
            self.deadline = None
            return Step("again")
        if reason:
            return self._unsettled(attempt, reason)
        self._settle_pause = min(SETTLE_SECONDS[1], self._settle_pause * 1.5)
        return Step("again", self._settle_pause)

    def _looked_long_enough(self, attempt: Attempt) -> bool:
        """Whether the list has had its time, however eager the user is.

        One that can't be seen gets half of the ``--timeout``; then the user's word counts.
        """
        assert self.deadline is not None
        left = self.deadline - time.monotonic()
        old = time.time() - attempt.created > RESUBMIT_AGE
        return (self._looked and old) or left < self._options.timeout / 2

    def _unsettled(self, attempt: Attempt, reason: str) -> Step:
        return self.fail(self._voice.unsettled(attempt, self._engine.console, reason))

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
