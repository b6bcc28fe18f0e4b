"""One speaker's face, ready to say something else in any frame that shows it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from lipsync_kit.engines.preview.dub_lips import Lips
from lipsync_kit.engines.preview.dub_pictures import Picture
from lipsync_kit.engines.preview.dub_rest import MOVING, Rest, shifted
from lipsync_kit.engines.preview.dub_speaker import Reference
from lipsync_kit.engines.preview.dub_trust import Looks
from lipsync_kit.engines.preview.grid import Area
from lipsync_kit.engines.preview.plate import plate_of_planes
from lipsync_kit.engines.preview.pose import Pose, weights
from lipsync_kit.engines.preview.rig import Rig, build_rig
from lipsync_kit.face import Face

F64 = npt.NDArray[np.float64]
U8 = npt.NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Sight:
    """How a frame shows the face.

    `camera` (4, 2): see :class:`~lipsync_kit...dub_view.Relief`. `expressed` (n, 2): how far
    the landmarks :data:`~lipsync_kit...dub_rest.MOVING` are from the reference's, in its pixels.
    `trust`: how far the frame may be changed, 0 to 1.
    """

    camera: F64
    expressed: F64
    trust: float


@dataclass(frozen=True, eq=False)
class DubFace:
    """Draws frames of one shot."""

    rig: Rig
    rest: Rest
    lips: Lips
    looks: Looks

    @classmethod
    def of(cls, reference: Reference) -> DubFace:
        """All that can be computed once per shot; costs about half a second of CPU."""
        plate = plate_of_planes(reference.luma, reference.chroma)
        face = Face.of(reference.landmarks, 1.0)
        rig = build_rig(face, plate)
        rest = Rest.of(rig, plate)
        looks = Looks.of(rest, plate.luma, plate.chroma, face)
        return cls(rig, rest, Lips.of(rig, plate, rest.relief), looks)

    def draw(self, picture: Picture, sight: Sight, pose: Pose, luma: U8, chroma: U8) -> None:
        """Draw a frame with the mouth of `pose` into luma (h, w) and chroma (h/2, w/2, 2)."""
        luma[:], chroma[:] = picture.luma, picture.chroma
        if sight.trust <= 0:
            return
        amounts = weights(self._towards(pose, sight), self.rig.line.gap)
        view = self.rest.relief.view(sight.camera)
        grid = self.rest.grid(view, picture.width, picture.height)
        shifts = self.rest.shifts(grid, view, sight.expressed, amounts)
        luma[grid.area.luma], chroma[grid.area.chroma] = shifted(
            grid, shifts, picture.luma, picture.chroma
        )
        self.lips.lay(amounts, view, self.gap(sight), luma, chroma)
        if sight.trust < 1:
            _fade(picture, grid.area, sight.trust, luma, chroma)

    def _towards(self, pose: Pose, sight: Sight) -> Pose:
        """What is drawn where trust is not whole: something between the frame's mouth and `pose`."""
        share, own = 1 - sight.trust, max(0.0, self.gap(sight))
        return replace(pose, gap=pose.gap + share * (own - pose.gap))

    def gap(self, sight: Sight) -> float:
        """Face heights between the lips that the frame itself shows."""
        upper, lower = sight.expressed[[MOVING.index(13), MOVING.index(14)]]
        down = self.rig.head.axes[1, :2] / np.linalg.norm(self.rig.head.axes[1, :2])
        return self.rig.line.gap + float((lower - upper) @ down) / self.rig.head.size


def _fade(picture: Picture, area: Area, trust: float, luma: U8, chroma: U8) -> None:
    """Go back towards the frame as it was."""
    for plane, own, rows in (
        (luma, picture.luma, area.luma),
        (chroma, picture.chroma, area.chroma),
    ):
        before = own[rows].astype(np.float32)
        plane[rows] = np.rint(before + np.float32(trust) * (plane[rows] - before)).astype(np.uint8)
