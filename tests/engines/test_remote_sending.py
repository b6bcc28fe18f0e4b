"""What is sent, and what becomes of a submit that nobody answered."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from lipsync_kit.engines.base import Ref, RemoteRequest
from lipsync_kit.engines.fal.engine import FalEngine
from lipsync_kit.engines.order import PaidJob
from lipsync_kit.errors import (
    AccountError,
    Rejected,
    UnsettledError,
)
from lipsync_kit.ledger import Ledger
from tests.engines.fal.conftest import settings_for
from tests.engines.shop import QUICK, Shop, failed
from tests.fal_server import FalServer


class TestSettling:
    @pytest.mark.parametrize("kind", ["drop_after", "status_after", "garbage", "truncate"])
    def test_a_lost_reply_is_found(self, shop: Shop, kind: Any) -> None:
        shop.fal.fault("submit", kind)
        receipt = shop.run()
        assert receipt.error is None
        assert len(shop.fal.billed) == len(shop.fal.asked("POST", "/omnihuman")) == 3

    @pytest.mark.parametrize("kind", ["status_before", "drop_before", "garbage", "truncate"])
    def test_a_list_that_stumbles_is_asked_again(self, shop: Shop, kind: Any) -> None:
        shop.fal.fault("submit", "drop_after")
        shop.fal.fault("list", kind, times=3)
        assert shop.run().error is None
        assert len(shop.fal.billed) == 3

    def test_a_list_that_lags_is_waited_for(self, shop: Shop) -> None:
        shop.fal.list_lag = 1.5
        shop.fal.fault("submit", "drop_after")
        assert shop.run().error is None
        assert len(shop.fal.billed) == 3

    def test_what_is_not_found_stops_and_asks(self, shop: Shop) -> None:
        shop.fal.fault("submit", "drop_before")
        receipt = shop.run(replace(QUICK, timeout=1.0))
        error = failed(receipt, UnsettledError)
        assert error.exit_status == 7
        assert "--resubmit-lost" in error.hint
        assert "fal.ai/dashboard" in error.hint
        states = [row.state for row in receipt.chunks]
        assert states.count("intent") == 1
        # what had left before is collected; nothing leaves after
        assert states.count("done") == len(shop.fal.jobs) <= 2

    def test_running_again_looks_again_and_sends_nothing(self, shop: Shop) -> None:
        shop.fal.fault("submit", "drop_before")
        shop.run(replace(QUICK, timeout=1.0, parallel=1))
        posts = len(shop.fal.asked("POST", "/omnihuman"))
        failed(shop.run(replace(QUICK, timeout=0.5)), UnsettledError)
        assert len(shop.fal.asked("POST", "/omnihuman")) == posts

    def test_the_user_may_send_it_again(self, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("lipsync_kit.engines.dispatch.RESUBMIT_AGE", 0.5)
        shop.fal.fault("submit", "drop_before")
        shop.run(replace(QUICK, timeout=0.6))
        receipt = shop.run(replace(QUICK, resubmit_lost=True))
        assert receipt.error is None
        assert len(shop.fal.billed) == 3
        assert receipt.maybe_usd == Fraction("0.48")

    def test_a_short_timeout_does_not_keep_the_user_from_it(self, shop: Shop) -> None:
        shop.fal.fault("submit", "drop_before")
        shop.run(replace(QUICK, timeout=0.4))
        assert shop.run(replace(QUICK, timeout=2.0, resubmit_lost=True)).error is None
        assert len(shop.fal.billed) == 3

    def test_what_can_not_be_looked_for_is_sent_again_only_on_the_users_word(
        self, shop: Shop
    ) -> None:
        shop.fal.fault("submit", "drop_before")
        shop.fal.fault("list", "drop_before", times=9999)
        for _ in range(2):
            failed(shop.run(replace(QUICK, timeout=0.4, parallel=1)), UnsettledError)
        assert shop.fal.jobs == []
        assert shop.run(replace(QUICK, timeout=2.0, resubmit_lost=True)).error is None
        assert len(shop.fal.billed) == 3

    def test_what_can_be_looked_for_in_the_end_is_not(self, shop: Shop) -> None:
        shop.fal.fault("submit", "drop_after")
        shop.fal.fault("list", "drop_before", times=999)
        shop.run(replace(QUICK, timeout=0.4, parallel=1))
        shop.fal.faults.clear()
        assert shop.run(replace(QUICK, resubmit_lost=True)).error is None
        assert len(shop.fal.billed) == 3

    def test_even_then_it_is_looked_for_first(self, shop: Shop) -> None:
        shop.fal.list_lag = 0.8
        shop.fal.fault("submit", "drop_after")
        shop.run(replace(QUICK, timeout=0.2, parallel=1))
        receipt = shop.run(replace(QUICK, resubmit_lost=True))
        assert receipt.error is None
        assert len(shop.fal.billed) == 3

    def test_a_list_that_is_closed_is_said(self, shop: Shop) -> None:
        shop.fal.fault("submit", "drop_after")
        shop.fal.fault("list", "status_before", times=99, status=403, body={"detail": "no scope"})
        error = failed(shop.run(), UnsettledError)
        assert "no scope" in error.message

    def test_two_lost_of_one_sound_find_one_each(self, fal: FalServer, tmp_path: Path) -> None:
        shop = Shop(tmp_path / "p", fal, same=True)
        fal.fault("submit", "drop_after", times=2)
        receipt = shop.run()
        assert receipt.error is None
        assert len({row.request_id for row in receipt.chunks}) == 3
        assert len(fal.billed) == 3


class TestSending:
    def test_two_at_a_time(self, fal: FalServer, tmp_path: Path) -> None:
        fal.counter.run_seconds = 0.2
        shop = Shop(tmp_path / "p", fal, chunks=6)
        assert shop.run().error is None
        jobs = sorted(fal.jobs, key=lambda job: job.sent)
        for job in jobs:
            assert sum(other.sent <= job.sent < other.ends for other in jobs) <= 2

    def test_async_sends_all_and_render_collects(self, shop: Shop) -> None:
        shop.fal.counter.run_seconds = 0.3
        receipt = shop.run(replace(QUICK, submit_only=True))
        assert receipt.error is None
        assert receipt.pending == (0, 1, 2)
        assert not shop.fal.asked("GET", "/status")
        assert [row["state"] for row in shop.rows()] == ["submitted"] * 3
        receipt = shop.run()
        assert [row.state for row in receipt.chunks] == ["done"] * 3
        assert len(shop.fal.billed) == 3

    def test_nobody_waits_longer_than_the_timeout_to_send(self, shop: Shop) -> None:
        wait = {"Retry-After": "3600"}
        shop.fal.fault("submit", "status_before", times=9, status=429, headers=wait)
        error = failed(shop.run(), Rejected)
        assert error.code == "too_many_requests"

    def test_a_busy_service_is_asked_again(self, shop: Shop) -> None:
        body = {"detail": "busy", "type": "concurrent_requests_limit"}
        shop.fal.fault("submit", "status_before", times=2, status=429, body=body)
        assert shop.run().error is None
        assert len(shop.fal.billed) == 3

    def test_a_service_that_stays_busy_is_an_error(
        self, shop: Shop, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("lipsync_kit.engines.dispatch.TRIES", 2)
        shop.fal.fault("submit", "status_before", times=99, status=429, body={"detail": "busy"})
        receipt = shop.run()
        assert receipt.error is not None
        assert (receipt.error.code, receipt.error.exit_status) == ("too_many_requests", 5)
        assert shop.fal.billed == []

    def test_an_empty_balance_stops_all(self, shop: Shop) -> None:
        body = {"detail": "User is locked. Reason: Exhausted balance."}
        shop.fal.fault("submit", "status_before", times=99, status=403, body=body)
        error = failed(shop.run(replace(QUICK, parallel=1)), AccountError)
        assert error.code == "balance"
        assert error.exit_status == 4
        assert len(shop.fal.asked("POST", "/omnihuman")) == 1

    def test_no_line_at_all(self, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("lipsync_kit.engines.dispatch.TRIES", 2)
        shop.run(replace(QUICK, submit_only=True))
        with FalServer() as other:
            gone = other.url
        shop.fal.url, live = gone, shop.fal.url
        receipt = shop.run(replace(QUICK, timeout=0.5), retake=[0])
        shop.fal.url = live
        assert receipt.error is not None
        assert receipt.error.exit_status == 5
        assert len(shop.fal.jobs) == 3

    def test_a_stranger_in_the_reply_gets_nothing(self, shop: Shop) -> None:
        shop.fal.fault("submit", "stranger", times=3)
        assert shop.run().error is None
        assert shop.notes.told("its reply named http://127.0.0.1:9") == 3


class TestInterrupting:
    def test_a_post_under_way_is_still_written_down(self, shop: Shop) -> None:
        shop.fal.fault("submit", "slow", seconds=1.0, times=2)

        class Stop(Exception):
            pass

        def interrupt(_job: PaidJob, _clip: Path) -> None:
            raise Stop

        shop.fal.counter.run_seconds = 0
        shop.run(replace(QUICK, submit_only=True, parallel=1, max_cost=Fraction(5)))
        shop.fal.fault("submit", "slow", seconds=1.0)
        shop.arrived = interrupt  # type: ignore[method-assign]
        with pytest.raises(Stop):
            shop.run(retake=[2])
        with Ledger(shop.layout.ledger) as ledger:  # whether or not the POST had left by then
            known = {one.ref.request_id for one in ledger.attempts() if one.ref is not None}
            assert {one.state for one in ledger.attempts()} <= {"submitted", "done"}
        assert known == {job.id for job in shop.fal.jobs}

    def test_a_ref_that_the_ledger_does_not_know_is_not_invented(self, shop: Shop) -> None:
        engine = FalEngine(settings_for(shop.fal))
        found: Callable[[], list[Ref]] = lambda: engine.find(  # noqa: E731
            RemoteRequest("fal-ai/bytedance/omnihuman/v1.5", {"a": 1}), time.time()
        )
        assert found() == []
        engine.close()
