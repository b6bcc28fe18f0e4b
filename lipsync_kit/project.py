"""The project folder: where everything lies, loading, saving and locking."""

from __future__ import annotations

import json
import multiprocessing
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from lipsync_kit.errors import InputError, SetupError, UsageError
from lipsync_kit.progress import Progress, Silent
from lipsync_kit.schema import Project
from lipsync_kit.store import Stamps, write_text


@dataclass(frozen=True)
class Layout:
    """Every path of a project folder."""

    root: Path

    @property
    def plan(self) -> Path:
        """``project.json``."""
        return self.root / "project.json"

    def portrait(self, suffix: str) -> Path:
        """``characters/portrait.jpg`` or ``.png``."""
        return self.root / "characters" / f"portrait{suffix}"

    @property
    def master(self) -> Path:
        """``audio/master.wav``: the delivered sound, whole."""
        return self.root / "audio" / "master.wav"

    def sound(self, index: int) -> Path:
        """``audio/chunks/NNNN.wav``: exactly what is sent for a chunk."""
        return self.root / "audio" / "chunks" / f"{index:04d}.wav"

    @property
    def driving(self) -> Path:
        """``driving/driving.mp4``: the prepared video, whole."""
        return self.root / "driving" / "driving.mp4"

    def piece(self, index: int) -> Path:
        """``driving/chunks/NNNN.mp4``: the piece of video that is sent for a chunk."""
        return self.root / "driving" / "chunks" / f"{index:04d}.mp4"

    def clip(self, index: int) -> Path:
        """``lipsync/clips/NNNN.mp4``: what the engine returned, untouched."""
        return self.root / "lipsync" / "clips" / f"{index:04d}.mp4"

    def ready(self, index: int, suffix: str = ".mp4") -> Path:
        """``lipsync/ready/NNNN.mp4``: a ready clip for an editor."""
        return self.root / "lipsync" / "ready" / f"{index:04d}{suffix}"

    @property
    def final(self) -> Path:
        """``lipsync/final.mp4``."""
        return self.root / "lipsync" / "final.mp4"

    @property
    def hidden(self) -> Path:
        """``.lipsync/``: ledger, lock, log and everything never edited by hand."""
        return self.root / ".lipsync"

    def take(self, engine: str, key: str, number: int) -> Path:
        """Where a take of the clip ``key`` is kept, chosen or not."""
        return self.hidden / "takes" / engine / f"{key[:32]}-{number}.mp4"

    @property
    def chosen_takes(self) -> Path:
        """``.lipsync/takes.json``: takes chosen by hand."""
        return self.hidden / "takes.json"

    @property
    def chained(self) -> Path:
        """``.lipsync/chained``: there when the chunks at the service are a chain."""
        return self.hidden / "chained"

    @property
    def preview(self) -> Path:
        """``.lipsync/preview/``: what the preview engine remembers of the film."""
        return self.hidden / "preview"

    @property
    def watched(self) -> Path:
        """What was seen in the driving video."""
        return self.hidden / "video" / "watched.npz"

    @property
    def ledger(self) -> Path:
        """``.lipsync/ledger.db``."""
        return self.hidden / "ledger.db"

    def stamps(self) -> Stamps:
        """What was made by which work."""
        return Stamps(self.hidden / "stamps.json", self.root)

    def relative(self, path: Path) -> str:
        """``path`` as it is written in ``project.json``."""
        return path.relative_to(self.root).as_posix()


def load(root: Path) -> Project:
    """The plan of the project at ``root``.

    Raises :class:`~lipsync_kit.errors.InputError` when there is none or it is damaged.
    """
    path = Layout(root).plan
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise InputError(
            f"{root}: no project here (project.json is missing).",
            code="project_missing",
            hint=f"Make one: lipsync-kit prep {root} --image portrait.jpg --audio narration.mp3",
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: can't be read: {error}.", code="project_unreadable") from None
    try:
        return Project.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise InputError(
            f"{path}: not a valid plan: {where or 'file'}: {first['msg']}.",
            code="project_invalid",
            hint="Run prep again; it writes project.json anew and repeats no work.",
        ) from None


def save(root: Path, project: Project) -> None:
    """Write the plan atomically."""
    data = project.model_dump(mode="json", by_alias=True)
    write_text(Layout(root).plan, json.dumps(data, indent=1, ensure_ascii=False) + "\n")


@contextmanager
def locked(root: Path, wait: float, progress: Progress | None = None) -> Iterator[None]:
    """Hold the project's lock for the block; it is an OS lock, so it dies with its process.

    Waits up to ``wait`` seconds for another holder, then raises
    :class:`~lipsync_kit.errors.SetupError` that names it.
    """
    if multiprocessing.parent_process() is not None:
        raise UsageError(
            "lipsync_kit was called while a worker process imported your script.",
            hint="Call it under `if __name__ == '__main__':`.",
        )
    hidden = Layout(root).hidden
    try:
        hidden.mkdir(parents=True, exist_ok=True)
        file = (hidden / "lock").open("a+", encoding="utf-8")
    except OSError as error:
        raise SetupError(
            f"{root}: can't be written: {error.strerror}.", code="not_writable"
        ) from error
    with file:
        _acquire(file.fileno(), hidden / "holder", root, wait, progress or Silent())
        write_text(hidden / "holder", str(os.getpid()))
        yield


def _acquire(descriptor: int, holder: Path, root: Path, wait: float, progress: Progress) -> None:
    deadline = time.monotonic() + wait
    told = False
    while not _try_lock(descriptor):
        owner = holder.read_text(encoding="utf-8") if holder.exists() else "unknown"
        if time.monotonic() >= deadline:
            raise SetupError(
                f"{root}: process {owner} is working on this project.",
                code="locked",
                hint="Wait until it ends, or stop it; then run the command again.",
                pid=owner,
            )
        if not told:
            progress.note(f"waiting: process {owner} is working on {root}")
            told = True
        time.sleep(0.2)


def _try_lock(descriptor: int) -> bool:
    """Take the OS lock without waiting; it is released when the descriptor closes."""
    try:
        if os.name == "nt":
            import msvcrt

            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined, unused-ignore]
        else:
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
