"""A video on its way into the project: examined, then written whole and in pieces.

What was made is stamped with the key of its work, so that a second run makes nothing twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from lipsync_kit.catalog import Model
from lipsync_kit.errors import InputError
from lipsync_kit.media.ffmpeg import ffmpeg_version
from lipsync_kit.preflight.video_footage import Footage, Ticks
from lipsync_kit.preflight.video_frames import Frames
from lipsync_kit.preflight.video_picture import Picture, fit, misfits, reasons
from lipsync_kit.preflight.video_rate import Grid, find_grid
from lipsync_kit.preflight.video_survey import survey
from lipsync_kit.preflight.video_watch import Watcher
from lipsync_kit.preflight.video_write import Encoding, copy, encode, whole_run
from lipsync_kit.progress import Progress, Task
from lipsync_kit.project import Layout
from lipsync_kit.schema import Video
from lipsync_kit.store import atomic, digest_file, digest_json
from lipsync_kit.timing import grid_sample

SHORTEST = Fraction(1, 2)
"""Seconds below which a video is refused."""

if TYPE_CHECKING:
    from av.video.frame import VideoFrame

_VERSION = 2
_SERVICE_CODECS = ("h264", "vp8", "vp9")


@dataclass(frozen=True, eq=False)
class Reel:
    """A video that was examined: what it is, and what it will be.

    ``grid``: its frames at the film's rate; ``picture``: its size in the project; ``why``: the
    reasons for which it can't be copied, none when it can.
    """

    footage: Footage
    grid: Grid
    picture: Picture
    why: tuple[str, ...]

    @property
    def fps(self) -> Fraction:
        """Frames per second in the project."""
        return self.grid.fps

    @property
    def frames(self) -> int:
        """Frames that it fills at the project's rate."""
        return self.grid.frames

    @property
    def samples(self) -> int:
        """Its length in samples of the 48 kHz timeline."""
        return grid_sample(self.frames, self.fps)

    @cached_property
    def sha256(self) -> str:
        """The digest of the file."""
        return digest_file(self.footage.path)

    def suits(self, model: Model) -> bool:
        """Whether the file itself is within all of the model's bounds but length."""
        footage, limits = self.footage, model.video
        size = footage.path.stat().st_size
        return (
            footage.codec in _SERVICE_CODECS
            and (footage.copyable or footage.codec != "h264")
            and footage.path.suffix.lower().removeprefix(".") in limits.formats
            and (limits.max_bytes is None or size <= limits.max_bytes)
            and not misfits(footage, self.grid, self.picture)
        )

    @property
    def tools(self) -> list[str]:
        """Versions of what decodes and encodes it."""
        toned = [ffmpeg_version()] if self.footage.colour.name else []
        return [f"av {version('av')}", *toned]


def examine(source: Path, model: Model, fps: Fraction | None = None) -> Reel:
    """Look at a video and decide how it will be prepared; nothing is written.

    ``fps``: the project's rate, by default the video's own. Raises
    :class:`~lipsync_kit.errors.InputError` for what is no usable video.
    """
    footage = survey(source)
    if footage.seconds < SHORTEST:
        raise InputError(
            f"{source}: {float(footage.seconds):.2f} s of video is too short to work with.",
            code="video_too_short",
            hint=f"Give {float(SHORTEST):g} s or more.",
            seconds=float(footage.seconds),
        )
    grid = find_grid(footage, fps)
    picture = fit(footage, model.video)
    return Reel(footage, grid, picture, tuple(reasons(footage, grid, picture)))


@dataclass(frozen=True)
class Span:
    """Frames ``[start, end)`` of the whole, after ``lead`` frames that precede them.

    Where the whole has no such frames, its first one is held.
    """

    start: int
    end: int
    lead: int = 0

    def covers(self, frames: int) -> bool:
        """Whether it has all of a whole's ``frames``."""
        return self.start == 0 and self.end == frames

    def order(self) -> Ticks:
        """The whole's frames that the piece shows."""
        return np.maximum(0, np.arange(self.start - self.lead, self.end, dtype=np.int64))


