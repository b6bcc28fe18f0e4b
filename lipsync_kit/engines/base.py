"""What an engine is, seen from the render coordinator.

Two kinds. A *local* engine is pure work: ``render(request, dest)`` may run in any process
and costs nothing. A *remote* engine is paid, answers over a network, and is driven through
the ledger so that no chunk is paid twice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal, Protocol

from lipsync_kit.errors import LipsyncError


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
    arguments: Mapping[str, Any]


class PassingFault(Exception):
    """The service could not be asked just now; nothing is known and asking again is free.

    ``wait``: seconds that the service asked for, when it did. Never reaches a user.
    """

    def __init__(self, reason: str, wait: float | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.wait = wait


@dataclass(frozen=True)
class Submitted:
    """How one POST ended.

    ``submitted``: ``ref`` names the job. ``not_sent``: not one byte of it left, so it may be
    sent again. ``rejected``: clearly refused, so it costs nothing; ``error`` says why, and
    ``wait`` is set when the service only asked for patience. ``unsettled``: it may have been
    accepted; only the service's own list can tell.
    """

    outcome: Literal["submitted", "not_sent", "rejected", "unsettled"]
    ref: Ref | None = None
    reason: str = ""
    error: LipsyncError | None = None
    wait: float | None = None


@dataclass(frozen=True)
class Look:
    """A job's state as the service tells it; ``position`` in its queue, ``logs`` in order."""

    state: Literal["queued", "running", "ended"]
    position: int | None = None
    logs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Outcome:
    """How a job ended.

    ``url`` of the clip, or the ``error``. ``seconds``: what the service says it bills.
    ``charge``: whether the job is paid for. ``barred``: doing it again would end the same, so
    only an explicit retake does. ``stale``: input names whose uploads it could not load.
    """

    url: str | None = None
    seconds: Fraction | None = None
    size: int | None = None
    error: LipsyncError | None = None
    charge: Literal["billed", "maybe", "none"] = "billed"
    barred: bool = False
    cancelled: bool = False
    stale: tuple[str, ...] = ()


class RemoteEngine(Protocol):
    """A paid service, as the coordinator drives it.

    Every method may raise :class:`PassingFault`, except ``submit``, and a
    :class:`~lipsync_kit.errors.LipsyncError` when asking again is of no use.
    """

    name: str
    place: str
    """Where uploads lie; an upload is only of use at the place that it went to."""
    console: str
    """Where a person can look at their requests."""

    @property
    def clock_offset(self) -> float | None:
        """Seconds that the service's clock is ahead of this machine's, once it is known."""
        ...

    def check(self) -> None:
        """Raise :class:`~lipsync_kit.errors.AccountError` when there is no key."""
        ...

    def upload(self, path: Path, sha256: str) -> str:
        """Send a file and return its URL. Free, so it may be sent again."""
        ...

    def holds(self, url: str) -> bool | None:
        """Whether an upload is still there; ``None`` when that can't be told."""
        ...

    def submit(
        self, request: RemoteRequest, permit: Callable[[], None], patience: float
    ) -> Submitted:
        """POST once, after calling ``permit`` and before the first byte leaves.

        ``permit`` writes the intent; what it raises is passed on and nothing is sent.
        ``patience``: seconds to wait for the reply.
        """
        ...

    def find(self, request: RemoteRequest, since: float, ahead: float | None) -> list[Ref]:
        """Jobs with exactly these arguments sent since then, oldest first.

        ``since``: Unix seconds by this machine's clock, ``ahead``: how far the service's clock
        was ahead of it then, where that is known.
        """
        ...

    def poll(self, ref: Ref, *, logs: bool) -> Look:
        """Ask for a job's state once."""
        ...

    def outcome(self, ref: Ref) -> Outcome | None:
        """How a job that ended did; ``None`` when it turns out to be still going on."""
        ...

    def fetch(self, outcome: Outcome, dest: Path) -> None:
        """Download a clip to ``dest``, whole.

        Raises :class:`~lipsync_kit.errors.ResultUnavailable` when it is gone.
        """
        ...

    def cancel(self, ref: Ref) -> Literal["requested", "ended", "unknown"]:
        """Ask the service to cancel a job, which may finish all the same."""
        ...

    def ref(self, model: str, request_id: str) -> Ref:
        """A job of which only the id is known."""
        ...
