"""A long silence is not sent, not paid, and not frozen: prep, render, film."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest
import soundfile

from lipsync_kit.preparing import Inputs, PrepOptions, prep
from lipsync_kit.rendering import RenderOptions, render
from lipsync_kit.schema import Project
from lipsync_kit.timing import film_frames
from tests.fal_server import FalServer
from tests.ground_truth.checker import check_timing
from tests.ground_truth.sound import decode_sound, offset

FAL = RenderOptions(engine="fal", yes=True, poll_interval=0.02, timeout=60)
SPEECH, GAP, ENDS = 20.0, 45.0, 2.5
"""Seconds: 90 in all."""


@pytest.fixture
def fal(monkeypatch: pytest.MonkeyPatch) -> Iterator[FalServer]:
    with FalServer(run_seconds=0.0) as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        yield server


def with_gap(narration: Path, speech: float, gap: float, ends: float, out: Path) -> Path:
    """Silence, speech, a gap, speech, silence."""
    sound, rate = soundfile.read(narration, frames=round(2 * speech * 24_000), dtype="float32")
    middle = len(sound) // 2
    rest, end = (np.zeros(round(length * rate), np.float32) for length in (gap, ends))
    parts = [end, sound[:middle], rest, sound[middle:], end]
    soundfile.write(out, np.concatenate(parts), rate)
    return out


def seconds_of_motion(film: Path) -> list[float]:
    """By how much the picture changes in every stretch of one second, 25 frames each."""
    from lipsync_kit.media.probe import opened

    with opened(film) as container:
        looks = [
            cv2.resize(frame.to_ndarray(format="gray"), (96, 96)).astype(np.float32)
            for frame in container.decode(video=0)
        ]
    steps = [float(np.abs(two - one).mean()) for one, two in pairwise(looks)]
    return [sum(steps[at : at + 25]) for at in range(0, len(steps) - 24, 5)]


def talking(project: Project) -> list[float]:
    return [
        (chunk.sent_end - chunk.sent_start) / 48_000
        for chunk in project.chunks
        if chunk.kind == "talk"
    ]


def test_half_of_a_film_is_silence(
    fal: FalServer, portrait: Path, narration: Path, tmp_path: Path
) -> None:
    sound = with_gap(narration, SPEECH, GAP, ENDS, tmp_path / "in.wav")
    root = tmp_path / "p"
    project = prep(root, Inputs(image=portrait, audio=sound), PrepOptions(skip_silence=Fraction(1)))
    stills = [chunk for chunk in project.chunks if chunk.kind == "still"]
    assert sum(chunk.end - chunk.start for chunk in stills) > 42 * 48_000
    assert max(talking(project)) < 30
    made = render(root, FAL)
    assert len(fal.jobs) == len(talking(project)) == len(project.chunks) - len(stills)
    assert made.billed.seconds <= 0.45 * project.audio.samples / 48_000
    assert made.video is not None
    film = Path(made.video.path)
    check_timing(film, project.fps, film_frames(project.audio.samples, project.fps))
    assert min(seconds_of_motion(film)) > 0.2
    heard = decode_sound(film)
    master, _ = soundfile.read(root / "audio" / "master.wav", always_2d=True)
    for at in (4, ENDS + SPEECH + GAP + 3, 84):
        assert abs(offset(heard, master[:, 0], round(at * 48_000), 24_000)) <= 48
    again = render(root, FAL)
    assert again.billed == made.billed
    assert len(fal.jobs) == len(talking(project))


def test_the_preview_does_not_freeze_either(
    portrait: Path, narration: Path, tmp_path: Path
) -> None:
    sound = with_gap(narration, 2.5, 4, 0, tmp_path / "in.wav")
    root = tmp_path / "p"
    options = PrepOptions(skip_silence=Fraction(1), resolution="720p")
    project = prep(root, Inputs(image=portrait, audio=sound), options)
    assert [chunk.kind for chunk in project.chunks].count("still") == 1
    made = render(root)
    assert made.video is not None
    assert min(seconds_of_motion(Path(made.video.path))) > 0.1
    engines = sorted(path.name for path in (root / ".lipsync" / "takes").iterdir())
    assert engines == ["preview"]
