"""The coordinator, against a fal on loopback: paid once, collected whatever happens."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from lipsync_kit.catalog import catalog
from lipsync_kit.engines.base import Ref, RemoteRequest
from lipsync_kit.engines.fal.engine import FalEngine
from lipsync_kit.engines.order import PaidJob, Receipt, RemoteOptions
from lipsync_kit.engines.orders import paid_jobs
from lipsync_kit.engines.remote import collect, job_rows, outlook
from lipsync_kit.errors import (
    AccountError,
    BudgetError,
    ContentRefused,
    EngineError,
    LipsyncError,
    RemoteFailure,
    ResultUnavailable,
    StillRunning,
    UnsettledError,
)
from lipsync_kit.ledger import Ledger
from lipsync_kit.project import Layout, load
from tests.engines.fal.conftest import settings_for
from tests.fal_server import FalServer
from tests.fal_server.jobs import Failure
from tests.fal_server.project import make_project

QUICK = RemoteOptions(poll_interval=0.02, timeout=10)


class Notes:
    """What a person was told."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.advanced = 0.0
        self.threads: set[int] = set()

    def task(self, *_: Any, **__: Any) -> AbstractContextManager[Notes]:
        return nullcontext(self)

    def advance(self, amount: float = 1.0) -> None:
        self.advanced += amount

    def note(self, message: str) -> None:
        self.threads.add(threading.get_ident())
        self.lines.append(message)

    def told(self, words: str) -> int:
        return sum(words in line for line in self.lines)


class Shop:
    """A project, its ledger and an engine: what `render` puts together."""

    def __init__(self, root: Path, fal: FalServer, **project: Any) -> None:
        self.root = make_project(root, **{"chunks": 3, **project})
        self.layout = Layout(self.root)
        self.fal = fal
        self.notes = Notes()

    def work(self, ledger: Ledger, **chosen: Any) -> list[PaidJob]:
        project = load(self.root)
        return paid_jobs(self.layout, project, catalog()[project.model], ledger, **chosen)

    def run(self, options: RemoteOptions = QUICK, **chosen: Any) -> Receipt:
        self.notes = Notes()
        engine = FalEngine(settings_for(self.fal))
        with Ledger(self.layout.ledger) as ledger:
            try:
                return collect(
                    engine, ledger, self.work(ledger, **chosen), options, self.notes, self.arrived
                )
            finally:
                engine.close()

    def arrived(self, job: PaidJob, clip: Path) -> None:
        assert clip == job.clip
        assert clip.stat().st_size > 0

    def rows(self) -> list[dict[str, Any]]:
        with Ledger(self.layout.ledger) as ledger:
            return job_rows(ledger, self.work(ledger))


@pytest.fixture
def fal() -> Iterator[FalServer]:
    with FalServer(run_seconds=0.0) as server:
        yield server


@pytest.fixture
def shop(fal: FalServer, tmp_path: Path) -> Shop:
    return Shop(tmp_path / "p", fal)


def failed(receipt: Receipt, kind: type[LipsyncError]) -> LipsyncError:
    error = receipt.error
    assert type(error) is kind, error
    return error


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


class TestSettling:
    @pytest.mark.parametrize("kind", ["drop_after", "status_after", "garbage", "truncate"])
    def test_a_lost_reply_is_found(self, shop: Shop, kind: Any) -> None:
        shop.fal.fault("submit", kind)
        receipt = shop.run()
        assert receipt.error is None
        assert len(shop.fal.billed) == len(shop.fal.asked("POST", "/omnihuman")) == 3

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

    def test_the_outlook_is_what_is_left(self, shop: Shop) -> None:
        with Ledger(shop.layout.ledger) as ledger:
            planned = outlook(ledger, shop.work(ledger))
        assert (planned.chunks, planned.seconds, planned.usd) == (3, 9, Fraction("1.44"))
        shop.run(replace(QUICK, submit_only=True))
        with Ledger(shop.layout.ledger) as ledger:
            assert outlook(ledger, shop.work(ledger)).chunks == 0


