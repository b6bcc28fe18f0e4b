"""Evening out: quiet speakers are lifted, in the pauses, and nothing else changes."""

from __future__ import annotations

import itertools
from pathlib import Path

import loudness as another
import numpy as np
import numpy.typing as npt
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from lipsync_kit.plan.pauses import Pause
from lipsync_kit.preflight.audio import Narration
from lipsync_kit.preflight.sound_evening import Curve, even_out
from lipsync_kit.preflight.sound_sections import Section, difference, find_sections
from lipsync_kit.project import Layout
from lipsync_kit.schema import Finding
from tests.preflight.narrations import Sound, codes, ffmpeg, measured, prepare, speech, write

RATE = 48_000
Turns = list[tuple[int, int]]


def finding(narration: Narration, code: str) -> Finding:
    (found,) = [item for item in narration.findings if item.code == code]
    return found


def master_of(project: Path) -> npt.NDArray[np.float32]:
    samples, _ = soundfile.read(Layout(project).master, dtype="float32", always_2d=True)
    return samples


def lufs(sound: Sound) -> float:
    return float(another.integrated_loudness(np.ascontiguousarray(sound.T).reshape(-1, 1), RATE))


def dialogue(
    turns: int, apart: float, seconds: tuple[float, float] = (8, 14), seed: int = 1
) -> tuple[Sound, Turns]:
    """Two speakers in turn, ``apart`` dB, with a pause after each turn."""
    rng = np.random.default_rng(seed)
    parts: list[Sound] = []
    spans, at = [], 0
    for turn in range(turns):
        sound, _ = speech(rng.uniform(*seconds), seed=10 * seed + turn, noise=-120)
        sound *= np.float32(10 ** (-apart / 20 * (turn % 2)))
        gap = int(rng.uniform(0.35, 0.9) * RATE)
        spans.append((at, at + len(sound)))
        parts += [sound, np.zeros(gap, np.float32)]
        at += len(sound) + gap
    joined = np.concatenate(parts)
    return joined + rng.normal(0, 10 ** (-76 / 20), at).astype(np.float32), spans


@pytest.fixture(scope="module")
def voice(narration: Path, tmp_path_factory: pytest.TempPathFactory) -> Sound:
    """The shipped narration, 48 kHz mono."""
    wav = tmp_path_factory.mktemp("voice") / "voice.wav"
    ffmpeg("-i", narration, "-ar", "48000", "-c:a", "pcm_s24le", wav)
    sound, _ = soundfile.read(wav, dtype="float32")
    return np.asarray(sound, np.float32)


def gains_within(out: Sound, raw: Sound, span: tuple[int, int]) -> list[float]:
    """The gain in dB in every 50 ms of a turn in which anything sounds."""
    size = RATE // 20
    found = []
    for start in range(span[0] + size, span[1] - 2 * size, size):
        before, after = raw[start : start + size], out[start : start + size]
        if np.sqrt(np.mean(before.astype(np.float64) ** 2)) > 2e-3:
            found.append(10 * np.log10(np.sum(after * after) / np.sum(before * before)))
    return found


@pytest.mark.parametrize("channels", [1, 2])
def test_two_speakers_come_to_one_loudness(channels: int, tmp_path: Path) -> None:
    sound, turns = dialogue(6, 11)
    raw = np.stack([sound, 0.7 * sound][:channels])
    narration = prepare(write(tmp_path / "a.wav", raw), tmp_path / "p", lufs=-24.0, level=True)
    master = master_of(tmp_path / "p")
    assert master.shape == raw.T.shape
    assert measured(Layout(tmp_path / "p").master)[0] == pytest.approx(-24, abs=0.11)
    before = [lufs(sound[start:end]) for start, end in turns]
    after = [lufs(master[start:end, 0]) for start, end in turns]
    assert max(before) - min(before) > 10
    assert max(after) - min(after) < 2
    for channel in range(channels):  # alike on both sides, and level within each turn
        for span in turns:
            gains = gains_within(master[:, channel], raw[channel], span)
            assert np.ptp(gains) < 0.05
    told = finding(narration, "evened").data
    assert told["count"] == 6
    assert told["difference"] == pytest.approx(11, abs=1.5)
    for row, span in zip(told["sections"], turns, strict=True):
        gains = gains_within(master[:, 0], raw[0], span)
        assert row["gain_db"] == pytest.approx(np.median(gains), abs=0.02)
        assert row["start"] * RATE <= span[0] + 10
        assert span[1] <= row["end"] * RATE


