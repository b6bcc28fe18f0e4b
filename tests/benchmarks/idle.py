"""Silences that were not sent: how their seams look beside ordinary ones, and what they cost.

    python -m tests.benchmarks.idle VIDEO [VIDEO …] [--pairs 6] [--seconds 12] [--pause 0.5]

Real videos are cut at random moments into pairs of clips, as models would return them. Each
pair is stitched twice: as it is, and with an idle clip between the two, made of the last
``--pause`` of the one and the first of the other (0: of their single frames at the seam). A
score is the largest change of blurred luma across a seam over the clips' own median change;
``largest step inside`` is the same of the idle clip itself. ``stillest second`` is the least
change that adds up in any second of it, over the clips' own median; a frozen picture has 0.
Sharpness is the least Laplacian variance of an idle frame over the least of twelve frames on
either side.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np

from lipsync_kit.postprocess import StitchOptions, Tile, stitch
from lipsync_kit.postprocess.conform import Look
from lipsync_kit.postprocess.idle_clip import Footage, Idle, make_idle
from lipsync_kit.postprocess.rest import Rest
from lipsync_kit.postprocess.survey import survey
from lipsync_kit.progress import Silent
from lipsync_kit.timing import edge, grid_sample
from tests.benchmarks.seams import LENGTH, Plane, cut, cuts_of, detail, glance, luma, measure

STILL = 0.15
"""Luma steps of a clip that hardly moves; noise alone makes as much."""


@dataclass(frozen=True)
class Seen:
    """Scores of seams, and the idle clip's largest step, stillest second and least sharpness."""

    ordinary: float
    first: float
    last: float
    step: float
    stillest: float
    sharpness: float


def idle_between(one: Path, two: Path, pause: float, frames: int, rate: Fraction) -> Idle:
    most = max(1, round(pause * rate))
    end, look = LENGTH, survey(one)
    footage = (
        Footage(one, Rest(end - most, end), dwells=most > 1),
        Footage(two, Rest(0, most), dwells=most > 1),
    )
    size = Look(look.width, look.height, rate)
    return Idle(footage, frames, size, after=True, before=True)


def film(clips: Sequence[Path], frames: Sequence[int], rate: Fraction, out: Path) -> list[float]:
    """Stitch; the score of each seam, measured on the film."""
    tiles, at, place = [], 0, 0
    for clip, count in zip(clips, frames, strict=True):
        place += count
        end = grid_sample(place, rate)
        tiles.append(Tile(clip, at, end, pause=12_000))
        at = end
    options = StitchOptions()
    made = stitch(tiles, fps=rate, master=None, out=out, options=options, progress=Silent())
    shown = luma(out)
    return [measure(shown, edge(tiles[one.index].end, rate), one.frames)[0] for one in made.seams]


def inside(shown: Sequence[Plane], first: int, end: int, rate: Fraction) -> tuple[float, ...]:
    glances = [glance(plane) for plane in shown]
    steps = np.array([np.abs(b - a).mean() for a, b in pairwise(glances)])
    own = max(float(np.median(np.concatenate([steps[: first - 1], steps[end:]]))), STILL)
    idle = steps[first : end - 1]
    second = np.convolve(idle, np.ones(round(rate)), "valid")
    around = min(detail(shown[n]) for n in (*range(first - 12, first), *range(end, end + 12)))
    sharp = min(detail(shown[n]) for n in range(first, end)) / around
    return float(idle.max() / own), float(second.min() / own), sharp


def run(video: Path, folder: Path, start: int, other: int, chosen: argparse.Namespace) -> Seen:
    rate = cuts_of(video, 0, random.Random(0))[1]
    clips = [folder / "one.mp4", folder / "two.mp4"]
    for clip, begin in zip(clips, (start, other), strict=True):
        cut(video, begin, LENGTH, rate, clip)
    (ordinary,) = film(clips, [LENGTH] * 2, rate, folder / "plain.mp4")
    frames = round(chosen.seconds * rate)
    make_idle(idle_between(*clips, chosen.pause, frames, rate), folder / "idle.mp4")
    three = [clips[0], folder / "idle.mp4", clips[1]]
    first, last = film(three, [LENGTH, frames, LENGTH], rate, folder / "film.mp4")
    step, still, sharp = inside(luma(folder / "film.mp4"), LENGTH, LENGTH + frames, rate)
    return Seen(ordinary, first, last, step, still, sharp)


def cost(video: Path, folder: Path, seconds: float, pause: float) -> str:
    """CPU and memory of one idle clip at 1080p, apart from all else."""
    code = (
        "import resource, sys; from pathlib import Path; from fractions import Fraction;"
        "from tests.benchmarks.idle import idle_between, make_idle;"
        "one, two, out = map(Path, sys.argv[1:4]);"
        "rate, frames = Fraction(sys.argv[4]), int(sys.argv[5]);"
        "idle = idle_between(one, two, float(sys.argv[6]), frames, rate);"
        "make_idle(idle, out, 2); own = resource.getrusage(resource.RUSAGE_SELF);"
        "held = Path('/proc/self/status').read_text().split('VmHWM:')[1].split()[0];"
        "print(own.ru_utime + own.ru_stime, held)"
    )
    rate = cuts_of(video, 0, random.Random(0))[1]
    clips = [folder / "large1.mp4", folder / "large2.mp4"]
    for begin, clip in zip((0, 60), clips, strict=True):
        if not clip.exists():
            cut(video, begin, LENGTH, rate, clip, (1080, 1920))
    frames = round(seconds * rate)
    words = [*clips, folder / "out.mp4", rate, frames, pause]
    command = [sys.executable, "-c", code, *map(str, words)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    cpu, kilobytes = map(float, done.stdout.split())
    length = float(frames / rate)
    return f"| {length:.0f} s | {cpu:.1f} | {length / cpu:.2f} | {kilobytes / 1024:.0f} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("videos", nargs="+", type=Path)
    parser.add_argument("--pairs", type=int, default=6)
    parser.add_argument("--seconds", type=float, default=12)
    parser.add_argument("--pause", type=float, default=0.5)
    chosen = parser.parse_args()
    seen: list[Seen] = []
    with tempfile.TemporaryDirectory() as name:
        for video in chosen.videos:
            rng = random.Random(video.name)
            for _ in range(chosen.pairs):
                (start, other), _rate = cuts_of(video, 1, rng)
                seen.append(run(video, Path(name), start, other, chosen))
        print("| seams | n | median | p90 | max |\n|---|---|---|---|---|")
        rows = {
            "ordinary": [one.ordinary for one in seen],
            "clip → idle": [one.first for one in seen],
            "idle → clip": [one.last for one in seen],
            "largest step inside": [one.step for one in seen],
        }
        for title, values in rows.items():
            three = np.median(values), np.percentile(values, 90), max(values)
            print(f"| {title} | {len(values)} | " + " | ".join(f"{v:.2f}" for v in three) + " |")
        stillest, sharp = (
            min(getattr(one, at) for one in seen) for at in ("stillest", "sharpness")
        )
        print(f"\nstillest second {stillest:.2f}, least sharpness {sharp:.2f}\n")
        print("| at 1080x1920 | CPU s | x real time per core | MB |\n|---|---|---|---|")
        for seconds in (4, 12, 45, 600):
            print(cost(chosen.videos[0], Path(name), seconds, chosen.pause))


if __name__ == "__main__":
    main()
