"""The real command in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.fal_server.server import FalServer


@dataclass(frozen=True)
class Left:
    """What a command left behind."""

    status: int
    stdout: str
    stderr: str

    @property
    def document(self) -> dict[str, Any]:
        return json.loads(self.stdout)  # type: ignore[no-any-return]


def render_argv(root: Path, *more: str) -> list[str]:
    quick = ("--engine", "fal", "--yes", "--poll-interval", "0.05", "--timeout", "20")
    return [sys.executable, "-m", "lipsync_kit", "render", str(root), *quick, *more]


def start(
    fal: FalServer, argv: list[str], cwd: Path, *, without: tuple[str, ...] = (), **extra: str
) -> subprocess.Popen[str]:
    """The command, started; in ``cwd``, so that it finds no ``.env`` of somebody's."""
    checkout = str(Path(__file__).parents[2])
    environment = {**os.environ, **fal.environment, "PYTHONPATH": checkout, **extra}
    environment = {name: value for name, value in environment.items() if name not in without}
    return subprocess.Popen(
        argv,
        cwd=cwd,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process: subprocess.Popen[str]) -> Left:
    out, err = process.communicate(timeout=240)
    return Left(process.returncode, out, err)


def wait_for(process: subprocess.Popen[str], happened: Callable[[], object]) -> None:
    """Until something has happened while the command runs."""
    while not happened():
        assert process.poll() is None, "the command ended before"
        time.sleep(0.02)
