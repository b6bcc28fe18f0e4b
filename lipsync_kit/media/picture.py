"""Pictures from anywhere: opened without trust; out come upright, 8-bit sRGB pixels.

A picture's size is checked before any pixel is decoded, only the formats below are tried,
and whatever a decoder raises becomes an error that names the file and the way out.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lipsync_kit.errors import InputError
from lipsync_kit.media.picture_kind import looks_like
from lipsync_kit.media.probe import check_file

if TYPE_CHECKING:
    from PIL.Image import Image

EXTENSIONS: dict[str, tuple[str, ...]] = {
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif"),
    "PNG": (".png", ".apng"),
    "WEBP": (".webp",),
    "AVIF": (".avif", ".avifs"),
    "HEIF": (".heic", ".heif", ".hif"),
    "TIFF": (".tif", ".tiff"),
    "GIF": (".gif",),
    "BMP": (".bmp", ".dib"),
}
"""The formats that are read, as Pillow calls them, and the extensions they go by."""

MAX_PIXELS = 200_000_000
"""Refuse larger pictures before decoding: 200 MP are 0.6 GB of pixels."""


@dataclass(frozen=True, eq=False)
class Picture:
    """A decoded picture.

    ``image``: RGB or RGBA, 8 bits, upright, sRGB; maybe already made smaller.
    ``width``, ``height``: pixels of the upright picture as it was stored. ``format``: Pillow's
    name. ``mode``: how the pixels were stored. ``bits``: per channel. ``orientation``: the EXIF
    value, 1…8. ``frames``: of an animation or pages. ``profile``: name of an embedded colour
    profile that is not sRGB; ``bad_profile``: why it could not be used. ``metadata``: what the
    file says beyond pixels, in words.
    """

    image: Image
    width: int
    height: int
    format: str
    mode: str
    bits: int
    orientation: int
    frames: int
    profile: str | None
    bad_profile: str | None
    metadata: tuple[str, ...]

    @property
    def transparent(self) -> bool:
        """Whether some of it can be seen through."""
        return self.image.mode == "RGBA"


def read_picture(path: Path, *, enough: int) -> Picture:
    """Decode the first frame of any picture.

    ``enough``: pixels per side that will do; a much larger picture is made smaller while it
    is decoded. Raises :class:`~lipsync_kit.errors.InputError` for what is no picture, is
    damaged, or would not fit into memory.
    """
    from lipsync_kit.media.picture_colour import eight_bits, to_srgb

    with _opened(path) as image:
        width, height, stored_mode = *image.size, image.mode
        bits = _bits(image)
        frames = _frames(image)
        profile = image.info.get("icc_profile")
        metadata = _metadata(image)
        loaded = _shrunk(image, enough)
        # Pillow turns TIFFs by itself while it loads them, and then says so.
        orientation = _orientation(image)
        if image.format == "TIFF":
            width, height = image.size
        upright = _upright(loaded, orientation)
    colour = to_srgb(eight_bits(upright), profile)
    # What Pillow remembers of the file it would write into the next one.
    colour.image.info = {}
    if orientation >= 5:
        width, height = height, width
    return Picture(
        image=colour.image,
        width=width,
        height=height,
        format=_format(image),
        mode=stored_mode,
        bits=bits,
        orientation=orientation,
        frames=frames,
        profile=colour.profile,
        bad_profile=colour.trouble,
        metadata=metadata,
    )


@contextmanager
def _opened(path: Path) -> Iterator[Image]:
    from PIL import Image, UnidentifiedImageError

    check_file(path, "image")
    _know_heif()
    # Pillow warns of odd but harmless metadata, and has a pixel limit of its own.
    with warnings.catch_warnings(), _own_pixel_limit():
        warnings.simplefilter("ignore")
        try:
            image = Image.open(path, formats=list(EXTENSIONS))
        except UnidentifiedImageError:
            raise _not_a_picture(path) from None
        except Exception as error:
            raise _damaged(path, error) from error
        with image:
            _check_size(path, image)
            try:
                yield image
            except Exception as error:
                raise _damaged(path, error) from error


@contextmanager
def _own_pixel_limit() -> Iterator[None]:
    from PIL import Image

    before = Image.MAX_IMAGE_PIXELS
    Image.MAX_IMAGE_PIXELS = None
    try:
        yield
    finally:
        Image.MAX_IMAGE_PIXELS = before


def _know_heif() -> None:
    from PIL import Image

    if "HEIF" not in Image.OPEN:
        import pillow_heif

        pillow_heif.register_heif_opener()


def _check_size(path: Path, image: Image) -> None:
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise InputError(
            f"{path}: {width} × {height} pixels, {width * height / 1e6:.0f} megapixels; "
            f"at most {MAX_PIXELS // 1_000_000} are read.",
            code="image_too_large",
            hint="Scale it down first; 1920 × 1080 is all that a model takes.",
            width=width,
            height=height,
        )


def _not_a_picture(path: Path) -> InputError:
    kind, hint = looks_like(path)
    return InputError(
        f"{path}: not a picture that can be read; {kind}.", code="image_unreadable", hint=hint
    )


def _damaged(path: Path, error: Exception) -> InputError:
    if isinstance(error, InputError):
        return error
    fact = "incomplete or damaged"
    if "truncated" in str(error).lower():
        fact = "cut off: the file ends in the middle of the picture"
    return InputError(
        f"{path}: {fact} ({error or type(error).__name__}).",
        code="image_damaged",
        hint="Copy, download or export it again.",
    )


def _format(image: Image) -> str:
    """The format, counting a phone's JPEG with pictures appended (MPO) as JPEG."""
    name = image.format or ""
    return "JPEG" if name == "MPO" else name


