"""What a file that is no picture is instead, told from its first bytes."""

from __future__ import annotations

from pathlib import Path

_STARTS: tuple[tuple[bytes, str, str], ...] = (
    (b"%PDF", "it is a PDF", "Export the page as PNG."),
    (b"8BPS", "it is a Photoshop document", "Export it as PNG or JPEG."),
    (b"\xff\x0a", "it is a JPEG XL picture", "Convert it to PNG or JPEG."),
    (b"\x00\x00\x00\x0cJXL ", "it is a JPEG XL picture", "Convert it to PNG or JPEG."),
    (b"\x00\x00\x00\x0cjP  ", "it is a JPEG 2000 picture", "Convert it to PNG or JPEG."),
    (b"\x00\x00\x01\x00", "it is a Windows icon", "Export it as PNG."),
    (b"PK\x03\x04", "it is a ZIP archive or a document", "Take the picture out of it."),
    (b"ID3", "it is MP3 sound", "Name the portrait with --image and the sound with --audio."),
    (b"OggS", "it is Ogg sound", "Name the portrait with --image and the sound with --audio."),
    (b"\x1aE\xdf\xa3", "it is a WebM or Matroska film", "Save one of its frames as PNG."),
    (b"\x89PNG", "it begins as a PNG and is cut off or damaged", "Download or export it again."),
    (b"\xff\xd8\xff", "it begins as a JPEG and is cut off or damaged", "Download it again."),
    (b"GIF8", "it begins as a GIF and is cut off or damaged", "Download or export it again."),
)


def looks_like(path: Path) -> tuple[str, str]:
    """A clause that says what ``path`` seems to be, and a hint."""
    with path.open("rb") as file:
        head = file.read(4096)
    for start, kind, hint in _STARTS:
        if head.startswith(start):
            return kind, hint
    if head[:4] == b"RIFF":
        return _of_riff(head)
    if head[4:8] == b"ftyp":
        if head[8:12] in (b"avif", b"avis", b"heic", b"heix", b"mif1", b"msf1", b"hevc"):
            return "it begins as AVIF or HEIC and is cut off or damaged", "Download it again."
        return "it is a film or sound in an MP4 container", "Save one of its frames as PNG."
    return _of_text(head)


def _of_riff(head: bytes) -> tuple[str, str]:
    if head[8:12] == b"WAVE":
        return "it is WAV sound", "Name the portrait with --image and the sound with --audio."
    if head[8:12] == b"WEBP":
        return "it begins as a WebP and is cut off or damaged", "Download or export it again."
    return "it is a RIFF file", "Export it as PNG or JPEG."


def _of_text(head: bytes) -> tuple[str, str]:
    # A multi-byte letter may be cut in two at the end of what was read.
    text = head.decode("utf-8", errors="ignore").lower()
    if not text.strip() or b"\x00" in head or len(text.encode()) < len(head) - 8:
        return "its format is not known", "Export it as PNG or JPEG."
    if "<svg" in text:
        return "it is an SVG drawing", "Export it as PNG, 1920 pixels wide."
    if "<html" in text or "<!doctype html" in text:
        return "it is a web page", "Download the picture itself."
    return "it is a text file", "Check that this is the right file."
