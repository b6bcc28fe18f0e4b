"""Any picture in; out comes one that is upright, sRGB and opaque."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from lipsync_kit.errors import UsageError
from tests.preflight.pictures import (
    BLUE,
    GREEN,
    RED,
    YELLOW,
    alike,
    codes,
    corners,
    output,
    png_16_bit,
    prepare,
    quarters,
    swapped_profile,
)


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
