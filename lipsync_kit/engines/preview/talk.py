"""A portrait that talks: one frame's planes for each pose."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lipsync_kit.engines.preview.lids import Lids
from lipsync_kit.engines.preview.mouth import Mouth
from lipsync_kit.engines.preview.plate import Plate
from lipsync_kit.engines.preview.pose import Pose, weights
from lipsync_kit.engines.preview.rig import Rig, build_rig
from lipsync_kit.face import Face

U8 = npt.NDArray[np.uint8]

_LID_MOVES = 0.02  # closure below which nothing can be seen of a blink


@dataclass(frozen=True, eq=False)
class Talker:
    """Draws poses of one portrait."""

    plate: Plate
    rig: Rig
    mouth: Mouth
    lids: Lids

    @classmethod
    def of(cls, plate: Plate, face: Face) -> Talker:
        """The talker of a face in a picture; costs about half a second of CPU."""
        rig = build_rig(face, plate)
        return cls(plate, rig, Mouth.of(rig, plate), Lids.of(rig, plate))

    def draw(self, pose: Pose, luma: U8, chroma: U8) -> None:
        """Draw a pose into a frame's luma (h, w) and chroma (h/2, w/2, 2), in place.

        The planes must hold the portrait or another of its poses: only what moves is written.
        """
        amounts = weights(pose, self.rig.line.gap)
        grid = self.rig.grid
        seen = grid.inverse(self.rig.nodes, self.rig.moved(amounts))
        luma[grid.area.luma], chroma[grid.area.chroma] = grid.sample(self.plate, seen)
        self.mouth.draw(amounts, luma, chroma)
        if pose.blink > _LID_MOVES:
            self.lids.draw(pose.blink, amounts, seen, luma, chroma)
