import multiprocessing
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from lipsync_kit.face import Face, find_faces

RGB = npt.NDArray[np.uint8]


@pytest.fixture(scope="module")
def face(portrait: RGB) -> Face:
    (found,) = find_faces(portrait)
    return found


def turned(picture: RGB, degrees: float, zoom: float = 1.0) -> tuple[RGB, npt.NDArray[np.float64]]:
    """The picture turned clockwise about its middle, and the matrix that did it."""
    h, w = picture.shape[:2]
    matrix = np.asarray(cv2.getRotationMatrix2D((w / 2, h / 2), -degrees, zoom))
    moved = cv2.warpAffine(picture, matrix, (w, h), borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(moved, np.uint8), matrix


class TestPortrait:
    def test_one_face_where_it_is(self, face: Face) -> None:
        x, y, w, h = face.box
        assert (x + w / 2, y + h / 2) == pytest.approx((225, 122), abs=10)
        assert face.height == pytest.approx(108, rel=0.1)
        assert face.landmarks.shape == (468, 3)
        assert face.score > 0.9

    def test_features_lie_where_they_are_in_the_picture(self, portrait: RGB, face: Face) -> None:
        # The pupils are dark, the teeth of the smile are light.
        grey = cv2.cvtColor(portrait, cv2.COLOR_RGB2GRAY)
        for upper, lower in ((159, 145), (386, 374)):
            x, y = face.landmarks[[upper, lower], :2].mean(axis=0).round().astype(int)
            assert grey[y - 1 : y + 2, x - 1 : x + 2].min() < 80
        x, y = face.landmarks[[13, 14], :2].mean(axis=0).round().astype(int)
        assert grey[y, x] > 170

    def test_a_smile_is_open_and_wide_and_eyes_are_open(self, face: Face) -> None:
        assert 0.04 < face.mouth_openness < 0.12
        assert face.mouth_width > 0.36
        assert min(face.eye_openness) > 0.2

    def test_looks_at_the_camera(self, face: Face) -> None:
        assert abs(face.yaw) < 10
        assert abs(face.pitch) < 10
        assert abs(face.roll) < 8


class TestMovedPortrait:
    @pytest.mark.parametrize("degrees", [-25.0, 15.0, 30.0])
    def test_roll_follows_the_picture(self, portrait: RGB, face: Face, degrees: float) -> None:
        (tilted,) = find_faces(turned(portrait, degrees)[0])
        assert tilted.roll - face.roll == pytest.approx(degrees, abs=3)

    def test_landmarks_follow_within_a_fiftieth_of_the_face(
        self, portrait: RGB, face: Face
    ) -> None:
        picture, matrix = turned(portrait, 12, 1.3)
        (moved,) = find_faces(picture)
        expected = face.landmarks[:, :2] @ matrix[:, :2].T + matrix[:, 2]
        error = np.linalg.norm(moved.landmarks[:, :2] - expected, axis=1)
        assert np.median(error) < moved.height / 50

    def test_mirrored_yaw_changes_sign(self, portrait: RGB, face: Face) -> None:
        (mirrored,) = find_faces(portrait[:, ::-1])
        assert mirrored.yaw == pytest.approx(-face.yaw, abs=3)
        assert mirrored.roll == pytest.approx(-face.roll, abs=3)

    def test_small_face_of_a_large_picture(self, portrait: RGB) -> None:
        small = cv2.resize(portrait, (300, 300), interpolation=cv2.INTER_AREA)
        body = np.full((1600, 1000, 3), 128, np.uint8)
        body[60:360, 400:700] = small
        (found,) = find_faces(body)
        assert found.height == pytest.approx(108 * 300 / 512, rel=0.1)

    def test_several_faces_largest_first(self, portrait: RGB) -> None:
        pair = np.zeros((512, 1024, 3), np.uint8)
        pair[100:400, 50:350] = cv2.resize(portrait, (300, 300), interpolation=cv2.INTER_AREA)
        pair[:, 512:] = portrait
        first, second = find_faces(pair)
        assert first.box[0] > 512 > second.box[0]
        assert first.height > second.height


class TestNoFace:
    def test_noise_and_flat_pictures(self) -> None:
        noise = np.random.default_rng(1).integers(0, 256, (480, 640, 3), np.uint8)
        assert find_faces(noise) == []
        assert find_faces(np.full((480, 640, 3), 90, np.uint8)) == []

    def test_a_body_without_its_head(self, portrait: RGB) -> None:
        assert find_faces(portrait[200:]) == []

    def test_one_pixel(self) -> None:
        assert find_faces(np.zeros((1, 1, 3), np.uint8)) == []


class TestWorkers:
    def test_same_landmarks_in_threads_and_processes(self, portrait: RGB, face: Face) -> None:
        with ThreadPoolExecutor(2) as threads:
            in_threads = list(threads.map(find_faces, [portrait] * 2))
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as processes:
            in_process = processes.submit(find_faces, portrait).result()
        for found in (*in_threads, in_process):
            np.testing.assert_allclose(found[0].landmarks, face.landmarks, atol=1e-3)
