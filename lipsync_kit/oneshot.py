"""The one-shot commands: prep and render in one, in a folder of their own.

The folder is named by what was asked (task, inputs, options), so the same command run again
goes on where it stopped and pays for nothing twice. It lies with the user's data, and so do
the ids: ``--status``, ``--result`` and ``--cancel`` work from anywhere.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

from lipsync_kit.catalog import DEFAULT_MODEL, Model, find_model
from lipsync_kit.engines.order import from_record
from lipsync_kit.errors import InputError
from lipsync_kit.media.probe import check_file
from lipsync_kit.preparing import Inputs, PrepOptions, prep
from lipsync_kit.progress import Progress
from lipsync_kit.project import Layout
from lipsync_kit.rendering import RenderOptions, render
from lipsync_kit.schema import Rendered
from lipsync_kit.settings import Settings
from lipsync_kit.store import digest_file, digest_json

DEFAULT_CAP = Decimal(25)
"""USD that a one-shot command may spend when nothing else was said."""

PREFIX = "lk-"
"""How our own ids begin."""

Status = Literal["IN_QUEUE", "IN_PROGRESS", "COMPLETED", "FAILED"]


@dataclass(frozen=True)
class Job:
    """A one-shot project, found by an id: ours names all of it, the service's one chunk."""

    root: Path
    chunks: tuple[int, ...] = ()


def home() -> Path:
    """Where one-shot projects lie."""
    import platformdirs

    return platformdirs.user_data_path("lipsync-kit", appauthor=False) / "oneshot"


def make(
    inputs: Inputs,
    options: PrepOptions,
    how: RenderOptions,
    settings: Settings,
    progress: Progress,
) -> tuple[Path, Rendered]:
    """Prepare and render; returns the project's folder and what ``render`` returns.

    Spends without asking up to ``how.max_cost``, or :data:`DEFAULT_CAP`.
    """
    model = find_model(options.model or DEFAULT_MODEL[inputs.task], inputs.task)
    if how.engine == "fal":
        from lipsync_kit.paid import fal_settings

        fal_settings(settings).check_key()
    for role, path in inputs.files().items():
        check_file(path, role)
    root = home() / _name(inputs, model, options, how)
    prep(root, inputs, options, progress)
    capped = replace(how, max_cost=DEFAULT_CAP if how.max_cost is None else how.max_cost)
    return root, render(root, capped, settings=settings, progress=progress)


def _name(inputs: Inputs, model: Model, options: PrepOptions, how: RenderOptions) -> str:
    """The same for a default that is spelt out as for one that is not."""
    files = {role: digest_file(path) for role, path in inputs.files().items()}
    settled = {**vars(options), "model": model.id, "resolution": options.resolution_of(model)}
    chosen = {name: str(value) for name, value in settled.items()}
    return PREFIX + digest_json([model.task, how.engine, files, chosen])[:20]


def find(identifier: str) -> Job | None:
    """The job of an id; ``None`` for a service's id that no project here knows.

    Raises :class:`~lipsync_kit.errors.InputError` for an id of ours that is none.
    """
    from lipsync_kit.ledger import Ledger

    if identifier.startswith(PREFIX):
        root = home() / identifier
        if re.fullmatch(PREFIX + r"[0-9a-f]{20}", identifier) and Layout(root).plan.exists():
            return Job(root)
        raise InputError(
            f"{identifier}: no job of this user has this id.",
            code="unknown_job",
            hint="Ids are printed by --async.",
        )
    for root in sorted(home().iterdir()) if home().is_dir() else []:
        if Layout(root).ledger.exists():
            with Ledger(Layout(root).ledger) as ledger:
                chunks = {one.chunk for one in ledger.attempts() if _is(one.ref, identifier)}
            if chunks:
                return Job(root, tuple(chunks))
    return None


def _is(ref: Any, identifier: str) -> bool:
    return ref is not None and ref.request_id == identifier


def identify(root: Path, request_ids: Sequence[str | None]) -> str:
    """The id to print: the service's own where one request is all, else ours."""
    known = [one for one in request_ids if one]
    return known[0] if len(request_ids) == 1 and known else root.name


def status(job: Job, settings: Settings) -> dict[str, Any]:
    """How far a job is, asked of the service now: ``status`` and the chunks' own."""
    from lipsync_kit.paid import look

    rows = [row for row in look(job.root, settings) if not job.chunks or row["index"] in job.chunks]
    return {"status": overall([row["status"] for row in rows]), "chunks": rows}


def overall(states: Sequence[Status]) -> Status:
    """One state for several: failed as soon as one is, completed when all are."""
    if "FAILED" in states:
        return "FAILED"
    if states and all(state == "COMPLETED" for state in states):
        return "COMPLETED"
    return "IN_PROGRESS" if {"IN_PROGRESS", "COMPLETED"} & set(states) else "IN_QUEUE"


def result(job: Job, how: RenderOptions, settings: Settings, progress: Progress) -> Rendered:
    """Collect a job's film. Sends nothing that was not sent before.

    Raises the job's own error when it failed.
    """
    for row in status(job, settings)["chunks"]:
        if row["status"] == "FAILED":
            raise from_record(row.get("error") or {"message": "The job failed or was cancelled."})
    unpaid = replace(how, max_cost=Decimal(0), submit_only=False)
    return render(job.root, unpaid, settings=settings, progress=progress)
