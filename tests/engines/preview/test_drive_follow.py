"""What is seen of a driver whose movements are known."""

from __future__ import annotations

from fractions import Fraction
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from lipsync_kit.engines.preview.drive_follow import follow_driver
from lipsync_kit.engines.preview.drive_track import DriverTrack
from lipsync_kit.engines.preview.encoding import Draw, encode
from lipsync_kit.engines.preview.plate import Plate, plate_of
from lipsync_kit.errors import InputError
from lipsync_kit.progress import Silent
from tests.engines.preview import drivers
from tests.engines.preview.drivers import FPS, Driver

Curve = npt.NDArray[np.floating]
FRAMES = 130


def best_lag(a: Curve, b: Curve, reach: int = 4) -> int:
    """Frames that `a` is later than `b`."""
    n = len(a)
    scores = {
        lag: np.corrcoef(a[max(0, lag) : n + min(0, lag)], b[max(0, -lag) : n - max(0, lag)])[0, 1]
        for lag in range(-reach, reach + 1)
    }
    return max(scores, key=lambda lag: scores[lag])


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Driver:
    return drivers.acted(tmp_path_factory.mktemp("driver") / "driving.mp4", FRAMES)


@pytest.fixture(scope="module")
def track(driver: Driver) -> DriverTrack:
    return follow_driver(driver.video, FPS, Silent())


class TestCurves:
    @pytest.mark.parametrize(
        ("name", "move", "least"),
        [
            ("yaw", "yaw", 0.95),
            ("pitch", "pitch", 0.9),
            ("roll", "roll", 0.97),
            ("opening", "gap", 0.9),
            ("blink_left", "blink", 0.85),
            ("blink_right", "blink", 0.85),
            ("gaze_x", "gaze_x", 0.85),
        ],
    )
    def test_follow_the_driver_without_lag(
        self, driver: Driver, track: DriverTrack, name: str, move: str, least: float
    ) -> None:
        seen, meant = getattr(track, name), driver.moves[move]
        assert np.corrcoef(seen, meant)[0, 1] >= least
        assert abs(best_lag(seen, meant)) <= 1

    def test_are_relative_to_the_drivers_own_rest(self, track: DriverTrack) -> None:
        for name in ("yaw", "pitch", "roll", "x", "y", "zoom", "brow_left"):
            curve = getattr(track, name)
            assert abs(np.median(curve)) < 0.2 * np.ptp(curve) + 1e-3
        assert 0 <= track.opening.min() < 0.004

    def test_one_row_per_frame_all_finite(self, track: DriverTrack) -> None:
        assert len(track) == FRAMES
        assert track.seen == 1
        assert np.isfinite(np.frombuffer(track.tobytes(), np.float32)).all()

    def test_a_driver_who_sits_still_does_not_tremble(self, tmp_path: Path) -> None:
        drivers.film(tmp_path / "still.mp4", [drivers.still()] * 40)
        track = follow_driver(tmp_path / "still.mp4", FPS, Silent())
        for name in ("yaw", "pitch", "roll"):
            assert getattr(track, name).std() < 0.003
        assert track.opening.max() < 0.01
        assert track.blink_left.max() < 0.1

    def test_a_wink_is_one_eyes(self, tmp_path: Path) -> None:
        shut = [0.0] * 14 + [0.5, 1, 1, 1, 1, 0.5] + [0.0] * 14
        drawings = [partial(half_closed, closed) for closed in shut]
        encode(tmp_path / "wink.mp4", (drivers.SIDE, drivers.SIDE), FPS, drawings)
        track = follow_driver(tmp_path / "wink.mp4", FPS, Silent())
        assert track.blink_left[15:18].min() > 0.6
        assert track.blink_right.max() < 0.4


