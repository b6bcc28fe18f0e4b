"""The video's grain: measured where skin stands still, and made anew over what is drawn."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from lipsync_kit.engines.preview.dub_pictures import Picture
from lipsync_kit.engines.preview.grid import around
from lipsync_kit.engines.preview.sampling import blurred
from lipsync_kit.face import Face

F32 = npt.NDArray[np.float32]
U8 = npt.NDArray[np.uint8]

_SKIN: Final = (50, 280, 151)  # landmarks on both cheeks and the forehead
_SIDE: Final = 0.16  # of the squares around them, face heights
_COARSE: Final = 2.0  # pixels of a Gaussian whose details are no grain any more
_LOST: Final = 1.15  # what this takes away of usual grain
_STILL: Final = 0.2  # quantile of the looks: the others moved between two frames
_NONE: Final = 0.8  # steps of luma of a deviation that nobody sees
_HEAVY: Final = 1.5  # above which the reference is cleaned before it gets moving grain


@dataclass(frozen=True)
class Grain:
    """`sigma`: standard deviation in steps of luma; `blur`: of a Gaussian, in pixels."""

    sigma: float = 0.0
    blur: float = 0.0

    @property
    def seen(self) -> bool:
        """Whether it can be seen at all."""
        return self.sigma >= _NONE

    def noise(self, shape: tuple[int, int], random: np.random.Generator) -> F32:
        """Grain of one frame, shape (h, w), in steps of luma."""
        noise = random.standard_normal(shape, np.float32)
        if self.blur > 0.2:
            noise = blurred(noise, self.blur)
            noise /= max(float(noise.std()), 1e-6)
        return np.float32(self.sigma) * noise

    def cleaned(self, luma: U8) -> U8:
        """A picture without its grain, which would stand still (Buades et al. 2005)."""
        if self.sigma < _HEAVY:
            return luma
        return np.asarray(cv2.fastNlMeansDenoising(luma, None, 1.1 * self.sigma, 5, 13), np.uint8)


class GrainMeter:
    """Measures the grain from pairs of frames that follow each other."""

    def __init__(self) -> None:
        self._found: list[tuple[float, float]] = []

    def offer(self, picture: Picture, following: Picture, face: Face) -> None:
        """Take in two frames, and the face in the first."""
        side = _SIDE * face.height
        parts = []
        for x, y in face.landmarks[list(_SKIN), :2]:
            low, high = (x - side / 2, y - side / 2), (x + side / 2, y + side / 2)
            rows = around(low, high, 2, picture.width, picture.height).luma
            change = following.luma[rows].astype(np.float32) - picture.luma[rows]
            if min(change.shape) >= 8:
                parts.append((change - blurred(change, _COARSE)) / np.float32(math.sqrt(2)))
        if parts:
            values = np.concatenate([part.ravel() for part in parts])
            sigma = 1.4826 * float(np.median(np.abs(values)))
            alike = sum(float((part[:, 1:] * part[:, :-1]).mean()) for part in parts) / len(parts)
            self._found.append((sigma, alike / max(float(values.var()), 1e-6)))

    def grain(self) -> Grain:
        """What was found, in the stillest of the pairs."""
        if not self._found:
            return Grain()
        sigmas, alike = np.array(self._found).T
        still = sigmas <= np.quantile(sigmas, _STILL)
        # Neighbours in white noise under a Gaussian of sigma b are alike by exp(−1 / 4b²).
        near = float(np.clip(np.median(alike[still]), 0.001, 0.85))
        return Grain(_LOST * float(np.median(sigmas[still])), math.sqrt(-1 / (4 * math.log(near))))
