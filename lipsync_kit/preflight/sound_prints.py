"""Fingerprints of decoded sound that find unchanged stretches again after an edit.

The sound is divided where its own content says so (content-defined chunking, as in
Muthitacharoen et al., "A low-bandwidth network file system", 2001), into pieces of a sixth
of a second or so. An edit changes the pieces that it touches; all others come again, however
far they moved.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lipsync_kit.media.pcm import Block

_WINDOW = 8
_MASK = np.uint32(2**13 - 1)
_LONGEST = 2**16
_FACTORS = np.random.default_rng(1).integers(1, 2**31, _WINDOW).astype(np.uint32) | np.uint32(1)


@dataclass(frozen=True)
class Prints:
    """``ends``: where each piece ends, in samples of the source; ``marks``: its digest."""

    ends: npt.NDArray[np.int64]
    marks: npt.NDArray[np.uint64]


class Printer:
    """Takes the fingerprints of a sound that comes in planar blocks."""

    def __init__(self, channels: int) -> None:
        self._rest = np.zeros((channels, 0), np.float32)
        self._done = 0
        self._ends: list[int] = []
        self._marks: list[int] = []

    def feed(self, block: Block) -> None:
        """Take in the next block."""
        joined = np.concatenate([self._rest, block], axis=1)
        cuts = _cuts(joined)
        start = 0
        for cut in cuts.tolist():
            while cut - start > _LONGEST:
                start = self._mark(joined, start, start + _LONGEST)
            start = self._mark(joined, start, cut)
        while joined.shape[1] - start > _LONGEST:
            start = self._mark(joined, start, start + _LONGEST)
        self._rest = joined[:, start:].copy()
        self._done += start

    def _mark(self, sound: Block, start: int, end: int) -> int:
        piece = np.ascontiguousarray(sound[:, start:end])
        digest = hashlib.blake2b(piece.data, digest_size=8).digest()
        self._ends.append(self._done + end)
        self._marks.append(int.from_bytes(digest, "little"))
        return end

    def finish(self) -> Prints:
        """All fingerprints; the last piece ends with the sound."""
        if self._rest.shape[1]:
            self._mark(self._rest, 0, self._rest.shape[1])
        return Prints(np.array(self._ends, np.int64), np.array(self._marks, np.uint64))


def _cuts(sound: Block) -> npt.NDArray[np.intp]:
    """Where pieces end: after a window of samples whose hash happens to end in zeros."""
    if sound.shape[1] <= _WINDOW:
        return np.zeros(0, np.intp)
    bits = np.ascontiguousarray(sound[0]).view(np.uint32)
    count = len(bits) - _WINDOW + 1
    mixed = np.zeros(count, np.uint32)
    for offset, factor in enumerate(_FACTORS):
        mixed += bits[offset : offset + count] * factor
    mixed ^= mixed >> np.uint32(15)
    # Digital silence hashes to zero everywhere; it has no place of its own to cut.
    return np.flatnonzero(((mixed & _MASK) == 0) & (mixed != 0)) + _WINDOW
