"""The only writer to stdout and stderr.

stdout gets exactly one JSON document per command. Everything for a person goes to stderr:
live bars on a terminal, plain lines on a pipe.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from lipsync_kit.timing import clock

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress
    from rich.progress import TaskID

    from lipsync_kit.errors import LipsyncError
    from lipsync_kit.schema import Finding

PLAIN_INTERVAL = 5.0
"""Seconds between two plain progress lines of one task."""

MARKS = {"info": "·", "warning": "!", "error": "✗"}


def emit(document: Mapping[str, Any]) -> None:
    """Print the command's one JSON document."""
    try:
        sys.stdout.write(json.dumps(document, indent=2) + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        sys.stderr.close()  # the reader has gone; nobody is left to tell


def say(line: str = "") -> None:
    """Print one line for a person."""
    encoding = sys.stderr.encoding or "utf-8"
    safe = line.encode(encoding, errors="replace").decode(encoding)
    try:
        sys.stderr.write(safe + "\n")
        sys.stderr.flush()
    except BrokenPipeError:
        pass  # the reader has gone; the work goes on


def report_error(error: LipsyncError) -> None:
    """An error for both readers: a line or two on stderr, the document on stdout."""
    say(f"error: {error.message}")
    if error.hint:
        say(f"       {error.hint}")
    emit(error.to_dict())


def findings(items: tuple[Finding, ...]) -> None:
    """What preflight found, one line each."""
    for item in items:
        say(f"  {MARKS[item.severity]} {item.message}")
        if item.hint and item.severity != "info":
            say(f"      {item.hint}")


def confirm(question: str) -> bool:
    """Ask a person at a terminal; without one the answer is no."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return False
    sys.stderr.write(f"{question} [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in {"y", "yes"}


class _PlainTask:
    """Progress as plain lines, at most one every few seconds."""

    def __init__(self, label: str, total: float | None, unit: str) -> None:
        self._label = label
        self._total = total
        self._unit = unit
        self._done = 0.0
        self._began = time.monotonic()
        self._told = self._began

    def advance(self, amount: float = 1.0) -> None:
        self._done += amount
        now = time.monotonic()
        if now - self._told >= PLAIN_INTERVAL:
            self._told = now
            say(f"{self._label}: {self._amount()}{self._left(now)}")

    def close(self) -> None:
        seconds = time.monotonic() - self._began
        say(f"{self._label}: done in {clock(seconds)}")

    def _amount(self) -> str:
        if not self._total:
            return f"{self._done:.0f} {self._unit}".rstrip()
        share = min(100.0, 100 * self._done / self._total)
        return f"{share:.0f}%, {self._done:.0f}/{self._total:.0f} {self._unit}".rstrip()

    def _left(self, now: float) -> str:
        if not self._total or self._done <= 0:
            return ""
        seconds = (now - self._began) * max(0.0, self._total / self._done - 1)
        return f", {clock(seconds)} left"


class PlainProgress:
    """Progress for pipes and logs."""

    @contextmanager
    def task(self, label: str, total: float | None = None, unit: str = "") -> Iterator[_PlainTask]:
        """Open a task; its end is told, and its way there every few seconds."""
        task = _PlainTask(label, total, unit)
        yield task
        task.close()

    def note(self, message: str) -> None:
        """Say one line."""
        say(message)


class _LiveTask:
    def __init__(self, bar: RichProgress, task_id: TaskID) -> None:
        self._bar = bar
        self._id = task_id

    def advance(self, amount: float = 1.0) -> None:
        self._bar.advance(self._id, amount)


class LiveProgress:
    """Progress bars with the time left, on a terminal."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn
        from rich.progress import TimeRemainingColumn as Remaining

        columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), Remaining())
        self._bar: RichProgress = Progress(*columns, console=Console(stderr=True), transient=True)
        self._open = 0

    @contextmanager
    def task(self, label: str, total: float | None = None, unit: str = "") -> Iterator[_LiveTask]:
        """Open a bar; a line stays when it ends."""
        began = time.monotonic()
        if self._open == 0:
            self._bar.start()
        self._open += 1
        task_id = self._bar.add_task(f"{label} ({unit})" if unit else label, total=total)
        try:
            yield _LiveTask(self._bar, task_id)
            self.note(f"{label}: done in {clock(time.monotonic() - began)}")
        finally:
            self._bar.remove_task(task_id)
            self._open -= 1
            if self._open == 0:
                self._bar.stop()

    def note(self, message: str) -> None:
        """Say one line above the bars."""
        if self._open:
            self._bar.console.print(message, markup=False, highlight=False)
        else:
            say(message)


def progress() -> PlainProgress | LiveProgress:
    """Bars on a terminal, lines elsewhere."""
    return LiveProgress() if sys.stderr.isatty() else PlainProgress()
