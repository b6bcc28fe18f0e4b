"""Acceptance: whether a clip that came back can be what was asked for.

Nothing is refused here. What stands out is a finding with its numbers and the advice to make
the clip again; people decide.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from statistics import median

from lipsync_kit.postprocess.measures import Measures
from lipsync_kit.schema import Finding

MOST_FROZEN = 1.5
"""Seconds for which the picture may stand still."""

MOST_BLACK = 2
"""Black frames that a clip may have."""

LEAST_FACE = 0.9
"""Share of looks in which the face must be seen."""

LEAST_MOTION = 0.06
"""Mean change of the mouth's opening in speech, in face heights a second."""

MOST_SILENT_SHARE = 0.9
"""Mouth motion in silence over that in speech."""

CLEAR_CORRELATION = 0.45
"""Of mouth and sound, from which on they belong together. Less proves nothing for one clip:
where there is music, or speech without pauses, real lips do no better than foreign ones."""

MOST_OFFSET = 0.12
"""Seconds between mouth and sound, told only where the two clearly belong together."""

OUTLIER_SHARE = 0.5
"""Share of the other clips' usual correlation below which a clip stands out."""

_ENOUGH_CLIPS = 4


def judge(index: int, measures: Measures) -> Iterator[Finding]:
    """What stands out in the measures of a chunk's clip, but for its length."""
    yield from _picture(index, measures)
    yield from _mouth(index, measures)


def _finding(index: int, code: str, message: str, **data: float) -> Finding:
    return Finding(
        code=code,
        severity="warning",
        message=f"Chunk {index}: {message}",
        hint=f"Watch its clip; make it again with: lipsync-kit render PROJECT --retake {index}",
        data={"index": index, **data},
    )


def _picture(index: int, measures: Measures) -> Iterator[Finding]:
    if measures.frozen > MOST_FROZEN:
        yield _finding(
            index,
            "clip_frozen",
            f"its picture stands still for {measures.frozen:.1f} s.",
            seconds=round(measures.frozen, 2),
        )
    if measures.black > MOST_BLACK:
        yield _finding(
            index,
            "clip_black",
            f"{measures.black} of its frames are black.",
            frames=measures.black,
        )
    if measures.face is not None and measures.face < LEAST_FACE:
        yield _finding(
            index,
            "face_lost",
            f"a face is seen in only {measures.face:.0%} of its clip.",
            share=round(measures.face, 3),
        )


def _mouth(index: int, measures: Measures) -> Iterator[Finding]:
    speech, silent = measures.speech_motion, measures.silent_motion
    if speech is not None and speech < LEAST_MOTION:
        yield _finding(
            index,
            "mouth_still",
            f"the mouth hardly moves while there is speech ({speech:.3f} face heights a second).",
            motion=round(speech, 4),
        )
        return
    if speech and silent is not None and silent > MOST_SILENT_SHARE * speech:
        yield _finding(
            index,
            "mouth_in_silence",
            f"the mouth moves in silence as much as in speech ({silent / speech:.0%}).",
            share=round(silent / speech, 3),
        )
    r, offset = measures.correlation, measures.offset
    if r is None or offset is None or r < CLEAR_CORRELATION:
        return
    if abs(offset) > MOST_OFFSET:
        word = "after" if offset > 0 else "before"
        yield _finding(
            index,
            "mouth_offset",
            f"the mouth moves {abs(offset) * 1000:.0f} ms {word} the sound.",
            seconds=offset,
            correlation=round(r, 3),
        )


def outliers(clips: Mapping[int, Measures]) -> Iterator[Finding]:
    """Clips, by chunk, whose mouth follows the speech far less than the others' do."""
    known = {
        index: clip.correlation
        for index, clip in clips.items()
        if clip.correlation is not None and clip.speech_motion is not None
    }
    if len(known) < _ENOUGH_CLIPS:
        return
    usual = median(known.values())
    if usual < CLEAR_CORRELATION:
        return
    for index, r in known.items():
        if r < OUTLIER_SHARE * usual:
            yield _finding(
                index,
                "mouth_unrelated",
                f"the mouth does not follow the speech (correlation {r:.2f}; "
                f"{usual:.2f} is usual in this film).",
                correlation=round(r, 3),
                usual=round(usual, 3),
            )
