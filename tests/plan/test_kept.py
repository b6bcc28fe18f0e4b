"""Unchanged stretches are found after any edit, and the tiles in them stay."""

from __future__ import annotations

import itertools

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lipsync_kit.plan.cuts import Candidate, Tile
from lipsync_kit.plan.kept import Kept, Stretch, gaps, keep, released, unchanged
from lipsync_kit.preflight.sound_prints import Printer, Prints

Sound = npt.NDArray[np.float32]


def printed(sound: Sound, blocks: int = 3) -> Prints:
    printer = Printer(1)
    for block in np.array_split(sound, blocks):
        printer.feed(block[None])
    return printer.finish()


def noise(count: int, seed: int) -> Sound:
    return np.random.default_rng(seed).integers(-3000, 3000, count).astype(np.float32) / 32768


OLD = noise(600_000, 1)


def stretches_between(old: Sound, new: Sound) -> list[Stretch]:
    first, second = printed(old), printed(new, 7)
    return unchanged(first.ends, first.marks, second.ends, second.marks)


edits = st.tuples(
    st.integers(0, len(OLD)), st.integers(0, 50_000), st.integers(0, 50_000), st.integers(2, 9)
)


@given(st.lists(edits, max_size=3))
@settings(max_examples=40, deadline=None)
def test_what_is_called_unchanged_is_the_same_to_the_sample(
    changes: list[tuple[int, int, int, int]],
) -> None:
    new = OLD
    for at, removed, added, seed in sorted(changes, reverse=True):
        new = np.concatenate([new[:at], noise(added, seed), new[at + removed :]])
    found = stretches_between(OLD, new)
    for stretch in found:
        before = OLD[stretch.before : stretch.before + stretch.length]
        after = new[stretch.after : stretch.after + stretch.length]
        assert len(before) == len(after) == stretch.length
        np.testing.assert_array_equal(before, after)
    for one, other in itertools.pairwise(found):
        assert one.before + one.length <= other.before
        assert one.after + one.length <= other.after
    if not changes:
        assert found == [Stretch(0, 0, len(OLD))]


@given(st.integers(100_000, 500_000), st.integers(0, 60_000), st.integers(0, 60_000))
@settings(max_examples=40, deadline=None)
def test_all_but_the_neighbourhood_of_an_edit_is_unchanged(
    at: int, removed: int, added: int
) -> None:
    removed = min(removed, len(OLD) - at)
    new = np.concatenate([OLD[:at], noise(added, 5), OLD[at + removed :]])
    found = stretches_between(OLD, new)
    same = sum(stretch.length for stretch in found)
    assert same >= len(OLD) - removed - 2 * 65_536
    if removed != added:
        assert found[-1].after - found[-1].before == added - removed


def test_digital_silence_and_repeats_do_not_confuse() -> None:
    quiet = np.zeros(200_000, np.float32)
    old = np.concatenate([OLD[:200_000], quiet, OLD[200_000:300_000], quiet, OLD[300_000:]])
    new = np.concatenate([OLD[:200_000], quiet, OLD[210_000:300_000], quiet, OLD[300_000:]])
    for stretch in stretches_between(old, new):
        np.testing.assert_array_equal(
            old[stretch.before : stretch.before + stretch.length],
            new[stretch.after : stretch.after + stretch.length],
        )
    assert stretches_between(old, new)[-1].length >= 300_000


def tile(start: int, end: int, handle: int = 0, last: bool = False) -> Tile:
    cut = None if last else Candidate(end, 0.0, handle, 400)
    return Tile(start, end, max(0, start - handle), end + (0 if last else handle), False, cut)


TILES = [tile(0, 100_000), tile(100_000, 200_000), tile(200_000, 300_000, last=True)]


def test_tiles_move_with_their_sound() -> None:
    found = keep(TILES, [Stretch(0, 0, 150_000), Stretch(160_000, 170_000, 140_000)], 48_000,
                 300_000, 310_000)  # fmt: skip
    assert [(item.moved.start, item.moved.end) for item in found] == [
        (0, 100_000),
        (210_000, 310_000),
    ]
    assert gaps(found, 310_000) == [(100_000, 210_000)]
    assert found[0].moved.cut == Candidate(100_000, 0.0, 0, 400)
    assert all(item.moved.kept for item in found)


def test_a_tile_whose_handles_changed_is_not_kept() -> None:
    tiles = [tile(0, 100_000, 5_000), tile(100_000, 200_000, 5_000), TILES[2]]
    found = keep(tiles, [Stretch(0, 0, 104_000)], 48_000, 300_000, 300_000)
    assert found == []


@pytest.mark.parametrize("moved", [1, -1, 100, 4_411])
def test_a_run_of_tiles_moves_as_one_at_any_rate(moved: int) -> None:
    stretch = Stretch(55_125, 55_125 + moved, 275_625 - 55_125)  # 44.1 kHz
    tiles = [tile(0, 60_000), *(tile(a, a + 60_000) for a in (60_000, 120_000, 180_000)),
             tile(240_000, 300_000, last=True)]  # fmt: skip
    samples = round((275_625 + moved) * 160 / 147)
    found = keep(tiles, [stretch], 44_100, 300_000, samples)
    assert len(found) == 4
    assert len({item.shift for item in found}) == 1
    assert found[-1].moved.end == samples


def test_a_gap_too_short_to_be_sent_takes_its_shorter_neighbour() -> None:
    kept = [Kept(TILES[0], 0), Kept(tile(120_000, 180_000), 0), Kept(TILES[2], 0)]
    left = released(kept, 300_000, 48_000)
    assert [item.tile.start for item in left] == [0, 200_000]
    assert gaps(left, 300_000) == [(100_000, 200_000)]
