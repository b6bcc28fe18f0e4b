"""Frames of a video to dub: whatever its colours are written as, they are the film's."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from lipsync_kit.engines.preview.dub_pictures import Picture, pictures
from tests.preflight.videos import ffmpeg

FPS = Fraction(25)
SOURCE = "testsrc2=s=320x240:r=25:d=0.4"
FINE = ("-c:v", "libx264", "-crf", "4", "-preset", "ultrafast")


def encoded(path: Path, filters: str, *tags: str) -> list[Picture]:
    """One picture, in some colours, as `pictures` shows it."""
    to_709 = "scale=out_color_matrix=bt709:out_range=tv,format=yuv420p,gblur=sigma=3,"
    tagged = "setparams=colorspace=bt709:color_primaries=bt709:color_trc=bt709:range=tv"
    graph = ",".join(part for part in (to_709 + tagged, filters) if part)
    ffmpeg("-f", "lavfi", "-i", SOURCE, "-vf", graph, *FINE, *tags, path)
    return list(pictures(path, FPS, 0, 10))


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> list[Picture]:
    tags = ("-colorspace", "bt709", "-color_range", "tv")
    return encoded(tmp_path_factory.mktemp("film") / "709.mp4", "", *tags)


@pytest.mark.parametrize(
    ("filters", "tags"),
    [
        ("zscale=m=170m", ("-colorspace", "smpte170m", "-color_range", "tv")),
        ("zscale=m=470bg", ("-colorspace", "bt470bg", "-color_range", "tv")),
        ("zscale=r=full,format=yuvj420p", ("-colorspace", "bt709", "-color_range", "pc")),
        ("zscale=m=170m:r=full,format=yuvj420p", ("-colorspace", "smpte170m")),
    ],
    ids=["BT.601", "BT.470", "full range", "BT.601 in full range"],
)
def test_other_colours_become_the_films(
    film: list[Picture], tmp_path: Path, filters: str, tags: tuple[str, ...]
) -> None:
    for own, other in zip(film, encoded(tmp_path / "v.mp4", filters, *tags), strict=True):
        assert apart(own.luma, other.luma) < 0.8
        assert apart(own.chroma, other.chroma) < 0.8


def test_colours_that_nobody_named_are_left_alone(film: list[Picture], tmp_path: Path) -> None:
    bare = "setparams=colorspace=unknown:color_primaries=unknown:color_trc=unknown:range=unknown"
    for own, other in zip(film, encoded(tmp_path / "v.mp4", bare), strict=True):
        np.testing.assert_array_equal(own.luma, other.luma)
        np.testing.assert_array_equal(own.chroma, other.chroma)


def apart(one: npt.NDArray[np.uint8], other: npt.NDArray[np.uint8]) -> float:
    return float(np.abs(one.astype(int) - other).mean())
