"""Driving videos whose every movement is known: the shipped portrait, moved by the talk engine."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cache, partial
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from lipsync_kit.engines.preview.encoding import Draw, encode, one_thread
from lipsync_kit.engines.preview.plate import plate_of
from lipsync_kit.engines.preview.pose import Pose
from lipsync_kit.engines.preview.talk import Talker
from lipsync_kit.face import find_faces
from tests.engines.preview import portraits

F64 = npt.NDArray[np.float64]
U8 = npt.NDArray[np.uint8]

SHIPPED = portraits.SHIPPED
SIDE, FPS = 400, Fraction(25)


@dataclass(frozen=True, eq=False)
class Driver:
    """A video and what it shows: one value per frame of each movement of `Pose`."""

    video: Path
    moves: dict[str, F64]

    def __len__(self) -> int:
        return len(self.moves["gap"])


@cache
def head() -> U8:
    """The shipped portrait, cropped to its head."""
    cut = portraits.shipped()[8:248, 108:348]
    return np.asarray(cv2.resize(cut, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC), np.uint8)


@cache
def performer() -> Talker:
    plate = plate_of(head())
    return Talker.of(plate, find_faces(plate.rgb)[0])


def moves(frames: int) -> dict[str, F64]:
    """A head that sways and nods, a mouth that speaks, blinks now and then, glances."""
    t = np.arange(frames) / float(FPS)
    words = np.clip(np.sin(2 * np.pi * 1.7 * t) * np.sin(2 * np.pi * 0.31 * t), 0, 1)
    closed = np.zeros(frames)
    for start in range(17, frames - 6, 43):
        closed[start : start + 6] = (0.4, 1, 1, 1, 0.6, 0.2)
    return {
        "yaw": 0.075 * np.sin(2 * np.pi * 0.43 * t),
        "pitch": 0.06 * np.sin(2 * np.pi * 0.61 * t + 1),
        "roll": 0.06 * np.sin(2 * np.pi * 0.37 * t + 2),
        "x": 0.03 * np.sin(2 * np.pi * 0.29 * t),
        "gap": 0.1 * words,
        "blink": closed,
        "gaze_x": 0.09 * np.sign(np.sin(2 * np.pi * 0.53 * t + 0.4)),
    }


def acted(path: Path, frames: int, fps: Fraction = FPS) -> Driver:
    """A driving video of so many frames."""
    curves = moves(frames)
    film(path, posed(curves), fps)
    return Driver(path, curves)


def posed(curves: dict[str, F64]) -> list[Pose]:
    frames = len(curves["gap"])
    return [Pose(**{name: float(v[i]) for name, v in curves.items()}) for i in range(frames)]


def film(path: Path, poses: Iterable[Pose | None], fps: Fraction = FPS) -> None:
    """A video of poses; an empty room where there is none."""
    with one_thread():
        encode(path, (SIDE, SIDE), fps, _drawn(poses))


def _drawn(poses: Iterable[Pose | None]) -> Iterator[Draw]:
    for pose in poses:
        yield _empty if pose is None else partial(_performed, pose)


def _performed(pose: Pose, luma: U8, chroma: U8) -> None:
    who = performer()
    luma[:], chroma[:] = who.plate.luma, who.plate.chroma
    who.draw(pose, luma, chroma)


def _empty(luma: U8, chroma: U8) -> None:
    luma[:], chroma[:] = 90, 128


def still(**changed: float) -> Pose:
    return replace(Pose(), **changed)
