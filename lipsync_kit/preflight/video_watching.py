"""When a video is watched, and where what was seen is kept."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np

from lipsync_kit.preflight.video_frames import Frames
from lipsync_kit.preflight.video_picture import Picture
from lipsync_kit.preflight.video_reel import Reel
from lipsync_kit.preflight.video_survey import survey
from lipsync_kit.preflight.video_watch import (
    LONG_SIDE,
    Sample,
    Watched,
    Watcher,
    look_closely,
    read_samples,
    sample_places,
    write_samples,
)
from lipsync_kit.progress import Progress
from lipsync_kit.project import Layout
from lipsync_kit.schema import Video
from lipsync_kit.store import atomic, digest_json

_VERSION = 2


@dataclass(frozen=True)
class Watching:
    """Watches a reel once, in a pass of its own or along with one that is made anyway."""

    reel: Reel
    layout: Layout
    progress: Progress

    @property
    def _path(self) -> Path:
        return self.layout.watched

    @property
    def _key(self) -> str:
        reel = self.reel
        return digest_json(["video.watch", _VERSION, reel.sha256, str(reel.fps), *reel.tools])

    def known(self) -> Watched | None:
        """What was seen in an earlier run."""
        fresh = self.layout.stamps().fresh(self._path, self._key)
        return Watched.load(self._path) if fresh else None

    def watcher(self) -> Watcher:
        """One that is ready for the film's frames."""
        return Watcher(sample_places(self.reel.frames, self.reel.fps))

    def first(self) -> Watched:
        """Watch it in a pass of its own."""
        reel, watcher = self.reel, self.watcher()
        frames = Frames(reel.footage, small(reel.picture), rough=True)
        with self.progress.task("watching the video", reel.frames, "frames") as task:
            for frame in frames.read(reel.grid.order()):
                watcher.see(frame)
                task.advance()
        return self._kept(watcher.done(frames.missing))

    def after(self, watcher: Watcher | None, missing: int) -> Watched:
        """What ``watcher`` saw along the way, if it saw all; else watch it now."""
        if watcher is None or watcher.frames != self.reel.frames:
            return self.first()
        return self._kept(watcher.done(missing))

    def _kept(self, watched: Watched) -> Watched:
        with atomic(self._path) as temporary:
            watched.save(temporary)
        self.layout.stamps().mark(self._path, key=self._key)
        return watched


def small(picture: Picture) -> Picture:
    """The size in which a picture is watched."""
    zoom = min(Fraction(1), Fraction(LONG_SIDE, max(picture.width, picture.height)))
    width, height = (max(2, int(side * zoom) // 2 * 2) for side in (picture.width, picture.height))
    return Picture(width, height)


def looks(layout: Layout, video: Video, key: str) -> tuple[Sample, ...]:
    """A few frames of the prepared video, looked at closely. ``key``: of the video's work."""
    path, stamps = layout.hidden / "video" / "looks.json", layout.stamps()
    own_key = digest_json(["video.looks", _VERSION, key])
    if stamps.fresh(path, own_key):
        return read_samples(path)
    places = sample_places(video.frames, video.fps)
    picture = small(Picture(video.width, video.height))
    frames = Frames(survey(layout.driving), picture, rough=True).read(np.array(places))
    samples = tuple(look_closely(place, frame) for place, frame in zip(places, frames, strict=True))
    write_samples(path, samples)
    stamps.mark(path, key=own_key)
    return samples
