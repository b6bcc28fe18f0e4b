"""Loudness and true peak, held against meters that were not used to level."""

from __future__ import annotations

from pathlib import Path

import loudness as another
import numpy as np
import pytest
import soundfile
import soxr

from lipsync_kit.preflight.loudness import SILENT, Meter, integrated, loudness_range
from lipsync_kit.preflight.sound_peaks import decibels, factor, limited, true_peak
from lipsync_kit.project import Layout
from tests.preflight.narrations import Sound, codes, measured, prepare, speech, write


def metered(sound: Sound) -> float:
    meter = Meter(len(sound))
    for block in np.array_split(sound, 7, axis=1):
        meter.feed(block)
    return integrated(meter.energies())


def tone(level: float, seconds: float, channels: int = 2, frequency: float = 1000) -> Sound:
    t = np.arange(int(seconds * 48_000)) / 48_000
    one = 10 ** (level / 20) * np.sin(2 * np.pi * frequency * t)
    return np.tile(one, (channels, 1)).astype(np.float32)


def test_the_meter_reads_the_tones_of_ebu_tech_3341() -> None:
    assert metered(tone(-23, 20)) == pytest.approx(-23, abs=0.1)
    assert metered(tone(-33, 20)) == pytest.approx(-33, abs=0.1)
    steps = [tone(-36, 10), tone(-23, 60), tone(-36, 10)]
    assert metered(np.concatenate(steps, axis=1)) == pytest.approx(-23, abs=0.1)
    gated = [tone(-72, 10), tone(-36, 10), tone(-23, 60), tone(-36, 10), tone(-72, 10)]
    assert metered(np.concatenate(gated, axis=1)) == pytest.approx(-23, abs=0.1)


def test_the_meter_reads_the_ranges_of_ebu_tech_3342() -> None:
    for low, high, expected in ((-20, -30, 10), (-20, -15, 5), (-40, -20, 20)):
        meter = Meter(2)
        meter.feed(np.concatenate([tone(low, 20), tone(high, 20)], axis=1))
        assert loudness_range(meter.energies()) == pytest.approx(expected, abs=1)


def test_the_meter_agrees_with_another() -> None:
    rng = np.random.default_rng(2)
    for channels in (1, 2):
        sound, _ = speech(20, seed=channels)
        mixed = np.stack([sound * rng.uniform(0.3, 1) for _ in range(channels)])
        expected = another.integrated_loudness(np.ascontiguousarray(mixed.T), 48_000)
        assert metered(mixed) == pytest.approx(expected, abs=0.03)


def test_silence_has_no_loudness() -> None:
    assert metered(np.zeros((1, 48_000), np.float32)) == SILENT


def test_energies_scale_with_a_gain() -> None:
    sound, _ = speech(10)
    meter = Meter(1)
    meter.feed(sound[None])
    assert integrated(meter.energies(), 0.5) == pytest.approx(metered(sound[None] * 0.5), abs=1e-3)


def oversampled_peak(sound: Sound, times: int = 4) -> float:
    padded = np.pad(sound.T.astype(np.float64), ((4000, 4000), (0, 0)))
    return decibels(float(np.abs(soxr.resample(padded, 1, times, quality="VHQ")).max()))


@pytest.mark.parametrize("frequency", [997.0, 6000.0, 11_999.0, 15_000.0])
def test_true_peaks_between_samples_are_found(frequency: float) -> None:
    sound = tone(-1, 0.5, 1, frequency)
    sound *= np.hanning(sound.shape[1]).astype(np.float32)
    assert decibels(true_peak(sound)) == pytest.approx(oversampled_peak(sound), abs=0.1)


@pytest.mark.parametrize("drive", [2.0, 6.0, 12.0])
def test_the_limiter_holds_the_ceiling_and_touches_nothing_else(drive: float) -> None:
    sound, _ = speech(8)
    loud = np.stack([sound, 0.5 * sound]) * np.float32(factor(drive + 9))
    result = limited(loud, factor(-1.5))
    assert oversampled_peak(result.block) <= -1.5
    assert decibels(result.peak) == pytest.approx(oversampled_peak(result.block), abs=0.1)
    untouched = np.ones(loud.shape[1], bool)
    for start, end in result.changed:
        untouched[start:end] = False
    np.testing.assert_array_equal(result.block[:, untouched], loud[:, untouched])


