"""Other ways to cut a recording into pieces, each as its own documentation uses it.

Every function takes mono sound at 48 kHz and gives the pieces as sample ranges, none longer
than the limit: what a method leaves longer is cut at the limit.
"""

from __future__ import annotations

import itertools

import numpy as np
import numpy.typing as npt

from tests.benchmarks.spoken import RATE, Sound

Pieces = list[tuple[int, int]]


def fixed(sound: Sound, limit: int) -> Pieces:
    """A cut every ``limit`` samples."""
    return _within([(0, len(sound))], limit)


def pydub_split(sound: Sound, limit: int) -> Pieces:
    """pydub's ``split_on_silence``: 500 ms under 16 dB below the mean, silence kept."""
    from pydub import AudioSegment
    from pydub.silence import detect_nonsilent

    segment = AudioSegment(_pcm(sound), frame_rate=RATE, sample_width=2, channels=1)
    spans = detect_nonsilent(segment, 500, segment.dBFS - 16, 10)
    return _shared(
        [(start * RATE // 1000, end * RATE // 1000) for start, end in spans], sound, limit
    )


def auditok_split(sound: Sound, limit: int) -> Pieces:
    """auditok's ``split`` with its default energy threshold and the limit as longest event."""
    import auditok

    regions = auditok.split(
        _pcm(sound),
        sampling_rate=RATE,
        sample_width=2,
        channels=1,
        max_dur=limit / RATE,
        max_silence=0.3,
    )
    spans = [(round(region.start * RATE), round(region.end * RATE)) for region in regions]
    return _shared(spans, sound, limit)


def _pcm(sound: Sound) -> bytes:
    return bytes((np.clip(sound, -1, 1) * 32767).astype("<i2").tobytes())


def _shared(spans: Pieces, sound: Sound, limit: int) -> Pieces:
    """Pieces that tile: the silence between two spans is cut in its middle."""
    middles = [(before[1] + after[0]) // 2 for before, after in itertools.pairwise(spans)]
    return _within(list(itertools.pairwise([0, *middles, len(sound)])), limit)


def slicer(sound: Sound, limit: int) -> Pieces:
    """The method of openvpi's audio-slicer.

    In silences of 300 ms under -40 dB, at the quietest frame, once 5 s have passed.
    """
    hop = RATE // 50
    frames = sound[: len(sound) // hop * hop].reshape(-1, hop)
    rms = np.sqrt(np.mean(frames.astype(np.float64) ** 2, axis=1))
    quiet = rms < 10 ** (-40 / 20)
    edges = np.diff(np.concatenate([[0], quiet.astype(int), [0]]))
    bounds = [0]
    for start, end in zip(np.flatnonzero(edges == 1), np.flatnonzero(edges == -1), strict=True):
        at = int(start + np.argmin(rms[start:end])) * hop
        if end - start >= 15 and at - bounds[-1] >= 5 * RATE:
            bounds.append(at)
    bounds.append(len(sound))
    return _within(list(itertools.pairwise(bounds)), limit)


def merged(pieces: Pieces, limit: int) -> Pieces:
    """Neighbouring pieces joined as long as they stay within the limit."""
    out: Pieces = []
    for start, end in pieces:
        if out and end - out[-1][0] <= limit:
            out[-1] = (out[-1][0], end)
        else:
            out.append((start, end))
    return out


def cuts(pieces: Pieces, samples: int) -> npt.NDArray[np.int64]:
    """Every end and start of a piece inside the sound."""
    places = {at for piece in pieces for at in piece if 0 < at < samples}
    return np.array(sorted(places), np.int64)


def _within(pieces: Pieces, limit: int) -> Pieces:
    return [(at, min(end, at + limit)) for start, end in pieces for at in range(start, end, limit)]
