"""Programs that the command starts have no business with fal, so they do not get the key."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from lipsync_kit.executor import each
from lipsync_kit.media.ffmpeg import find_ffmpeg
from lipsync_kit.settings import environment_of_children
from tests.fal_server import FalServer
from tests.fal_server.command import finish, render_argv, start
from tests.fal_server.project import make_project


def telling_ffmpeg(folder: Path) -> tuple[Path, Path]:
    """An ffmpeg that writes down the environment that it was given, and where it writes it."""
    told = folder / "environment.txt"
    program = folder / "ffmpeg-that-tells"
    program.write_text(f'#!/bin/sh\nenv >> "{told}"\nexec "{find_ffmpeg()[0]}" "$@"\n')
    program.chmod(0o755)
    return program, told


@pytest.mark.skipif(os.name == "nt", reason="a shell script stands in for ffmpeg")
def test_ffmpeg_is_not_given_the_key(tmp_path: Path) -> None:
    program, told = telling_ffmpeg(tmp_path)
    with FalServer(run_seconds=0.0) as fal:
        root = make_project(tmp_path / "p", chunks=2)
        argv = render_argv(root, "--jobs", "2")
        left = finish(start(fal, argv, tmp_path, LIPSYNC_FFMPEG=str(program)))
        doctor = [*argv[:3], "doctor"]
        finish(start(fal, doctor, tmp_path, LIPSYNC_FFMPEG=str(program)))
    assert left.status == 0, left.stderr
    lines = told.read_text().splitlines()
    assert any(line.startswith("LIPSYNC_FFMPEG=") for line in lines)
    assert [line.partition("=")[0] for line in lines if line.startswith("FAL_KEY")] == []


def names_of_secrets(_: int) -> list[str]:
    return [name for name in os.environ if name.startswith("FAL_KEY")]


def test_a_worker_forgets_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("FAL_KEY", "FAL_KEY_ID", "FAL_KEY_SECRET"):
        monkeypatch.setenv(name, "a-secret")
    assert [found for _, found in each(names_of_secrets, [1, 2], 2)] == [[], []]
    assert "a-secret" not in environment_of_children().values()
    assert os.environ["FAL_KEY"] == "a-secret"  # a library leaves its user's environment alone
    assert sys.modules["lipsync_kit.settings"]._kept == {}
