"""Which packets may be copied, and which frames of a clip are shown when."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from lipsync_kit.postprocess.conform import Look, inner_size, sources
from lipsync_kit.postprocess.survey import Survey, copy_range, on_grid

FPS = Fraction(25)


@st.composite
def decoding_orders(draw: st.DrawFn) -> tuple[list[int], list[bool]]:
    """Closed groups of pictures: a key, then references each followed by their B-frames."""
    display: list[int] = []
    keys: list[bool] = []
    for _ in range(draw(st.integers(1, 4))):
        display.append(len(display))
        keys.append(True)
        for between in draw(st.lists(st.integers(0, 4), max_size=4)):
            base = len(display)
            display += [base + between, *range(base, base + between)]
            keys += [False] * (between + 1)
    return display, keys


@given(decoding_orders(), st.data())
def test_copied_packets_show_only_wanted_frames(
    order: tuple[list[int], list[bool]], data: st.DataObject
) -> None:
    display, keys = order
    first = data.draw(st.integers(0, len(display) - 1))
    end = data.draw(st.integers(first + 1, len(display)))
    run = copy_range(display, keys, first, end)
    if run is None:
        later = [shown for shown, key in zip(display, keys, strict=True) if key and shown >= first]
        assert not later or later[0] >= end
        return
    chosen = display[run.packet : run.packet + run.count]
    assert sorted(chosen) == list(range(run.frame, run.end))
    assert first <= run.frame
    assert run.end <= end
    assert keys[run.packet]


@given(decoding_orders())
def test_a_whole_clip_is_copied_whole(order: tuple[list[int], list[bool]]) -> None:
    display, keys = order
    run = copy_range(display, keys, 0, len(display))
    assert run is not None
    assert run.count == len(display)


def clip(pts: list[int], rate: Fraction, time_base: Fraction = Fraction(1, 1000)) -> Survey:
    count = len(pts)
    return Survey(
        path=Path("clip.mp4"),
        codec="h264",
        width=320,
        height=192,
        aspect=Fraction(5, 3),
        time_base=time_base,
        pts=tuple(pts),
        display=tuple(range(count)),
        keys=(True,) * count,
        rate=rate,
        rotation=0,
        sets=None,
        plain=True,
    )


@given(st.integers(1, 200), st.sampled_from([24, 25, 30, 50, 60]), st.integers(0, 500))
def test_conforming_keeps_time(count: int, rate: int, start: int) -> None:
    """Every frame shown is within a frame of its moment, wherever the clip's clock starts."""
    pts = [start + round(1000 * place / rate) for place in range(count)]
    chosen = sources(clip(pts, Fraction(rate)), FPS)
    assert chosen == sorted(chosen)
    assert abs(len(chosen) / FPS - Fraction(count, rate)) <= Fraction(1, 2) / FPS or count == 1
    for slot, place in enumerate(chosen):
        assert abs(slot / FPS - Fraction(place, rate)) <= 1 / min(FPS, Fraction(rate))


def test_a_frozen_stretch_stays_frozen() -> None:
    pts = [0, 40, 80, 480, 520]
    assert sources(clip(pts, FPS), FPS) == [0, 1, *[2] * 10, 3, 4]


@given(st.lists(st.integers(-15, 15), min_size=2, max_size=60))
def test_jitter_within_half_a_frame_is_on_the_grid(jitter: list[int]) -> None:
    pts = [100 + 40 * place + shift for place, shift in enumerate(jitter)]
    own = clip(pts, FPS)
    late = max(abs(at - pts[0] - 40 * place) for place, at in enumerate(pts))
    assert on_grid(own, FPS) == (late < 20)


@given(st.fractions(Fraction(1, 4), 4))
def test_inner_size_fits_and_keeps_the_shape(aspect: Fraction) -> None:
    look = Look(640, 360, FPS)
    width, height = inner_size(aspect, look)
    assert width <= 640
    assert height <= 360
    assert width == 640 or height == 360
    assert width % 2 == height % 2 == 0
    assert abs(width / height / aspect - 1) < 0.03
