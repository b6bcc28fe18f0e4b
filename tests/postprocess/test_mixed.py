"""Clips of two dozen kinds in one film: each conformed or copied, all exact."""

from __future__ import annotations

import subprocess
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from lipsync_kit.media.ffmpeg import find_ffmpeg
from lipsync_kit.postprocess import Stitched, Tile
from tests.ground_truth.checker import box_counts, check_timing, seam_errors
from tests.ground_truth.frames import Make, Plane, encode
from tests.ground_truth.sound import decode_sound, offset
from tests.postprocess.film import FPS, Film, make_film
from tests.postprocess.mixed import COPIED, KINDS, SIZE, X264

EXTRA = (0, 2, -2, 4, 0, 7, 1, -1)


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Film:
    lengths = [38_400 + 1_111 * index for index in range(len(KINDS))]
    extra = [EXTRA[index % len(EXTRA)] for index in range(len(KINDS))]
    folder = tmp_path_factory.mktemp("mixed")
    return make_film(folder, lengths, extra, list(KINDS.values()))


@pytest.fixture(scope="module")
def stitched(film: Film) -> Stitched:
    return film.stitch()


def test_what_can_be_copied_is_copied(film: Film, stitched: Stitched) -> None:
    ways = dict(zip(KINDS, stitched.clips, strict=True))
    whole = {name for name, facts in ways.items() if facts.way == "conformed"}
    assert whole == set(KINDS) - COPIED, {name: ways[name].reason for name in whole}
    assert all(ways[name].reason for name in whole)


def test_every_seam_is_within_a_frame(film: Film, stitched: Stitched) -> None:
    assert stitched.frames == len(film.shown) == sum(film.budgets)
    for clip, (name, make) in enumerate(KINDS.items()):
        tile = film.tile_of(clip)
        for place in (0, len(tile) // 2):
            mark = tile[place].mark
            assert mark is not None, name
            assert mark.clip == clip
            meant = place / FPS if make.rate == FPS else Fraction(place) / FPS
            assert abs(float(mark.frame / make.rate - meant)) <= 1 / FPS, name


def test_film_is_sound(film: Film, stitched: Stitched) -> None:
    check_timing(film.out, FPS, stitched.frames)
    assert box_counts(film.out)[1] == 1
    played, master = decode_sound(film.out), film.sound
    assert master is not None
    assert abs(len(played) - len(master)) <= 48
    assert abs(offset(played, master, len(master) - 4800)) <= 48


def test_a_film_of_one_kind_at_another_rate(tmp_path: Path) -> None:
    ntsc = Make(*SIZE, rate=Fraction(30_000, 1001), output=X264)
    film = make_film(tmp_path, (96_000, 70_000, 96_123), (0, 0, 0), ntsc, fps=ntsc.rate)
    stitched = film.stitch()
    assert {facts.way for facts in stitched.clips} <= {"copied", "spliced"}
    check_timing(film.out, ntsc.rate, stitched.frames)
    errors = seam_errors(film.shown, film.bounds, ntsc.rate, [Fraction(0)] * 3)
    assert max(map(abs, errors)) <= 0.5 / ntsc.rate


def test_clips_at_another_rate_than_the_film_are_a_finding(tmp_path: Path) -> None:
    thirty = Make(*SIZE, rate=Fraction(30), output=X264)
    film = make_film(tmp_path, (48_000, 48_000), (0, 0), thirty)
    stitched = film.stitch()
    assert [facts.way for facts in stitched.clips] == ["conformed", "conformed"]
    assert [finding.code for finding in stitched.findings] == ["clip_rate"]
    assert len(film.shown) == 50


def colourful(width: int = 320, height: int = 192) -> Plane:
    """An I420 picture in BT.709 with strong colours and no symmetry."""
    luma = np.tile(np.linspace(105, 140, width).astype(np.uint8), (height, 1))
    luma[: height // 4, : width // 4] = 145
    half = (height // 2, width // 2)
    blue = np.tile(np.linspace(90, 165, half[1]).astype(np.uint8), (half[0], 1))
    red = np.tile(np.linspace(165, 92, half[0]).astype(np.uint8)[:, None], (1, half[1]))
    chroma = np.concatenate([blue.reshape(-1), red.reshape(-1)])
    return np.concatenate([luma, chroma.reshape(height // 2, width)])


def tagged(matrix: str, tag: str, limits: str) -> Make:
    exact = "accurate_rnd+full_chroma_int+full_chroma_inp"
    scale = f"scale=in_color_matrix=bt709:out_color_matrix={matrix}:in_range=tv:out_range={limits}"
    scale += f":flags={exact}"
    tags = ("-colorspace", tag, "-color_primaries", tag, "-color_trc", tag, "-color_range", limits)
    return Make(*SIZE, output=(*FINE, *tags), filters=scale)


FINE = ("-c:v", "libx264", "-preset", "veryfast", "-crf", "8")
LOOKS = {
    "untagged": (Make(*SIZE, output=FINE), "copied"),
    "BT.709": (tagged("bt709", "bt709", "tv"), "copied"),
    "BT.601": (tagged("bt601", "smpte170m", "tv"), "conformed"),
    "full range": (tagged("bt709", "bt709", "pc"), "conformed"),
    "wide pixels": (Make(*SIZE, output=FINE, filters="scale=160:192,setsar=2/1"), "conformed"),
    "turned": (Make(*SIZE, output=FINE, filters="transpose=cclock"), "conformed"),
}


@pytest.mark.parametrize("kind", LOOKS)
def test_pictures_look_the_same_however_they_are_stored(tmp_path: Path, kind: str) -> None:
    picture = colourful()
    first = encode(tmp_path / "0.mp4", [picture] * 60, 60, LOOKS["untagged"][0])
    make, way = LOOKS[kind]
    second = encode(tmp_path / "1.mp4", [picture] * 25, 25, make)
    if kind == "turned":
        second = turned(second, tmp_path / "2.mp4")
    tiles = [Tile(first, 0, 115_200), Tile(second, 115_200, 163_200)]
    film = Film(tmp_path, tiles, FPS, None, None)
    assert film.stitch().clips[1].way == way
    with av.open(str(film.out)) as container:
        frames = [frame.to_ndarray(format="yuv420p") for frame in container.decode(video=0)]
    assert len(frames) == 85
    for frame in (frames[5], frames[70]):
        assert np.abs(frame.astype(int) - picture).mean() < 1.2


def turned(clip: Path, out: Path) -> Path:
    """The clip with a display matrix by which players turn it back upright."""
    program, _ = find_ffmpeg()
    command = [str(program), "-v", "error", "-display_rotation", "-90", "-i", str(clip)]
    subprocess.run([*command, "-c", "copy", str(out)], check=True)
    return out
