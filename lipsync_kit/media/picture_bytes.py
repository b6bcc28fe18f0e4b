"""JPEG and PNG files without what they tell besides the picture, pixels untouched."""

from __future__ import annotations

import struct
from collections.abc import Iterator

JPEG_END, SCAN = 0xD9, 0xDA
APP0, APP1, APP2, APP14, COMMENT = 0xE0, 0xE1, 0xE2, 0xEE, 0xFE

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
PNG_KEPT = {
    b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND", b"gAMA", b"cHRM", b"sRGB", b"iCCP", b"sBIT",
    b"pHYs", b"bKGD", b"hIST",
}  # fmt: skip

HARMLESS_EXIF = {0x0112, 0x011A, 0x011B, 0x0128, 0x0213, 0x8769}
HARMLESS_DETAILS = {0x9000, 0x9101, 0xA000, 0xA001, 0xA002, 0xA003}


def stripped(data: bytes) -> bytes:
    """A whole JPEG or PNG file without private metadata; the same bytes when it has none.

    Position, camera, dates, thumbnails, comments, edit history and whatever follows the
    picture are dropped; colour profile and resolution stay. Raises :class:`ValueError` for
    anything else, or for a broken file.
    """
    if data.startswith(PNG_SIGNATURE):
        return _stripped_png(data)
    if data.startswith(b"\xff\xd8"):
        return b"".join(_jpeg_kept(data))
    raise ValueError("neither JPEG nor PNG")


def _stripped_png(data: bytes) -> bytes:
    kept = [PNG_SIGNATURE]
    position = len(PNG_SIGNATURE)
    while position + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, position)
        kind = data[position + 4 : position + 8]
        end = position + 12 + length
        if kind in PNG_KEPT:
            kept.append(data[position:end])
        position = end
        if kind == b"IEND":
            return b"".join(kept)
    raise ValueError("a PNG without an end")


def _jpeg_kept(data: bytes) -> Iterator[bytes]:
    """The segments to keep, in order, from start to end of the first picture."""
    yield data[:2]
    position = 2
    while position + 4 <= len(data):
        if data[position] != 0xFF:
            raise ValueError(f"no JPEG marker at byte {position}")
        marker = data[position + 1]
        if marker == 0xFF:  # padding
            position += 1
            continue
        if marker == JPEG_END:
            break
        (length,) = struct.unpack_from(">H", data, position + 2)
        end = position + 2 + length
        if marker == SCAN:
            end = _end_of_scan(data, end)
        if _is_kept(marker, data[position + 4 : position + 2 + length]):
            yield data[position:end]
        position = end
    if data[position : position + 2] != b"\xff\xd9":
        raise ValueError("a JPEG without an end")
    yield data[position : position + 2]


def _end_of_scan(data: bytes, position: int) -> int:
    """The next marker that is neither a stuffed byte nor a restart."""
    while True:
        position = data.find(b"\xff", position)
        if position < 0 or position + 1 >= len(data):
            raise ValueError("a JPEG without an end")
        following = data[position + 1]
        if following != 0x00 and not 0xD0 <= following <= 0xD7:
            return position
        position += 2


def _is_kept(marker: int, payload: bytes) -> bool:
    if marker == APP0:
        # The last two bytes of JFIF are the size of a thumbnail.
        return payload.startswith(b"JFIF\0") and payload[12:14] == b"\0\0"
    if marker == APP1:
        return payload.startswith(b"Exif\0\0") and _harmless(payload)
    if marker == APP2:
        return payload.startswith(b"ICC_PROFILE\0")
    if marker == APP14:
        return payload.startswith(b"Adobe")
    return marker != COMMENT and not APP0 <= marker <= 0xEF


def _harmless(exif: bytes) -> bool:
    """Whether EXIF data holds resolution and the like only, and no thumbnail."""
    from PIL import Image

    parsed = Image.Exif()
    try:
        parsed.load(exif)
        details, thumbnail = parsed.get_ifd(0x8769), parsed.get_ifd(1)
    except Exception:
        # What can't be read can't be called harmless.
        return False
    return (
        set(parsed) <= HARMLESS_EXIF
        and parsed.get(0x0112, 1) == 1
        and set(details) <= HARMLESS_DETAILS
        and not thumbnail
    )
