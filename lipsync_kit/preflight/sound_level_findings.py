"""What is worth saying about a recording's loudness and what was done to it."""

from __future__ import annotations

import math
from typing import Any

from lipsync_kit.preflight.loudness import integrated
from lipsync_kit.preflight.sound_evening import APART, Evened
from lipsync_kit.preflight.sound_hearing import Hearing
from lipsync_kit.preflight.sound_level import Levelled
from lipsync_kit.preflight.sound_peaks import decibels
from lipsync_kit.preflight.sound_sections import Section, difference
from lipsync_kit.schema import Finding
from lipsync_kit.timing import SAMPLE_RATE, clock

_NAMED = 3  # sections told to a person
_LISTED = 200  # sections in the data: an hour of short turns has more


def level_findings(
    hearing: Hearing, levelled: Levelled, evened: Evened, target: float, *, asked: bool
) -> list[Finding]:
    """Loudness before and after, sections that differ, what was limited.

    ``target``: LUFS that were asked for; ``asked``: whether sections were to be evened out.
    """
    found = [
        _measured(hearing, levelled, evened),
        _extreme(hearing),
        _evened(evened, levelled.gain) if asked else _uneven(evened),
        _limiting(levelled, target),
    ]
    return [finding for finding in found if finding is not None]


def _measured(hearing: Hearing, after: Levelled, evened: Evened) -> Finding:
    before = integrated(hearing.energies)
    gain = "section by section" if evened.gains else f"{after.gain:+.1f} dB"
    peak = decibels(float(max(hearing.highest.max(), -hearing.lowest.min())))
    return Finding(
        code="levelled",
        severity="info",
        message=f"Loudness {before:.1f} → {after.lufs:.1f} LUFS ({gain}), "
        f"true peak {after.true_peak:.1f} dBTP, range {after.loudness_range:.1f} LU.",
        data={
            "before_lufs": round(before, 2),
            "lufs": round(after.lufs, 2),
            "gain_db": None if evened.gains else round(after.gain, 3),
            "true_peak": round(after.true_peak, 2),
            "loudness_range": round(after.loudness_range, 2),
            "sample_peak_before": round(peak, 2),
        },
    )


def _extreme(hearing: Hearing) -> Finding | None:
    loudness = integrated(hearing.energies)
    if -40 <= loudness <= -10:
        return None
    word = "quiet" if loudness < -40 else "loud"
    hint = (
        "Its noise was lifted with it; record at a higher level."
        if word == "quiet"
        else "Check that it is not distorted."
    )
    return Finding(
        code=f"very_{word}",
        severity="info",
        message=f"The sound is very {word}: {loudness:.1f} LUFS.",
        hint=hint,
        data={"lufs": round(loudness, 2)},
    )


def _uneven(evened: Evened) -> Finding | None:
    apart = difference(evened.sections)
    if apart <= APART:
        return None
    quietest, loudest = (
        pick(evened.sections, key=lambda section: section.lufs) for pick in (min, max)
    )
    return Finding(
        code="uneven",
        severity="info",
        message=f"Sections differ by {apart:.1f} LU: {loudest.lufs:.1f} LUFS from "
        f"{_at(loudest.start)}, {quietest.lufs:.1f} from {_at(quietest.start)}. "
        "--level would even them out.",
        hint="With --level each section gets a gain of its own, moved in the pauses between "
        "them; without it quiet speakers stay quiet, and their mouths may move less.",
        data={"difference": round(apart, 2), **_listed(evened.sections, None)},
    )


def _evened(evened: Evened, gain: float) -> Finding:
    apart = difference(evened.sections)
    if not evened.gains:
        return Finding(
            code="even",
            severity="info",
            message=f"No sections differ by more than {APART:.0f} LU: nothing was evened out.",
            data={"difference": round(apart, 2)},
        )
    gains = [gain + own for own in evened.gains]
    told = [
        f"{own:+.1f} dB from {_at(section.start)}"
        for own, section in zip(gains[:_NAMED], evened.sections, strict=False)
    ]
    more = len(gains) - len(told)
    return Finding(
        code="evened",
        severity="info",
        message=f"{len(gains)} sections, {apart:.1f} LU apart, were evened out: "
        f"{', '.join(told)}{f' and {more} more' if more else ''}.",
        data={"difference": round(apart, 2), **_listed(evened.sections, gains)},
    )


def _listed(sections: tuple[Section, ...], gains: list[float] | None) -> dict[str, Any]:
    """Sections with times in seconds, loudness in LUFS and what was added in dB."""
    rows: list[dict[str, float]] = []
    for index, section in enumerate(sections[:_LISTED]):
        row = {
            "start": round(section.start / SAMPLE_RATE, 3),
            "end": round(section.end / SAMPLE_RATE, 3),
            "lufs": round(section.lufs, 2),
        }
        rows.append(row if gains is None else {**row, "gain_db": round(gains[index], 2)})
    return {"count": len(sections), "sections": rows}


def _at(sample: int) -> str:
    return clock(sample / SAMPLE_RATE)


def _limiting(levelled: Levelled, target: float) -> Finding | None:
    seconds = levelled.limited_seconds
    missed = abs(levelled.lufs - target)
    if missed > 0.1 and not math.isinf(levelled.lufs):
        return Finding(
            code="loudness_missed",
            severity="warning",
            message=f"The sound reached {levelled.lufs:.1f} LUFS instead of "
            f"{target:.1f}: its peaks allow no more.",
            hint="Choose a lower --lufs.",
            data={"lufs": round(levelled.lufs, 2), "target": target},
        )
    if seconds == 0:
        return None
    return Finding(
        code="limited",
        severity="info",
        message=f"Peaks were limited for {seconds:.1f} s in all.",
        data={"seconds": round(seconds, 2)},
    )
