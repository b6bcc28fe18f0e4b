"""Motion transfer and dubbing through the real command, with the preview engine."""

import json
from pathlib import Path
from typing import Any

import pytest
import soundfile

from lipsync_kit import timing
from tests.cli.conftest import document, lipsync
from tests.cli.test_main_job import FPS, frame_times, sound_of

pytestmark = pytest.mark.slow

FilmFixture = tuple[Path, dict[str, Any], dict[str, Any]]


@pytest.fixture(scope="session")
def talking_video(film: FilmFixture) -> Path:
    """12 s of a talking face, with its sound, 720 x 720 at 25 fps."""
    return Path(film[2]["video"]["path"])


@pytest.fixture(scope="session")
def other_speech(narration: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight seconds of other speech."""
    path = tmp_path_factory.mktemp("speech") / "other.wav"
    sound, rate = soundfile.read(narration, start=30 * 24_000, frames=8 * 24_000)
    soundfile.write(path, sound, rate)
    return path


def test_a_portrait_moves_like_the_driver(
    portrait: Path, talking_video: Path, tmp_path: Path
) -> None:
    root = tmp_path / "motion"
    options = ("--resolution", "720p", "--max-chunk", "6")
    plan = document(lipsync("prep", root, "--image", portrait, "--video", talking_video, *options))
    assert plan["task"] == "motion"
    assert len(plan["chunks"]) >= 2
    for chunk in plan["chunks"]:
        assert chunk["sent_start"] == chunk["start"] - timing.SAMPLE_RATE
    rendered = document(lipsync("render", root))
    times = frame_times(Path(rendered["video"]["path"]))
    assert times == frame_times(talking_video)
    assert sum(len(frame_times(Path(row["ready"]))) for row in rendered["chunks"]) == len(times)
    heard, given = sound_of(Path(rendered["video"]["path"])), sound_of(talking_video)
    assert abs(len(heard) - len(given)) <= timing.SAMPLE_RATE / FPS


def test_without_its_sound_the_film_is_silent(
    portrait: Path, talking_video: Path, tmp_path: Path
) -> None:
    root = tmp_path / "silent"
    options = ("--resolution", "720p", "--no-sound", "--no-trim")
    plan = document(lipsync("prep", root, "--image", portrait, "--video", talking_video, *options))
    assert plan["audio"]["path"] is None
    assert [chunk["sent_start"] for chunk in plan["chunks"]] == [
        chunk["start"] for chunk in plan["chunks"]
    ]


def test_a_dub_lasts_as_long_as_its_new_speech(
    talking_video: Path, other_speech: Path, tmp_path: Path
) -> None:
    root = tmp_path / "dub"
    plan = document(lipsync("prep", root, "--video", talking_video, "--audio", other_speech))
    assert plan["task"] == "dub"
    assert plan["audio"]["samples"] == 8 * timing.SAMPLE_RATE
    rendered = document(lipsync("render", root))
    assert len(frame_times(Path(rendered["video"]["path"]))) == 8 * FPS


@pytest.mark.parametrize(("fit", "seconds"), [("freeze", 12), ("loop", 12), ("cut", 8)])
def test_a_video_that_is_too_short_is_fitted(
    talking_video: Path, short_speech: Path, tmp_path: Path, fit: str, seconds: int
) -> None:
    short = tmp_path / "short.mp4"
    _shorten(talking_video, short, frames=8 * 25)
    root = tmp_path / fit
    done = lipsync("prep", root, "--video", short, "--audio", short_speech, "--fit", fit)
    plan = document(done)
    assert plan["audio"]["samples"] == seconds * timing.SAMPLE_RATE
    assert len(frame_times(root / "driving" / "driving.mp4")) == seconds * FPS


def _shorten(source: Path, target: Path, frames: int) -> None:
    from lipsync_kit.media import ffmpeg

    output = ffmpeg.source(source).video.output(
        f"file:{target}", **{"frames:v": frames, "c:v": "libx264", "preset": "ultrafast"}
    )
    ffmpeg.run(output, source.name)


def test_one_video_in_many_languages(
    talking_video: Path, short_speech: Path, other_speech: Path, tmp_path: Path
) -> None:
    root = tmp_path / "dubs"
    languages = ("--audio", f"fr={short_speech}", "--audio", f"de={other_speech}")
    made = document(lipsync("prep", root, "--video", talking_video, *languages))
    assert [Path(each["project"]).name for each in made["projects"]] == ["fr", "de"]
    for name in ("fr", "de"):
        assert json.loads((root / name / "project.json").read_text())["task"] == "dub"