def test_loud_targets_keep_the_ceiling_and_the_loudness(tmp_path: Path) -> None:
    sound, _ = dialogue(4, 14)
    narration = prepare(write(tmp_path / "a.wav", sound), tmp_path / "p", level=True, lufs=-14.0)
    level, peak = measured(Layout(tmp_path / "p").master)
    assert level == pytest.approx(-14, abs=0.11)
    assert peak <= -1.5
    assert "limited" in codes(narration)
    assert narration.audio.samples == len(sound)


def test_a_real_voice_that_sinks_is_lifted_again(voice: Sound, tmp_path: Path) -> None:
    from lipsync_kit.preflight.sound_hearing import Hearing
    from lipsync_kit.preflight.sound_plan import pauses_of

    source = write(tmp_path / "a.wav", voice)
    plain = prepare(source, tmp_path / "p")
    assert not {"uneven", "even", "evened"} & codes(plain)
    hearing = Hearing.load(tmp_path / "p" / ".lipsync" / "sound" / "hearing.npz")
    long = [pause for pause in pauses_of(hearing) if pause.seconds > 0.4]
    start, end = ((one.start + one.end) // 2 for one in (long[4], long[-5]))
    uneven = voice.copy()
    uneven[start:end] *= np.float32(0.3)
    write(source, uneven)
    suggested = finding(prepare(source, tmp_path / "p"), "uneven")
    assert "--level" in suggested.message
    assert suggested.data["count"] == 3
    prepare(source, tmp_path / "p", level=True)
    master = master_of(tmp_path / "p")[:, 0]
    spans = [(0, start), (start, end), (end, len(voice))]
    levels = [lufs(master[a:b]) for a, b in spans]
    assert max(levels) - min(levels) < 1
    for span in spans:
        assert np.ptp(gains_within(master, uneven, span)) < 0.3 or master.max() > 0.7


def test_nobody_is_evened_out_unasked(tmp_path: Path) -> None:
    sound, turns = dialogue(4, 11)
    narration = prepare(write(tmp_path / "a.wav", sound), tmp_path / "p", lufs=-26.0)
    assert "uneven" in codes(narration)
    master = master_of(tmp_path / "p")[:, 0]
    gains = [gain for span in turns for gain in gains_within(master, sound, span)]
    assert np.ptp(gains) < 0.05


def test_level_changes_nothing_where_nothing_differs(voice: Sound, tmp_path: Path) -> None:
    source = write(tmp_path / "a.wav", voice[: 30 * RATE])
    plain = prepare(source, tmp_path / "plain")
    asked = prepare(source, tmp_path / "asked", level=True)
    assert "even" in codes(asked)
    assert [one.sha256 for one in plain.chunks] == [one.sha256 for one in asked.chunks]
    one, other = (Layout(tmp_path / name).master for name in ("plain", "asked"))
    assert one.read_bytes() == other.read_bytes()
    assert prepare(source, tmp_path / "asked", level=True) == asked


def files(narration: Narration) -> set[str | None]:
    return {chunk.sha256 for chunk in narration.chunks}


@pytest.mark.parametrize("by", [33_333, -20_001])
def test_an_edit_changes_two_chunks_at_most(by: int, tmp_path: Path) -> None:
    sound, turns = dialogue(10, 10, (12, 20), seed=3)
    source, project = tmp_path / "a.wav", tmp_path / "p"
    before = prepare(write(source, sound), project, level=True)
    assert finding(before, "evened").data["count"] == 10
    place = turns[5][0] + 4 * RATE
    if by > 0:
        edited = np.concatenate([sound[:place], sound[place : place + by], sound[place:]])
    else:
        edited = np.concatenate([sound[:place], sound[place - by :]])
    after = prepare(write(source, edited), project, level=True)
    assert len(files(after) - files(before)) <= 2
    assert finding(after, "evened").data["count"] == 10
    anew = prepare(source, tmp_path / "anew", level=True)
    one, other = master_of(project), master_of(tmp_path / "anew")
    assert np.abs(one - other).max() < 0.2  # the same but for gains that stayed
    assert anew.audio.lufs == pytest.approx(after.audio.lufs or 0, abs=0.35)


def test_a_speaker_made_much_louder_is_followed(tmp_path: Path) -> None:
    sound, turns = dialogue(8, 10, seed=5)
    source, project = tmp_path / "a.wav", tmp_path / "p"
    prepare(write(source, sound), project, level=True)
    louder = sound.copy()
    for start, end in turns[1::2]:
        louder[start:end] *= np.float32(10 ** (-6 / 20))
    prepare(write(source, louder), project, level=True)
    master = master_of(project)[:, 0]
    levels = [lufs(master[start:end]) for start, end in turns]
    assert max(levels) - min(levels) < 2
    assert measured(Layout(project).master)[0] == pytest.approx(-16, abs=0.31)


def test_sections_that_are_denoised_drive_evened_too(voice: Sound, tmp_path: Path) -> None:
    noise = np.random.default_rng(2).normal(0, 0.008, len(voice)).astype(np.float32)
    half = voice.copy()
    half[len(half) // 2 :] *= np.float32(0.3)
    source = write(tmp_path / "a.wav", half + noise)
    narration = prepare(source, tmp_path / "p", level=True, denoise="on", deliver_sound="original")
    assert {"denoised", "evened"} <= codes(narration)
    chunks = [
        soundfile.read(Layout(tmp_path / "p").sound(chunk.index), dtype="float32")[0]
        for chunk in narration.chunks
    ]
    joined = np.concatenate(chunks)
    middle = len(voice) // 2
    for made in (joined, master_of(tmp_path / "p")[:, 0]):
        assert len(made) == len(voice)
        assert abs(lufs(made[:middle]) - lufs(made[middle:])) < 3


curves = st.lists(
    st.tuples(st.integers(0, 400_000), st.floats(-20, 20)), min_size=1, max_size=8,
    unique_by=lambda point: point[0],
).map(sorted)  # fmt: skip


@given(curves, st.integers(0, 300_000), st.integers(1, 100_000))
def test_a_curve_is_the_same_however_it_is_read(
    points: list[tuple[int, float]], start: int, count: int
) -> None:
    at, decibels = zip(*points, strict=True)
    curve = Curve(at, decibels)
    factors = np.broadcast_to(curve.factors(start, count), count)
    expected = 10 ** (np.interp(np.arange(start, start + count), at, decibels) / 20)
    np.testing.assert_allclose(factors, expected, rtol=1e-5)
    highest = curve.highest(10, 48_000)
    window = expected[max(0, -start % 48_000) :][:48_000]
    if len(window) == 48_000:
        assert highest[-(-start // 48_000)] >= window.max() * 0.999999
    moved = Curve([place + 777 for place in at], decibels)
    assert moved.same(curve, start + 777, start + 777 + count, 777)


@given(st.lists(st.floats(-45, -15), min_size=1, max_size=12))
def test_gains_end_where_sections_do(levels: list[float]) -> None:
    sections = [
        Section(index * 480_000, (index + 1) * 480_000, index, level)
        for index, level in enumerate(levels)
    ]
    pauses = [Pause(one.end - 20_000, one.end + 20_000) for one in sections[:-1]]
    evened = even_out(sections, pauses)
    assert bool(evened.gains) == (difference(sections) > 6)
    if evened.curve is None:
        return
    for ramp, pause in zip(evened.ramps, pauses, strict=True):
        assert pause.start < ramp.start < ramp.end < pause.end
    after = [level + gain for level, gain in zip(levels, evened.gains, strict=True)]
    assert max(after) - min(after) < max(0.001, difference(sections) - 20 + 0.001)
    for before, later in itertools.pairwise(evened.ramps):
        assert before.end < later.start


def test_silence_has_no_sections() -> None:
    assert find_sections(np.zeros((1, 100)), [], np.zeros(1000, np.float32), 480_000) == []
