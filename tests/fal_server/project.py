"""A prepared project, written down without preparing anything."""

from __future__ import annotations

import random
import wave
from fractions import Fraction
from pathlib import Path

from PIL import Image

from lipsync_kit import schema
from lipsync_kit.catalog import DEFAULT_MODEL
from lipsync_kit.project import Layout, save
from lipsync_kit.store import digest_file
from lipsync_kit.timing import SAMPLE_RATE

FPS = Fraction(25)


def make_project(
    root: Path,
    *,
    chunks: int = 6,
    seconds: int = 1,
    model: str = DEFAULT_MODEL["talk"],
    resolution: str = "1080p",
    prompt: str | None = None,
    same: bool = False,
) -> Path:
    """A talk project of so many chunks of so many seconds; ``same``: all of one sound."""
    layout = Layout(root)
    step = seconds * SAMPLE_RATE
    _write_sound(layout.master, chunks * step, seed=-1)
    portrait = layout.portrait(".png")
    portrait.parent.mkdir(parents=True)
    Image.new("RGB", (480, 480), (180, 140, 120)).save(portrait)
    made = []
    for index in range(chunks):
        path = layout.sound(index)
        _write_sound(path, step, seed=0 if same else index)
        made.append(
            schema.Chunk(
                index=index,
                start=index * step,
                end=(index + 1) * step,
                sent_start=index * step,
                sent_end=(index + 1) * step,
                path=layout.relative(path),
                cut="end" if index == chunks - 1 else "pause",
                pause_ms=200,
                sha256=digest_file(path),
            )
        )
    save(
        root,
        schema.Project(
            task="talk",
            model=model,
            resolution=resolution,
            fps=FPS,
            prompt=prompt,
            audio=schema.Audio(
                path=layout.relative(layout.master),
                sample_rate=SAMPLE_RATE,
                samples=chunks * step,
                lufs=-16.0,
                true_peak=-1.5,
            ),
            image=schema.Image(
                path=layout.relative(portrait),
                width=480,
                height=480,
                bytes=portrait.stat().st_size,
            ),
            chunks=tuple(made),
            estimate=schema.Estimate(billed_seconds=3 * chunks, usd=0.48 * chunks, model=model),
        ),
    )
    return root


def _write_sound(path: Path, samples: int, *, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = random.Random(seed).randbytes(2 * 480)
    with wave.open(str(path), "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(SAMPLE_RATE)
        sound.writeframes((noise * (samples // 480 + 1))[: 2 * samples])
