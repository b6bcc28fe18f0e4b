"""What denoising does to speech quality, beside the noisy speech itself.

``pip install pesq pystoi``, then ``python -m tests.benchmarks.denoise SPEECH.wav …``: clean,
wide-band recordings of some seconds. PESQ-WB is ITU-T P.862.2, STOI that of Taal et al.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import soxr

from lipsync_kit.project import Layout
from tests.benchmarks.spoken import RATE, Sound, hum, white
from tests.preflight.narrations import codes, prepare


def load(path: Path) -> Sound:
    raw, rate = soundfile.read(path, dtype="float32", always_2d=True)
    sound = np.asarray(soxr.resample(raw[:, 0], rate, RATE), np.float32)
    return sound * np.float32(0.5 / np.abs(sound).max())


def babble_of(others: list[Sound], sound: Sound, ratio: float) -> Sound:
    """``sound`` with eight other voices, the other recordings, each begun elsewhere."""
    rng = np.random.default_rng(2)
    noise = np.zeros(len(sound), np.float32)
    for turn in range(8):
        voice = np.resize(others[turn % len(others)], len(sound))
        noise += np.roll(voice, int(rng.integers(len(voice)))) * np.float32(rng.uniform(0.7, 1))
    power = np.mean(sound[np.abs(sound) > 0.01] ** 2) / np.mean(noise**2)
    mixed = sound + noise * np.float32(np.sqrt(power) * 10 ** (-ratio / 20))
    return (mixed * np.float32(min(1.0, 0.9 / np.abs(mixed).max()))).astype(np.float32)


def scored(clean: Sound, other: Sound) -> tuple[float, float]:
    from pesq import pesq
    from pystoi import stoi

    pair = [np.asarray(soxr.resample(sound, RATE, 16_000)) for sound in (clean, other)]
    return pesq(16_000, *pair, "wb"), stoi(*pair, 16_000)


def master_of(sound: Sound, folder: Path, **options: Any) -> tuple[Sound, bool]:
    source = folder / "a.wav"
    soundfile.write(source, sound, RATE, subtype="FLOAT")
    with tempfile.TemporaryDirectory(dir=folder) as project:
        narration = prepare(source, Path(project), lufs=-26.0, **options)
        made, _ = soundfile.read(Layout(Path(project)).master, dtype="float32")
        return made, "denoised" in codes(narration)


def main() -> None:
    paths = [Path(argument) for argument in sys.argv[1:]]
    if len(paths) < 2:
        sys.exit(f"{__doc__}\nat least two recordings are needed: the others are the babble")
    voices = [load(path) for path in paths]
    print(f"{'':18} {'PESQ-WB':>16} {'STOI':>18} {'lag':>6} {'off':>4}  cleaned")
    gains = []
    with tempfile.TemporaryDirectory() as name:
        for kind in ("white", "hum", "babble", "clean"):
            rows, cleaned, lags, off = [], 0, set(), 0
            for index, voice in enumerate(voices):
                others = [other for at, other in enumerate(voices) if at != index]
                noisy = {
                    "white": lambda v=voice: white(v, 5),
                    "hum": lambda v=voice: hum(v, 5),
                    "babble": lambda v=voice, o=others: babble_of(o, v, 5),
                    "clean": lambda v=voice: v,
                }[kind]()
                made, touched = master_of(noisy, Path(name))
                cleaned += touched
                off += len(made) - len(voice)
                lags.add(lag(made, voice))
                rows.append([*scored(voice, noisy), *scored(voice, made)])
            before_pesq, before_stoi, pesq, stoi = np.mean(rows, axis=0)
            if kind != "clean":
                gains.append((pesq - before_pesq, stoi - before_stoi))
            print(
                f"{kind:18} {before_pesq:6.2f} -> {pesq:6.2f} {before_stoi:8.3f} -> {stoi:6.3f} "
                f"{max(lags, key=abs):6} {off:4}  {cleaned} of {len(voices)}"
            )
        lags(voices[0], Path(name))
    pesq_gain, stoi_gain = np.mean(gains, axis=0)
    print(f"\nmean of the three noises: PESQ {pesq_gain:+.2f}, STOI {stoi_gain:+.3f}")


def lags(voice: Sound, folder: Path) -> None:
    """Lag and length of what was cleaned, beside the same not cleaned, at every rate."""
    print(f"\n{'rate':>8} {'channels':>9} {'lag':>6} {'off':>4}")
    rng = np.random.default_rng(4)
    for rate in (8_000, 16_000, 22_050, 44_100, 48_000, 96_000):
        for channels in (1, 2):
            raw = np.asarray(soxr.resample(voice[: 5 * RATE], RATE, rate), np.float32)
            noisy = np.stack([raw + rng.normal(0, 0.02, len(raw)) for _ in range(channels)])
            source, made = folder / "a.wav", []
            soundfile.write(source, noisy.T, rate, subtype="FLOAT")
            for mode in ("on", "off"):
                project = folder / f"{rate}-{channels}-{mode}"
                prepare(source, project, denoise=mode)
                master = Layout(project).master
                made.append(soundfile.read(master, dtype="float32", always_2d=True)[0])
            late = [lag(*pair) for pair in zip(made[0].T, made[1].T, strict=True)]
            off = len(made[0]) - round(len(raw) * RATE / rate)
            print(f"{rate:8} {channels:9} {max(late, key=abs):6} {off:4}", flush=True)


def lag(out: Sound, raw: Sound) -> int:
    size = 2 * len(raw)
    match = np.fft.irfft(np.fft.rfft(out, size) * np.conj(np.fft.rfft(raw, size)), size)
    at = int(np.argmax(match))
    return at if at < len(raw) else at - size


if __name__ == "__main__":
    main()
