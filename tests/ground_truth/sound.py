"""A master whose every moment is unique, and where a stretch of it is found again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile

RATE = 48_000
Samples = npt.NDArray[np.float64]


def unique(samples: int, seed: int = 1) -> Samples:
    """Noise between 200 Hz and 6 kHz, made in blocks, so that any 50 ms differ from all others."""
    rng = np.random.default_rng(seed)
    out = np.empty(samples)
    block = RATE * 60
    for start in range(0, samples, block):
        count = min(block, samples - start)
        spectrum = np.fft.rfft(rng.standard_normal(count))
        hertz = np.fft.rfftfreq(count, 1 / RATE)
        spectrum[(hertz < 200) | (hertz > 6000)] = 0
        piece = np.fft.irfft(spectrum, count)
        out[start : start + count] = 0.15 * piece / max(piece.std(), 1e-9)
    return np.clip(out, -0.9, 0.9)


def write_master(path: Path, samples: int, channels: int = 1) -> Samples:
    mono = unique(samples)
    both = mono if channels == 1 else np.stack([mono, np.roll(mono, 7)], axis=1)
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, both, RATE, subtype="PCM_24")
    return mono


def decode_sound(path: Path) -> Samples:
    """The first channel of a film's sound as ffmpeg plays it, edit lists applied."""
    import subprocess

    from lipsync_kit.media.ffmpeg import find_ffmpeg

    program, _ = find_ffmpeg()
    command = [str(program), "-v", "error", "-i", str(path), "-vn", "-f", "f32le"]
    command += ["-af", "pan=mono|c0=c0", "-"]
    raw = subprocess.run(command, check=True, capture_output=True).stdout
    return np.frombuffer(raw, dtype="<f4").astype(np.float64)


def offset(played: Samples, master: Samples, at: int, length: int = 4800, reach: int = 2400) -> int:
    """Samples by which the master's stretch at ``at`` is late in what is played."""
    stretch = master[at : at + length]
    low = max(0, at - reach)
    heard = played[low : at + length + reach]
    size = 1 << (len(heard) + len(stretch)).bit_length()
    product = np.fft.rfft(heard, size) * np.conj(np.fft.rfft(stretch, size))
    match = np.fft.irfft(product, size)[: max(1, len(heard) - len(stretch) + 1)]
    return int(match.argmax()) + low - at
