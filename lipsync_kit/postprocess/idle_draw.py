"""Frames between the frames of a pause, with a breath: what an idle moment looks like.

A moment between two frames is the nearer of them, moved along the optical flow between the
two; in the middle one is handed over to the other quickly, so that no detail is averaged
away. Breath and sway are fields of small movements: chest and shoulders rise and widen, the
head goes up with them, or leans to the side by itself; the background stays.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np
import numpy.typing as npt

from lipsync_kit.postprocess.idle_plan import Moment
from lipsync_kit.postprocess.morph import Still, displaced, flows_between, planes_of

if TYPE_CHECKING:
    from lipsync_kit.face import Face

Field = npt.NDArray[np.float32]
Plane = npt.NDArray[np.uint8]

_FIELD_SIDE = 360
"""Longest side of the grid that movements are reckoned on; they are smooth."""

_SHARED = 0.07
"""How far from the middle between two frames both are seen."""

_RISE = 0.011
"""By how much shoulders rise with a breath, in face heights."""

_WIDEN = 0.006
"""By how much a chest widens with it, as a share of its width."""

_LEAN = 0.009
"""By how much a head sways to the side, in face heights."""

_FACELESS = 0.25
"""Where no face is seen: the height that one would have, as a share of the picture's."""

_UNSEEN = 0.08
"""Pixels that may be left out; noise hides them."""

_LOOK_SIDE = 640


def life_of(still: Still) -> Field:
    """How every place moves at the height of a breath, and of a sway.

    Shape (2, h, w, 2) at a small size, in shares of the picture's; nothing moves by more than
    a hundredth of it.
    """
    from lipsync_kit.face import find_faces

    height, width = still.luma.shape
    scale = min(1.0, _LOOK_SIDE / max(height, width))
    size = max(2, round(width * scale)), max(2, round(height * scale))
    rgb = cv2.cvtColor(still.planes, cv2.COLOR_YUV2RGB_I420)
    faces = find_faces(np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA), np.uint8))
    return _life(_Place.of(faces[0], size) if faces else _Place.nowhere(size), size)


@dataclass(frozen=True)
class _Place:
    """Where a head is: its middle and its face's height, in pixels."""

    x: float
    y: float
    face: float

    @classmethod
    def of(cls, face: Face, size: tuple[int, int]) -> _Place:
        x, y, width, height = face.box
        return cls(x + width / 2, y + height / 2, min(face.height, 0.7 * size[1]))

    @classmethod
    def nowhere(cls, size: tuple[int, int]) -> _Place:
        return cls(size[0] / 2, size[1] / 3, _FACELESS * size[1])


def _life(place: _Place, size: tuple[int, int]) -> Field:
    width, height = _small(size)
    scale = width / size[0]
    across = (np.arange(width, dtype=np.float32)[None, :] + 0.5) / scale - place.x
    down = (np.arange(height, dtype=np.float32)[:, None] + 0.5) / scale - place.y
    across, down = across / place.face, down / place.face
    head = _soft(1.45 - np.hypot(across / 0.75, down / 0.95))
    shoulders = _soft((down - 0.35) / 0.6) * _soft(1.9 - np.abs(across) / (0.7 + 0.25 * down))
    body = np.maximum(0.55 * head, shoulders)
    grain = max(1.0, 0.12 * place.face * scale)
    within = _frame(width, height)
    body, head = (cv2.GaussianBlur(part, (0, 0), grain) * within for part in (body, head))
    moved = np.zeros((2, height, width, 2), np.float32)
    moved[0, ..., 0] = _WIDEN * across * place.face * shoulders * body / size[0]
    moved[0, ..., 1] = -_RISE * place.face * body / size[1]
    moved[1, ..., 0] = _LEAN * place.face * head / size[0]
    moved[1, ..., 1] = -_LEAN / 2 * place.face * np.clip(across, -1, 1) * head / size[1]
    return np.clip(moved, -0.01, 0.01)


def _soft(values: Field) -> Field:
    """From 0 to 1 without corners."""
    inside = np.clip(values, 0, 1)
    return np.asarray(inside * inside * (3 - 2 * inside), np.float32)


