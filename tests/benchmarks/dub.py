"""Do dubbed lips move with the new speech? ``python -m tests.benchmarks.dub [FOLDER]``.

Dubs every video of FOLDER that a person speaks or could speak in (``video*.mp4``, and with
``--all`` ``driving*.mp4``; also by ``LIPSYNC_MEDIA``) with every ``speech*.wav`` as a user
would, and reads the lips back from the film with landmarks. Without a folder the shipped
portrait, made to talk, says pieces of the shipped narration.

It must reach: lips against the film's own sound r ≥ 0.55 within ±40 ms; outside the lower
face a mean luma difference from the source below 1.6 of 255; nose and cheekbones within 0.5 %
of the face's height of where the source has them (RMS, by phase correlation). ``--minutes M``
also dubs M minutes of the first video, enlarged to 720 lines, in two processes: 1.5 × real
time on two cores and 500 MB. Exit status 1 when something misses.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction
from functools import partial
from pathlib import Path

import av
import cv2
import numpy as np
import numpy.typing as npt

from lipsync_kit.engines.preview.dub import DubJob, render_dub_clip
from lipsync_kit.engines.preview.dub_pictures import Picture, pictures
from lipsync_kit.engines.preview.dub_search import find_speaker
from lipsync_kit.engines.preview.encoding import Draw, encode
from lipsync_kit.engines.preview.speech import mouth_track
from lipsync_kit.executor import each
from lipsync_kit.face import Face, FaceTracker
from lipsync_kit.media.probe import probe
from lipsync_kit.progress import Silent
from tests.benchmarks.sync import at_rate, envelope, fit, lips_of, shipped, sound_of
from tests.engines.preview import dub_films

Floats = npt.NDArray[np.float64]
U8 = npt.NDArray[np.uint8]

WANTED_R, WANTED_MS = 0.55, 40
OUTSIDE, ASTRAY = 1.6, 0.5
REAL_TIME, MEGABYTES = 1.5, 500
SKULL = [1, 2, 50, 280, 205, 425]
PATCH = 0.07  # face heights to each side of a landmark


def dubbed(video: Path, speech: Path, folder: Path) -> tuple[Path, Path]:
    """A film by the preview engine, made as a user makes it, and its prepared source."""
    project = folder / f"{video.stem} {speech.stem}"
    for arguments in (
        ["prep", str(project), "--video", str(video), "--audio", str(speech)],
        ["render", str(project), "--engine", "preview"],
    ):
        command = [sys.executable, "-m", "lipsync_kit", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"{' '.join(arguments)}: {done.stdout}{done.stderr}")
    return project / "lipsync" / "final.mp4", project / "driving" / "driving.mp4"


def seen(path: Path) -> Iterator[tuple[U8, Face | None]]:
    """Luma of every frame, and the face in it."""
    tracker = FaceTracker()
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            rgb = np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)
            luma = np.asarray(frame.to_ndarray()[: frame.height], np.uint8)
            yield luma, tracker(rgb)


def compare(source: Path, film: Path) -> tuple[float, float]:
    """Mean luma difference outside the lower face; RMS of how far the skull's picture went (%)."""
    apart, went = [], []
    for (own, face), (other, _) in zip(seen(source), seen(film), strict=False):
        if face is None:
            continue
        outside = ~lower_face(face, own.shape)
        apart.append(np.abs(own.astype(int) - other)[outside].mean())
        went += [shift(own, other, face, landmark) / face.height for landmark in SKULL]
    return float(np.mean(apart)), 100 * float(np.sqrt(np.mean(np.square(went))))


def shift(own: U8, other: U8, face: Face, landmark: int) -> float:
    """Pixels that the picture around a landmark went from one frame to another of its place."""
    (x, y), reach = face.landmarks[landmark, :2].astype(int), round(PATCH * face.height)
    rows, columns = (slice(max(0, at - reach), at + reach) for at in (int(y), int(x)))
    patches = [plane[rows, columns].astype(np.float64) for plane in (own, other)]
    window = cv2.createHanningWindow(patches[0].shape[::-1], cv2.CV_64F)
    return float(np.hypot(*cv2.phaseCorrelate(*patches, window)[0]))


def lower_face(face: Face, shape: tuple[int, ...]) -> npt.NDArray[np.bool_]:
    """From the nose to below the chin."""
    x, _, width, _ = face.box
    nose, chin = face.landmarks[2, 1], face.landmarks[152, 1]
    mask = np.zeros(shape, np.bool_)
    rows = slice(max(0, int(nose)), int(chin + 0.25 * face.height))
    mask[rows, max(0, int(x - 0.1 * width)) : int(x + 1.1 * width)] = True
    return mask


def measure(video: Path, speech: Path, folder: Path) -> bool:
    """Print one row; returns whether it holds."""
    film, source = dubbed(video, speech, folder)
    own = envelope(*sound_of(film))
    found = fit(at_rate(*lips_of(film), len(own)), own)
    outside, astray = compare(source, film)
    holds = (
        found.r >= WANTED_R
        and abs(found.offset_ms) <= WANTED_MS
        and outside < OUTSIDE
        and astray <= ASTRAY
    )
    print(
        f"{video.stem:22} {speech.stem:14} {found}   outside the lower face {outside:4.2f}   "
        f"nose and cheeks {astray:4.2f} % astray   {'' if holds else '← misses'}",
        flush=True,
    )
    return holds


