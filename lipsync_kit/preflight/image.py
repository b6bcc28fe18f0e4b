"""The portrait: from any picture to one that a model takes, with as little change as will do.

Decode (``media/picture``), place within the bounds (``image_fit``), encode (``image_encode``),
and look for the face (``face``). A JPEG or PNG that fits already keeps its pixels, and its
bytes too unless they hold private metadata.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lipsync_kit.catalog import ImageLimits
from lipsync_kit.errors import InputError, UsageError
from lipsync_kit.preflight.face import FaceCheck
from lipsync_kit.preflight.image_findings import about_file, about_metadata, about_place
from lipsync_kit.preflight.image_fit import Fit, fit, needs_face
from lipsync_kit.progress import Progress, Silent
from lipsync_kit.project import Layout
from lipsync_kit.recipe import stage, stage_key
from lipsync_kit.schema import Finding, Image
from lipsync_kit.store import atomic, digest_file, digest_json

if TYPE_CHECKING:
    from PIL.Image import Image as Pixels

    from lipsync_kit.media.picture import Picture

NEUTRAL = "#808080"


@dataclass(frozen=True)
class PreparedPortrait:
    """``image`` as it stands in ``project.json``, and what was found and done."""

    image: Image
    findings: tuple[Finding, ...]


@dataclass(frozen=True)
class Made:
    """A prepared picture: its file's bytes and suffix, its pixels (RGB), and the findings."""

    data: bytes
    suffix: str
    pixels: Pixels
    findings: tuple[Finding, ...]


