"""What each preference would make of a sound: chunks, seams, billed seconds, cuts in speech."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lipsync_kit.catalog import Billing, Model
from lipsync_kit.plan.cost import estimate_pieces
from lipsync_kit.plan.cuts import COMFORT, Preference, Tile
from lipsync_kit.schema import Estimate


@dataclass(frozen=True)
class Choice:
    """A plan in numbers.

    ``seconds``: what is billed for each piece that is sent. ``in_speech``: cuts where there is
    no pause. ``tight``: cuts in pauses so short that a seam is hard to hide.
    """

    seconds: tuple[int, ...]
    seams: int
    in_speech: int
    tight: int

    @classmethod
    def of(cls, tiles: Sequence[Tile], billing: Billing) -> Choice:
        """The numbers of a plan."""
        pauses = [tile.cut.pause_ms for tile in tiles if tile.cut is not None]
        return cls(
            seconds=tuple(
                billing.seconds(tile.sent_end - tile.sent_start) for tile in tiles if not tile.still
            ),
            seams=max(0, len(tiles) - 1),
            in_speech=sum(pause is None for pause in pauses),
            tight=sum(pause is not None and pause < 1000 * COMFORT for pause in pauses),
        )

    def estimate(self, model: Model, resolution: str) -> Estimate:
        """What it is expected to cost."""
        return estimate_pieces(self.seconds, self.seams, model, resolution)


Choices = Mapping[Preference, Choice]
"""Every preference with what it would give; the one that was chosen among them."""
