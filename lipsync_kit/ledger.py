"""The write-ahead ledger: what may be paid, and what was.

One row is one attempt at one job: a chunk's content and take. Its way is

::

    intent ─┬─▶ submitted ─┬─▶ done
            ├─▶ rejected   ├─▶ failed ────▶ done   a result that had expired came back
            └─▶ lost       └─▶ cancelled ─▶ done   it finished all the same

A unique partial index lets one attempt be live (``intent``, ``submitted``, ``done``) per job,
so the successful INSERT is the permission to POST, whoever else tries. Every change compares
the state it starts from, so a process that slept can't undo what another one wrote. The
database is SQLite with a write-ahead log that is flushed to disk at each commit; it belongs
on a local disk.
"""

from __future__ import annotations

import json
import sqlite3
import threading
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

from lipsync_kit.engines.base import Ref
from lipsync_kit.errors import InputError, SetupError
from lipsync_kit.ledger_file import LIVE, MOVES, VERSION, Charge, State, connect

__all__ = ["LIVE", "MOVES", "VERSION", "Attempt", "Charge", "Intent", "Ledger", "State", "job_key"]


@dataclass(frozen=True)
class Intent:
    """What is about to be paid: a chunk's content and take, and the exact request."""

    content: str
    take: int
    chunk: int
    engine: str
    model: str
    arguments: Mapping[str, Any]
    seconds: int
    usd: Fraction | None
    clock_offset: float | None = None


@dataclass(frozen=True)
class Attempt:
    """One row. ``created`` and ``updated`` are Unix seconds, ``usd`` exact dollars or unknown.

    ``clock_offset``: seconds that the service's clock was ahead when the intent was written.

    ``planned_*`` is the estimate that was written before the POST, ``billed_*`` what the
    service is known to charge (``charge`` ``billed``) or may charge (``maybe``).
    """

    id: str
    job: str
    content: str
    take: int
    chunk: int
    engine: str
    model: str
    arguments: dict[str, Any]
    state: State
    created: float
    updated: float
    clock_offset: float | None
    planned_seconds: int
    planned_usd: Fraction | None
    ref: Ref | None
    charge: Charge
    billed_seconds: int
    billed_usd: Fraction | None
    error: dict[str, Any] | None
    barred: bool
    clip: str | None


def job_key(content: str, take: int) -> str:
    """The job that at most one live attempt may exist for."""
    return f"{content}:{take}"


