"""Several processes on one project: one bill per chunk."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

import pytest

from tests.fal_server import FalServer
from tests.fal_server.command import finish, render_argv, start, wait_for
from tests.fal_server.project import make_project

pytestmark = pytest.mark.slow

CROWD = 8


def test_eight_processes_pay_once(tmp_path: Path) -> None:
    with FalServer(run_seconds=0.2) as fal:
        root = make_project(tmp_path / "p", chunks=4)
        argv = render_argv(root, "--timeout", "120")
        crowd = [start(fal, argv, tmp_path) for _ in range(CROWD)]
        left = [finish(one) for one in crowd]
        assert [one.status for one in left] == [0] * CROWD, [one.stderr for one in left]
        assert len(fal.billed) == len(fal.jobs) == 4
        assert sum("is working on" in one.stderr for one in left) >= CROWD - 2


def test_the_second_says_who_is_first(tmp_path: Path) -> None:
    with FalServer(queue_seconds=6) as fal:
        root = make_project(tmp_path / "p", chunks=1)
        first = start(fal, render_argv(root), tmp_path)
        wait_for(first, lambda: fal.jobs)
        second = finish(start(fal, render_argv(root, "--timeout", "1"), tmp_path))
        assert second.status == 4
        assert second.document["error"]["code"] == "locked"
        assert str(first.pid) in second.document["error"]["message"]
        first.kill()
        finish(first)


@pytest.mark.skipif(os.name == "nt", reason="there is no SIGKILL")
def test_a_dead_process_holds_no_lock(tmp_path: Path) -> None:
    with FalServer(run_seconds=0.1) as fal:
        root = make_project(tmp_path / "p", chunks=1)
        first = start(fal, render_argv(root), tmp_path)
        fal.watch = lambda _step, _done: first.send_signal(signal.SIGKILL)
        assert finish(first).status == -signal.SIGKILL
        fal.watch = lambda _step, _done: None
        assert finish(start(fal, render_argv(root, "--timeout", "3"), tmp_path)).status == 0
        assert len(fal.billed) == 1


def test_even_without_the_lock_the_ledger_keeps_the_promise(tmp_path: Path) -> None:
    with FalServer(run_seconds=0.2) as fal:
        root = make_project(tmp_path / "p", chunks=4)
        argv = [sys.executable, "-m", "tests.fal_server.unlocked", str(root)]
        left = [finish(one) for one in [start(fal, argv, tmp_path) for _ in range(CROWD)]]
        assert [one.status for one in left] == [0] * CROWD, [one.stdout for one in left]
        assert len(fal.billed) == len(fal.jobs) == 4


@pytest.mark.skipif(os.name == "nt", reason="signals are POSIX's")
@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_render_loses_nothing(
    tmp_path: Path, number: signal.Signals, status: int
) -> None:
    with FalServer(queue_seconds=2) as fal:
        fal.fault("submit", "slow", seconds=1.0)
        root = make_project(tmp_path / "p", chunks=2)
        first = start(fal, render_argv(root, "--jobs", "1"), tmp_path)
        wait_for(first, lambda: fal.jobs)  # the POST has arrived; its reply is on its way
        first.send_signal(number)
        left = finish(first)
        assert left.status == status
        assert left.document["error"]["code"] == "interrupted"
        looked = len(fal.asked("GET", "by-endpoint"))
        fal.counter.queue_seconds = 0
        assert finish(start(fal, render_argv(root), tmp_path)).status == 0
        assert len(fal.billed) == 2
        assert len(fal.asked("GET", "by-endpoint")) == looked == 0


@pytest.mark.skipif(os.name == "nt", reason="signals are POSIX's")
def test_an_interruption_does_not_wait_for_uploads(tmp_path: Path) -> None:
    with FalServer() as fal:
        fal.fault("upload", "slow", seconds=8.0, times=9)
        root = make_project(tmp_path / "p", chunks=2)
        first = start(fal, render_argv(root), tmp_path)
        wait_for(first, lambda: fal.asked("POST", "/files/upload"))
        began = time.monotonic()
        first.send_signal(signal.SIGINT)
        assert finish(first).status == 130
        assert time.monotonic() - began < 5
        assert fal.jobs == []
