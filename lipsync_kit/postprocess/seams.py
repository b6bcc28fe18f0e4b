"""Seams: how visible a join is, and a short blend that hides it.

The frames of a clip after its join are never touched, so that they can be copied; a blend
replaces the last frames before it. It starts at the frame that leads to the first frame of
the next clip with the smallest steps, and goes there by optical flow (DIS: Kroeger et al.,
"Fast Optical Flow using Dense Inverse Search", ECCV 2016), warping both frames towards each
other. Coarse content is blended evenly along the way; the finest detail is handed over
quickly in the middle, since the mean of two textures is blurred.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING

from lipsync_kit.postprocess.tile import SeamKind, Seams

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from av.video.frame import VideoFrame

    Plane = npt.NDArray[np.uint8]
    Luma = npt.NDArray[np.float32]
    Flow = npt.NDArray[np.float32]

NEIGHBOURS = 12
"""Steps on either side of a join that say how the clips move by themselves."""

SMOOTH = 2.0
"""The score up to which a hard cut is left as it is: a tenth of all steps inside a clip, a key
frame as likely as not, are as large."""

TARGET = 1.0
"""The score that a blend aims at with as few frames as can be."""

_PATHS = 3
"""Paths that are tried."""

_PATH_POINTS = 10
"""Points at which a path is looked at to space its frames evenly."""

_GLANCE_WIDTH = 320
_STILL = 0.15
"""Luma steps of a clip that hardly moves; noise alone makes as much."""

_FLOW_WIDTH = 480
_DETAIL_SIGMA = 0.6 / 320
"""The finest detail, as a share of the picture's width."""

_KEPT_DETAIL = 0.85
"""Share of the neighbours' sharpness that blended frames are brought back to,"""

_MOST_DETAIL = 1.6
"""with at most this gain on their detail."""

_HANDOVER = 20.0
"""How quickly detail is handed over; the slope of a logistic curve over the blend."""