def test_the_limiter_leaves_quiet_sound_alone() -> None:
    sound, _ = speech(3)
    result = limited(sound[None] * np.float32(0.1), factor(-1.5))
    assert not len(result.changed)
    np.testing.assert_array_equal(result.block, sound[None] * np.float32(0.1))


def test_the_limiter_turns_both_channels_down_alike() -> None:
    sound, _ = speech(3)
    result = limited(np.stack([sound * 20, sound * 5]), factor(-1.5))
    assert len(result.changed)
    np.testing.assert_allclose(result.block[0], result.block[1] * 4, atol=1e-5)


def spiky(sound: Sound) -> Sound:
    """Loud plosives on speech, at -16 LUFS in all."""
    made = (sound + 6 * clicks(len(sound), 0.02))[None]
    return made * factor(-16 - metered(made))


def clicks(count: int, seconds: float = 0.0005) -> Sound:
    out = np.zeros(count, np.float32)
    width = max(2, int(seconds * 48_000))
    for at in range(5000, count - width, 20_000):
        out[at : at + width] = 0.8 * np.hanning(width)
    return out


KINDS = {
    "as recorded": lambda x: x[None],
    "-50 LUFS": lambda x: x[None] * factor(-32),
    "-8 LUFS, clipped": lambda x: np.clip(x[None] * factor(14), -1, 1),
    "at the target, its peaks above the ceiling": spiky,
    "stereo": lambda x: np.stack([x, 0.7 * x]),
    "stereo, one side": lambda x: np.stack([x, 0 * x]),
    "antiphase": lambda x: np.stack([x, -x]),
    "offset": lambda x: x[None] * 0.5 + np.float32(0.3),
    "clicks": lambda x: x[None] + clicks(len(x)),
    "plosives": lambda x: x[None] + 4 * clicks(len(x), 0.01),
    "long silence": lambda x: np.concatenate([x, np.zeros(len(x) * 2, np.float32)])[None],
    "quiet then loud": lambda x: np.concatenate([x * 0.05, x])[None],
    "noisy": lambda x: x[None] + np.random.default_rng(5).normal(0, 0.02, len(x)),
}


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_kind_of_speech_reaches_the_target(kind: str, tmp_path: Path) -> None:
    sound, _ = speech(12, noise=-100)
    source = write(tmp_path / "speech.wav", KINDS[kind](sound).astype(np.float32), subtype="FLOAT")
    narration = prepare(source, tmp_path / "p")
    master = Layout(tmp_path / "p").master
    lufs, peak = measured(master)
    assert lufs == pytest.approx(-16, abs=0.11)  # the meter prints one decimal
    assert peak <= -1.5
    levelled, rate = soundfile.read(master, dtype="float32", always_2d=True)
    assert another.integrated_loudness(levelled, rate) == pytest.approx(-16, abs=0.1)
    assert narration.audio.lufs == pytest.approx(-16, abs=0.05)
    assert narration.audio.true_peak == pytest.approx(peak, abs=0.3)


def test_another_target(tmp_path: Path) -> None:
    sound, _ = speech(12)
    narration = prepare(write(tmp_path / "a.wav", sound), tmp_path / "p", lufs=-23.0)
    assert measured(Layout(tmp_path / "p").master)[0] == pytest.approx(-23, abs=0.11)
    assert "limited" not in codes(narration)


def test_without_limiting_it_is_the_input_times_one_gain(tmp_path: Path) -> None:
    sound, _ = speech(25)
    source = write(tmp_path / "a.wav", np.stack([sound, 0.5 * sound]) * 0.3)
    prepare(source, tmp_path / "p", lufs=-24.0)
    before, _ = soundfile.read(source)
    after, _ = soundfile.read(Layout(tmp_path / "p").master)
    gain = np.sum(after * before) / np.sum(before * before)
    np.testing.assert_allclose(after, before * gain, atol=2**-22)
