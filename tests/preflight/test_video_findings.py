"""What users are told about a driving video, with numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from av import VideoFrame

from lipsync_kit.plan.driving import find_scenes
from lipsync_kit.preflight.video import DrivingOptions, prepare_driving
from lipsync_kit.preflight.video_findings import camera_shake, moved, seen
from lipsync_kit.preflight.video_picture import Picture
from lipsync_kit.preflight.video_watch import Sample, Watched, Watcher, look_closely, sample_places
from lipsync_kit.progress import Silent
from lipsync_kit.project import Layout
from lipsync_kit.schema import Finding
from tests.preflight.videos import MOTION, ffmpeg

RGB = npt.NDArray[np.uint8]
SIDE = 480
FPS = Fraction(25)


def face(portrait: Path, side: int = SIDE) -> RGB:
    picture = cv2.imread(str(portrait))
    assert picture is not None
    crop = picture[0:300, 80:380]
    return np.asarray(cv2.resize(crop, (side, side), interpolation=cv2.INTER_CUBIC), np.uint8)


def frames(count: int, draw: Callable[[int], RGB]) -> Iterator[VideoFrame]:
    for place in range(count):
        picture = np.ascontiguousarray(draw(place))
        yield VideoFrame.from_ndarray(picture, format="bgr24").reformat(format="yuv420p")


def watched(count: int, draw: Callable[[int], RGB], close: list[int] | None = None) -> Watched:
    watcher = Watcher(close or [])
    for frame in frames(count, draw):
        watcher.see(frame)
    return watcher.done()


def looks(draw: Callable[[int], RGB]) -> list[Sample]:
    return [look_closely(place, frame) for place, frame in enumerate(frames(4, draw))]


def by_code(found: list[Finding]) -> dict[str, Finding]:
    return {finding.code: finding for finding in found}


def close_up(draw: Callable[[int], RGB]) -> dict[str, Finding]:
    return by_code(seen(looks(draw), Picture(SIDE, SIDE)))


def sway(picture: RGB, place: int) -> RGB:
    """The camera holds still while what it films drifts a little."""
    shift = np.array([[1, 0, 3 * np.sin(place / 6)], [0, 1, 2 * np.cos(place / 9)]])
    return np.asarray(
        cv2.warpAffine(picture, shift, (picture.shape[1], picture.shape[0])), np.uint8
    )


def test_a_well_lit_face_before_little_is_fine(portrait: Path) -> None:
    assert not {"no_face", "dark", "several_people", "small_face"} & set(
        close_up(lambda _: face(portrait))
    )


def test_nobody() -> None:
    wall = np.full((SIDE, SIDE, 3), 140, np.uint8)
    found = close_up(lambda _: wall)["no_face"]
    assert found.data == {"frames_looked_at": 4, "frames_with_a_face": 0}
    assert found.hint


def test_somebody_who_leaves(portrait: Path) -> None:
    wall = np.full((SIDE, SIDE, 3), 140, np.uint8)
    found = close_up(lambda place: face(portrait) if place < 2 else wall)
    assert found["face_hidden"].data["frames_with_a_face"] == 2


def test_two_people(portrait: Path) -> None:
    one = face(portrait, SIDE // 2)
    both = np.full((SIDE, SIDE, 3), 90, np.uint8)
    both[120:360] = np.concatenate([one, one[:, ::-1]], axis=1)
    assert close_up(lambda _: both)["several_people"].data["faces"] == 2


def test_darkness(portrait: Path) -> None:
    dim = (face(portrait) * 0.12).astype(np.uint8)
    found = close_up(lambda _: dim)
    assert found["dark"].data["light"] < 0.16
    assert "%" in found["dark"].message


def test_a_busy_background(portrait: Path) -> None:
    coarse = np.random.default_rng(3).integers(0, 255, (60, 60, 3), dtype=np.uint8)
    busy = np.asarray(cv2.resize(coarse, (SIDE, SIDE), interpolation=cv2.INTER_NEAREST), np.uint8)
    busy[SIDE // 2 :, 120:360] = face(portrait, SIDE // 2)
    assert close_up(lambda _: busy)["busy_background"].data["edges"] > 0.25


def test_a_face_of_few_pixels(portrait: Path) -> None:
    far = np.full((SIDE, SIDE, 3), 120, np.uint8)
    far[200:280, 200:280] = face(portrait, 80)
    found = close_up(lambda _: far)
    assert found["small_face"].data["pixels"] < 48


def scene(seed: int) -> RGB:
    coarse = np.random.default_rng(seed).integers(0, 255, (8, 8, 3), dtype=np.uint8)
    return np.asarray(cv2.resize(coarse, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC), np.uint8)


def test_cuts_are_found_where_they_are_and_too_many_are_said() -> None:
    cuts = [31, 60, 88, 110]
    seen_all = watched(150, lambda place: sway(scene(sum(place >= cut for cut in cuts)), place))
    scenes = find_scenes(seen_all.change, FPS)
    assert scenes == cuts
    found = by_code(moved(seen_all, scenes, FPS))["fast_cuts"]
    assert found.data["cuts"] == 4
    assert found.data["at_seconds"] == [1.24, 2.4, 3.52, 4.4]


def test_wild_movement_is_no_cut() -> None:
    wide = np.asarray(cv2.resize(scene(1), (SIDE * 3, SIDE)), np.uint8)

    def whip(place: int) -> RGB:
        at = int(min(SIDE * 2, max(0, place - 20) * 40))
        return wide[:, at : at + SIDE]

    assert find_scenes(watched(60, whip).change, FPS) == []


def test_a_jump_within_a_scene_is_a_cut(portrait: Path) -> None:
    def jump(place: int) -> RGB:
        moved_by = np.array([[1.0, 0, 40 if place >= 25 else 0], [0, 1, 0]])
        still = np.asarray(cv2.warpAffine(face(portrait), moved_by, (SIDE, SIDE)), np.uint8)
        return sway(still, place)

    assert find_scenes(watched(50, jump).change, FPS) == [25]


def shaken(percent: float) -> Callable[[int], RGB]:
    picture = np.asarray(cv2.resize(scene(5), (SIDE + 80, SIDE + 80)), np.uint8)
    coarse = np.random.default_rng(2).integers(0, 60, (70, 70, 3), dtype=np.uint8)
    grain = cv2.resize(coarse, picture.shape[:2])
    picture = np.asarray(cv2.add(picture, grain), np.uint8)
    random = np.random.default_rng(4)

    def draw(_: int) -> RGB:
        x, y = random.normal(0, percent / 100 * SIDE, 2)
        shift = np.array([[1, 0, x - 40], [0, 1, y - 40]])
        return np.asarray(cv2.warpAffine(picture, shift, (SIDE, SIDE)), np.uint8)

    return draw


@pytest.mark.parametrize(
    ("percent", "said"), [(0.0, False), (0.05, False), (0.5, True), (1.0, True)]
)
def test_a_shaking_camera(percent: float, said: bool) -> None:
    seen_all = watched(60, shaken(percent))
    assert ("shaking" in by_code(moved(seen_all, [], FPS))) is said
    measured = camera_shake(seen_all.shift)
    assert measured is not None
    # Two axes, each less what the mean around takes along.
    assert measured == pytest.approx(percent * np.sqrt(2), rel=0.35, abs=0.06)


def test_a_pan_does_not_shake() -> None:
    wide = np.asarray(cv2.resize(scene(6), (SIDE * 2, SIDE)), np.uint8)
    assert "shaking" not in by_code(
        moved(watched(60, lambda place: wide[:, 4 * place : 4 * place + SIDE]), [], FPS)
    )


def test_a_driver_who_does_not_move(portrait: Path) -> None:
    still = face(portrait)
    assert "hardly_moves" in by_code(moved(watched(40, lambda _: still), [], FPS))
    assert "hardly_moves" not in by_code(
        moved(watched(40, lambda place: sway(still, place)), [], FPS)
    )


@pytest.mark.parametrize(("frames_", "fps", "count"), [(3, 25, 3), (50, 25, 4), (9000, 30, 10)])
def test_a_few_frames_are_looked_at_closely(frames_: int, fps: int, count: int) -> None:
    places = sample_places(frames_, Fraction(fps))
    assert len(places) == count
    assert all(0 <= place < frames_ for place in places)


def test_it_all_comes_with_the_prepared_video(tmp_path: Path, portrait: Path) -> None:
    cv2.imwrite(str(tmp_path / "dark.png"), (face(portrait) * 0.1).astype(np.uint8))
    ffmpeg("-loop", "1", "-i", tmp_path / "dark.png", "-t", "2", "-r", "25", "-pix_fmt", "yuv420p",
           tmp_path / "dark.mp4")  # fmt: skip
    driving = prepare_driving(
        tmp_path / "dark.mp4", layout=Layout(tmp_path / "p"), fps=None, model=MOTION,
        options=DrivingOptions(), progress=Silent(),
    )  # fmt: skip
    assert {"dark", "hardly_moves", "video_copied"} <= {f.code for f in driving.findings}
    assert all(f.message and f.severity in ("info", "warning") for f in driving.findings)
