"""Which frame of a source video each frame of its dubbed film shows. Pure."""

from __future__ import annotations

from fractions import Fraction
from typing import Literal

import numpy as np
import numpy.typing as npt

from lipsync_kit.schema import Chunk
from lipsync_kit.timing import edge

Fit = Literal["freeze", "loop", "bounce", "cut"]
Order = npt.NDArray[np.int64]


def fitted(video: int, film: int, fit: Fit) -> Order:
    """For each of a film's frames, the frame of a video of ``video`` frames that it shows.

    Both are counted at the film's rate. ``loop`` begins again, ``bounce`` runs back and forth
    without showing a turning point twice, the others hold the last frame.
    """
    at = np.arange(film, dtype=np.int64)
    if fit == "loop":
        return at % video
    if fit == "bounce" and video > 1:
        period = 2 * (video - 1)
        return np.minimum(at % period, period - at % period)
    return np.minimum(at, video - 1)


def sent_frames(chunk: Chunk, fps: Fraction) -> tuple[int, int]:
    """The film's frames ``[first, end)`` under the sound that is sent for a chunk."""
    return edge(chunk.sent_start, fps), edge(chunk.sent_end, fps)
