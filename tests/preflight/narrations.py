"""Sounds to prepare: synthetic speech with known pauses, encodings, and meters of others."""

from __future__ import annotations

import re
import subprocess
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import soundfile

from lipsync_kit.catalog import Model, find_model
from lipsync_kit.media.ffmpeg import find_ffmpeg
from lipsync_kit.preflight.audio import Narration, SoundOptions, prepare_narration
from lipsync_kit.progress import Silent
from lipsync_kit.project import Layout

Sound = npt.NDArray[np.float32]

TALK = "fal-ai/bytedance/omnihuman/v1.5"


def talk_model() -> Model:
    return find_model(TALK, "talk")


def word(seconds: float, rate: int, pitch: float, rng: np.random.Generator) -> Sound:
    """A voiced burst: harmonics under two formants, three syllables a second."""
    t = np.arange(int(seconds * rate)) / rate
    glide = pitch * (1 + 0.05 * np.sin(2 * np.pi * 1.3 * t + rng.uniform(0, 6)))
    phase = 2 * np.pi * np.cumsum(glide) / rate
    out = np.zeros(len(t))
    for harmonic in range(1, 30):
        frequency = harmonic * pitch
        if frequency > 0.45 * rate:
            break
        shape = np.exp(-(((frequency - 600) / 400) ** 2)) + 0.5 * np.exp(
            -(((frequency - 1700) / 600) ** 2)
        )
        out += (shape + 0.02) * np.sin(harmonic * phase + rng.uniform(0, 6))
    syllables = 0.6 + 0.4 * np.sin(2 * np.pi * 3 * t + rng.uniform(0, 6))
    fade = np.minimum(1, np.minimum(t, t[::-1]) / 0.02)
    return (out * syllables * fade).astype(np.float32)


def speech(
    seconds: float, rate: int = 48_000, seed: int = 1, noise: float = -75.0
) -> tuple[Sound, list[tuple[float, float]]]:
    """Mono speech of about ``seconds`` at -20 dBFS RMS or so, and its pauses in seconds."""
    rng = np.random.default_rng(seed)
    parts: list[Sound] = []
    pauses = []
    at = 0
    while at < seconds * rate:
        spoken = word(rng.uniform(0.5, 2.5), rate, rng.uniform(100, 180), rng)
        gap = int(rng.uniform(0.18, 0.9) * rate)
        pauses.append(((at + len(spoken)) / rate, (at + len(spoken) + gap) / rate))
        parts += [spoken, np.zeros(gap, np.float32)]
        at += len(spoken) + gap
    joined = np.concatenate(parts)[: int(seconds * rate)]
    joined *= 0.1 / np.sqrt(np.mean(joined**2))
    joined += rng.normal(0, 10 ** (noise / 20), len(joined)).astype(np.float32)
    return joined, pauses


def write(path: Path, sound: Sound, rate: int = 48_000, subtype: str = "PCM_24") -> Path:
    """``sound`` of shape ``(samples,)`` or ``(channels, samples)`` as a WAV or FLAC."""
    soundfile.write(path, sound.T, rate, subtype=subtype)
    return path


def ffmpeg(*arguments: str | Path) -> str:
    """Run ffmpeg; its stderr."""
    program, _ = find_ffmpeg()
    done = subprocess.run(
        [str(program), "-hide_banner", "-nostdin", "-y", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stderr


def measured(path: Path) -> tuple[float, float]:
    """Integrated loudness (LUFS) and true peak (dBTP) by ffmpeg's meter, which levels nothing."""
    report = ffmpeg("-i", path, "-af", "ebur128=peak=true", "-f", "null", "-")
    summary = report[report.rindex("Summary:") :]
    loudness = re.search(r"I:\s+(-?[\d.]+|-inf|nan) LUFS", summary)
    peak = re.search(r"Peak:\s+(-?[\d.]+|-inf) dBFS", summary)
    assert loudness is not None
    assert peak is not None
    return float(loudness.group(1)), float(peak.group(1))


def prepare(source: Path, project: Path, fps: Fraction = Fraction(25), **options: Any) -> Narration:
    return prepare_narration(
        source,
        layout=Layout(project),
        fps=fps,
        model=talk_model(),
        options=SoundOptions(**options),
        progress=Silent(),
    )


def codes(narration: Narration) -> set[str]:
    return {finding.code for finding in narration.findings}