def half_closed(closed: float, luma: drivers.U8, chroma: drivers.U8) -> None:
    """The left half of a face that blinks beside the right half of the same that does not."""
    who, half = drivers.performer(), drivers.SIDE // 2
    luma[:], chroma[:] = who.plate.luma, who.plate.chroma
    who.draw(drivers.still(blink=closed), luma, chroma)
    luma[:, half:], chroma[:, half // 2 :] = (
        who.plate.luma[:, half:],
        who.plate.chroma[:, half // 2 :],
    )


class TestTime:
    def test_a_video_at_another_rate_lies_on_the_films_frames(self, tmp_path: Path) -> None:
        driver = drivers.acted(tmp_path / "slow.mp4", 40, Fraction(12))
        track = follow_driver(driver.video, Fraction(24), Silent())
        assert abs(len(track) - 80) <= 1
        held = np.repeat(driver.moves["gap"], 2)[: len(track)]
        assert np.corrcoef(track.opening, held[: len(track)])[0, 1] > 0.9

    def test_beyond_its_ends_the_nearest_frame_is_held(self, track: DriverTrack) -> None:
        part = track.at(FRAMES - 2, 4)
        np.testing.assert_array_equal(part.yaw, track.yaw[[-2, -1, -1, -1]])
        np.testing.assert_array_equal(track.at(-2, 3).yaw, track.yaw[[0, 0, 0]])


class TestAbsence:
    def test_nobody_is_seen_in_an_empty_room(self, tmp_path: Path) -> None:
        drivers.film(tmp_path / "empty.mp4", [None] * 8)
        track = follow_driver(tmp_path / "empty.mp4", FPS, Silent())
        assert track.seen == 0
        assert len(track) == 8
        assert not any(getattr(track, name).any() for name in ("yaw", "opening", "blink_left"))

    def test_who_leaves_and_comes_back_rests_meanwhile(self, tmp_path: Path) -> None:
        poses = drivers.posed(drivers.moves(60))
        turned = [drivers.still(yaw=0.08, gap=0.08)] * 12
        drivers.film(tmp_path / "away.mp4", [*poses[:40], *turned, *[None] * 30, *poses[:40]])
        track = follow_driver(tmp_path / "away.mp4", FPS, Silent())
        away = track.confidence == 0
        assert 25 <= away.sum() <= 36
        middle = slice(64, 68)
        assert np.abs(track.yaw[middle]).max() < 0.01
        assert track.opening[middle].max() < 0.01
        steps = np.abs(np.diff(track.yaw[45:]))
        assert steps.max() < 0.03  # it eases there and back

    def test_a_cut_to_another_framing_is_no_leap_of_the_head(self, tmp_path: Path) -> None:
        shots = [drivers.performer().plate] * 25 + [smaller(drivers.head())] * 25
        encode(tmp_path / "cut.mp4", (drivers.SIDE, drivers.SIDE), FPS, [shown(p) for p in shots])
        track = follow_driver(tmp_path / "cut.mp4", FPS, Silent())
        for name in ("x", "y", "zoom"):
            assert np.abs(getattr(track, name)).max() < 0.03

    def test_the_head_goes_where_the_driver_goes(self, tmp_path: Path) -> None:
        way = 0.04 * np.sin(np.arange(50) / 6)
        drivers.film(tmp_path / "way.mp4", [drivers.still(x=x, y=x / 2) for x in way])
        track = follow_driver(tmp_path / "way.mp4", FPS, Silent())
        assert np.corrcoef(track.x, way)[0, 1] > 0.97
        assert np.corrcoef(track.y, way)[0, 1] > 0.95
        assert 0.7 < np.polyfit(way, track.x, 1)[0] < 1.2


def shown(plate: Plate) -> Draw:
    def draw(luma: drivers.U8, chroma: drivers.U8) -> None:
        luma[:], chroma[:] = plate.luma, plate.chroma

    return draw


def smaller(picture: drivers.U8) -> Plate:
    """The same face at half its size, in another corner."""
    side = drivers.SIDE
    canvas = np.full((side, side, 3), 120, np.uint8)
    small = cv2.resize(picture, (side // 2, side // 2), interpolation=cv2.INTER_AREA)
    canvas[side // 2 :, : side // 2] = small
    return plate_of(canvas)


class TestFile:
    def test_comes_back_as_it_was_saved(self, track: DriverTrack, tmp_path: Path) -> None:
        track.save(tmp_path / "track.npz")
        assert DriverTrack.load(tmp_path / "track.npz").tobytes() == track.tobytes()
        assert sorted(p.name for p in tmp_path.iterdir()) == ["track.npz"]

    def test_what_is_no_video_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "bad.mp4").write_text("no video")
        with pytest.raises(InputError, match="bad"):
            follow_driver(tmp_path / "bad.mp4", FPS, Silent())
