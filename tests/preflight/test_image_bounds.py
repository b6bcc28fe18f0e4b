"""Any picture in; out comes one within the bounds, undistorted, with nothing private in it."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lipsync_kit.catalog import ImageLimits
from lipsync_kit.preflight.image import prepare_portrait
from lipsync_kit.project import Layout
from tests.preflight.pictures import (
    BLUE,
    FACE,
    GREEN,
    LIMITS,
    RED,
    YELLOW,
    alike,
    codes,
    corners,
    output,
    png_16_bit,
    prepare,
    quarters,
)


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
