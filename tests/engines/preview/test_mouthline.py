import cv2
import numpy as np
import numpy.typing as npt
import pytest

from lipsync_kit.engines.preview.head import Head
from lipsync_kit.engines.preview.mouthline import MouthLine, cheapest_path, find_mouth_line
from lipsync_kit.face import find_faces
from tests.engines.preview import portraits

RGB = npt.NDArray[np.uint8]


def line_of(picture: RGB) -> tuple[MouthLine, float]:
    head = Head.of(find_faces(picture)[0])
    return find_mouth_line(head, picture), head.size


def test_closed_lips_meet_on_the_drawn_line() -> None:
    line, size = line_of(portraits.drawing())
    assert line.gap == 0
    x, y = line.upper_px[10:-10].T
    drawn = 560 + 2 * (1 - ((x - 400) / 62) ** 2)
    assert np.abs(y - drawn).max() < 0.01 * size


def test_a_smile_is_open_between_its_lips() -> None:
    line, size = line_of(portraits.shipped())
    assert line.smiles
    assert 0.05 < line.gap < 0.11
    grey = cv2.cvtColor(portraits.shipped(), cv2.COLOR_RGB2GRAY)
    x, y = ((line.upper_px + line.lower_px) / 2)[15:26].round().astype(int).T
    assert grey[y, x].min() > 150  # teeth
    assert size == pytest.approx(108, rel=0.1)


def test_a_mouth_wide_open_reaches_down_to_its_lip() -> None:
    picture = portraits.drawing().copy()
    cv2.ellipse(picture, (400, 575), (42, 46), 0, 0, 360, (205, 105, 105), -1, cv2.LINE_AA)
    cv2.ellipse(picture, (400, 577), (32, 34), 0, 0, 360, (60, 20, 25), -1, cv2.LINE_AA)
    line, size = line_of(picture)
    assert line.gap > 0.12
    assert line.lower_px[20, 1] == pytest.approx(577 + 34, abs=0.03 * size)


def test_teeth_between_parted_lips_belong_to_neither() -> None:
    picture = portraits.drawing().copy()
    x = np.linspace(350, 450, 41)
    bow = 1 - ((x - 400) / 50) ** 2
    strip = np.concatenate([np.stack([x, 558 - 4 * bow], 1), np.stack([x, 558 + 6 * bow], 1)[::-1]])
    points = np.rint(strip).astype(np.int32)
    cv2.fillPoly(picture, [points], (225, 222, 214), cv2.LINE_AA)
    cv2.polylines(picture, [points], True, (90, 40, 50), 2, cv2.LINE_AA)
    line, size = line_of(picture)
    assert 0.01 < line.gap < 0.05
    assert line.upper_px[20, 1] == pytest.approx(554, abs=0.012 * size)
    assert line.lower_px[20, 1] == pytest.approx(564, abs=0.012 * size)


def test_the_cheapest_path_follows_a_valley_and_bends_where_it_pays() -> None:
    valley = np.round(5 + 3 * np.sin(np.linspace(0, 3, 30))).astype(int)
    cost = np.ones((30, 12))
    cost[np.arange(30), valley] = 0
    np.testing.assert_array_equal(cheapest_path(cost, 0.1), valley)
    assert np.ptp(cheapest_path(cost, 100.0)) == 0