@stage("image.portrait", version=1)
class Portrait:
    """A picture within a model's bounds: upright, sRGB, opaque, undistorted, without metadata.

    ``background``: ``#rrggbb`` behind transparency and beside strips.
    """

    background: str = NEUTRAL

    def apply(self, source: Path, limits: ImageLimits) -> Made:
        """Prepare the picture at ``source``.

        Raises :class:`~lipsync_kit.errors.InputError` when it can't be used.
        """
        from lipsync_kit.media.picture import read_picture
        from lipsync_kit.preflight.image_encode import encode

        picture = read_picture(source, enough=limits.max_short)
        placed = self._place(picture, limits)
        notes = about_file(source, picture)
        notes += about_place(source.name, picture, placed, self.background)
        kept = _kept(source, picture, placed, limits)
        if kept is not None:
            notes += about_metadata(source, picture, changed=kept != source.read_bytes())
            suffix = ".jpg" if picture.format == "JPEG" else ".png"
            return Made(kept, suffix, picture.image, tuple(notes))
        pixels = self._drawn(picture, placed)
        encoded = encode(pixels, limits)
        notes += about_metadata(source, picture, changed=True)
        return Made(encoded.data, encoded.suffix, pixels, tuple(notes))

    def _place(self, picture: Picture, limits: ImageLimits) -> Fit:
        size = picture.image.size
        if not needs_face(size, limits):
            return fit(size, limits)
        import numpy as np

        from lipsync_kit.face import find_faces

        faces = find_faces(np.asarray(_flat(picture.image, self.background)))
        return fit(size, limits, faces[0].box if faces else None)

    def _drawn(self, picture: Picture, placed: Fit) -> Pixels:
        from PIL import Image as Images

        cut = picture.image
        if placed.cropped(cut.size):
            cut = cut.crop(placed.crop)
        if cut.size != placed.scaled:
            # Colours that can't be seen must not bleed into those that can.
            cut = cut.convert("RGBa") if picture.transparent else cut
            cut = cut.resize(placed.scaled, Images.Resampling.LANCZOS)
            cut = cut.convert("RGBA") if picture.transparent else cut
        flat = _flat(cut, self.background)
        if not placed.padded:
            return flat
        canvas = Images.new("RGB", placed.canvas, self.background)
        left, top = ((c - s) // 2 for c, s in zip(placed.canvas, placed.scaled, strict=True))
        canvas.paste(flat, (left, top))
        return canvas


def prepare_portrait(
    source: Path,
    *,
    layout: Layout,
    limits: ImageLimits,
    background: str = NEUTRAL,
    progress: Progress | None = None,
) -> PreparedPortrait:
    """Make ``characters/portrait.jpg`` or ``.png`` from any picture.

    ``background``: ``#rrggbb`` behind transparency. A second run with the same picture does
    nothing again. Raises :class:`~lipsync_kit.errors.InputError` for what is no usable
    picture, :class:`~lipsync_kit.errors.UsageError` for a colour that is none.
    """
    import numpy as np

    from lipsync_kit.media.probe import check_file

    _check_colour(background)
    check_file(source, "image")
    work, look = Portrait(background), FaceCheck()
    with (progress or Silent()).task("image", 1) as task:
        digest = digest_file(source)
        bounds = digest_json(limits.model_dump(mode="json"))
        key = stage_key(work, digest, source.name, bounds, stage_key(look), build=_build())
        prepared = _remembered(layout, key)
        if prepared is None:
            made = work.apply(source, limits)
            findings = (*made.findings, *look.apply(np.asarray(made.pixels), source.name))
            prepared = _written(made, findings, source, layout)
            layout.stamps().mark(layout.root / prepared.image.path, key=key, note=_note(prepared))
        task.advance()
    return prepared


def _remembered(layout: Layout, key: str) -> PreparedPortrait | None:
    stamps = layout.stamps()
    for suffix in (".jpg", ".png"):
        note = stamps.note(layout.portrait(suffix), key)
        if note is not None:
            findings = tuple(Finding.model_validate(finding) for finding in note["findings"])
            return PreparedPortrait(Image.model_validate(note["image"]), findings)
    return None


def _note(prepared: PreparedPortrait) -> dict[str, Any]:
    return {
        "image": prepared.image.model_dump(mode="json"),
        "findings": [finding.model_dump(mode="json") for finding in prepared.findings],
    }


def _written(
    made: Made, findings: tuple[Finding, ...], source: Path, layout: Layout
) -> PreparedPortrait:
    path = layout.portrait(made.suffix)
    ours = [layout.portrait(suffix) for suffix in (".jpg", ".png")]
    if any(own.exists() and own.samefile(source) for own in ours):
        if made.data == source.read_bytes():
            return _prepared(made, findings, path, layout)
        raise InputError(
            f"{source}: here the prepared image goes, and this one has to be changed.",
            code="image_is_output",
            hint="Keep the original somewhere else and name that.",
        )
    with atomic(path) as temporary:
        temporary.write_bytes(made.data)
    for own in ours:
        if own != path:
            own.unlink(missing_ok=True)
    return _prepared(made, findings, path, layout)


def _prepared(
    made: Made, findings: tuple[Finding, ...], path: Path, layout: Layout
) -> PreparedPortrait:
    width, height = made.pixels.size
    image = Image(path=layout.relative(path), width=width, height=height, bytes=len(made.data))
    return PreparedPortrait(image, findings)


def _build() -> str:
    """The libraries whose change would change pixels or findings."""
    from importlib.metadata import version

    return " ".join(version(name) for name in ("pillow", "pillow-heif", "opencv-python-headless"))


def _check_colour(text: str) -> None:
    from PIL import ImageColor

    try:
        ImageColor.getrgb(text)
    except ValueError:
        raise UsageError(
            f"--background {text}: not a colour.", hint="Write it as #rrggbb, e.g. #808080."
        ) from None


def _kept(source: Path, picture: Picture, placed: Fit, limits: ImageLimits) -> bytes | None:
    """The source's own bytes without private metadata, if they will do as they are."""
    from lipsync_kit.media.picture_bytes import stripped

    unchanged = (
        picture.format in ("JPEG", "PNG")
        and picture.format.lower() in limits.formats
        and (picture.mode, picture.bits, picture.orientation, picture.frames) == ("RGB", 8, 1, 1)
        and not picture.transparent
        and picture.profile is None
        and picture.bad_profile is None
        and placed.canvas == placed.scaled == (picture.width, picture.height)
        and not placed.cropped((picture.width, picture.height))
    )
    if not unchanged:
        return None
    try:
        data = stripped(source.read_bytes())
    except ValueError:
        return None
    return data if len(data) <= limits.max_bytes else None


def _flat(image: Pixels, background: str) -> Pixels:
    from PIL import Image as Images

    if image.mode != "RGBA":
        return image
    behind = Images.new("RGBA", image.size, background)
    return Images.alpha_composite(behind, image).convert("RGB")
