"""Any picture in; out comes one within the bounds, upright, sRGB, opaque, undistorted."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image, ImageCms

from lipsync_kit.catalog import ImageLimits
from lipsync_kit.errors import UsageError
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


class TestFormats:
    @pytest.mark.parametrize(
        ("suffix", "options"),
        [
            (".jpg", {"quality": 95}),
            (".png", {}),
            (".webp", {"lossless": True}),
            (".webp", {"quality": 90}),
            (".avif", {"quality": 90}),
            (".heic", {"quality": 90}),
            (".tiff", {"compression": "tiff_lzw"}),
            (".gif", {}),
            (".bmp", {}),
        ],
    )
    def test_every_format_is_read(
        self, tmp_path: Path, suffix: str, options: dict[str, object]
    ) -> None:
        if suffix == ".heic":
            import pillow_heif

            pillow_heif.register_heif_opener()
        source = tmp_path / f"portrait{suffix}"
        corners().save(source, **options)
        prepared = prepare(source)
        assert alike(quarters(output(prepared, source)), [RED, GREEN, BLUE, YELLOW])
        assert "image_wrong_extension" not in codes(prepared)

    @pytest.mark.parametrize("name", ["photo.jpg", "photo.heic", "photo", "photo.txt"])
    def test_a_wrong_extension_is_noticed_and_does_not_matter(
        self, tmp_path: Path, name: str
    ) -> None:
        source = tmp_path / name
        corners().save(source, "PNG")
        prepared = prepare(source)
        assert "image_wrong_extension" in codes(prepared)
        assert alike(quarters(output(prepared, source)), [RED, GREEN, BLUE, YELLOW])
        assert prepared.image.path == "characters/portrait.png"

    @pytest.mark.parametrize(
        "name",
        ["Zoë's “best” portrait.png", "a b  c.png", "肖像 'x'.png", '"quoted".png', "-i.png"],
    )
    def test_names_are_only_names(self, tmp_path: Path, name: str) -> None:
        source = tmp_path / name
        corners().save(source)
        assert output(prepare(source), source).size == (640, 480)

    @pytest.mark.parametrize("suffix", [".gif", ".webp", ".png"])
    def test_of_an_animation_the_first_frame_is_used(self, tmp_path: Path, suffix: str) -> None:
        source = tmp_path / f"moving{suffix}"
        others = [Image.new("RGB", (640, 480), colour) for colour in (RED, BLUE)]
        corners().save(source, save_all=True, append_images=others, duration=100, lossless=True)
        prepared = prepare(source)
        assert "image_animated" in codes(prepared)
        result = output(prepared, source)
        assert alike(quarters(result), [RED, GREEN, BLUE, YELLOW])
        assert getattr(result, "n_frames", 1) == 1

    def test_of_several_pages_the_first_is_used(self, tmp_path: Path) -> None:
        source = tmp_path / "scan.tif"
        corners().save(source, save_all=True, append_images=[Image.new("RGB", (640, 480))])
        prepared = prepare(source)
        assert "image_animated" in codes(prepared)
        assert alike(quarters(output(prepared, source)), [RED, GREEN, BLUE, YELLOW])


class TestOrientation:
    @pytest.mark.parametrize("orientation", range(1, 9))
    @pytest.mark.parametrize("suffix", [".jpg", ".webp", ".tiff"])
    def test_the_picture_stands_upright(
        self, tmp_path: Path, orientation: int, suffix: str
    ) -> None:
        undo = {
            2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180,
            4: Image.Transpose.FLIP_TOP_BOTTOM, 5: Image.Transpose.TRANSPOSE,
            6: Image.Transpose.ROTATE_90, 7: Image.Transpose.TRANSVERSE,
            8: Image.Transpose.ROTATE_270,
        }  # fmt: skip
        stored = corners()
        if orientation in undo:
            stored = stored.transpose(undo[orientation])
        exif = Image.Exif()
        exif[0x0112] = orientation
        source = tmp_path / f"turned{suffix}"
        stored.save(source, exif=exif, quality=95)
        result = output(prepare(source), source)
        assert result.size == (640, 480)
        assert alike(quarters(result), [RED, GREEN, BLUE, YELLOW])
        assert result.getexif().get(0x0112, 1) == 1


class TestColour:
    def test_cmyk_becomes_rgb(self, tmp_path: Path) -> None:
        source = tmp_path / "print.jpg"
        Image.new("RGB", (640, 480), (240, 240, 240)).convert("CMYK").save(source, quality=95)
        prepared = prepare(source)
        assert alike(quarters(output(prepared, source)), [(240, 240, 240)] * 4)
        assert "image_cmyk" in codes(prepared)

    @pytest.mark.parametrize("suffix", [".png", ".tiff"])
    def test_16_bit_grey_is_scaled_not_clipped(self, tmp_path: Path, suffix: str) -> None:
        ramp = np.linspace(0, 65535, 640).astype(np.uint16)
        source = tmp_path / f"deep{suffix}"
        Image.fromarray(np.tile(ramp, (480, 1))).save(source)
        result = np.asarray(output(prepare(source), source))
        expected = np.rint(ramp / 257)
        assert np.abs(result[240, :, 0].astype(int) - expected).max() <= 1
        assert (result == 255).mean() < 0.01

    def test_16_bit_colour_is_scaled_too(self, tmp_path: Path) -> None:
        source = tmp_path / "deep.png"
        source.write_bytes(png_16_bit(np.full((480, 480, 3), (10_000, 30_000, 60_000), np.uint16)))
        result = output(prepare(source), source)
        assert alike(quarters(result), [(39, 117, 233)] * 4, within=1)

    def test_real_numbers_are_scaled(self, tmp_path: Path) -> None:
        source = tmp_path / "float.tiff"
        Image.fromarray(np.tile(np.linspace(0, 1, 640, dtype=np.float32), (480, 1))).save(source)
        result = np.asarray(output(prepare(source), source))[240, :, 0]
        assert result[0] == 0
        assert result[-1] == 255
        assert abs(int(result[320]) - 128) <= 1

    @pytest.mark.parametrize("mode", ["P", "L", "1", "LA"])
    def test_every_mode_becomes_rgb(self, tmp_path: Path, mode: str) -> None:
        source = tmp_path / "mode.png"
        Image.new("RGB", (640, 480), (255, 255, 255)).convert(mode).save(source)
        assert alike(quarters(output(prepare(source), source)), [(255, 255, 255)] * 4, within=1)

    def test_a_wide_gamut_profile_is_converted(self, tmp_path: Path) -> None:
        # A profile whose red and green primaries changed places shows whether it was used.
        source = tmp_path / "p3.png"
        corners().save(source, icc_profile=swapped_profile())
        prepared = prepare(source)
        assert "image_profile" in codes(prepared)
        result = output(prepared, source)
        assert "icc_profile" not in result.info
        found = quarters(result)
        assert found[0][1] > found[0][0] + 60  # what was stored as red shows as green
        assert found[1][0] > found[1][1] + 60

    def test_an_srgb_profile_changes_nothing(self, tmp_path: Path) -> None:
        profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
        source = tmp_path / "srgb.png"
        corners().save(source, icc_profile=profile)
        prepared = prepare(source)
        assert "image_profile" not in codes(prepared)
        assert quarters(output(prepared, source)) == [RED, GREEN, BLUE, YELLOW]

    def test_a_broken_profile_is_a_finding(self, tmp_path: Path) -> None:
        source = tmp_path / "broken.png"
        corners().save(source, icc_profile=b"not a profile at all")
        prepared = prepare(source)
        assert "image_bad_profile" in codes(prepared)
        assert alike(quarters(output(prepared, source)), [RED, GREEN, BLUE, YELLOW])

    @pytest.mark.parametrize("background", ["#808080", "#ff8800", "white"])
    def test_transparency_shows_the_background(self, tmp_path: Path, background: str) -> None:
        cut_out = corners()
        cut_out.putalpha(Image.new("L", cut_out.size, 0))
        cut_out.paste((*RED, 255), (0, 0, 320, 240))
        cut_out.paste((*RED, 128), (320, 0, 640, 240))
        source = tmp_path / "cut-out.png"
        cut_out.save(source)
        prepared = prepare(source, background=background)
        behind = Image.new("RGB", (1, 1), background).getpixel((0, 0))
        half = tuple((a + b) // 2 for a, b in zip(RED, behind, strict=True))  # type: ignore[arg-type]
        wanted = [RED, half, behind, behind]
        assert alike(quarters(output(prepared, source)), wanted, within=2)  # type: ignore[arg-type]
        assert "image_flattened" in codes(prepared)

    def test_a_palette_with_a_transparent_entry_too(self, tmp_path: Path) -> None:
        picture = Image.new("P", (640, 480), 0)
        picture.putpalette([255, 0, 255, 10, 200, 30])
        picture.paste(1, (0, 0, 320, 480))
        source = tmp_path / "sticker.gif"
        picture.save(source, transparency=0)
        found = quarters(output(prepare(source), source))
        assert alike(found, [(10, 200, 30), (128, 128, 128)] * 2, within=2)

    def test_alpha_that_hides_nothing_is_no_finding(self, tmp_path: Path) -> None:
        source = tmp_path / "opaque.png"
        corners().convert("RGBA").save(source)
        assert "image_flattened" not in codes(prepare(source))

    def test_a_colour_that_is_none_is_wrong_usage(self, tmp_path: Path) -> None:
        source = tmp_path / "portrait.png"
        corners().save(source)
        with pytest.raises(UsageError, match="not a colour"):
            prepare(source, background="purplish")


class TestBounds:
    @pytest.mark.parametrize(
        ("size", "wanted"),
        [
            ((4000, 3000), (1440, 1080)),
            ((3000, 4000), (1080, 1440)),
            ((6000, 2000), (1920, 640)),
            ((474, 474), (480, 480)),
            ((300, 600), (480, 960)),
            ((1920, 1080), (1920, 1080)),
            ((1080, 1920), (1080, 1920)),
            ((1921, 1080), (1920, 1079)),
            ((3840, 960), (1920, 480)),
        ],
    )
    def test_scaled_whole(
        self, tmp_path: Path, size: tuple[int, int], wanted: tuple[int, int]
    ) -> None:
        source = tmp_path / "size.png"
        corners(*size).save(source, compress_level=1)
        prepared = prepare(source)
        result = output(prepared, source)
        assert result.size == wanted
        assert alike(quarters(result), [RED, GREEN, BLUE, YELLOW], within=2)
        assert not {"image_padded", "image_cropped", "image_upscaled"} & codes(prepared)

    def test_a_circle_stays_a_circle(self, tmp_path: Path) -> None:
        across, down = np.meshgrid(np.arange(3000), np.arange(2000))
        disc = np.hypot(across - 1500, down - 1000) < 700
        source = tmp_path / "circle.png"
        Image.fromarray((disc * 255).astype(np.uint8)).convert("RGB").save(source)
        inside = np.asarray(output(prepare(source), source))[..., 0] > 127
        width, height = inside.any(axis=0).sum(), inside.any(axis=1).sum()
        assert abs(int(width) - int(height)) <= 1

    def test_much_too_small_is_a_finding_with_its_number(self, tmp_path: Path) -> None:
        source = tmp_path / "stamp.png"
        corners(96, 120).save(source)
        prepared = prepare(source)
        (finding,) = (f for f in prepared.findings if f.code == "image_upscaled")
        assert finding.data["scale"] == 5.0
        assert "5.0 times" in finding.message
        assert output(prepared, source).size == (480, 600)

    def test_a_strip_without_a_face_gets_bars(self, tmp_path: Path) -> None:
        source = tmp_path / "strip.png"
        corners(2400, 200).save(source)
        prepared = prepare(source, background="#102030")
        result = output(prepared, source)
        assert "image_padded" in codes(prepared)
        assert result.size == (1920, 480)
        assert result.getpixel((960, 5)) == (16, 32, 48)
        assert alike([result.getpixel((100, 200))], [RED], within=2)  # type: ignore[list-item]

    def test_a_strip_with_a_small_face_is_cropped_around_it(self, tmp_path: Path) -> None:
        panorama = Image.new("RGB", (4096, 512), (90, 110, 120))
        panorama.paste(Image.open(FACE).convert("RGB"), (3000, 0))
        source = tmp_path / "panorama.jpg"
        panorama.save(source, quality=95)
        prepared = prepare(source)
        assert "image_cropped" in codes(prepared)
        assert "face_none" not in codes(prepared)
        width, height = output(prepared, source).size
        assert (height, 480 <= height <= 1080) == (512, True)
        assert width <= 4 * height

    @pytest.mark.parametrize("size", [(1, 1), (5000, 1), (1, 900), (481, 2), (2, 2)])
    def test_absurd_sizes_still_fit(self, tmp_path: Path, size: tuple[int, int]) -> None:
        source = tmp_path / "absurd.png"
        Image.new("RGB", size, RED).save(source)
        width, height = output(prepare(source), source).size
        assert min(width, height) >= 480
        assert max(width, height) <= 1920


class TestBytes:
    def test_png_when_it_fits(self, tmp_path: Path) -> None:
        source = tmp_path / "flat.webp"
        corners(2000, 1500).save(source, lossless=True)
        assert prepare(source).image.path.endswith(".png")

    def test_noise_becomes_the_best_jpeg_that_fits(self, tmp_path: Path) -> None:
        noise = np.random.default_rng(1).integers(0, 256, (1080, 1920, 3)).astype(np.uint8)
        source = tmp_path / "noise.png"
        Image.fromarray(noise).save(source, compress_level=1)
        prepared = prepare(source)
        assert prepared.image.path == "characters/portrait.jpg"
        assert 0.8 * LIMITS.max_bytes < prepared.image.bytes <= LIMITS.max_bytes
        error = np.asarray(output(prepared, source), float) - noise
        assert np.sqrt((error**2).mean()) < 12

    @pytest.mark.parametrize("most", [900_000, 1_300_000, 2_500_000])
    def test_a_tighter_limit_is_kept_too(self, tmp_path: Path, most: int) -> None:
        noise = np.random.default_rng(1).integers(0, 256, (800, 1200, 3)).astype(np.uint8)
        source = tmp_path / "noise.bmp"
        Image.fromarray(noise).save(source)
        layout = Layout(tmp_path / "project")
        limits = ImageLimits(max_bytes=most)
        prepared = prepare_portrait(source, layout=layout, limits=limits)
        assert 0.6 * most < prepared.image.bytes <= most

    @pytest.mark.parametrize(
        ("suffix", "options"),
        [
            (".jpg", {"quality": 90}),
            (".jpg", {"quality": 80, "progressive": True}),
            (".jpg", {"quality": 90, "dpi": (300, 300)}),
            (".png", {"dpi": (300, 300)}),
        ],
    )
    def test_what_fits_already_is_kept_byte_for_byte(
        self, tmp_path: Path, suffix: str, options: dict[str, object]
    ) -> None:
        source = tmp_path / f"fits{suffix}"
        corners().save(source, **options)
        prepared = prepare(source)
        kept = tmp_path / "project" / prepared.image.path
        assert kept.read_bytes() == source.read_bytes()
        assert codes(prepared) == {"face_none"}

    def test_harmless_exif_is_no_reason_to_touch_it(self, tmp_path: Path) -> None:
        exif = Image.Exif()
        exif[0x0112], exif[0x0128] = 1, 2
        source = tmp_path / "fits.jpg"
        corners().save(source, exif=exif)
        kept = tmp_path / "project" / prepare(source).image.path
        assert kept.read_bytes() == source.read_bytes()

    def test_a_16_bit_png_is_not_kept(self, tmp_path: Path) -> None:
        source = tmp_path / "deep.png"
        source.write_bytes(png_16_bit(np.full((480, 480, 3), 30_000, np.uint16)))
        kept = tmp_path / "project" / prepare(source).image.path
        assert kept.read_bytes()[24] == 8  # bit depth in IHDR


class TestPrivacy:
    def private_exif(self) -> Image.Exif:
        exif = Image.Exif()
        exif[0x010F], exif[0x0110] = "Canon", "EOS of Jane Doe"
        place = {1: "N", 2: (52.0, 31.0, 0.0), 3: "E", 4: (13.0, 24.0, 0.0)}
        exif.get_ifd(0x8825).update(place)
        return exif

    @pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tiff"])
    @pytest.mark.parametrize("size", [(640, 480), (2400, 1800)])
    def test_position_and_camera_are_not_sent(
        self, tmp_path: Path, suffix: str, size: tuple[int, int]
    ) -> None:
        source = tmp_path / f"holiday{suffix}"
        corners(*size).save(source, exif=self.private_exif())
        prepared = prepare(source)
        result = output(prepared, source)
        assert not dict(result.getexif())
        assert b"Jane Doe" not in (tmp_path / "project" / prepared.image.path).read_bytes()
        (finding,) = (f for f in prepared.findings if f.code == "image_metadata")
        # Pillow can't write a position into a TIFF.
        assert ("camera data" if suffix == ".tiff" else "GPS position") in finding.message

    @pytest.mark.parametrize("suffix", [".jpg", ".png"])
    def test_metadata_goes_and_pixels_stay(self, tmp_path: Path, suffix: str) -> None:
        source = tmp_path / f"holiday{suffix}"
        noise = np.random.default_rng(0).integers(0, 256, (480, 640, 3)).astype(np.uint8)
        Image.fromarray(noise).save(source, exif=self.private_exif(), quality=90)
        result = output(prepare(source), source)
        assert np.array_equal(np.asarray(result), np.asarray(Image.open(source)))

    def test_comments_thumbnails_and_appendices_go(self, tmp_path: Path) -> None:
        buffer = io.BytesIO()
        corners().save(buffer, "JPEG", comment=b"from Jane", xmp=b"<x:xmpmeta>Jane</x:xmpmeta>")
        source = tmp_path / "phone.jpg"
        source.write_bytes(buffer.getvalue() + b"a video of Jane that follows the picture")
        prepared = prepare(source)
        assert b"Jane" not in (tmp_path / "project" / prepared.image.path).read_bytes()
        assert alike(quarters(output(prepared, source)), [RED, GREEN, BLUE, YELLOW])

    def test_text_in_a_png_goes(self, tmp_path: Path) -> None:
        from PIL.PngImagePlugin import PngInfo

        notes = PngInfo()
        notes.add_text("Author", "Jane")
        notes.add_itxt("parameters", "a portrait of Jane", zip=True)
        source = tmp_path / "made.png"
        corners().save(source, pnginfo=notes)
        result = output(prepare(source), source)
        assert not result.text  # type: ignore[attr-defined]


class TestAgain:
    def test_a_second_run_does_nothing(self, tmp_path: Path) -> None:
        source = tmp_path / "portrait.webp"
        corners(2000, 1500).save(source)
        first = prepare(source)
        made = tmp_path / "project" / first.image.path
        before = made.stat()
        assert prepare(source) == first
        assert made.stat().st_mtime_ns == before.st_mtime_ns
        assert made.stat().st_ino == before.st_ino

    def test_another_picture_or_background_is_prepared_anew(self, tmp_path: Path) -> None:
        source = tmp_path / "portrait.png"
        corners().convert("RGBA").resize((700, 700)).save(source)
        transparent = Image.new("RGBA", (700, 700))
        transparent.save(source)
        first = output(prepare(source, background="#000000"), source).getpixel((9, 9))
        second = output(prepare(source, background="#ffffff"), source).getpixel((9, 9))
        assert (first, second) == ((0, 0, 0), (255, 255, 255))
        corners().save(source)
        assert output(prepare(source), source).size == (640, 480)

    def test_no_stale_portrait_stays_beside_the_new_one(self, tmp_path: Path) -> None:
        for name in ("one.png", "two.jpg"):
            corners().save(tmp_path / name)
            prepare(tmp_path / name)
        left = [path.name for path in (tmp_path / "project" / "characters").iterdir()]
        assert left == ["portrait.jpg"]

    def test_a_touched_result_is_made_again(self, tmp_path: Path) -> None:
        source = tmp_path / "portrait.png"
        corners().save(source)
        made = tmp_path / "project" / prepare(source).image.path
        made.write_bytes(b"spoiled")
        assert output(prepare(source), source).size == (640, 480)


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