@dataclass(frozen=True)
class Still:
    """A frame as I420 planes, shape (height * 3 / 2, width), with what a seam asks of it."""

    planes: Plane

    @classmethod
    def of(cls, frame: VideoFrame) -> Still:
        """The planes of a yuv420p frame of even size."""
        import numpy as np

        return cls(np.asarray(frame.to_ndarray(format="yuv420p"), np.uint8))

    def frame(self) -> VideoFrame:
        """The planes as a frame."""
        from av.video.frame import VideoFrame

        return VideoFrame.from_ndarray(self.planes, format="yuv420p")

    @property
    def luma(self) -> Plane:
        """The luma plane."""
        return self.planes[: self.planes.shape[0] * 2 // 3]

    @cached_property
    def glance(self) -> npt.NDArray[np.float32]:
        """Luma at a width of 320, blurred: what moves, without noise."""
        import cv2
        import numpy as np

        blurred = cv2.GaussianBlur(_narrowed(self.luma, _GLANCE_WIDTH), (5, 5), 0)
        return np.asarray(blurred, dtype=np.float32)

    @cached_property
    def sharpness(self) -> float:
        """Variance of the luma's Laplacian."""
        import cv2

        return float(cv2.Laplacian(self.luma, cv2.CV_32F).var())

    def step(self, other: Still) -> float:
        """Mean change of blurred luma from one frame to another."""
        import numpy as np

        return float(np.abs(self.glance - other.glance).mean())


@dataclass(frozen=True)
class Join:
    """How two clips are joined.

    ``blended``: frames that replace the last ones before the join. ``hard`` and ``score``:
    the largest step across the join over the clips' own median step, as a hard cut and as
    made. ``sharpness``: the least of the blended frames' over their neighbours' mean.
    """

    kind: SeamKind
    hard: float
    score: float
    blended: tuple[Still, ...] = field(default=(), repr=False)
    sharpness: float = 1.0


def join(
    before: Sequence[Still], after: Sequence[Still], seams: Seams, most: int, held: int = 0
) -> Join:
    """Choose how ``before`` goes over into ``after``.

    ``before``: at least one frame; ideally ``most`` + ``NEIGHBOURS`` + 1. ``most``: frames
    that a blend may replace; ``held``: how many of ``before`` only repeat the last one of the
    clip, which a blend replaces first. A smooth join is cut hard under ``auto``; a blend that
    makes nothing better is not used there either.
    """
    own = _own_steps(before, after)
    usual = max(own[len(own) // 2], _STILL) if own else _STILL
    hard = before[-1].step(after[0]) / usual
    cut = Join("cut", hard, hard)
    most = min(most, len(before) - 1)
    lively = own[len(own) * 9 // 10] / usual if own else 1.0
    if seams == "cut" or most < 1 or (seams == "auto" and hard <= max(SMOOTH, lively)):
        return cut
    if seams == "dissolve":
        faded = dissolve(before[len(before) - most :], after[0])
        return _joined("dissolve", before[-1 - most], faded, after[0], usual, hard)
    path = _best_path(before, after[0], range(max(1, min(held, most)), most + 1), usual)
    moved = morph(path)
    made = _joined("morph", path.start, moved, after[0], usual, hard)
    return made if seams == "morph" or made.score < hard else cut


def _own_steps(before: Sequence[Still], after: Sequence[Still]) -> list[float]:
    """The clips' own steps near the join, sorted; frames that only repeat don't count."""
    early = before[-NEIGHBOURS - 1 :]
    late = after[: NEIGHBOURS + 1]
    steps = [one.step(two) for side in (early, late) for one, two in pairwise(side)]
    return sorted(step for step in steps if step > 0)


def _joined(
    kind: SeamKind,
    start: Still,
    blended: Sequence[Still],
    target: Still,
    usual: float,
    hard: float,
) -> Join:
    score = max(one.step(two) for one, two in pairwise([start, *blended, target])) / usual
    around = (start.sharpness + target.sharpness) / 2
    sharpness = min(still.sharpness for still in blended) / around if around else 1.0
    return Join(kind, hard, score, tuple(blended), sharpness)


@dataclass(frozen=True)
class _Path:
    """A way from one frame to another: flows both ways, and how far along each frame lies.

    ``shares``: for every frame between, 0 at ``start`` and 1 at ``target``, spaced so that
    all steps look equally large. ``step``: that size.
    """

    start: Still
    target: Still
    flows: tuple[Flow, Flow]
    shares: tuple[float, ...]
    step: float


def _best_path(before: Sequence[Still], target: Still, counts: range, usual: float) -> _Path:
    """The shortest blend whose steps look like the clips' own, or the one that comes nearest.

    A path is never shorter than the straight difference, which is cheap to tell.
    """
    straight = {count: before[-1 - count].step(target) / (count + 1) for count in counts}
    likely = [count for count in counts if straight[count] <= TARGET * usual]
    nearest = sorted(counts, key=straight.__getitem__)
    best: _Path | None = None
    for count in [*likely, *nearest][:_PATHS]:
        path = _path(before[-1 - count], target, count)
        if best is None or path.step < best.step:
            best = path
        if best.step <= TARGET * usual:
            break
    assert best is not None
    return best


def _path(start: Still, target: Still, count: int) -> _Path:
    import numpy as np

    flows = _flows(start.luma, target.luma)
    one, two = start.glance, target.glance
    there, back = (_scaled(flow, one.shape) for flow in flows)
    shares = np.linspace(0, 1, _PATH_POINTS + 1)
    views = [_crossed(one, two, there, back, float(at)) for at in shares]
    steps = [float(np.abs(late - early).mean()) for early, late in pairwise(views)]
    walked = np.concatenate([[0.0], np.cumsum(steps)])
    even = np.linspace(0, walked[-1], count + 2)[1:-1]
    chosen = np.interp(even, walked, shares)
    return _Path(start, target, flows, tuple(map(float, chosen)), walked[-1] / (count + 1))


def dissolve(before: Sequence[Still], target: Still) -> list[Still]:
    """``before`` fading into ``target``, evenly."""
    import cv2
    import numpy as np

    count = len(before)
    return [
        Still(
            np.asarray(cv2.addWeighted(still.planes, 1 - share, target.planes, share, 0), np.uint8)
        )
        for place, still in enumerate(before, start=1)
        for share in (place / (count + 1),)
    ]


def morph(path: _Path) -> list[Still]:
    """The frames of a path, by optical flow."""
    import numpy as np

    ways = []
    for place, pair in enumerate(zip(_planes(path.start), _planes(path.target), strict=True)):
        one, two = (plane.astype(np.float32) for plane in pair)
        there, back = (_scaled(flow, one.shape) for flow in path.flows)
        ways.append((_detailed if place == 0 else _crossed, one, two, there, back))
    height, width = path.start.luma.shape
    moved = []
    for share in path.shares:
        luma, *chroma = [mix(one, two, there, back, share) for mix, one, two, there, back in ways]
        wanted = path.start.sharpness * (1 - share) + path.target.sharpness * share
        planes = [_rounded(plane) for plane in (_restored(luma, wanted), *chroma)]
        moved.append(Still(_packed(planes, height, width)))
    return moved


def _narrowed(luma: Plane, width: int) -> Plane:
    import cv2

    height, full = luma.shape
    if full <= width:
        return luma
    size = (width, max(2, height * width // full // 2 * 2))
    return cv2.resize(luma, size, interpolation=cv2.INTER_AREA)  # type: ignore[return-value]


def _flows(one: Plane, two: Plane) -> tuple[Flow, Flow]:
    """Flow from each frame to the other, in shares of the picture's size."""
    import cv2
    import numpy as np

    finder = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    small = _narrowed(one, _FLOW_WIDTH), _narrowed(two, _FLOW_WIDTH)
    height, width = small[0].shape
    share = np.array([1 / width, 1 / height], dtype=np.float32)
    empty = np.zeros((height, width, 2), dtype=np.float32)
    there = finder.calc(small[0], small[1], empty.copy())
    back = finder.calc(small[1], small[0], empty)
    return np.asarray(there * share, np.float32), np.asarray(back * share, np.float32)


def _scaled(flow: Flow, shape: tuple[int, ...]) -> Flow:
    """A flow in shares of the picture's size as one in pixels of a plane."""
    import cv2
    import numpy as np

    height, width = shape
    scale = np.array([width, height], dtype=np.float32)
    return np.asarray(cv2.resize(flow, (width, height)) * scale, np.float32)


def _packed(planes: Sequence[Plane], height: int, width: int) -> Plane:
    import numpy as np

    chroma = np.concatenate([plane.reshape(-1) for plane in planes[1:]])
    return np.concatenate([planes[0], chroma.reshape(height // 2, width)])


def _rounded(plane: Luma) -> Plane:
    import numpy as np

    return np.asarray(np.clip(np.rint(plane), 0, 255), np.uint8)


def _planes(still: Still) -> list[Plane]:
    height, width = still.luma.shape
    chroma = still.planes[height:].reshape(-1)
    half = (height // 2, width // 2)
    quarter = half[0] * half[1]
    return [still.luma, chroma[:quarter].reshape(half), chroma[quarter:].reshape(half)]


def _crossed(one: Luma, two: Luma, there: Flow, back: Flow, share: float) -> Luma:
    """Both planes warped towards each other and mixed."""
    import cv2
    import numpy as np

    early, late = _warped(one, there, share), _warped(two, back, 1 - share)
    return np.asarray(cv2.addWeighted(early, 1 - share, late, share, 0), np.float32)


def _detailed(one: Luma, two: Luma, there: Flow, back: Flow, share: float) -> Luma:
    """The same, but the finest detail is handed over quickly in the middle."""
    import cv2
    import numpy as np

    sigma = max(0.4, _DETAIL_SIGMA * one.shape[1])
    early, late = _warped(one, there, share), _warped(two, back, 1 - share)
    handed = float(1 / (1 + np.exp(-_HANDOVER * (share - 0.5))))
    coarse = cv2.addWeighted(early, handed - share, late, share - handed, 0)
    sharp = cv2.addWeighted(early, 1 - handed, late, handed, 0)
    return np.asarray(sharp + cv2.GaussianBlur(coarse, (0, 0), sigma), np.float32)


def _restored(luma: Luma, wanted: float) -> Luma:
    """The plane with some of the detail back that warping and mixing took."""
    import cv2
    import numpy as np

    left = float(cv2.Laplacian(luma, cv2.CV_32F).var())
    if left <= 0 or left >= wanted * _KEPT_DETAIL:
        return luma
    gain = min(_MOST_DETAIL, (wanted * _KEPT_DETAIL / left) ** 0.5)
    soft = cv2.GaussianBlur(luma, (0, 0), max(0.6, _DETAIL_SIGMA * luma.shape[1]))
    return np.asarray(soft + gain * (luma - soft), np.float32)


def _warped(plane: Luma, flow: Flow, share: float) -> Luma:
    import cv2
    import numpy as np

    height, width = plane.shape
    across = np.arange(width, dtype=np.float32)[None, :] - flow[..., 0] * share
    down = np.arange(height, dtype=np.float32)[:, None] - flow[..., 1] * share
    edge = cv2.BORDER_REPLICATE
    moved = cv2.remap(plane, across, down, cv2.INTER_CUBIC, borderMode=edge)
    return np.asarray(moved, dtype=np.float32)
