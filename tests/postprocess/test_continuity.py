"""Chaining: the right frame is taken, and a drift of colour is taken back."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest

from lipsync_kit.errors import InputError
from lipsync_kit.postprocess import Tile
from lipsync_kit.postprocess.continuity import last_frame, match_colour
from tests.ground_truth.frames import Make, Mark, make_clip, moving, read_mark

FPS = Fraction(25)
SMALL = Make(320, 192)


def picture(seed: int = 3) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(size=(120, 160, 3)).astype(np.float32)
    soft = cv2.GaussianBlur(noise, (0, 0), 5)
    return np.clip(soft / soft.std() * 28 + (120, 105, 95), 0, 255).astype(np.uint8)


@pytest.mark.parametrize(("lead", "frames", "expected"), [(0, 40, 39), (6, 30, 35), (0, 60, 49)])
def test_the_last_frame_shown_is_taken(
    tmp_path: Path, lead: int, frames: int, expected: int
) -> None:
    clip = make_clip(tmp_path / "clip.mp4", 7, 50, SMALL)
    anchor = tmp_path / "portrait.png"
    grey = moving(Mark(7, 0), 320, 192)
    cv2.imwrite(str(anchor), cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR))
    out = tmp_path / "last.png"
    last_frame(Tile(clip, 0, frames * 1920, lead=lead), FPS, anchor, out)
    seen = cv2.imread(str(out), cv2.IMREAD_GRAYSCALE)
    assert seen.shape == (192, 320)
    assert read_mark(np.asarray(seen, np.uint8)) == Mark(7, expected)


def test_a_tint_is_taken_back() -> None:
    own = picture()
    tinted = np.clip(own.astype(float) * (1.08, 1.0, 0.9) + (4, -3, 6), 0, 255).astype(np.uint8)
    before = np.abs(tinted.astype(float) - own).mean()
    after = np.abs(match_colour(tinted, own).astype(float) - own).mean()
    assert before > 6
    assert after < before / 3


def test_what_matches_already_stays() -> None:
    own = picture()
    assert np.abs(match_colour(own, own).astype(int) - own).max() <= 8


def test_a_reference_that_is_no_picture_is_named(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "clip.mp4", 7, 10, SMALL)
    anchor = tmp_path / "portrait.png"
    anchor.write_text("no picture")
    with pytest.raises(InputError, match=r"portrait\.png"):
        last_frame(Tile(clip, 0, 19_200), FPS, anchor, tmp_path / "out.png")
