"""The narration as a whole: what is written, how it tiles, what is done only once."""

from __future__ import annotations

import itertools
import shutil
import wave
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import soundfile

from lipsync_kit.errors import UsageError
from lipsync_kit.preflight import sound
from lipsync_kit.preflight.audio import SoundOptions
from lipsync_kit.project import Layout
from lipsync_kit.schema import Chunk
from lipsync_kit.timing import FRAME_RATES, SAMPLE_RATE, edge, grid_sample
from tests.preflight.narrations import codes, ffmpeg, prepare, speech, talk_model, write


@pytest.fixture(scope="module")
def minute(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[tuple[float, float]]]:
    """A minute and a half of synthetic speech, 44.1 kHz stereo, with its pauses."""
    voice, pauses = speech(90, 44_100)
    path = tmp_path_factory.mktemp("speech") / "narration.wav"
    return write(path, np.stack([voice, 0.8 * voice]), 44_100), pauses


def assert_tiles(chunks: tuple[Chunk, ...], samples: int) -> None:
    assert chunks[0].start == 0
    assert chunks[-1].end == samples
    for before, after in itertools.pairwise(chunks):
        assert before.end == after.start
    assert [chunk.index for chunk in chunks] == list(range(len(chunks)))


def test_the_chunks_add_up_to_the_master(
    minute: tuple[Path, list[tuple[float, float]]], tmp_path: Path
) -> None:
    source, _ = minute
    narration = prepare(source, tmp_path)
    layout = Layout(tmp_path)
    master, rate = soundfile.read(layout.master, dtype="int32", always_2d=True)
    assert rate == SAMPLE_RATE
    assert soundfile.info(layout.master).subtype == "PCM_24"
    assert len(master) == narration.audio.samples == round(90 * SAMPLE_RATE)
    assert master.shape[1] == narration.audio.channels == 2
    assert_tiles(narration.chunks, narration.audio.samples)
    assert len(narration.chunks) >= 4
    joined = np.concatenate(
        [soundfile.read(layout.sound(chunk.index), dtype="int16")[0] for chunk in narration.chunks]
    )
    rounded = np.floor(master[:, 0] / 2**16 + 0.5)  # the left channel is the louder one
    np.testing.assert_array_equal(joined, rounded.astype(np.int16))


def test_chunk_files_are_what_is_promised(
    minute: tuple[Path, list[tuple[float, float]]], tmp_path: Path
) -> None:
    narration = prepare(minute[0], tmp_path)
    for chunk in narration.chunks:
        assert chunk.path is not None
        with wave.open(str(tmp_path / chunk.path)) as file:
            assert (file.getframerate(), file.getsampwidth(), file.getnchannels()) == (48_000, 2, 1)
            assert file.getnframes() == chunk.sent_end - chunk.sent_start
        assert chunk.reason
    assert narration.chunks[-1].cut == "end"
    assert narration.estimate.chunks == len(narration.chunks)
    billed = sum(
        talk_model().billing.seconds(chunk.sent_end - chunk.sent_start)
        for chunk in narration.chunks
    )
    assert narration.estimate.billed_seconds == billed


def test_cuts_fall_into_pauses(
    minute: tuple[Path, list[tuple[float, float]]], tmp_path: Path
) -> None:
    source, pauses = minute
    narration = prepare(source, tmp_path)
    for chunk in narration.chunks[:-1]:
        at = chunk.end / SAMPLE_RATE
        inside = [(start, end) for start, end in pauses if start < at < end]
        assert inside, f"the cut at {at:.2f} s lies in a word"
        (start, end) = inside[0]
        assert chunk.cut == "pause"
        assert abs(chunk.pause_ms / 1000 - (end - start)) < 0.12  # a detector lets go late
        assert chunk.pause_before_ms is not None
        assert abs(chunk.pause_before_ms / 1000 - (at - start)) < 0.12