class Ledger:
    """A project's ledger, safe to share between threads and processes.

    Raises :class:`~lipsync_kit.errors.SetupError` when the file can't be written, and
    :class:`~lipsync_kit.errors.InputError` when it is no ledger.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._guard = threading.RLock()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._db = connect(path)
        except OSError as error:
            raise SetupError(
                f"{path}: can't be written: {error.strerror}.", code="not_writable"
            ) from error
        except sqlite3.OperationalError as error:
            raise SetupError(
                f"{path}: the ledger can't be opened: {error}.",
                code="ledger",
                hint="Check the folder's permissions and the free disk space.",
            ) from error
        except sqlite3.DatabaseError as error:
            raise InputError(
                f"{path}: not a ledger, or damaged: {error}.",
                code="ledger",
                hint="It records what was paid. Restore it from a copy before rendering on.",
            ) from error

    def close(self) -> None:
        """Close the database."""
        with self._guard:
            self._db.close()

    def __enter__(self) -> Ledger:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def intend(self, intent: Intent) -> Attempt | None:
        """Write an intent durably; ``None`` when the job has a live attempt already."""
        now = time.time()
        row = (
            uuid.uuid4().hex,
            job_key(intent.content, intent.take),
            intent.content,
            intent.take,
            intent.chunk,
            intent.engine,
            intent.model,
            json.dumps(intent.arguments, sort_keys=True),
            now,
            now,
            intent.clock_offset,
            intent.seconds,
            _amount(intent.usd),
        )
        try:
            self._write(
                "INSERT INTO attempts (id, job, content, take, chunk, engine, model, arguments,"
                " state, created, updated, clock_offset, planned_seconds, planned_usd)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, 'intent', ?, ?, ?, ?, ?)",
                row,
            )
        except sqlite3.IntegrityError:
            return None
        return self.get(row[0])

    def submit(self, attempt: Attempt, ref: Ref) -> bool:
        """Record the service's ids and URLs: ``intent`` → ``submitted``.

        False when the attempt has moved on, or another attempt owns that request.
        """
        try:
            return self._move(
                attempt,
                "submitted",
                request_id=ref.request_id,
                status_url=ref.status_url,
                response_url=ref.response_url,
                cancel_url=ref.cancel_url,
            )
        except sqlite3.IntegrityError:
            return False

    def reject(self, attempt: Attempt, error: Mapping[str, Any], *, barred: bool = False) -> bool:
        """The service clearly refused the POST: ``intent`` → ``rejected``; costs nothing."""
        text = json.dumps(error)
        return self._move(attempt, "rejected", error=text, charge="none", barred=int(barred))

    def lose(self, attempt: Attempt, reason: str) -> bool:
        """The user gave the outcome up as unknown: ``intent`` → ``lost``; it may be billed."""
        return self._move(
            attempt,
            "lost",
            error=json.dumps({"code": "lost", "message": reason}),
            charge="maybe",
            billed_seconds=attempt.planned_seconds,
            billed_usd=_amount(attempt.planned_usd),
        )

    def finish(self, attempt: Attempt, clip: str, seconds: int, usd: Fraction | None) -> bool:
        """The clip is here, whole: → ``done``."""
        try:
            return self._move(
                attempt,
                "done",
                clip=clip,
                charge="billed",
                billed_seconds=seconds,
                billed_usd=_amount(usd),
                error=None,
                barred=0,
            )
        except sqlite3.IntegrityError:  # a newer attempt is live; that one counts
            return False

    def fail(
        self,
        attempt: Attempt,
        state: Literal["failed", "cancelled"],
        error: Mapping[str, Any],
        *,
        charge: Charge,
        barred: bool = False,
    ) -> bool:
        """The job ended without a clip. ``barred``: only a retake does it again."""
        billed = charge in {"billed", "maybe"}
        return self._move(
            attempt,
            state,
            error=json.dumps(error),
            charge=charge,
            barred=int(barred),
            billed_seconds=attempt.planned_seconds if billed else 0,
            billed_usd=_amount(attempt.planned_usd) if billed else "0",
        )

    def get(self, attempt_id: str) -> Attempt:
        """The attempt with that id."""
        return self._read("id = ?", (attempt_id,))[0]

    def live(self, content: str, take: int) -> Attempt | None:
        """The job's live attempt."""
        marks = ", ".join("?" for _ in LIVE)
        rows = self._read(f"job = ? AND state IN ({marks})", (job_key(content, take), *LIVE))
        return rows[0] if rows else None

    def latest(self, content: str, take: int) -> Attempt | None:
        """The job's live attempt, or the newest of those that ended without a clip."""
        found = self._read("job = ?", (job_key(content, take),))
        return self.live(content, take) or (found[-1] if found else None)

    def attempts(self) -> list[Attempt]:
        """Every attempt, oldest first."""
        return self._read("1", ())

    def knows(self, engine: str, request_id: str) -> bool:
        """Whether a request belongs to an attempt already."""
        return bool(self._read("engine = ? AND request_id = ?", (engine, request_id)))

    def last_take(self, content: str) -> int:
        """The highest take that was ever attempted of a content; -1 when there is none."""
        takes = [attempt.take for attempt in self._read("content = ?", (content,))]
        return max(takes, default=-1)

    def upload(self, place: str, sha256: str) -> str | None:
        """The URL that a file of this digest was uploaded to."""
        with self._guard:
            row = self._db.execute(
                "SELECT url FROM uploads WHERE place = ? AND sha256 = ?", (place, sha256)
            ).fetchone()
        return None if row is None else str(row[0])

    def keep_upload(self, place: str, sha256: str, url: str) -> None:
        """Remember where a file was uploaded to."""
        self._write(
            "INSERT OR REPLACE INTO uploads VALUES (?, ?, ?, ?)", (place, sha256, url, time.time())
        )

    def drop_upload(self, place: str, url: str) -> None:
        """Forget an upload that the service could not load."""
        self._write("DELETE FROM uploads WHERE place = ? AND url = ?", (place, url))

    def shun(self, url: str) -> None:
        """Remember a URL that the service could not load."""
        self._write("INSERT OR IGNORE INTO unreachable VALUES (?)", (url,))

    def shunned(self, url: str) -> bool:
        """Whether the service could not load that URL before."""
        with self._guard:
            found = self._db.execute("SELECT 1 FROM unreachable WHERE url = ?", (url,)).fetchone()
        return found is not None

    def _move(self, attempt: Attempt, to: State, **columns: Any) -> bool:
        """Compare and set: ``attempt.state`` → ``to``, or False when it has moved on."""
        if to not in MOVES[attempt.state]:
            raise ValueError(f"an attempt can't go from {attempt.state} to {to}")
        values = {"state": to, "updated": time.time(), **columns}
        assignments = ", ".join(f"{name} = ?" for name in values)
        changed = self._write(
            f"UPDATE attempts SET {assignments} WHERE id = ? AND state = ?",  # noqa: S608
            (*values.values(), attempt.id, attempt.state),
        )
        return changed == 1

    def _write(self, statement: str, values: tuple[Any, ...]) -> int:
        """One transaction, on disk when this returns. Returns the number of rows changed."""
        with self._guard:
            try:
                return self._db.execute(statement, values).rowcount
            except sqlite3.OperationalError as error:
                raise SetupError(
                    f"{self.path}: the ledger can't be written: {error}.",
                    code="ledger",
                    hint="Check the free disk space; then run the command again.",
                ) from error

    def _read(self, where: str, values: tuple[Any, ...]) -> list[Attempt]:
        with self._guard:
            rows = self._db.execute(
                f"SELECT * FROM attempts WHERE {where} ORDER BY rowid",  # noqa: S608
                values,
            ).fetchall()
        return [_attempt(row) for row in rows]


def _amount(usd: Fraction | None) -> str:
    """Exact dollars as text; empty where the price is unknown."""
    return "" if usd is None else str(usd)


def _dollars(text: str) -> Fraction | None:
    return Fraction(text) if text else None


def _attempt(row: sqlite3.Row) -> Attempt:
    ref = None
    if row["request_id"] is not None:
        ref = Ref(row["request_id"], row["status_url"], row["response_url"], row["cancel_url"])
    return Attempt(
        id=row["id"],
        job=row["job"],
        content=row["content"],
        take=row["take"],
        chunk=row["chunk"],
        engine=row["engine"],
        model=row["model"],
        arguments=json.loads(row["arguments"]),
        state=row["state"],
        created=row["created"],
        updated=row["updated"],
        clock_offset=row["clock_offset"],
        planned_seconds=row["planned_seconds"],
        planned_usd=_dollars(row["planned_usd"]),
        ref=ref,
        charge=row["charge"],
        billed_seconds=row["billed_seconds"],
        billed_usd=_dollars(row["billed_usd"]),
        error=None if row["error"] is None else json.loads(row["error"]),
        barred=bool(row["barred"]),
        clip=row["clip"],
    )
