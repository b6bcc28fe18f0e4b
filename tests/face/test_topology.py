import numpy as np
import numpy.typing as npt

from lipsync_kit.face import find_faces, topology

RGB = npt.NDArray[np.uint8]


def test_rows_run_from_left_to_right_and_upper_lies_above_lower(portrait: RGB) -> None:
    points = find_faces(portrait)[0].landmarks
    pairs = [
        *zip(topology.UPPER_LIP, topology.LOWER_LIP, strict=True),
        *topology.EYES,
        *topology.BROWS,
    ]
    for upper, lower in pairs:
        for row in (upper, lower):
            assert (np.diff(points[list(row), 0]) > 0).all()
        assert (points[list(lower), 1] >= points[list(upper), 1]).all()


def test_outline_is_clockwise(portrait: RGB) -> None:
    x, y = find_faces(portrait)[0].landmarks[list(topology.OVAL), :2].T
    assert np.sum(x * np.roll(y, -1) - y * np.roll(x, -1)) > 0
