"""What a driven portrait shows, measured in its pictures."""

from __future__ import annotations

import itertools
from dataclasses import fields, replace
from fractions import Fraction

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from lipsync_kit.engines.preview.between import INNER
from lipsync_kit.engines.preview.drive_act import Act, Actor
from lipsync_kit.engines.preview.drive_mirror import picture
from lipsync_kit.engines.preview.drive_puppet import Puppet
from lipsync_kit.engines.preview.drive_rig import head_pose, pressed
from lipsync_kit.engines.preview.drive_track import DriverTrack
from lipsync_kit.engines.preview.encoding import one_thread
from lipsync_kit.engines.preview.plate import plate_of
from lipsync_kit.engines.preview.pose import weights
from lipsync_kit.engines.preview.sampling import sampled
from lipsync_kit.face import Eye, Face, FaceTracker, find_eyes, find_faces
from tests.engines.preview import drivers, portraits

U8 = npt.NDArray[np.uint8]
FAR = np.radians(40)


def track(frames: int, **curves: npt.ArrayLike) -> DriverTrack:
    """A driver at rest but for some curves."""
    rest = {field.name: np.zeros(frames, np.float32) for field in fields(DriverTrack)}
    rest["confidence"] += 1
    return DriverTrack(**rest | {n: np.asarray(v, np.float32) for n, v in curves.items()})


class Stage:
    def __init__(self, rgb: U8) -> None:
        self.plate = plate_of(rgb)
        self.face = find_faces(rgb)[0]
        with one_thread():
            self.puppet = Puppet.of(self.plate, self.face)
            self.actor = Actor.of(self.puppet.rig, self.face, self.puppet.show)

    def planes(self, act: Act) -> tuple[U8, U8]:
        luma, chroma = self.plate.luma.copy(), self.plate.chroma.copy()
        self.puppet.draw(act, luma, chroma)
        return luma, chroma

    def acts(self, driver: DriverTrack) -> list[Act]:
        return list(self.actor.acts(driver, 0, len(driver), Fraction(1)))

    def act(self, **does: float) -> Act:
        """What the portrait makes of a driver who does this for a while."""
        return self.acts(track(5, **{name: [value] * 5 for name, value in does.items()}))[2]

    def rgb(self, **does: float) -> U8:
        return picture(*self.planes(self.act(**does)))

    def seen(self, **does: float) -> Face:
        (face, *_) = find_faces(self.rgb(**does))
        return face

    def eyes(self, **does: float) -> tuple[Eye, Eye]:
        return find_eyes(self.rgb(**does), self.face)


@pytest.fixture(scope="module", params=["photo with a smile", "drawing"])
def stage(request: pytest.FixtureRequest) -> Stage:
    if request.param == "drawing":
        rgb = cv2.resize(portraits.drawing(), (560, 560), interpolation=cv2.INTER_AREA)
        return Stage(np.asarray(rgb, np.uint8))
    return Stage(drivers.head())


@pytest.fixture(scope="module")
def photo() -> Stage:
    return Stage(drivers.head())


