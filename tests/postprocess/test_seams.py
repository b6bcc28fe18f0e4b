"""Seams: smooth ones are left alone, others are hidden without touching the next clip."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lipsync_kit.postprocess import Stitched, StitchOptions, Tile, stitch
from lipsync_kit.postprocess.morph import Still
from lipsync_kit.postprocess.seams import NEIGHBOURS, dissolve, join, steps_of
from lipsync_kit.progress import Silent
from tests.ground_truth.checker import shown
from tests.ground_truth.frames import Make, Plane, encode

FPS = Fraction(25)
WIDTH, HEIGHT = 320, 192
MAKE = Make(WIDTH, HEIGHT, output=("-c:v", "libx264", "-preset", "veryfast", "-crf", "14"))
PAUSE = 14_400


def texture(seed: int = 5) -> Plane:
    """Something soft and irregular to look at, larger than the picture."""
    noise = np.random.default_rng(seed).normal(size=(400, 600)).astype(np.float32)
    soft = cv2.GaussianBlur(noise, (0, 0), 4)
    fine = cv2.GaussianBlur(noise, (0, 0), 1)
    mixed = soft / soft.std() * 35 + fine / fine.std() * 6 + 125
    return np.clip(mixed, 16, 235).astype(np.uint8)


VIEW = texture()


def view(x: float, y: float = 40) -> Plane:
    """The texture seen from a point, as I420."""
    shift = np.array([[1, 0, -x], [0, 1, -y]], dtype=np.float32)
    luma = cv2.warpAffine(VIEW, shift, (WIDTH, HEIGHT), flags=cv2.INTER_CUBIC)
    chroma = np.full((HEIGHT // 2, WIDTH), 120, np.uint8)
    return np.concatenate([np.asarray(luma, np.uint8), chroma])


def film_of(
    folder: Path, passes: Sequence[Sequence[Plane]], seams: str
) -> tuple[Stitched, list[Tile]]:
    tiles, at = [], 0
    for index, planes in enumerate(passes):
        clip = encode(folder / f"{index}.mp4", planes, len(planes), MAKE)
        end = at + len(planes) * 1920
        tiles.append(Tile(clip, at, end, pause=PAUSE))
        at = end
    options = StitchOptions(seams=seams)  # type: ignore[arg-type]
    out = folder / "film.mp4"
    return (
        stitch(tiles, fps=FPS, master=None, out=out, options=options, progress=Silent()),
        tiles,
    )


def pan(start: float, count: int, speed: float = 0.8) -> list[Plane]:
    return [view(start + speed * frame) for frame in range(count)]


def test_a_continuous_seam_is_cut_hard_and_copied(tmp_path: Path) -> None:
    made, _ = film_of(tmp_path, [pan(10, 30), pan(34, 30)], "auto")
    assert [seam.kind for seam in made.seams] == ["cut"]
    assert made.seams[0].score < 1.5
    assert [facts.way for facts in made.clips] == ["copied", "copied"]


def test_a_jump_is_morphed_within_the_pause(tmp_path: Path) -> None:
    made, tiles = film_of(tmp_path, [pan(10, 40), pan(46, 30), pan(5, 30)], "auto")
    film = list(shown(made.path))
    assert len(film) == 100
    for seam, frame in zip(made.seams, (40, 70), strict=True):
        assert seam.frame == frame
        assert seam.kind == "morph"
        assert seam.hard > 3
        assert seam.score < seam.hard / 2
        assert seam.score < 2.5
        assert seam.sharpness > 0.5
        assert 1 <= seam.frames <= 11
    own = [frame.pixels for tile in tiles for frame in shown(tile.clip)]
    changed = {at for at, frame in enumerate(film) if frame.pixels != own[at]}
    allowed = {seam.frame - 1 - back for seam in made.seams for back in range(seam.frames + 3)}
    assert changed
    assert changed <= allowed


@pytest.mark.parametrize("seams", ["cut", "dissolve", "morph"])
def test_what_is_asked_for_is_done(tmp_path: Path, seams: str) -> None:
    made, _ = film_of(tmp_path, [pan(10, 40), pan(52, 30)], seams)
    assert [seam.kind for seam in made.seams] == [seams]
    assert made.frames == 70
    assert made.clips[0].blended == made.seams[0].frames
    assert (made.seams[0].frames > 0) == (seams != "cut")


def test_a_held_end_is_blended_too(tmp_path: Path) -> None:
    clips = [pan(10, 36), pan(60, 30)]
    folder = tmp_path
    paths = [encode(folder / f"{i}.mp4", clip, len(clip), MAKE) for i, clip in enumerate(clips)]
    tiles = [
        Tile(paths[0], 0, 40 * 1920, pause=PAUSE),
        Tile(paths[1], 40 * 1920, 70 * 1920),
    ]
    made = stitch(
        tiles,
        fps=FPS,
        master=None,
        out=folder / "film.mp4",
        options=StitchOptions(),
        progress=Silent(),
    )
    assert made.clips[0].held == 4
    assert made.seams[0].frames >= 4
    film = [frame.pixels for frame in shown(made.path)]
    assert len(film) == 70
    assert len(set(film[30:41])) == 11


def test_a_scene_change_stays_one(tmp_path: Path) -> None:
    paths = [
        encode(tmp_path / f"{i}.mp4", clip, 30, MAKE)
        for i, clip in enumerate((pan(10, 30), pan(60, 30)))
    ]
    tiles = [
        Tile(paths[0], 0, 30 * 1920, pause=PAUSE, scene=True),
        Tile(paths[1], 30 * 1920, 60 * 1920),
    ]
    made = stitch(
        tiles,
        fps=FPS,
        master=None,
        out=tmp_path / "film.mp4",
        options=StitchOptions(seams="morph"),
        progress=Silent(),
    )
    assert [seam.kind for seam in made.seams] == ["cut"]
    assert made.seams[0].hard > 3


stills = st.lists(st.floats(0, 60), min_size=1, max_size=30)


@settings(max_examples=25, deadline=None)
@given(stills, stills, st.sampled_from(["auto", "cut", "dissolve", "morph"]), st.integers(0, 12))
def test_a_join_replaces_no_more_than_it_may(
    early: list[float], late: list[float], seams: str, most: int
) -> None:
    before = [Still(view(x)) for x in early]
    after = [Still(view(x)) for x in late[: NEIGHBOURS + 1]]
    steps = [*steps_of(before), *steps_of(after)]
    made = join(before, after[0], steps, seams, most)  # type: ignore[arg-type]
    assert len(made.blended) <= min(most, len(before) - 1)
    assert (made.kind == "cut") == (not made.blended)
    assert all(still.planes.shape == before[0].planes.shape for still in made.blended)


def test_a_dissolve_goes_evenly() -> None:
    dark, light = np.full((288, 320), 50, np.uint8), np.full((288, 320), 90, np.uint8)
    faded = dissolve([Still(dark)] * 3, Still(light))
    assert [int(still.planes[0, 0]) for still in faded] == [60, 70, 80]