@dataclass
class Workshop:
    """Writes a reel into the project.

    ``watcher``: sees the film's frames on the way, where one pass over them all is needed
    anyway. ``copied``: whether the whole is a copy, packet by packet. ``missing``: frames that
    could not be decoded, for which their neighbours stand in.
    """

    reel: Reel
    layout: Layout
    progress: Progress
    watcher: Watcher | None = None
    copied: bool = field(default=False, init=False)
    missing: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        self._stamps = self.layout.stamps()
        self._stock: tuple[Footage, int] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stock_path.unlink(missing_ok=True)

    @property
    def _stock_path(self) -> Path:
        return self.layout.driving.with_name(".stock.mp4")

    def whole(
        self, order: Ticks, keys: Iterable[int], name: Sequence[Any], lead: int = 0
    ) -> tuple[Video, str]:
        """``driving/driving.mp4``, showing the reel's film frames ``order``, and its key.

        ``keys``: frames at which pieces will begin or end; ``name``: what ``order`` follows
        from; ``lead``: how often the first frame is held before the first piece.
        """
        reel, path = self.reel, self.layout.driving
        run = self._copied(order)
        self.copied = run is not None
        how = ["copy"] if run else ["encode", reel.picture.width, reel.picture.height]
        key = digest_json(
            ["video.whole", _VERSION, reel.sha256, str(reel.fps), *how, *name, *reel.tools]
        )
        note = self._stamps.note(path, key)
        if note is None:
            missing = 0
            with atomic(path) as temporary:
                if run is not None:
                    copy(reel.footage, run, temporary, reel.fps)
                elif lead == 0:
                    missing = self._encode(order, keys, temporary)
                else:
                    missing = self._encode_with_lead(order, set(keys), temporary, lead)
            note = {"missing": missing}
            self._stamps.mark(path, key=key, note=note)
        self.missing += note["missing"]
        return self._described(len(order)), key

    def _copied(self, order: Ticks) -> slice | None:
        """The packets that are ``order`` as they are, if that can be."""
        if self.reel.why or not np.array_equal(order, np.arange(len(order))):
            return None
        return whole_run(self.reel.footage, 0, len(order))

    def _encode_with_lead(self, order: Ticks, keys: set[int], path: Path, lead: int) -> int:
        """Encode the first piece's held frames along, so that pieces can be copied out of it."""
        stock = self._stock_path
        held = np.concatenate([np.repeat(order[:1], lead), order])
        missing = self._encode(held, {lead, *(key + lead for key in keys)}, stock, lead)
        footage = survey(stock)
        run = whole_run(footage, lead, len(held))
        assert run is not None
        copy(footage, run, path, self.reel.fps)
        self._stock = footage, lead
        return missing

    def _encode(self, order: Ticks, keys: Iterable[int], path: Path, lead: int = 0) -> int:
        reel = self.reel
        footage, shown = reel.footage, reel.grid.order()[order]
        if footage.forward_only and np.any(np.diff(shown) < 0):
            return self._through_base(path, order, keys)
        return self._into(path, Frames(footage, reel.picture), shown, keys, lead)

    def _through_base(self, path: Path, order: Ticks, keys: Iterable[int]) -> int:
        """As :meth:`_encode`, for a video that is only read forwards: one that is not, first."""
        reel, base = self.reel, path.with_name(f".base{path.name}")
        try:
            frames = Frames(reel.footage, reel.picture)
            missing = self._into(base, frames, reel.grid.order(), ())
            frames = Frames(survey(base), reel.picture)
            return missing + self._into(path, frames, order, keys)
        finally:
            base.unlink(missing_ok=True)

    def _into(
        self, path: Path, frames: Frames, order: Ticks, keys: Iterable[int], lead: int = 0
    ) -> int:
        """Encode frames; the film's are those after ``lead``. Frames missing."""
        reel = self.reel
        path.parent.mkdir(parents=True, exist_ok=True)
        with self.progress.task("preparing the video", len(order), "frames") as task:
            encode(
                _counted(self._seen(frames.read(order), lead), task),
                path,
                picture=reel.picture,
                fps=reel.fps,
                count=len(order),
                keys=keys,
            )
        return frames.missing

    def _seen(self, frames: Iterable[VideoFrame], lead: int) -> Iterator[VideoFrame]:
        """The frames, shown to the watcher on the way, but for the ``lead``."""
        for place, frame in enumerate(frames):
            if self.watcher is not None and place >= lead:
                self.watcher.see(frame)
            yield frame

    def _described(self, frames: int) -> Video:
        path, picture = self.layout.driving, self.reel.picture
        return Video(
            path=self.layout.relative(path),
            width=picture.width,
            height=picture.height,
            bytes=path.stat().st_size,
            fps=self.reel.fps,
            frames=frames,
            has_sound=self.reel.footage.has_sound,
        )

    def pieces(self, spans: Sequence[Span], whole_key: str, max_bytes: int | None) -> list[str]:
        """``driving/chunks``, one file per span; their digests. Stale pieces are removed."""
        whole = survey(self.layout.driving)
        digests = []
        with self.progress.task("cutting the video", len(spans), "pieces") as task:
            for index, span in enumerate(spans):
                digests.append(self._piece(index, span, whole, whole_key, max_bytes))
                task.advance()
        kept = {self.layout.piece(index) for index in range(len(spans))}
        for path in self.layout.piece(0).parent.glob("[0-9]*.mp4"):
            if path not in kept:
                path.unlink()
        return digests

    def _piece(
        self, index: int, span: Span, whole: Footage, whole_key: str, max_bytes: int | None
    ) -> str:
        path = self.layout.piece(index)
        row = [span.start, span.end, span.lead, max_bytes]
        key = digest_json(["video.piece", _VERSION, whole_key, *row])
        note = self._stamps.note(path, key)
        if note is None:
            with atomic(path) as temporary:
                missing = self._cut(span, whole, temporary, max_bytes)
            note = {"sha256": digest_file(path), "missing": missing}
            self._stamps.mark(path, key=key, note=note)
        self.missing += note["missing"]
        return str(note["sha256"])

    def _cut(self, span: Span, whole: Footage, path: Path, max_bytes: int | None) -> int:
        """Copy the packets where a run of them is the piece; else encode it. Frames missing."""
        footage, ahead = self._stock or (whole, 0)
        first = span.start - span.lead + ahead
        run = whole_run(footage, first, span.end + ahead) if first >= 0 else None
        if run is not None and not _too_large(footage, run, max_bytes):
            copy(footage, run, path, self.reel.fps)
            return 0
        frames, order = Frames(whole, self.reel.picture), span.order()
        shown = frames.read(order)
        if self.watcher is not None and self.watcher.frames == 0 and span.covers(whole.frames):
            shown = self._seen(shown, span.lead)
        encode(
            shown,
            path,
            picture=self.reel.picture,
            fps=self.reel.fps,
            count=len(order),
            how=Encoding(max_bytes=max_bytes),
        )
        return frames.missing


def _too_large(whole: Footage, run: slice, max_bytes: int | None) -> bool:
    # An MP4's own tables take a few bytes a packet.
    count = run.stop - run.start
    return max_bytes is not None and int(whole.sizes[run].sum()) + 64 * count + 4096 > max_bytes


def _counted(frames: Iterable[VideoFrame], task: Task) -> Iterator[VideoFrame]:
    for frame in frames:
        yield frame
        task.advance()
