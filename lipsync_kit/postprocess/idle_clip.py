"""The clip of a silence that was not sent: pauses of other clips, wandered through.

Its first frame goes on from the clip before, its last one leads into the clip after. Loops
are drawn and encoded once and their packets shown again, so a long silence costs little more
than a short one, and no more than one stretch of frames is held at a time.
"""

from __future__ import annotations

import math
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain, islice, pairwise
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from lipsync_kit.media.h264 import build_avcc
from lipsync_kit.media.x264 import Piece, encode
from lipsync_kit.postprocess.assemble import PATCH, WHOLE, shown_frames
from lipsync_kit.postprocess.conform import Look
from lipsync_kit.postprocess.idle_plan import Crossing, Part, Shot, passed, programme
from lipsync_kit.postprocess.morph import Still, morph, path_between
from lipsync_kit.postprocess.mux import PictureTrack, mux
from lipsync_kit.postprocess.rest import Rest
from lipsync_kit.postprocess.splice import share, spliced
from lipsync_kit.postprocess.survey import Survey, on_grid, survey
from lipsync_kit.store import atomic

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from lipsync_kit.postprocess.idle_draw import Idler

LOOPS = replace(WHOLE, keyint=250)
"""How loops are encoded: with the parameter sets of all that is made whole."""

ENDS = replace(LOOPS, crf=PATCH.crf)
"""How the way in and the way out are: so well that the encoder makes no step at the seams."""

_FEWEST, _MOST_CROSSING = 6, 1
"""Frames of a crossing at least, seconds at most."""

_NOISE, _LEAST = 0.15, 0.02
"""Luma steps that noise alone makes, and what counts even less."""

_HARDLY = 0.3
"""Luma steps of a pause that hardly moves; a crossing may be as quick as that."""


@dataclass(frozen=True)
class Footage:
    """A clip's rest as part of an idle clip; ``dwells``: whether it is long enough to stay in."""

    clip: Path
    rest: Rest
    dwells: bool = True


@dataclass(frozen=True)
class Idle:
    """An idle clip of ``frames`` frames.

    ``footage``: the rests that it goes through. ``after``: it goes on from the last frame of
    the first; ``before``: it leads to the first frame of the last, which is not shown again.
    """

    footage: tuple[Footage, ...]
    frames: int
    look: Look
    after: bool
    before: bool


def make_idle(idle: Idle, out: Path, threads: int = 1) -> None:
    """Write an idle clip to ``out``, atomically.

    Raises :class:`~lipsync_kit.errors.InputError` when a clip can't be read.
    """
    reel = _Reel(idle)
    left = idle.frames
    made: dict[tuple[Part, ...], Piece] = {}
    pieces = []
    look = idle.look
    with tempfile.TemporaryDirectory(prefix=".idle-", dir=_folder(out)) as folder:
        for group in _groups(reel.parts):
            inner = group[0] is not reel.parts[0] and group[-1] is not reel.parts[-1]
            frames = min(left, sum(part.frames for part in group))
            if frames and group not in made:
                drawn = chain.from_iterable(reel.frames(part) for part in group)
                made[group] = encode(
                    (still.frame() for still in islice(drawn, frames)),
                    Path(folder) / f"{len(made):02d}",
                    width=look.width,
                    height=look.height,
                    fps=look.fps,
                    how=replace(LOOPS if inner else ENDS, threads=threads),
                )
            pieces += [made[group]] if frames else []
            left -= frames
        header = share(pieces)
        delay = max(piece.delay for piece in pieces)
        track = PictureTrack(build_avcc(header.sets), look, delay)
        with atomic(out) as temporary:
            mux(spliced(pieces, header), track, None, temporary)


def _folder(out: Path) -> Path:
    out.parent.mkdir(parents=True, exist_ok=True)
    return out.parent


def _groups(parts: Sequence[Part]) -> Iterator[tuple[Part, ...]]:
    """Parts that are made in one piece: a loop by itself, what lies between loops together."""
    shown = Counter(parts)
    group: list[Part] = []
    for part in parts:
        if shown[part] == 1:
            group.append(part)
            continue
        if group:
            yield tuple(group)
            group = []
        yield (part,)
    if group:
        yield tuple(group)


class _Roll:
    """A footage's frames, decoded when they are asked for."""

    def __init__(self, footage: Footage, look: Look) -> None:
        clip = survey(footage.clip)
        self._clip, self._look, self._rest = clip, look, footage.rest
        self._copying = copied_as_is(clip, look)

    def stills(self, first: int = 0, end: int | None = None) -> Iterator[Still]:
        """Frames of the rest."""
        low = self._rest.first + first
        high = self._rest.end if end is None else self._rest.first + end
        shown = shown_frames(self._clip, self._look, low, high, copying=self._copying)
        return (Still.of(frame) for frame in shown)

    def still(self, number: int) -> Still:
        """One frame of the rest."""
        return next(self.stills(number, number + 1))

    @cached_property
    def places(self) -> list[float]:
        """Where each frame lies when it is the picture's changes that are counted.

        From 0 to the number of the last one. Frames that hardly differ lie close together, so
        that a slow drift does not stand still where a model repeats its frames.
        """
        import numpy as np

        steps = [max(_step(*pair) - _NOISE, _LEAST) for pair in pairwise(self.glances)]
        far = np.concatenate([[0.0], np.cumsum(steps)])
        return [float(at) for at in far * (len(steps) / max(far[-1], _LEAST))]

    @cached_property
    def glances(self) -> list[npt.NDArray[np.float32]]:
        """What is seen of each frame at a glance."""
        return [still.glance for still in self.stills()]


