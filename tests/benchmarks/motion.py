"""Does the portrait do what the driver does? ``python -m tests.benchmarks.motion [FOLDER]``.

Follows every driving video of FOLDER (``driving*.mp4``; also by ``LIPSYNC_MEDIA``), drives
every portrait (``portrait*.png|jpg``) with it at 720p, reads the landmarks back from the clip
and correlates them with the driver's own. Without a folder the shipped portrait, made to talk
by the talk engine, drives itself.

Head turns are those of a rigid fit (Umeyama 1991) to landmarks that hardly move with the
face. It must reach: mouth opening r ≥ 0.85; yaw, pitch and roll r ≥ 0.8; each best within one
frame; 1.5 × real time on two cores, tracking and encoding included. Exit status 1 when it does
not. ``--minutes 10`` also measures the memory of a driver of that length.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import resource
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
import numpy.typing as npt

from lipsync_kit.engines.preview.drive_clip import MotionJob, render_motion_clip
from lipsync_kit.engines.preview.drive_follow import follow_driver
from lipsync_kit.engines.preview.encoding import one_thread
from lipsync_kit.face import FaceTracker, find_eyes
from lipsync_kit.media.probe import probe
from lipsync_kit.progress import Silent

Floats = npt.NDArray[np.float64]
U8 = npt.NDArray[np.uint8]

RIGID = (
    10,
    67,
    297,
    109,
    338,
    151,
    9,
    8,
    168,
    6,
    197,
    195,
    5,
    33,
    263,
    133,
    362,
    127,
    356,
    234,
    454,
)
MOUTH, HEAD, LAG = 0.85, 0.8, 1
REALTIME, CORES = 1.5, 2
MEGABYTES = 500
NAMES = ("mouth", "yaw", "pitch", "roll", "eye left", "eye right", "gaze x", "gaze y")


def pictures(video: Path) -> Iterator[U8]:
    import av

    with av.open(str(video)) as container:
        for frame in container.decode(video=0):
            yield frame.to_ndarray(format="rgb24")


def read(video: Path) -> Floats:
    """What landmarks see in each frame: `NAMES` as columns."""
    tracker, rows, rigid = FaceTracker(), [], []
    for rgb in pictures(video):
        face = tracker(rgb)
        if face is None:
            raise SystemExit(f"{video}: a frame without a face")
        left, right = find_eyes(rgb, face)
        gaze = (np.array(left.gaze) + right.gaze) / 2
        rows.append((face.mouth_openness, left.openness, right.openness, *gaze))
        rigid.append(face.landmarks[list(RIGID)])
    values = np.array(rows, np.float64)
    return np.column_stack([values[:, 0], turns(np.array(rigid, np.float64)), values[:, 1:]])


def turns(points: Floats) -> Floats:
    """Yaw, pitch and roll (n, 3) in radians of rigid points (n, k, 3), against their mean."""
    centred = points - points.mean(axis=1, keepdims=True)
    shape = centred[0]
    for _ in range(4):
        turned = [_fit(shape, frame) for frame in centred]
        shape = np.mean([f @ r / s for (r, s), f in zip(turned, centred, strict=True)], axis=0)
    rotations = np.array([r for r, _ in turned])
    ahead, right = -rotations[:, :, 2], rotations[:, :, 0]
    yaw = np.arctan2(ahead[:, 0], -ahead[:, 2])
    return np.stack([yaw, np.arcsin(-ahead[:, 1]), np.arctan2(right[:, 1], right[:, 0])], axis=1)


def _fit(shape: Floats, frame: Floats) -> tuple[Floats, float]:
    u, d, v = np.linalg.svd(frame.T @ shape)
    hand = np.array([1, 1, np.sign(np.linalg.det(u @ v))])
    return (u * hand) @ v, float((d * hand).sum() / (shape**2).sum())


@dataclass(frozen=True)
class Fit:
    """Correlation, and the lag in frames (positive: the clip is later) at which it is best."""

    r: float
    lag: int

    def __str__(self) -> str:
        return f"{self.r:.2f} ({self.lag:+d})"


def fit(clip: Floats, driver: Floats) -> Fit:
    reach, n = 5, len(driver)
    best = {
        lag: np.corrcoef(
            clip[max(0, lag) : n + min(0, lag)], driver[max(0, -lag) : n - max(0, lag)]
        )[0, 1]
        for lag in range(-reach, reach + 1)
    }
    return Fit(float(best[0]), max(best, key=lambda lag: best[lag]))


def cpu(work: Callable[[], object]) -> float:
    """CPU seconds of all threads."""
    before = os.times()
    work()
    after = os.times()
    return after.user + after.system - before.user - before.system


def measure(driver: Path, portrait: Path, seen: Floats, track: Path, folder: Path) -> list[float]:
    """Print one row of a table; returns CPU milliseconds a frame, or nothing when it misses."""
    fps = probe(driver).picture.rate  # type: ignore[union-attr]
    clip = folder / f"{driver.stem} {portrait.stem}.mp4"
    job = MotionJob(portrait, track, clip, "720p", Fraction(fps or 25), 0, len(seen))
    spent = 1000 * cpu(lambda: render_motion_clip(job)) / len(seen)
    result = read(clip)
    fits = [fit(result[:, k], seen[:, k]) for k in range(len(NAMES))]
    holds = (
        fits[0].r >= MOUTH
        and all(f.r >= HEAD for f in fits[1:4])
        and all(abs(f.lag) <= LAG for f in fits[:4])
    )
    cells = " | ".join(str(f) for f in fits)
    print(f"| {driver.stem} | {portrait.stem} | {cells} | {spent:.1f} |{'' if holds else ' ←'}")
    sys.stdout.flush()
    return [spent] if holds else []


def follow(driver: Path, folder: Path) -> tuple[Path, float, float]:
    """The driver's track, and CPU ms a frame of following and of landmarks alone."""
    fps = Fraction(probe(driver).picture.rate or 25)  # type: ignore[union-attr]
    track = folder / f"{driver.stem}.npz"
    spent = cpu(lambda: follow_driver(driver, fps, Silent()).save(track))

    def landmarks() -> None:
        tracker = FaceTracker()
        with one_thread():
            for rgb in pictures(driver):
                tracker(rgb)

    alone = cpu(landmarks)
    frames = sum(1 for _ in pictures(driver))
    return track, 1000 * spent / frames, 1000 * alone / frames


