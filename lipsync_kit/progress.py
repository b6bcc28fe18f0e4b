"""How long work reports itself, without knowing who listens."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Protocol


def counted(number: int, what: str) -> str:
    """A number of things in words: 1 chunk, 2 chunks."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


class Task(Protocol):
    """One piece of work under way."""

    def advance(self, amount: float = 1.0) -> None:
        """Count ``amount`` more units as done."""
        ...


class Progress(Protocol):
    """What a long function is given to report with."""

    def task(
        self, label: str, total: float | None = None, unit: str = ""
    ) -> AbstractContextManager[Task]:
        """Open a task of ``total`` units (``None``: unknown), closed by leaving the block."""
        ...

    def note(self, message: str) -> None:
        """Say one line to the person."""
        ...


class _Silence:
    def advance(self, amount: float = 1.0) -> None:
        """Count nothing."""


class Silent:
    """A :class:`Progress` that says nothing: for libraries and tests."""

    def task(
        self, label: str, total: float | None = None, unit: str = ""
    ) -> AbstractContextManager[Task]:
        """Open a task that nobody sees."""
        return nullcontext(_Silence())

    def note(self, message: str) -> None:
        """Drop the line."""
