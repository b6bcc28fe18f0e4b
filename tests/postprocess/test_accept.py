"""Acceptance: what stands out in a clip, measured on pictures and sound with known truth."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
import soundfile

from lipsync_kit.postprocess.accept import judge, outliers
from lipsync_kit.postprocess.measures import Lips, Measures, against, measure
from tests.ground_truth.frames import Make, Plane, encode

RATE = 48_000
FPS = Fraction(25)
FACE = Path(__file__).parents[2] / "fixtures" / "portrait.png"
MAKE = Make(256, 256, output=("-c:v", "libx264", "-preset", "veryfast", "-crf", "18"))
FINE = Measures(250, FPS, 0.0, 0, 1.0, 0.7, 0.01, 0.2, 0.02)


def syllables(seconds: float, seed: int = 1, pauses: float = 0.12) -> np.ndarray:
    """An opening between 0 and 1 at 1000 Hz: irregular syllables in phrases with pauses."""
    rng = np.random.default_rng(seed)
    curve = np.zeros(round(seconds * 1000))
    at = 0.0
    while at < seconds:
        if rng.random() < pauses:
            at += 0.9
        length = rng.uniform(0.12, 0.3)
        low, high = round(at * 1000), min(len(curve), round((at + length) * 1000))
        curve[low:high] += rng.uniform(0.4, 1) * np.hanning(max(1, high - low))
        at += length + rng.uniform(0, 0.1)
    return curve


def voice(folder: Path, opening: np.ndarray) -> Path:
    """Noise as loud as the mouth is open."""
    loud = np.repeat(opening, RATE // 1000)
    noise = np.random.default_rng(5).normal(size=len(loud)) * 0.1
    path = folder / "voice.wav"
    soundfile.write(path, loud * noise, RATE, subtype="PCM_16")
    return path


def lips(opening: np.ndarray, late: float = 0.0) -> Lips:
    times = np.arange(0, len(opening) / 1000 - 0.1, 0.08) + 0.04
    seen = np.interp(times - late, np.arange(len(opening)) / 1000, opening)
    return Lips(times, 0.1 * seen)


@pytest.mark.parametrize("late", [-0.2, -0.08, 0.0, 0.08, 0.3])
def test_the_offset_between_mouth_and_sound_is_read_back(tmp_path: Path, late: float) -> None:
    opening = syllables(12)
    sound = voice(tmp_path, opening)
    correlation, offset, speech, silence = against(lips(opening, late), sound)
    assert correlation is not None
    assert correlation > 0.7
    assert offset is not None
    assert abs(offset - late) <= 0.04
    assert speech is not None
    assert speech > 0.1
    if silence is not None and abs(late) < 0.1:
        assert silence < 0.3 * speech


def test_a_mouth_that_moves_in_silence(tmp_path: Path) -> None:
    half = syllables(8)
    opening = np.concatenate([half, np.zeros(4000)])
    moving = np.concatenate([half, syllables(4, seed=9, pauses=0)])
    sound = voice(tmp_path, opening)
    _, _, speech, silence = against(lips(moving), sound)
    assert speech is not None
    assert silence is not None
    assert silence > 0.6 * speech


def test_a_good_clip_has_no_finding() -> None:
    assert list(judge(3, FINE)) == []


@pytest.mark.parametrize(
    ("measures", "code"),
    [
        (Measures(250, FPS, 2.0, 0, 1.0, 0.7, 0.0, 0.2, 0.02), "clip_frozen"),
        (Measures(250, FPS, 0.0, 9, 1.0, 0.7, 0.0, 0.2, 0.02), "clip_black"),
        (Measures(250, FPS, 0.0, 0, 0.4, 0.7, 0.0, 0.2, 0.02), "face_lost"),
        (Measures(250, FPS, 0.0, 0, 1.0, 0.7, 0.2, 0.2, 0.02), "mouth_offset"),
        (Measures(250, FPS, 0.0, 0, 1.0, 0.1, 0.0, 0.01, 0.01), "mouth_still"),
        (Measures(250, FPS, 0.0, 0, 1.0, 0.5, 0.0, 0.2, 0.25), "mouth_in_silence"),
    ],
)
def test_what_stands_out_is_said_with_a_way_out(measures: Measures, code: str) -> None:
    (finding,) = judge(3, measures)
    assert finding.code == code
    assert "--retake 3" in finding.hint
    assert finding.data["index"] == 3


def test_a_clip_unlike_the_others_stands_out() -> None:
    others = {index: Measures(250, FPS, 0, 0, 1.0, 0.65, 0.0, 0.2, 0.0) for index in range(5)}
    strange = Measures(250, FPS, 0, 0, 1.0, 0.15, 0.3, 0.2, 0.0)
    assert [f.data["index"] for f in outliers({**others, 5: strange})] == [5]
    assert list(outliers(others)) == []
    assert list(outliers({0: strange, 1: FINE})) == []


def picture() -> Plane:
    image = cv2.cvtColor(cv2.imread(str(FACE)), cv2.COLOR_BGR2RGB)
    side = min(image.shape[:2])
    small = cv2.resize(image[:side, :side], (256, 256), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2YUV_I420), np.uint8)


def test_a_still_with_a_face(tmp_path: Path) -> None:
    clip = encode(tmp_path / "clip.mp4", [picture()] * 150, 150, MAKE)
    sound = voice(tmp_path, syllables(6.2))
    seen = measure(clip, sound, face=True)
    assert seen.face == 1.0
    assert seen.frozen > 1.5
    assert {finding.code for finding in judge(0, seen)} == {"clip_frozen", "mouth_still"}


def test_black_frames_and_no_face(tmp_path: Path) -> None:
    black = np.concatenate([np.full((256, 256), 16, np.uint8), np.full((128, 256), 128, np.uint8)])
    shifting = [np.roll(picture(), 2 * n, axis=1)[::-1] for n in range(20)]
    clip = encode(tmp_path / "clip.mp4", [*shifting, *[black] * 10], 30, MAKE)
    seen = measure(clip, None, face=True)
    assert seen.black == 10
    assert {"clip_black", "face_lost"} <= {finding.code for finding in judge(0, seen)}
    assert measure(clip, None, face=False).face is None
