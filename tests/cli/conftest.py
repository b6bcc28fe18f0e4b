"""A short film that several tests of the command line look at."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import soundfile

from tests.cli.shell import Shell
from tests.fal_server.server import FalServer

Run = Callable[..., subprocess.CompletedProcess[str]]


def lipsync(*arguments: object, folder: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run the real command."""
    command = [sys.executable, "-m", "lipsync_kit", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=folder, check=False)


def document(done: subprocess.CompletedProcess[str], status: int = 0) -> dict[str, Any]:
    """The JSON document of a run that ended with ``status``."""
    assert done.returncode == status, done.stderr
    assert "Traceback" not in done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.fixture(scope="session")
def short_speech(narration: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first 12 s of the shipped narration, as a WAV."""
    path = tmp_path_factory.mktemp("speech") / "short.wav"
    sound, rate = soundfile.read(narration, frames=12 * 24_000, dtype="float32")
    soundfile.write(path, sound, rate)
    return path


@pytest.fixture(scope="session")
def film(
    portrait: Path, short_speech: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, dict[str, Any], dict[str, Any]]:
    """A project of three chunks, prepared and rendered: its folder and both documents."""
    root = tmp_path_factory.mktemp("films") / "a film"
    options = ("--resolution", "720p", "--max-chunk", "5")
    prepared = lipsync("prep", root, "--image", portrait, "--audio", short_speech, *options)
    plan = document(prepared)
    return root, plan, document(lipsync("render", root))


@pytest.fixture
def fal() -> Iterator[FalServer]:
    with FalServer() as server:
        yield server


@pytest.fixture
def shell(fal: FalServer, tmp_path: Path) -> Shell:
    return Shell(fal, tmp_path)
