"""Clips from a paid engine: the budget gate, then the coordinator, then what it cost."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lipsync_kit.catalog import find_model
from lipsync_kit.engines.fal.access import FalSettings, Secret
from lipsync_kit.engines.order import PaidJob, Receipt, RemoteOptions
from lipsync_kit.engines.orders import paid_jobs
from lipsync_kit.engines.remote import Outlook, collect, job_rows, outlook
from lipsync_kit.engines.stills import still_clips
from lipsync_kit.errors import BudgetError, UsageError
from lipsync_kit.ledger import Ledger, State
from lipsync_kit.progress import Progress, Silent
from lipsync_kit.project import Layout, load, locked
from lipsync_kit.schema import Billed, Finding, Project
from lipsync_kit.settings import Settings, load_settings
from lipsync_kit.takes import Takes

if TYPE_CHECKING:
    from lipsync_kit.engines.fal.engine import FalEngine
    from lipsync_kit.rendering import Clips, RenderOptions

LOCAL_STATUS: dict[State, str] = {
    "intent": "IN_QUEUE",
    "submitted": "IN_PROGRESS",
    "done": "COMPLETED",
    "failed": "FAILED",
    "rejected": "FAILED",
    "cancelled": "FAILED",
    "lost": "FAILED",
}
"""What an attempt's state is in the service's words."""


def paid_clips(
    layout: Layout,
    project: Project,
    options: RenderOptions,
    settings: Settings | None,
    progress: Progress,
    confirm: Callable[[str], bool] | None,
) -> Clips:
    """Every chunk's clip from fal, each paid at most once; what is missing, with ``--async``.

    Raises the gravest error of the run, after everything else was collected.
    """
    from lipsync_kit.rendering import Clips

    with paid_engine(settings) as engine, Ledger(layout.ledger) as ledger:
        model = find_model(project.model, project.task)
        chosen = dict(options.take)
        work = paid_jobs(layout, project, model, ledger, retake=options.retake, take=chosen)
        if not all(_is_here(ledger, job) for job in work):
            engine.check()
        _gate(outlook(ledger, work), options, model.id, confirm)
        for job in work:
            if job.index in options.retake:  # an earlier choice by hand no longer holds
                Takes(layout, engine.name).retake(job.content)
        receipt = collect(engine, ledger, work, remote_options(options), progress)
        left = _left_behind(ledger, work)
    if receipt.error is not None:
        raise receipt.error
    rows = {row.index: row for row in receipt.chunks}
    takes = {row.index: (row.take, row.clip) for row in receipt.chunks if row.clip is not None}
    missing = {index: row.state for index, row in rows.items() if row.clip is None}
    if not missing:
        clips = {index: clip for index, (_, clip) in takes.items()}
        takes |= {index: (1, clip) for index, clip in still_clips(layout, project, clips).items()}
    return Clips(
        takes=takes,
        findings=(*left, *(finding for row in receipt.chunks for finding in row.findings)),
        missing=missing or None,
        handles=True,
        billed=Billed(
            seconds=receipt.seconds,
            usd=float(receipt.usd),
            maybe_seconds=receipt.maybe_seconds,
            maybe_usd=float(receipt.maybe_usd),
        ),
        bills={row.index: row.bill for row in receipt.chunks},
    )


def _left_behind(ledger: Ledger, work: Sequence[PaidJob]) -> tuple[Finding, ...]:
    """A word about jobs at the service whose chunks have changed since they were sent."""
    wanted = {job.content for job in work}
    lost = [
        attempt
        for attempt in ledger.attempts()
        if attempt.content not in wanted and attempt.state in {"intent", "submitted"}
    ]
    if not lost:
        return ()
    usd = float(sum(attempt.planned_usd for attempt in lost))
    message = f"{len(lost)} jobs were sent for chunks that have changed since: about ${usd:.2f}."
    hint = "Prepared again as it was, the project collects them; they may be billed either way."
    ids = [attempt.ref.request_id for attempt in lost if attempt.ref is not None]
    data = {"request_ids": ids, "usd": usd}
    return (Finding(code="left_behind", severity="warning", message=message, hint=hint, data=data),)


def _is_here(ledger: Ledger, job: PaidJob) -> bool:
    attempt = ledger.live(job.content, job.take)
    return attempt is not None and attempt.state == "done" and job.clip.exists()


def remote_options(options: RenderOptions) -> RemoteOptions:
    """What a user chose, as the coordinator takes it."""
    made = RemoteOptions(
        poll_interval=options.poll_interval,
        timeout=options.timeout,
        logs=options.logs,
        max_cost=None if options.max_cost is None else Fraction(options.max_cost),
        submit_only=options.submit_only,
        resubmit_lost=options.resubmit_lost,
    )
    return made if options.jobs is None else replace(made, parallel=options.jobs)


def _gate(
    planned: Outlook,
    options: RenderOptions,
    model: str,
    confirm: Callable[[str], bool] | None,
) -> None:
    """Nothing is spent without a cap, a yes, or a person who says so."""
    if not planned.chunks or options.yes or options.max_cost is not None:
        return
    price = "an unknown price" if planned.usd is None else f"about ${float(planned.usd):.2f}"
    what = f"{planned.chunks} chunks, {planned.seconds} s with {model}: {price}"
    if confirm is not None and confirm(f"{what}. Spend it?"):
        return
    raise BudgetError(
        f"Not confirmed: {what}.",
        code="not_confirmed",
        usd=None if planned.usd is None else float(planned.usd),
        seconds=planned.seconds,
        chunks=planned.chunks,
    )


def jobs(root: Path) -> list[dict[str, Any]]:
    """Every chunk of the project at ``root`` with its take, state, request id and cost."""
    project, layout = load(root), Layout(root)
    with Ledger(layout.ledger) as ledger:
        model = find_model(project.model, project.task)
        return job_rows(ledger, paid_jobs(layout, project, model, ledger))


def look(root: Path, settings: Settings | None = None) -> list[dict[str, Any]]:
    """Every chunk with its ``index``, ``request_id`` and ``status``, asked at the service now.

    ``status``: IN_QUEUE (also before it is sent), IN_PROGRESS, COMPLETED or FAILED.
    """
    from lipsync_kit.requests import standing

    project, layout = load(root), Layout(root)
    rows = []
    with paid_engine(settings) as engine, Ledger(layout.ledger) as ledger:
        model = find_model(project.model, project.task)
        for job in paid_jobs(layout, project, model, ledger):
            attempt = ledger.latest(job.content, job.take)
            state = "IN_QUEUE" if attempt is None else LOCAL_STATUS[attempt.state]
            if attempt is not None and attempt.ref is not None and attempt.state == "submitted":
                state, _error = standing(engine, attempt.ref)
            ref = None if attempt is None else attempt.ref
            request_id = None if ref is None else ref.request_id
            rows.append({"index": job.index, "request_id": request_id, "status": state})
    return rows


def cancel(
    root: Path,
    chunks: Sequence[int] = (),
    *,
    settings: Settings | None = None,
    timeout: float = 60.0,
    poll_interval: float = 2.0,
    progress: Progress | None = None,
) -> Receipt:
    """Cancel what is at the service, all of it or these chunks.

    A job that finished all the same is kept: its clip is fetched.
    """
    bar = progress or Silent()
    project, layout = load(root), Layout(root)
    known = {chunk.index for chunk in project.chunks}
    for index in chunks:
        if index not in known:
            raise UsageError(f"There is no chunk {index}: this project has 0 to {max(known)}.")
    with (
        paid_engine(settings) as engine,
        locked(root, timeout, bar),
        Ledger(layout.ledger) as ledger,
    ):
        engine.check()
        model = find_model(project.model, project.task)
        work = paid_jobs(layout, project, model, ledger)
        wanted = [job for job in work if not chunks or job.index in chunks]
        options = RemoteOptions(poll_interval, timeout, cancel=True)
        receipt = collect(engine, ledger, _at_the_service(ledger, wanted), options, bar)
    if receipt.error is not None:
        raise receipt.error
    return receipt


def _at_the_service(ledger: Ledger, work: list[PaidJob]) -> list[PaidJob]:
    found = ((job, ledger.live(job.content, job.take)) for job in work)
    return [job for job, one in found if one is not None and one.state != "done"]


@contextmanager
def paid_engine(settings: Settings | None = None) -> Iterator[FalEngine]:
    """The fal engine as the settings say, closed when the block is left."""
    from lipsync_kit.engines.fal.engine import FalEngine

    engine = FalEngine(fal_settings(settings or load_settings()))
    try:
        yield engine
    finally:
        engine.close()


def fal_settings(settings: Settings) -> FalSettings:
    """Key and base URLs as the fal engine takes them."""
    return FalSettings(
        key=Secret(settings.key or ""),
        queue_url=settings.get("fal_queue_url") or FalSettings.queue_url,
        rest_url=settings.get("fal_rest_url") or FalSettings.rest_url,
        cdn_url=settings.get("fal_cdn_url") or FalSettings.cdn_url,
        api_url=settings.get("fal_api_url") or FalSettings.api_url,
    )
