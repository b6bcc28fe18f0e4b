"""One speaker's face, ready to say something else in any frame that shows it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from lipsync_kit.engines.preview.dub_grain import Grain
from lipsync_kit.engines.preview.dub_lips import Lips
from lipsync_kit.engines.preview.dub_parted import Parted
from lipsync_kit.engines.preview.dub_pictures import Picture
from lipsync_kit.engines.preview.dub_rest import MOVING, Rest, shifted
from lipsync_kit.engines.preview.dub_speaker import Reference, Shot
from lipsync_kit.engines.preview.dub_trust import Looks
from lipsync_kit.engines.preview.grid import Area
from lipsync_kit.engines.preview.plate import Plate, plate_of_planes
from lipsync_kit.engines.preview.pose import Pose, weights
from lipsync_kit.engines.preview.rig import Rig, build_rig
from lipsync_kit.face import Face, topology

F64 = npt.NDArray[np.float64]
U8 = npt.NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Sight:
    """How a frame shows the face.

    `steady` (n, 2): where the landmarks :data:`~lipsync_kit.engines.preview.dub_view.STEADY`
    are. `expressed` (m, 2): how far :data:`~lipsync_kit.engines.preview.dub_rest.MOVING` ones
    are from the reference's, in its pixels. `trust`: how far the frame may be changed, 0 to 1.
    """

    steady: F64
    expressed: F64
    trust: float


@dataclass(frozen=True, eq=False)
class DubFace:
    """Draws frames of one shot."""

    rig: Rig
    rest: Rest
    lips: Lips
    parted: Parted | None
    looks: Looks
    grain: Grain

    @classmethod
    def of(cls, shot: Shot, grain: Grain) -> DubFace:
        """All that can be computed once per shot; costs about a second of CPU."""
        assert shot.reference is not None
        rig, plate = _rigged(shot.reference, grain)
        rest, lips = Rest.of(rig, plate), Lips.of(rig, plate)
        face = Face.of(shot.reference.landmarks, 1.0)
        looks = Looks.of(rest, rig.line, plate.luma, plate.chroma, face)
        parted = Parted.of(Lips.of(*_rigged(shot.parted, grain)), lips) if shot.parted else None
        return cls(rig, rest, lips, parted, looks, grain)

    def draw(
        self, picture: Picture, sight: Sight, pose: Pose, seed: int, luma: U8, chroma: U8
    ) -> None:
        """Draw a frame with the mouth of `pose` into luma (h, w) and chroma (h/2, w/2, 2)."""
        luma[:], chroma[:] = picture.luma, picture.chroma
        if sight.trust <= 0:
            return
        gap = self._gap(sight)
        # Where trust is not whole, mouths that are alike fade into each other better.
        pose = replace(pose, gap=pose.gap + (1 - sight.trust) * (max(0.0, gap) - pose.gap))
        view = self.rest.relief.view(sight.steady)
        grid = self.rest.grid(view, picture.width, picture.height)
        amounts = weights(pose, self.rig.line.gap)
        shifts = self.rest.shifts(grid, view, sight.expressed, amounts)
        luma[grid.area.luma], chroma[grid.area.chroma] = shifted(
            grid, shifts, picture.luma, picture.chroma
        )
        view = self.lips.relief.view(sight.steady)
        laid, cover = self.lips.lay(pose, view, gap, luma, chroma)
        if self.parted:
            self.parted.lay(pose, sight.steady, gap, luma, chroma)
        if self.grain.seen:
            noise = self.grain.noise(cover.shape, np.random.default_rng((abs(seed), picture.place)))
            luma[laid.luma] = np.clip(np.rint(luma[laid.luma] + cover * noise), 0, 255)
        if sight.trust < 1:
            _fade(picture, grid.area, sight.trust, luma, chroma)

    def _gap(self, sight: Sight) -> float:
        """Face heights between the lips that the frame itself shows."""
        upper, lower = sight.expressed[[MOVING.index(13), MOVING.index(14)]]
        down = self.rig.head.axes[1, :2] / np.linalg.norm(self.rig.head.axes[1, :2])
        return self.rig.line.gap + float((lower - upper) @ down) / self.rig.head.size


def _rigged(reference: Reference, grain: Grain) -> tuple[Rig, Plate]:
    plate = plate_of_planes(grain.cleaned(reference.luma), reference.chroma)
    landmarks = reference.landmarks.copy()
    if reference.closed:
        upper, lower = (list(rows[-1]) for rows in (topology.UPPER_LIP, topology.LOWER_LIP))
        landmarks[upper] = landmarks[lower] = (landmarks[upper] + landmarks[lower]) / 2
    return build_rig(Face.of(landmarks, 1.0), plate), plate


def _fade(picture: Picture, area: Area, trust: float, luma: U8, chroma: U8) -> None:
    """Go back towards the frame as it was."""
    for plane, own, rows in (
        (luma, picture.luma, area.luma),
        (chroma, picture.chroma, area.chroma),
    ):
        before = own[rows].astype(np.float32)
        plane[rows] = np.rint(before + np.float32(trust) * (plane[rows] - before)).astype(np.uint8)
