"""Cleaning: noise and hum go, nothing moves, and clean sound is left as it is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import soundfile
import soxr

from lipsync_kit.preflight.sound_filters import DeepFilter, HumFilter
from lipsync_kit.preflight.sound_noise import estimate_noise, find_hum
from lipsync_kit.preflight.sound_voice import SAMPLE_RATE as VOICE_RATE
from lipsync_kit.preflight.sound_voice import Voice
from lipsync_kit.project import Layout
from tests.preflight.narrations import Sound, codes, measured, prepare, speech, write

RATE = 48_000


@pytest.fixture(scope="module")
def voice(narration: Path, tmp_path_factory: pytest.TempPathFactory) -> Sound:
    """12 s of the shipped narration, 48 kHz mono."""
    from lipsync_kit.media.pcm import open_sound

    with open_sound(narration) as source:
        block = next(source.blocks(12))
        return np.asarray(soxr.resample(block[0], source.sample_rate, RATE), np.float32)


def hiss(sound: Sound, ratio: float) -> Sound:
    rng = np.random.default_rng(3)
    noise = rng.normal(0, 1, sound.shape).astype(np.float32)
    return sound + noise * np.float32(np.sqrt(np.mean(sound**2)) * 10 ** (-ratio / 20))


def hum(sound: Sound, ratio: float, mains: float = 50.0) -> Sound:
    t = np.arange(sound.shape[-1]) / RATE
    noise = sum(np.sin(2 * np.pi * mains * k * t + k) / k for k in (1, 2, 3, 5))
    scale = np.sqrt(np.mean(sound**2) / np.mean(noise**2)) * 10 ** (-ratio / 20)
    return (sound + scale * noise).astype(np.float32)


def lag(out: npt.NDArray[np.float64], raw: npt.NDArray[np.float64]) -> int:
    size = 2 * len(raw)
    match = np.fft.irfft(np.fft.rfft(out, size) * np.conj(np.fft.rfft(raw, size)), size)
    at = int(np.argmax(match))
    return at if at < len(raw) else at - size


def ratio_over_noise(sound: Sound, clean: Sound) -> float:
    """dB of the clean sound over everything else in ``sound``, after one gain."""
    gain = np.sum(sound * clean) / np.sum(clean**2)
    rest = sound - gain * clean
    return float(10 * np.log10(np.sum((gain * clean) ** 2) / np.sum(rest**2)))


def test_clean_sound_is_left_as_it_is(voice: Sound, tmp_path: Path) -> None:
    source = write(tmp_path / "clean.wav", np.stack([voice, 0.9 * voice]))
    auto = prepare(source, tmp_path / "auto")
    off = prepare(source, tmp_path / "off", denoise="off")
    assert "denoised" not in codes(auto)
    assert (
        Layout(tmp_path / "auto").master.read_bytes()
        == Layout(tmp_path / "off").master.read_bytes()
    )
    assert [chunk.sha256 for chunk in auto.chunks] == [chunk.sha256 for chunk in off.chunks]


def test_noise_is_lowered_and_nothing_moves(voice: Sound, tmp_path: Path) -> None:
    source = write(tmp_path / "noisy.wav", hiss(voice, 5))
    narration = prepare(source, tmp_path / "p")
    assert "denoised" in codes(narration)
    master, _ = soundfile.read(Layout(tmp_path / "p").master)
    assert len(master) == len(voice)
    assert lag(master, voice.astype(np.float64)) == 0
    assert ratio_over_noise(master, voice) > 10
    assert measured(Layout(tmp_path / "p").master)[0] == pytest.approx(-16, abs=0.11)


def test_hum_is_taken_out_without_the_model(voice: Sound, tmp_path: Path) -> None:
    source = write(tmp_path / "hum.wav", hum(voice, 5, 60.0))
    narration = prepare(source, tmp_path / "p")
    (finding,) = [item for item in narration.findings if item.code == "denoised"]
    assert finding.data["hum_hz"][:3] == pytest.approx([60, 120, 180], abs=0.3)
    assert not finding.data["model"]
    master, _ = soundfile.read(Layout(tmp_path / "p").master)
    assert lag(master, voice.astype(np.float64)) == 0
    assert ratio_over_noise(master, voice) > 18


def test_off_never_and_on_always(voice: Sound, tmp_path: Path) -> None:
    noisy = write(tmp_path / "noisy.wav", hiss(voice, 5))
    off = prepare(noisy, tmp_path / "off", denoise="off", lufs=-26.0)  # nothing to limit
    assert "denoised" not in codes(off)
    assert "noisy" in codes(off)
    master, _ = soundfile.read(Layout(tmp_path / "off").master)
    raw, _ = soundfile.read(noisy)
    assert ratio_over_noise(master, raw) > 60
    clean = write(tmp_path / "clean.wav", voice)
    assert "denoised" in codes(prepare(clean, tmp_path / "on", denoise="on"))


def test_the_original_may_be_heard_while_the_clean_sound_drives(
    voice: Sound, tmp_path: Path
) -> None:
    source = write(tmp_path / "noisy.wav", np.stack([hiss(voice, 5), hiss(0.5 * voice, 0)]))
    project = tmp_path / "p"
    narration = prepare(source, project, deliver_sound="original")
    master, _ = soundfile.read(Layout(project).master)
    raw, _ = soundfile.read(source)
    assert ratio_over_noise(master[:, 0], raw[:, 0]) > 50
    chunk, _ = soundfile.read(Layout(project).sound(0))
    assert ratio_over_noise(chunk, voice[: len(chunk)]) > 10
    assert lag(chunk, voice[: len(chunk)].astype(np.float64)) == 0
    assert measured(Layout(project).sound(0))[0] == pytest.approx(-16, abs=0.5)
    clean = prepare(source, project)
    assert clean.chunks[0].end == narration.chunks[0].end


@pytest.mark.parametrize(
    "rate",
    [
        8_000,
        44_100,
        *(pytest.param(rate, marks=pytest.mark.slow) for rate in (16_000, 22_050, 48_000, 96_000)),
    ],
)
@pytest.mark.parametrize("channels", [1, 2])
def test_denoising_never_shifts(rate: int, channels: int, voice: Sound, tmp_path: Path) -> None:
    short = voice[: 5 * RATE]
    at_rate = np.asarray(soxr.resample(short, RATE, rate), np.float32)
    noisy = np.stack([hiss(at_rate, 8)] * channels)
    source = write(tmp_path / "noisy.wav", noisy, rate)
    narration = prepare(source, tmp_path / "on", denoise="on")
    reference = prepare(source, tmp_path / "off", denoise="off")
    assert narration.audio.samples == reference.audio.samples
    cleaned, _ = soundfile.read(Layout(tmp_path / "on").master, always_2d=True)
    plain, _ = soundfile.read(Layout(tmp_path / "off").master, always_2d=True)
    for channel in range(channels):
        assert lag(cleaned[:, channel], plain[:, channel]) == 0


@pytest.mark.parametrize("count", [1, 479, 480, 10_000, 48_001])
def test_the_filters_keep_every_sample(count: int) -> None:
    rng = np.random.default_rng(4)
    sound = rng.normal(0, 0.1, count).astype(np.float32)
    for made in (DeepFilter(100), HumFilter([50.0, 100.0])):
        blocks = [sound[:2400], sound[2400:]] if count > 2400 else [sound]
        out = np.concatenate(list(made.run(lambda blocks=blocks: iter(blocks), count)))
        assert len(out) == count
        assert np.isfinite(out).all()


def test_hum_without_hum_takes_almost_nothing(voice: Sound) -> None:
    out = np.concatenate(list(HumFilter([50.0, 100.0]).run(lambda: iter([voice]), len(voice))))
    assert ratio_over_noise(out, voice) > 20


@pytest.mark.parametrize("mains", [50.0, 60.0, 49.9])
def test_hum_is_recognised(mains: float, voice: Sound) -> None:
    humming = hum(voice, 15, mains)
    found = find_hum([humming[at : at + 4 * RATE] for at in range(0, 8 * RATE, RATE)], RATE)
    assert found.lines[0] == pytest.approx(mains, abs=0.15)
    assert len(found.lines) >= 3
    windows = [voice[at : at + 4 * RATE] for at in range(0, 8 * RATE, RATE)]
    assert find_hum(windows, RATE).lines == ()


@pytest.mark.parametrize("ratio", [3.0, 10.0, 20.0])
def test_the_ratio_to_noise_is_estimated(ratio: float, voice: Sound) -> None:
    spoken = np.asarray(soxr.resample(voice, RATE, VOICE_RATE), np.float32)
    noise = np.random.default_rng(1).normal(0, 1, len(spoken)).astype(np.float32)
    level = np.mean(spoken[np.abs(spoken) > 0.02] ** 2)
    heard = Voice(-20.0)
    heard.feed(spoken + noise * np.float32(np.sqrt(level) * 10 ** (-ratio / 20)))
    result = heard.finish()
    assert estimate_noise(result.bands, result.speech).voice == pytest.approx(ratio, abs=4)


def test_pauses_are_found_in_noise(tmp_path: Path) -> None:
    sound, pauses = speech(60, seed=3)
    narration = prepare(write(tmp_path / "n.wav", hiss(sound, 8)), tmp_path / "p")
    for chunk in narration.chunks[:-1]:
        assert any(start < chunk.end / RATE < end for start, end in pauses)


def test_what_is_no_speech_to_the_model_is_kept(tmp_path: Path) -> None:
    buzz, _ = speech(12, noise=-27)  # harmonics of no human throat: the model takes them for noise
    source = write(tmp_path / "buzz.wav", buzz)
    auto = prepare(source, tmp_path / "auto")
    assert "noisy" in codes(auto)
    assert "denoised" not in codes(auto)
    (levelled,) = [item for item in auto.findings if item.code == "levelled"]
    assert levelled.data["gain_db"] < 10
