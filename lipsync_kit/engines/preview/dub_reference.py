"""Which frames of a shot show the speaker's mouth best.

At rest: closed, relaxed, sharp, facing as usual. Parted: the same mouth speaking, with teeth.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from lipsync_kit.engines.preview.dub_mouths import Mouth, mouth_of, traits_of, usable
from lipsync_kit.engines.preview.dub_pictures import Picture
from lipsync_kit.engines.preview.dub_speaker import Reference
from lipsync_kit.face import Face

F64 = npt.NDArray[np.float64]

_KEPT: Final = 12
_LEAST_OPEN: Final = 4  # how many of the others are kept when the mouth never closes

# How odd a mouth is. Each of its traits counts 1 when it is this far from the usual one.
_TRAITS: Final = np.array([0.02, 0.025, 6.0, 6.0])
_BLURRED: Final = 3.0  # without any detail
_ROLLED_IN: Final = 12.0  # without lips to be seen
_OPEN: Final = 0.02  # face heights between lips at rest that count 1

_SPEAKING: Final = 0.10  # face heights between the lips of a parted mouth; this far off counts 1
_GAPE: Final = 0.02
_NEAR_SPEAKING: Final = 0.045  # the farthest off
_INSIDE: Final = (12.0, 0.6)  # counted when nothing but lips is between the lips; enough of it
_TEETH: Final = (6.0, 0.1)  # the same of teeth
_ODDEST: Final = 10.0  # up to which a parted mouth is better than a drawn inside


class References:
    """Keeps the best frames of a shot, a few at a time."""

    def __init__(self) -> None:
        self._closed: list[Mouth] = []
        self._least_open: list[Mouth] = []
        self._parted: list[Mouth] = []
        self._traits: list[F64] = []
        self._count = 0
        self._every = 1

    def consider(self, picture: Picture, face: Face) -> None:
        """Take in a frame and the speaker's face in it."""
        if not usable(picture, face):
            return
        self._traits.append(traits_of(face))
        mouth = mouth_of(picture, face)
        if mouth.reference.closed:
            self._keep_closed(mouth)
        elif not self._closed:
            self._least_open = sorted([*self._least_open, mouth], key=_gap)[:_LEAST_OPEN]
        if abs(mouth.gap - _SPEAKING) < _NEAR_SPEAKING:
            self._parted = sorted([*self._parted, mouth], key=_speechless)[:_KEPT]

    def best(self) -> tuple[Reference | None, Reference | None]:
        """The mouth at rest, and the same mouth parted where the first is closed."""
        candidates = self._closed or self._least_open
        if not candidates:
            return None, None
        usual = np.median(self._traits, axis=0)
        red = max(mouth.between.red for mouth in candidates)
        rest, _ = _least_odd(
            candidates, usual, red, [(mouth.gap / _OPEN) ** 2 for mouth in candidates]
        )
        if not rest.reference.closed or not self._parted:
            return rest.reference, None
        usual[0] = rest.traits[0]
        parted, odd = _least_odd(
            self._parted, usual, rest.between.red, [_speechless(m) for m in self._parted]
        )
        return rest.reference, (parted.reference if odd <= _ODDEST else None)

    def _keep_closed(self, mouth: Mouth) -> None:
        if self._count % self._every == 0:
            self._closed.append(mouth)
        self._count += 1
        if len(self._closed) > _KEPT:
            # Every second one, so that what is kept stays spread over the shot.
            self._closed, self._every = self._closed[::2], 2 * self._every


def _gap(mouth: Mouth) -> float:
    return mouth.gap


def _speechless(mouth: Mouth) -> float:
    """How odd a parted mouth is, whoever's it is."""
    odd = ((mouth.gap - _SPEAKING) / _GAPE) ** 2
    odd += _INSIDE[0] * max(0.0, 1 - mouth.between.inside / _INSIDE[1])
    return odd + _TEETH[0] * max(0.0, 1 - mouth.between.teeth / _TEETH[1])


def _least_odd(
    mouths: list[Mouth], usual: F64, red: float, odd: list[float]
) -> tuple[Mouth, float]:
    """The mouth most like the usual one, and how odd it is; `odd` is counted in for each."""
    sharpest = max(*(mouth.detail for mouth in mouths), 1e-6)
    counted = [
        own
        + float((((mouth.traits - usual) / _TRAITS) ** 2).sum())
        + _BLURRED * (1 - mouth.detail / sharpest)
        + _ROLLED_IN * max(0.0, 1 - mouth.between.red / max(red, 1e-6))
        for mouth, own in zip(mouths, odd, strict=True)
    ]
    best = int(np.argmin(counted))
    return mouths[best], counted[best]
