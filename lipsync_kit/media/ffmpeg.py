"""ffmpeg: which one, and running it.

Graphs are built with ffmpeg-python, compiled to argv and run here, so that every run has the
same guards: no stdin, no prompts, local files only, and no container that could name other
files (playlists, concat scripts). Its stderr is kept, so a failure says why.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import IO, Any

from lipsync_kit.errors import InputError, SetupError
from lipsync_kit.media.formats import DEMUXERS
from lipsync_kit.settings import environment_of_children

PROTOCOLS = "file,pipe,fd"


def input_guards() -> dict[str, str]:
    """Input options that keep ffmpeg to the one file it is given."""
    return {"protocol_whitelist": PROTOCOLS, "format_whitelist": ",".join(DEMUXERS)}


@lru_cache(maxsize=1)
def find_ffmpeg() -> tuple[Path, str]:
    """The ffmpeg to run and where it came from: ``LIPSYNC_FFMPEG``, ``PATH`` or ``wheel``.

    Raises :class:`~lipsync_kit.errors.SetupError` when ``LIPSYNC_FFMPEG`` names no program,
    or when there is no ffmpeg at all.
    """
    wanted = os.environ.get("LIPSYNC_FFMPEG")
    if wanted:
        found = shutil.which(wanted)
        if found is None:
            raise SetupError(
                f"LIPSYNC_FFMPEG={wanted}: no such program.",
                code="ffmpeg_missing",
                hint="Point it at an ffmpeg, or unset it to use the bundled one.",
            )
        return Path(found), "LIPSYNC_FFMPEG"
    found = shutil.which("ffmpeg")
    if found is not None:
        return Path(found), "PATH"
    import imageio_ffmpeg

    try:
        return Path(imageio_ffmpeg.get_ffmpeg_exe()), "wheel"
    except RuntimeError as error:
        raise SetupError(
            f"No ffmpeg was found: {error}",
            code="ffmpeg_missing",
            hint="Reinstall imageio-ffmpeg, or install ffmpeg and put it on PATH.",
        ) from error


@lru_cache(maxsize=1)
def ffmpeg_version() -> str:
    """The first line of ``ffmpeg -version``; part of the cache keys of what it makes."""
    program, _ = find_ffmpeg()
    try:
        done = subprocess.run(
            [str(program), "-version"],
            capture_output=True,
            text=True,
            check=True,
            timeout=30,
            env=environment_of_children(),
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise SetupError(
            f"{program}: does not run: {error}.",
            code="ffmpeg_broken",
            hint="Set LIPSYNC_FFMPEG to one that does, or unset it.",
        ) from error
    return done.stdout.splitlines()[0]


@lru_cache(maxsize=8)
def has_filter(name: str) -> bool:
    """Whether our ffmpeg was built with the filter ``name``."""
    program, _ = find_ffmpeg()
    command = [str(program), "-hide_banner", "-h", f"filter={name}"]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
        env=environment_of_children(),
    )
    return f"Filter {name}" in done.stdout


def source(path: Path, **options: Any) -> Any:
    """An ffmpeg-python input node for a local file, guarded."""
    import ffmpeg

    return ffmpeg.input(f"file:{path}", **input_guards(), **options)


def argv(output: Any, *, progress: bool = False) -> list[str]:
    """The argv of an ffmpeg-python output node, with our fixed options."""
    import ffmpeg

    program, _ = find_ffmpeg()
    compiled: list[str] = ffmpeg.compile(output, cmd=str(program), overwrite_output=True)
    fixed = ["-hide_banner", "-nostdin", "-nostats", "-v", "error"]
    if progress:
        fixed += ["-progress", "pipe:1"]
    return [compiled[0], *fixed, *compiled[1:]]


class _Tail:
    """The last lines of a stream, drained in a thread so that its writer never blocks."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._lines: list[str] = []
        self._thread = threading.Thread(target=self._drain, daemon=True)
        self._thread.start()

    def _drain(self) -> None:
        for line in self._stream:
            self._lines = [*self._lines[-19:], line.decode(errors="replace").rstrip()]

    def text(self) -> str:
        self._thread.join(timeout=5)
        return " | ".join(line for line in self._lines[-6:] if line)


def failure(what: str, tail: str) -> InputError:
    """The error for an ffmpeg run that failed on the user's file ``what``."""
    return InputError(
        f"{what}: ffmpeg could not process it: {tail or 'no message'}.",
        code="media_unreadable",
        hint="Check that the file plays; export it again if it does not.",
    )


def run(
    output: Any,
    what: str,
    *,
    on_time: Callable[[Fraction], None] | None = None,
) -> None:
    """Run a graph to its end.

    ``what`` names the user's file in errors; ``on_time`` is told the output time in seconds.
    Raises :class:`~lipsync_kit.errors.InputError` with ffmpeg's last lines.
    """
    command = argv(output, progress=True)
    with _process(command, what, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        for line in process.stdout:
            key, _, value = line.decode(errors="replace").strip().partition("=")
            if key == "out_time_us" and on_time is not None and value.isdigit():
                on_time(Fraction(int(value), 1_000_000))


@contextmanager
def reading(output: Any, what: str) -> Iterator[IO[bytes]]:
    """Run a graph whose output is ``pipe:1`` and read its bytes."""
    with _process(argv(output), what, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        yield process.stdout


@contextmanager
def _process(command: list[str], what: str, **pipes: Any) -> Iterator[subprocess.Popen[bytes]]:
    pipes.setdefault("stdin", subprocess.DEVNULL)
    pipes.setdefault("stdout", subprocess.DEVNULL)
    try:
        process = subprocess.Popen(
            command, stderr=subprocess.PIPE, env=environment_of_children(), **pipes
        )
    except OSError as error:
        raise SetupError(f"{command[0]}: does not start: {error}.", code="ffmpeg_broken") from error
    assert process.stderr is not None
    tail = _Tail(process.stderr)
    try:
        yield process
        if process.stdout is not None:
            process.stdout.close()
        status = process.wait()
    except BaseException:
        process.kill()
        process.wait()
        raise
    finally:
        for stream in (process.stdout, process.stderr):
            if stream is not None and process.poll() is not None:
                tail.text()
                stream.close()
    if status != 0:
        raise failure(what, tail.text())
