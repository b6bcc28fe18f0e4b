"""Frames in any order: runs, seeks, backwards, without keeping many."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lipsync_kit.preflight.video_footage import Footage, Turn
from lipsync_kit.preflight.video_frames import Frames, runs
from lipsync_kit.preflight.video_picture import Picture
from lipsync_kit.preflight.video_survey import survey
from tests.ground_truth.frames import read_mark
from tests.preflight.videos import FAST, video


@pytest.fixture(scope="module", params=["mp4", "mkv", "ts", "avi"])
def footage(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Footage:
    path = tmp_path_factory.mktemp("frames") / f"v.{request.param}"
    slow = (*FAST[:3], "veryfast", *FAST[4:], "-g", "60", "-bf", "3")
    return survey(video(path, frames=200, output=slow))


def numbers(footage: Footage, order: list[int]) -> list[int]:
    frames = Frames(footage, Picture(320, 240))
    found = []
    for frame in frames.read(np.array(order, np.int64)):
        mark = read_mark(np.asarray(frame.to_ndarray(format="yuv420p")[:240], np.uint8))
        assert mark is not None
        found.append(mark.frame)
    assert frames.missing == 0
    return found


@pytest.mark.parametrize(
    "order",
    [
        list(range(200)),
        [0, 0, 0, 1, 1, 2],
        [150, 151, 152],
        [3, 90, 170, 199],
        list(range(199, 150, -1)),
        [*range(40, 60), *range(60, 30, -1), *range(30, 45), 0, 199, 199, 0],
        [61, 59, 60, 60, 60, 120],
    ],
)
def test_frames_come_in_the_order_asked_for(footage: Footage, order: list[int]) -> None:
    assert numbers(footage, order) == order


@given(order=st.lists(st.integers(0, 199), min_size=1, max_size=12))
@settings(deadline=None, max_examples=10)
def test_any_order_will_do(tmp_path_factory: pytest.TempPathFactory, order: list[int]) -> None:
    path = tmp_path_factory.getbasetemp() / "any.mp4"
    if not path.exists():
        video(path, frames=200, output=(*FAST, "-g", "30"))
    assert numbers(survey(path), order) == order


@given(order=st.lists(st.integers(0, 300), max_size=60))
@settings(deadline=None)
def test_runs_only_rise_or_only_fall_and_add_up(order: list[int]) -> None:
    source = _Keys()
    parts = list(runs(np.array(order, np.int64), source))  # type: ignore[arg-type]
    assert [place for part in parts for place in part.tolist()] == order
    for part in parts:
        steps = np.diff(part)
        assert np.all(steps >= 0) or np.all(steps < 0)


class _Keys:
    places = np.arange(301)
    keys = np.arange(301) % 50 == 0


@pytest.mark.parametrize(
    ("matrix", "turn"),
    [
        ((0, -1, 0, 1, 0, 0, 0, 0, 1), Turn(True, False, True)),
        ((0, 1, 0, -1, 0, 0, 0, 0, 1), Turn(True, True, False)),
        ((-1, 0, 0, 0, -1, 0, 0, 0, 1), Turn(False, True, True)),
        ((-1, 0, 0, 0, 1, 0, 0, 0, 1), Turn(False, True, False)),
    ],
)
def test_display_matrices(matrix: tuple[int, ...], turn: Turn) -> None:
    data = b"".join((value << 16).to_bytes(4, "little", signed=True) for value in matrix)
    assert Turn.of_matrix(data) == turn


def test_hidden_frames_are_not_counted(tmp_path: Path) -> None:
    assert survey(video(tmp_path / "v.mp4", frames=31)).frames == 31
