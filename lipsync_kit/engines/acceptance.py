"""Whether a clip that arrived is whole, and as long as what was sent."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

from lipsync_kit.engines.base import Outcome, RemoteEngine
from lipsync_kit.errors import InputError, ResultUnavailable
from lipsync_kit.schema import Finding
from lipsync_kit.store import atomic

DOWNLOADS = 3
"""How often a clip that arrives broken is downloaded before it is given up."""

UNUSABLE_SHARE = Fraction(1, 2)
"""A clip shorter than this share of its chunk is hardly one of it."""
SHORT_SECONDS = Fraction(1, 2)
"""From this many missing seconds on, a person is told."""


class BrokenClip(Exception):
    """The file is not a whole video; ``reason`` says what is wrong with it."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def clip_seconds(path: Path) -> Fraction:
    """How long a clip's picture lasts, after reading all of it and decoding both its ends.

    Raises :class:`BrokenClip`.
    """
    from av import FFmpegError

    from lipsync_kit.media.probe import opened

    try:
        with opened(path) as container:
            return _read_through(container)
    except InputError as error:
        raise BrokenClip(error.message) from None
    except FFmpegError as error:
        raise BrokenClip(f"can't be decoded ({error.strerror})") from None


def _read_through(container: object) -> Fraction:
    from av.container import InputContainer

    assert isinstance(container, InputContainer)
    if not container.streams.video:
        raise BrokenClip("holds no picture")
    stream = container.streams.video[0]
    times, last_key = [], None
    for packet in container.demux(stream):
        if packet.size and packet.pts is not None:
            times.append((packet.pts, packet.duration or 0))
            last_key = packet.pts if packet.is_keyframe else last_key
    if not times or last_key is None or stream.time_base is None:
        raise BrokenClip("holds no frames")
    if len(times) < stream.frames:
        raise BrokenClip(f"holds {len(times)} of its {stream.frames} frames")
    container.seek(times[0][0], stream=stream)
    first = next(container.decode(stream), None)
    container.seek(last_key, stream=stream)
    if first is None or sum(1 for _ in container.decode(stream)) == 0:
        raise BrokenClip("can't be decoded")
    end = max(begin + length for begin, length in times)
    seconds: Fraction = (end - min(begin for begin, _ in times)) * stream.time_base
    return seconds


def fetch_clip(engine: RemoteEngine, outcome: Outcome, clip: Path) -> Fraction:
    """Download until the clip is whole; it appears at ``clip`` complete or not at all.

    Returns its seconds. Raises :class:`~lipsync_kit.errors.ResultUnavailable` for one that
    stays broken or is gone, and passing faults as they come.
    """
    reason = ""
    for _ in range(DOWNLOADS):
        try:
            with atomic(clip) as temporary:
                engine.fetch(outcome, temporary)
                return clip_seconds(temporary)
        except BrokenClip as broken:
            reason = broken.reason
    raise ResultUnavailable(
        f"the clip arrived broken: {reason}",
        code="result_broken",
        hint="Run `lipsync-kit render` again to fetch it once more, or use --retake.",
    )


def judge_length(index: int, length: Fraction, expected: Fraction) -> Finding | None:
    """What to say about a clip of ``length`` seconds where ``expected`` were sent.

    Severity ``error``: it can hardly be the chunk's clip. What is missing is shown as its last
    frame, held; longer ones are cut, which costs nothing.
    """
    missing = expected - length
    if missing <= SHORT_SECONDS:
        return None
    unusable = length < expected * UNUSABLE_SHARE
    return Finding(
        code="clip_short",
        severity="error" if unusable else "warning",
        message=f"chunk {index}: its clip lasts {float(length):.2f} s of {float(expected):.2f} s.",
        hint=f"Ask for it again with --retake {index}; that is paid again.",
        data={"index": index, "seconds": float(length), "expected": float(expected)},
    )
