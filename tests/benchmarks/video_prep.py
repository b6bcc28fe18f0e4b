"""Preparing videos: CPU, memory and lost frames, beside ffmpeg doing only the transcoding.

    python -m tests.benchmarks.video_prep [--seconds 60] [--folder F] [CASE...]

Every frame carries its number. Each run is a process of its own; CPU is its own and that of
its children, per frame; memory is its largest, ffmpeg's included.
"""

from __future__ import annotations

import argparse
import json
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np

from lipsync_kit.catalog import catalog
from lipsync_kit.media.ffmpeg import find_ffmpeg
from lipsync_kit.preflight.video import (
    DrivingOptions,
    examine,
    prepare_driving,
    prepare_source,
)
from lipsync_kit.progress import Silent
from lipsync_kit.project import Layout
from lipsync_kit.schema import Chunk
from lipsync_kit.timing import grid_sample
from tests.benchmarks.stitch import scene
from tests.ground_truth.frames import Mark, Plane, write_mark
from tests.preflight.videos import shown

MOTION = catalog()["fal-ai/bytedance/dreamactor/v2"]
DUB = catalog()["fal-ai/pixverse/lipsync"]
H264 = ("-c:v", "libx264", "-preset", "veryfast", "-crf", "20", "-pix_fmt", "yuv420p")
HEVC = ("-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=error")
HLG = "log-level=error:colorprim=bt2020:transfer=arib-std-b67:colormatrix=bt2020nc"
TONE = (
    "zscale=t=linear:npl=203,format=gbrpf32le,zscale=p=bt709,tonemap=mobius:desat=0,"
    "zscale=t=bt709:m=bt709:r=tv,format=yuv420p"
)


@dataclass(frozen=True)
class Case:
    """A source, how it is prepared, and what plain ffmpeg is given to do beside it."""

    task: str
    size: tuple[int, int]
    source: tuple[str, ...]
    beside: tuple[str, ...]
    filters: str = "null"
    suffix: str = ".mp4"
    times: int = 1
    rate: Fraction = Fraction(30)


CASES = {
    "motion: fits, 720p": Case("motion", (1280, 720), H264, ("-c", "copy")),
    "motion: fits, no trim": Case("untrimmed", (1280, 720), H264, ("-c", "copy")),
    "motion: HEVC 720p": Case("motion", (1280, 720), HEVC, H264),
    "motion: HEVC 4K": Case("motion", (3840, 2160), HEVC, (*H264, "-vf", "scale=2048:-2")),
    "motion: HLG 1080p": Case(
        "motion", (1920, 1080), (*HEVC[:-1], HLG, "-pix_fmt", "yuv420p10le"),
        (*H264, "-vf", TONE),
    ),
    "dub: fits, 720p": Case("dub", (1280, 720), H264, H264),
    "dub: HEVC 720p": Case("dub", (1280, 720), HEVC, H264),
    "dub: looped twice": Case("loop", (1280, 720), H264, H264),
    "dub: 10 times longer": Case("dub", (1280, 720), H264, H264, times=10),
    "motion: 10 times longer": Case("motion", (1280, 720), HEVC, H264, times=10),
}  # fmt: skip


