"""CPU and memory of preparing an hour of narration, beside decoding it.

``python -m tests.benchmarks.prep_audio [MINUTES]``
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import soxr

from tests.benchmarks.spoken import RATE, require_prompts, spoken

PORTRAIT = Path(__file__).parents[2] / "fixtures" / "portrait.png"
OPTIONS = {
    "clean": ("--lufs", "-24"),  # nothing to limit
    "with limiter": (),
    "much limited": ("--lufs", "-10"),
    "skipping silence": ("--skip-silence", "1"),
    "levelled": ("--level",),
}


def make_mp3(folder: Path, minutes: float) -> Path:
    """44.1 kHz stereo MP3 at 128 kb/s, its channels alike but not the same."""
    from tests.preflight.narrations import ffmpeg

    speech = spoken(minutes * 60)
    wav, mp3 = folder / "narration.wav", folder / "narration.mp3"
    other = spoken(minutes * 60, seed=1, noise=-70.0).sound * 0.9
    resampler = [soxr.ResampleStream(RATE, 44_100, 1, dtype="float32") for _ in range(2)]
    with soundfile.SoundFile(wav, "w", 44_100, 2, "PCM_16") as file:
        for start in range(0, len(speech.sound), 60 * RATE):
            stop = min(start + 60 * RATE, len(speech.sound))
            pair = [
                one.resample_chunk(channel[start:stop], last=stop == len(speech.sound))
                for one, channel in zip(resampler, (speech.sound, other), strict=True)
            ]
            file.write(np.stack(pair, axis=1))
    ffmpeg("-v", "error", "-i", wav, "-b:a", "128k", mp3)
    wav.unlink()
    return mp3


def decoding_seconds(mp3: Path) -> float:
    """CPU seconds of decoding with ffmpeg, the better of two runs."""
    from lipsync_kit.media.ffmpeg import find_ffmpeg

    program, _ = find_ffmpeg()
    spent = []
    for _ in range(2):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        command = [str(program), "-v", "error", "-nostdin", "-i", str(mp3), "-f", "null", "-"]
        subprocess.run(command, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        spent.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return min(spent)


def prepared(source: Path, project: Path, *options: str) -> tuple[float, float, dict[str, Any]]:
    """CPU seconds and peak MB of all processes of the whole command, and what it printed."""
    command = [sys.executable, "-m", "lipsync_kit", "prep", str(project), "--image", str(PORTRAIT)]
    command += ["--audio", str(source), *options]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    watch = Watch(process.pid)
    out, _ = process.communicate()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return used, watch.peak(), json.loads(out)


class Watch(threading.Thread):
    """The most memory that a process and all it started have at once, looked at every 20 ms."""

    def __init__(self, process: int) -> None:
        super().__init__(daemon=True)
        self._process, self._peak, self._done = process, 0.0, threading.Event()
        self.start()

    def run(self) -> None:
        while not self._done.wait(0.02):
            self._peak = max(self._peak, sum(map(resident, family(self._process))))

    def peak(self) -> float:
        self._done.set()
        self.join()
        return self._peak


def family(process: int) -> list[int]:
    """A process and all that descend from it."""
    found = [process]
    try:
        for task in Path(f"/proc/{process}/task").iterdir():
            for child in (task / "children").read_text().split():
                found += family(int(child))
    except OSError:  # it ended meanwhile
        pass
    return found


def resident(process: int) -> float:
    """MB of a process in memory, shared libraries included."""
    try:
        pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    except (OSError, IndexError):
        return 0.0
    return pages * resource.getpagesize() / 2**20


def main() -> None:
    require_prompts()
    minutes = float(sys.argv[1]) if len(sys.argv) > 1 else 60.0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        mp3 = make_mp3(folder, minutes)
        decoding = decoding_seconds(mp3)
        print(f"{minutes:g} min MP3; decoding with ffmpeg: {decoding:.1f} CPU s\n")
        print(f"{'whole command':16} {'CPU s':>7} {'x decode':>9} {'peak MB':>8} {'off':>4}")
        runs = {name: (name, *options) for name, options in OPTIONS.items()}
        for label, (project, *options) in (*runs.items(), ("again", runs["clean"])):
            used, peak, plan = prepared(mp3, folder / project, *options)
            tiled = sum(chunk["end"] - chunk["start"] for chunk in plan["chunks"])
            off = plan["audio"]["samples"] - tiled
            print(f"{label:16} {used:7.1f} {used / decoding:9.2f} {peak:8.0f} {off:4}", flush=True)


if __name__ == "__main__":
    main()
