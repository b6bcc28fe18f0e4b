"""Clips that are cut, damaged or of too many kinds, and work that is broken off."""

from __future__ import annotations

import subprocess
from contextlib import AbstractContextManager, nullcontext
from fractions import Fraction
from pathlib import Path

import pytest

from lipsync_kit.errors import InputError
from lipsync_kit.media.ffmpeg import find_ffmpeg
from lipsync_kit.postprocess import StitchOptions, Tile, stitch
from lipsync_kit.progress import Silent, Task
from tests.ground_truth.checker import check_timing
from tests.ground_truth.frames import Make, Mark, make_clip
from tests.postprocess.film import FPS, Film, make_film
from tests.postprocess.mixed import SIZE, X264


def test_a_clip_cut_by_an_edit_list_shows_what_a_player_shows(tmp_path: Path) -> None:
    whole = make_clip(tmp_path / "whole.mp4", 1, 60, Make(*SIZE, output=X264))
    first = make_clip(tmp_path / "0.mp4", 0, 60, Make(*SIZE, output=X264))
    second = tmp_path / "1.mp4"
    program, _ = find_ffmpeg()
    command = [str(program), "-v", "error", "-ss", "0.4", "-i", str(whole), "-c", "copy"]
    subprocess.run([*command, str(second)], check=True)
    tiles = [Tile(first, 0, 115_200), Tile(second, 115_200, 115_200 + 40 * 1920)]
    film = Film(tmp_path, tiles, FPS, None, None)
    assert film.stitch().clips[1].way == "conformed"
    assert [frame.mark for frame in film.tile_of(1)] == [Mark(1, 10 + n) for n in range(40)]


def test_one_kind_too_many_is_conformed(tmp_path: Path) -> None:
    """Each quality has picture parameters of its own; a track has room for a dozen."""
    quality = ("-c:v", "libx264", "-preset", "ultrafast", "-qp")
    makes = [Make(160, 96, output=(*quality, str(12 + kind))) for kind in range(14)]
    film = make_film(tmp_path, [19_200] * 14, [0] * 14, makes)
    stitched = film.stitch()
    assert [facts.way for facts in stitched.clips].count("copied") == 12
    assert stitched.parameter_sets == 13
    marks = [frame.mark for frame in film.shown]
    assert marks == [Mark(clip, n) for clip in range(14) for n in range(10)]


def test_a_damaged_clip_is_named_or_made_good(tmp_path: Path) -> None:
    film = make_film(tmp_path, (96_000, 96_000), (0, 0))
    clip = film.tiles[0].clip
    data = bytearray(clip.read_bytes())
    at = data.find(b"mdat") + 3000
    data[at : at + 4000] = bytes(4000)
    clip.write_bytes(data)
    try:
        stitched = film.stitch(compatible=True)
    except InputError as error:
        assert "0000.mp4" in error.message  # noqa: PT017
        assert not film.out.exists()
    else:
        check_timing(film.out, FPS, stitched.frames)


@pytest.mark.parametrize("movie", [(), ("-movflags", "+faststart")])
def test_a_truncated_clip_is_refused(tmp_path: Path, movie: tuple[str, ...]) -> None:
    make = Make(*SIZE, output=X264, movie=movie)
    film = make_film(tmp_path, (96_000, 96_000), (0, 0), make)
    clip = film.tiles[1].clip
    clip.write_bytes(clip.read_bytes()[: clip.stat().st_size // 2])
    with pytest.raises(InputError, match=r"0001\.mp4"):
        film.stitch()
    assert not film.out.exists()


class Impatient(Silent):
    """Somebody presses Ctrl-C when the first clip is done."""

    def task(
        self, label: str, total: float | None = None, unit: str = ""
    ) -> AbstractContextManager[Task]:
        return nullcontext(_Pressed() if label == "clips" else super().task(label).__enter__())


class _Pressed:
    def advance(self, amount: float = 1.0) -> None:
        raise KeyboardInterrupt


def test_breaking_off_leaves_nothing_half_made(tmp_path: Path) -> None:
    film = make_film(tmp_path, (96_000, 96_000, 96_000), (0, 0, 0))
    film.out.write_text("the film of before")
    with pytest.raises(KeyboardInterrupt):
        stitch(
            film.tiles,
            fps=Fraction(25),
            master=film.master,
            out=film.out,
            options=StitchOptions(compatible=True),
            progress=Impatient(),
        )
    assert film.out.read_text() == "the film of before"
    assert {path.suffix for path in tmp_path.iterdir()} == {".mp4", ".wav"}
