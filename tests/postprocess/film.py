"""A small film with known truth: numbered clips, a unique master, and stitching them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from pathlib import Path

from lipsync_kit.postprocess import Stitched, StitchOptions, Tile, stitch
from lipsync_kit.progress import Silent
from lipsync_kit.timing import budgets, edge
from tests.ground_truth.checker import Shown, shown
from tests.ground_truth.frames import Make, make_clip
from tests.ground_truth.sound import Samples, write_master

FPS = Fraction(25)
SMALL = Make(width=320, height=192)


@dataclass
class Film:
    """Clips, tiles and master in a folder; ``extra`` frames beyond each tile's budget."""

    folder: Path
    tiles: list[Tile]
    fps: Fraction
    master: Path | None
    sound: Samples | None

    @property
    def bounds(self) -> list[int]:
        return [0, *(tile.end for tile in self.tiles)]

    @property
    def budgets(self) -> list[int]:
        return budgets(self.bounds, self.fps)

    @property
    def out(self) -> Path:
        return self.folder / "final.mp4"

    def edge(self, clip: int) -> int:
        return edge(self.bounds[clip], self.fps)

    def stitch(self, **options: object) -> Stitched:
        chosen = StitchOptions(**{"seams": "cut", **options})  # type: ignore[arg-type]
        return stitch(
            self.tiles,
            fps=self.fps,
            master=self.master,
            out=self.out,
            options=chosen,
            progress=Silent(),
        )

    @cached_property
    def shown(self) -> list[Shown]:
        return list(shown(self.out))

    def tile_of(self, clip: int) -> list[Shown]:
        return self.shown[self.edge(clip) : self.edge(clip + 1)]


def make_film(
    folder: Path,
    lengths: Sequence[int],
    extra: Sequence[int],
    makes: Sequence[Make] | Make = SMALL,
    *,
    fps: Fraction = FPS,
    channels: int = 1,
    leads: Sequence[int] | None = None,
    silent: bool = False,
) -> Film:
    """Tiles of ``lengths`` samples; each clip has its budget, its lead and ``extra`` frames."""
    bounds = [0]
    for length in lengths:
        bounds.append(bounds[-1] + length)
    chosen = [makes] * len(lengths) if isinstance(makes, Make) else list(makes)
    leads = leads or [0] * len(lengths)
    tiles = []
    for index, budget in enumerate(budgets(bounds, fps)):
        make = chosen[index]
        count = round((budget + extra[index] + leads[index]) / fps * make.rate)
        path = make_clip(folder / f"{index:04d}.mp4", index, count, make)
        tiles.append(Tile(path, bounds[index], bounds[index + 1], lead=leads[index]))
    if silent:
        return Film(folder, tiles, fps, None, None)
    master = folder / "master.wav"
    return Film(folder, tiles, fps, master, write_master(master, bounds[-1], channels))
