"""`lipsync-kit render --engine fal`, the real command, against every fault at every step.

The right exit status, a clear error, never a second bill, and run again it finishes.
"""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from lipsync_kit.cli import run
from lipsync_kit.engines.acceptance import clip_seconds
from lipsync_kit.project import load, save
from tests.fal_server import FalServer
from tests.fal_server.jobs import Failure
from tests.fal_server.project import make_project

CHUNKS = 2
BALANCE = {"detail": "User is locked. Reason: Exhausted balance."}
INVALID = {"detail": [{"loc": ["body", "prompt"], "msg": "odd", "type": "x"}]}


@dataclass
class Said:
    """What one command left: exit status, the document, what a person read."""

    status: int
    document: dict[str, Any]
    stderr: str

    @property
    def error(self) -> dict[str, Any]:
        return self.document["error"]  # type: ignore[no-any-return]


class Desk:
    """Somebody at a terminal with one project."""

    def __init__(self, root: Path, fal: FalServer, capsys: pytest.CaptureFixture[str]) -> None:
        self.root = make_project(root, chunks=CHUNKS)
        self.fal = fal
        self._capsys = capsys

    def command(self, *argv: str) -> Said:
        self._capsys.readouterr()
        status = run(argv)
        out, err = self._capsys.readouterr()
        document = json.loads(out)
        assert "Traceback" not in out + err
        return Said(status, document, err)

    def render(self, *more: str, timeout: float = 10.0) -> Said:
        quick = ("--engine", "fal", "--yes", "--poll-interval", "0.02", "--timeout", str(timeout))
        return self.command("render", str(self.root), *quick, *more)

    def finished(self, *more: str, paid: int = CHUNKS) -> Said:
        """Render to the end: the film is whole and so many jobs were billed."""
        said = self.render(*more)
        assert said.status == 0, said.document
        assert clip_seconds(Path(said.document["video"]["path"])) == CHUNKS
        assert len(self.fal.billed) == paid
        return said


