"""`kill -9` at any moment of a paid render; run again, it finishes, and nothing is paid twice.

Moments are drawn from the whole run: at a random time of it, and at a random request, before
or after the service did what was asked (between a job's registration and its reply, too).
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from lipsync_kit.engines.acceptance import clip_seconds
from lipsync_kit.ledger import Ledger
from lipsync_kit.project import Layout
from tests.fal_server import FalServer
from tests.fal_server.command import Left, finish, render_argv, start
from tests.fal_server.project import make_project

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.name == "nt", reason="there is no SIGKILL"),
]

CHUNKS = 6
REQUESTS = 75
"""About as many steps as an undisturbed render asks for, counted before and after."""


def kill_at_a_time(process: subprocess.Popen[str], dice: random.Random) -> None:
    time.sleep(dice.uniform(0.3, 3.5))
    process.send_signal(signal.SIGKILL)


def kill_at_a_request(process: subprocess.Popen[str], fal: FalServer, dice: random.Random) -> None:
    left = dice.randrange(REQUESTS)

    def watch(_step: str, _done: bool) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            process.send_signal(signal.SIGKILL)

    fal.watch = watch
    process.wait(timeout=120)


def killed_once(fal: FalServer, root: Path, dice: random.Random) -> bool:
    """Start a render and kill it; whether it was killed before its end."""
    process = start(fal, render_argv(root), root.parent)
    if dice.random() < 0.25:
        kill_at_a_time(process, dice)
    else:
        kill_at_a_request(process, fal, dice)
    fal.watch = lambda _step, _done: None
    return finish(process).status == -signal.SIGKILL


def run_to_the_end(fal: FalServer, root: Path) -> Left:
    """Run again until done. What is unknown is looked up where only this test can look."""
    left = finish(start(fal, render_argv(root, "--timeout", "3"), root.parent))
    if left.status == 7:  # killed between the intent and its first byte: it never left
        with Ledger(Layout(root).ledger) as ledger:
            open_intents = [one for one in ledger.attempts() if one.state == "intent"]
        assert open_intents
        sent = [job.arguments for job in fal.jobs]
        assert all(one.arguments not in sent for one in open_intents)
        left = finish(start(fal, render_argv(root, "--resubmit-lost"), root.parent))
    return left


def check_trial(folder: Path, seed: int, kills: int) -> tuple[int, int]:
    """One project, killed up to so many times and then finished.

    Returns the kills that hit, and how often a run after one looked for a lost reply.
    """
    dice = random.Random(seed)
    with FalServer(run_seconds=0.15, page=3) as fal:
        root = make_project(folder / f"p{seed}", chunks=CHUNKS)
        hits = 0
        while hits < kills and killed_once(fal, root, dice):
            hits += 1
        check_finished(fal, root)
        return hits, len(fal.asked("GET", "by-endpoint"))


def check_finished(fal: FalServer, root: Path) -> None:
    """Run to the end: a whole film, every chunk billed once, no job that nobody collects."""
    left = run_to_the_end(fal, root)
    assert left.status == 0, left.stderr
    assert len(fal.billed) == len(fal.jobs) == CHUNKS
    assert len({job.arguments["audio_url"] for job in fal.jobs}) == CHUNKS
    assert clip_seconds(Path(left.document["video"]["path"])) == CHUNKS
    assert [row["state"] for row in left.document["chunks"]] == ["done"] * CHUNKS
    assert left.document["billed"]["seconds"] == 3 * CHUNKS


def test_killed_at_every_step(tmp_path: Path) -> None:
    """One project, killed before and after each step of its way; twelve lives."""
    steps = ("token", "upload", "submit", "status", "result", "download")
    with FalServer(run_seconds=0.1, page=3) as fal:
        root = make_project(tmp_path / "p", chunks=CHUNKS)
        for step in steps:
            for done in (False, True):
                process = start(fal, render_argv(root, "--jobs", "1"), root.parent)
                fal.watch = killer(process, step, done)
                assert finish(process).status == -signal.SIGKILL, (step, done)
        fal.watch = lambda _step, _done: None
        check_finished(fal, root)


def killer(process: subprocess.Popen[str], step: str, done: bool) -> Callable[[str, bool], None]:
    def watch(at: str, is_done: bool) -> None:
        if (at, is_done) == (step, done):
            process.send_signal(signal.SIGKILL)

    return watch


def test_killed_at_random_moments(tmp_path: Path) -> None:
    hits = seed = 0
    while hits < 4:
        hits += check_trial(tmp_path, seed, kills=3)[0]
        seed += 1


@pytest.mark.full
def test_killed_at_two_hundred_random_moments(tmp_path: Path) -> None:
    hits = looked = 0
    seed = 1000
    while hits < 200:
        more, looks = check_trial(tmp_path, seed, kills=4)
        hits, looked, seed = hits + more, looked + looks, seed + 1
        print(f"seed {seed}: {hits} kills, {looked} looks at the list")
    assert looked > 0  # some of them fell between a POST and its reply
