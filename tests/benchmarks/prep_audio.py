"""CPU and memory of preparing an hour of narration, beside decoding it.

``python -m tests.benchmarks.prep_audio [MINUTES]``
"""

from __future__ import annotations

import multiprocessing
import os
import resource
import subprocess
import sys
import tempfile
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import soxr

from tests.benchmarks.spoken import RATE, require_prompts, spoken

# Decibels of the target: the limiter has nothing to do, or as much as with loud speech.
TARGETS = {"clean": -24.0, "with limiter": -16.0}


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


def _prepare(source: Path, project: Path, options: dict[str, Any], answer: Any) -> None:
    from tests.preflight.narrations import prepare

    before = os.times()
    narration = prepare(source, project, Fraction(25), **options)
    after = os.times()
    used = (after.user - before.user) + (after.system - before.system)
    used += after.children_user + after.children_system
    # Not ru_maxrss: that remembers what the parent had before it started this process.
    status = Path("/proc/self/status").read_text()
    peak = int(status.split("VmHWM:")[1].split()[0]) / 1024
    answer.put(
        (used, peak, narration.audio.samples, sum(c.end - c.start for c in narration.chunks))
    )


def prepared(source: Path, project: Path, **options: Any) -> tuple[float, float, int, int]:
    """CPU seconds, peak MB, samples and samples in chunks of a preparation in a fresh process."""
    context = multiprocessing.get_context("spawn")
    answer: Any = context.Queue()
    process = context.Process(target=_prepare, args=(source, project, options, answer))
    process.start()
    result: tuple[float, float, int, int] = answer.get()
    process.join()
    return result


def main() -> None:
    require_prompts()
    minutes = float(sys.argv[1]) if len(sys.argv) > 1 else 60.0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        mp3 = make_mp3(folder, minutes)
        decoding = decoding_seconds(mp3)
        print(f"{minutes:g} min MP3; decoding with ffmpeg: {decoding:.1f} CPU s\n")
        print(f"{'':14} {'CPU s':>7} {'x decode':>9} {'peak MB':>8} {'off':>4}")
        for label, lufs in TARGETS.items():
            used, peak, samples, tiled = prepared(mp3, folder / label, lufs=lufs)
            ratio = used / decoding
            print(f"{label:14} {used:7.1f} {ratio:9.2f} {peak:8.0f} {samples - tiled:4}")
        used, peak, *_ = prepared(mp3, folder / "clean", lufs=TARGETS["clean"])
        print(f"{'again':14} {used:7.1f} {used / decoding:9.2f} {peak:8.0f}")


if __name__ == "__main__":
    main()
