"""What is no usable picture is refused: which file, what is wrong, what to do."""

from __future__ import annotations

import os
import struct
import zlib
from pathlib import Path

import pytest
from PIL import Image

from lipsync_kit.catalog import ImageLimits
from lipsync_kit.errors import InputError
from lipsync_kit.preflight.image import prepare_portrait
from lipsync_kit.project import Layout


def refusal(source: Path) -> InputError:
    root = source.parent / "project"
    with pytest.raises(InputError) as caught:
        prepare_portrait(source, layout=Layout(root), limits=ImageLimits())
    assert caught.value.exit_status == 3
    assert str(source) in caught.value.message
    assert caught.value.hint
    assert not (root / "characters").exists()
    return caught.value


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (b"Once upon a time there was a text file.\n", "text file"),
        ("Es war einmal – größer als Ä.\n".encode() * 300, "text file"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'><rect/></svg>", "SVG"),
        (b"<?xml version='1.0'?>\n<!-- made by -->\n<svg></svg>", "SVG"),
        (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n", "PDF"),
        (b"<!DOCTYPE html><html><body>404</body></html>", "web page"),
        (b"\0\0\0\x20ftypisom\0\0\2\0isomiso2avc1mp41" + bytes(99), "film"),
        (b"ID3\4\0\0\0\0\0\x23" + bytes(99), "MP3"),
        (b"RIFF\x24\0\0\0WAVEfmt " + bytes(99), "WAV"),
        (b"8BPS\0\1" + bytes(99), "Photoshop"),
        (b"PK\3\4" + bytes(99), "ZIP"),
        (bytes(range(256)) * 9, "not known"),
        (b"\x89PNG\r\n\x1a\n", "cut off"),
        (b"\xff\xd8\xff\xe0\0\x10JFIF", "cut off"),
    ],
)
def test_what_is_no_picture_is_named(tmp_path: Path, content: bytes, word: str) -> None:
    source = tmp_path / "portrait.jpg"
    source.write_bytes(content)
    assert word in refusal(source).message


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".gif", ".tiff", ".avif", ".heic"])
@pytest.mark.parametrize("share", [0.03, 0.5, 0.97])
def test_a_truncated_picture_is_refused(tmp_path: Path, suffix: str, share: float) -> None:
    import numpy as np

    if suffix == ".heic":
        import pillow_heif

        pillow_heif.register_heif_opener()
    whole, source = tmp_path / f"whole{suffix}", tmp_path / f"cut{suffix}"
    noise = np.random.default_rng(0).integers(0, 256, (480, 640, 3)).astype(np.uint8)
    Image.fromarray(noise).save(whole)
    data = whole.read_bytes()
    source.write_bytes(data[: int(len(data) * share)])
    error = refusal(source)
    assert "again" in error.hint or "Export" in error.hint


def test_an_empty_file(tmp_path: Path) -> None:
    source = tmp_path / "empty.png"
    source.touch()
    assert "empty" in refusal(source).message


def test_a_missing_file(tmp_path: Path) -> None:
    assert "no such file" in refusal(tmp_path / "missing.png").message


def test_a_folder(tmp_path: Path) -> None:
    folder = tmp_path / "portraits.png"
    folder.mkdir()
    assert "folder" in refusal(folder).message


def test_a_pipe(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.png"
    os.mkfifo(pipe)
    with pytest.raises(InputError, match="not a regular file"):
        prepare_portrait(pipe, layout=Layout(tmp_path / "project"), limits=ImageLimits())


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_an_unreadable_file(tmp_path: Path) -> None:
    source = tmp_path / "secret.png"
    Image.new("RGB", (640, 480)).save(source)
    source.chmod(0)
    assert "permission" in refusal(source).message


def bomb(width: int, height: int) -> bytes:
    """A PNG of some kilobytes that claims gigapixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = zlib.compress(bytes(1_000_000))
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")
    )


def test_a_decompression_bomb_is_not_decoded(tmp_path: Path) -> None:
    import tracemalloc

    source = tmp_path / "bomb.png"
    source.write_bytes(bomb(60_000, 60_000))
    tracemalloc.start()
    error = refusal(source)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert "3600 megapixels" in error.message
    assert peak < 20e6


def test_a_gif_bomb_too(tmp_path: Path) -> None:
    source = tmp_path / "bomb.gif"
    source.write_bytes(
        b"GIF89a\xff\xff\xff\xff\x80\0\0"
        + b"\0\0\0\xff\xff\xff"
        + b",\0\0\0\0\xff\xff\xff\xff\0\2\2\x44\1\0;"
    )
    assert "megapixels" in refusal(source).message


def test_a_picture_where_the_prepared_one_goes(tmp_path: Path) -> None:
    layout = Layout(tmp_path / "project")
    source = layout.portrait(".jpg")
    source.parent.mkdir(parents=True)
    Image.new("RGB", (4000, 3000)).save(source)
    before = source.read_bytes()
    with pytest.raises(InputError, match="has to be changed"):
        prepare_portrait(source, layout=layout, limits=ImageLimits())
    assert source.read_bytes() == before


def test_the_prepared_image_itself_may_be_prepared(tmp_path: Path) -> None:
    source = tmp_path / "original.png"
    Image.new("RGB", (640, 480)).save(source)
    layout = Layout(tmp_path / "project")
    made = prepare_portrait(source, layout=layout, limits=ImageLimits())
    own = layout.root / made.image.path
    again = prepare_portrait(own, layout=layout, limits=ImageLimits())
    assert again.image == made.image
    assert own.read_bytes() == source.read_bytes()
