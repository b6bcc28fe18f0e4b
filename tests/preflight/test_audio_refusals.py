"""Sounds that are refused, and flaws that are found and said."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from lipsync_kit.errors import InputError
from lipsync_kit.project import Layout
from tests.preflight.narrations import codes, ffmpeg, measured, prepare, speech, write


def refused(source: Path, project: Path, code: str) -> str:
    with pytest.raises(InputError) as caught:
        prepare(source, project)
    assert caught.value.code == code
    assert source.name in caught.value.message
    assert caught.value.hint
    assert not Layout(project).master.exists()
    return caught.value.message


def test_text_named_mp3(tmp_path: Path) -> None:
    source = tmp_path / "narration.mp3"
    source.write_text("This is not sound. " * 500)
    refused(source, tmp_path / "p", "media_unreadable")


def test_an_empty_file_and_a_folder(tmp_path: Path) -> None:
    empty = tmp_path / "empty.wav"
    empty.touch()
    refused(empty, tmp_path / "p", "empty")
    folder = tmp_path / "folder.wav"
    folder.mkdir()
    refused(folder, tmp_path / "p", "is_folder")
    refused(tmp_path / "nowhere.wav", tmp_path / "p", "missing")


def test_a_video_without_sound(tmp_path: Path) -> None:
    film = tmp_path / "silent.mp4"
    ffmpeg("-f", "lavfi", "-i", "color=size=64x64:rate=25:duration=1", film)
    refused(film, tmp_path / "p", "no_audio")


@pytest.mark.parametrize("level", [0.0, 1e-5])
def test_silence_only(level: float, tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    hiss = rng.normal(0, 1, 3 * 48_000).astype(np.float32) * np.float32(level)
    message = refused(write(tmp_path / "mute.wav", hiss), tmp_path / "p", "silence")
    assert "3.0 s" in message


def test_silence_may_be_allowed(tmp_path: Path) -> None:
    source = write(tmp_path / "mute.wav", np.zeros(3 * 48_000, np.float32))
    narration = prepare(source, tmp_path / "p", require_speech=False)
    assert narration.audio.lufs is None
    assert narration.audio.samples == 3 * 48_000
    assert len(narration.chunks) == 1


def test_shorter_than_half_a_second(tmp_path: Path) -> None:
    sound, _ = speech(0.2)
    message = refused(write(tmp_path / "short.wav", sound), tmp_path / "p", "too_short")
    assert "0.20 s" in message


def test_three_seconds_are_enough(tmp_path: Path) -> None:
    sound, _ = speech(3)
    narration = prepare(write(tmp_path / "three.wav", sound), tmp_path / "p")
    assert [(chunk.start, chunk.end) for chunk in narration.chunks] == [(0, 3 * 48_000)]
    assert narration.estimate.billed_seconds == 3


def test_a_header_without_samples(tmp_path: Path) -> None:
    source = write(tmp_path / "header.wav", np.zeros(0, np.float32))
    refused(source, tmp_path / "p", "media_unreadable")


def test_clipping_is_found(tmp_path: Path) -> None:
    sound, _ = speech(5)
    clipped = np.clip(sound * 8, -1, 1)
    found = prepare(write(tmp_path / "loud.wav", clipped), tmp_path / "p")
    (finding,) = [item for item in found.findings if item.code == "clipping"]
    assert finding.data["samples"] > 1000
    clean = prepare(write(tmp_path / "clean.wav", sound), tmp_path / "q")
    assert "clipping" not in codes(clean)


def test_an_offset_is_taken_out(tmp_path: Path) -> None:
    sound, _ = speech(5)
    source = write(tmp_path / "offset.wav", sound * 0.5 + np.float32(0.2))
    narration = prepare(source, tmp_path / "p")
    assert "dc_offset" in codes(narration)
    master, _ = soundfile.read(Layout(tmp_path / "p").master)
    assert abs(master.mean()) < 1e-4
    plain = prepare(write(tmp_path / "plain.wav", sound * 0.5), tmp_path / "q")
    straight, _ = soundfile.read(Layout(tmp_path / "q").master)
    np.testing.assert_allclose(master, straight, atol=2e-3)
    assert measured(Layout(tmp_path / "p").master)[0] == pytest.approx(-16, abs=0.11)
    assert [c.end for c in narration.chunks] == [c.end for c in plain.chunks]


def test_antiphase_breaks_nothing(tmp_path: Path) -> None:
    sound, pauses = speech(40)
    source = write(tmp_path / "antiphase.wav", np.stack([sound, -sound]))
    narration = prepare(source, tmp_path / "p")
    assert "antiphase" in codes(narration)
    assert np.abs(soundfile.read(tmp_path / "p/audio/chunks/0000.wav")[0]).max() > 0.1
    for chunk in narration.chunks[:-1]:
        assert any(start < chunk.end / 48_000 < end for start, end in pauses)
    assert measured(Layout(tmp_path / "p").master)[0] == pytest.approx(-16, abs=0.11)


def test_the_channel_with_the_voice_drives(tmp_path: Path) -> None:
    sound, _ = speech(5)
    source = write(tmp_path / "right.wav", np.stack([sound * 1e-4, sound]))
    narration = prepare(source, tmp_path / "p")
    assert "one_sided" in codes(narration)
    master, _ = soundfile.read(Layout(tmp_path / "p").master)
    chunk, _ = soundfile.read(tmp_path / "p/audio/chunks/0000.wav")
    np.testing.assert_allclose(chunk, master[:, 1], atol=2**-15)


def test_a_truncated_file_is_said(tmp_path: Path) -> None:
    sound, _ = speech(20)
    whole = write(tmp_path / "whole.wav", sound, subtype="PCM_16")
    encoded = tmp_path / "whole.flac"
    ffmpeg("-i", whole, encoded)
    cut = tmp_path / "cut.flac"
    cut.write_bytes(encoded.read_bytes()[: encoded.stat().st_size // 2])
    narration = prepare(cut, tmp_path / "p")
    assert "truncated" in codes(narration)
    assert narration.audio.samples < 15 * 48_000
    assert narration.chunks[-1].end == narration.audio.samples


def test_numbers_that_are_none_become_silence(tmp_path: Path) -> None:
    sound, _ = speech(3)
    sound[1000:1010] = np.nan
    sound[2000] = np.inf
    source = write(tmp_path / "nan.wav", sound, subtype="FLOAT")
    narration = prepare(source, tmp_path / "p")
    assert narration.audio.lufs == pytest.approx(-16, abs=0.1)


def test_noise_is_found(tmp_path: Path) -> None:
    noisy, _ = speech(20, noise=-26)
    clean, _ = speech(20)
    assert "noisy" in codes(prepare(write(tmp_path / "noisy.wav", noisy), tmp_path / "p"))
    assert "noisy" not in codes(prepare(write(tmp_path / "clean.wav", clean), tmp_path / "q"))


def test_very_quiet_and_very_loud_are_said(tmp_path: Path) -> None:
    sound, _ = speech(5, noise=-110)
    quiet = prepare(write(tmp_path / "quiet.wav", sound * 0.01), tmp_path / "p")
    assert "very_quiet" in codes(quiet)
    loud = prepare(write(tmp_path / "loud.wav", np.clip(sound * 9, -0.9, 0.9)), tmp_path / "q")
    assert "very_loud" in codes(loud)