def _frame(width: int, height: int) -> Field:
    """1 inside, 0 at the picture's edges, so that nothing is drawn in from outside."""
    across = np.minimum(np.arange(width) + 0.5, np.arange(width)[::-1] + 0.5) / (0.04 * width)
    down = np.minimum(np.arange(height) + 0.5, np.arange(height)[::-1] + 0.5) / (0.06 * height)
    return np.asarray(_soft(across[None, :]) * _soft(down[:, None]), np.float32)


def _small(size: tuple[int, int]) -> tuple[int, int]:
    scale = min(1.0, _FIELD_SIDE / max(size))
    return max(2, round(size[0] * scale)), max(2, round(size[1] * scale))


class Idler:
    """Draws moments of one stretch.

    ``stills``: its frames; ``places``: where in a moment's terms each of them lies, rising,
    their numbers if not given. Flows are found when they are first needed and kept small.
    """

    def __init__(
        self, stills: Sequence[Still], life: Field, places: Sequence[float] | None = None
    ) -> None:
        self._stills = stills
        self._places = places
        height, width = stills[0].luma.shape
        self._small = _small((width, height))
        self._breath, self._sway = (cv2.resize(field, self._small) for field in life)
        self._flows: dict[int, tuple[Field, Field]] = {}

    def draw(self, moment: Moment) -> Still:
        """The picture at a moment."""
        place = min(max(moment.place, 0.0), len(self._stills) - 1.0)
        if self._places is not None:
            place = float(np.interp(place, self._places, range(len(self._places))))
        early = min(int(place), max(0, len(self._stills) - 2))
        share = place - early
        life = self._breath * np.float32(moment.breath) + self._sway * np.float32(moment.sway)
        sides = []
        if share < 0.5 + _SHARED:
            there = self._flow(early, 0) * np.float32(share) if share else 0
            sides.append(self._moved(early, life + there))
        if share > 0.5 - _SHARED:
            back = self._flow(early, 1) * np.float32(1 - share) if share < 1 else 0
            sides.append(self._moved(early + 1, life + back))
        if len(sides) == 1:
            return sides[0]
        late = (share - 0.5 + _SHARED) / (2 * _SHARED)
        late = late * late * (3 - 2 * late)
        both = cv2.addWeighted(sides[0].planes, 1 - late, sides[1].planes, late, 0)
        return Still(np.asarray(both, np.uint8))

    def _flow(self, early: int, way: int) -> Field:
        if early not in self._flows:
            flows = flows_between(
                self._stills[early].luma, self._stills[early + 1].luma, self._small[0]
            )
            there, back = (cv2.resize(flow, self._small) for flow in flows)
            self._flows[early] = (np.asarray(there, np.float32), np.asarray(back, np.float32))
        return self._flows[early][way]

    def _moved(self, number: int, field: Field) -> Still:
        """A frame whose every place is moved by a field."""
        planes = self._stills[number].planes.copy()
        part = _moving(field, planes.shape[1])
        if part is not None:
            for plane in planes_of(Still(planes)):
                _move(plane, field, part)
        return Still(planes)


def _moving(field: Field, width: int) -> tuple[slice, slice] | None:
    """The rows and columns that a field moves by more than can't be seen, some room around."""
    moves = np.maximum(np.abs(field[..., 0]), np.abs(field[..., 1])) > _UNSEEN / width
    rows, columns = np.flatnonzero(moves.any(axis=1)), np.flatnonzero(moves.any(axis=0))
    if not len(rows):
        return None
    return (
        slice(max(0, int(rows[0]) - 4), int(rows[-1]) + 5),
        slice(max(0, int(columns[0]) - 4), int(columns[-1]) + 5),
    )


def _move(plane: Plane, field: Field, part: tuple[slice, slice]) -> None:
    """Move a part of a plane, in place; ``part``: rows and columns of the field."""
    chosen = field[part]
    scale = plane.shape[0] / field.shape[0], plane.shape[1] / field.shape[1]
    place = tuple(
        slice(round(one.start * by), round((one.start + size) * by))
        for one, by, size in zip(part, scale, chosen.shape, strict=False)
    )
    here = plane[place]
    share = np.array([plane.shape[1] / here.shape[1], plane.shape[0] / here.shape[0]], np.float32)
    plane[place] = displaced(here, chosen * share)
