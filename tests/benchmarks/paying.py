"""What paying carefully costs: ``python -m tests.benchmarks.paying [chunks]``.

A long narration's chunks are submitted, waited for and fetched over real HTTP on loopback,
5 % of all GETs failing; beside it the same number of plain requests with bare httpx, which
keeps no ledger, checks no clip and would pay twice. CPU seconds are the client's own.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests.fal_server import FalServer
from tests.fal_server.command import start
from tests.fal_server.project import make_project

BARE = """
import sys, httpx
url, count, asks = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
headers = {"Authorization": f"Key {sys.argv[4]}"}
with httpx.Client(headers=headers, timeout=30) as client:
    for number in range(count):
        sound = bytes(96_000)
        token = {"Authorization": "Bearer upload-token", "X-Fal-File-Name": "a.wav",
                 "Content-Type": "audio/wav"}
        client.post(f"{url}/files/upload", content=sound, headers=token).json()
        job = client.post(f"{url}/fal-ai/bytedance/omnihuman/v1.5", json={"n": number}).json()
        for _ in range(asks):
            client.get(job["status_url"])
        video = client.get(job["response_url"]).json().get("video")
        if video:
            client.get(video["url"]).content
"""


@dataclass(frozen=True)
class Measured:
    """One client's run: CPU milliseconds a chunk, requests a chunk, jobs, bills."""

    cpu_ms: float
    requests: float
    jobs: int
    billed: int
    status: int


def cpu_seconds(process: subprocess.Popen[str]) -> tuple[float, int]:
    """CPU seconds and exit status of a process of ours, once it has ended."""
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.read()
    _pid, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    process.stdout.close()
    process.stderr.close()
    return used.ru_utime + used.ru_stime, process.returncode


def careful(chunks: int, folder: Path, flaky: float = 0.05) -> Measured:
    """Ours, with everything but the stitching."""
    with FalServer(run_seconds=0.05, page=50) as fal:
        fal.flaky = flaky
        root = make_project(folder / "p", chunks=chunks)
        argv = [sys.executable, "-m", "tests.fal_server.unlocked", str(root)]
        used, status = cpu_seconds(start(fal, argv, folder))
        asked = len(fal.seen) / chunks
        return Measured(1000 * used / chunks, asked, len(fal.jobs), len(fal.billed), status)


def bare(chunks: int, folder: Path, asks: int) -> Measured:
    """The same traffic with nothing around it."""
    with FalServer(run_seconds=0.0) as fal:
        key = fal.environment["FAL_KEY"]
        argv = [sys.executable, "-c", BARE, fal.url, str(chunks), str(asks), key]
        used, status = cpu_seconds(start(fal, argv, folder))
        asked = len(fal.seen) / chunks
        return Measured(1000 * used / chunks, asked, len(fal.jobs), len(fal.billed), status)


def main(chunks: int = 120) -> None:
    with tempfile.TemporaryDirectory() as folder:
        ours = careful(chunks, Path(folder))
        plain = bare(chunks, Path(folder), asks=max(1, round(ours.requests) - 4))
    print(f"{chunks} chunks, 5 % of GETs failing (ours only)")
    print(f"{'':14}{'CPU ms/chunk':>14}{'requests/chunk':>16}{'jobs':>6}{'billed':>8}{'exit':>6}")
    for name, one in (("lipsync-kit", ours), ("bare httpx", plain)):
        print(
            f"{name:14}{one.cpu_ms:14.1f}{one.requests:16.1f}{one.jobs:6}{one.billed:8}"
            f"{one.status:6}"
        )
    print(f"ratio {ours.cpu_ms / plain.cpu_ms:.2f}; allowed: 50 ms a chunk")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
