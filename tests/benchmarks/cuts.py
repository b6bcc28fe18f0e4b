"""Where cuts fall and what they cost: clean, noisy and unbroken speech, and other methods.

``python -m tests.benchmarks.cuts [MINUTES]``; ``pip install pydub auditok`` for the rivals.
"""

from __future__ import annotations

import importlib.util
import sys
import tempfile
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile

from lipsync_kit.preflight.audio import Narration
from tests.benchmarks import rivals
from tests.benchmarks.spoken import (
    RATE,
    Sound,
    Spoken,
    babble,
    hum,
    joined_without_gaps,
    require_prompts,
    spoken,
    white,
)
from tests.preflight.narrations import prepare, talk_model

LIMIT = 30 * RATE


def planned(sound: Sound, folder: Path, **options: object) -> Narration:
    source = folder / "sound.wav"
    soundfile.write(source, sound, RATE, subtype="PCM_16")
    with tempfile.TemporaryDirectory(dir=folder) as project:
        return prepare(source, Path(project), Fraction(25), **options)


def inner_cuts(narration: Narration) -> npt.NDArray[np.int64]:
    return np.array([chunk.end for chunk in narration.chunks[:-1]], np.int64)


def billed(pieces: rivals.Pieces) -> int:
    billing = talk_model().billing
    return sum(billing.seconds(end - start) for start, end in pieces)


def row(label: str, chunks: int, seconds: float, length: float, bad: int, cuts: int) -> None:
    share = 100 * bad / max(1, cuts)
    cost = f"{chunks:6} {seconds:8.0f} {seconds / length:8.4f}"
    print(f"{label:34} {cost} {bad:5}/{cuts:<5} {share:5.1f} %")


def heading(text: str) -> None:
    print(f"\n{text}\n{'':34} {'chunks':>6} {'billed s':>8} {'x sound':>8} {'in speech':>11}")


def ours(label: str, speech: Spoken, folder: Path, **options: object) -> None:
    narration = planned(speech.sound, folder, **options)
    places = inner_cuts(narration)
    bad = int(np.count_nonzero(speech.in_speech(places)))
    seconds = narration.estimate.billed_seconds
    row(label, len(narration.chunks), seconds, len(speech.sound) / RATE, bad, len(places))


def clean_and_rivals(speech: Spoken, folder: Path) -> None:
    heading(f"{len(speech.sound) / RATE / 60:.0f} min of clean speech")
    for prefer in ("cost", "seams", "quality"):
        ours(f"lipsync-kit --prefer {prefer}", speech, folder, prefer=prefer)
    ways: dict[str, Callable[[Sound, int], rivals.Pieces]] = {
        "fixed pieces": rivals.fixed,
        "audio-slicer's method": rivals.slicer,
    }
    if importlib.util.find_spec("pydub"):
        ways["pydub split_on_silence"] = rivals.pydub_split
    if importlib.util.find_spec("auditok"):
        ways["auditok"] = rivals.auditok_split
    for name, way in ways.items():
        pieces = way(speech.sound, LIMIT - RATE // 25)
        for label, some in (
            (name, pieces),
            (f"{name}, merged", rivals.merged(pieces, LIMIT - RATE // 25)),
        ):
            places = rivals.cuts(some, len(speech.sound))
            bad = int(np.count_nonzero(speech.in_speech(places)))
            row(label, len(some), billed(some), len(speech.sound) / RATE, bad, len(places))


def noisy(folder: Path) -> None:
    heading("15 min in noise")
    speech = spoken(900, seed=5)
    made: dict[str, Callable[[Sound, float], Sound]] = {
        "white": white,
        "hum": hum,
        "babble": babble,
    }
    for name, noise in made.items():
        for ratio in (10, 5):
            ours(f"{name}, {ratio} dB", Spoken(noise(speech.sound, ratio), speech.words), folder)


def unbroken(folder: Path) -> None:
    """Prompts without any silence: a cut is bad where it sounds and no prompt ends near."""
    print("\nno pause in 95 s, ten times")
    print(f"{'':34} {'cuts':>6} {'sounding':>9} {'> 50 ms from a join':>20}")
    results = {"lipsync-kit": [0, 0, 0], "fixed pieces": [0, 0, 0]}
    for seed in range(10):
        sound, joins = joined_without_gaps(95, seed)
        even = rivals.cuts(rivals.fixed(sound, LIMIT - RATE // 25), len(sound))
        for name, places in (
            ("lipsync-kit", inner_cuts(planned(sound, folder))),
            ("fixed pieces", even),
        ):
            far = np.abs(places[:, None] - joins[None]).min(axis=1) > RATE // 20
            results[name][0] += len(places)
            results[name][1] += int(np.count_nonzero(sounding(sound, places) & far))
            results[name][2] += int(np.count_nonzero(far))
    for name, (count, loud, far_away) in results.items():
        print(f"{name:34} {count:6} {100 * loud / count:7.1f} % {100 * far_away / count:18.1f} %")


def sounding(sound: Sound, places: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    """Where the 20 ms around a place are less than 25 dB below the sound's speech level."""
    half = RATE // 100
    frames = sound[: len(sound) // (2 * half) * 2 * half].reshape(-1, 2 * half)
    speech = np.percentile(np.mean(frames.astype(np.float64) ** 2, axis=1), 95)
    levels = [np.mean(sound[at - half : at + half].astype(np.float64) ** 2) for at in places]
    return np.array(levels) > speech * 10**-2.5


def long_silence(folder: Path) -> None:
    heading("90 s with a gap of 45 s")
    first, second = spoken(22.5, seed=31), spoken(22.5, seed=32)
    gap = np.random.default_rng(1).normal(0, 10 ** (-72 / 20), 45 * RATE).astype(np.float32)
    words = np.concatenate([first.words, second.words + len(first.sound) + len(gap)])
    speech = Spoken(np.concatenate([first.sound, gap, second.sound]), words)
    ours("all of it", speech, folder)
    ours("--skip-silence 1", speech, folder, skip_silence=Fraction(1))


def main() -> None:
    require_prompts()
    minutes = float(sys.argv[1]) if len(sys.argv) > 1 else 60.0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        clean_and_rivals(spoken(minutes * 60), folder)
        noisy(folder)
        unbroken(folder)
        long_silence(folder)


if __name__ == "__main__":
    main()
