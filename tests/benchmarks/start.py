"""How fast ``lipsync-kit --help`` answers, as a ratio to ``python -c pass``.

``python -m tests.benchmarks.start``; wall time, the median of many runs taken in turns.
"""

import shutil
import statistics
import subprocess
import sys
import sysconfig
import time
from pathlib import Path

RUNS = 25
ALLOWED = 4.0


def timed(command: list[str]) -> float:
    """Seconds that one run takes."""
    began = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


def measure(runs: int = RUNS) -> tuple[float, float]:
    """Median seconds of ``--help`` and of an empty program."""
    script = Path(sysconfig.get_path("scripts")) / "lipsync-kit"
    program = str(script) if script.exists() else shutil.which("lipsync-kit")
    assert program is not None, "install the project first"
    help_times, empty_times = [], []
    for _ in range(runs):
        help_times.append(timed([program, "--help"]))
        empty_times.append(timed([sys.executable, "-c", "pass"]))
    return statistics.median(help_times), statistics.median(empty_times)


if __name__ == "__main__":
    answer, empty = measure()
    print(f"lipsync-kit --help  {answer * 1000:6.1f} ms")
    print(f"python -c pass      {empty * 1000:6.1f} ms")
    print(f"ratio               {answer / empty:6.2f} x   (at most {ALLOWED:.0f} x)")
