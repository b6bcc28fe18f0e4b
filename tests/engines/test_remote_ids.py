"""Requests by their ids, and projects asked from outside: how far are they?"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lipsync_kit import requests
from lipsync_kit.engines.acceptance import clip_seconds
from lipsync_kit.errors import EngineError, RemoteFailure, ResultUnavailable, StillRunning
from lipsync_kit.paid import look
from lipsync_kit.rendering import RenderOptions, render
from tests.fal_server import FalServer
from tests.fal_server.jobs import Failure
from tests.fal_server.project import make_project

MODEL = "fal-ai/bytedance/omnihuman/v1.5"
ASYNC = RenderOptions(engine="fal", yes=True, submit_only=True, poll_interval=0.02, timeout=5)


@pytest.fixture
def fal(monkeypatch: pytest.MonkeyPatch) -> Iterator[FalServer]:
    with FalServer(run_seconds=0.0) as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        yield server


def test_a_request_is_followed_by_its_id(fal: FalServer, tmp_path: Path) -> None:
    fal.counter.queue_seconds = fal.counter.run_seconds = 60
    job = fal.counter.register(MODEL, {})
    assert requests.status(job.id, MODEL) == {"request_id": job.id, "status": "IN_QUEUE"}
    job.starts -= 61
    assert requests.status(job.id, MODEL)["status"] == "IN_PROGRESS"
    with pytest.raises(StillRunning):
        requests.result(job.id, MODEL)
    job.ends -= 121
    assert requests.status(job.id, MODEL)["status"] == "COMPLETED"
    assert requests.result(job.id, MODEL)["video"]["url"].startswith(fal.url)
    found = requests.result(job.id, MODEL, tmp_path / "out.mp4")
    assert found["video"]["url"] == (tmp_path / "out.mp4").as_uri()
    assert clip_seconds(Path(found["video"]["path"])) == 1


def test_a_broken_result_is_not_saved(fal: FalServer, tmp_path: Path) -> None:
    fal.counter.broken = True
    job = fal.counter.register(MODEL, {})
    output = tmp_path / "out.mp4"
    output.write_bytes(b"an earlier film")
    with pytest.raises(ResultUnavailable, match="broken"):
        requests.result(job.id, MODEL, output)
    assert output.read_bytes() == b"an earlier film"
    assert list(tmp_path.iterdir()) == [output]


def test_a_request_that_failed(fal: FalServer) -> None:
    job = fal.counter.register(MODEL, {})
    job.failure = Failure(422, {"detail": [{"msg": "no face", "type": "face_detection_error"}]})
    found = requests.status(job.id, MODEL)
    assert found["status"] == "FAILED"
    assert "no face" in found["error"]["message"]
    with pytest.raises(RemoteFailure, match="no face"):
        requests.result(job.id, MODEL)


def test_a_request_that_nobody_knows(fal: FalServer) -> None:
    with pytest.raises(ResultUnavailable, match="unheard-of"):
        requests.status("unheard-of", MODEL)
    with pytest.raises(EngineError, match="does not know"):
        requests.cancel("unheard-of", MODEL)


def test_a_request_is_cancelled_by_its_id(fal: FalServer) -> None:
    fal.counter.queue_seconds = 60
    job = fal.counter.register(MODEL, {})
    assert requests.cancel(job.id, MODEL)["status"] == "FAILED"
    assert job.cancelled


def test_a_project_is_looked_at_from_outside(fal: FalServer, tmp_path: Path) -> None:
    root = make_project(tmp_path / "p", chunks=2)
    assert [row["status"] for row in look(root)] == ["IN_QUEUE", "IN_QUEUE"]
    fal.counter.run_seconds = 60
    render(root, ASYNC)
    assert [row["status"] for row in look(root)] == ["IN_PROGRESS", "IN_PROGRESS"]
    assert {row["request_id"] for row in look(root)} == {job.id for job in fal.jobs}
    for job in fal.jobs:
        job.ends -= 61
    assert [row["status"] for row in look(root)] == ["COMPLETED", "COMPLETED"]
