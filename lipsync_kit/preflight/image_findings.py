"""What was unusual about a picture and what was done to it, in words and numbers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from lipsync_kit.preflight.image_fit import Fit
from lipsync_kit.schema import Finding, Severity

if TYPE_CHECKING:
    from lipsync_kit.media.picture import Picture

MUCH_LARGER = 2.0
"""Upscales above this are worth a finding."""


def about_file(source: Path, picture: Picture) -> list[Finding]:
    """Its extension, frames and colours."""
    findings = [
        _extension(source, picture),
        _frames(source.name, picture),
        _colours(source.name, picture),
    ]
    return [finding for finding in findings if finding is not None]


def _extension(source: Path, picture: Picture) -> Finding | None:
    from lipsync_kit.media.picture import EXTENSIONS

    usual = EXTENSIONS[picture.format]
    if source.suffix.lower() in usual:
        return None
    called = f"named {source.suffix}" if source.suffix else "without an extension"
    return _finding(
        "image_wrong_extension",
        "info",
        f"{source.name}: a {picture.format} file {called}; read as what it is.",
        f"Rename it to {usual[0]}.",
        format=picture.format.lower(),
    )


def _frames(name: str, picture: Picture) -> Finding | None:
    if picture.frames == 1:
        return None
    what = "pages" if picture.format == "TIFF" else "frames"
    return _finding(
        "image_animated",
        "info",
        f"{name}: it has {picture.frames} {what}; the first is used.",
        frames=picture.frames,
    )


def _colours(name: str, picture: Picture) -> Finding | None:
    if picture.bad_profile is not None:
        return _finding(
            "image_bad_profile",
            "warning",
            f"{name}: its colour profile can't be used ({picture.bad_profile}); read as sRGB.",
            "Export it as sRGB.",
        )
    if picture.profile is not None:
        return _finding(
            "image_profile", "info", f"{name}: colours converted to sRGB ({picture.profile})."
        )
    if picture.mode == "CMYK":
        return _finding(
            "image_cmyk",
            "warning",
            f"{name}: printing colours (CMYK) without a profile; colours may be off.",
            "Export it as sRGB.",
        )
    return None


def about_place(name: str, picture: Picture, placed: Fit, background: str) -> list[Finding]:
    """How it was scaled, flattened, padded or cropped."""
    was = f"{picture.width} × {picture.height}"
    size = f"{placed.canvas[0]} × {placed.canvas[1]}"
    findings = []
    scale = placed.scale * picture.image.width / picture.width
    if scale > MUCH_LARGER:
        findings.append(
            _finding(
                "image_upscaled",
                "warning",
                f"{name}: {was} pixels were enlarged {scale:.1f} times to {size}.",
                f"Use a picture of at least {min(placed.canvas) // 2} pixels on its short side.",
                scale=round(scale, 2),
            )
        )
    if picture.transparent:
        message = f"{name}: what is transparent became {background}."
        hint = "Choose another colour with --background."
        findings.append(_finding("image_flattened", "info", message, hint))
    if placed.padded:
        message = f"{name}: {was} is a narrower strip than models take; bars were added, {size}."
        findings.append(_finding("image_padded", "warning", message, "Crop it to at most 4 : 1."))
    if placed.cropped(picture.image.size):
        findings.append(
            _finding(
                "image_cropped",
                "warning",
                f"{name}: {was} is a narrower strip than models take, and between bars its face "
                f"would be too small; it was cropped around the face, {size}.",
                "Crop it yourself to choose what is seen.",
                crop=list(placed.crop),
            )
        )
    return findings


def about_metadata(source: Path, picture: Picture, *, changed: bool) -> list[Finding]:
    """What the file told besides the picture and the prepared one does not."""
    if not picture.metadata or not changed:
        return []
    found = ", ".join(picture.metadata)
    message = f"{source.name}: left out of the prepared image: {found}."
    return [_finding("image_metadata", "info", message, removed=list(picture.metadata))]


def _finding(
    code: str, severity: Severity, message: str, hint: str = "", **data: object
) -> Finding:
    return Finding(code=code, severity=severity, message=message, hint=hint, data=dict(data))
