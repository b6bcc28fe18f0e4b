"""Preparing again after an edit: unchanged sound keeps its chunks to the sample."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from lipsync_kit.preflight.audio import Narration
from lipsync_kit.project import Layout
from tests.preflight.narrations import Sound, codes, ffmpeg, measured, prepare, speech, write

SECONDS = 150


def files(narration: Narration) -> list[str | None]:
    return [chunk.sha256 for chunk in narration.chunks]


def new_files(before: Narration, after: Narration) -> int:
    return len([digest for digest in files(after) if digest not in files(before)])


def edited(sound: Sound, pauses: list[tuple[float, float]], rate: int, by: float) -> Sound:
    """The sentence nearest to the middle made longer (repeated) or shorter by seconds."""
    index = min(range(1, len(pauses)), key=lambda i: abs(pauses[i][0] - SECONDS / 2))
    start, end = int(pauses[index - 1][1] * rate), int(pauses[index][0] * rate)
    if by < 0:
        return np.concatenate([sound[: max(start, end + int(by * rate))], sound[end:]])
    return np.concatenate([sound[:end], np.resize(sound[start:end], int(by * rate)), sound[end:]])


def assert_chunks_are_the_master(narration: Narration, project: Path) -> None:
    master, _ = soundfile.read(Layout(project).master, dtype="int32", always_2d=True)
    assert len(master) == narration.audio.samples == narration.chunks[-1].end
    for chunk in narration.chunks:
        sent, _ = soundfile.read(project / str(chunk.path), dtype="int16")
        window = master[chunk.sent_start : chunk.sent_end, 0]
        np.testing.assert_array_equal(sent, np.minimum(((window >> 15) + 1) >> 1, 32767))


@pytest.mark.parametrize(("rate", "by"), [(48_000, 0.731), (44_100, -0.2), (44_100, 7.77)])
def test_an_edit_changes_two_chunks_at_most(rate: int, by: float, tmp_path: Path) -> None:
    sound, pauses = speech(SECONDS, rate)
    source, project = tmp_path / "narration.wav", tmp_path / "p"
    write(source, sound, rate, "PCM_16")
    before = prepare(source, project)
    write(source, edited(sound, pauses, rate, by), rate, "PCM_16")
    after = prepare(source, project)
    assert new_files(before, after) <= 2
    assert "kept" in codes(after)
    assert_chunks_are_the_master(after, project)
    assert after.audio.samples == pytest.approx(before.audio.samples + by * 48_000, abs=2)
    assert prepare(source, project) == after


def test_undoing_an_edit_leaves_the_rest_alone(tmp_path: Path) -> None:
    sound, pauses = speech(SECONDS)
    source, project = tmp_path / "narration.wav", tmp_path / "p"
    write(source, sound)
    before = prepare(source, project)
    write(source, edited(sound, pauses, 48_000, 1.2345))
    prepare(source, project)
    write(source, sound)
    again = prepare(source, project)
    assert new_files(before, again) <= 2


def test_the_gain_stays_while_the_loudness_hardly_moves(tmp_path: Path) -> None:
    sound, pauses = speech(SECONDS)
    source, project = tmp_path / "narration.wav", tmp_path / "p"
    write(source, sound)
    before = prepare(source, project)
    louder = sound.copy()
    start, end = int(pauses[3][1] * 48_000), int(pauses[5][0] * 48_000)
    louder[start:end] *= 1.5
    write(source, louder)
    after = prepare(source, project)
    assert new_files(before, after) <= 2
    assert after.audio.lufs == pytest.approx(-16, abs=0.3)
    assert measured(Layout(project).master)[0] == pytest.approx(after.audio.lufs or 0, abs=0.1)


def test_the_gain_follows_a_great_change(tmp_path: Path) -> None:
    sound, pauses = speech(SECONDS)
    source, project = tmp_path / "narration.wav", tmp_path / "p"
    write(source, sound)
    prepare(source, project)
    half = int(pauses[len(pauses) // 2][1] * 48_000)
    write(source, np.concatenate([sound[:half], sound[half:] * np.float32(0.25)]))
    after = prepare(source, project)
    assert measured(Layout(project).master)[0] == pytest.approx(-16, abs=0.11)
    assert_chunks_are_the_master(after, project)


def test_other_rules_plan_anew_on_the_grid(tmp_path: Path) -> None:
    sound, pauses = speech(SECONDS)
    source, project = tmp_path / "narration.wav", tmp_path / "p"
    write(source, sound)
    prepare(source, project)
    write(source, edited(sound, pauses, 48_000, 0.5))
    assert "kept" in codes(prepare(source, project))
    anew = prepare(source, project, prefer="seams")
    assert "kept" not in codes(anew)
    assert all(chunk.end % 1920 == 0 for chunk in anew.chunks[:-1])


def test_a_lossy_file_encoded_anew_is_all_new_and_says_so(tmp_path: Path) -> None:
    sound, _ = speech(60)
    wav, source, project = tmp_path / "a.wav", tmp_path / "a.mp3", tmp_path / "p"
    ffmpeg("-i", write(wav, sound), source)
    assert "all_new" not in codes(prepare(source, project))
    ffmpeg("-i", write(wav, np.concatenate([sound[:99_999], sound[120_000:]])), source)
    after = prepare(source, project)
    assert "all_new" in codes(after)
    assert prepare(source, project) == after


def test_a_denoised_recording_keeps_its_chunks_too(narration: Path, tmp_path: Path) -> None:
    raw = tmp_path / "raw.wav"
    ffmpeg("-i", narration, "-ar", "48000", raw)
    voice, _ = soundfile.read(raw, dtype="float32")
    noise = np.random.default_rng(2).normal(0, 0.04, len(voice))
    noisy = (voice + noise).astype(np.float32)
    source, project = tmp_path / "a.wav", tmp_path / "p"
    write(source, noisy)
    before = prepare(source, project, deliver_sound="original")
    assert "denoised" in codes(before)
    write(source, np.concatenate([noisy[:2_400_000], noisy[2_409_001:]]))
    after = prepare(source, project, deliver_sound="original")
    assert new_files(before, after) <= 2
