"""What an engine is, seen from the render coordinator.

Two kinds. A *local* engine is pure work: ``render(request, dest)`` may run in any process
and costs nothing. A *remote* engine is paid, answers over a network, and is driven through
the ledger so that no chunk is paid twice.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal, Protocol


@dataclass(frozen=True)
class ClipRequest:
    """One chunk's clip as an engine is asked for it. All paths are absolute.

    ``first_frame``/``frames``: the tile on the film's frame grid at ``fps``; the clip has
    exactly ``frames`` frames. ``sound``: the chunk's WAV, ``None`` for a still. ``seed``
    makes motion repeatable, and is the same for the whole film.
    """

    index: int
    take: int
    task: str
    first_frame: int
    frames: int
    fps: Fraction
    seed: int
    resolution: str
    sound: Path | None = None
    image: Path | None = None
    video: Path | None = None


class LocalEngine(Protocol):
    """An engine that renders on this machine."""

    name: str

    def key(self, request: ClipRequest) -> str:
        """The key of the clip's work: the same key, the same clip."""
        ...

    def render(self, request: ClipRequest, dest: Path) -> None:
        """Make the clip at ``dest``, atomically. Pure: runs in any process."""
        ...


@dataclass(frozen=True)
class Ref:
    """A job at a service, with the URLs that the service returned. URLs are never built."""

    request_id: str
    status_url: str
    response_url: str
    cancel_url: str


@dataclass(frozen=True)
class RemoteRequest:
    """What is POSTed for a chunk: the model's id and its arguments, exactly."""

    model: str
    arguments: dict[str, Any]


SubmitOutcome = Literal["submitted", "not_sent", "rejected", "unsettled"]


@dataclass(frozen=True)
class Submitted:
    """How one POST ended: ``not_sent`` and ``rejected`` cost nothing, ``unsettled`` may."""

    outcome: SubmitOutcome
    ref: Ref | None = None
    reason: str = ""
    data: dict[str, Any] = field(default_factory=dict)