@pytest.fixture
def fal(monkeypatch: pytest.MonkeyPatch) -> Iterator[FalServer]:
    with FalServer(run_seconds=0.0) as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        yield server


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr("lipsync_kit.engines.dispatch.RESUBMIT_AGE", 0.1)
    monkeypatch.setattr("lipsync_kit.engines.fal.wire.READ_SECONDS", 1.0)
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def desk(fal: FalServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Desk:
    return Desk(tmp_path / "p", fal, capsys)


HARMLESS = [
    *((step, "drop_before", {}) for step in ("token", "upload", "status", "result", "download")),
    *((step, "status_before", {}) for step in ("token", "upload", "status", "result", "download")),
    *((step, "truncate", {}) for step in ("token", "upload", "status", "result", "download")),
    *((step, "garbage", {}) for step in ("token", "upload", "status", "result", "download")),
    *((step, "status_before", {"status": 429, "body": {}}) for step in ("token", "status")),
    *((step, "status_before", {"status": 404, "body": {}}) for step in ("status", "result")),
    *((step, "slow", {"seconds": 0.3}) for step in ("submit", "status", "result", "download")),
    *((step, "stranger", {}) for step in ("token", "submit")),
    ("status", "hang_before", {"seconds": 3}),
    ("submit", "drop_after", {}),
    ("submit", "garbage", {}),
    ("submit", "truncate", {}),
    ("submit", "status_after", {}),
    ("submit", "status_after", {"status": 500, "body": {"detail": "oops"}}),
    ("submit", "status_before", {"status": 429, "body": {}}),
]


@pytest.mark.parametrize(("step", "kind", "details"), HARMLESS)
def test_what_passes_is_not_noticed(desk: Desk, step: str, kind: Any, details: Any) -> None:
    desk.fal.fault(step, kind, **details)
    desk.finished()
    assert len(desk.fal.jobs) == CHUNKS


@pytest.mark.parametrize(
    ("step", "kind", "details", "status", "code"),
    [
        ("submit", "drop_before", {}, 7, "unsettled"),
        ("submit", "status_before", {}, 7, "unsettled"),
        ("submit", "hang_before", {"seconds": 9}, 7, "unsettled"),
        ("submit", "status_before", {"status": 403, "body": BALANCE}, 4, "balance"),
        ("submit", "status_before", {"status": 401, "body": {"detail": "x"}}, 4, "key_refused"),
        ("submit", "status_before", {"status": 422, "body": INVALID}, 5, "rejected"),
        ("submit", "status_before", {"status": 404, "body": {}}, 5, "model_unknown"),
        ("token", "status_before", {"status": 401, "body": {}}, 4, "key_refused"),
        ("upload", "status_before", {"status": 413, "body": {"detail": "big"}}, 5, "engine"),
        ("status", "drop_before", {"times": 999}, 8, "still_running"),
        ("status", "status_before", {"times": 999}, 8, "still_running"),
        ("status", "hang_before", {"times": 999, "seconds": 9}, 8, "still_running"),
        ("status", "status_before", {"times": 99, "status": 401, "body": {}}, 4, "key_refused"),
        ("result", "status_before", {"times": 99}, 5, "result_unreachable"),
        ("result", "drop_before", {"times": 99}, 5, "result_unreachable"),
        ("download", "truncate", {"times": 99}, 5, "result_unreachable"),
        ("download", "drop_before", {"times": 99}, 5, "result_unreachable"),
    ],
)
def test_what_does_not_pass_is_said_and_then_done(
    desk: Desk, step: str, kind: Any, details: Any, status: int, code: str
) -> None:
    desk.fal.fault(step, kind, **details)
    said = desk.render(timeout=1.0)
    assert said.status == status, said.document
    assert said.error["code"] == code
    assert said.error["hint"]
    if status != 4:
        assert "chunk" in said.error["message"]
        assert said.error["data"]["chunk"] in range(CHUNKS)
    assert said.error["message"] in said.stderr
    desk.fal.faults.clear()
    if status == 7:
        assert desk.render(timeout=0.5).status == 7
        desk.finished("--resubmit-lost")
    desk.finished()
    assert len(desk.fal.jobs) == CHUNKS


def test_a_list_that_lags(desk: Desk) -> None:
    desk.fal.list_lag = 1.0
    desk.fal.fault("submit", "drop_after")
    assert desk.render(timeout=0.3).status == 7
    desk.finished()


def test_a_job_that_fails(desk: Desk) -> None:
    detail = [{"loc": ["body", "audio_url"], "msg": "no voice", "type": "odd_sound"}]
    desk.fal.counter.failures[0] = Failure(422, {"detail": detail})
    said = desk.render()
    assert said.status == 5
    assert "audio_url: no voice" in said.error["message"]
    rows = said.error["data"]["chunks"]
    assert sorted(row["state"] for row in rows) == ["done", "failed"]
    assert said.error["data"]["billed"] == {
        "seconds": 3,
        "usd": 0.48,
        "maybe_seconds": 3,
        "maybe_usd": 0.48,
    }
    desk.finished()


def test_an_expired_result(desk: Desk) -> None:
    desk.fal.counter.expired = True
    said = desk.render()
    assert said.status == 5
    assert said.error["code"] == "result_expired"
    assert said.error["data"]["request_id"] in said.error["message"]
    desk.fal.counter.expired = False
    for job in desk.fal.jobs:
        desk.fal.counter.jobs.pop(job.id)  # fal has forgotten them
    assert desk.render().status == 5
    desk.finished("--retake", "0,1")


def test_a_job_cancelled_too_late_is_kept(desk: Desk) -> None:
    desk.fal.counter.run_seconds = 0.5
    desk.fal.late_cancel = True
    said = desk.render("--async")
    assert said.document["pending"] == [0, 1]
    said = desk.command("cancel", str(desk.root))
    assert said.status == 0
    assert [row["state"] for row in said.document["jobs"]] == ["done", "done"]
    desk.finished()


def test_cancel_then_render(desk: Desk) -> None:
    desk.fal.counter.queue_seconds = 60
    desk.render("--async")
    said = desk.command("cancel", str(desk.root), "1")
    assert [row["state"] for row in said.document["jobs"]] == ["submitted", "cancelled"]
    desk.command("cancel", str(desk.root))
    assert desk.fal.billed == []
    desk.fal.counter.queue_seconds = 0
    desk.finished()


def test_a_silence_that_is_not_sent_is_held(desk: Desk) -> None:
    project = load(desk.root)
    still = project.chunks[1].model_copy(update={"kind": "still", "path": None, "sha256": None})
    save(desk.root, project.model_copy(update={"chunks": (project.chunks[0], still)}))
    said = desk.finished(paid=1)
    assert [row["state"] for row in said.document["chunks"]] == ["done", "done"]
    assert said.document["billed"]["seconds"] == 3


def test_what_was_sent_before_an_edit_is_not_forgotten(desk: Desk) -> None:
    desk.fal.counter.queue_seconds = 60
    desk.render("--async")
    project = load(desk.root)
    save(desk.root, project.model_copy(update={"prompt": "smile"}))
    desk.fal.counter.queue_seconds = 0
    said = desk.render()
    assert said.status == 0
    (finding,) = [one for one in said.document["findings"] if one["code"] == "left_behind"]
    assert sorted(finding["data"]["request_ids"]) == sorted(job.id for job in desk.fal.jobs[:2])
    save(desk.root, project)
    for job in desk.fal.jobs:
        job.ends = 0.0
    desk.render()
    assert len(desk.fal.jobs) == 4


def test_jobs_lists_every_chunk(desk: Desk) -> None:
    rows = desk.command("jobs", str(desk.root)).document["jobs"]
    assert [(row["index"], row["state"], row["usd"]) for row in rows] == [
        (0, "planned", 0.48),
        (1, "planned", 0.48),
    ]
    desk.finished()
    rows = desk.command("jobs", str(desk.root)).document["jobs"]
    ids = {job.id for job in desk.fal.jobs}
    assert {row["request_id"] for row in rows} == ids
    assert {(row["take"], row["state"], row["model"]) for row in rows} == {
        (1, "done", "fal-ai/bytedance/omnihuman/v1.5")
    }


def test_nothing_is_spent_without_leave(desk: Desk) -> None:
    said = desk.command("render", str(desk.root), "--engine", "fal")
    assert said.status == 6
    assert "$0.96" in said.error["message"]
    assert desk.fal.seen == []


def test_the_cap_holds(desk: Desk) -> None:
    said = desk.command("render", str(desk.root), "--engine", "fal", "--max-cost", "0.95")
    assert said.status == 6
    assert said.error["data"]["usd"] == 0.96
    assert desk.fal.seen == []


def test_the_film_may_have_any_name_but_another_films(desk: Desk, tmp_path: Path) -> None:
    assert desk.render("--output", str(tmp_path / "film.mov")).status == 2
    assert desk.fal.seen == []
    for name in ("film.mp4.part", "film"):
        said = desk.finished("--output", str(tmp_path / name))
        assert said.document["video"]["url"] == (tmp_path / name).as_uri()


def test_the_key_is_asked_for_first(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FAL_KEY")
    said = desk.command("render", str(desk.root), "--engine", "fal")
    assert said.status == 4
    assert "FAL_KEY" in said.error["message"]
    assert desk.fal.seen == []


def test_the_receipt(desk: Desk) -> None:
    said = desk.finished()
    assert said.document["billed"]["seconds"] == 6
    assert said.document["billed"]["usd"] == pytest.approx(0.96)
    assert said.document["billed"]["maybe_usd"] == 0
    for row in said.document["chunks"]:
        assert (row["seconds"], row["usd"], row["charge"]) == (3, 0.48, "billed")
    assert {row["request_id"] for row in said.document["chunks"]} == {
        job.id for job in desk.fal.jobs
    }
