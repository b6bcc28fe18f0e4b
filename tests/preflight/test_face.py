"""Faces that a model animates badly are warned of, with numbers; a good one is not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image, ImageEnhance, ImageFilter

from lipsync_kit.preflight.face import FaceCheck
from lipsync_kit.schema import Finding

FACE = Path(__file__).parents[2] / "fixtures" / "portrait.png"
# The face in the shipped portrait: its middle, and its height from forehead to chin.
MIDDLE, HEIGHT = (224, 122), 108


@pytest.fixture(scope="module")
def portrait() -> Image.Image:
    return Image.open(FACE).convert("RGB")


def look(image: Image.Image) -> dict[str, Finding]:
    pixels: npt.NDArray[np.uint8] = np.asarray(image)
    findings = FaceCheck().apply(pixels, "portrait.png")
    assert all(finding.severity == "warning" for finding in findings)
    assert all("portrait.png" in finding.message for finding in findings)
    assert all(finding.hint for finding in findings)
    return {finding.code: finding for finding in findings}


def test_a_good_portrait_has_no_findings(portrait: Image.Image) -> None:
    assert not look(portrait)
    assert not look(portrait.resize((1024, 1024), Image.Resampling.LANCZOS))


def test_no_face(portrait: Image.Image) -> None:
    assert set(look(Image.new("RGB", (640, 480), (90, 120, 90)))) == {"face_none"}
    assert set(look(portrait.crop((0, 260, 512, 512)))) == {"face_none"}


def test_several_faces(portrait: Image.Image) -> None:
    pair = Image.new("RGB", (1024, 512))
    pair.paste(portrait, (0, 0))
    pair.paste(portrait, (512, 0))
    finding = look(pair)["face_several"]
    assert len(finding.data["heights"]) == 2
    assert "2 faces" in finding.message


def test_a_small_rival_is_none(portrait: Image.Image) -> None:
    pair = Image.new("RGB", (1536, 1024))
    pair.paste(portrait.resize((1024, 1024)), (0, 0))
    pair.paste(portrait.resize((400, 400)), (1100, 0))
    assert "face_several" not in look(pair)


def test_too_small(portrait: Image.Image) -> None:
    far = Image.new("RGB", (512, 512), (60, 60, 60))
    far.paste(portrait.resize((320, 320), Image.Resampling.LANCZOS), (96, 96))
    finding = look(far)["face_small"]
    assert finding.data["height"] == pytest.approx(HEIGHT * 320 / 512, abs=4)


def test_cut_off(portrait: Image.Image) -> None:
    close = portrait.crop((MIDDLE[0] - 30, 40, MIDDLE[0] + 170, 240)).resize((800, 800))
    finding = look(close)["face_cut_off"]
    assert 0.04 < finding.data["share"] < 0.6
    assert "%" in finding.message


def test_leaning(portrait: Image.Image) -> None:
    leaning = portrait.rotate(45, Image.Resampling.BICUBIC, center=MIDDLE)
    finding = look(leaning)["face_turned"]
    assert abs(finding.data["roll"]) == pytest.approx(45, abs=8)


def test_turned(portrait: Image.Image) -> None:
    # Turning about the neck narrows a face and moves its nose; a shear of depth can't be had
    # from a flat picture, so the numbers come from a face that is known.
    from dataclasses import replace

    from lipsync_kit.face import find_faces

    face = find_faces(np.asarray(portrait))[0]
    angle = np.radians(50)
    middle = face.landmarks.mean(axis=0)
    turn = np.array(
        [[np.cos(angle), 0, -np.sin(angle)], [0, 1, 0], [np.sin(angle), 0, np.cos(angle)]]
    )
    points = ((face.landmarks - middle) @ turn.T + middle).astype(np.float32)
    finding = FaceCheck()._turn(replace(face, landmarks=points), "portrait.png")
    assert finding is not None
    assert finding.code == "face_turned"
    assert abs(finding.data["yaw"]) == pytest.approx(50, abs=10)
    assert "to the side" in finding.message


def test_dark(portrait: Image.Image) -> None:
    finding = look(ImageEnhance.Brightness(portrait).enhance(0.22))["face_dark"]
    assert finding.data["median"] < 55


def test_blown_out(portrait: Image.Image) -> None:
    finding = look(ImageEnhance.Brightness(portrait).enhance(1.7))["face_blown_out"]
    assert finding.data["white"] > 0.25


@pytest.mark.parametrize("size", [512, 1024])
def test_blurred(portrait: Image.Image, size: int) -> None:
    image = portrait.resize((size, size), Image.Resampling.LANCZOS)
    height = HEIGHT * size / 512
    assert "face_blurred" in look(image.filter(ImageFilter.GaussianBlur(height * 0.02)))
    assert "face_blurred" not in look(image.filter(ImageFilter.GaussianBlur(height * 0.003)))
