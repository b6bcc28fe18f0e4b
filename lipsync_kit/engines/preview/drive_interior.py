"""The inside of a mouth that opens wider than speech does: a tongue, and flesh behind it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self

import numpy as np
import numpy.typing as npt

from lipsync_kit.engines.preview import teeth
from lipsync_kit.engines.preview.interior import Interior
from lipsync_kit.engines.preview.movements import smoothstep
from lipsync_kit.engines.preview.sheets import Sheet

F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]

_WIDE: Final = (0.04, 0.17)  # face heights that the teeth are down: light falls in
_TONGUE_LIGHT: Final = 0.45  # of the tongue's luma, what lies behind it in a wide open mouth
_RAISED: Final = 0.50  # of what the teeth go down beyond a little, how far the tongue stays up
_LITTLE: Final = 0.03


@dataclass(frozen=True, eq=False)
class WideInterior(Interior):
    """As :class:`Interior`, for wide openings. `flesh`: Y, Cb, Cr behind a well lit tongue."""

    flesh: F32

    @classmethod
    def within(cls, mouth: Interior, sheet: Sheet) -> Self:
        """That of a mouth, on another sheet fixed to the skull."""
        tongue = teeth.colours_of(mouth.rig.head, mouth.plate).tongue.astype(np.float32)
        dark = np.array([16, 128, 128], np.float32)
        own = {**vars(mouth), "sheet": sheet}
        return cls(**own, flesh=dark + _TONGUE_LIGHT * (tongue - dark))

    def _behind(self, weights: F32, shape: tuple[int, ...]) -> F32:
        wide = np.float32(smoothstep(*_WIDE, self._drop(weights)))
        colour = self.cavity + wide * (self.flesh - self.cavity)
        return np.broadcast_to(colour, (*shape, 3)).copy()

    def _placed(self, weights: F32) -> list[tuple[teeth.Sprite, F64]]:
        (tongue, at), *others = super()._placed(weights)
        up = _RAISED * max(0.0, self._drop(weights) - _LITTLE)
        return [(tongue, at - up * self.down), *others]
