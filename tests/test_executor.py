"""Workers: the same results whatever their number, and none of them outlives its coordinator."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lipsync_kit.executor import each


@pytest.mark.parametrize("jobs", [1, 2])
def test_every_item_is_worked_on_once(jobs: int) -> None:
    assert sorted(each(abs, [-3, 2, -1], jobs)) == [(-3, 3), (-1, 1), (2, 2)]


COORDINATOR = """
import os, time
from pathlib import Path
from lipsync_kit.executor import each

def work(path):
    Path(path).write_text(str(os.getpid()))
    time.sleep(600 if path.endswith("0") else 0)

if __name__ == "__main__":
    import sys
    list(each(work, [f"{sys.argv[1]}/{n}" for n in range(3)], 2))
"""


def lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.skipif(os.name == "nt", reason="there is no SIGKILL")
def test_workers_end_with_a_killed_coordinator(tmp_path: Path) -> None:
    script = tmp_path / "coordinator.py"
    script.write_text(COORDINATOR)
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    process = subprocess.Popen([sys.executable, str(script), str(tmp_path)], env=environment)
    notes = [tmp_path / str(number) for number in range(3)]
    until = time.monotonic() + 60
    while not all(note.exists() and note.read_text() for note in notes):
        assert time.monotonic() < until
        time.sleep(0.05)
    workers = {int(note.read_text()) for note in notes}
    process.send_signal(signal.SIGKILL)
    process.wait()
    until = time.monotonic() + 20
    while any(map(lives, workers)):
        assert time.monotonic() < until
        time.sleep(0.05)
