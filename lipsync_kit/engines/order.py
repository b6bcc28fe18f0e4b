"""What is ordered from a paid engine, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

from lipsync_kit.catalog import Tariff
from lipsync_kit.engines.base import RemoteEngine
from lipsync_kit.errors import (
    AccountError,
    BudgetError,
    ContentRefused,
    EngineError,
    LipsyncError,
    Rejected,
    RemoteFailure,
    ResultUnavailable,
    StillRunning,
    UnsettledError,
)
from lipsync_kit.ledger import Intent
from lipsync_kit.progress import counted
from lipsync_kit.schema import Finding


@dataclass(frozen=True)
class PaidFile:
    """A file that goes along, by its absolute path and its digest.

    ``url``: where the user's own server has the very same bytes, so that they need no upload.
    """

    path: Path
    sha256: str
    url: str | None = None


@dataclass(frozen=True)
class PaidJob:
    """One chunk's clip as it is paid for.

    ``content`` names what is asked, whatever the chunk's index and take, so a paid clip is
    found again after an edit moved it. ``files``: the model's input name → file;
    ``arguments``: its other inputs. ``length``: seconds that are sent, which the clip should
    last but for the ``trimmed`` ones that the model takes off its beginning. ``clip``: where
    this take's clip is kept.
    """

    index: int
    take: int
    content: str
    model: str
    arguments: Mapping[str, Any]
    files: Mapping[str, PaidFile]
    length: Fraction
    tariff: Tariff
    clip: Path
    trimmed: Fraction = Fraction(0)

    @property
    def seconds(self) -> int:
        """Seconds that are expected to be billed."""
        return self.tariff.bill(self.length)[0]

    @property
    def usd(self) -> Fraction | None:
        """What it is expected to cost; ``None`` when the price is unknown."""
        return self.tariff.bill(self.length)[1]

    def intent(self, engine: RemoteEngine, arguments: Mapping[str, Any]) -> Intent:
        """What the ledger is to hold before this job is sent with ``arguments``."""
        return Intent(
            content=self.content,
            take=self.take,
            chunk=self.index,
            engine=engine.name,
            model=self.model,
            arguments=arguments,
            clock_offset=engine.clock_offset,
            seconds=self.seconds,
            usd=self.usd,
        )


@dataclass(frozen=True)
class RemoteOptions:
    """How jobs are sent and waited for. Times in seconds, money in USD.

    ``timeout`` bounds how long each job is waited for, and an unknown submit is looked for;
    it never ends a job. ``max_cost`` bounds what this run may send. ``parallel``: jobs at the
    service at once, of ours; ``submit_only`` sends all and returns. ``cancel``: send nothing
    and cancel what is there.
    """

    poll_interval: float = 5.0
    timeout: float = 600.0
    logs: bool = False
    max_cost: Fraction | None = None
    parallel: int = 2
    submit_only: bool = False
    resubmit_lost: bool = False
    cancel: bool = False


@dataclass(frozen=True)
class ChunkReceipt:
    """What came of one chunk.

    ``charge``: ``billed``, ``maybe`` (the service may bill it), ``none``, or empty while it
    is not known. ``usd`` is ``None`` where the price is unknown. ``clip`` is set when there is one.
    """

    index: int
    take: int
    model: str
    state: str
    request_id: str | None = None
    clip: Path | None = None
    charge: str = ""
    seconds: int = 0
    usd: Fraction | None = Fraction(0)
    findings: tuple[Finding, ...] = ()
    error: LipsyncError | None = None

    @property
    def bill(self) -> dict[str, Any]:
        """Request and cost, as JSON."""
        return {
            "request_id": self.request_id,
            "charge": self.charge,
            "seconds": self.seconds,
            "usd": spoken(self.usd),
        }

    def to_dict(self) -> dict[str, Any]:
        """The row as JSON."""
        return {
            "index": self.index,
            "take": self.take,
            "state": self.state,
            "model": self.model,
            **self.bill,
            "error": None if self.error is None else self.error.to_dict()["error"],
        }


@dataclass(frozen=True)
class Receipt:
    """What came of a run, and what the whole project has cost so far.

    ``seconds`` and ``usd`` are billed over all runs and takes; ``maybe_seconds`` and
    ``maybe_usd`` may be billed on top; a sum with an unknown price in it is ``None``.
    ``stopped``: why nothing more was sent.
    """

    chunks: tuple[ChunkReceipt, ...]
    seconds: int = 0
    usd: Fraction | None = Fraction(0)
    maybe_seconds: int = 0
    maybe_usd: Fraction | None = Fraction(0)
    stopped: LipsyncError | None = None
    sent: int = field(default=0, compare=False)

    @property
    def pending(self) -> tuple[int, ...]:
        """Chunks that are at the service."""
        return tuple(row.index for row in self.chunks if row.state in {"intent", "submitted"})

    @property
    def error(self) -> LipsyncError | None:
        """The error that the run ends with, the gravest first; every chunk's in its data."""
        errors = [row.error for row in self.chunks if row.error is not None]
        if self.stopped is not None and all(self.stopped is not error for error in errors):
            errors.append(self.stopped)
        if not errors:
            return None
        worst = min(errors, key=lambda error: GRAVITY.get(error.exit_status, 0))
        alike = [error for error in errors if error.exit_status == worst.exit_status]
        more = f" (and {len(alike) - 1} more chunks)" if len(alike) > 1 else ""
        rows = [row.to_dict() for row in self.chunks]
        data = {**worst.data, "chunks": rows, "billed": self.to_dict()}
        return rebuilt(worst, message=f"{worst.message}{more}", data=data)

    def to_dict(self) -> dict[str, Any]:
        """Seconds and USD, known and possible, as JSON."""
        return {
            "seconds": self.seconds,
            "usd": spoken(self.usd),
            "maybe_seconds": self.maybe_seconds,
            "maybe_usd": spoken(self.maybe_usd),
        }


