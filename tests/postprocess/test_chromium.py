"""A film with several parameter sets in one track, as headless Chromium shows it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
import pytest

from tests.ground_truth.browser import Viewing, find_chromium, view
from tests.ground_truth.frames import Make, read_mark
from tests.postprocess.film import FPS, Film, make_film

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_chromium() is None, reason="no Chromium on this machine"),
]

X264 = ("-c:v", "libx264", "-preset", "veryfast", "-crf", "20")
KINDS = (
    Make(320, 192, output=X264),
    Make(320, 192, output=(*X264, "-profile:v", "main")),
    Make(320, 192, output=(*X264, "-bf", "0", "-profile:v", "baseline")),
    Make(320, 192, output=("-c:v", "libx264", "-preset", "slow", "-crf", "18", "-refs", "5")),
)


@pytest.fixture(scope="module", params=[False, True], ids=["spliced", "compatible"])
def film(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Film:
    folder = tmp_path_factory.mktemp("chromium")
    made = make_film(folder, (96_000,) * 8, (0, 3, -4, 2, 0, -1, 5, 0), [*KINDS, *KINDS])
    stitched = made.stitch(compatible=request.param)
    assert stitched.parameter_sets == (1 if request.param else 5)
    return made


def jumps(film: Film) -> list[int]:
    """Frames to seek to: around every seam, forwards, backwards and in leaps."""
    last = sum(film.budgets) - 1
    around = {film.edge(clip) + shift for clip in range(8) for shift in (-3, -2, -1, 0, 1, 30)}
    frames = sorted(frame for frame in around if 0 <= frame <= last)
    return [*frames, *frames[::-1], *frames[::5], *frames[::-7]]


@pytest.fixture(scope="module")
def viewing(film: Film) -> Viewing:
    joins = [film.edge(clip) for clip in (1, 3, 6)]
    return view(
        film.out,
        film.folder,
        [float((frame + 0.5) / FPS) for frame in jumps(film)],
        [(float((join - 8) / FPS), float((join + 8) / FPS)) for join in joins],
    )


def luma_709(path: Path) -> Iterator[npt.NDArray[np.uint8]]:
    """What a BT.709 display shows of each frame's luma, full range."""
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            plane = frame.to_ndarray(format="yuv420p")[: frame.height].astype(np.float32)
            yield np.clip((plane - 16) * 255 / 219 + 0.5, 0, 255).astype(np.uint8)


def test_seeking_shows_the_frame_that_was_asked_for(film: Film, viewing: Viewing) -> None:
    frames = list(luma_709(film.out))
    for number, seen in zip(jumps(film), viewing.seeks, strict=True):
        assert read_mark(seen.luma) == film.shown[number].mark
        assert np.abs(seen.luma.astype(int) - frames[number]).mean() < 3


def test_playing_across_seams_shows_each_frame_at_its_time(film: Film, viewing: Viewing) -> None:
    for stretch in viewing.played:
        assert len(stretch) >= 8
        for seen in stretch:
            assert seen.time is not None
            assert read_mark(seen.luma) == film.shown[round(seen.time * FPS)].mark


def test_length_and_sound(film: Film, viewing: Viewing) -> None:
    samples = film.bounds[-1]
    assert abs(viewing.duration - samples / 48_000) <= 0.02
    assert abs(viewing.samples - samples) <= 48