def planes(count: int, size: tuple[int, int]) -> Iterator[Plane]:
    import cv2

    width, height = size
    wide = np.asarray(cv2.resize(scene(), (width + 480, height + 320)), np.uint8)
    chroma = np.full((height // 2, width), 118, np.uint8)
    for number in range(count):
        x, y = int(240 + 240 * np.sin(number / 40)), int(160 + 160 * np.cos(number / 57))
        luma = wide[y : y + height, x : x + width].copy()
        write_mark(luma, Mark(0, number % 60_000))
        yield np.concatenate([luma, chroma])


def make(case: Case, frames: int, path: Path) -> None:
    width, height = case.size
    program, _ = find_ffmpeg()
    command = [str(program), "-v", "error", "-y", "-f", "rawvideo", "-pix_fmt", "yuv420p"]
    command += ["-s", f"{width}x{height}", "-r", str(case.rate), "-i", "pipe:0"]
    command += ["-vf", case.filters, *case.source, str(path)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE)
    assert process.stdin is not None
    for plane in planes(frames, case.size):
        process.stdin.write(plane.tobytes())
    process.stdin.close()
    if process.wait():
        raise RuntimeError(f"ffmpeg failed: {command}")


def work(case: Case, source: Path, root: Path) -> None:
    """What is measured; runs in a process of its own."""
    if case.task in ("motion", "untrimmed"):
        prepare_driving(
            source, layout=Layout(root), fps=None, model=MOTION, progress=Silent(),
            options=DrivingOptions(trim=case.task == "motion"),
        )  # fmt: skip
        return
    reel = examine(source, DUB)
    frames = reel.frames * 2 if case.task == "loop" else reel.frames
    bounds = [*range(0, frames, 701), frames]
    chunks = [
        Chunk(
            index=index, start=grid_sample(start, reel.fps), end=grid_sample(end, reel.fps),
            sent_start=grid_sample(start, reel.fps), sent_end=grid_sample(end, reel.fps), path=None,
        )
        for index, (start, end) in enumerate(pairwise(bounds))
    ]  # fmt: skip
    prepare_source(
        reel, layout=Layout(root), model=DUB, samples=chunks[-1].end, chunks=chunks,
        fit="loop" if case.task == "loop" else "freeze", progress=Silent(),
    )  # fmt: skip


def beside(case: Case, source: Path, root: Path) -> None:
    """Plain ffmpeg, in the same kind of process."""
    root.mkdir()
    program, _ = find_ffmpeg()
    command = [str(program), "-v", "error", "-i", str(source), "-an", *case.beside]
    subprocess.run([*command, str(root / "out.mp4")], check=True)


def measured(what: str, name: str, source: Path, root: Path) -> dict[str, float]:
    command = [sys.executable, "-m", "tests.benchmarks.video_prep", "--run", what]
    done = subprocess.run(
        [*command, "--folder", str(source), "--root", str(root), name],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    result: dict[str, float] = json.loads(done.stdout)
    return result


def run(what: str, name: str, source: Path, root: Path) -> None:
    {"work": work, "beside": beside}[what](CASES[name], source, root)
    both = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    cpu = sum(use.ru_utime + use.ru_stime for use in both)
    print(json.dumps({"cpu": cpu, "megabytes": sum(use.ru_maxrss for use in both) / 1024}))


def lost(case: Case, frames: int, root: Path) -> int:
    """Numbers that the whole and the pieces should show and don't."""
    marks = [number % 60_000 for number in range(frames)]
    film = marks * 2 if case.task == "loop" else marks
    whole = shown(root / "driving/driving.mp4").numbers
    pieces: list[int | None] = []
    for path in sorted((root / "driving/chunks").glob("*.mp4")):
        piece = shown(path).numbers
        pieces += piece[int(case.rate) :] if case.task == "motion" else piece
    return sum(
        abs(len(film) - len(seen)) + sum(a != b for a, b in zip(film, seen, strict=False))
        for seen in (whole, pieces)
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cases", nargs="*", default=list(CASES))
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--run", choices=("work", "beside"))
    parser.add_argument("--root", type=Path)
    given = parser.parse_args()
    if given.run:
        run(given.run, given.cases[0], given.folder, given.root)
        return
    print(f"{'case':26} {'frames':>7} {'ms/frame':>9} {'ffmpeg':>7} {'ratio':>6} {'x RT':>6} "
          f"{'MB':>5} {'lost':>5}")  # fmt: skip
    with tempfile.TemporaryDirectory(dir=given.folder) as folder:
        for name in given.cases:
            case = CASES[name]
            frames = int(given.seconds * case.rate) * case.times
            source, root = Path(folder) / f"source{case.suffix}", Path(folder) / "p"
            make(case, frames, source)
            ours = measured("work", name, source, root)
            missing = lost(case, frames, root)
            shutil.rmtree(root)
            plain = measured("beside", name, source, root)
            shutil.rmtree(root)
            length = frames * (2 if case.task == "loop" else 1)
            print(
                f"{name:26} {length:7} {ours['cpu'] / length * 1000:9.2f} "
                f"{plain['cpu'] / frames * 1000:7.2f} "
                f"{ours['cpu'] / length / (plain['cpu'] / frames):6.2f} "
                f"{float(length / case.rate) / ours['cpu']:6.1f} {ours['megabytes']:5.0f} "
                f"{missing:5}",
                flush=True,
            )


if __name__ == "__main__":
    main()
