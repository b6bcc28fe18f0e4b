"""What stitching is given and what it answers: tiles, options, facts about clips and seams."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Literal

from lipsync_kit import timing
from lipsync_kit.schema import Finding

Seams = Literal["auto", "cut", "dissolve", "morph"]
SeamKind = Literal["cut", "dissolve", "morph"]
Way = Literal["copied", "spliced", "conformed"]


@dataclass(frozen=True)
class Tile:
    """A stretch of the master and the clip whose picture it shows.

    ``start``/``end``: samples of the 48 kHz master. ``lead``/``tail``: frames, at the film's
    rate, that the clip has before the tile and may have after it, because more sound was sent
    than the tile holds (handles). ``pause``: samples of silence before ``end``; a seam's blend
    stays near it. ``scene``: the picture is meant to change at ``end``.
    """

    clip: Path
    start: int
    end: int
    lead: int = 0
    tail: int = 0
    pause: int = 0
    scene: bool = False

    def first_frame(self, fps: Fraction) -> int:
        """The film's frame with which the tile begins."""
        return timing.edge(self.start, fps)

    def frames(self, fps: Fraction) -> int:
        """The tile's budget: frames of the film that it fills."""
        return timing.edge(self.end, fps) - self.first_frame(fps)


@dataclass(frozen=True)
class StitchOptions:
    """How to stitch.

    ``seams``: ``cut`` joins hard, ``dissolve`` and ``morph`` treat every seam, ``auto`` only
    those that would be seen. ``compatible``: encode everything anew with one parameter set,
    for players that take no other. ``jobs``: clips worked on at once.
    """

    seams: Seams = "auto"
    compatible: bool = False
    jobs: int = 2


@dataclass(frozen=True)
class ClipFacts:
    """What became of a clip: frames copied and encoded sum to its tile's budget.

    ``copied``: frames whose packets are the clip's own. ``encoded``: frames encoded anew, of
    which ``held`` repeat the last frame of a clip that was too short and ``blended`` hide the
    seam after it. ``trimmed``: frames left off the clip's end beyond its handle.
    """

    index: int
    way: Way
    frames: int
    copied: int
    encoded: int
    held: int = 0
    blended: int = 0
    trimmed: int = 0
    reason: str = ""


@dataclass(frozen=True)
class Seam:
    """A join and how visible it is.

    ``frame``: the film's frame that begins the later tile. ``frames``: blended frames before
    it. ``hard``/``score``: the largest step across the join over the clips' own median step,
    as a hard cut and as delivered; 1 is the clips' own motion. ``sharpness``: the least
    detail of a blended frame over its neighbours' (1 without blending).
    """

    index: int
    frame: int
    kind: SeamKind
    frames: int
    hard: float
    score: float
    sharpness: float = 1.0


@dataclass(frozen=True)
class Stitched:
    """The film and how it came about."""

    path: Path
    frames: int
    clips: tuple[ClipFacts, ...]
    seams: tuple[Seam, ...]
    parameter_sets: int
    findings: tuple[Finding, ...] = field(default=())
