"""The cuts of a recording that was heard, for a model and a frame rate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction

from lipsync_kit.catalog import Model
from lipsync_kit.plan.choices import Choice, Choices
from lipsync_kit.plan.cost import longest_sent
from lipsync_kit.plan.cuts import (
    WEIGHTS,
    Candidate,
    Preference,
    Rules,
    Tile,
    pause_candidates,
    plan_cuts,
    valley_candidates,
)
from lipsync_kit.plan.kept import Kept, gaps, released
from lipsync_kit.plan.pauses import Levels, Pause, find_pauses, find_valleys, speaking
from lipsync_kit.preflight.sound_hearing import Hearing
from lipsync_kit.preflight.sound_voice import FRAME_SECONDS
from lipsync_kit.store import digest_json
from lipsync_kit.timing import SAMPLE_RATE

_VERSION = 2
_HANDLE = Fraction(3, 10)
_SHORTEST = 2 * SAMPLE_RATE


@dataclass(frozen=True)
class PlanOptions:
    """What decides the cuts besides the sound; times in seconds."""

    model: Model
    resolution: str
    fps: Fraction
    prefer: Preference
    max_chunk: Fraction | None = None
    skip_silence: Fraction | None = None

    def longest(self) -> int | None:
        """The most samples that one chunk may send, a frame to spare; ``None``: no limit."""
        limits = [longest_sent(self.model, self.resolution, self.fps)]
        if self.max_chunk is not None:
            limits.append(int((self.max_chunk - 1 / self.fps) * SAMPLE_RATE))
        known = [limit for limit in limits if limit is not None]
        return min(known) if known else None

    def rules(self, samples: int) -> Rules:
        """The rules for a sound of ``samples``."""
        longest = self.longest()
        longest = samples if longest is None else longest
        skip = self.skip_silence
        return Rules(
            longest=longest,
            billing=self.model.billing,
            shortest=min(3 * SAMPLE_RATE, longest // 3),
            skip=None if skip is None else int(skip * SAMPLE_RATE),
        )

    def digest(self) -> str:
        """Names everything here that decides a cut."""
        billing = self.model.billing
        times = [str(self.fps), str(self.skip_silence), self.longest()]
        weights = asdict(WEIGHTS[self.prefer])
        return digest_json([_VERSION, times, weights, billing.unit, billing.minimum])


def voice_of(hearing: Hearing) -> Levels:
    """Probability of speech at every level of ``hearing``."""
    frame = FRAME_SECONDS * SAMPLE_RATE
    return speaking(hearing.speech, len(hearing.levels), frame, frame)


def pauses_of(hearing: Hearing) -> list[Pause]:
    """The pauses of ``hearing``."""
    return find_pauses(voice_of(hearing), hearing.levels, hearing.samples)


class Planner:
    """Plans one sound; the candidates are found once, for every preference."""

    def __init__(self, hearing: Hearing, pauses: list[Pause], options: PlanOptions) -> None:
        self._pauses, self._samples, self._options = pauses, hearing.samples, options
        self._rules = options.rules(hearing.samples)
        longest = min(self._rules.longest, hearing.samples)
        handle = min(int(_HANDLE * SAMPLE_RATE), longest // 10)
        valleys = find_valleys(
            voice_of(hearing), hearing.levels, hearing.samples, pauses, longest // 3, options.fps
        )
        self._candidates = [
            *pause_candidates(pauses, hearing.samples, options.fps),
            *valley_candidates(valleys, hearing.samples, handle),
        ]

    def run(self, kept: Sequence[Kept] = ()) -> tuple[tuple[Tile, ...], Choices]:
        """The tiling that was asked for, and what every preference gives.

        Another preference would plan all of the sound anew: ``kept`` stays in this one only.
        """
        chosen = self.plan(self._options.prefer, kept)
        choices = {
            prefer: Choice.of(
                chosen if prefer == self._options.prefer else self.plan(prefer),
                self._rules.billing,
            )
            for prefer in WEIGHTS
        }
        return tuple(chosen), choices

    def plan(self, prefer: Preference, kept: Sequence[Kept] = ()) -> list[Tile]:
        """The best tiling, around what is kept from the plan before."""
        staying = released(kept, self._samples, _SHORTEST)
        tiles = [item.moved for item in staying]
        for start, end in gaps(staying, self._samples):
            tiles += self._between(start, end, tiles, prefer)
        return sorted(tiles, key=lambda tile: tile.start)

    def _between(
        self, start: int, end: int, kept: Sequence[Tile], prefer: Preference
    ) -> list[Tile]:
        before = [tile.cut for tile in kept if tile.end == start]
        first = before[0] if before and before[0] is not None else Candidate(start, 0.0)
        last = Candidate(end, 0.0)
        if end < self._samples:
            last = self._cut_at(end, kept)
        return plan_cuts(
            self._candidates,
            self._pauses,
            self._samples,
            self._rules,
            WEIGHTS[prefer],
            span=(first, last),
        )

    def _cut_at(self, end: int, kept: Sequence[Tile]) -> Candidate:
        """The cut before a kept tile: in the pause that is there now, with its old handle."""
        (after,) = [tile for tile in kept if tile.start == end]
        handle = after.start - after.sent_start
        around = [pause for pause in self._pauses if pause.start <= end <= pause.end]
        length = round(around[0].seconds * 1000) if around else None
        return Candidate(end, 0.0, handle, length)
