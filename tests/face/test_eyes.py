import cv2
import numpy as np
import numpy.typing as npt

from lipsync_kit.face import Eye, find_eyes, find_faces

RGB = npt.NDArray[np.uint8]


def eyes_of(picture: RGB) -> tuple[Eye, Eye]:
    large = cv2.resize(picture, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC)
    rgb = np.asarray(large, np.uint8)
    return find_eyes(rgb, find_faces(rgb)[0])


def darkest_column(picture: RGB, eye: Eye) -> float:
    """Where the eye is darkest from left to right: the iris, with the lashes above it."""
    (x0, y0), (x1, y1) = (np.rint(c / 2).astype(int) for c in (eye.upper[0], eye.upper[-1]))
    reach = round(0.12 * eye.width / 2)
    rows = slice(min(y0, y1) - reach, max(y0, y1) + reach)
    columns = picture[rows, x0:x1].astype(np.float64).mean(axis=(0, 2))
    return float(x0 + np.convolve(columns, np.ones(5) / 5, "valid").argmin() + 2)


def test_the_iris_is_the_dark_disc_between_the_lids(portrait: RGB) -> None:
    for eye in eyes_of(portrait):
        assert abs(eye.iris[0] / 2 - darkest_column(portrait, eye)) < 0.12 * eye.width / 2
        assert eye.upper[4, 1] < eye.iris[1] < eye.lower[4, 1]
        assert 0.15 < eye.radius / eye.width < 0.3


def test_lids_run_from_left_to_right_and_meet_in_the_corners(portrait: RGB) -> None:
    for eye in eyes_of(portrait):
        assert (np.diff(eye.upper[:, 0]) > 0).all()
        assert (np.diff(eye.lower[:, 0]) > 0).all()
        np.testing.assert_array_equal(eye.upper[[0, -1]], eye.lower[[0, -1]])
        assert 0.2 < eye.openness < 0.5


def test_a_mirrored_face_looks_the_other_way(portrait: RGB) -> None:
    left, right = eyes_of(portrait)
    mirrored = eyes_of(np.ascontiguousarray(portrait[:, ::-1]))
    for eye, twin in zip((left, right), mirrored[::-1], strict=True):
        assert abs(eye.gaze[0] + twin.gaze[0]) < 0.05
        assert abs(eye.gaze[1] - twin.gaze[1]) < 0.05
        assert abs(eye.openness - twin.openness) < 0.05


def test_an_eye_painted_over_with_skin_is_closed(portrait: RGB) -> None:
    open_ = eyes_of(portrait)
    shut = portrait.copy()
    for eye in open_:
        skin = portrait[round(eye.lower[4, 1] / 2) + 9, round(eye.lower[4, 0] / 2)]
        outline = np.concatenate([eye.upper, eye.lower[::-1]]) / 2
        grown = outline.mean(axis=0) + 1.35 * (outline - outline.mean(axis=0))
        cv2.fillPoly(shut, [np.rint(grown).astype(np.int32)], [int(v) for v in skin])
        lash = np.rint(eye.lower / 2 + (0, 1)).astype(np.int32)
        cv2.polylines(shut, [lash], False, (60, 40, 30), 1, cv2.LINE_AA)
    for before, after in zip(open_, eyes_of(shut), strict=True):
        assert after.openness < 0.6 * before.openness
