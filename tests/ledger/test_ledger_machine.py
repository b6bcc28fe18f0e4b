"""Any order of events, by any number of hands: the ledger's promises hold."""

from __future__ import annotations

import tempfile
from fractions import Fraction
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule

from lipsync_kit.engines.base import Ref
from lipsync_kit.ledger import LIVE, MOVES, Attempt, Intent, Ledger

jobs = st.integers(0, 3)
takes = st.integers(1, 2)
names = st.sampled_from("abcdef")


class Promises(RuleBasedStateMachine):
    """Hands hold attempts as they once read them, and act on them later."""

    held = Bundle("held")

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.ledger = Ledger(Path(self.folder.name) / "ledger.db")
        self.past: dict[str, str] = {}
        self.paid: dict[tuple[str, int], set[str]] = {}

    def teardown(self) -> None:
        self.ledger.close()
        self.folder.cleanup()

    @rule(target=held, job=jobs, take=takes)
    def intend(self, job: int, take: int) -> Attempt | None:
        was_live = self.ledger.live(f"c{job}", take) is not None
        made = self.ledger.intend(Intent(f"c{job}", take, job, "fal", "m", {}, 3, Fraction(1)))
        assert (made is None) == was_live
        return made

    @rule(target=held, one=held)
    def read_again(self, one: Attempt | None) -> Attempt | None:
        return None if one is None else self.ledger.get(one.id)

    @rule(one=held, name=names)
    def submit(self, one: Attempt | None, name: str) -> None:
        if one is not None and one.state == "intent":
            known = self.ledger.knows("fal", name)
            fresh = self.ledger.get(one.id).state == "intent"
            assert self.ledger.submit(one, Ref(name, "s", "r", "c")) == (fresh and not known)

    @rule(one=held, end=st.sampled_from(["rejected", "lost"]))
    def end_intent(self, one: Attempt | None, end: str) -> None:
        if one is not None and one.state == "intent":
            moved = (
                self.ledger.reject(one, {}) if end == "rejected" else self.ledger.lose(one, "why")
            )
            assert moved == (self.past[one.id] == "intent")

    @rule(one=held, end=st.sampled_from(["failed", "cancelled"]), barred=st.booleans())
    def end_job(self, one: Attempt | None, end: str, barred: bool) -> None:
        if one is not None and one.state == "submitted":
            self.ledger.fail(one, end, {}, charge="maybe", barred=barred)  # type: ignore[arg-type]

    @rule(one=held)
    def finish(self, one: Attempt | None) -> None:
        if one is not None and "done" in MOVES[one.state]:
            self.ledger.finish(one, "clip.mp4", 3, Fraction(1))

    @invariant()
    def one_live_attempt_a_job(self) -> None:
        live = [one.job for one in self.ledger.attempts() if one.state in LIVE]
        assert len(live) == len(set(live))

    @invariant()
    def one_attempt_a_request(self) -> None:
        known = [one.ref.request_id for one in self.ledger.attempts() if one.ref]
        assert len(known) == len(set(known))

    @invariant()
    def states_only_go_forward(self) -> None:
        for one in self.ledger.attempts():
            before = self.past.get(one.id, one.state)
            assert one.state == before or one.state in MOVES[before]  # type: ignore[index]
            self.past[one.id] = one.state

    @invariant()
    def a_request_is_never_forgotten(self) -> None:
        for one in self.ledger.attempts():
            if one.state in {"submitted", "done", "failed", "cancelled"}:
                assert one.ref is not None


TestPromises = Promises.TestCase
TestPromises.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
