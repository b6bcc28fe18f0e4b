"""Turns of a head: rotation matrices of many frames at once, and their angles.

x to the right, y down, z away from the camera. Angles in radians: `yaw` to the right, `pitch`
up, `roll` clockwise, applied in this order, as seen in the picture.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

F64 = npt.NDArray[np.float64]


def turned(yaw: npt.ArrayLike, pitch: npt.ArrayLike, roll: npt.ArrayLike) -> F64:
    """Rotation matrices, shape (..., 3, 3)."""
    y, p, r = np.broadcast_arrays(*(np.asarray(a, np.float64) for a in (yaw, pitch, roll)))
    one, zero = np.ones_like(y), np.zeros_like(y)
    (a, b), (c, d), (e, f) = ((np.cos(v), np.sin(v)) for v in (y, p, r))
    about_y = _matrices([a, zero, -b], [zero, one, zero], [b, zero, a])
    about_x = _matrices([one, zero, zero], [zero, c, d], [zero, -d, c])
    about_z = _matrices([e, -f, zero], [f, e, zero], [zero, zero, one])
    return np.asarray(about_z @ about_x @ about_y)


def angles(turns: F64) -> tuple[F64, F64, F64]:
    """Yaw, pitch and roll of rotation matrices (..., 3, 3)."""
    yaw = np.arctan2(turns[..., 2, 0], turns[..., 2, 2])
    pitch = -np.arcsin(np.clip(turns[..., 2, 1], -1, 1))
    roll = np.arctan2(-turns[..., 0, 1], turns[..., 1, 1])
    return yaw, pitch, roll


EYES: Final = 1 / 3
"""Share of the line between the eyes in a head's yaw and roll.

A crooked mouth makes the landmarks lean as a whole; that line leans less, but trembles.
"""


def eye_line(left: F64, right: F64) -> tuple[F64, F64]:
    """Yaw and roll of the line between two points (..., 3), as of the eyes' outer corners."""
    x, y, z = np.moveaxis(right - left, -1, 0)
    return np.arctan2(z, np.hypot(x, y)), np.arctan2(y, x)


def nearest_turn(matrices: F64) -> F64:
    """The rotations nearest to matrices (..., 3, 3), by singular values (Kabsch 1976)."""
    left, _, right = np.linalg.svd(matrices)
    handed = np.ones((*matrices.shape[:-2], 3))
    handed[..., 2] = np.sign(np.linalg.det(left @ right))
    return np.asarray((left * handed[..., None, :]) @ right)


def fitted(shape: F64, seen: F64) -> tuple[F64, F64, F64]:
    """How a rigid `shape` (k, 3), whose middle is 0, lies in each frame of `seen` (n, k, 3).

    Turns (n, 3, 3), growths (n,) and middles (n, 3), by least squares (Umeyama 1991).
    """
    middles = seen.mean(axis=1)
    across = np.einsum("nki,kj->nij", seen - middles[:, None], shape)
    turns = nearest_turn(across)
    growths = np.einsum("nij,nij->n", turns, across) / np.sum(shape**2)
    return turns, growths, middles


def mean_shape(seen: F64, rounds: int = 4) -> F64:
    """The shape (k, 3) that many looks (n, k, 3) at a rigid thing have in common, middle at 0.

    Its size and turn are those of the first look (generalised Procrustes, Gower 1975).
    """
    shape = seen[0] - seen[0].mean(axis=0)
    size = float(np.sum(shape**2))
    for _ in range(rounds):
        turns, growths, middles = fitted(shape, seen)
        upright = np.einsum("nki,nij->nkj", seen - middles[:, None], turns)
        shape = np.mean(upright / growths[:, None, None], axis=0)
        shape *= np.sqrt(size / np.sum(shape**2))
    return np.asarray(shape)


def _matrices(*rows: list[F64]) -> F64:
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)
