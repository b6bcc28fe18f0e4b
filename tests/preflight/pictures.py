"""Pictures to prepare, and what came out of it."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageCms

from lipsync_kit.catalog import ImageLimits
from lipsync_kit.preflight.image import PreparedPortrait, prepare_portrait
from lipsync_kit.project import Layout

LIMITS = ImageLimits()
FACE = Path(__file__).parents[2] / "fixtures" / "portrait.png"
Pixels = npt.NDArray[np.uint8]

RED, GREEN, BLUE, YELLOW = (200, 40, 40), (40, 200, 40), (40, 40, 200), (200, 200, 40)


def corners(width: int = 640, height: int = 480) -> Image.Image:
    """Four quarters: red and green above blue and yellow."""
    picture = Image.new("RGB", (width, height), RED)
    picture.paste(GREEN, (width // 2, 0, width, height // 2))
    picture.paste(BLUE, (0, height // 2, width // 2, height))
    picture.paste(YELLOW, (width // 2, height // 2, width, height))
    return picture


def prepare(source: Path, root: Path | None = None, **options: str) -> PreparedPortrait:
    layout = Layout(root or source.parent / "project")
    return prepare_portrait(source, layout=layout, limits=LIMITS, **options)


def output(prepared: PreparedPortrait, source: Path) -> Image.Image:
    path = source.parent / "project" / prepared.image.path
    image = Image.open(path)
    assert image.size == (prepared.image.width, prepared.image.height)
    assert path.stat().st_size == prepared.image.bytes
    assert image.format == {".jpg": "JPEG", ".png": "PNG"}[path.suffix]
    assert image.mode == "RGB"
    image.load()
    return image


def codes(prepared: PreparedPortrait) -> set[str]:
    return {finding.code for finding in prepared.findings}


def quarters(image: Image.Image) -> list[tuple[int, ...]]:
    """Colours in the middle of the quarters: top left, top right, bottom left, bottom right."""
    w, h = image.size
    places = [
        (w // 4, h // 4),
        (3 * w // 4, h // 4),
        (w // 4, 3 * h // 4),
        (3 * w // 4, 3 * h // 4),
    ]
    return [image.getpixel(place) for place in places]  # type: ignore[misc]


def alike(found: list[tuple[int, ...]], wanted: list[tuple[int, ...]], within: int = 12) -> bool:
    return bool(np.abs(np.subtract(found, wanted)).max() <= within)


def png_16_bit(values: npt.NDArray[np.uint16]) -> bytes:
    """A colour PNG of 16 bits per channel, which Pillow does not write."""
    height, width, _ = values.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def swapped_profile() -> bytes:
    """sRGB's profile with its red and green primaries exchanged."""
    data = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    count = struct.unpack_from(">I", data, 128)[0]
    tags = {data[132 + 12 * k : 136 + 12 * k].decode(): 132 + 12 * k for k in range(count)}
    red, green = tags["rXYZ"] + 4, tags["gXYZ"] + 4
    data[red : red + 8], data[green : green + 8] = data[green : green + 8], data[red : red + 8]
    data[84:100] = bytes(16)  # the profile's own digest no longer holds
    return bytes(data)
