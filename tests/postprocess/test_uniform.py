"""Clips of one kind: copied packet by packet, exact against the master."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import av
import pytest

from lipsync_kit.errors import InputError
from lipsync_kit.postprocess import Stitched
from tests.ground_truth.checker import box_counts, check_timing, seam_errors, shown
from tests.ground_truth.frames import Mark
from tests.ground_truth.sound import decode_sound, offset, write_master
from tests.postprocess.film import FPS, Film, make_film

EXTRA = (0, 5, -6, 2, -2, 7)


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Film:
    lengths = (61_000, 100_123, 71_777, 96_000, 50_001, 120_960)
    return make_film(tmp_path_factory.mktemp("uniform"), lengths, EXTRA, channels=2)


@pytest.fixture(scope="module")
def stitched(film: Film) -> Stitched:
    return film.stitch()


def test_every_tile_has_its_budget_and_its_own_frames(film: Film, stitched: Stitched) -> None:
    assert stitched.frames == len(film.shown) == sum(film.budgets)
    for clip, budget in enumerate(film.budgets):
        length = budget + EXTRA[clip]
        expected = [Mark(clip, min(frame, length - 1)) for frame in range(budget)]
        assert [frame.mark for frame in film.tile_of(clip)] == expected


def test_seams_are_within_half_a_frame(film: Film, stitched: Stitched) -> None:
    errors = seam_errors(film.shown, film.bounds, FPS, [FPS * 0] * len(film.tiles))
    assert max(map(abs, errors)) <= 0.5 / FPS


def test_copied_frames_are_bit_identical(film: Film, stitched: Stitched) -> None:
    for clip, facts in enumerate(stitched.clips):
        own = list(shown(film.tiles[clip].clip))
        same = sum(a.pixels == b.pixels for a, b in zip(own, film.tile_of(clip), strict=False))
        assert same >= facts.copied
        assert facts.copied >= min(film.budgets[clip], len(own)) - 3


def test_picture_plays_everywhere(film: Film, stitched: Stitched) -> None:
    check_timing(film.out, FPS, stitched.frames)
    kinds, edits = box_counts(film.out)
    assert edits == 1
    assert kinds.index("moov") < kinds.index("mdat")
    with av.open(str(film.out)) as container:
        context = container.streams.video[0].codec_context
        assert context.pix_fmt == "yuv420p"
        colours = (context.color_primaries, context.color_trc, context.colorspace)
        assert colours == (1, 1, 1)
        assert context.color_range == 1
        frame = next(container.decode(video=0))
        assert int(frame.colorspace) == 1


def test_sound_is_the_master_at_both_ends(film: Film, stitched: Stitched) -> None:
    played, master = decode_sound(film.out), film.sound
    assert master is not None
    assert abs(len(played) - len(master)) <= 48
    for at in (0, len(master) // 2, len(master) - 4800):
        assert abs(offset(played, master, at)) <= 48


def test_short_and_long_clips_are_findings(film: Film, stitched: Stitched) -> None:
    assert [facts.held for facts in stitched.clips] == [0, 0, 6, 0, 2, 0]
    assert [facts.trimmed for facts in stitched.clips] == [0, 5, 0, 2, 0, 7]
    assert [(f.code, f.data["index"]) for f in stitched.findings] == [("clip_short", 2)]


def test_exact_clips_are_copied_whole(tmp_path: Path) -> None:
    film = make_film(tmp_path, (96_000, 48_000, 96_000), (0, 0, 0))
    stitched = film.stitch()
    assert [facts.way for facts in stitched.clips] == ["copied"] * 3
    assert stitched.parameter_sets == 1
    own = [frame.pixels for tile in film.tiles for frame in shown(tile.clip)]
    assert [frame.pixels for frame in film.shown] == own


def test_silent_film(tmp_path: Path) -> None:
    film = make_film(tmp_path, (48_000, 48_000), (0, -1), silent=True)
    stitched = film.stitch()
    with av.open(str(film.out)) as container:
        assert not container.streams.audio
    assert stitched.frames == len(film.shown) == 50


def test_handles_are_trimmed_off_the_picture(tmp_path: Path) -> None:
    film = make_film(tmp_path, (48_000, 96_000, 48_000), (4, 0, 0), leads=(0, 7, 5))
    film.stitch()
    for clip, lead in enumerate((0, 7, 5)):
        marks = [frame.mark for frame in film.tile_of(clip)]
        assert marks == [Mark(clip, lead + i) for i in range(film.budgets[clip])]


def test_tiles_off_the_grid_add_up(tmp_path: Path) -> None:
    film = make_film(tmp_path, (48_961, 700, 47_000, 30_011), (0, 1, 0, 0))
    film.stitch()
    assert len(film.shown) == sum(film.budgets)
    assert [len(film.tile_of(clip)) for clip in range(4)] == film.budgets


def test_a_changed_master_is_refused(tmp_path: Path) -> None:
    film = make_film(tmp_path, (48_000,), (0,))
    assert film.master is not None
    write_master(film.master, 40_000)
    with pytest.raises(InputError, match="40000 samples, but the plan has 48000"):
        film.stitch()
    assert not film.out.exists()


def test_a_broken_clip_is_named(tmp_path: Path) -> None:
    film = make_film(tmp_path, (48_000, 48_000), (0, 0))
    film.tiles[1].clip.write_text("not a video")
    with pytest.raises(InputError, match=r"0001\.mp4"):
        film.stitch()
    assert not film.out.exists()
    assert [path.name for path in tmp_path.glob(".stitch-*")] == []


def test_a_clip_that_ends_before_its_tile_begins_is_held_and_said(tmp_path: Path) -> None:
    film = make_film(tmp_path, (48_000, 96_000), (0, -46))
    film.tiles[1] = replace(film.tiles[1], lead=5)
    stitched = film.stitch()
    assert [frame.mark for frame in film.tile_of(1)] == [Mark(1, 3)] * film.budgets[1]
    assert [(f.code, f.severity, f.data["held"]) for f in stitched.findings] == [
        ("clip_short", "error", film.budgets[1] - 1)
    ]
