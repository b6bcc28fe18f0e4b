"""Bad input: the file, the fact and the way out are named, and nothing is left behind."""

import os
import resource
import struct
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import soundfile
from PIL import Image

from tests.cli.conftest import document, lipsync

RATE = 16_000


def text_named_mp3(folder: Path) -> Path:
    path = folder / "narration.mp3"
    path.write_text("This is not sound. " * 100)
    return path


def zero_bytes(folder: Path) -> Path:
    path = folder / "empty.wav"
    path.touch()
    return path


def a_fifth_of_a_second(folder: Path) -> Path:
    path = folder / "blip.wav"
    soundfile.write(path, np.random.default_rng(1).normal(0, 0.1, RATE // 5), RATE)
    return path


def silence(folder: Path) -> Path:
    path = folder / "silence.wav"
    soundfile.write(path, np.zeros(RATE * 5), RATE)
    return path


def a_folder(folder: Path) -> Path:
    path = folder / "folder.wav"
    path.mkdir()
    return path


def missing(folder: Path) -> Path:
    return folder / "missing.wav"


def a_playlist(folder: Path) -> Path:
    path = folder / "list.mp3"
    path.write_text("#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nfile:///etc/hostname\n")
    return path


def truncated_png(folder: Path) -> Path:
    path = folder / "portrait.png"
    noise = np.random.default_rng(1).integers(0, 255, (600, 600, 3), np.uint8)
    Image.fromarray(noise).save(path)
    path.write_bytes(path.read_bytes()[:200_000])
    return path


def a_bomb(folder: Path) -> Path:
    """A PNG of 60,000 x 60,000 pixels in a few kilobytes."""

    def part(name: bytes, data: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(name + data))
        return struct.pack(">I", len(data)) + name + data + check

    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 0, 0, 0, 0)
    rows = zlib.compress(bytes(1_000_000), 9)
    path = folder / "bomb.png"
    body = part(b"IHDR", header) + part(b"IDAT", rows) + part(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + body)
    return path


def text_named_jpg(folder: Path) -> Path:
    path = folder / "portrait.jpg"
    path.write_text("not a picture " * 50)
    return path


SOUNDS = (text_named_mp3, zero_bytes, a_fifth_of_a_second, silence, a_folder, missing, a_playlist)
PICTURES = (truncated_png, a_bomb, text_named_jpg, zero_bytes, a_folder, missing)
Maker = Callable[[Path], Path]


def refused(root: Path, image: Path, audio: Path, named: Path) -> None:
    done = lipsync("prep", root, "--image", image, "--audio", audio)
    error = document(done, status=3)["error"]
    assert named.name in error["message"]
    assert len(error["message"]) > len(str(named)) + 10
    assert error["hint"]
    assert not (root / "project.json").exists()
    assert not [path for path in root.rglob("*") if ".part" in path.name]


@pytest.mark.parametrize("make", SOUNDS)
def test_sound_that_cannot_be_used(tmp_path: Path, portrait: Path, make: Maker) -> None:
    bad = make(tmp_path)
    refused(tmp_path / "film", portrait, bad, bad)


@pytest.mark.parametrize("make", PICTURES)
def test_a_picture_that_cannot_be_used(tmp_path: Path, narration: Path, make: Maker) -> None:
    bad = make(tmp_path)
    refused(tmp_path / "film", bad, narration, bad)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read(tmp_path: Path, portrait: Path) -> None:
    bad = tmp_path / "private.wav"
    soundfile.write(bad, np.zeros(RATE), RATE)
    bad.chmod(0)
    refused(tmp_path / "film", portrait, bad, bad)


@pytest.mark.parametrize("most", [4 << 10, 400 << 10, 1 << 20, 3 << 19])
def test_a_disk_that_runs_full_is_no_bug_and_the_next_run_goes_on(
    tmp_path: Path, portrait: Path, short_speech: Path, most: int
) -> None:
    prep = ["prep", tmp_path / "film", "--image", portrait, "--audio", short_speech]
    with file_sizes_limited(most):
        failed = lipsync(*prep)
    error = document(failed, status=4)["error"]
    assert error["code"] in {"disk_full", "not_writable"}
    document(lipsync(*prep))


@contextmanager
def file_sizes_limited(most: int) -> Iterator[None]:
    """Processes that are started here may write files of ``most`` bytes, and no larger."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_project_that_is_a_file(tmp_path: Path, portrait: Path, narration: Path) -> None:
    (tmp_path / "film").touch()
    done = lipsync("prep", tmp_path / "film", "--image", portrait, "--audio", narration)
    assert "film" in document(done, status=3)["error"]["message"]


def test_a_refusal_leaves_the_plan_that_was_there(
    tmp_path: Path, portrait: Path, short_speech: Path
) -> None:
    root = tmp_path / "film"
    document(lipsync("prep", root, "--image", portrait, "--audio", short_speech))
    before = (root / "project.json").read_bytes()
    bad = text_named_mp3(tmp_path)
    document(lipsync("prep", root, "--image", portrait, "--audio", bad), status=3)
    assert (root / "project.json").read_bytes() == before


NAMES = ('it\'s a "film".wav', "Größe 長い 🎬.wav", "-dash.wav", "%04d.wav", "a:b.wav", "é.wav")


@pytest.mark.parametrize("name", NAMES)
def test_a_name_with_spaces_quotes_and_other_letters(
    tmp_path: Path, portrait: Path, short_speech: Path, name: str
) -> None:
    audio = tmp_path / name
    audio.write_bytes(short_speech.read_bytes())
    image = tmp_path / name.replace(".wav", ".png")
    image.write_bytes(portrait.read_bytes())
    root = tmp_path / name.replace(".wav", " film")
    done = lipsync("prep", root, f"--image={image}", f"--audio={audio}")
    assert document(done)["audio"]["samples"] == 12 * 48_000


def speech_in_antiphase(speech: np.ndarray) -> np.ndarray:
    return np.stack([speech, -speech], axis=1)


def speech_with_an_offset(speech: np.ndarray) -> np.ndarray:
    return speech * 0.5 + 0.3


def three_seconds(speech: np.ndarray) -> np.ndarray:
    return speech[: 3 * 24_000]


@pytest.mark.parametrize("shape", [speech_in_antiphase, speech_with_an_offset, three_seconds])
def test_odd_but_usable_sound_is_used(
    tmp_path: Path,
    portrait: Path,
    short_speech: Path,
    shape: Callable[[np.ndarray], np.ndarray],
) -> None:
    speech, rate = soundfile.read(short_speech)
    audio = tmp_path / "odd.wav"
    soundfile.write(audio, shape(speech), rate)
    plan = document(lipsync("prep", tmp_path / "film", "--image", portrait, "--audio", audio))
    assert plan["audio"]["lufs"] == pytest.approx(-16, abs=0.2)
    assert plan["audio"]["true_peak"] <= -1.5
    chunk, _ = soundfile.read(tmp_path / "film" / plan["chunks"][0]["path"])
    assert abs(float(chunk.mean())) < 0.01
    assert float(np.abs(chunk).max()) > 0.1
