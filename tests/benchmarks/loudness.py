"""Loudness and true peak of the master by meters that did not level it.

``python -m tests.benchmarks.loudness``
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import loudness
import numpy as np
import soundfile

from lipsync_kit.project import Layout
from tests.benchmarks.spoken import RATE, Sound, babble, require_prompts, spoken, white
from tests.preflight.narrations import measured, prepare

TARGET, CEILING = -16.0, -1.5


def at(lufs: float, sound: Sound) -> Sound:
    """``sound`` brought to a loudness, clipped where it must be."""
    level = loudness.integrated_loudness(np.ascontiguousarray(sound.T), RATE)
    return np.clip(sound * np.float32(10 ** ((lufs - level) / 20)), -1, 1)


def kinds() -> dict[str, Callable[[Sound], Sound]]:
    rng = np.random.default_rng(3)
    return {
        "-50 LUFS, mono": lambda x: at(-50, x[None]),
        "-40 LUFS, stereo": lambda x: at(-40, np.stack([x, 0.8 * x])),
        "-30 LUFS, mono": lambda x: at(-30, x[None]),
        "-23 LUFS, stereo": lambda x: at(-23, np.stack([x, np.roll(x, 40)])),
        "-16 LUFS, mono": lambda x: at(-16, x[None]),
        "-12 LUFS, clipped": lambda x: at(-12, x[None]),
        "-8 LUFS, clipped": lambda x: at(-8, x[None]),
        "antiphase": lambda x: at(-20, np.stack([x, -x])),
        "one side": lambda x: at(-20, np.stack([x, 0 * x])),
        "DC offset": lambda x: at(-26, x[None]) + np.float32(0.2),
        "in noise": lambda x: at(-20, white(x, 10)[None]),
        "two speakers, 12 dB apart": lambda x: np.stack(
            [np.concatenate([x[: len(x) // 2], x[len(x) // 2 :] * np.float32(0.25)])]
        ),
        "the same with --level": lambda x: np.stack(
            [np.concatenate([x[: len(x) // 2], x[len(x) // 2 :] * np.float32(0.25)])]
        ),
        "long gaps": lambda x: np.concatenate([x, np.zeros(4 * len(x), np.float32)])[None],
        "others talking": lambda x: at(-20, babble(x, 10)[None]),
        "with clicks": lambda x: at(-28, x[None]) + (rng.random(len(x)) < 2e-5).astype(np.float32),
    }


def main() -> None:
    require_prompts()
    speech = spoken(60, seed=17).sound
    print(f"{'':28} {'before':>7} {'ffmpeg':>7} {'libloudness':>12} {'peak':>6}  off  halves apart")
    worst_level, worst_peak = 0.0, -99.0
    with tempfile.TemporaryDirectory() as name:
        for label, make in kinds().items():
            sound = make(speech).astype(np.float32)
            source, project = Path(name) / "a.wav", Path(name) / label
            soundfile.write(source, sound.T, RATE, subtype="FLOAT")
            before = loudness.integrated_loudness(np.ascontiguousarray(sound.T), RATE)
            prepare(source, project, denoise="off", lufs=TARGET, level="--level" in label)
            master = Layout(project).master
            lufs, peak = measured(master)
            samples, rate = soundfile.read(master, dtype="float32", always_2d=True)
            other = loudness.integrated_loudness(samples, rate)
            off = sound.shape[1] - len(samples)
            worst_level = max(worst_level, abs(other - TARGET))
            worst_peak = max(worst_peak, peak)
            halves = np.array_split(samples, 2)
            apart = [loudness.integrated_loudness(np.ascontiguousarray(h), rate) for h in halves]
            row = f"{before:7.1f} {lufs:7.1f} {other:12.2f} {peak:6.1f} {off:4}"
            print(f"{label:28} {row} {abs(apart[0] - apart[1]):13.1f}", flush=True)
    print(f"\nfarthest from {TARGET:g} LUFS: {worst_level:.3f} LU; highest peak {worst_peak} dBTP")


if __name__ == "__main__":
    main()
