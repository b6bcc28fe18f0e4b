"""Whether lips touch, told by what shows between them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from lipsync_kit.engines.preview.between import Between, between_lips_of
from lipsync_kit.engines.preview.drive_mirror import picture
from lipsync_kit.face import Face, find_faces, topology
from tests.engines.preview import drivers, portraits
from tests.engines.preview.drivers import performer

U8 = npt.NDArray[np.uint8]


def believed_open(face: Face, gap: float) -> npt.NDArray[np.float32]:
    """The landmarks of a face, its lips apart by face heights whatever the picture shows."""
    landmarks = face.landmarks.copy()
    for ids, way in ((topology.UPPER_LIP[-1], -0.5), (topology.LOWER_LIP[-1], 0.5)):
        inner = list(ids[1:-1])
        landmarks[inner, 1] += np.float32(way * gap * face.height)
    return landmarks


@pytest.mark.parametrize("believed", [0.0, 0.02, 0.03])
def test_closed_lips_touch_whatever_is_believed(believed: float) -> None:
    rgb = smiling(0.0)
    face = find_faces(rgb)[0]
    assert between_lips_of(rgb, believed_open(face, believed)).inside < 0.2


@pytest.mark.parametrize("gap", [0.03, 0.06, 0.12])
def test_parted_lips_show_teeth_or_dark(gap: float) -> None:
    assert seen(gap).inside > 0.28


def test_a_smile_shows_teeth() -> None:
    assert seen(0.05).teeth > 0.15


def test_nothing_is_seen_beyond_the_picture() -> None:
    rgb = portraits.drawing()
    away = find_faces(rgb)[0].landmarks + np.float32(5000)
    assert between_lips_of(rgb, away) == Between(0.0, 0.0, 0.0)


def seen(gap: float) -> Between:
    rgb = smiling(gap)
    return between_lips_of(rgb, find_faces(rgb)[0].landmarks)


def smiling(gap: float) -> U8:
    """The shipped portrait with its lips apart by face heights."""
    who = performer()
    luma, chroma = who.plate.luma.copy(), who.plate.chroma.copy()
    who.draw(drivers.still(gap=gap), luma, chroma)
    return picture(luma, chroma)
