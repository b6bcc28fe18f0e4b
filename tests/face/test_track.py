import cv2
import numpy as np
import numpy.typing as npt

from lipsync_kit.face import FaceTracker, find_faces

RGB = npt.NDArray[np.uint8]


def shifted(picture: RGB, x: float, y: float) -> RGB:
    matrix = np.array([[1, 0, x], [0, 1, y]], np.float32)
    size = picture.shape[1], picture.shape[0]
    return np.asarray(
        cv2.warpAffine(picture, matrix, size, borderMode=cv2.BORDER_REPLICATE), np.uint8
    )


def test_follows_a_moving_face(portrait: RGB) -> None:
    (still,) = find_faces(portrait)
    tracker = FaceTracker()
    for step in range(8):
        face = tracker(shifted(portrait, 6 * step, 3 * step))
        assert face is not None
        moved = face.landmarks[:, :2].mean(axis=0) - still.landmarks[:, :2].mean(axis=0)
        np.testing.assert_allclose(moved, (6 * step, 3 * step), atol=still.height / 40)


def test_finds_the_face_again_after_a_cut(portrait: RGB) -> None:
    tracker = FaceTracker()
    assert tracker(portrait) is not None
    assert tracker(np.zeros_like(portrait)) is None
    back = [tracker(shifted(portrait, 150, 60)) for _ in range(6)]
    assert back[-1] is not None
    assert back[-1].box[0] > 300


def test_stays_with_its_face_when_another_is_larger(portrait: RGB) -> None:
    small = cv2.resize(portrait, (256, 256), interpolation=cv2.INTER_AREA)
    frame = np.zeros((512, 1024, 3), np.uint8)
    frame[128:384, 100:356] = small
    tracker = FaceTracker()
    first = tracker(frame)
    frame[:, 512:] = portrait
    second = tracker(frame)
    assert first is not None
    assert second is not None
    assert abs(second.box[0] - first.box[0]) < 10
