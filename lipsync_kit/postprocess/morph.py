"""Frames as planes, and the way from one to another by optical flow.

The flow is DIS (Kroeger et al., "Fast Optical Flow using Dense Inverse Search", ECCV 2016);
both frames are warped towards each other. Coarse content is blended evenly along the way; the
finest detail is handed over quickly in the middle, since the mean of two textures is blurred.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from av.video.frame import VideoFrame

    Plane = npt.NDArray[np.uint8]
    Luma = npt.NDArray[np.float32]
    Flow = npt.NDArray[np.float32]
    Field = TypeVar("Field", npt.NDArray[np.uint8], npt.NDArray[np.float32])

_PATH_POINTS = 10
"""Points at which a path is looked at to space its frames evenly."""

_GLANCE_WIDTH = 320
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

        blurred = cv2.GaussianBlur(narrowed(self.luma, _GLANCE_WIDTH), (5, 5), 0)
        return np.asarray(blurred, dtype=np.float32)

    @cached_property
    def sharpness(self) -> float:
        """Variance of the luma's Laplacian."""
        return _sharpness(self.luma)

    def step(self, other: Still) -> float:
        """Mean change of blurred luma from one frame to another."""
        import numpy as np

        return float(np.abs(self.glance - other.glance).mean())


@dataclass(frozen=True)
class Path:
    """A way from one frame to another: flows both ways, and how far along each frame lies.

    ``shares``: for every frame between, 0 at ``start`` and 1 at ``target``, spaced so that
    all steps look equally large. ``step``: that size.
    """

    start: Still
    target: Still
    flows: tuple[Flow, Flow]
    shares: tuple[float, ...]
    step: float


def path_between(start: Still, target: Still, count: int, *, eased: bool = False) -> Path:
    """A path of ``count`` frames; ``eased``: it sets off and arrives at half its speed."""
    import numpy as np

    flows = flows_between(start.luma, target.luma)
    one, two = start.glance, target.glance
    shares = np.linspace(0, 1, _PATH_POINTS + 1)
    views = [_crossed(one, two, flows, float(at)) for at in shares]
    steps = [float(np.abs(late - early).mean()) for early, late in pairwise(views)]
    walked = np.concatenate([[0.0], np.cumsum(steps)])
    even = np.linspace(0, 1, count + 2)[1:-1]
    if eased:
        even = (even + even * even * (3 - 2 * even)) / 2
    chosen = np.interp(even * walked[-1], walked, shares)
    return Path(start, target, flows, tuple(map(float, chosen)), walked[-1] / (count + 1))


def morph(path: Path) -> Iterator[Still]:
    """The frames of a path, in order."""
    ones, twos = planes_of(path.start), planes_of(path.target)
    for share in path.shares:
        luma = _detailed(ones[0], twos[0], path.flows, share)
        wanted = path.start.sharpness * (1 - share) + path.target.sharpness * share
        chroma = [
            _crossed(one, two, path.flows, share)
            for one, two in zip(ones[1:], twos[1:], strict=True)
        ]
        yield Still(_packed(_rounded(_restored(luma, wanted)), chroma))


