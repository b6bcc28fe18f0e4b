"""What a dubbed video shows: the new speech, nothing of the old, and the rest as it was.

The source is made here, so there is a truth to compare with: the same person, the same
movements of the head, saying the new words from the beginning, or nothing at all.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from lipsync_kit.engines.preview.dub import DubJob, render_dub_clip
from lipsync_kit.engines.preview.dub_search import find_speaker
from lipsync_kit.face import Face
from lipsync_kit.progress import Silent
from tests.engines.preview import dub_films

F64 = npt.NDArray[np.float64]
U8 = npt.NDArray[np.uint8]
FRAMES = 60
LIPS, CHIN = [0, 37, 267, 61, 291, 17], [152, 148, 377, 172, 397]


@dataclass
class Dubs:
    """A source video that chatters, and how it is dubbed."""

    folder: Path
    video: Path

    def dub(self, name: str, opening: npt.ArrayLike) -> Path:
        """The video with a mouth that opens like this."""
        dub_films.track(opening).save(self.folder / f"{name}.npz")
        dest = self.folder / f"{name}.mp4"
        speaker, track = self.folder / "speaker.npz", self.folder / f"{name}.npz"
        render_dub_clip(DubJob(self.video, speaker, track, dest, dub_films.FPS, 1, 0, FRAMES))
        return dest


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Dubs:
    folder = tmp_path_factory.mktemp("mouth")
    video = dub_films.write(folder / "v.mp4", dub_films.talking(dub_films.chatter(FRAMES)))
    find_speaker(video, dub_films.FPS, None, Silent()).save(folder / "speaker.npz")
    return Dubs(folder, video)


@pytest.fixture(scope="module")
def spoken(source: Dubs) -> Path:
    return source.dub("spoken", dub_films.chatter(FRAMES, 1.7, 2.0))


@pytest.fixture(scope="module")
def silent(source: Dubs) -> Path:
    return source.dub("silent", np.zeros(FRAMES))


@pytest.fixture(scope="module")
def truth(source: Dubs) -> Path:
    """The person with shut lips all the time."""
    return dub_films.write(source.folder / "truth.mp4", dub_films.talking(np.zeros(FRAMES)))


class TestMouth:
    def test_opens_with_the_new_speech_and_not_with_the_old(
        self, source: Dubs, spoken: Path
    ) -> None:
        new, old = dub_films.chatter(FRAMES, 1.7, 2.0), dub_films.openness(source.video)
        seen = dub_films.openness(spoken)
        assert np.corrcoef(seen, new)[0, 1] >= 0.9
        assert abs(np.corrcoef(seen, old)[0, 1]) <= abs(np.corrcoef(new, old)[0, 1]) + 0.15
        late, early = (np.corrcoef(np.roll(seen, by), new)[0, 1] for by in (1, -1))
        assert max(late, early) < np.corrcoef(seen, new)[0, 1]

    def test_stays_shut_in_silence_whatever_the_source_says(
        self, source: Dubs, silent: Path, truth: Path
    ) -> None:
        old, seen, shut = (dub_films.openness(p) for p in (source.video, silent, truth))
        assert np.ptp(old) > 0.03
        assert abs(seen.mean() - shut.mean()) < 0.01
        assert seen.std() < 0.25 * old.std()

    @pytest.mark.parametrize("part", [(0.12, 0.04, 0.05), (0.25, 0.12, 0.3)])
    def test_looks_like_one_who_never_spoke(
        self, source: Dubs, silent: Path, truth: Path, part: tuple[float, float, float]
    ) -> None:
        before, after = (_difference(path, truth, part) for path in (source.video, silent))
        assert after < 0.75 * before

    def test_trembles_hardly_more_than_one_who_never_spoke(
        self, source: Dubs, silent: Path, truth: Path
    ) -> None:
        for ids in (LIPS, CHIN):
            old, dubbed, still = (_trembling(p, ids) for p in (source.video, silent, truth))
            assert dubbed < 0.65 * old
            assert dubbed < 2 * still + 0.001

    def test_is_as_sharp_as_one_who_never_spoke(self, silent: Path, truth: Path) -> None:
        dubbed, sharp = (_detail(path) for path in (silent, truth))
        assert 0.75 < dubbed / sharp < 1.25


class TestRest:
    def test_outside_the_lower_face_frames_are_the_sources(
        self, source: Dubs, spoken: Path
    ) -> None:
        files = dub_films.lumas(source.video), dub_films.lumas(spoken)
        for own, dubbed, face in zip(*files, dub_films.faces(source.video), strict=True):
            outside = ~_lower_face(face, own.shape)
            assert np.abs(own.astype(int) - dubbed)[outside].mean() < 1.6

    def test_no_border_shows_around_the_mouth(self, silent: Path, truth: Path) -> None:
        """A border is an edge that stands still where the skin has none."""
        dubbed, natural = (_edges(path) for path in (silent, truth))
        assert np.percentile(dubbed - natural, 99) < 5


def _lower_face(face: Face, shape: tuple[int, ...]) -> npt.NDArray[np.bool_]:
    x, _, width, _ = face.box
    nose, chin = face.landmarks[2, 1], face.landmarks[152, 1]
    rows = slice(int(nose), int(chin + 0.25 * face.height))
    mask = np.zeros(shape, np.bool_)
    mask[rows, max(0, int(x - 0.1 * width)) : int(x + 1.1 * width)] = True
    return mask


def _mouth(luma: U8, face: Face, across: float, up: float, down: float) -> U8:
    """What is around the mouth, in face heights."""
    (x, y), size = face.landmarks[[13, 14], :2].mean(axis=0), face.height
    rows = slice(int(y - up * size), int(y + down * size))
    return luma[rows, int(x - across * size) : int(x + across * size)]


def _difference(path: Path, truth: Path, part: tuple[float, float, float]) -> float:
    """Mean difference of luma around the mouth."""
    frames = zip(dub_films.lumas(path), dub_films.lumas(truth), dub_films.faces(truth), strict=True)
    pairs = [(_mouth(a, face, *part), _mouth(b, face, *part)) for a, b, face in frames]
    return float(np.mean([np.abs(a.astype(int) - b).mean() for a, b in pairs]))


def _trembling(path: Path, ids: list[int]) -> float:
    """Median second difference of landmarks against the bridge of the nose, in face heights."""
    points = np.array([f.landmarks[ids, :2] - f.landmarks[168, :2] for f in dub_films.faces(path)])
    bends = np.linalg.norm(np.diff(points, 2, axis=0), axis=-1)
    return float(np.median(bends) / np.mean([face.height for face in dub_films.faces(path)]))


def _detail(path: Path) -> float:
    """Standard deviation of what is finer than a pixel or two around the mouth."""
    details = []
    for luma, face in zip(dub_films.lumas(path), dub_films.faces(path), strict=True):
        part = _mouth(luma, face, 0.16, 0.16, 0.16).astype(np.float32)
        details.append((part - cv2.GaussianBlur(part, (0, 0), 1.5)).std())
    return float(np.mean(details))


def _edges(path: Path) -> F64:
    """Mean strength of edges around the mouth, upright, the mouth itself left out."""
    found = []
    for luma, face in zip(dub_films.lumas(path), dub_films.faces(path), strict=True):
        (x, y), zoom = face.landmarks[[13, 14], :2].mean(axis=0), 120 / face.height
        cut = np.array([[zoom, 0, 48 - zoom * x], [0, zoom, 36 - zoom * y]])
        upright = cv2.warpAffine(luma, cut, (96, 84), flags=cv2.INTER_AREA).astype(np.float32)
        smooth = cv2.GaussianBlur(upright, (0, 0), 1.0)
        ways = ((1, 0), (0, 1))
        across, down = (cv2.Sobel(smooth, cv2.CV_32F, *way, scale=0.125) for way in ways)
        found.append(np.hypot(across, down))
    edges = np.mean(found, axis=0)
    edges[24:52, 20:76] = 0
    return np.asarray(edges, np.float64)
