"""What the rendered pictures show, measured in them."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from lipsync_kit.engines.preview.plate import plate_of
from lipsync_kit.engines.preview.pose import Pose, weights
from lipsync_kit.engines.preview.size import preview_size
from lipsync_kit.engines.preview.talk import Talker
from lipsync_kit.face import Face, FaceTracker, find_faces
from lipsync_kit.face.topology import EYES
from tests.engines.preview import portraits

U8 = npt.NDArray[np.uint8]
EXTREMES = [
    Pose(),
    Pose(gap=0.1),
    Pose(gap=0.1, width=-1, yaw=0.06, pitch=0.04, roll=0.03),
    Pose(gap=0.06, width=1, yaw=-0.06, pitch=-0.04, roll=-0.03, zoom=0.02),
    Pose(press=1, brow=1, x=0.02, y=-0.02),
]


class Stage:
    """A talker and the frame that it draws into."""

    def __init__(self, picture: U8) -> None:
        size = preview_size(picture.shape[1], picture.shape[0], "720p")
        self.plate = plate_of(np.asarray(cv2.resize(picture, size), np.uint8))
        self.talker = Talker.of(self.plate, find_faces(self.plate.rgb)[0])

    def show(self, pose: Pose) -> tuple[U8, U8]:
        luma, chroma = self.plate.luma.copy(), self.plate.chroma.copy()
        self.talker.draw(pose, luma, chroma)
        return luma, chroma

    def rgb(self, pose: Pose) -> U8:
        luma, chroma = self.show(pose)
        planes = [luma.ravel(), *(np.ascontiguousarray(chroma[..., i]).ravel() for i in (0, 1))]
        i420 = np.concatenate(planes).reshape(-1, luma.shape[1])
        return np.asarray(cv2.cvtColor(i420, cv2.COLOR_YUV2RGB_I420), np.uint8)

    def face(self, pose: Pose) -> Face:
        faces = find_faces(self.rgb(pose))
        assert faces
        return faces[0]


@pytest.fixture(scope="module", params=["photo with a smile", "drawing"])
def stage(request: pytest.FixtureRequest) -> Stage:
    return Stage(portraits.drawing() if request.param == "drawing" else portraits.shipped())


@pytest.fixture(scope="module")
def smile() -> Stage:
    return Stage(portraits.shipped())


@pytest.fixture(scope="module")
def sketch() -> Stage:
    return Stage(portraits.drawing())


def between_lips(stage: Stage, pose: Pose) -> U8:
    """Luma from the upper lip to the lower one, in the middle."""
    luma, _ = stage.show(pose)
    amounts = weights(pose, stage.talker.rig.line.gap)
    sheets = stage.talker.mouth.sheets.upper, stage.talker.mouth.sheets.lower
    top, bottom = (sheet.moved_edge(amounts)[20] for sheet in sheets)
    column = (top + np.linspace(0.05, 0.95, 30)[:, None] * (bottom - top)).round().astype(int)
    return luma[column[:, 1], column[:, 0]]


class TestMouth:
    def test_opens_as_far_as_it_is_told(self, stage: Stage) -> None:
        gaps = np.abs(np.sin(np.arange(40) * 0.7)) * 0.09
        tracker = FaceTracker()
        seen = []
        for i, gap in enumerate(gaps):
            face = tracker(stage.rgb(Pose(gap=float(gap), yaw=0.04 * np.sin(i / 6))))
            assert face is not None
            seen.append(face.mouth_openness)
        assert np.corrcoef(gaps, seen)[0, 1] >= 0.9

    def test_closed_lips_measure_closed(self, stage: Stage) -> None:
        closed, open_ = (stage.face(Pose(gap=gap)).mouth_openness for gap in (0.0, 0.08))
        assert open_ > 0.04
        assert closed < 0.35 * open_

    def test_a_smile_can_close_and_no_teeth_show(self, smile: Stage) -> None:
        line = smile.talker.rig.line
        assert line.gap > 0.05
        x, y = ((line.upper_px + line.lower_px) / 2)[20].round().astype(int) // 2
        (_, teeth), (_, lips) = smile.show(Pose(gap=line.gap)), smile.show(Pose())
        # Lips are red, teeth are not.
        assert lips[y - 2 : y + 3, x, 1].min() > teeth[y, x, 1] + 8

    def test_a_smile_at_its_own_width_is_the_portrait(self, smile: Stage) -> None:
        luma, _ = smile.show(Pose(gap=smile.talker.rig.line.gap))
        area = smile.talker.mouth.sheets.upper.grid.area.luma
        error = luma[area].astype(float) - smile.plate.luma[area]
        assert 10 * np.log10(255**2 / np.mean(error**2)) > 34

    def test_the_inside_is_no_black_hole(self, sketch: Stage) -> None:
        inside = between_lips(sketch, Pose(gap=0.09))
        assert inside.max() > 100  # teeth
        assert inside.min() < 70  # and depth behind them

    def test_teeth_show_when_a_smile_opens(self, smile: Stage) -> None:
        assert between_lips(smile, Pose(gap=0.09)).max() > 180

    def test_width_is_seen(self, stage: Stage) -> None:
        spread, rounded = (stage.face(Pose(gap=0.04, width=w)).mouth_width for w in (1.0, -1.0))
        assert spread > rounded * 1.08


class TestEyes:
    def test_a_blink_measures_closed(self, sketch: Stage) -> None:
        open_, closed = sketch.face(Pose()), sketch.face(Pose(blink=1))
        assert max(closed.eye_openness) < 0.55 * min(open_.eye_openness)

    def test_a_blink_leaves_neither_white_nor_iris(self, sketch: Stage) -> None:
        luma, chroma = sketch.show(Pose(blink=1))
        for upper, lower in EYES:
            rows = sketch.talker.rig.head.landmarks[[upper[4], lower[4]], :2]
            x, y = rows.mean(axis=0).round().astype(int)
            # Drawn skin is reddish; the white and the blue iris are not.
            assert chroma[y // 2 - 3 : y // 2 + 3, x // 2 - 6 : x // 2 + 6, 1].min() > 130
            assert luma[y, x] < 235

    def test_the_lid_is_skin_with_texture_of_the_skin_above(self, smile: Stage) -> None:
        shut, chroma = smile.show(Pose(blink=1))
        for lid in smile.talker.lids.lids:
            x, y = (lid.corner + lid.width * 0.5 * lid.across).round().astype(int)
            reach = int(0.2 * lid.width)
            above = y - int(0.28 * lid.width)
            skin = smile.plate.luma[above - 3 : above + 3, x - reach : x + reach]
            lids = shut[y - reach : y, x - reach : x + reach]
            assert lids.mean() > 0.6 * skin.mean()
            assert lids.std() > 3  # a decal is flat
            whites = np.abs(chroma[y // 2, x // 2].astype(int) - 128).max()
            assert whites >= 4  # skin has a colour, the white of an eye has none

    def test_lids_open_and_half_open_differ_only_around_the_eyes(self, stage: Stage) -> None:
        a, b = stage.show(Pose())[0], stage.show(Pose(blink=0.5))[0]
        moved = np.argwhere(np.abs(a.astype(int) - b) > 4)[:, ::-1]
        eyes = [lid.corner + lid.width * 0.5 * lid.across for lid in stage.talker.lids.lids]
        nearest = np.min([np.linalg.norm(moved - eye, axis=1) for eye in eyes], axis=0)
        assert nearest.max() < 1.1 * stage.talker.lids.lids[0].width

    def test_the_gaze_moves_the_iris(self, stage: Stage) -> None:
        left, right = (stage.show(Pose(gaze_x=g))[0] for g in (-0.05, 0.05))
        assert np.abs(left.astype(int) - right).max() > 20


class TestCutOff:
    @pytest.mark.parametrize("part", ["chin", "mouth", "left eye", "forehead"])
    def test_a_face_that_is_partly_outside_still_moves(self, part: str) -> None:
        rows = {"chin": slice(0, 590), "mouth": slice(0, 540), "forehead": slice(360, 800)}
        columns = slice(290, 800) if part == "left eye" else slice(0, 800)
        stage = Stage(portraits.drawing()[rows.get(part, slice(0, 800)), columns])
        rest, moved = (stage.show(p)[0] for p in (Pose(), Pose(gap=0.08, yaw=0.05, blink=1)))
        assert np.abs(rest.astype(int) - moved).mean() > 0.05


class TestFrame:
    def test_the_background_stands_still(self, stage: Stage) -> None:
        grid = stage.talker.rig.grid.area
        for pose in EXTREMES:
            luma, chroma = stage.show(replace(pose, blink=0.5))
            outside = np.ones(luma.shape, bool)
            outside[grid.luma] = False
            np.testing.assert_array_equal(luma[outside], stage.plate.luma[outside])
            quarter = outside[::2, ::2]
            np.testing.assert_array_equal(chroma[quarter], stage.plate.chroma[quarter])

    def test_no_box_edge_where_the_moving_part_ends(self, stage: Stage) -> None:
        a = stage.talker.rig.grid.area
        for pose in EXTREMES:
            error = np.abs(stage.show(pose)[0].astype(int) - stage.plate.luma)
            rim = np.zeros(error.shape, bool)
            rim[a.luma] = True
            rim[a.y0 + 3 : a.y1 - 3, a.x0 + 3 : a.x1 - 3] = False
            assert error[rim].max() <= 12

    def test_nothing_tears_or_folds(self, stage: Stage) -> None:
        rig = stage.talker.rig
        sheets = stage.talker.mouth.sheets
        for pose in EXTREMES:
            for part in (rig, sheets.upper, sheets.lower, sheets.skull):
                moved = np.tensordot(weights(pose, rig.line.gap), part.fields, 1)
                seen = part.grid.inverse(part.nodes, moved.astype(np.float32)).astype(float)
                across, down = np.diff(seen, axis=1)[:-1], np.diff(seen, axis=0)[:, :-1]
                area = across[..., 0] * down[..., 1] - across[..., 1] * down[..., 0]
                if part is rig:
                    area = area[_away_from_lips(stage)]
                assert area.min() > 0.1 * part.grid.step**2

    def test_the_inverse_leads_back(self, stage: Stage) -> None:
        for pose in EXTREMES:
            amounts = weights(pose, stage.talker.rig.line.gap)
            for sheet in (stage.talker.mouth.sheets.upper, stage.talker.mouth.sheets.lower):
                moved = np.tensordot(amounts, sheet.fields, 1).astype(np.float32)
                seen = sheet.grid.inverse(sheet.nodes, moved)
                at = (seen - sheet.nodes[0, 0]) / sheet.grid.step
                there = seen + cv2.remap(moved, at, None, cv2.INTER_LINEAR)
                inside = ((at >= 0) & (at <= np.array(moved.shape[1::-1]) - 1)).all(axis=-1)
                assert np.abs(there - sheet.nodes)[inside].max() < 0.35

    def test_the_pose_of_rest_is_the_portrait(self, sketch: Stage) -> None:
        luma, chroma = sketch.show(Pose())
        np.testing.assert_allclose(luma, sketch.plate.luma, atol=1)
        np.testing.assert_allclose(chroma, sketch.plate.chroma, atol=1)

    def test_small_steps_of_a_pose_are_small_steps_of_the_picture(self, stage: Stage) -> None:
        def difference(a: Pose, b: Pose) -> float:
            return float(np.abs(stage.show(a)[0].astype(int) - stage.show(b)[0]).mean())

        large = difference(Pose(), Pose(gap=0.06, yaw=0.05, blink=0.9))
        for at in np.linspace(0, 1, 6):
            here = Pose(gap=0.06 * at, yaw=0.05 * at, blink=0.9 * at)
            gap, yaw, blink = here.gap + 0.002, here.yaw + 0.0015, here.blink + 0.02
            assert difference(here, Pose(gap=gap, yaw=yaw, blink=blink)) < 0.2 * large


def _away_from_lips(stage: Stage) -> npt.NDArray[np.bool_]:
    """Cells of the rig's grid that the mouth's own, finer sheets don't draw over."""
    rig, mouth = stage.talker.rig, stage.talker.mouth.sheets.upper.grid.area
    middle = rig.nodes[:-1, :-1] + rig.grid.step / 2
    low, high = np.array([mouth.x0, mouth.y0]), np.array([mouth.x1, mouth.y1])
    return ~((middle > low) & (middle < high)).all(axis=-1)
