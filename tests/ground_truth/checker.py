"""Reads picture and sound of a stitched film back, and says how far each is off."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from lipsync_kit.timing import edge
from tests.ground_truth.frames import Mark, read_mark

RATE = 48_000


@dataclass(frozen=True)
class Shown:
    """One decoded frame: when it is shown, what it says, and a fingerprint of its pixels."""

    time: Fraction
    mark: Mark | None
    pixels: int


def shown(path: Path) -> Iterator[Shown]:
    with av.open(str(path)) as film:
        for frame in film.decode(video=0):
            planes = frame.to_ndarray(format="yuv420p")
            assert frame.pts is not None
            assert frame.time_base is not None
            yield Shown(
                frame.pts * frame.time_base,
                read_mark(planes[: frame.height]),
                hash(planes.tobytes()),
            )


@dataclass(frozen=True)
class Timing:
    """Packet times of a film's picture, as a demuxer that applies edit lists gives them."""

    pts: tuple[Fraction, ...]
    dts: tuple[Fraction, ...]


def picture_timing(path: Path) -> Timing:
    with av.open(str(path)) as film:
        stream = film.streams.video[0]
        assert stream.time_base is not None
        packets = [p for p in film.demux(stream) if p.size]
        return Timing(
            tuple((p.pts or 0) * stream.time_base for p in packets),
            tuple((p.dts or 0) * stream.time_base for p in packets),
        )


def check_timing(path: Path, fps: Fraction, frames: int) -> None:
    """Constant rate from 0, unique PTS, strictly rising DTS that never pass their PTS."""
    times = picture_timing(path)
    assert sorted(times.pts) == [Fraction(n) / fps for n in range(frames)]
    steps = {after - before for before, after in zip(times.dts, times.dts[1:], strict=False)}
    assert steps <= {1 / fps}
    assert all(dts <= pts for dts, pts in zip(times.dts, times.pts, strict=True))


def boxes(data: bytes, start: int = 0, end: int | None = None) -> Iterator[tuple[str, int, int]]:
    """MP4 boxes: kind, where the content starts, where it ends."""
    at, end = start, len(data) if end is None else end
    while at + 8 <= end:
        size, kind, head = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8], 8
        if size == 1:
            size, head = int.from_bytes(data[at + 8 : at + 16], "big"), 16
        yield kind.decode("latin1"), at + head, at + size
        at += size or end


def box_counts(path: Path) -> tuple[list[str], int]:
    """Kinds of top-level boxes in order, and entries of the edit list with the most."""
    data = path.read_bytes()
    top = list(boxes(data))
    entries = 0
    for kind, start, end in top:
        if kind != "moov":
            continue
        for track, track_start, track_end in boxes(data, start, end):
            if track != "trak":
                continue
            for edts, edts_start, edts_end in boxes(data, track_start, track_end):
                if edts != "edts":
                    continue
                for elst, at, _ in boxes(data, edts_start, edts_end):
                    assert elst == "elst"
                    entries = max(entries, int.from_bytes(data[at + 4 : at + 8], "big"))
    return [kind for kind, _, _ in top], entries


def seam_errors(
    film: Sequence[Shown], bounds: Sequence[int], fps: Fraction, leads: Sequence[Fraction]
) -> list[float]:
    """Seconds by which each tile's first frame is late, by its own number.

    ``leads``: seconds of each clip before its tile.
    """
    errors = []
    for clip, start in enumerate(bounds[:-1]):
        first = film[edge(start, fps)]
        assert first.mark is not None
        assert first.mark.clip == clip
        meant = first.time - Fraction(start, RATE) + leads[clip]
        errors.append(float(meant) - first.mark.frame / float(fps))
    return errors


def slope(errors: Sequence[float], starts: Sequence[int]) -> float:
    """Milliseconds of drift per minute: the least-squares slope of the seams' errors."""
    if len(errors) < 2:
        return 0.0
    minutes = np.array(starts, float) / RATE / 60
    return float(np.polyfit(minutes, np.array(errors) * 1000, 1)[0])
