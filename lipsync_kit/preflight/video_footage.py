"""What is known of a video that was given: its pixels, its time stamps, its colours."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

Ticks = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

_PQ, _HLG = 16, 18
_BT2020_TRANSFERS = (14, 15)
_BT2020 = 9


@dataclass(frozen=True)
class Turn:
    """How a player turns the stored picture: transposed first, then mirrored, then flipped.

    ``mirrored``: left and right swapped; ``flipped``: top and bottom swapped.
    """

    transposed: bool = False
    mirrored: bool = False
    flipped: bool = False

    def __str__(self) -> str:
        names = {
            (False, False, False): "upright",
            (True, False, True): "turned by 90° to the left",
            (True, True, False): "turned by 90° to the right",
            (False, True, True): "turned by 180°",
            (False, True, False): "mirrored",
        }
        own = (self.transposed, self.mirrored, self.flipped)
        return names.get(own, "turned and mirrored")

    @classmethod
    def of_matrix(cls, matrix: bytes) -> Turn:
        """The turn of a display matrix (ISO/IEC 14496-12, 6.2.2), to the nearest 90°."""
        a, b, _, c, d, *_ = struct.unpack("<9i", matrix)
        if abs(b) > abs(a):
            return cls(True, c < 0, b < 0)
        return cls(False, a < 0, d < 0)


UPRIGHT = Turn()


@dataclass(frozen=True)
class Colour:
    """Code points of ITU-T H.273: primaries, transfer and matrix (2: unspecified)."""

    primaries: int = 2
    transfer: int = 2
    matrix: int = 2
    full_range: bool = False

    @property
    def high_range(self) -> bool:
        """Whether it is HDR: PQ or HLG."""
        return self.transfer in (_PQ, _HLG)

    @property
    def name(self) -> str:
        """What makes it other than SDR of BT.601 or BT.709; empty when nothing does."""
        if self.high_range:
            return "HDR (PQ)" if self.transfer == _PQ else "HDR (HLG)"
        wide = self.primaries == _BT2020 or self.transfer in _BT2020_TRANSFERS
        return "in the colours of BT.2020" if wide else ""


@dataclass(frozen=True, eq=False)
class Footage:
    """A video's picture, counted. Arrays have one row per shown frame, in decoding order.

    ``width``/``height``: pixels as stored; ``pixel_aspect``: width over height of one.
    ``pts``: when each frame is shown, in units of ``time_base``; ``keys``: whether decoding
    may begin there; ``sizes``: bytes. ``last``: how long the last frame is shown, in units, 0
    when unknown. ``offset``: seconds from the container's start to the first frame.
    ``counted``: the file has no usable time stamps, so frames are told by their order.
    ``indexed``: its container finds a frame by its time.
    ``copyable``: its packets are H.264 that may stand in an MP4 as they are.
    """

    path: Path
    codec: str
    width: int
    height: int
    pixel_aspect: Fraction
    turn: Turn
    pixel_format: str
    colour: Colour
    interlaced: bool
    time_base: Fraction
    stated_rate: Fraction | None
    pts: Ticks
    keys: Flags
    sizes: Ticks
    last: int
    offset: Fraction
    has_sound: bool
    counted: bool
    indexed: bool
    copyable: bool

    @property
    def frames(self) -> int:
        """How many frames are shown."""
        return len(self.pts)

    @cached_property
    def times(self) -> Ticks:
        """``pts`` in the order in which frames are shown."""
        return np.sort(self.pts)

    @cached_property
    def places(self) -> Ticks:
        """For each packet, the place of its frame in the order shown."""
        return np.searchsorted(self.times, self.pts).astype(np.int64)

    @property
    def forward_only(self) -> bool:
        """Whether frames can only be read from the first on."""
        return self.counted or not self.indexed or bool(self.colour.name)

    @property
    def shown(self) -> tuple[int, int]:
        """Width and height as a player shows them: square pixels, right side up."""
        width, height = self.width, self.height
        if self.pixel_aspect > 1:
            width = round(width * self.pixel_aspect)
        elif self.pixel_aspect < 1:
            height = round(height / self.pixel_aspect)
        return (height, width) if self.turn.transposed else (width, height)

    @property
    def seconds(self) -> Fraction:
        """From the first frame to the end of the last."""
        steps = np.diff(self.times)
        last = self.last or (int(np.median(steps)) if len(steps) else 0)
        return (int(self.times[-1] - self.times[0]) + last) * self.time_base