def copied_as_is(clip: Survey, look: Look) -> bool:
    """Whether a clip's frames are the film's: nothing stands against copying its packets."""
    same = (clip.width, clip.height) == (look.width, look.height)
    return not clip.obstacle and same and on_grid(clip, look.fps)


class _Reel:
    """All that an idle clip shows, part by part; it holds the frames of one footage."""

    def __init__(self, idle: Idle) -> None:
        self._rolls = [_Roll(footage, idle.look) for footage in idle.footage]
        self._loaded: tuple[int, Idler] | None = None
        dwelling = [footage.dwells for footage in idle.footage]
        long = idle.frames // max(1, sum(dwelling) or len(dwelling))
        stays = [dwells or not any(dwelling) for dwells in dwelling]
        reach = [passed(max(0, long - _longest(idle.look)), idle.look.fps) * on for on in stays]
        self._enter, self._leave = self._ends(idle, reach)
        shots = []
        for number, (footage, roll) in enumerate(zip(idle.footage, self._rolls, strict=True)):
            enter, leave = (roll.places[at[number]] for at in (self._enter, self._leave))
            shots.append(Shot(footage.rest.frames, enter, leave, footage.dwells))
        crossings = [self._crossing(number, idle.look) for number in range(len(shots) - 1)]
        frames = idle.frames + idle.before
        self.parts = programme(shots, crossings, frames, idle.look.fps)

    def _ends(self, idle: Idle, reach: Sequence[int]) -> tuple[list[int], list[int]]:
        """The frame at which each footage is entered, and the one at which it is left.

        ``reach``: frames from the seams within which the first and the last one may be.
        """
        frames = [footage.rest.frames for footage in idle.footage]
        last = len(frames) - 1
        enter, leave = [0] * len(frames), [0] * len(frames)
        enter[0] = frames[0] - 1 if idle.after else 0
        leave[last] = 0 if idle.before else frames[last] - 1
        for number in range(last):
            own = range(max(0, frames[number] - 1 - reach[number]), frames[number])
            if number:
                own = range(frames[number])
            others = range(min(frames[number + 1], reach[number + 1] + 1))
            if number + 1 < last:
                others = range(frames[number + 1])
            leave[number], enter[number + 1] = self._pair(number, own, others)
        return enter, leave

    def _pair(self, number: int, own: range, others: range) -> tuple[int, int]:
        """The frames, of a footage and the next, that look most alike."""
        one, two = (self._rolls[each].glances for each in (number, number + 1))
        pairs = ((early, late) for early in own for late in others)
        return min(pairs, key=lambda pair: _step(one[pair[0]], two[pair[1]]))

    def _crossing(self, number: int, look: Look) -> int:
        """Frames between two footages, so many that steps look like the clips' own."""
        one, two = (self._rolls[each].glances for each in (number, number + 1))
        own = [_step(*pair) for roll in (one, two) for pair in pairwise(roll)]
        usual = max(median(own), _HARDLY) if own else _HARDLY
        far = _step(one[self._leave[number]], two[self._enter[number + 1]])
        return max(_FEWEST, min(_longest(look), math.ceil(2 * far / usual)))

    def frames(self, part: Part) -> Iterator[Still]:
        """A part's frames."""
        if isinstance(part, Crossing):
            early = self._rolls[part.shot].still(self._leave[part.shot])
            late = self._rolls[part.shot + 1].still(self._enter[part.shot + 1])
            self._loaded = None
            yield from morph(path_between(early, late, part.between, eased=True))
            yield late
            return
        idler = self._idler(part.shot)
        for drift in part.drifts:
            yield from map(idler.draw, drift.moments())

    def _idler(self, shot: int) -> Idler:
        from lipsync_kit.postprocess.idle_draw import Idler, life_of

        if self._loaded is None or self._loaded[0] != shot:
            self._loaded = None
            stills = list(self._rolls[shot].stills())
            self._loaded = shot, Idler(stills, life_of(stills[0]), self._rolls[shot].places)
        return self._loaded[1]


def _longest(look: Look) -> int:
    return math.ceil(_MOST_CROSSING * look.fps)


def _step(one: npt.NDArray[np.float32], two: npt.NDArray[np.float32]) -> float:
    import numpy as np

    return float(np.abs(one - two).mean())
