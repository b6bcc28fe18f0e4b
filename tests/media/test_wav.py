"""WAV files bit by bit: packing, RF64, windows, and the scratch file."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from lipsync_kit.errors import InputError
from lipsync_kit.media.wav import MasterReader, MasterWriter, Scratch, header, pack24, write16

LARGEST = 2**23 - 1


@given(st.lists(st.integers(-(2**23), LARGEST), max_size=40))
def test_24_bits_are_packed_exactly(values: list[int]) -> None:
    samples = np.array(values, np.float32) / np.float32(2**23)
    expected = b"".join(value.to_bytes(3, "little", signed=True) for value in values)
    assert pack24(samples) == expected


def test_what_is_too_loud_is_clipped() -> None:
    packed = pack24(np.array([2.0, -2.0, 1.0], np.float32))
    assert packed == b"\xff\xff\x7f" + b"\x00\x00\x80" + b"\xff\xff\x7f"


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("samples", [1, 7, 48_001])
def test_a_master_is_read_as_it_was_written(channels: int, samples: int, tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    whole = rng.integers(-(2**23), LARGEST, (channels, samples)).astype(np.float32) / 2**23
    whole[:, 0] = LARGEST / 2**23
    path = tmp_path / "master.wav"
    with MasterWriter(path, samples, channels) as master:
        for block in np.array_split(whole.astype(np.float32), 3, axis=1):
            master.write(block)
    stored, rate = soundfile.read(path, dtype="int32", always_2d=True)
    assert rate == 48_000
    np.testing.assert_array_equal(stored.T >> 8, np.rint(whole * 2**23).astype(np.int32))
    with MasterReader(path) as reader:
        assert reader.channels == channels
        low, high = samples // 3, samples
        np.testing.assert_array_equal(reader.floats(low, high), whole[:, low:high])
        for channel in range(channels):
            rounded = np.floor(whole[channel] * 2**15 + 0.5)
            expected = np.minimum(rounded, 32_767).astype(np.int16)
            np.testing.assert_array_equal(reader.int16(0, samples, channel), expected)


def test_a_master_that_ends_early_is_a_bug(tmp_path: Path) -> None:
    with (
        pytest.raises(AssertionError, match="5 samples"),
        MasterWriter(tmp_path / "master.wav", 10, 1) as master,
    ):
        master.write(np.zeros((1, 5), np.float32))


@pytest.mark.parametrize("content", [b"", b"not sound at all" * 9, header(100, 2, 24)])
def test_what_is_no_master_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "master.wav"
    path.write_bytes(content)
    with pytest.raises(InputError, match="not a master as it was written"):
        MasterReader(path)


def test_past_four_gigabytes_the_header_is_rf64() -> None:
    samples = 5 * 3600 * 48_000
    head = header(samples, 2, 24)
    assert head[:4] == b"RF64"
    assert int.from_bytes(head[28:36], "little") == samples * 6
    assert int.from_bytes(head[20:28], "little") == len(head) - 8 + samples * 6
    assert header(samples // 2, 2, 24)[:4] == b"RIFF"


def test_a_sparse_rf64_is_read_by_others(tmp_path: Path) -> None:
    samples = 2**30  # 6 GiB of stereo, nearly all of it a hole on the disk
    path = tmp_path / "long.wav"
    with path.open("wb") as file:
        file.write(header(samples, 2, 24))
        file.seek(samples * 6 - 3, 1)
        file.write(b"\x00\x00\x40")
    info = soundfile.info(path)
    assert (info.frames, info.channels, info.samplerate) == (samples, 2, 48_000)
    last, _ = soundfile.read(path, start=samples - 1)
    assert last[0, 1] == 0.5
    with MasterReader(path) as reader:
        assert reader.floats(samples - 1, samples)[1, 0] == 0.5


def test_16_bit_chunks_are_plain_wav(tmp_path: Path) -> None:
    samples = np.array([0, 1, -1, 32_767, -32_768], np.int16)
    write16(tmp_path / "chunk.wav", samples)
    with wave.open(str(tmp_path / "chunk.wav")) as file:
        assert (file.getframerate(), file.getsampwidth(), file.getnchannels()) == (48_000, 2, 1)
        assert file.readframes(9) == samples.tobytes()


def test_scratch_gives_back_any_window_and_leaves_nothing(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    whole = rng.normal(0, 1, (2, 10_000)).astype(np.float32)
    with Scratch(tmp_path / "deep" / "scratch", 2) as scratch:
        for block in np.array_split(whole, 7, axis=1):
            scratch.append(block)
        assert scratch.samples == 10_000
        np.testing.assert_array_equal(scratch.window(-5, 20_000), whole)
        np.testing.assert_array_equal(scratch.window(123, 4_567), whole[:, 123:4_567])
        np.testing.assert_array_equal(np.concatenate(list(scratch.channel(1, 999))), whole[1])
        np.testing.assert_array_equal(scratch.only(1).window(0, 10), whole[1:, :10])
    assert not list((tmp_path / "deep").iterdir())
