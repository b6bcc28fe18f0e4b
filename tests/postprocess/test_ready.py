"""Ready clips: exactly their tile's frames, their own stretch of the master."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import pytest

from lipsync_kit.postprocess import SUFFIX, Ready, ready_clips
from lipsync_kit.progress import Silent
from tests.ground_truth.checker import check_timing, shown
from tests.ground_truth.sound import decode_sound, offset
from tests.postprocess.film import Film, make_film


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Film:
    made = make_film(tmp_path_factory.mktemp("ready"), (61_000, 48_123, 71_777), (3, -2, 0))
    made.stitch()
    return made


def cut(film: Film, kind: Ready) -> list[Path]:
    paths = [film.folder / "ready" / f"{i:04d}{SUFFIX[kind]}" for i in range(len(film.tiles))]
    ready_clips(
        film.tiles,
        paths,
        film=film.out,
        fps=film.fps,
        master=film.master,
        kind=kind,
        progress=Silent(),
    )
    return paths


def test_ready_clips_add_up_to_the_film(film: Film) -> None:
    paths = cut(film, "h264")
    frames = [frame.pixels for path in paths for frame in shown(path)]
    assert frames == [frame.pixels for frame in film.shown]
    for path, budget in zip(paths, film.budgets, strict=True):
        check_timing(path, film.fps, budget)


def test_each_has_its_own_stretch_of_the_master(film: Film) -> None:
    assert film.sound is not None
    for index, path in enumerate(cut(film, "h264")):
        stretch = film.sound[film.bounds[index] : film.bounds[index + 1]]
        played = decode_sound(path)
        assert abs(len(played) - len(stretch)) <= 48
        for at in (0, len(stretch) - 4800):
            assert abs(offset(played, stretch, at)) <= 48


def test_prores_keeps_frames_and_samples(film: Film) -> None:
    assert film.sound is not None
    for index, path in enumerate(cut(film, "prores")):
        with av.open(str(path)) as container:
            video, audio = container.streams.video[0], container.streams.audio[0]
            assert video.codec_context.name == "prores"
            assert video.codec_context.pix_fmt == "yuv422p10le"
            assert audio.codec_context.name == "pcm_s24le"
        seen = list(shown(path))
        assert [frame.mark for frame in seen] == [frame.mark for frame in film.tile_of(index)]
        assert [frame.time for frame in seen] == [Fraction(n, 25) for n in range(len(seen))]
        assert len(decode_sound(path)) == film.bounds[index + 1] - film.bounds[index]


def test_silent_ready_clips(tmp_path: Path) -> None:
    film = make_film(tmp_path, (48_000, 48_000), (0, 1), silent=True)
    film.stitch()
    for path in cut(film, "h264"):
        with av.open(str(path)) as container:
            assert not container.streams.audio
            assert sum(1 for _ in container.decode(video=0)) == 25
