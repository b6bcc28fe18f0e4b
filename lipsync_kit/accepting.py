"""Paid clips are measured before they are used, once each; what stands out is a finding."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from lipsync_kit.executor import each
from lipsync_kit.postprocess.accept import judge, outliers
from lipsync_kit.postprocess.measures import Measures, measure
from lipsync_kit.progress import Progress
from lipsync_kit.project import Layout
from lipsync_kit.recipe import stage, stage_key
from lipsync_kit.schema import Finding, Project
from lipsync_kit.store import digest_file


@stage("post.accept", version=1)
class Accept:
    """Measure a clip against what was sent for it."""

    face: bool


@dataclass(frozen=True)
class _Work:
    index: int
    clip: Path
    sound: Path | None
    face: bool


def _measured(work: _Work) -> Measures:
    return measure(work.clip, work.sound, face=work.face)


def accept_clips(
    layout: Layout, project: Project, takes: Mapping[int, Path], jobs: int, progress: Progress
) -> tuple[Finding, ...]:
    """What stands out in the clips in use: stills, black, face, mouth against sound.

    ``takes``: the clip of each chunk. Clips that were measured before are not measured again.
    """
    face = all(finding.code != "face_none" for finding in project.findings)
    stamps = layout.stamps()
    known: dict[int, Measures] = {}
    todo: list[_Work] = []
    keys: dict[int, str] = {}
    sent = [chunk for chunk in project.chunks if chunk.kind == "talk"]
    for chunk in sent:
        clip = takes[chunk.index]
        sound = layout.sound(chunk.index) if project.task != "motion" else None
        key = stage_key(Accept(face), digest_file(clip), chunk.sha256 or "")
        keys[chunk.index] = key
        note = stamps.note(clip, key)
        if note is None:
            todo.append(_Work(chunk.index, clip, sound, face))
        else:
            known[chunk.index] = _from_note(note)
    if todo:
        with progress.task("measuring the clips", len(todo), "clips") as task:
            for work, measures in each(_measured, todo, jobs):
                known[work.index] = measures
                stamps.mark(work.clip, key=keys[work.index], note=_to_note(measures))
                task.advance()
    found = [finding for chunk in sent for finding in judge(chunk.index, known[chunk.index])]
    return (*found, *outliers(known))


def _to_note(measures: Measures) -> dict[str, Any]:
    return {**asdict(measures), "rate": str(measures.rate)}


def _from_note(note: Mapping[str, Any]) -> Measures:
    return Measures(**{**note, "rate": Fraction(note["rate"])})
