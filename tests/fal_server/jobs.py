"""fal's side of the counter: jobs, the files that came up, the clips that go down, the bill."""

from __future__ import annotations

import io
import itertools
import threading
import time
import uuid
import wave
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cache
from pathlib import Path
from tempfile import gettempdir
from typing import Any

from lipsync_kit.store import atomic

FPS = 25
SIDE = 96


@dataclass(frozen=True)
class Failure:
    """How a job fails: the model's own status and body, and what the status question tells."""

    status: int = 422
    body: Any = None
    error: str | None = None
    error_type: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass
class Job:
    """One accepted request."""

    id: str
    model: str
    arguments: dict[str, Any]
    sent: float
    starts: float
    ends: float
    failure: Failure | None = None
    cancelled: bool = False
    number: int = 0

    def state(self, now: float) -> str:
        if now >= self.ends or self.cancelled:
            return "COMPLETED"
        return "IN_PROGRESS" if now >= self.starts else "IN_QUEUE"

    @property
    def is_billed(self) -> bool:
        return not self.cancelled and self.failure is None


class Counter:
    """Everything that the server remembers. Thread-safe."""

    def __init__(self, queue_seconds: float, run_seconds: float) -> None:
        self.queue_seconds = queue_seconds
        self.run_seconds = run_seconds
        self.guard = threading.RLock()
        self.jobs: dict[str, Job] = {}
        self.files: dict[str, bytes] = {}
        self.file_types: dict[str, tuple[str, str]] = {}
        self.failures: dict[int, Failure] = {}
        self.clip_seconds: Fraction | None = None
        self.expired = False
        self.broken = False
        self.trims = True
        self.reported_seconds: float | None = None
        self.uploads_expired = False
        self._numbers = itertools.count()

    def register(self, model: str, arguments: dict[str, Any]) -> Job:
        now = time.time()
        with self.guard:
            number = next(self._numbers)
            starts = now + self.queue_seconds
            job = Job(
                id=str(uuid.uuid4()),
                model=model,
                arguments=arguments,
                sent=now,
                starts=starts,
                ends=starts + self.run_seconds,
                failure=self.failures.get(number),
                number=number,
            )
            self.jobs[job.id] = job
        return job

    def keep_file(self, data: bytes, name: str, media_type: str) -> str:
        key = f"{uuid.uuid4().hex}/{name}"
        with self.guard:
            self.files[key] = data
            self.file_types[key] = (name, media_type)
        return key

    def billed(self) -> list[Job]:
        """Jobs that fal bills for certain."""
        with self.guard:
            return [job for job in self.jobs.values() if job.is_billed]

    def clip(self, job: Job) -> bytes:
        """The job's clip: as long as the sound that was sent for it."""
        if self.broken:
            return make_clip(FPS)[:-900]
        if self.clip_seconds is not None:
            return make_clip(round(self.clip_seconds * FPS))
        sound, video = (self._upload(job, name) for name in ("audio_url", "video_url"))
        if sound is not None:
            return make_clip(round(_wav_seconds(sound) * FPS))
        if video is not None:
            trim = bool(job.arguments.get("trim_first_second")) and self.trims
            return copy_video(video, trim=trim)
        return make_clip(FPS)

    def _upload(self, job: Job, name: str) -> bytes | None:
        return self.files.get(str(job.arguments.get(name, "")).partition("/uploads/")[2])


def _wav_seconds(data: bytes) -> Fraction:
    with wave.open(io.BytesIO(data)) as sound:
        return Fraction(sound.getnframes(), sound.getframerate())


@cache
def copy_video(data: bytes, *, trim: bool) -> bytes:
    """What a motion model makes of a driver that is its own character: the same frames.

    ``trim``: without the first second.
    """
    import tempfile

    from lipsync_kit.media import ffmpeg

    with tempfile.TemporaryDirectory() as folder:
        before, after = Path(folder) / "before.mp4", Path(folder) / "after.mp4"
        before.write_bytes(data)
        picture = ffmpeg.source(before).video.filter("trim", start=1 if trim else 0)
        output = picture.filter("setpts", "PTS-STARTPTS").output(
            f"file:{after}", **{"c:v": "libx264", "crf": 12, "preset": "ultrafast"}
        )
        ffmpeg.run(output, "test clip")
        return after.read_bytes()


@cache
def make_clip(frames: int) -> bytes:
    """A small real MP4 of so many frames, made once a machine."""
    from lipsync_kit.media import ffmpeg

    folder = Path(gettempdir()) / "lipsync-kit-test-clips"
    path = folder / f"{SIDE}-{FPS}-{frames}.mp4"
    if not path.exists():
        import ffmpeg as graph

        source = f"testsrc2=s={SIDE}x{SIDE}:r={FPS}:d={float(Fraction(frames, FPS)) + 1}"
        with atomic(path) as temporary:
            output = graph.input(source, f="lavfi").output(
                f"file:{temporary}", **{"frames:v": frames, "c:v": "libx264", "pix_fmt": "yuv420p"}
            )
            ffmpeg.run(output, "test clip")
    return path.read_bytes()
