"""What stitching noticed about the clips, in words and numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction

from lipsync_kit.postprocess.survey import Survey
from lipsync_kit.postprocess.tile import ClipFacts
from lipsync_kit.schema import Finding

MOST_HELD = 3
"""Frames that a clip may be short before it is worth a retake."""

MOST_TRIMMED = Fraction(1, 2)
"""Seconds that a clip may be too long before it is worth a look."""


def clip_findings(clips: Iterable[ClipFacts], fps: Fraction) -> Iterator[Finding]:
    """Clips that are too short or too long to be trusted."""
    for clip in clips:
        if clip.held > MOST_HELD:
            yield Finding(
                code="clip_short",
                severity="error" if clip.held * 2 > clip.frames else "warning",
                message=f"Chunk {clip.index}: its clip is {clip.held} frames "
                f"({float(clip.held / fps):.2f} s) shorter than its tile; its last frame is held.",
                hint=f"lipsync-kit render PROJECT --retake {clip.index}",
                data={"index": clip.index, "held": clip.held, "frames": clip.frames},
            )
        if clip.trimmed > MOST_TRIMMED * fps:
            yield Finding(
                code="clip_long",
                severity="warning",
                message=f"Chunk {clip.index}: its clip is {clip.trimmed} frames "
                f"({float(clip.trimmed / fps):.2f} s) longer than its tile; the end is cut off.",
                hint=f"Watch it; then, if need be: "
                f"lipsync-kit render PROJECT --retake {clip.index}",
                data={"index": clip.index, "trimmed": clip.trimmed, "frames": clip.frames},
            )


def film_findings(clips: Sequence[Survey], fps: Fraction) -> Iterator[Finding]:
    """Clips that mostly come at another rate than the film's."""
    rates = Counter(round(float(clip.rate), 2) for clip in clips)
    rate, count = rates.most_common(1)[0]
    if abs(rate - float(fps)) > 0.05 and count * 2 > len(clips):
        yield Finding(
            code="clip_rate",
            severity="warning",
            message=f"{count} of {len(clips)} clips have {rate:g} frames a second, the film "
            f"{float(fps):.5g}: all of those are encoded anew and frames dropped or repeated.",
            hint=f"Prepare with --fps {rate:g}, when that is offered, to copy them as they are.",
            data={"rate": rate, "clips": count},
        )
