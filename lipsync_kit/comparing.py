"""What the catalogue's other models would make of a prepared project, side by side."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from lipsync_kit.catalog import Comparison, Model, compare
from lipsync_kit.errors import UsageError
from lipsync_kit.plan.cost import longest_sent
from lipsync_kit.project import Layout, load
from lipsync_kit.schema import Project
from lipsync_kit.timing import film_frames

if TYPE_CHECKING:
    from lipsync_kit.plan.cuts import Preference
    from lipsync_kit.plan.driving import Rules
    from lipsync_kit.preflight.video_watch import Watched


def compare_models(root: Path) -> list[Comparison]:
    """One row a model of the project's task, the cheapest first.

    Sound and driving videos are cut anew within each model's limits, as ``prep`` would. Raises
    :class:`~lipsync_kit.errors.InputError` without a project.
    """
    project, layout = load(root), Layout(root)
    motion = project.task == "motion"
    cutter = _MotionCutter(layout, project) if motion else _SoundCutter(layout, project)
    return compare(project.task, project.resolution, cutter.pieces)


def _even(project: Project, model: Model, resolution: str) -> Sequence[int]:
    """Samples of equal pieces: what a plan costs at least, where no pauses are known."""
    samples = project.audio.samples
    longest = longest_sent(model, resolution, project.fps) or samples
    count = max(1, math.ceil(samples / longest))
    edges = [samples * number // count for number in range(count + 1)]
    return [after - before for before, after in itertools.pairwise(edges)]


def _remembered(project: Project, name: str) -> Fraction | None:
    """Seconds that were chosen when the project was prepared."""
    value = project.options.get(name)
    return None if value is None else Fraction(value)


class _MotionCutter:
    """The planner itself, on what was seen when the project was prepared."""

    def __init__(self, layout: Layout, project: Project) -> None:
        self._project = project
        self._known: dict[Rules, Sequence[int]] = {}
        self._watched = self._seen(layout.watched)

    def pieces(self, model: Model, resolution: str) -> Sequence[int] | None:
        """Samples of every piece that would be sent, its lead included."""
        from lipsync_kit.preflight.video import DrivingOptions, piece_rules

        project = self._project
        options = DrivingOptions(
            trim=project.trim, max_chunk=_remembered(project, "max_chunk"), resolution=resolution
        )
        try:
            rules = piece_rules(project.fps, model, options)
        except UsageError:  # as prep would: such short pieces leave no room for a lead
            return None
        if rules not in self._known:
            self._known[rules] = self._planned(rules)
        return self._known[rules]

    def _planned(self, rules: Rules) -> Sequence[int]:
        import numpy as np

        from lipsync_kit.plan.driving import describe, find_scenes, plan_pieces

        frames = film_frames(self._project.audio.samples, rules.fps)
        movement, scenes = np.zeros(frames, np.float32), list[int]()
        if self._watched is not None and len(self._watched.movement) == frames:
            movement = self._watched.movement
            scenes = find_scenes(self._watched.change, rules.fps)
        chunks = describe(plan_pieces(movement, scenes, rules), rules.fps)
        return [chunk.sent_end - chunk.sent_start for chunk in chunks]

    @staticmethod
    def _seen(path: Path) -> Watched | None:
        from lipsync_kit.preflight.video_watch import Watched

        try:
            return Watched.load(path) if path.exists() else None
        except (KeyError, TypeError, ValueError):  # another version's: compare as without it
            return None


class _SoundCutter:
    """The planner itself, on what was heard when the project was prepared."""

    def __init__(self, layout: Layout, project: Project) -> None:
        from lipsync_kit.preflight.sound_hearing import Hearing
        from lipsync_kit.preflight.sound_plan import pauses_of

        self._project = project
        self._prefer: Preference = project.options.get("prefer", "cost")
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
            return _even(self._project, model, resolution)
        options = PlanOptions(
            model,
            resolution,
            self._project.fps,
            self._prefer,
            _remembered(self._project, "max_chunk"),
            _remembered(self._project, "skip_silence"),
        )
        key = options.digest()  # models that are cut alike are cut once
        if key not in self._known:
            tiles = Planner(self._hearing, self._pauses, options).plan(self._prefer)
            self._known[key] = [tile.sent_end - tile.sent_start for tile in tiles if not tile.still]
        return self._known[key]
