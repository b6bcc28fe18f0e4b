"""Bounds hold for every size, nothing is distorted, and nothing is done without need."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lipsync_kit.catalog import ImageLimits
from lipsync_kit.preflight.image_fit import READABLE_FACE, fit, needs_face

LIMITS = ImageLimits()
sides = st.integers(1, 12_000)
sizes = st.tuples(sides, sides)


def within(size: tuple[int, int]) -> bool:
    return (
        min(size) >= LIMITS.min_side
        and max(size) <= LIMITS.max_long
        and min(size) <= LIMITS.max_short
    )


@given(sizes)
def test_the_result_is_within_the_bounds(size: tuple[int, int]) -> None:
    placed = fit(size, LIMITS)
    assert within(placed.canvas)
    assert placed.scaled[0] <= placed.canvas[0]
    assert placed.scaled[1] <= placed.canvas[1]


@given(sizes)
def test_nothing_is_distorted_by_more_than_rounding(size: tuple[int, int]) -> None:
    placed = fit(size, LIMITS)
    width, height = placed.crop[2] - placed.crop[0], placed.crop[3] - placed.crop[1]
    scale = max(placed.scaled) / max(width, height)
    other = min(width, height) * scale
    assert abs(min(placed.scaled) - other) <= max(1.0, 0.002 * other)


@given(sizes)
def test_up_to_4_to_1_a_picture_is_kept_whole_without_bars(size: tuple[int, int]) -> None:
    placed = fit(size, LIMITS)
    if max(size) <= 4 * min(size):
        assert not placed.padded
        assert not placed.cropped(size)
    else:
        assert placed.padded


@given(sizes)
def test_what_is_within_the_bounds_is_not_scaled(size: tuple[int, int]) -> None:
    if within(size):
        assert fit(size, LIMITS).scaled == size


@given(
    st.integers(100, 3000), st.integers(5, 40), st.floats(0, 1), st.floats(0.1, 1.0), st.booleans()
)
def test_a_strips_crop_holds_the_face(
    short: int, aspect: int, place: float, share: float, standing: bool
) -> None:
    size = (short * aspect, short)
    face = short * share
    box = (place * (size[0] - face), (short - face) / 2, face, face)
    if standing:
        size, box = (size[1], size[0]), (box[1], box[0], face, face)
    placed = fit(size, LIMITS, box)
    assert within(placed.canvas)
    assert placed.crop[0] <= box[0] + 1
    assert placed.crop[1] <= box[1] + 1
    assert placed.crop[2] >= box[0] + box[2] - 1
    assert placed.crop[3] >= box[1] + box[3] - 1
    whole = fit(size, LIMITS)
    if placed.cropped(size):
        assert face * whole.scale < READABLE_FACE
        assert placed.scale > whole.scale
    else:
        assert face * whole.scale >= READABLE_FACE


def test_only_strips_need_a_face() -> None:
    assert not needs_face((4000, 1000), LIMITS)
    assert needs_face((4001, 1000), LIMITS)
