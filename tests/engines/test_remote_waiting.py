"""What is waited for, what fails, what is cancelled: nothing paid is lost."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from lipsync_kit.errors import (
    AccountError,
    ContentRefused,
    EngineError,
    RemoteFailure,
    ResultUnavailable,
    StillRunning,
)
from tests.engines.shop import QUICK, Shop, failed
from tests.fal_server import FalServer
from tests.fal_server.jobs import Failure


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

    @pytest.mark.parametrize("anew", [False, True])
    def test_a_download_that_hangs_does_not_either(
        self, shop: Shop, monkeypatch: pytest.MonkeyPatch, *, anew: bool
    ) -> None:
        monkeypatch.setattr("lipsync_kit.engines.remote.FETCH_GRACE", 0.2)
        if anew:
            for row in shop.run().chunks:
                assert row.clip is not None
                row.clip.unlink()
        shop.fal.fault("download", "hang_before", times=99, seconds=20)
        began = time.monotonic()
        error = failed(shop.run(replace(QUICK, timeout=0.5)), StillRunning)
        assert time.monotonic() - began < 5
        assert "being fetched" in error.message
        shop.fal.faults.clear()
        assert shop.run().error is None
        assert len(shop.fal.billed) == 3

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

    def test_a_clip_that_stops_early_is_kept_and_said(self, shop: Shop, tmp_path: Path) -> None:
        long = Shop(tmp_path / "long", shop.fal, chunks=1, seconds=12)
        shop.fal.counter.clip_seconds = Fraction(5)
        receipt = long.run()
        assert receipt.error is None
        assert receipt.usd == Fraction("1.92")
        (finding,) = receipt.chunks[0].findings
        assert (finding.code, finding.severity) == ("clip_short", "error")
        assert "5.00 s of 12.00 s" in finding.message
        assert long.run().error is None
        assert len(shop.fal.jobs) == 1
        shop.fal.counter.clip_seconds = None
        (again,) = long.run(retake=[0]).chunks
        assert not again.findings

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
