"""What a frame shows, in numbers."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

F32 = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Pose:
    """One frame's head and face; all zero is the portrait with its lips closed.

    `yaw`, `pitch`, `roll`: radians away from the portrait's own pose (right, up, clockwise).
    `x`, `y`: face heights to the right and down. `zoom`: growth. `gap`: face heights between
    the inner lips. `width`: −1 rounded to +1 spread. `press`: 0 to 1, lips pressed together.
    `brow`: 0 to 1, raised. `blink`: 0 open to 1 closed. `gaze_x`, `gaze_y`: eye widths.
    `lift`: face heights that the corners of the mouth go up. `tilt`: of `brow`, how much more
    the left one is raised and the right one less. `broad`: growth of the mouth's width, lips and
    all, against the narrowing of a wide gap. `slide`: face heights that mouth and chin go to
    the right. `oval`: 0 to 1, the lips of a wide gap rounded. `aspect`, `shear`: what large turns
    of the head add to small ones.
    """

    yaw: float = 0.0
    pitch: float = 0.0
    roll: float = 0.0
    x: float = 0.0
    y: float = 0.0
    zoom: float = 0.0
    gap: float = 0.0
    width: float = 0.0
    press: float = 0.0
    brow: float = 0.0
    blink: float = 0.0
    gaze_x: float = 0.0
    gaze_y: float = 0.0
    lift: float = 0.0
    tilt: float = 0.0
    broad: float = 0.0
    slide: float = 0.0
    oval: float = 0.0
    aspect: float = 0.0
    shear: float = 0.0


def weights(pose: Pose, rest_gap: float) -> npt.NDArray[np.float32]:
    """How much of each of the rig's movements a pose is; see `lipsync_kit...rig.MOVEMENTS`.

    `rest_gap` is the distance between the lips in the portrait itself, in face heights. What
    the mouth opens beyond it is *open*; what it closes of it is *shut*, 0 to 1.
    """
    shut = max(0.0, 1 - pose.gap / rest_gap) if rest_gap > 0 else 0.0
    spread, round_ = max(0.0, pose.width), max(0.0, -pose.width)
    values = {field.name: float(getattr(pose, field.name)) for field in fields(pose)}
    values |= {"open": max(0.0, pose.gap - rest_gap), "shut": shut}
    values |= {"spread": spread, "round": round_}
    return np.array([values[name] for name in MOVEMENTS], np.float32)


def applied(weights: npt.NDArray[np.float32], fields: F32) -> F32:
    """The sum of `fields` (movements, ...), each times its weight.

    Not a product of matrices: BLAS would wake its threads for a tenth of a millisecond's work.
    """
    return np.asarray(np.einsum("k,k...->...", weights, fields), np.float32)


MOVEMENTS = (
    "yaw", "pitch", "roll", "x", "y", "zoom",
    "open", "shut", "spread", "round", "press", "brow", "blink", "gaze_x", "gaze_y",
    "lift", "tilt", "broad", "slide", "oval", "aspect", "shear",
)  # fmt: skip
"""The rig's movements, in the order of its fields."""

OF_THE_HEAD = ("yaw", "pitch", "roll", "x", "y", "zoom", "aspect", "shear")
"""Those that move the head as a whole."""
