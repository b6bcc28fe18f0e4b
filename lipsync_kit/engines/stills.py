"""Clips of the silences that were not sent: the neighbouring clip's frame, held."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from lipsync_kit import timing
from lipsync_kit.media import ffmpeg
from lipsync_kit.project import Layout
from lipsync_kit.schema import Chunk, Project
from lipsync_kit.store import atomic, digest_file, digest_json

ENGINE = "still"
TAIL_SECONDS = 0.5
"""How much of a clip's end is read to find its last frame."""


def still_clips(layout: Layout, project: Project, clips: Mapping[int, Path]) -> dict[int, Path]:
    """A clip for every chunk that is a still, held from the clip before it (or after it).

    ``clips``: the clips there are, by chunk.
    """
    made: dict[int, Path] = {}
    for chunk in project.chunks:
        if chunk.kind != "still":
            continue
        before = [index for index in clips if index < chunk.index]
        neighbour = clips[max(before)] if before else clips[min(clips)]
        made[chunk.index] = _hold(layout, project, chunk, neighbour, last=bool(before))
    return made


def _hold(layout: Layout, project: Project, chunk: Chunk, clip: Path, *, last: bool) -> Path:
    frames = timing.edge(chunk.end, project.fps) - timing.edge(chunk.start, project.fps)
    key = digest_json([digest_file(clip), frames, str(project.fps), last])
    path = layout.take(ENGINE, key, 1)
    if path.exists():
        return path
    picture = ffmpeg.source(clip, **({"sseof": -TAIL_SECONDS} if last else {})).video
    if last:
        picture = picture.filter("reverse")
    held = (
        picture.filter("trim", end_frame=1)
        .filter("setpts", "PTS-STARTPTS")
        .filter("fps", str(project.fps))
        .filter("tpad", stop_mode="clone", stop=frames)
    )
    with atomic(path) as temporary:
        output = held.output(
            f"file:{temporary}", **{"frames:v": frames, "c:v": "libx264", "crf": 16}
        )
        ffmpeg.run(output, str(clip))
    return path
