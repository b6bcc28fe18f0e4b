"""Videos: a driving video for motion, a source video for dubbing.

Examine, watch, plan the pieces, write the whole and the pieces. What fits is copied packet by
packet; what does not is encoded once, with a key frame wherever a piece begins.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import numpy as np

from lipsync_kit.catalog import Model
from lipsync_kit.errors import UsageError
from lipsync_kit.plan.cost import estimate
from lipsync_kit.plan.driving import (
    Rules,
    describe,
    find_scenes,
    lead_frames,
    plan_pieces,
)
from lipsync_kit.plan.dubbing import Fit, fitted, sent_frames
from lipsync_kit.preflight.video_findings import filled, mended, moved, prepared, seen
from lipsync_kit.preflight.video_reel import Reel, Span, Workshop, examine
from lipsync_kit.preflight.video_sound import is_silent, write_master
from lipsync_kit.preflight.video_watch import Watched, Watcher
from lipsync_kit.preflight.video_watching import Watching, looks
from lipsync_kit.progress import Progress
from lipsync_kit.project import Layout
from lipsync_kit.schema import Audio, Chunk, Estimate, Finding, Video
from lipsync_kit.store import atomic, digest_json, write_text
from lipsync_kit.timing import SAMPLE_RATE, edge, film_frames

__all__ = [
    "Driving", "DrivingOptions", "DubSource", "Reel", "examine", "prepare_driving",
    "prepare_source",
]  # fmt: skip


@dataclass(frozen=True)
class DrivingOptions:
    """How a driving video is prepared.

    ``trim``: the service leaves out the first second of its result. ``sound``: keep the
    driver's. ``max_chunk``: seconds that may be sent at once, below the model's own limit.
    """

    trim: bool = True
    sound: bool = True
    max_chunk: Fraction | None = None
    resolution: str = "1080p"


@dataclass(frozen=True)
class Driving:
    """A prepared driving video and its plan. ``audio.path`` is ``None`` for a silent film.

    ``as_given``: the file itself is within all bounds and is all that would be sent.
    """

    video: Video
    audio: Audio
    chunks: tuple[Chunk, ...]
    findings: tuple[Finding, ...]
    estimate: Estimate
    as_given: bool


@dataclass(frozen=True)
class DubSource:
    """A prepared source video. ``pieces``: digest of ``driving/chunks/NNNN.mp4`` by chunk.

    ``as_given``: the file itself is within all bounds and is all that would be sent.
    """

    video: Video
    pieces: tuple[str, ...]
    findings: tuple[Finding, ...]
    as_given: bool


def prepare_driving(
    source: Path,
    *,
    layout: Layout,
    fps: Fraction | None,
    model: Model,
    options: DrivingOptions,
    progress: Progress,
) -> Driving:
    """Make ``driving/driving.mp4``, its pieces and ``audio/master.wav``, and plan the pieces.

    ``fps``: the film's rate, by default the video's own. Raises
    :class:`~lipsync_kit.errors.InputError` for what is no usable video.
    """
    return _Motion(layout, model, options, progress).prepare(examine(source, model, fps))


@dataclass(frozen=True)
class _Motion:
    """Prepares driving videos into one project."""

    layout: Layout
    model: Model
    options: DrivingOptions
    progress: Progress

    def prepare(self, reel: Reel) -> Driving:
        """Plan, write, and say what was seen."""
        rules = piece_rules(reel.fps, self.model, self.options)
        watching = Watching(reel, self.layout, self.progress)
        watched = watching.known()
        if watched is None and reel.frames + rules.lead > rules.longest:
            watched = watching.first()  # how it moves decides where it is split
        if watched is not None and watched.missing and not reel.why:
            reel = replace(reel, why=(f"damaged in {watched.missing} frames",))
        watcher = None if watched else watching.watcher()
        video, chunks, missing = self._written(reel, _plan(reel, watched, rules), rules, watcher)
        if watched is None:
            watched = watching.after(watcher, missing)
            if watched.missing and not reel.why:
                return self.prepare(reel)  # the copy is damaged: now it is known, and mended
        scenes = find_scenes(watched.change, reel.fps)
        return Driving(
            video=video,
            audio=_own_sound(reel, self.layout, wanted=self.options.sound),
            chunks=chunks,
            findings=(
                *prepared(reel.footage, reel.grid, reel.picture, reel.why),
                *mended(reel.footage, missing),
                *seen(watched.samples, reel.picture),
                *moved(watched, scenes, reel.fps),
            ),
            estimate=estimate(chunks, self.model, self.options.resolution),
            as_given=_as_given(reel, self.model, [_span(chunk, reel.fps) for chunk in chunks]),
        )

    def _written(
        self, reel: Reel, chunks: Sequence[Chunk], rules: Rules, watcher: Watcher | None
    ) -> tuple[Video, tuple[Chunk, ...], int]:
        """The whole, the chunks with their files, and how many frames were missing."""
        spans = [_span(chunk, reel.fps) for chunk in chunks]
        with Workshop(reel, self.layout, self.progress, watcher) as workshop:
            every = np.arange(reel.frames)
            video, key = workshop.whole(every, _key_frames(spans), ["all"], rules.lead)
            digests = workshop.pieces(spans, key, self.model.video.max_bytes)
        files = [self.layout.relative(self.layout.piece(chunk.index)) for chunk in chunks]
        named = (
            chunk.model_copy(update={"path": path, "sha256": digest})
            for chunk, path, digest in zip(chunks, files, digests, strict=True)
        )
        return video, tuple(named), workshop.missing


def _plan(reel: Reel, watched: Watched | None, rules: Rules) -> list[Chunk]:
    """The pieces; one that was not watched yet needs no split."""
    movement, scenes = np.zeros(reel.frames, np.float32), []
    if watched is not None:
        movement, scenes = watched.movement, find_scenes(watched.change, reel.fps)
    return describe(plan_pieces(movement, scenes, rules), reel.fps)


def piece_rules(fps: Fraction, model: Model, options: DrivingOptions) -> Rules:
    """What the model and the user allow a piece to be, with a frame to spare.

    Raises :class:`~lipsync_kit.errors.UsageError` when that is too short to be of use.
    """
    lead = lead_frames(fps) if model.trims_first_second and options.trim else 0
    tier = model.tier(options.resolution)
    limits = [tier.max_seconds, model.video.max_seconds, options.max_chunk]
    known = [limit for limit in limits if limit is not None]
    longest = math.floor(min(known) * fps) - 1 if known else math.floor(10**5 * fps)
    if longest - lead < fps:
        least = math.ceil(Fraction(lead + 1) / fps + 1)
        raise UsageError(
            f"--max-chunk {float(min(known)):g}: a piece is sent with {lead} frames before it.",
            hint=f"Choose {least} seconds or more, or --no-trim.",
        )
    return Rules(fps, longest, lead, model.billing)


def _span(chunk: Chunk, fps: Fraction) -> Span:
    start = edge(chunk.start, fps)
    return Span(start, edge(chunk.end, fps), start - edge(chunk.sent_start, fps))


def _key_frames(spans: Sequence[Span]) -> set[int]:
    """Where each piece's packets begin and end, so that they can be copied."""
    return {frame for span in spans for frame in (span.start - span.lead, span.end) if frame > 0}