def _frames(image: Image) -> int:
    if image.format == "MPO":
        return 1
    return int(getattr(image, "n_frames", 1))


def _bits(image: Image) -> int:
    """Bits per channel as stored; Pillow hides that of 16-bit colour PNGs."""
    if image.mode.startswith("I;16"):
        return 16
    if image.mode in ("I", "F"):
        return 32
    tile = getattr(image, "tile", None)
    raw_mode = str(tile[0][3]) if tile else ""
    return 16 if ";16" in raw_mode else 8


def _orientation(image: Image) -> int:
    value = image.getexif().get(0x0112, 1)
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def _upright(image: Image, orientation: int) -> Image:
    """Turn by the EXIF orientation (CIPA DC-008, tag 274)."""
    from PIL.Image import Transpose

    turn = {
        2: Transpose.FLIP_LEFT_RIGHT,
        3: Transpose.ROTATE_180,
        4: Transpose.FLIP_TOP_BOTTOM,
        5: Transpose.TRANSPOSE,
        6: Transpose.ROTATE_270,
        7: Transpose.TRANSVERSE,
        8: Transpose.ROTATE_90,
    }.get(orientation)
    return image if turn is None else image.transpose(turn)


def _shrunk(image: Image, enough: int) -> Image:
    """The loaded picture, by a whole factor smaller while twice what is enough remains."""
    factor = min(image.size) // (2 * enough)
    if factor > 1 and image.format in ("JPEG", "MPO"):
        width, height = image.size
        image.draft(image.mode, (width // factor, height // factor))
    image.load()
    factor = min(image.size) // (2 * enough)
    if factor > 1 and image.mode in ("L", "RGB", "RGBA", "CMYK"):
        info = image.info
        image = image.reduce(factor)
        image.info = info
    return image.copy()


def _metadata(image: Image) -> tuple[str, ...]:
    """What kinds of metadata there are, for a person to read."""
    exif = image.getexif()
    kinds = []
    if exif.get_ifd(0x8825):
        kinds.append("GPS position")
    if {271, 272, 305, 306, 315, 33432} & set(exif) or exif.get_ifd(0x8769):
        kinds.append("camera data")
    if "xmp" in image.info or "XML:com.adobe.xmp" in image.info:
        kinds.append("XMP")
    if "photoshop" in image.info:
        kinds.append("editing data")
    if getattr(image, "text", None) or image.info.get("comment"):
        kinds.append("text")
    return tuple(kinds)
