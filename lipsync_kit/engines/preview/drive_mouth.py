"""How a mouth moves that opens wider than speech does.

A speaking mouth opens by a tenth of the face, a shouting or laughing one by a fifth. There the
lower lip stays before its teeth, the chin's way is spread over more of the neck, and the lips'
skin flows towards the corners, so that the opening gets round rather than pointed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from lipsync_kit.engines.preview.movements import MouthFields, Side, arch, bell, smoothstep

F64 = npt.NDArray[np.float64]

_RAISE: Final = 0.20  # of a gap that the upper lip rises
_BARED: Final = 0.07  # the same when the portrait shows its teeth
_LIP: Final = 0.16  # of a gap that the lower lip moves over the jaw
_TEETH: Final = 0.06  # and over the lower teeth
_CORNER: Final = 0.10  # of a gap that the corners go down
_NARROW: Final = 1.3  # of a gap that the mouth gets narrower
_PROFILE: Final = 1.15  # softer at the corners than in speech; the flow makes it round
_FLOW: Final = 0.8  # of the way to a round opening; 1 would press the corners to nothing
_NECK: Final = 0.34  # face heights under the chin over which the jaw's way fades

WIDE: Final = 0.05
"""Face heights between the lips from which they flow to the corners."""

ROUND: Final = 0.15
"""And how many more until they are there."""


@dataclass(frozen=True, eq=False)
class WideMouth(MouthFields):
    """The mouth's movements, for wide openings."""

    @property
    def raised(self) -> float:
        """Of a gap, the share that the upper lip rises."""
        return _BARED if self.line.smiles else _RAISE

    @property
    def jaw(self) -> float:
        """Of a gap, the share that the lower teeth go down; the lip stays before them."""
        return 1 - self.raised - _TEETH

    @property
    def chin_share(self) -> float:
        """Of a gap, the share that the chin goes down."""
        return 1 - self.raised - _LIP

    @property
    def sagging(self) -> float:
        """Of a gap, how far the corners come to lie lower under the upper lip."""
        return self.raised + _CORNER

    def open(self, u: F64, v: F64, side: Side) -> F64:
        """One face height more between the lips."""
        x, above, below = self._local(u, v)
        if side == "upper":
            dv = -self.raised * arch(x, _PROFILE) * bell(above / 0.075)
        else:
            lip = _LIP * arch(x, _PROFILE) * bell(below / 0.09)
            soft = _PROFILE + 1.3 * smoothstep(0, 0.14, below)
            dv = lip + self.chin_share * arch(self._jaw_x(u, below), soft) * self._neck(v)
        near = bell((u - self.line.middle) / 0.24) * bell((v - self._seam(u)) / 0.16)
        return self._stack(-_NARROW * (u - self.line.middle) * near, dv + _CORNER * near)

    def oval(self, u: F64, v: F64, side: Side) -> F64:
        """The lips' skin flown towards the corners, as around a wide open mouth."""
        x, above, below = self._local(u, v)
        held = np.clip(x, -1, 1)
        flown = _FLOW * self.line.half_width * (np.sin(held * np.pi / 2) - held)
        fade = bell(below / 0.16) if side == "lower" else 0.5 * bell(above / 0.10)
        return self._stack(flown * fade, np.zeros_like(flown))

    def lift(self, u: F64, v: F64, side: Side) -> F64:  # noqa: ARG002
        """The corners one face height up, as in a smile; the middle stays."""
        x, above, below = self._local(u, v)
        beyond = np.maximum(np.abs(x) - 1, 0) * self.line.half_width
        bent = np.minimum(x**2, 1.25) * bell(beyond / 0.13)
        dv = -bent * bell((above + below) / 0.10)
        return self._stack(np.zeros_like(dv), dv)

    def _neck(self, v: F64) -> F64:
        return 1 - smoothstep(self.chin - 0.01, self.chin + _NECK, v)
