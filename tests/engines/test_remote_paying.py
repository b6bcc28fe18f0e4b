"""What is paid: once, within the cap, and each take for itself."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

from lipsync_kit.engines.remote import outlook
from lipsync_kit.errors import (
    BudgetError,
    UnsettledError,
)
from lipsync_kit.ledger import Ledger
from tests.engines.shop import QUICK, Shop, failed
from tests.fal_server import FalServer
from tests.fal_server.jobs import Failure


class TestPaying:
    def test_every_chunk_is_paid_once(self, shop: Shop) -> None:
        receipt = shop.run()
        assert receipt.error is None
        assert [row.state for row in receipt.chunks] == ["done"] * 3
        assert [row.index for row in receipt.chunks] == [0, 1, 2]
        assert len(shop.fal.billed) == 3
        assert (receipt.seconds, receipt.usd) == (9, Fraction("1.44"))
        assert shop.notes.advanced == 3

    def test_a_second_run_asks_for_nothing(self, shop: Shop) -> None:
        shop.run()
        asked = len(shop.fal.seen)
        receipt = shop.run()
        assert receipt.error is None
        assert receipt.usd == Fraction("1.44")
        assert len(shop.fal.seen) == asked

    def test_the_portrait_goes_up_once(self, shop: Shop) -> None:
        shop.run()
        uploads = shop.fal.asked("POST", "/files/upload")
        assert len(uploads) == 4  # one portrait, three sounds
        assert len({job.arguments["image_url"] for job in shop.fal.jobs}) == 1
        shop.run(retake=[1])
        assert len(shop.fal.asked("POST", "/files/upload")) == 4

    def test_the_request_is_the_models_own(self, shop: Shop) -> None:
        shop.run()
        arguments = shop.fal.jobs[0].arguments
        assert set(arguments) == {"image_url", "audio_url", "resolution"}
        assert arguments["resolution"] == "1080p"

    def test_equal_chunks_are_two_jobs(self, fal: FalServer, tmp_path: Path) -> None:
        shop = Shop(tmp_path / "p", fal, same=True)
        assert shop.run().error is None
        assert len(fal.billed) == 3
        assert len(fal.asked("POST", "/files/upload")) == 2
        assert shop.run().error is None
        assert len(fal.billed) == 3

    def test_a_clip_that_moved_is_not_paid_again(self, fal: FalServer, tmp_path: Path) -> None:
        shop = Shop(tmp_path / "p", fal)
        shop.run()
        with Ledger(shop.layout.ledger) as ledger:
            before = shop.work(ledger)
            moved = [replace(job, index=job.index + 1) for job in before]
            assert outlook(ledger, moved).chunks == 0

    def test_a_clip_that_was_removed_is_fetched_again(self, shop: Shop) -> None:
        receipt = shop.run()
        for row in receipt.chunks:
            assert row.clip is not None
            row.clip.unlink()
        assert shop.run().error is None
        assert len(shop.fal.billed) == 3

    def test_a_clip_outlives_its_ledger(self, shop: Shop) -> None:
        shop.run()
        for path in shop.layout.hidden.glob("ledger.db*"):
            path.unlink()
        receipt = shop.run()
        assert receipt.error is None
        assert [row.state for row in receipt.chunks] == ["done"] * 3
        assert len(shop.fal.jobs) == 3

    def test_what_the_service_reports_is_billed(self, fal: FalServer, tmp_path: Path) -> None:
        shop = Shop(tmp_path / "p", fal, chunks=1)
        fal.counter.reported_seconds = 7.2
        receipt = shop.run()
        assert (receipt.seconds, receipt.usd) == (8, Fraction("1.28"))


class TestTakes:
    def test_a_retake_is_paid_and_the_first_take_stays(self, shop: Shop) -> None:
        shop.run()
        receipt = shop.run(retake=[1])
        assert [row.take for row in receipt.chunks] == [1, 2, 1]
        assert len(shop.fal.billed) == 4
        assert receipt.usd == 4 * Fraction("0.48")
        assert [row.take for row in shop.run().chunks] == [1, 2, 1]
        assert [row.take for row in shop.run(take={1: 1}).chunks] == [1, 1, 1]
        assert len(shop.fal.billed) == 4

    def test_a_retake_that_was_cut_off_goes_on(self, shop: Shop) -> None:
        shop.run()
        shop.run(replace(QUICK, submit_only=True), retake=[1])
        receipt = shop.run()
        assert [row.take for row in receipt.chunks] == [1, 2, 1]
        assert len(shop.fal.billed) == 4

    def test_a_lost_retake_is_not_taken_for_the_first(self, shop: Shop) -> None:
        shop.run()
        shop.fal.fault("submit", "drop_before")
        unsettled = shop.run(replace(QUICK, timeout=1.0), retake=[1])
        failed(unsettled, UnsettledError)
        assert unsettled.chunks[1].request_id is None
        assert len(shop.fal.billed) == 3
        shop.fal.fault("submit", "drop_after")
        with Ledger(shop.layout.ledger) as ledger:
            attempt = ledger.latest(shop.work(ledger)[1].content, 2)
            assert attempt is not None
            ledger.lose(attempt, "a test")
        receipt = shop.run(retake=[1])
        assert receipt.error is None
        assert receipt.chunks[1].request_id == shop.fal.jobs[3].id


class TestMoney:
    def test_an_estimate_above_the_cap_sends_nothing(self, shop: Shop) -> None:
        receipt = shop.run(replace(QUICK, max_cost=Fraction("1.43")))
        error = failed(receipt, BudgetError)
        assert "$1.44" in error.message
        assert "$1.43" in error.message
        assert shop.fal.seen == []

    def test_the_cap_may_be_met(self, shop: Shop) -> None:
        assert shop.run(replace(QUICK, max_cost=Fraction("1.44"))).error is None

    def test_a_surprise_stops_what_is_left(self, shop: Shop) -> None:
        shop.fal.counter.reported_seconds = 6.0  # twice what was expected
        receipt = shop.run(replace(QUICK, max_cost=Fraction("1.50"), parallel=1))
        error = failed(receipt, BudgetError)
        assert error.exit_status == 6
        assert [row.state for row in receipt.chunks] == ["done", "done", "planned"]
        assert len(shop.fal.billed) == 2

    def test_what_may_be_billed_counts_against_the_cap(self, shop: Shop) -> None:
        shop.fal.counter.failures[0] = Failure(422, {"detail": [{"msg": "no", "type": "x"}]})
        shop.run(replace(QUICK, max_cost=Fraction("1.44"), parallel=1))
        again = shop.run(replace(QUICK, max_cost=Fraction("0.47")))
        failed(again, BudgetError)

    def test_an_unknown_price_can_not_be_capped(self, fal: FalServer, tmp_path: Path) -> None:
        shop = Shop(tmp_path / "p", fal, model="bytedance/omnihuman/v2")
        error = failed(shop.run(replace(QUICK, max_cost=Fraction(100))), BudgetError)
        assert error.code == "price_unknown"
        assert fal.seen == []

    def test_an_unknown_price_is_never_a_zero(self, fal: FalServer, tmp_path: Path) -> None:
        shop = Shop(tmp_path / "p", fal, model="bytedance/omnihuman/v2")
        receipt = shop.run()  # without a cap: the user said yes
        assert receipt.error is None
        assert receipt.seconds == 3
        assert receipt.to_dict()["usd"] is None
        assert receipt.to_dict()["maybe_usd"] == 0
        assert [row.bill["usd"] for row in receipt.chunks] == [None] * 3
        assert [row["usd"] for row in shop.rows()] == [None] * 3
        assert shop.notes.told("price unknown") == 3
        assert shop.notes.told("$0.00") == 0

    def test_the_outlook_is_what_is_left(self, shop: Shop) -> None:
        with Ledger(shop.layout.ledger) as ledger:
            planned = outlook(ledger, shop.work(ledger))
        assert (planned.chunks, planned.seconds, planned.usd) == (3, 9, Fraction("1.44"))
        shop.run(replace(QUICK, submit_only=True))
        with Ledger(shop.layout.ledger) as ledger:
            assert outlook(ledger, shop.work(ledger)).chunks == 0
