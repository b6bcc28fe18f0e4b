"""Content-addressed files, atomic writes, and what is already up to date.

Digests are SHA-256 in hex. A key names work: the digest of a stage's name, version,
parameters, inputs and tools (:func:`lipsync_kit.recipe.stage_key`).
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lipsync_kit.errors import SetupError


def digest_bytes(data: bytes) -> str:
    """SHA-256 of ``data``, hex."""
    return hashlib.sha256(data).hexdigest()


def digest_file(path: Path) -> str:
    """SHA-256 of a file's bytes, hex, in bounded memory."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digest_json(value: Any) -> str:
    """SHA-256 of a JSON value in its canonical form (sorted keys, no spaces)."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return digest_bytes(text.encode())


@contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """A temporary path beside ``path`` (same suffix), moved onto it when the block ends well.

    The file is flushed to disk first, so ``path`` is whole or absent whatever happens.
    Raises :class:`~lipsync_kit.errors.SetupError` when the folder can't be written.
    """
    temporary = path.with_name(f".{path.stem}.{secrets.token_hex(4)}.part{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _not_writable(path, error) from error
    try:
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        if error.filename is None or Path(os.fsdecode(error.filename)) == temporary:
            raise _not_writable(path, error) from error
        raise
    finally:
        temporary.unlink(missing_ok=True)


def _not_writable(path: Path, error: OSError) -> SetupError:
    return SetupError(
        f"{path}: can't be written: {error.strerror or error}.",
        code="not_writable",
        hint="Check the folder's permissions and the free disk space.",
    )


def write_text(path: Path, text: str) -> None:
    """Write ``text`` to ``path`` atomically, in UTF-8."""
    with atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def place(source: Path, target: Path) -> None:
    """Put a copy of ``source`` at ``target`` atomically."""
    with atomic(target) as temporary:
        shutil.copyfile(source, temporary)


class Store:
    """A folder of files and JSON values by key: the cache between projects."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def path(self, key: str, suffix: str = "") -> Path:
        """Where the file of ``key`` lies, whether it exists or not."""
        return self.root / key[:2] / (key + suffix)

    def load(self, key: str) -> Any:
        """The JSON value of ``key``, or ``None`` when there is none (or it is damaged)."""
        try:
            return json.loads(self.path(key, ".json").read_text(encoding="utf-8"))
        except (FileNotFoundError, json.JSONDecodeError):
            return None

    def save(self, key: str, value: Any) -> None:
        """Keep a JSON value under ``key``."""
        write_text(self.path(key, ".json"), json.dumps(value))


class Stamps:
    """Which files of a project were made by which work.

    A file is fresh while its stamp names the same key and its size and modification time
    have not changed since; so a second run does nothing twice, and a file that somebody
    touched or removed is made again.
    """

    def __init__(self, path: Path, root: Path) -> None:
        self._path = path
        self._root = root
        try:
            self._stamps: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        except (FileNotFoundError, json.JSONDecodeError):
            self._stamps = {}

    def fresh(self, path: Path, key: str) -> bool:
        """Whether ``path`` is what the work ``key`` made."""
        stamp = self._stamps.get(self._name(path))
        return stamp is not None and stamp["key"] == key and stamp["file"] == _identity(path)

    def note(self, path: Path, key: str) -> Any:
        """What was remembered with the stamp of ``path``, or ``None`` when it is not fresh."""
        return self._stamps[self._name(path)]["note"] if self.fresh(path, key) else None

    def mark(self, *paths: Path, key: str, note: Any = None) -> None:
        """Remember that the work ``key`` made ``paths``, with a JSON ``note``."""
        self.mark_each((path, key, note) for path in paths)

    def mark_each(self, marks: Iterable[tuple[Path, str, Any]]) -> None:
        """:meth:`mark` for many files, each ``(path, key, note)``, written down once."""
        for path, key, note in marks:
            self._stamps[self._name(path)] = {"key": key, "file": _identity(path), "note": note}
        write_text(self._path, json.dumps(self._stamps, indent=1))

    def _name(self, path: Path) -> str:
        return path.relative_to(self._root).as_posix()


def _identity(path: Path) -> list[int] | None:
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return [status.st_size, status.st_mtime_ns]