class TestWaiting:
    def test_the_timeout_ends_the_waiting_and_not_the_job(self, shop: Shop) -> None:
        shop.fal.counter.queue_seconds = 60
        began = time.monotonic()
        receipt = shop.run(replace(QUICK, timeout=0.5))
        assert time.monotonic() - began < 5
        error = failed(receipt, StillRunning)
        assert error.exit_status == 8
        assert [row.state for row in receipt.chunks] == ["submitted", "submitted", "planned"]
        assert not shop.fal.asked("PUT", "/cancel")
        for job in shop.fal.jobs:
            job.starts = job.ends = 0.0
        shop.fal.counter.queue_seconds = 0
        assert shop.run().error is None
        assert len(shop.fal.billed) == 3

    def test_a_service_that_hangs_does_not_hold_the_timeout(self, shop: Shop) -> None:
        shop.fal.fault("status", "hang_before", times=99, seconds=20)
        began = time.monotonic()
        failed(shop.run(replace(QUICK, timeout=0.5)), StillRunning)
        assert time.monotonic() - began < 5

    @pytest.mark.parametrize(
        "kind", ["drop_before", "status_before", "garbage", "truncate", "slow"]
    )
    @pytest.mark.parametrize("step", ["status", "result", "download"])
    def test_stumbles_are_survived(self, shop: Shop, step: str, kind: Any) -> None:
        shop.fal.fault(step, kind, times=3, seconds=0.2)
        assert shop.run().error is None
        assert len(shop.fal.jobs) == 3

    def test_the_queue_is_told_as_it_moves(self, shop: Shop) -> None:
        shop.fal.counter.queue_seconds = 1.2
        shop.fal.counter.run_seconds = 0.3
        shop.run()
        assert shop.notes.told("in the queue at position 2") >= 2
        assert shop.notes.told("in the queue at position 1") >= 2
        assert shop.notes.told("running") >= 2

    def test_a_crowd_in_the_queue_is_told_in_short(self, fal: FalServer, tmp_path: Path) -> None:
        shop = Shop(tmp_path / "many", fal, chunks=12)
        fal.counter.queue_seconds = 1.5
        shop.run(replace(QUICK, submit_only=True))
        shop.run()
        assert 12 <= shop.notes.told("in the queue") <= 30
        assert shop.notes.told("clip arrived") == 12

    def test_log_lines_are_told_once(self, shop: Shop) -> None:
        shop.fal.logs = ["warming up", "drawing", "drawing"]
        shop.fal.counter.run_seconds = 0.3
        shop.run(replace(QUICK, logs=True))
        assert shop.notes.told("warming up") == 3
        assert shop.notes.told("drawing") == 6

    def test_a_person_is_told_in_one_thread(self, shop: Shop) -> None:
        shop.run()
        assert shop.notes.threads == {threading.get_ident()}


class TestFailing:
    def test_siblings_go_on_and_only_the_failed_is_done_again(self, shop: Shop) -> None:
        detail = [{"loc": ["body", "audio_url"], "msg": "odd sound", "type": "x"}]
        shop.fal.counter.failures[1] = Failure(422, {"detail": detail})
        receipt = shop.run(replace(QUICK, parallel=1))
        error = failed(receipt, RemoteFailure)
        assert error.exit_status == 5
        assert error.message.startswith("chunk 1: ")
        assert "audio_url: odd sound" in error.message
        assert receipt.chunks[1].request_id in error.message
        assert [row.state for row in receipt.chunks] == ["done", "failed", "done"]
        assert receipt.chunks[1].charge == "maybe"
        assert (receipt.usd, receipt.maybe_usd) == (Fraction("0.96"), Fraction("0.48"))
        assert shop.run().error is None
        assert len(shop.fal.jobs) == 4

    def test_their_own_fault_costs_nothing(self, shop: Shop) -> None:
        body = {"detail": "Request timed out", "error_type": "request_timeout"}
        shop.fal.counter.failures[0] = Failure(504, body, "timed out", "request_timeout")
        receipt = shop.run()
        assert receipt.error is not None
        assert receipt.maybe_usd == 0
        assert shop.run().error is None

    def test_refused_content_needs_a_retake(self, shop: Shop) -> None:
        detail = [{"msg": "flagged", "type": "content_policy_violation"}]
        shop.fal.counter.failures[0] = Failure(422, {"detail": detail})
        receipt = shop.run(replace(QUICK, parallel=1))
        assert failed(receipt, ContentRefused).exit_status == 5
        jobs = len(shop.fal.jobs)
        again = failed(shop.run(), ContentRefused)
        assert "flagged" in again.message
        assert "--retake" in again.hint
        assert len(shop.fal.jobs) == jobs
        assert shop.run(retake=[0]).error is None

    def test_content_refused_at_the_door_needs_one_too(self, shop: Shop) -> None:
        body = {"detail": [{"msg": "flagged", "type": "content_policy_violation"}]}
        shop.fal.fault("submit", "status_before", status=422, body=body)
        failed(shop.run(replace(QUICK, parallel=1)), ContentRefused)
        failed(shop.run(), ContentRefused)
        assert len(shop.fal.asked("POST", "/omnihuman")) == 3

    def test_an_expired_result_needs_a_retake(self, shop: Shop) -> None:
        shop.fal.counter.expired = True
        receipt = shop.run(replace(QUICK, parallel=3))
        error = failed(receipt, ResultUnavailable)
        assert error.code == "result_expired"
        assert error.data["request_id"] in error.message
        assert receipt.usd == 3 * Fraction("0.48")
        failed(shop.run(), ResultUnavailable)
        assert len(shop.fal.jobs) == 3
        shop.fal.counter.expired = False
        assert shop.run().error is None  # it came back, and nothing was paid
        assert len(shop.fal.jobs) == 3

    def test_an_expired_result_may_be_paid_again(self, shop: Shop) -> None:
        shop.fal.counter.expired = True
        shop.run(replace(QUICK, parallel=3))
        shop.fal.counter.expired = False
        receipt = shop.run(retake=[0, 1, 2])
        assert receipt.error is None
        assert len(shop.fal.jobs) == 6

    def test_a_broken_clip_is_never_kept(self, shop: Shop) -> None:
        shop.fal.counter.broken = True
        receipt = shop.run(replace(QUICK, parallel=3))
        error = failed(receipt, ResultUnavailable)
        assert error.code == "result_broken"
        assert not list(shop.layout.hidden.glob("takes/**/*.mp4"))
        shop.fal.counter.broken = False
        assert shop.run().error is None
        assert len(shop.fal.jobs) == 3

    def test_a_clip_that_stops_early_is_no_clip(self, shop: Shop, tmp_path: Path) -> None:
        long = Shop(tmp_path / "long", shop.fal, chunks=1, seconds=12)
        shop.fal.counter.clip_seconds = Fraction(5)
        receipt = long.run()
        error = failed(receipt, ResultUnavailable)
        assert "5.00 s of 12.00 s" in error.message
        assert receipt.usd == Fraction("1.92")
        failed(long.run(), ResultUnavailable)
        assert len(shop.fal.jobs) == 1
        shop.fal.counter.clip_seconds = None
        assert long.run(retake=[0]).error is None

    def test_a_clip_that_is_a_little_short_is_said(self, shop: Shop, tmp_path: Path) -> None:
        long = Shop(tmp_path / "long", shop.fal, chunks=1, seconds=4)
        shop.fal.counter.clip_seconds = Fraction(3)
        receipt = long.run()
        assert receipt.error is None
        (finding,) = receipt.chunks[0].findings
        assert (finding.code, finding.severity) == ("clip_short", "warning")

    def test_an_upload_that_could_not_be_loaded_goes_up_again(self, shop: Shop) -> None:
        detail = [{"loc": ["body", "image_url"], "msg": "gone", "type": "file_download_error"}]
        shop.fal.counter.failures[0] = Failure(422, {"detail": detail})
        shop.run(replace(QUICK, parallel=1))
        assert shop.run().error is None
        first, *others = [job.arguments["image_url"] for job in shop.fal.jobs]
        assert len(others) == 3
        assert first not in others
        assert len(set(others)) == 1

    def test_an_upload_that_expired_goes_up_again(self, shop: Shop) -> None:
        shop.run()
        shop.fal.counter.uploads_expired = True
        before = len(shop.fal.asked("POST", "/files/upload"))
        shop.run(retake=[0, 1])
        assert len(shop.fal.asked("POST", "/files/upload")) == before + 3

    def test_a_storage_that_is_down_costs_nothing(self, shop: Shop) -> None:
        shop.fal.fault("upload", "status_before", times=99, status=503)
        receipt = shop.run()
        failed(receipt, EngineError)
        assert shop.fal.jobs == []
        shop.fal.faults.clear()
        assert shop.run().error is None

    def test_a_key_that_was_taken_back_loses_nothing(self, shop: Shop) -> None:
        shop.run(replace(QUICK, submit_only=True))
        shop.fal.fault("status", "status_before", times=99, status=401, body={"detail": "no"})
        failed(shop.run(), AccountError)
        assert [row["state"] for row in shop.rows()] == ["submitted"] * 3
        shop.fal.faults.clear()
        assert shop.run().error is None
        assert len(shop.fal.billed) == 3


