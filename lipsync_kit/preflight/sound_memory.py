"""What a preparation remembers for the next one: its plan, and where its sound came from."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lipsync_kit.plan.choices import Choice, Choices
from lipsync_kit.plan.cuts import Candidate, Tile
from lipsync_kit.plan.kept import Kept, keep, unchanged
from lipsync_kit.preflight.sound_evening import Evened
from lipsync_kit.preflight.sound_hearing import Hearing
from lipsync_kit.preflight.sound_prints import Prints
from lipsync_kit.store import atomic

_VERSION = 2


@dataclass(frozen=True)
class Memory:
    """The last plan of a project.

    ``source``: digest of the recording; ``rules``: digest of everything else that decided the
    cuts. ``sample_rate``/``channels``/``prints``: of the recording as it was decoded.
    ``samples``: of the timeline. ``gains``: dB of the master and of what drives the engine;
    ``cleaning``: whether hum was taken out and the model ran; ``work``: digest of the options
    that change samples. ``master``/``driving``: keys of the files that were made. ``renewed``:
    the recording replaced another, and no sound of it could be found again because it is lossy.
    ``choices``: what every preference gives. ``evened``: the sections of the sound, and what
    was done to even them out.
    """

    source: str
    rules: str
    sample_rate: int
    channels: int
    samples: int
    gains: tuple[float, float]
    cleaning: tuple[bool, bool]
    work: str
    master: str
    driving: str
    renewed: bool
    tiles: tuple[Tile, ...]
    choices: Choices
    evened: Evened
    prints: Prints

    def save(self, path: Path) -> None:
        """Write it as ``.npz``."""
        facts = {name: value for name, value in asdict(self).items() if name != "prints"}
        text = json.dumps({"version": _VERSION, **facts})
        with atomic(path) as temporary, temporary.open("wb") as file:
            np.savez(file, facts=np.array(text), ends=self.prints.ends, marks=self.prints.marks)

    @classmethod
    def load(cls, path: Path) -> Memory | None:
        """Read what :meth:`save` wrote; ``None`` when there is nothing, or another version's."""
        try:
            with np.load(path, allow_pickle=False) as stored:
                facts: dict[str, Any] = json.loads(str(stored["facts"]))
                prints = Prints(stored["ends"], stored["marks"])
        except (FileNotFoundError, zipfile.BadZipFile, KeyError, ValueError):
            return None  # without it everything is planned anew: nothing is lost but time
        if facts.pop("version", None) != _VERSION:
            return None
        tiles = tuple(_tile(fields) for fields in facts.pop("tiles"))
        choices = {prefer: _choice(numbers) for prefer, numbers in facts.pop("choices").items()}
        for name in ("cleaning", "gains"):
            facts[name] = tuple(facts[name])
        evened = Evened.read(facts.pop("evened"))
        return cls(**facts, tiles=tiles, choices=choices, evened=evened, prints=prints)

    def kept(self, hearing: Hearing) -> list[Kept]:
        """The tiles whose sound is in ``hearing`` unchanged."""
        same_kind = (self.sample_rate, self.channels) == (hearing.sample_rate, hearing.channels)
        if not same_kind or not len(hearing.print_marks):
            return []
        stretches = unchanged(
            self.prints.ends, self.prints.marks, hearing.print_ends, hearing.print_marks
        )
        return keep(self.tiles, stretches, self.sample_rate, self.samples, hearing.samples)


def _tile(fields: dict[str, Any]) -> Tile:
    cut = fields.pop("cut")
    return Tile(**fields, cut=None if cut is None else Candidate(**cut))


def _choice(fields: dict[str, Any]) -> Choice:
    return Choice(**{**fields, "seconds": tuple(fields["seconds"])})


def copied_spans(kept: Sequence[Kept]) -> list[tuple[int, int, int]]:
    """What is copied from the master before: ``(start, end, shift)``, ends on the new timeline."""
    spans: list[tuple[int, int, int]] = []
    for item in kept:
        start, end = item.moved.sent_start, item.moved.sent_end
        if spans and spans[-1][2] == item.shift and start <= spans[-1][1]:
            spans[-1] = (spans[-1][0], max(end, spans[-1][1]), item.shift)
        else:
            spans.append((start, end, item.shift))
    return spans
