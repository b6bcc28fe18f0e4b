"""How far each point of a face moves: displacement fields in frontal coordinates.

A field is evaluated at any points and gives (du, dv) per unit of its movement. Fields of the
mouth exist twice, for the sheet of skin above the lips' line and for the one below; each goes
on smoothly behind the other, and both agree beyond the corners.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from lipsync_kit.engines.preview.mouthline import MouthLine

F64 = npt.NDArray[np.float64]
Side = Literal["upper", "lower"]

_RAISE: Final = 0.18  # of a gap that the upper lip rises; the rest is the lower lip's and the jaw's
_BARED: Final = 0.05  # the same when the portrait shows its teeth: there are no gums to show
_LIP: Final = 0.24  # of a gap that the lower lip moves over the jaw
_CORNER: Final = 0.10  # of a gap that the corners go down
_ROUND: Final = 0.8  # power of the opening's profile: 0.5 an ellipse, 1 a parabola
_NARROW: Final = 1.3  # of a gap that the mouth gets narrower
_JAW_HALF_WIDTH: Final = 0.40  # face heights, where the cheeks stop following the jaw


def smoothstep(low: float, high: float, x: npt.ArrayLike) -> F64:
    """0 below `low`, 1 above `high`, smooth between."""
    t = np.clip((np.asarray(x, np.float64) - low) / (high - low), 0, 1)
    return np.asarray(t * t * (3 - 2 * t))


def arch(x: npt.ArrayLike, power: float | F64) -> F64:
    """The profile of an opening over -1..1: 1 in the middle, 0 at the corners and beyond."""
    return np.asarray(np.maximum(1 - np.asarray(x, np.float64) ** 2, 0) ** power)


def bell(x: npt.ArrayLike) -> F64:
    """Gaussian of unit width."""
    return np.asarray(np.exp(-(np.asarray(x, np.float64) ** 2)))


@dataclass(frozen=True, eq=False)
class MouthFields:
    """The mouth's movements around one mouth line; `chin` is the frontal v of the chin."""

    line: MouthLine
    chin: float

    @property
    def raised(self) -> float:
        """Of a gap, the share that the upper lip rises."""
        return _BARED if self.line.smiles else _RAISE

    @property
    def jaw(self) -> float:
        """Of a gap, the share that the jaw goes down."""
        return 1 - self.raised - _LIP

    @property
    def jaw_shut(self) -> float:
        """Face heights that the jaw rises when the portrait's own gap is closed."""
        return 0.4 * self.line.gap

    def open(self, u: F64, v: F64, side: Side) -> F64:
        """One face height more between the lips."""
        x, above, below = self._local(u, v)
        if side == "upper":
            dv = -self.raised * arch(x, _ROUND) * bell(above / 0.075)
        else:
            lip = _LIP * arch(x, _ROUND) * bell(below / 0.07)
            # The lips' profile is steep at the corners; further down the cheeks follow softly.
            soft = _ROUND + 1.6 * smoothstep(0, 0.14, below)
            dv = lip + self.jaw * arch(self._jaw_x(u, below), soft) * self._neck(v)
        near = bell((u - self.line.middle) / 0.24) * bell((v - self._seam(u)) / 0.12)
        return self._stack(-_NARROW * (u - self.line.middle) * near, dv + _CORNER * near)

    def shut(self, u: F64, v: F64, side: Side) -> F64:
        """The portrait's own gap closed."""
        x, above, below = self._local(u, v)
        if side == "upper":
            dv = 0.3 * self._gap(x) * bell(above / 0.075)
        else:
            lip = 0.3 * self._gap(x) * bell(below / 0.07)
            dv = -lip - 0.4 * self._gap(self._jaw_x(u, below)) * self._neck(v)
        return self._stack(np.zeros_like(dv), dv)

    def spread(self, u: F64, v: F64, side: Side) -> F64:
        """Corners pulled outwards and a little up, as in "ee"."""
        x, above, below = self._local(u, v)
        near = bell((u - self.line.middle) / 0.23) * bell((v - self._seam(u)) / 0.13)
        thin = -0.10 * (above if side == "upper" else below) * bell((above + below) / 0.06)
        lift = -0.012 * near * np.minimum(x**2, 1.5)
        return self._stack(0.13 * (u - self.line.middle) * near, thin + lift)

    def round(self, u: F64, v: F64, side: Side) -> F64:
        """Corners drawn inwards and lips fuller, as in "oo"."""
        x, above, below = self._local(u, v)
        near = bell((u - self.line.middle) / 0.21) * bell((v - self._seam(u)) / 0.12)
        full = 0.16 * (above if side == "upper" else below) * bell((above + below) / 0.075)
        return self._stack(-0.26 * (u - self.line.middle) * near, full * bell(x / 1.2))

    def broad(self, u: F64, v: F64, side: Side) -> F64:  # noqa: ARG002
        """The mouth wider by its own width, nothing else."""
        near = bell((u - self.line.middle) / 0.24) * bell((v - self._seam(u)) / 0.12)
        return self._stack((u - self.line.middle) * near, np.zeros_like(u))

    def lift(self, u: F64, v: F64, side: Side) -> F64:  # noqa: ARG002
        """The corners one face height up, as in a smile; the middle stays."""
        x, above, below = self._local(u, v)
        beyond = np.maximum(np.abs(x) - 1, 0) * self.line.half_width
        dv = -np.minimum(x**2, 1) * bell(beyond / 0.09) * bell((above + below) / 0.09)
        return self._stack(np.zeros_like(dv), dv)

    def oval(self, u: F64, v: F64, side: Side) -> F64:  # noqa: ARG002
        """The lips of a wide gap rounded: nothing, speech never opens so far."""
        return self._stack(np.zeros_like(u), np.zeros_like(u))

    def slide(self, u: F64, v: F64, side: Side) -> F64:  # noqa: ARG002
        """Mouth and chin one face height to the right; the nose stays."""
        below = smoothstep(-0.15, -0.02, v) * self._neck(v)
        du = bell((u - self.line.middle) / 0.30) * below
        return self._stack(du, np.zeros_like(du))

    def press(self, u: F64, v: F64, side: Side) -> F64:
        """Lips pressed against each other, as in "m": each rolls a little under the other."""
        x, above, below = self._local(u, v)
        if side == "upper":
            dv = 0.005 * arch(x, 0.5) * bell(above / 0.04)
        else:
            dv = -0.007 * arch(x, 0.5) * bell(below / 0.05)
        return self._stack(np.zeros_like(dv), dv)

    def _local(self, u: F64, v: F64) -> tuple[F64, F64, F64]:
        """Place across the mouth (-1..1), above the upper lip (negative), below the lower."""
        x = (u - self.line.middle) / self.line.half_width
        above = np.minimum(v - np.interp(u, self.line.u, self.line.upper), 0)
        below = np.maximum(v - np.interp(u, self.line.u, self.line.lower), 0)
        return x, above, below

    def _seam(self, u: F64) -> F64:
        return np.asarray(np.interp(u, self.line.u, (self.line.upper + self.line.lower) / 2))

    def _gap(self, x: F64) -> F64:
        at = np.clip(x, -1, 1) * self.line.half_width + self.line.middle
        gap = np.interp(at, self.line.u, self.line.lower - self.line.upper)
        return np.asarray(np.where(np.abs(x) < 1, gap, 0))

    def _jaw_x(self, u: F64, below: F64) -> F64:
        """Position across the part that follows the jaw: the mouth, widening to the jaw."""
        half = self.line.half_width
        widening = (_JAW_HALF_WIDTH - half) * smoothstep(0, 0.17, below)
        return np.asarray((u - self.line.middle) / (half + widening))

    def _neck(self, v: F64) -> F64:
        return 1 - smoothstep(self.chin - 0.01, self.chin + 0.22, v)

    @staticmethod
    def _stack(du: F64, dv: F64) -> F64:
        return np.stack([du, dv], axis=-1)
