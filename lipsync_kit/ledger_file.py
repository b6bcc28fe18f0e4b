"""The ledger's file: its states, its tables, and opening it safely."""

from __future__ import annotations

import os
import sqlite3
import time
from pathlib import Path
from typing import Literal

from lipsync_kit.errors import InputError

State = Literal["intent", "submitted", "done", "failed", "rejected", "cancelled", "lost"]
Charge = Literal["", "none", "maybe", "billed"]

LIVE: tuple[State, ...] = ("intent", "submitted", "done")
"""States of which a job has at most one attempt."""

MOVES: dict[State, frozenset[State]] = {
    "intent": frozenset({"submitted", "rejected", "lost"}),
    "submitted": frozenset({"done", "failed", "cancelled"}),
    "failed": frozenset({"done"}),
    "cancelled": frozenset({"done"}),
    "done": frozenset(),
    "rejected": frozenset(),
    "lost": frozenset(),
}
"""Where an attempt may go from each state."""

VERSION = 1

_SCHEMA = f"""
CREATE TABLE IF NOT EXISTS attempts (
  id TEXT PRIMARY KEY,
  job TEXT NOT NULL,
  content TEXT NOT NULL,
  take INTEGER NOT NULL,
  chunk INTEGER NOT NULL,
  engine TEXT NOT NULL,
  model TEXT NOT NULL,
  arguments TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ({", ".join(f"'{state}'" for state in MOVES)})),
  created REAL NOT NULL,
  updated REAL NOT NULL,
  clock_offset REAL,
  planned_seconds INTEGER NOT NULL,
  planned_usd TEXT NOT NULL,
  request_id TEXT,
  status_url TEXT,
  response_url TEXT,
  cancel_url TEXT,
  charge TEXT NOT NULL DEFAULT '' CHECK (charge IN ('', 'none', 'maybe', 'billed')),
  billed_seconds INTEGER NOT NULL DEFAULT 0,
  billed_usd TEXT NOT NULL DEFAULT '0',
  error TEXT,
  barred INTEGER NOT NULL DEFAULT 0,
  clip TEXT
);
CREATE UNIQUE INDEX IF NOT EXISTS one_live ON attempts (job)
  WHERE state IN ({", ".join(f"'{state}'" for state in LIVE)});
CREATE UNIQUE INDEX IF NOT EXISTS one_request ON attempts (engine, request_id)
  WHERE request_id IS NOT NULL;
CREATE TABLE IF NOT EXISTS uploads (
  place TEXT NOT NULL,
  sha256 TEXT NOT NULL,
  url TEXT NOT NULL,
  created REAL NOT NULL,
  PRIMARY KEY (place, sha256)
);
CREATE TABLE IF NOT EXISTS unreachable (url TEXT PRIMARY KEY);
"""


def connect(path: Path) -> sqlite3.Connection:
    """Open, set up and check the database; waits out others who do the same."""
    deadline = time.monotonic() + 30
    while True:
        database = sqlite3.connect(path, isolation_level=None, timeout=30, check_same_thread=False)
        database.row_factory = sqlite3.Row
        try:
            _prepare(database, path)
            return database
        except sqlite3.OperationalError as error:
            database.close()
            # Switching to WAL does not wait for others by itself.
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        except BaseException:
            database.close()
            raise


def _prepare(database: sqlite3.Connection, path: Path) -> None:
    found = database.execute("PRAGMA user_version").fetchone()[0]
    if found > VERSION:
        raise InputError(
            f"{path}: made by a newer lipsync-kit (ledger {found}, this one knows {VERSION}).",
            code="ledger",
            hint="Upgrade lipsync-kit: pip install -U lipsync-kit",
        )
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("PRAGMA synchronous = FULL")
    database.execute("PRAGMA fullfsync = ON")  # macOS: flush the drive's own cache too
    if found == VERSION:
        return
    database.executescript(f"BEGIN IMMEDIATE; {_SCHEMA} PRAGMA user_version = {VERSION}; COMMIT;")
    _flush_folder(path.parent)


def _flush_folder(folder: Path) -> None:
    """Make the new file's name durable, where folders can be flushed."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
