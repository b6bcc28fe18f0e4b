"""How visible seams are: real videos cut at random moments, stitched, measured on the result.

    python -m tests.benchmarks.seams VIDEO [VIDEO …] [--cuts 12] [--pause 0.5]

The score is the largest change of blurred luma across a seam over the clips' own median
change; 1 is their own motion. Sharpness is the least Laplacian variance of the frames that
were blended over that of their neighbours. Both are measured here, on decoded frames.
"""

from __future__ import annotations

import argparse
import random
import resource
import tempfile
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import numpy.typing as npt

from lipsync_kit.postprocess import Stitched, StitchOptions, Tile, stitch
from lipsync_kit.progress import Silent
from lipsync_kit.timing import edge, grid_sample

Plane = npt.NDArray[np.uint8]
NEAR = 12
LENGTH = 50


def luma(path: Path) -> list[Plane]:
    with av.open(str(path)) as film:
        return [
            np.asarray(frame.to_ndarray(format="yuv420p"), np.uint8)[: frame.height]
            for frame in film.decode(video=0)
        ]


def glance(plane: Plane) -> npt.NDArray[np.float32]:
    height, width = plane.shape
    small = cv2.resize(plane, (320, 320 * height // width), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.GaussianBlur(small, (5, 5), 0), np.float32)


def detail(plane: Plane) -> float:
    return float(cv2.Laplacian(plane, cv2.CV_64F).var())


def measure(film: Sequence[Plane], seam: int, blended: int) -> tuple[float, float]:
    """Score and sharpness of a seam whose later clip begins at frame ``seam``."""
    first, last = seam - blended - 1, seam
    glances = {
        n: glance(film[n]) for n in range(max(0, first - NEAR), min(len(film), last + NEAR + 1))
    }
    steps = {
        n: float(np.abs(glances[n + 1] - glances[n]).mean()) for n in glances if n + 1 in glances
    }
    own = [step for n, step in steps.items() if not first <= n < last]
    score = max(steps[n] for n in range(first, last)) / max(float(np.median(own)), 0.15)
    if not blended:
        return score, 1.0
    around = (detail(film[first]) + detail(film[last])) / 2
    return score, min(detail(film[n]) for n in range(first + 1, last)) / around


def cut(
    video: Path,
    start: int,
    count: int,
    rate: Fraction,
    out: Path,
    size: tuple[int, int] | None = None,
) -> None:
    """Frames of a video as a clip of its own, as a model would return it."""
    with av.open(str(video)) as source, av.open(str(out), "w") as clip:
        stream = source.streams.video[0]
        width, height = size or (stream.width // 2 * 2, stream.height // 2 * 2)
        track = clip.add_stream("libx264", rate=rate, options={"crf": "18", "preset": "fast"})
        track.width, track.height, track.pix_fmt = width, height, "yuv420p"
        for number, frame in enumerate(source.decode(stream)):
            if start <= number < start + count:
                image = frame.reformat(width, height, "yuv420p")
                image.pts, image.time_base = number - start, 1 / rate
                clip.mux(track.encode(image))
        clip.mux(track.encode(None))


def cuts_of(video: Path, count: int, rng: random.Random) -> tuple[list[int], Fraction]:
    with av.open(str(video)) as source:
        stream = source.streams.video[0]
        frames = sum(1 for _ in source.demux(stream)) - 1
        rate = stream.average_rate or Fraction(25)
    return [rng.randrange(0, frames - LENGTH) for _ in range(count + 1)], rate


def film_of(video: Path, folder: Path, cuts: int, pause: float, rng: random.Random) -> list[Tile]:
    starts, rate = cuts_of(video, cuts, rng)
    silence = round(pause / 2 * 48_000)
    tiles, at = [], 0
    for index, start in enumerate(starts):
        clip = folder / f"{index}.mp4"
        cut(video, start, LENGTH, rate, clip)
        end = grid_sample((index + 1) * LENGTH, rate)
        tiles.append(Tile(clip, at, end, pause=silence))
        at = end
    return tiles


def run(video: Path, seams: str, tiles: Sequence[Tile], rate: Fraction, out: Path) -> Stitched:
    options = StitchOptions(seams=seams)  # type: ignore[arg-type]
    return stitch(tiles, fps=rate, master=None, out=out, options=options, progress=Silent())


def row(name: str, values: Sequence[tuple[float, float]], cpu: float) -> str:
    scores, sharp = np.array(values).T
    return (
        f"| {name} | {len(scores)} | {np.median(scores):.2f} | {np.percentile(scores, 90):.2f} "
        f"| {scores.max():.2f} | {np.median(sharp):.2f} | {np.percentile(sharp, 10):.2f} "
        f"| {sharp.min():.2f} | {cpu * 1000 / len(scores):.0f} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("videos", nargs="+", type=Path)
    parser.add_argument("--cuts", type=int, default=12)
    parser.add_argument("--pause", type=float, default=0.5)
    chosen = parser.parse_args()
    results: dict[str, list[tuple[float, float]]] = {}
    cost: dict[str, float] = {}
    for video in chosen.videos:
        rng = random.Random(video.name)
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            tiles = film_of(video, folder, chosen.cuts, chosen.pause, rng)
            rate = cuts_of(video, 0, rng)[1]
            own = luma(video)
            natural = [measure(own, rng.randrange(20, len(own) - 20), 0) for _ in tiles[1:]]
            results.setdefault("no seam", []).extend(natural)
            for seams in ("cut", "dissolve", "morph", "auto"):
                before = resource.getrusage(resource.RUSAGE_SELF)
                made = run(video, seams, tiles, rate, folder / "film.mp4")
                after = resource.getrusage(resource.RUSAGE_SELF)
                cost[seams] = cost.get(seams, 0) + after.ru_utime - before.ru_utime
                film = luma(folder / "film.mp4")
                for seam in made.seams:
                    at = edge(tiles[seam.index].end, rate)
                    results.setdefault(seams, []).append(measure(film, at, seam.frames))
    print("| seams | n | score median | p90 | max | sharpness median | p10 | min | CPU ms each |")
    print("|---|---|---|---|---|---|---|---|---|")
    for name, values in results.items():
        print(row(name, values, cost.get(name, 0.0)))


if __name__ == "__main__":
    main()
