"""How a job ends: a clip, the model's complaint, the platform's, or nothing any more."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from lipsync_kit.engines.base import Outcome, PassingFault, Ref
from lipsync_kit.engines.fal.engine import FalEngine
from lipsync_kit.errors import AccountError, ContentRefused, RemoteFailure, ResultUnavailable
from tests.engines.fal.conftest import MODEL
from tests.fal_server import FalServer
from tests.fal_server.jobs import Failure, make_clip


def submit(fal: FalServer, engine: FalEngine, failure: Failure | None = None) -> Ref:
    job = fal.counter.register(MODEL, {})
    job.failure = failure
    return engine.ref(MODEL, job.id)


def outcome(fal: FalServer, engine: FalEngine, failure: Failure | None = None) -> Outcome:
    found = engine.outcome(submit(fal, engine, failure))
    assert found is not None
    return found


def complaint(kind: str, **context: Any) -> dict[str, Any]:
    entry = {"loc": ["body", "audio_url"], "msg": "Too long", "type": kind, "ctx": context}
    return {"detail": [entry]}


def test_a_queue_is_followed(engine: FalEngine, fal: FalServer) -> None:
    fal.counter.queue_seconds, fal.counter.run_seconds = 5.0, 5.0
    ref = submit(fal, engine)
    look = engine.poll(ref, logs=False)
    assert (look.state, look.position) == ("queued", 6)
    job = fal.jobs[0]
    job.starts -= 6
    fal.logs = ["a", "b"]
    look = engine.poll(ref, logs=True)
    assert (look.state, look.logs) == ("running", ("t0 a", "t1 b"))
    assert fal.asked("GET", "logs=true")
    assert engine.outcome(ref) is None
    job.ends -= 12
    assert engine.poll(ref, logs=False).state == "ended"


def test_a_clip(engine: FalEngine, fal: FalServer, tmp_path: Path) -> None:
    found = outcome(fal, engine)
    assert found.error is None
    assert found.charge == "billed"
    engine.fetch(found, tmp_path / "clip.mp4")
    assert (tmp_path / "clip.mp4").read_bytes() == make_clip(25)
    (seen,) = fal.asked("GET", "/clips/")
    assert "authorization" not in seen.headers


def test_what_the_service_says_it_bills(engine: FalEngine, fal: FalServer) -> None:
    body = {"video": {"url": f"{fal.url}/clips/x.mp4", "file_size": 12}, "duration": 9.64}
    found = outcome(fal, engine, Failure(200, body))
    assert (found.seconds, found.size) == (Fraction("9.64"), 12)


@pytest.mark.parametrize("duration", [True, "9", None, -1, 0, float("1e300")])
def test_a_duration_that_is_none_is_left_out(
    engine: FalEngine, fal: FalServer, duration: Any
) -> None:
    body = {"video": {"url": f"{fal.url}/clips/x.mp4"}, "duration": duration}
    assert outcome(fal, engine, Failure(200, body)).seconds is None


def test_a_models_complaint(engine: FalEngine, fal: FalServer) -> None:
    body = complaint("audio_duration_too_long", max_duration=30, provided_duration=90)
    found = outcome(fal, engine, Failure(422, body))
    assert isinstance(found.error, RemoteFailure)
    assert found.error.message == (
        "fal could not make the clip: audio_url: Too long "
        "(max_duration 30, provided_duration 90) [audio_duration_too_long]"
    )
    assert "--max-chunk" in found.error.hint
    assert found.error.data["inputs"] == ["audio_url"]
    assert (found.charge, found.barred) == ("maybe", False)


def test_several_complaints_are_all_said(engine: FalEngine, fal: FalServer) -> None:
    body = complaint("x")["detail"] + [{"loc": ["body", "image_url"], "msg": "No face"}]
    found = outcome(fal, engine, Failure(422, {"detail": body}))
    assert found.error is not None
    assert "audio_url, image_url: Too long; No face" in found.error.message


@pytest.mark.parametrize(
    "body",
    [
        complaint("content_policy_violation"),
        complaint("no_media_generated", reason="partner_validation_failed"),
    ],
)
def test_refused_content_is_not_done_again(
    engine: FalEngine, fal: FalServer, body: dict[str, Any]
) -> None:
    found = outcome(fal, engine, Failure(422, body))
    assert isinstance(found.error, ContentRefused)
    assert found.barred


@pytest.mark.parametrize(
    "failure",
    [
        Failure(500, complaint("internal_server_error")),
        Failure(504, {"detail": "Request timed out", "error_type": "request_timeout"}),
        Failure(503, {"detail": "gone"}, headers={"X-Fal-Error-Type": "runner_connection_error"}),
        Failure(500, {"detail": "gone"}, error="it broke", error_type="internal_error"),
        Failure(502, "<html>nginx</html>", error="it broke"),
    ],
)
def test_their_fault_is_not_billed(engine: FalEngine, fal: FalServer, failure: Failure) -> None:
    found = outcome(fal, engine, failure)
    assert isinstance(found.error, RemoteFailure)
    assert found.charge == "none"


@pytest.mark.parametrize("status", [502, 503, 500, 429])
def test_a_stumble_is_no_failure(engine: FalEngine, fal: FalServer, status: int) -> None:
    fal.fault("result", "status_before", status=status)
    assert outcome(fal, engine).url
    fal.fault("result", "status_before", status=status, times=99)
    with pytest.raises(PassingFault, match=str(status)):
        outcome(fal, engine)


def test_a_gateway_that_speaks_like_a_model_is_doubted(engine: FalEngine, fal: FalServer) -> None:
    body = {"detail": "No runner", "error_type": "runner_connection_error"}
    fal.fault("result", "status_before", status=503, body=body, times=2)
    found = outcome(fal, engine)
    assert found.error is None
    assert found.url


@pytest.mark.parametrize("body", ["<html>", [], {}])
def test_a_job_that_the_status_calls_failed_is_failed(
    engine: FalEngine, fal: FalServer, body: Any
) -> None:
    found = outcome(fal, engine, Failure(200, body, error="it broke"))
    assert isinstance(found.error, RemoteFailure)
    assert "it broke" in found.error.message


def test_an_upload_that_fal_could_not_load_is_named(engine: FalEngine, fal: FalServer) -> None:
    found = outcome(fal, engine, Failure(422, complaint("file_download_error")))
    assert found.stale == ("audio_url",)


def test_a_cancelled_job(engine: FalEngine, fal: FalServer) -> None:
    fal.counter.run_seconds = 60
    ref = submit(fal, engine)
    assert engine.cancel(ref) == "requested"
    found = engine.outcome(ref)
    assert found is not None
    assert found.cancelled
    assert engine.cancel(ref) == "ended"
    assert engine.cancel(engine.ref(MODEL, "unheard-of")) == "unknown"


def test_a_request_that_nobody_knows(engine: FalEngine) -> None:
    ref = engine.ref(MODEL, "unheard-of")
    for ask in (lambda: engine.poll(ref, logs=False), lambda: engine.outcome(ref)):
        with pytest.raises(ResultUnavailable, match="unheard-of") as caught:
            ask()
        assert caught.value.code == "result_expired"


def test_a_key_that_was_taken_back(engine: FalEngine, fal: FalServer) -> None:
    ref = submit(fal, engine)
    fal.fault("status", "status_before", status=401, body={"detail": "revoked"})
    with pytest.raises(AccountError, match="revoked"):
        engine.poll(ref, logs=False)


def test_a_status_that_nobody_knows_is_asked_again(engine: FalEngine, fal: FalServer) -> None:
    fal.fault("status", "status_before", status=200, body={"status": "PONDERING"})
    with pytest.raises(PassingFault, match="PONDERING"):
        engine.poll(submit(fal, engine), logs=False)


def test_a_result_without_a_video(engine: FalEngine, fal: FalServer) -> None:
    with pytest.raises(ResultUnavailable, match="names no video"):
        outcome(fal, engine, Failure(200, {"images": []}))


def test_an_expired_clip(engine: FalEngine, fal: FalServer, tmp_path: Path) -> None:
    found = outcome(fal, engine)
    fal.counter.expired = True
    with pytest.raises(ResultUnavailable, match="expired"):
        engine.fetch(found, tmp_path / "clip.mp4")


@pytest.mark.parametrize("kind", ["truncate", "drop_before", "status_before"])
def test_a_download_that_breaks_off_is_done_again(
    engine: FalEngine, fal: FalServer, tmp_path: Path, kind: Any
) -> None:
    found = outcome(fal, engine)
    fal.fault("download", kind)
    engine.fetch(found, tmp_path / "clip.mp4")
    assert (tmp_path / "clip.mp4").read_bytes() == make_clip(25)


@pytest.mark.parametrize(
    "url", ["http://169.254.169.254/latest", "http://10.0.0.1/x.mp4", "http://fal.example/x.mp4"]
)
def test_a_result_is_not_fetched_from_just_anywhere(
    engine: FalEngine, tmp_path: Path, url: str
) -> None:
    with pytest.raises(PassingFault, match="not a place"):
        engine.fetch(Outcome(url=url), tmp_path / "clip.mp4")


def test_a_service_that_quotes_the_key(engine: FalEngine, fal: FalServer) -> None:
    from tests.fal_server.server import KEY

    found = outcome(fal, engine, Failure(422, {"detail": [{"msg": f"bad key {KEY}"}]}))
    assert found.error is not None
    assert KEY not in str(found.error.to_dict())
    assert "bad key ***" in found.error.message