def _as_given(reel: Reel, model: Model, spans: Sequence[Span]) -> bool:
    return spans == [Span(0, reel.frames)] and reel.suits(model)


def _own_sound(reel: Reel, layout: Layout, *, wanted: bool) -> Audio:
    """The driver's sound as the master, or none."""
    silent = Audio(path=None, sample_rate=SAMPLE_RATE, samples=reel.samples)
    master, stamps = layout.master, layout.stamps()
    if not wanted or not reel.footage.has_sound:
        master.unlink(missing_ok=True)
        return silent
    known = layout.hidden / "video" / "sound.json"
    key = digest_json(["video.sound", 1, reel.sha256, reel.samples, *reel.tools])
    channels = stamps.note(known, key)
    if channels is None or (channels > 0 and not stamps.fresh(master, key)):
        with atomic(master) as temporary:
            channels = write_master(reel.footage, reel.samples, temporary)
            if is_silent(temporary):
                channels = 0
        write_text(known, json.dumps({"channels": channels}))
        stamps.mark(known, master, key=key, note=channels)
    if channels == 0:
        master.unlink(missing_ok=True)
        return silent
    return silent.model_copy(update={"path": layout.relative(master), "channels": channels})


def prepare_source(
    reel: Reel,
    *,
    layout: Layout,
    model: Model,
    samples: int,
    chunks: Sequence[Chunk],
    fit: Fit,
    progress: Progress,
) -> DubSource:
    """Make ``driving/driving.mp4``, as long as the film, and a piece of it for each chunk.

    ``samples``: of the film. A piece has the frames under the sound that is sent for its
    chunk, handles included.
    """
    film = film_frames(samples, reel.fps)
    order = fitted(reel.frames, film, fit)
    spans = [Span(first, min(film, end)) for first, end in _sent(chunks, reel.fps)]
    name = [fit if film > reel.frames else "whole", film]
    with Workshop(reel, layout, progress) as workshop:
        video, key = workshop.whole(order, _key_frames(spans), name)
        digests = workshop.pieces(spans, key, model.video.max_bytes)
    why = reel.why
    if not why and not workshop.copied:
        why = (f"made to last {float(film / reel.fps):.2f} s",)
    return DubSource(
        video=video,
        pieces=tuple(digests),
        findings=(
            *prepared(reel.footage, reel.grid, reel.picture, why),
            *mended(reel.footage, workshop.missing),
            *filled(reel.footage, Fraction(reel.frames) / reel.fps, Fraction(film) / reel.fps, fit),
            *seen(looks(layout, video, key), reel.picture),
        ),
        as_given=_as_given(reel, model, spans),
    )


def _sent(chunks: Sequence[Chunk], fps: Fraction) -> list[tuple[int, int]]:
    return [sent_frames(chunk, fps) for chunk in chunks]