class TestHead:
    @pytest.mark.parametrize("axis", ["yaw", "pitch", "roll"])
    def test_turns_as_the_driver_does(self, stage: Stage, axis: str) -> None:
        wanted = np.radians([-7, -3.5, 0, 3.5, 7])
        tracker, seen = FaceTracker(), []
        for angle in wanted:
            face = tracker(stage.rgb(**{axis: float(angle)}))
            assert face is not None
            seen.append(np.radians(getattr(face, axis)))
        slope, _ = np.polyfit(wanted, seen, 1)
        assert np.corrcoef(wanted, seen)[0, 1] > 0.97
        assert 0.55 < slope < 1.5

    def test_goes_where_the_driver_goes(self, stage: Stage) -> None:
        before = stage.seen().landmarks[:, :2].mean(axis=0)
        after = stage.seen(x=0.06, y=0.03).landmarks[:, :2].mean(axis=0)
        way = (after - before) / stage.puppet.rig.head.size
        np.testing.assert_allclose(way, (0.06, 0.03), atol=0.015)

    def test_turns_less_and_less_beyond_its_reach_and_never_folds(self, stage: Stage) -> None:
        for signs in np.ndindex(2, 2, 2):
            yaw, pitch, roll = (FAR * (1 - 2 * s) for s in signs)
            act = stage.act(yaw=yaw, pitch=pitch, roll=roll, x=0.5 * np.sign(yaw), y=-0.3)
            assert pressed(stage.puppet.rig, act.pose) > 0.04
        near, far = (stage.act(yaw=float(a)).pose.yaw for a in (FAR / 2, FAR))
        assert 0 < near < far < FAR

    def test_the_turn_is_exact(self, stage: Stage) -> None:
        """A point on the axis of the head's depth goes where a rotation takes it."""
        rig = stage.puppet.rig
        pose = head_pose(rig, 0.2, 0.1, 0.15, 0.0, 0.0, 0.0)
        still = replace(pose, gap=rig.line.gap)
        nose = rig.head.landmarks[168]
        moved = np.einsum("k,knd->nd", weights(still, rig.line.gap), rig.at(nose[None, :2]))
        assert np.linalg.norm(moved) < 0.1 * rig.head.size


class TestMouth:
    def test_opens_as_far_as_the_drivers(self, stage: Stage) -> None:
        openings = [0.0, 0.04, 0.08, 0.12, 0.16, 0.2]
        seen = [stage.seen(opening=gap).mouth_openness for gap in openings]
        assert np.corrcoef(openings, seen)[0, 1] > 0.94
        assert seen[-1] > 0.1

    def test_gets_as_wide_as_the_drivers(self, stage: Stage) -> None:
        usual = stage.seen(opening=0.06).mouth_width
        wide = stage.seen(opening=0.06, width=0.2).mouth_width
        narrow = stage.seen(opening=0.06, width=-0.2).mouth_width
        assert wide > 1.06 * usual
        assert narrow < 0.975 * usual

    def test_wide_open_it_is_no_black_hole(self, stage: Stage) -> None:
        ycc = cv2.cvtColor(self._inside(stage, opening=0.18), cv2.COLOR_RGB2YCrCb)
        luma, red = ycc[..., 0], ycc[..., 1].astype(int) - 128
        assert np.mean(luma < 30) < 0.3
        assert np.mean((red > 8) & (luma > 45)) > 0.15  # a tongue

    def _inside(self, stage: Stage, **does: float) -> U8:
        """What shows between the lips, pixels (1, n, 3)."""
        rgb = stage.rgb(**does)
        outline = find_faces(rgb)[0].landmarks[list(INNER), :2]
        mask = cv2.fillPoly(np.zeros(rgb.shape[:2], np.uint8), [outline.astype(np.int32)], 1)
        return rgb[mask > 0][None]

    def test_wide_openings_are_inverted_exactly(self, stage: Stage) -> None:
        act = stage.act(opening=0.2, width=0.25, yaw=0.1)
        amounts = weights(act.pose, stage.puppet.rig.line.gap)
        sheets = stage.puppet.mouth.sheets
        for sheet in (sheets.upper, sheets.lower):
            moved = np.einsum("k,k...->...", amounts, sheet.fields).astype(np.float32)
            seen = sheet.grid.inverse(sheet.nodes, moved)
            at = (seen - sheet.nodes[0, 0]) / sheet.grid.step
            inside = ((at >= 0) & (at <= np.array(moved.shape[1::-1]) - 1)).all(axis=-1)
            off = np.linalg.norm(seen + sampled(moved, at) - sheet.nodes, axis=-1)
            assert off[inside].max() < 0.5

    def test_follows_the_head(self, photo: Stage) -> None:
        """Teeth and lips go with a head that has moved away, in one piece."""
        there = photo.seen(opening=0.1, x=0.12, y=0.08)
        here = photo.seen(opening=0.1)
        way = there.landmarks[:, :2] - here.landmarks[:, :2]
        lips, eyes = way[[61, 291, 13, 14]].mean(axis=0), way[[33, 263, 133, 362]].mean(axis=0)
        np.testing.assert_allclose(lips, eyes, atol=0.04 * photo.puppet.rig.head.size)