def longer(driver: Path, minutes: float, out: Path) -> None:
    """The same video over and over, packets copied."""
    import av

    with av.open(str(driver)) as source, av.open(str(out), "w") as sink:
        stream = source.streams.video[0]
        copy = sink.add_stream_from_template(stream)
        base = stream.time_base
        packets = [(bytes(p), p.pts, p.dts, p.is_keyframe) for p in source.demux(stream) if p.size]
        step = round(1 / (stream.average_rate * base))
        for turn in range(round(minutes * 60 * stream.average_rate / len(packets))):
            for data, pts, dts, key in packets:
                packet = av.Packet(data)
                packet.stream, packet.time_base, packet.is_keyframe = copy, base, key
                shift = turn * len(packets) * step
                packet.pts, packet.dts = pts + shift, dts + shift
                sink.mux(packet)


def at_length(driver: Path, portrait: Path, folder: Path) -> None:
    """Follow a driver and render the first, the middle and the last 10 s of its film."""
    track, per_frame, _ = follow(driver, folder)
    fps = Fraction(probe(driver).picture.rate or 25)  # type: ignore[union-attr]
    from lipsync_kit.engines.preview.drive_track import DriverTrack

    frames = len(DriverTrack.load(track))
    for first in (0, frames // 2, frames - round(10 * fps)):
        clip = folder / f"long {first}.mp4"
        render_motion_clip(MotionJob(portrait, track, clip, "720p", fps, first, round(10 * fps)))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{frames} frames followed at {per_frame:.1f} ms each; peak memory {peak:.0f} MB")
    sys.exit(0 if peak <= MEGABYTES else 1)


def shipped(folder: Path) -> tuple[list[Path], list[Path]]:
    """The shipped portrait, and a driver made of it."""
    from tests.engines.preview.drivers import SHIPPED, acted

    return [acted(folder / "driving.mp4", 150).video], [SHIPPED]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=os.environ.get("LIPSYNC_MEDIA"))
    parser.add_argument("--keep", type=Path, help="render into this folder and keep the clips")
    parser.add_argument("--minutes", type=float, help="measure memory at this length too")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        work = options.keep or Path(temporary)
        work.mkdir(parents=True, exist_ok=True)
        if options.folder:
            media = Path(options.folder)
            drivers = sorted(media.glob("driving*.mp4"))
            portraits = sorted(p for p in media.glob("portrait*") if p.suffix != ".md")
        else:
            drivers, portraits = shipped(work)
        if not drivers or not portraits:
            raise SystemExit(f"{options.folder}: no driving*.mp4 or no portrait* in it")
        return table(drivers, portraits, work, options.minutes)


def table(drivers: list[Path], portraits: list[Path], work: Path, minutes: float | None) -> int:
    print(f"| driver | portrait | {' | '.join(NAMES)} | render ms |")
    print("|---" * (len(NAMES) + 3) + "|")
    held, costs, rates = 0, [], []
    for driver in drivers:
        track, following, landmarks = follow(driver, work)
        seen = read(driver)
        for portrait in portraits:
            rendering = measure(driver, portrait, seen, track, work)
            held += bool(rendering)
            costs += [following + ms for ms in rendering]
        fps = float(probe(driver).picture.rate or 25)  # type: ignore[union-attr]
        rates.append(fps)
        print(
            f"{driver.stem}: followed at {following:.1f} ms of CPU a frame, "
            f"{following / landmarks:.2f} × its landmarks alone"
        )
    wanted = len(drivers) * len(portraits)
    speed = CORES * 1000 / max(rates) / max(costs, default=np.inf)
    print(f"{held} of {wanted} hold; at worst {max(costs, default=0):.1f} ms of CPU a frame,")
    print(f"{speed:.2f} × real time at {max(rates):g} fps on {CORES} cores")
    fits = True
    if minutes:
        video = work / "long.mp4"
        longer(drivers[0], minutes, video)
        process = multiprocessing.get_context("spawn").Process(
            target=at_length, args=(video, portraits[0], work)
        )
        process.start()
        process.join()
        fits = process.exitcode == 0
    return 0 if held == wanted and speed >= REALTIME and fits else 1


if __name__ == "__main__":
    sys.exit(main())
