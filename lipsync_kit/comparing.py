"""What the catalogue's other models would make of a prepared project, side by side."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

from lipsync_kit.catalog import Comparison, Model, compare
from lipsync_kit.plan.cost import longest_sent
from lipsync_kit.project import Layout, load
from lipsync_kit.schema import Project


def compare_models(root: Path) -> list[Comparison]:
    """One row a model of the project's task, the cheapest first.

    Sound is cut anew within each model's limits, as ``prep`` would; a driving video is cut
    into equal pieces. Raises :class:`~lipsync_kit.errors.InputError` without a project.
    """
    project, layout = load(root), Layout(root)
    cutter = _SoundCutter(layout, project) if project.task == "talk" else _EvenCutter(project)
    return compare(project.task, project.resolution, cutter.pieces)


class _EvenCutter:
    """Equal pieces: what a plan costs at least, where there are no pauses to mind."""

    def __init__(self, project: Project) -> None:
        self._project = project

    def pieces(self, model: Model, resolution: str) -> Sequence[int]:
        """Samples of every piece."""
        samples = self._project.audio.samples
        longest = longest_sent(model, resolution, self._project.fps) or samples
        count = max(1, math.ceil(samples / longest))
        edges = [samples * number // count for number in range(count + 1)]
        return [after - before for before, after in itertools.pairwise(edges)]


class _SoundCutter:
    """The planner itself, on what was heard when the project was prepared."""

    def __init__(self, layout: Layout, project: Project) -> None:
        from lipsync_kit.preflight.sound_hearing import Hearing
        from lipsync_kit.preflight.sound_plan import pauses_of

        self._project = project
        self._even = _EvenCutter(project)
        self._known: dict[str, Sequence[int]] = {}
        self._hearing: Hearing | None = None
        heard = layout.hidden / "sound" / "hearing.npz"
        if heard.exists():
            try:
                self._hearing = Hearing.load(heard)
            except (TypeError, ValueError):  # another version's: compare as without it
                return
            self._pauses = pauses_of(self._hearing)

    def pieces(self, model: Model, resolution: str) -> Sequence[int]:
        """Samples of every piece that would be sent."""
        from lipsync_kit.preflight.sound_plan import Planner, PlanOptions

        if self._hearing is None:
            return self._even.pieces(model, resolution)
        options = PlanOptions(
            model,
            resolution,
            self._project.fps,
            "cost",
            self._remembered("max_chunk"),
            self._remembered("skip_silence"),
        )
        key = options.digest()  # models that are cut alike are cut once
        if key not in self._known:
            tiles = Planner(self._hearing, self._pauses, options).plan("cost")
            self._known[key] = [tile.sent_end - tile.sent_start for tile in tiles if not tile.still]
        return self._known[key]

    def _remembered(self, name: str) -> Fraction | None:
        value = self._project.options.get(name)
        return None if value is None else Fraction(value)
