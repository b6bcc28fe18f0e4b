"""From a project's plan to the jobs that a paid engine is asked for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

from lipsync_kit.catalog import Model
from lipsync_kit.engines.order import PaidFile, PaidJob
from lipsync_kit.errors import UsageError
from lipsync_kit.ledger import Ledger
from lipsync_kit.project import Layout
from lipsync_kit.schema import Chunk, Project
from lipsync_kit.store import digest_file, digest_json
from lipsync_kit.takes import Takes
from lipsync_kit.timing import SAMPLE_RATE

ENGINE = "fal"


def paid_jobs(
    layout: Layout,
    project: Project,
    model: Model,
    ledger: Ledger,
    *,
    engine: str = ENGINE,
    retake: Iterable[int] = (),
    take: Mapping[int, int] | None = None,
    images: Mapping[int, PaidFile] | None = None,
) -> list[PaidJob]:
    """One job for every chunk that is sent, at the take that is in use.

    ``retake``: chunks of which a new take is wanted. ``take``: chunk → an earlier take to use.
    ``images``: chunk → what it begins with in place of the portrait.
    Raises :class:`~lipsync_kit.errors.UsageError` for a take that does not exist.
    """
    takes = Takes(layout, engine)
    shared = _shared_files(layout, project)
    again, chosen = set(retake), dict(take or {})
    seen: Counter[str] = Counter()
    jobs = []
    for chunk in project.chunks:
        if chunk.kind != "talk":
            _refuse_still(chunk, again | set(chosen))
            continue
        own = _own_file(layout, project, chunk)
        if images and chunk.index in images:
            own["image"] = images[chunk.index]
        files = {model.fields[role]: file for role, file in {**shared, **own}.items()}
        arguments = chunk_arguments(model, project, chunk)
        # Two chunks with the same sound are two jobs: each of them is paid, moves and is kept.
        same = _content(model, arguments, files, 0)
        content = _content(model, arguments, files, seen[same])
        seen[same] += 1
        number = _take(takes, ledger, content, chunk.index, again, chosen)
        jobs.append(
            PaidJob(
                index=chunk.index,
                take=number,
                content=content,
                model=model.id,
                arguments=arguments,
                files=files,
                length=Fraction(chunk.sent_end - chunk.sent_start, SAMPLE_RATE),
                tariff=model.tariff(project.resolution),
                clip=takes.path(content, number),
                trimmed=Fraction(model.trims_first_second and project.trim),
            )
        )
    return jobs


def chunk_arguments(model: Model, project: Project, chunk: Chunk) -> dict[str, Any]:
    """The model's inputs for a chunk, besides its files.

    Raises :class:`~lipsync_kit.errors.UsageError` when one is missing that the model needs.
    """
    fields = model.fields
    given: dict[str, Any] = {
        "prompt": project.prompt or model.default_prompt,
        "resolution": project.resolution,
        "turbo": project.turbo or None,
        "trim": project.trim,
    }
    for name in model.required:
        if name in given and given[name] is None:
            raise UsageError(f"{model.id} needs a --{name}.", hint=f"Run prep again with --{name}.")
    arguments = dict(model.fixed)
    arguments |= {
        fields[name]: value for name, value in given.items() if name in fields and value is not None
    }
    if model.frame_count is not None:
        samples = chunk.sent_end - chunk.sent_start
        arguments[model.frame_count.field] = model.frame_count.frames(samples)
    return arguments


def _shared_files(layout: Layout, project: Project) -> dict[str, PaidFile]:
    if project.image is None:
        return {}
    path = layout.root / project.image.path
    return {"image": _file(project, "image", path)}


def _own_file(layout: Layout, project: Project, chunk: Chunk) -> dict[str, PaidFile]:
    """The chunk's sound, its piece of video, or both."""
    paths = {}
    if project.task != "motion":
        paths["audio"] = layout.sound(chunk.index)
    if project.task != "talk":
        paths["video"] = layout.piece(chunk.index)
    return {role: _file(project, role, path) for role, path in paths.items()}


def _file(project: Project, role: str, path: Path) -> PaidFile:
    """A file to send; by the user's URL where what it names was fit to be sent as it is."""
    sha256 = digest_file(path)
    source = project.inputs.get(role)
    fit = source is not None and (source.as_given or source.sha256 == sha256)
    return PaidFile(path.absolute(), sha256, source.url if source and fit else None)


def _content(
    model: Model, arguments: Mapping[str, Any], files: Mapping[str, PaidFile], turn: int
) -> str:
    return digest_json(
        {
            "model": model.id,
            "arguments": dict(arguments),
            "files": {name: file.sha256 for name, file in files.items()},
            "turn": turn,
        }
    )


def _take(
    takes: Takes,
    ledger: Ledger,
    content: str,
    index: int,
    again: set[int],
    chosen: Mapping[int, int],
) -> int:
    """The take in use: a new one, the one asked for, or the newest that was ever sent."""
    newest = max(ledger.last_take(content), max(takes.numbers(content), default=0), 0)
    if index in again:
        return newest + 1
    if index in chosen:
        takes.choose(content, chosen[index], index)
        return chosen[index]
    return takes.chosen(content) or max(newest, 1)


def _refuse_still(chunk: Chunk, asked: set[int]) -> None:
    if chunk.index in asked:
        raise UsageError(f"chunk {chunk.index} is a still, made here: it has no takes.")
