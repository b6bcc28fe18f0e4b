"""Sixty minutes from 122 clips whose lengths are off: exactness, losslessness and cost.

    python -m tests.benchmarks.stitch [--folder F] [--minutes 60] [--clips 122] [--reencode 12]

Every frame of every clip carries a number and every moment of the master is unique, so the
film is read back and compared with the truth. Beside it, the same clips go through ffmpeg's
concat filter (``--reencode`` of them, scaled up to all).
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import soundfile

from lipsync_kit.media.ffmpeg import find_ffmpeg
from lipsync_kit.postprocess import StitchOptions, Tile, stitch
from lipsync_kit.progress import Silent
from lipsync_kit.timing import SAMPLE_RATE, budgets, edge
from tests.ground_truth.checker import check_timing, slope
from tests.ground_truth.frames import Make, Mark, Plane, encode, read_mark, write_mark
from tests.ground_truth.sound import offset, unique

FPS = Fraction(25)
OFF = 7
MAKE = Make(640, 360, output=("-c:v", "libx264", "-preset", "medium", "-crf", "23"), sound=True)


def bounds_of(minutes: float, clips: int, rng: random.Random) -> list[int]:
    """Tiles of about equal length with cuts wherever, at most 30 s long."""
    total = round(minutes * 60 * SAMPLE_RATE)
    even = total // clips
    inner = [even * n + rng.randrange(-even // 60, even // 60) for n in range(1, clips)]
    return [0, *inner, total]


def frames(clip: int, count: int, scene: Plane) -> Iterator[Plane]:
    chroma = np.full((MAKE.height // 2, MAKE.width), 118, np.uint8)
    for number in range(count):
        luma = np.roll(scene, (number // 3 + clip, number), (0, 1))[: MAKE.height, : MAKE.width]
        luma = np.ascontiguousarray(luma)
        write_mark(luma, Mark(clip, number))
        yield np.concatenate([luma, chroma])


def scene() -> Plane:
    import cv2

    noise = np.random.default_rng(2).normal(size=(480, 800)).astype(np.float32)
    soft = cv2.GaussianBlur(noise, (0, 0), 6)
    return np.clip(soft / soft.std() * 40 + 125, 16, 235).astype(np.uint8)


def prepare(folder: Path, minutes: float, clips: int) -> list[int]:
    """Make clips and master once; the folder keeps them."""
    rng = random.Random(11)
    bounds = bounds_of(minutes, clips, rng)
    view = scene()
    for index, budget in enumerate(budgets(bounds, FPS)):
        count = budget + rng.randint(-OFF, OFF)
        path = folder / f"{index:04d}.mp4"
        if not path.exists():
            encode(path, frames(index, count, view), count, MAKE)
    master = folder / "master.wav"
    if not master.exists():
        with soundfile.SoundFile(master, "w", SAMPLE_RATE, 1, "PCM_24") as file:
            for block, start in enumerate(range(0, bounds[-1], SAMPLE_RATE * 60)):
                file.write(unique(min(SAMPLE_RATE * 60, bounds[-1] - start), seed=block))
    (folder / "bounds.json").write_text(json.dumps(bounds))
    return bounds


def stitch_here(folder: Path, seams: str, compatible: bool) -> None:
    """What the measured process does; prints its facts as JSON."""
    bounds = json.loads((folder / "bounds.json").read_text())
    tiles = [
        Tile(folder / f"{index:04d}.mp4", start, end, pause=SAMPLE_RATE // 4)
        for index, (start, end) in enumerate(pairwise(bounds))
    ]
    made = stitch(
        tiles,
        fps=FPS,
        master=folder / "master.wav",
        out=folder / f"film-{seams}.mp4",
        options=StitchOptions(seams=seams, compatible=compatible),  # type: ignore[arg-type]
        progress=Silent(),
    )
    own = resource.getrusage(resource.RUSAGE_SELF)
    other = resource.getrusage(resource.RUSAGE_CHILDREN)
    facts = {
        "cpu": own.ru_utime + own.ru_stime,
        "sound": other.ru_utime + other.ru_stime,
        "copied": sum(clip.copied for clip in made.clips),
        "frames": made.frames,
        "blended": sum(clip.blended for clip in made.clips),
        "sets": made.parameter_sets,
    }
    print(json.dumps(facts))


def stitch_apart(folder: Path, seams: str, compatible: bool = False) -> dict[str, float]:
    command = [sys.executable, "-m", "tests.benchmarks.stitch", "--here", seams]
    command += ["--folder", str(folder), *(["--compatible"] if compatible else [])]
    most = 0
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        while process.poll() is None:
            most = max(most, resident(process.pid))
            time.sleep(0.1)
        assert process.stdout is not None
        facts = json.loads(process.stdout.read().splitlines()[-1])
    return {**facts, "megabytes": most / 1024}


def resident(pid: int) -> int:
    """Kilobytes that a process and its children hold now."""
    total = 0
    waiting = [pid]
    while waiting:
        one = waiting.pop()
        try:
            for line in Path(f"/proc/{one}/status").read_text().splitlines():
                total += int(line.split()[1]) if line.startswith("VmRSS") else 0
            waiting += map(int, Path(f"/proc/{one}/task/{one}/children").read_text().split())
            for task in Path(f"/proc/{one}/task").iterdir():
                if task.name != str(one):
                    waiting += map(int, (task / "children").read_text().split())
        except OSError:
            continue  # it has just ended
    return total


def reencode(folder: Path, clips: int) -> float:
    """CPU seconds of ffmpeg's concat filter and x264, as they come, over the first pictures."""
    program, _ = find_ffmpeg()
    command = [str(program), "-v", "error", "-y"]
    for index in range(clips):
        command += ["-i", str(folder / f"{index:04d}.mp4")]
    command += ["-filter_complex", f"concat=n={clips}:v=1:a=0", "-c:v", "libx264"]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([*command, str(folder / "concat.mp4")], check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def decoded(path: Path) -> Iterator[tuple[Mark | None, int]]:
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            planes = frame.to_ndarray(format="yuv420p")
            yield read_mark(planes[: frame.height]), hash(planes.tobytes())


def read_back(folder: Path, film: Path, bounds: Sequence[int]) -> dict[str, float]:
    """Compare every frame of the film with the clips, tile by tile."""
    shown = decoded(film)
    same = lost = 0
    errors = []
    for clip, budget in enumerate(budgets(bounds, FPS)):
        own = decoded(folder / f"{clip:04d}.mp4")
        for place in range(budget):
            mark, pixels = next(shown)
            _, wanted = next(own, (None, None))
            same += pixels == wanted
            lost += place < budget - 2 * OFF and mark != Mark(clip, place)
            if place == 0:
                assert mark is not None
                late = edge(bounds[clip], FPS) / FPS - Fraction(bounds[clip], SAMPLE_RATE)
                errors.append(float(late) - mark.frame / float(FPS) + (mark.clip - clip))
    assert next(shown, None) is None
    return {
        "same": same,
        "lost inside": lost,
        "worst": 1000 * max(map(abs, errors)),
        "slope": slope(errors, bounds[:-1]),
    }


def sound_back(folder: Path, film: Path, samples: int) -> list[int]:
    """Samples by which the sound is off: its length, and its place at start, middle, end."""
    program, _ = find_ffmpeg()
    raw = folder / "sound.raw"
    command = [str(program), "-v", "error", "-y", "-i", str(film), "-vn", "-f", "f32le", str(raw)]
    subprocess.run(command, check=True)
    heard = np.memmap(raw, dtype="<f4")
    found = [len(heard) - samples]
    for at in (0, samples // 2, samples - 9600):
        low, high = max(0, at - 4800), min(samples, at + 9600)
        master, _ = soundfile.read(folder / "master.wav", start=low, stop=high)
        found.append(offset(np.asarray(heard[low:high], float), master, at - low))
    raw.unlink()
    return found


def report(
    folder: Path, seams: str, bounds: Sequence[int], *, compatible: bool
) -> dict[str, float]:
    facts = stitch_apart(folder, seams, compatible)
    film = folder / f"film-{seams}.mp4"
    check_timing(film, FPS, sum(budgets(bounds, FPS)))
    truth = read_back(folder, film, bounds)
    sound = sound_back(folder, film, bounds[-1])
    name = f"--seams {seams}" + (" --compatible" if compatible else "")
    print(
        f"| {name} | {facts['cpu']:.1f} | {facts['sound']:.1f} | {facts['megabytes']:.0f} "
        f"| {truth['worst']:.1f} | {truth['slope']:.3f} | {truth['same'] / facts['frames']:.2%} "
        f"| {truth['lost inside']:.0f} | {sound} | {facts['sets']:.0f} |",
        flush=True,
    )
    return facts


def measure(folder: Path, chosen: argparse.Namespace) -> None:
    bounds = prepare(folder, chosen.minutes, chosen.clips)
    print(
        "| film | CPU s | encoding the sound | MB | worst seam ms | slope ms/min | bit-identical "
        "| lost inside a clip | sound off: length, start, middle, end | sets |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|")
    cut = report(folder, "cut", bounds, compatible=False)
    report(folder, "auto", bounds, compatible=False)
    if chosen.compatible:
        report(folder, "cut", bounds, compatible=True)
    if chosen.reencode:
        cpu = reencode(folder, chosen.reencode)
        share = bounds[chosen.reencode] / bounds[-1]
        print(
            f"\nThe same pictures through ffmpeg's concat filter and x264: {cpu:.0f} CPU s for "
            f"{chosen.reencode} clips, {cpu / share:.0f} for all: {cpu / share / cut['cpu']:.1f} "
            "times --seams cut."
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--clips", type=int, default=122)
    parser.add_argument("--reencode", type=int, default=12)
    parser.add_argument("--compatible", action="store_true")
    parser.add_argument("--here", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.here:
        stitch_here(chosen.folder, chosen.here, chosen.compatible)
        return
    if chosen.folder:
        chosen.folder.mkdir(parents=True, exist_ok=True)
        measure(chosen.folder, chosen)
        return
    with tempfile.TemporaryDirectory() as name:
        measure(Path(name), chosen)


if __name__ == "__main__":
    main()