class TestEyes:
    def test_a_wink_closes_one_eye(self, stage: Stage) -> None:
        usual, winking = stage.eyes(), stage.eyes(blink_left=1.0)
        assert winking[0].openness < 0.6 * usual[0].openness
        assert winking[1].openness > 0.85 * usual[1].openness

    def test_look_where_the_driver_looks(self, stage: Stage) -> None:
        for eye in (0, 1):
            left, right = (stage.eyes(gaze_x=g)[eye].gaze[0] for g in (-0.16, 0.16))
            assert right - left > 0.12
            up, down = (stage.eyes(gaze_y=g)[eye].gaze[1] for g in (-0.06, 0.06))
            assert down > up

    def test_open_wider_than_the_portraits(self, photo: Stage) -> None:
        usual, wide = photo.eyes(), photo.eyes(blink_left=-0.3, blink_right=-0.3)
        assert all(w.openness > 1.05 * u.openness for w, u in zip(wide, usual, strict=True))

    def test_an_eyeball_at_rest_is_the_portraits(self, photo: Stage) -> None:
        act = replace(photo.act(), pose=replace(photo.act().pose, gap=photo.puppet.rig.line.gap))
        luma, _ = photo.planes(act)
        for eye in find_eyes(photo.plate.rgb, photo.face):
            (x0, y0), (x1, y1) = (
                np.rint(corner).astype(int)
                for corner in (eye.iris - eye.width / 2, eye.iris + eye.width / 2)
            )
            before, after = (p[y0:y1, x0:x1].astype(float) for p in (photo.plate.luma, luma))
            assert 10 * np.log10(255**2 / np.mean((before - after) ** 2)) > 36

    def test_what_a_moved_iris_leaves_is_white_not_skin(self, photo: Stage) -> None:
        luma, _ = photo.planes(photo.act(gaze_x=0.2))
        for eye in find_eyes(photo.plate.rgb, photo.face):
            x, y = np.rint(eye.iris - (0.14 * eye.width, 0)).astype(int)
            assert luma[y, x] > photo.plate.luma[y, x] + 20


class TestFrame:
    @pytest.mark.parametrize(
        "does",
        [
            {"yaw": 0.4, "opening": 0.2, "width": 0.3},
            {"yaw": -0.4, "pitch": 0.3, "roll": 0.3, "blink_left": 1.0},
            {"x": 0.4, "y": -0.3, "zoom": 0.3, "gaze_x": 0.3},
        ],
    )
    def test_the_background_stands_still(self, stage: Stage, does: dict[str, float]) -> None:
        luma, chroma = stage.planes(stage.act(**does))
        outside = np.ones(luma.shape, bool)
        outside[stage.puppet.rig.grid.area.luma] = False
        np.testing.assert_array_equal(luma[outside], stage.plate.luma[outside])
        quarter = outside[::2, ::2]
        np.testing.assert_array_equal(chroma[quarter], stage.plate.chroma[quarter])

    def test_every_frame_shows_its_own_act_alone(self, photo: Stage) -> None:
        """Whatever was drawn before it: a head that moved away leaves nothing behind."""
        wild = photo.act(yaw=0.3, x=0.15, y=0.1, opening=0.2, blink_left=1.0, gaze_x=0.2)
        calm = photo.act(opening=0.05)
        luma, chroma = photo.planes(wild)
        photo.puppet.draw(calm, luma, chroma)
        alone = photo.planes(calm)
        np.testing.assert_array_equal(luma, alone[0])
        np.testing.assert_array_equal(chroma, alone[1])

    def test_small_steps_of_the_driver_are_small_steps_of_the_picture(self, photo: Stage) -> None:
        n = np.arange(12)
        driver = track(12, yaw=0.02 * n, opening=0.012 * n, gaze_x=0.01 * n, blink_left=n / 12)
        frames = [photo.planes(act)[0].astype(float) for act in photo.acts(driver)]
        steps = [float(np.abs(b - a).mean()) for a, b in itertools.pairwise(frames)]
        assert max(steps) < 3 * np.median(steps) + 0.5
