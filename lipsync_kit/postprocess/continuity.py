"""Chaining clips: a tile's last frame as the next chunk's portrait, its colours held."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from lipsync_kit.errors import InputError
from lipsync_kit.postprocess.assemble import cut_out, shown_frames
from lipsync_kit.postprocess.conform import Look
from lipsync_kit.postprocess.survey import on_grid, survey
from lipsync_kit.postprocess.tile import Tile
from lipsync_kit.store import atomic

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Picture = npt.NDArray[np.uint8]
    Lab = npt.NDArray[np.float32]

_LEAST_SPREAD = 1.0
"""Spread of a Lab channel below which its contrast is left alone."""

_MOST_GAIN = 1.25
"""Contrast that matching may add or take away; more is another picture, not drift."""


def last_frame(tile: Tile, fps: Fraction, reference: Path, out: Path) -> None:
    """Write a tile's last frame as a PNG at ``out``, its colours matched to ``reference``.

    ``reference``: the picture that the chain began with, so that small shifts of colour
    don't add up from clip to clip. Raises :class:`~lipsync_kit.errors.InputError` when the
    clip or the picture can't be read.
    """
    import cv2
    import numpy as np

    clip = survey(tile.clip)
    copying = not clip.obstacle and on_grid(clip, fps)
    look = Look(clip.width + clip.width % 2, clip.height + clip.height % 2, fps)
    if clip.rotation % 180 == 90:
        look = Look(look.height, look.width, fps)
    cutting = cut_out(tile, max(1, tile.frames(fps)), clip, look, copying=copying)
    (frame,) = shown_frames(clip, look, cutting.end - 1, cutting.end, copying=copying)
    rgb = frame.to_ndarray(format="rgb24", src_colorspace="ITU709", dst_colorspace="ITU709")
    anchor = cv2.imread(str(reference), cv2.IMREAD_COLOR)
    if anchor is None:
        raise InputError(f"{reference}: not a picture that can be read.", code="picture_unreadable")
    matched = match_colour(np.asarray(rgb, np.uint8), np.asarray(anchor[..., ::-1], np.uint8))
    _, data = cv2.imencode(".png", matched[..., ::-1])
    with atomic(out) as temporary:
        temporary.write_bytes(data.tobytes())


def match_colour(picture: Picture, reference: Picture) -> Picture:
    """``picture`` with the mean and spread of colour of ``reference``; RGB, shape (h, w, 3).

    Works in CIE Lab, channel by channel (Reinhard et al., "Color Transfer between Images",
    IEEE CG&A 2001), with the gain bounded.
    """
    import cv2
    import numpy as np

    size = (256, 256)
    small, anchor = (
        _lab(cv2.resize(each, size, interpolation=cv2.INTER_AREA)) for each in (picture, reference)
    )
    mean, spread = small.mean(axis=(0, 1)), small.std(axis=(0, 1))
    wanted_mean, wanted_spread = anchor.mean(axis=(0, 1)), anchor.std(axis=(0, 1))
    gain = np.where(spread > _LEAST_SPREAD, wanted_spread / np.maximum(spread, 1e-3), 1.0)
    gain = np.clip(gain, 1 / _MOST_GAIN, _MOST_GAIN)
    shifted = ((_lab(picture) - mean) * gain + wanted_mean).astype(np.float32)
    rgb = cv2.cvtColor(shifted, cv2.COLOR_LAB2RGB)
    return np.asarray(np.clip(np.rint(rgb * 255), 0, 255), np.uint8)


def _lab(picture: npt.NDArray[np.generic]) -> Lab:
    import cv2
    import numpy as np

    scaled = np.asarray(picture, np.float32) / 255
    return np.asarray(cv2.cvtColor(scaled, cv2.COLOR_RGB2LAB), np.float32)
