"""A request at the service by its id alone: how it stands, its clip, cancelling it.

For ids that no project here knows: from another machine, or another program.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lipsync_kit.engines.acceptance import fetch_clip
from lipsync_kit.engines.base import Outcome, PassingFault, Ref, RemoteEngine
from lipsync_kit.errors import EngineError, LipsyncError, StillRunning
from lipsync_kit.paid import paid_engine

if TYPE_CHECKING:
    from lipsync_kit.settings import Settings

STATUS = {"queued": "IN_QUEUE", "running": "IN_PROGRESS"}


def standing(engine: RemoteEngine, ref: Ref) -> tuple[str, LipsyncError | None]:
    """``IN_QUEUE``, ``IN_PROGRESS``, ``COMPLETED`` or ``FAILED`` with its error, asked now.

    Raises :class:`~lipsync_kit.errors.LipsyncError` when the service does not know or answer.
    """
    with _answered(ref):
        look = engine.poll(ref, logs=False)
        outcome = engine.outcome(ref) if look.state == "ended" else None
    if outcome is None:
        return STATUS.get(look.state, "IN_PROGRESS"), None
    return ("COMPLETED", None) if outcome.error is None else ("FAILED", outcome.error)


def status(request_id: str, model: str, settings: Settings | None = None) -> dict[str, Any]:
    """``{"request_id", "status"}`` of a request of ``model``, and its ``error`` if it failed."""
    with paid_engine(settings) as engine:
        engine.check()
        state, error = standing(engine, engine.ref(model, request_id))
    found = {"request_id": request_id, "status": state}
    return found if error is None else {**found, "error": error.to_dict()["error"]}


def result(
    request_id: str, model: str, output: Path | None = None, settings: Settings | None = None
) -> dict[str, Any]:
    """``{"request_id", "video"}``: the service's clip, or ``output`` that it was saved to.

    Raises :class:`~lipsync_kit.errors.StillRunning` before its end, and its own error if it
    failed.
    """
    with paid_engine(settings) as engine:
        engine.check()
        ref = engine.ref(model, request_id)
        with _answered(ref):
            outcome = _ended(engine.outcome(ref), ref)
            if output is not None:
                fetch_clip(engine, outcome, output)
    if output is None:
        return {"request_id": request_id, "video": {"url": outcome.url}}
    saved = output.absolute()
    return {"request_id": request_id, "video": {"url": saved.as_uri(), "path": str(saved)}}


def cancel(request_id: str, model: str, settings: Settings | None = None) -> dict[str, Any]:
    """Ask the service to cancel; returns the status from then on. It may finish all the same."""
    with paid_engine(settings) as engine:
        engine.check()
        ref = engine.ref(model, request_id)
        with _answered(ref):
            answer = engine.cancel(ref)
        if answer == "unknown":
            raise EngineError(
                f"{engine.name} does not know request {request_id}",
                code="unknown_request",
                hint="Check the id and the --model that it was submitted to.",
            )
    return status(request_id, model, settings)


def _ended(outcome: Outcome | None, ref: Ref) -> Outcome:
    if outcome is None:
        raise StillRunning(
            f"request {ref.request_id} is still under way",
            hint="Ask again in a while.",
            request_id=ref.request_id,
        )
    if outcome.error is not None:
        raise outcome.error
    return outcome


@contextmanager
def _answered(ref: Ref) -> Iterator[None]:
    try:
        yield
    except PassingFault as fault:
        raise EngineError(
            f"request {ref.request_id}: {fault.reason}",
            code="unreachable",
            hint="Try again in a while; nothing is lost.",
            request_id=ref.request_id,
        ) from None