@pytest.mark.parametrize("rate", sorted(FRAME_RATES))
def test_cuts_lie_on_the_frame_grid_within_the_limit(
    rate: str, minute: tuple[Path, list[tuple[float, float]]], tmp_path: Path
) -> None:
    fps = FRAME_RATES[rate]
    narration = prepare(minute[0], tmp_path, fps=fps)
    limit = talk_model().tier("1080p").max_seconds
    assert limit is not None
    for chunk in narration.chunks:
        assert Fraction(chunk.sent_end - chunk.sent_start, SAMPLE_RATE) <= limit - 1 / fps
        if chunk.cut != "end":
            assert grid_sample(edge(chunk.end, fps), fps) == chunk.end


def test_another_length_of_chunk_cuts_the_same_master_again(
    minute: tuple[Path, list[tuple[float, float]]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    many = prepare(minute[0], tmp_path, max_chunk=Fraction(10))
    assert all(chunk.sent_end - chunk.sent_start < 10 * SAMPLE_RATE for chunk in many.chunks)
    assert_tiles(many.chunks, many.audio.samples)
    _forbid_decoding(monkeypatch)
    few = prepare(minute[0], tmp_path)
    assert len(few.chunks) < len(many.chunks)
    files = sorted(path.name for path in (tmp_path / "audio" / "chunks").iterdir())
    assert files == [f"{chunk.index:04d}.wav" for chunk in few.chunks]


def _forbid_decoding(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("decoded again")

    monkeypatch.setattr(sound, "hear", refuse)
    monkeypatch.setattr(sound, "decode", refuse)


def test_a_second_run_does_no_work_twice(
    minute: tuple[Path, list[tuple[float, float]]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first = prepare(minute[0], tmp_path)
    written = {path: path.stat().st_mtime_ns for path in (tmp_path / "audio").rglob("*.wav")}
    _forbid_decoding(monkeypatch)
    assert prepare(minute[0], tmp_path) == first
    assert {path: path.stat().st_mtime_ns for path in written} == written


def test_a_chunk_that_was_touched_is_made_again(
    minute: tuple[Path, list[tuple[float, float]]], tmp_path: Path
) -> None:
    first = prepare(minute[0], tmp_path)
    path = tmp_path / str(first.chunks[1].path)
    good = path.read_bytes()
    path.write_bytes(b"not sound")
    assert prepare(minute[0], tmp_path) == first
    assert path.read_bytes() == good


def test_another_target_hears_nothing_again(
    minute: tuple[Path, list[tuple[float, float]]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first = prepare(minute[0], tmp_path)
    monkeypatch.setattr(sound, "hear", None)
    quieter = prepare(minute[0], tmp_path, lufs=-20.0)
    assert quieter.audio.lufs == pytest.approx(-20, abs=0.1)
    assert [chunk.end for chunk in quieter.chunks] == [chunk.end for chunk in first.chunks]
    assert [chunk.sha256 for chunk in quieter.chunks] != [chunk.sha256 for chunk in first.chunks]


def test_the_same_sound_gives_the_same_bytes(
    minute: tuple[Path, list[tuple[float, float]]], tmp_path: Path
) -> None:
    one = prepare(minute[0], tmp_path / "one")
    other = prepare(minute[0], tmp_path / "other")
    assert one == other
    for path in sorted((tmp_path / "one" / "audio").rglob("*.wav")):
        twin = tmp_path / "other" / path.relative_to(tmp_path / "one")
        assert path.read_bytes() == twin.read_bytes()


@pytest.mark.parametrize("rate", [8_000, 11_025, 22_050, 44_100, 96_000, 192_000])
def test_any_sample_rate_keeps_its_length(rate: int, tmp_path: Path) -> None:
    voice, _ = speech(4.321, rate)
    narration = prepare(write(tmp_path / "speech.wav", voice, rate), tmp_path / "p")
    assert abs(narration.audio.samples - len(voice) * SAMPLE_RATE / rate) <= 1
    assert narration.audio.channels == 1
    assert ("low_sample_rate" in codes(narration)) == (rate < 16_000)


@pytest.mark.parametrize(
    ("suffix", "options"),
    [
        (".mp3", ["-b:a", "128k"]),
        (".m4a", ["-c:a", "aac"]),
        (".ogg", ["-c:a", "libopus"]),
        (".flac", []),
        (".aiff", []),
        (".mka", ["-c:a", "pcm_f32le"]),
        (".u8.wav", ["-c:a", "pcm_u8"]),
    ],
)
def test_any_format_is_prepared(suffix: str, options: list[str], tmp_path: Path) -> None:
    voice, _ = speech(6, 48_000)
    wav = write(tmp_path / "speech.wav", voice)
    encoded = tmp_path / f"speech it's “ä” 語{suffix}"
    ffmpeg("-i", wav, *options, f"file:{encoded}")
    narration = prepare(encoded, tmp_path / "a project")
    assert abs(narration.audio.samples - 6 * SAMPLE_RATE) < 0.06 * SAMPLE_RATE
    assert narration.audio.lufs == pytest.approx(-16, abs=0.1)


def test_a_videos_sound_is_in_time_with_its_picture(tmp_path: Path) -> None:
    voice, _ = speech(3, 48_000)
    wav = write(tmp_path / "speech.wav", voice)
    film = tmp_path / "film.mkv"
    ffmpeg(
        "-f", "lavfi", "-i", "color=size=64x64:rate=25:duration=5", "-itsoffset", "1.5", "-i", wav,
        "-c:a", "pcm_s16le", film,
    )  # fmt: skip
    narration = prepare(film, tmp_path / "p")
    assert abs(narration.audio.samples - 4.5 * SAMPLE_RATE) < 100
    assert "gaps_filled" in codes(narration)
    master, _ = soundfile.read(Layout(tmp_path / "p").master)
    assert np.abs(master[: int(1.45 * SAMPLE_RATE)]).max() == 0
    assert np.abs(master[int(1.5 * SAMPLE_RATE) : int(1.7 * SAMPLE_RATE)]).max() > 0.01


def test_surround_is_mixed_down_to_stereo(tmp_path: Path) -> None:
    voice, _ = speech(4)
    surround = np.zeros((6, len(voice)), np.float32)
    surround[2] = voice  # the centre, where dialogue is
    source = write(tmp_path / "speech.wav", surround)
    narration = prepare(source, tmp_path / "p")
    assert narration.audio.channels == 2
    assert "mixed_down" in codes(narration)
    assert narration.audio.lufs == pytest.approx(-16, abs=0.1)


def test_an_interrupted_preparation_leaves_no_scratch_and_goes_on(
    minute: tuple[Path, list[tuple[float, float]]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(sound.Loudness, "apply", interrupted)
        with pytest.raises(KeyboardInterrupt):
            prepare(minute[0], tmp_path)
    assert not list((tmp_path / ".lipsync" / "sound").glob("decoded*"))
    assert not Layout(tmp_path).master.exists()
    monkeypatch.setattr(sound, "hear", None)  # heard before the interruption
    narration = prepare(minute[0], tmp_path)
    assert_tiles(narration.chunks, narration.audio.samples)


def test_the_file_decides_not_its_name(
    minute: tuple[Path, list[tuple[float, float]]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first = prepare(minute[0], tmp_path / "p")
    renamed = tmp_path / "renamed.mp3"
    shutil.copyfile(minute[0], renamed)
    _forbid_decoding(monkeypatch)
    assert prepare(renamed, tmp_path / "p") == first


@pytest.mark.parametrize(
    "options",
    [
        {"lufs": 3.0},
        {"lufs": -60.0},
        {"lufs": float("nan")},
        {"true_peak": 1.0},
        {"max_chunk": Fraction(1, 2)},
        {"skip_silence": Fraction(1, 10)},
        {"prefer": "luck"},
        {"denoise": "maybe"},
    ],
)
def test_senseless_options_are_wrong_usage(options: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        SoundOptions(**options)  # type: ignore[arg-type]