class TestCancelling:
    def test_what_waits_is_cancelled(self, shop: Shop) -> None:
        shop.fal.counter.queue_seconds = 60
        shop.run(replace(QUICK, submit_only=True))
        receipt = shop.run(replace(QUICK, cancel=True))
        assert receipt.error is None
        assert [row.state for row in receipt.chunks] == ["cancelled"] * 3
        assert [row.charge for row in receipt.chunks] == ["none"] * 3
        assert shop.fal.billed == []

    def test_what_finished_all_the_same_is_kept(self, shop: Shop) -> None:
        shop.fal.counter.run_seconds = 0.4
        shop.fal.late_cancel = True
        shop.run(replace(QUICK, submit_only=True))
        receipt = shop.run(replace(QUICK, cancel=True))
        assert [row.state for row in receipt.chunks] == ["done"] * 3
        assert all(row.clip is not None and row.clip.exists() for row in receipt.chunks)
        assert len(shop.fal.asked("PUT", "/cancel")) == 3

    def test_cancelling_sends_nothing(self, shop: Shop) -> None:
        receipt = shop.run(replace(QUICK, cancel=True))
        assert receipt.error is None
        assert shop.fal.seen == []

    def test_a_cancelled_chunk_may_be_rendered_later(self, shop: Shop) -> None:
        shop.fal.counter.queue_seconds = 60
        shop.run(replace(QUICK, submit_only=True))
        shop.run(replace(QUICK, cancel=True))
        shop.fal.counter.queue_seconds = 0
        assert shop.run().error is None
        assert len(shop.fal.billed) == 3


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
        assert all(row["request_id"] for row in shop.rows())

    def test_a_ref_that_the_ledger_does_not_know_is_not_invented(self, shop: Shop) -> None:
        engine = FalEngine(settings_for(shop.fal))
        found: Callable[[], list[Ref]] = lambda: engine.find(  # noqa: E731
            RemoteRequest("fal-ai/bytedance/omnihuman/v1.5", {"a": 1}), time.time()
        )
        assert found() == []
        engine.close()
