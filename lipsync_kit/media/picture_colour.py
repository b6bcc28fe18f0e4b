"""Colour: from any depth, palette, ink or profile to 8-bit sRGB, with or without alpha."""

from __future__ import annotations

import io
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from PIL.Image import Image

SAME = 3
"""Levels (of 255) that a profile may differ from sRGB and still count as it."""


@dataclass(frozen=True, eq=False)
class Coloured:
    """``image``: RGB or RGBA in sRGB. ``profile``: name of what it was, unless that was sRGB.

    ``trouble``: why the embedded profile was not used, if it could not be.
    """

    image: Image
    profile: str | None = None
    trouble: str | None = None


def eight_bits(image: Image) -> Image:
    """Deep greys scaled to 8 bits (never clipped); every other picture as it is.

    16 bits are scaled from their full range. Whole numbers of 32 bits and real numbers have
    none, so theirs is taken from the data: 0…1, 0…255, 0…65535, or from lowest to highest.
    """
    from PIL import Image as Images

    if image.mode.startswith("I;16"):
        values = np.asarray(image, np.float32) / 257
    elif image.mode in ("I", "F"):
        values = _scaled(np.nan_to_num(np.asarray(image, np.float32)), image.mode)
    else:
        return image
    return Images.fromarray(np.clip(np.rint(values), 0, 255).astype(np.uint8))


def _scaled(values: np.ndarray[Any, np.dtype[np.float32]], mode: str) -> Any:
    low, high = float(values.min()), float(values.max())
    tops = (1.0, 255.0, 65535.0) if mode == "F" else (255.0, 65535.0)
    for top in tops:
        if low >= 0 and high <= top:
            return values * (255 / top)
    return (values - low) * (255 / max(high - low, 1e-9))


def to_srgb(image: Image, profile: bytes | None) -> Coloured:
    """Convert by an embedded ICC profile, or by what the mode means where there is none."""
    from PIL import ImageCms

    image = _without_palette(image)
    if not profile:
        return Coloured(_rgb(image))
    try:
        embedded = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        name = _name(embedded)
        space = embedded.profile.xcolor_space.strip()
    except (OSError, ImageCms.PyCMSError) as error:
        return Coloured(_rgb(image), trouble=f"damaged: {error}")
    mode = {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK"}.get(space)
    if mode is None or mode not in (image.mode, image.mode.removesuffix("A")):
        return Coloured(_rgb(image), trouble=f"it is for {space}, the picture is {image.mode}")
    if mode == "RGB" and is_srgb(profile):
        return Coloured(_rgb(image))
    alpha = image.getchannel("A") if image.mode.endswith("A") else None
    try:
        converted = ImageCms.profileToProfile(
            image.convert(mode),
            embedded,
            ImageCms.createProfile("sRGB"),
            renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
            outputMode="RGB",
            flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
        )
    except (ImageCms.PyCMSError, ValueError) as error:
        return Coloured(_rgb(image), trouble=str(error))
    assert converted is not None
    if alpha is not None:
        converted.putalpha(alpha)
    return Coloured(converted, profile=name)


@lru_cache(maxsize=8)
def is_srgb(profile: bytes) -> bool:
    """Whether an ICC profile maps colours as sRGB does, whatever its name."""
    from PIL import Image as Images
    from PIL import ImageCms

    steps = np.arange(0, 256, 51, dtype=np.uint8)
    grid = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(1, -1, 3)
    try:
        mapped = ImageCms.profileToProfile(
            Images.fromarray(grid),
            ImageCms.ImageCmsProfile(io.BytesIO(profile)),
            ImageCms.createProfile("sRGB"),
            renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
        )
    except (OSError, ImageCms.PyCMSError):
        return False
    return int(np.abs(np.asarray(mapped, np.int16) - grid.astype(np.int16)).max()) <= SAME


def _name(profile: Any) -> str:
    from PIL import ImageCms

    return ImageCms.getProfileDescription(profile).strip() or "unnamed profile"


def _without_palette(image: Image) -> Image:
    """Palettes and one transparent colour resolved: L, LA, RGB, RGBA, CMYK or the like."""
    if image.mode in ("P", "PA"):
        return image.convert("RGBA" if _has_transparency(image) else "RGB")
    if image.mode in ("L", "RGB") and "transparency" in image.info:
        return image.convert("RGBA")
    if image.mode == "1":
        return image.convert("L")
    if image.mode in ("La", "RGBa"):
        return image.convert(image.mode.upper())
    return image


def _has_transparency(image: Image) -> bool:
    return image.mode == "PA" or "transparency" in image.info


def _rgb(image: Image) -> Image:
    wanted = "RGBA" if image.mode in ("LA", "RGBA") else "RGB"
    image = image if image.mode == wanted else image.convert(wanted)
    # Alpha that hides nothing is none.
    if wanted == "RGBA" and image.getchannel("A").getextrema() == (255, 255):
        return image.convert("RGB")
    return image
