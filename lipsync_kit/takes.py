"""Takes: every clip that was made for a chunk, and which of them is in use.

A take belongs to the work that a chunk asks for (its key), not to the chunk's index, so it
is found again after the narration was edited and prepared anew.
"""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

from lipsync_kit.errors import UsageError
from lipsync_kit.project import Layout
from lipsync_kit.store import write_text


class Takes:
    """The takes of one engine in one project.

    Numbers count from 1; the latest is in use unless another was chosen.
    """

    def __init__(self, layout: Layout, engine: str) -> None:
        self._layout = layout
        self._engine = engine
        try:
            self._chosen = json.loads(layout.chosen_takes.read_text(encoding="utf-8"))
        except (FileNotFoundError, json.JSONDecodeError):
            self._chosen = {}

    def path(self, key: str, number: int) -> Path:
        """Where take ``number`` of the clip ``key`` lies, whether it exists or not."""
        return self._layout.take(self._engine, key, number)

    def numbers(self, key: str) -> list[int]:
        """The takes that exist, rising."""
        name = re.compile(re.escape(key[:32]) + r"-(\d+)\.mp4")
        folder = self.path(key, 1).parent
        if not folder.is_dir():
            return []
        found = [name.fullmatch(path.name) for path in folder.iterdir()]
        return sorted(int(match[1]) for match in found if match)

    def current(self, key: str) -> int:
        """The take in use: the chosen one, else the latest, else the first to be made."""
        chosen = self.chosen(key)
        return chosen if chosen is not None else max(self.numbers(key), default=1)

    def chosen(self, key: str) -> int | None:
        """The take that was chosen by hand, if one was."""
        number = self._chosen.get(self._engine, {}).get(key)
        return None if number is None else int(number)

    def choose(self, key: str, number: int, index: int) -> None:
        """Use take ``number`` of chunk ``index`` from now on.

        Raises :class:`~lipsync_kit.errors.UsageError` when there is no such take.
        """
        existing = self.numbers(key)
        if number not in existing:
            offered = ", ".join(str(known) for known in existing) or "none yet"
            raise UsageError(
                f"--take {index}={number}: there is no such take. Takes of chunk {index}: "
                f"{offered}.",
                hint=f"Make a new one with --retake {index}.",
            )
        self._chosen.setdefault(self._engine, {})[key] = number
        self._save()

    def retake(self, key: str) -> int:
        """The number of a new take, which becomes the one in use."""
        number = max(self.numbers(key), default=0) + 1
        if self._chosen.get(self._engine, {}).pop(key, None) is not None:
            self._save()
        return number

    def discard(self, keep: set[Path]) -> None:
        """Remove the takes that are not in ``keep``: for engines whose clips cost nothing.

        What a run that was killed left behind goes with them.
        """
        folder = self._layout.take(self._engine, "", 1).parent
        if folder.is_dir():
            for path in folder.iterdir():
                if path.is_dir():
                    shutil.rmtree(path)
                elif path not in keep:
                    path.unlink()

    def _save(self) -> None:
        write_text(self._layout.chosen_takes, json.dumps(self._chosen, indent=1))
