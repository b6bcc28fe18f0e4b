"""Who is dubbed in a video: shot by shot, where the face is, and how it looks at rest."""

from __future__ import annotations

import io
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from lipsync_kit.engines.preview.dub_grain import Grain
from lipsync_kit.face.mesh import Roi
from lipsync_kit.store import atomic

F32 = npt.NDArray[np.float32]
U8 = npt.NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Reference:
    """A frame that shows the speaker's mouth well; all that is drawn of lips comes from it.

    `luma` (h, w) and `chroma` (h/2, w/2, 2) are cut out around the face; `landmarks` (468, 3)
    are in pixels of the cut. `place`: its frame in the video. `closed`: whether the lips touch,
    whatever the landmarks say.
    """

    place: int
    closed: bool
    luma: U8
    chroma: U8
    landmarks: F32


@dataclass(frozen=True, eq=False)
class Shot:
    """Frames [first, end) between two cuts.

    `seen` (n, 5): at some of the frames, in order, the frame and the square (`Roi`) in which
    the speaker's face was seen. `reference`: at rest, `None` where nobody was seen; `parted`:
    with the lips apart, where `reference` has them closed and such a frame was seen.
    """

    first: int
    end: int
    seen: F32
    reference: Reference | None
    parted: Reference | None = None

    def roi(self, place: int, apart: int) -> Roi | None:
        """Where to look for the face in a frame.

        Between two sightings that are at most `apart` frames from each other the square moves
        evenly; `None` where the face is not seen.
        """
        if self.reference is None:
            return None
        frames = self.seen[:, 0]
        after = int(np.searchsorted(frames, place))
        before = after if after < len(frames) and frames[after] == place else after - 1
        if before < 0 or after >= len(frames):
            nearest = min(max(before, 0), len(frames) - 1)
            return (
                self._square(nearest, nearest, 0) if abs(frames[nearest] - place) < apart else None
            )
        span = float(frames[after] - frames[before])
        if span > apart:
            return None
        return self._square(before, after, (place - float(frames[before])) / max(span, 1))

    def _square(self, before: int, after: int, share: float) -> Roi:
        x, y, side, angle = (
            float(a + share * (b - a))
            for a, b in zip(self.seen[before, 1:], self.seen[after, 1:], strict=True)
        )
        return x, y, side, angle


@dataclass(frozen=True, eq=False)
class Speaker:
    """The speaker of a whole video.

    `faces`: the most faces that were seen at once. `stride`: frames between two looks. `grain`:
    the video's.
    """

    shots: tuple[Shot, ...]
    faces: int
    stride: int
    grain: Grain

    @cached_property
    def _starts(self) -> list[int]:
        return [shot.first for shot in self.shots]

    def shot(self, place: int) -> Shot:
        """The shot that a frame belongs to."""
        return self.shots[max(0, bisect_right(self._starts, place) - 1)]

    @property
    def share(self) -> float:
        """Of all frames, how many show the speaker; 0 to 1."""
        looked = sum(-(-(shot.end - shot.first) // self.stride) for shot in self.shots)
        return sum(len(s.seen) for s in self.shots if s.reference) / max(looked, 1)

    def save(self, path: Path) -> None:
        """Write as ``.npz``, atomically."""
        arrays: dict[str, Any] = {
            "about": np.array([self.faces, self.stride, self.grain.sigma, self.grain.blur]),
            "shots": np.array([[shot.first, shot.end] for shot in self.shots]),
        }
        for index, shot in enumerate(self.shots):
            arrays[f"seen{index}"] = shot.seen
            for kind, reference in (("rest", shot.reference), ("parted", shot.parted)):
                for name, value in vars(reference).items() if reference else ():
                    arrays[f"{kind}{index}.{name}"] = value
        packed = io.BytesIO()
        np.savez_compressed(packed, **arrays)
        with atomic(path) as temporary:
            temporary.write_bytes(packed.getvalue())

    @classmethod
    def load(cls, path: Path, first: int = 0, end: int | None = None) -> Self:
        """Read what :meth:`save` wrote; only the shots that reach into [first, end)."""
        with np.load(path) as arrays:
            faces, stride, *grain = arrays["about"]
            shots = []
            for index, (start, stop) in enumerate(arrays["shots"]):
                if stop <= first or (end is not None and start >= end):
                    continue
                rest, parted = (_loaded(arrays, f"{kind}{index}") for kind in ("rest", "parted"))
                seen = arrays[f"seen{index}"]
                shots.append(Shot(int(start), int(stop), seen, rest, parted))
            return cls(tuple(shots), int(faces), int(stride), Grain(*map(float, grain)))


def _loaded(arrays: Mapping[str, Any], name: str) -> Reference | None:
    if f"{name}.place" not in arrays:
        return None
    planes = (arrays[f"{name}.{part}"] for part in ("luma", "chroma", "landmarks"))
    return Reference(int(arrays[f"{name}.place"]), bool(arrays[f"{name}.closed"]), *planes)
