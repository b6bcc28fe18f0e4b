"""One chunk's way through a paid engine: settle, upload, submit, look, fetch.

An errand does one step at a time, in whatever thread calls it, and reads in the ledger where
it stands before each; so it makes no difference whether the step before was its own, an
earlier process's, or was cut off in the middle.
"""

from __future__ import annotations

from fractions import Fraction

from lipsync_kit.engines.acceptance import BrokenClip, clip_seconds, fetch_clip, judge_length
from lipsync_kit.engines.base import Outcome, PassingFault
from lipsync_kit.engines.dispatch import OVER, Dispatch, Step
from lipsync_kit.engines.order import ChunkReceipt, from_record, to_record
from lipsync_kit.errors import LipsyncError, ResultUnavailable, StillRunning
from lipsync_kit.ledger import Attempt, Charge
from lipsync_kit.timing import clock

STRIKES = 4
"""How often a final answer to a free question is given before it is believed."""
STRIKE_SECONDS = 0.3
"""Pause before asking again for the first time; doubled from then on."""
STUMBLES = 3
"""How often an ended job's clip is gone for in one run, each time with retries of its own."""


class Errand(Dispatch):
    """A job there and back: see the module."""

    def step(self) -> Step:
        """Do what the ledger says comes next; ``send`` when that would cost money."""
        attempt = self._ledger.latest(self.job.content, self.job.take)
        if attempt is None and self.job.clip.exists():  # the ledger was removed, the clip was not
            self.arrived = True
            return self._end()
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
            self._voice.look(look, crowded=self._floor.crowded())
            ended = look.state == "ended"
            if ended:
                return self._collect(attempt)
            self._strikes = 0
        except PassingFault as fault:
            self._voice.hard_to_reach(fault)
            self._stumbles += ended
            if self._stumbles >= STUMBLES:
                return self.fail(self._voice.out_of_reach(attempt, fault))
        except LipsyncError as error:
            return self._strike(attempt, error)
        return Step("again", self._floor.pace())

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
            return Step("again", self._floor.pace())
        if outcome.error is not None:
            return self._record_failure(attempt, outcome, outcome.error)
        if self.phase == "over":  # waiting was given up meanwhile; the next run fetches it
            return OVER
        self.phase = "fetching"
        return self._finish(
            attempt, fetch_clip(self._engine, outcome, self.job.clip), outcome.seconds
        )

    def _finish(self, attempt: Attempt, length: Fraction, reported: Fraction | None) -> Step:
        """The clip is here: judge its length, and write down what it cost."""
        expected = self.job.length - self.job.trimmed
        finding = judge_length(self.job.index, length, expected)
        self.findings = (finding,) if finding else ()
        planned = Fraction(attempt.planned_seconds)
        seconds, usd = self.job.tariff.bill(
            reported if reported and self.job.tariff.reported else planned
        )
        usd = attempt.planned_usd if usd is None else usd
        self._ledger.finish(attempt, self.job.clip.name, seconds, usd)
        self.arrived = True
        price = "price unknown" if usd is None else f"${float(usd):.2f}"
        self._voice.tell(f"clip arrived, {seconds} s billed, {price}")
        return self._end()

    def _record_failure(self, attempt: Attempt, outcome: Outcome, error: LipsyncError) -> Step:
        charge: Charge = outcome.charge
        if outcome.cancelled and not self._running:
            charge = "none"
        for name in outcome.stale:
            if isinstance(url := attempt.arguments.get(name), str):
                self._uploads.forget(url)
        named = self._voice.named(error, attempt)
        if attempt.state == "submitted":  # one that came back later has its failure on record
            self._ledger.fail(
                attempt,
                "cancelled" if outcome.cancelled else "failed",
                to_record(named),
                charge=charge,
                barred=outcome.barred,
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
        self._wait_from_now("waiting")
        self.phase = "fetching"
        try:
            outcome = self._engine.outcome(attempt.ref)
            if outcome is None or not outcome.url:
                return self.fail(self._voice.gone(attempt))
            length = fetch_clip(self._engine, outcome, self.job.clip)
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
        if attempt is None:
            return
        if attempt.state == "intent":
            self._unsettled(attempt, "the service's list does not show it")
            return
        where = "running" if self._running else "in the queue"
        where = "being fetched" if self.phase == "fetching" else where
        error = StillRunning(f"still {where} after {clock(self._options.timeout)}")
        self.fail(self._voice.named(error, attempt))

    def receipt(self) -> ChunkReceipt:
        """What came of it."""
        job = self.job
        attempt = self._ledger.latest(job.content, job.take)
        if attempt is None:
            state = "done" if self.arrived else "planned"
            clip = job.clip if self.arrived else None
            return ChunkReceipt(job.index, job.take, job.model, state, None, clip, error=self.error)
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
