"""What a driver does, frame by frame."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from lipsync_kit.engines.preview.curves import Curves

F32 = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class DriverTrack(Curves):
    """A driver's head and face over time: float32 arrays, one value per film frame.

    All is relative to the driver's own neutral face and place, so that zero everywhere is a
    driver at rest with closed lips. Left and right are the picture's.

    ``yaw``, ``pitch``, ``roll``: radians; right, up, clockwise. ``x``, ``y``: face heights that
    the middle of the upper face went right and down. ``zoom``: growth. ``opening``: face heights
    between the inner lips. ``width``: growth of the mouth's width. ``lift``: face heights that
    its corners went up against the middle of the upper lip. ``slide``: face heights that the
    mouth went to the right. ``brow_left``, ``brow_right``: face heights that the brows went up.
    ``blink_left``, ``blink_right``: 0 open to 1 closed; below 0 wider open than usual.
    ``gaze_x``, ``gaze_y``: eye widths that the irises went right and down. ``confidence``: 0
    where no face was seen, otherwise the tracker's belief in it, 0 to 1. ``share``: the face's
    height over the picture's, 0 where no face was seen.
    """

    yaw: F32
    pitch: F32
    roll: F32
    x: F32
    y: F32
    zoom: F32
    opening: F32
    width: F32
    lift: F32
    slide: F32
    brow_left: F32
    brow_right: F32
    blink_left: F32
    blink_right: F32
    gaze_x: F32
    gaze_y: F32
    confidence: F32
    share: F32

    def at(self, first: int, frames: int) -> DriverTrack:
        """Frames [first, first + frames) of the film; beyond its ends the nearest one is held."""
        places = np.clip(np.arange(first, first + frames), 0, len(self) - 1)
        return DriverTrack(*(getattr(self, field.name)[places] for field in fields(self)))

    @property
    def seen(self) -> float:
        """Share of the frames in which the driver's face was seen, 0 to 1."""
        return float((self.confidence > 0).mean()) if len(self) else 0.0
