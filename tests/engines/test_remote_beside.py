"""Cancelling what another process is waiting for."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from tests.fal_server import FalServer
from tests.fal_server.command import finish, render_argv, start, wait_for
from tests.fal_server.project import make_project


def test_a_render_under_way_does_not_hold_up_a_cancel(tmp_path: Path) -> None:
    with FalServer(queue_seconds=60) as fal:
        root = make_project(tmp_path / "p", chunks=1)
        rendering = start(fal, render_argv(root, "--timeout", "60"), tmp_path)
        wait_for(rendering, lambda: fal.asked("GET", "/status"))
        began = time.monotonic()
        argv = [sys.executable, "-m", "lipsync_kit", "cancel", str(root)]
        left = finish(start(fal, argv, tmp_path))
        assert left.status == 0, left.stderr
        assert time.monotonic() - began < 20
        assert str(rendering.pid) in left.stderr
        assert [row["state"] for row in left.document["jobs"]] == ["cancelled"]
        ended = finish(rendering)
        assert ended.status == 5
        assert ended.document["error"]["code"] == "cancelled"
        assert fal.billed == []
        fal.counter.queue_seconds = 0
        assert finish(start(fal, render_argv(root), tmp_path)).status == 0
        assert len(fal.billed) == 1