def spoken(usd: Fraction | None) -> float | None:
    """An amount as JSON holds it; unknown stays unknown."""
    return None if usd is None else float(usd)


GRAVITY = {7: 1, 4: 2, 6: 3, 5: 4, 8: 5}
"""Exit statuses by how much they matter: unknown money, account, budget, failure, waiting."""

_KINDS: dict[str, type[LipsyncError]] = {
    kind.__name__: kind
    for kind in (
        AccountError,
        BudgetError,
        ContentRefused,
        EngineError,
        Rejected,
        RemoteFailure,
        ResultUnavailable,
        StillRunning,
        UnsettledError,
    )
}


def over_cap(chunks: int, usd: Fraction, cap: Fraction, sent: str) -> BudgetError:
    """The refusal of what would cost more than ``cap``; ``sent`` says what became of it."""
    return BudgetError(
        f"{counted(chunks, 'chunk')} would cost ${float(usd):.2f},"
        f" above the cap of ${float(cap):.2f}; {sent}.",
        hint="Raise --max-cost, or choose a cheaper model (see `lipsync-kit estimate`).",
        usd=float(usd),
        cap=float(cap),
    )


def rebuilt(error: LipsyncError, *, message: str, data: Mapping[str, Any]) -> LipsyncError:
    """The same error in other words."""
    return type(error)(message, hint=error.hint, code=error.code, **data)


def to_record(error: LipsyncError) -> dict[str, Any]:
    """An error as it is kept in the ledger."""
    return {"kind": type(error).__name__, **error.to_dict()["error"]}


def from_record(record: Mapping[str, Any]) -> LipsyncError:
    """The error that :func:`to_record` wrote down."""
    kind = _KINDS.get(str(record.get("kind")), RemoteFailure)
    return kind(
        str(record.get("message", "")),
        hint=record.get("hint"),
        code=record.get("code"),
        **(record.get("data") or {}),
    )