def enlarged(video: Path, dest: Path, seconds: float) -> Fraction:
    """So many seconds of a video with 720 lines, again and again; returns its rate."""
    shape = probe(video).picture
    assert shape is not None
    fps = shape.rate
    assert fps is not None
    size = 2 * round(shape.width * 360 / shape.height), 720

    def drawings() -> Iterator[Draw]:
        left = round(seconds * fps)
        while left > 0:
            for picture in pictures(video, fps, 0, min(left, shape.frames)):
                yield partial(_drawn, picture)
            left -= shape.frames

    encode(dest, size, fps, drawings())
    return fps


def _drawn(picture: Picture, luma: U8, chroma: U8) -> None:
    for plane, own in ((luma, picture.luma), (chroma, picture.chroma)):
        plane[:] = cv2.resize(own, plane.shape[1::-1], interpolation=cv2.INTER_CUBIC)


def _copied(job: DubJob) -> None:
    """Decoding and encoding of a clip, and nothing between."""
    size = probe(job.video).picture
    assert size is not None

    def drawings() -> Iterator[Draw]:
        for picture in pictures(job.video, job.fps, job.first_frame, job.first_frame + job.frames):
            yield partial(_same, picture)

    encode(job.dest, (size.width, size.height), job.fps, drawings())


def _same(picture: Picture, luma: U8, chroma: U8) -> None:
    luma[:], chroma[:] = picture.luma, picture.chroma


def cpu(work: Callable[[], object]) -> float:
    """CPU seconds of this process and its children, all threads."""
    before = os.times()
    work()
    after = os.times()
    return sum(after[:4]) - sum(before[:4])


def speed(video: Path, speech: Path, folder: Path, minutes: float) -> bool:
    """Print CPU and memory of a long dub in clips of 30 s; returns whether both hold."""
    large = folder / "large.mp4"
    fps = enlarged(video, large, 60 * minutes)
    frames = round(60 * minutes * fps)
    started = time.monotonic()
    search = cpu(lambda: find_speaker(large, fps, None, Silent()).save(folder / "speaker.npz"))
    sound, rate = sound_of(speech)
    long = np.resize(sound.astype(np.float32), round(60 * minutes * rate))
    mouth_track([long], rate, frames, fps).save(folder / "track.npz")
    step = round(30 * fps)
    whole = DubJob(
        large, folder / "speaker.npz", folder / "track.npz", folder / "0.mp4", fps, 0, 0, frames
    )
    jobs = [
        replace(whole, dest=folder / f"{at}.mp4", first_frame=at, frames=min(step, frames - at))
        for at in range(0, frames, step)
    ]
    render = cpu(lambda: list(each(render_dub_clip, jobs, 2)))
    wall = time.monotonic() - started
    floor = cpu(lambda: list(each(_copied, jobs[:2], 2))) * len(jobs) / len(jobs[:2])
    total = (search + render) / frames * 1000
    real_time = 2 * 1000 / float(fps) / total
    megabytes = [
        resource.getrusage(who).ru_maxrss / 1024
        for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    ]
    print(
        f"{frames} frames of 720 lines: search {search / frames * 1000:.1f}, clips "
        f"{render / frames * 1000:.1f} ms of CPU a frame, {(search + render) / floor:.1f} × "
        f"decoding and encoding alone ({floor / frames * 1000:.1f}); on two cores "
        f"{real_time:.1f} × real time (now, beside others, {frames / float(fps) / wall:.1f}); "
        f"{megabytes[0]:.0f} MB here, {megabytes[1]:.0f} MB in a worker",
        flush=True,
    )
    return real_time >= REAL_TIME and max(megabytes) <= MEGABYTES


def own_material(folder: Path) -> tuple[list[Path], list[Path]]:
    """The shipped portrait that talks, and pieces of the shipped narration."""
    video = dub_films.write(folder / "portrait.mp4", dub_films.talking(dub_films.chatter(225)))
    return [video], shipped(folder)[1][:2]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=os.environ.get("LIPSYNC_MEDIA"))
    parser.add_argument("--all", action="store_true", help="driving videos too")
    parser.add_argument("--minutes", type=float, help="measure speed and memory of so many")
    parser.add_argument("--keep", type=Path, help="render into this folder and keep the films")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        work = options.keep or Path(temporary)
        work.mkdir(parents=True, exist_ok=True)
        if options.folder:
            media = Path(options.folder)
            patterns = ("video*.mp4", "driving*.mp4") if options.all else ("video*.mp4",)
            videos = sorted(path for pattern in patterns for path in media.glob(pattern))
            speeches = sorted(media.glob("speech*.wav"))
        else:
            videos, speeches = own_material(work)
        if not videos or not speeches:
            raise SystemExit(f"{options.folder}: no video*.mp4 or no speech*.wav in it")
        held = [measure(video, speech, work) for video in videos for speech in speeches]
        if options.minutes:
            held.append(speed(videos[0], speeches[0], work, options.minutes))
    print(f"{sum(held)} of {len(held)} hold")
    return 0 if all(held) else 1


if __name__ == "__main__":
    sys.exit(main())