def narrowed(luma: Plane, width: int) -> Plane:
    """A plane at most ``width`` wide, its height even."""
    import cv2

    height, full = luma.shape
    if full <= width:
        return luma
    size = (width, max(2, height * width // full // 2 * 2))
    return cv2.resize(luma, size, interpolation=cv2.INTER_AREA)  # type: ignore[return-value]


def flows_between(one: Plane, two: Plane, width: int = _FLOW_WIDTH) -> tuple[Flow, Flow]:
    """Flow from each frame to the other, in shares of the picture's size.

    ``width``: of the pictures that it is found in.
    """
    import cv2
    import numpy as np

    finder = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    small = narrowed(one, width), narrowed(two, width)
    height, width = small[0].shape
    share = np.array([1 / width, 1 / height], dtype=np.float32)
    empty = np.zeros((height, width, 2), dtype=np.float32)
    there = finder.calc(small[0], small[1], empty.copy())
    back = finder.calc(small[1], small[0], empty)
    return np.asarray(there * share, np.float32), np.asarray(back * share, np.float32)


def displaced(plane: Field, field: Flow) -> Field:
    """A plane whose every place is moved by a field in shares of the plane's size."""
    import cv2
    import numpy as np

    height, width = plane.shape
    sought = cv2.resize(field * np.array([-width, -height], np.float32), (width, height))
    flags = cv2.INTER_CUBIC | cv2.WARP_RELATIVE_MAP  # OpenCV 5.0 gets relative linear ones wrong
    nothing = np.empty(0, np.float32)
    return cv2.remap(plane, sought, nothing, flags, borderMode=cv2.BORDER_REPLICATE)  # type: ignore[return-value]


def _packed(luma: Plane, chroma: Sequence[Plane]) -> Plane:
    """Luma and two chroma planes as one I420 array."""
    import numpy as np

    height, width = luma.shape
    flat = np.concatenate([plane.reshape(-1) for plane in chroma])
    return np.concatenate([luma, flat.reshape(height // 2, width)])


def planes_of(still: Still) -> list[Plane]:
    """Luma and the two chroma planes, as views."""
    height, width = still.luma.shape
    chroma = still.planes[height:].reshape(-1)
    half = (height // 2, width // 2)
    quarter = half[0] * half[1]
    return [still.luma, chroma[:quarter].reshape(half), chroma[quarter:].reshape(half)]


def _crossed(one: Field, two: Field, flows: tuple[Flow, Flow], share: float) -> Field:
    """Both planes moved towards each other and mixed."""
    import cv2

    early, late = displaced(one, flows[0] * share), displaced(two, flows[1] * (1 - share))
    return cv2.addWeighted(early, 1 - share, late, share, 0)  # type: ignore[return-value]


def _detailed(one: Plane, two: Plane, flows: tuple[Flow, Flow], share: float) -> Luma:
    """The same, but the finest detail is handed over quickly in the middle.

    Not rounded yet: differences of less than a level, over a whole background, are seen when
    they come at once.
    """
    import cv2
    import numpy as np

    early = displaced(one.astype(np.float32), flows[0] * share)
    late = displaced(two.astype(np.float32), flows[1] * (1 - share))
    handed = float(1 / (1 + np.exp(-_HANDOVER * (share - 0.5))))
    coarse = cv2.addWeighted(early, handed - share, late, share - handed, 0)
    sharp = cv2.addWeighted(early, 1 - handed, late, handed, 0, early)
    del late
    sigma = max(0.4, _DETAIL_SIGMA * one.shape[1])
    soft = cv2.GaussianBlur(coarse, (0, 0), sigma, coarse)
    return cv2.add(sharp, soft, sharp)  # type: ignore[return-value]


def _restored(luma: Luma, wanted: float) -> Luma:
    """The plane with some of the detail back that warping and mixing took."""
    import cv2

    left = _sharpness(luma)
    if left <= 0 or left >= wanted * _KEPT_DETAIL:
        return luma
    gain = min(_MOST_DETAIL, (wanted * _KEPT_DETAIL / left) ** 0.5)
    soft = cv2.GaussianBlur(luma, (0, 0), max(0.6, _DETAIL_SIGMA * luma.shape[1]))
    return cv2.addWeighted(luma, gain, soft, 1 - gain, 0, soft)  # type: ignore[return-value]


def _rounded(luma: Luma) -> Plane:
    import numpy as np

    return np.asarray(np.clip(np.rint(luma, out=luma), 0, 255, out=luma), np.uint8)


def _sharpness(luma: Plane | Luma) -> float:
    """Variance of a plane's Laplacian."""
    import cv2

    return float(cv2.meanStdDev(cv2.Laplacian(luma, cv2.CV_32F))[1][0, 0] ** 2)
