import pytest
from hypothesis import given
from hypothesis import strategies as st

from lipsync_kit.engines.preview.size import preview_size


@pytest.mark.parametrize(
    ("image", "resolution", "preview"),
    [
        ((1080, 1080), "1080p", (1080, 1080)),
        ((512, 512), "1080p", (1080, 1080)),
        ((512, 512), "720p", (720, 720)),
        ((1920, 1080), "1080p", (1920, 1080)),
        ((1080, 1920), "720p", (720, 1280)),
        ((1920, 480), "1080p", (1920, 480)),
        ((480, 1920), "720p", (320, 1280)),
        ((800, 1200), "1080p", (1080, 1620)),
    ],
)
def test_known_sizes(image: tuple[int, int], resolution: str, preview: tuple[int, int]) -> None:
    assert preview_size(*image, resolution) == preview


@given(st.integers(480, 1920), st.integers(480, 1920), st.sampled_from(["1080p", "720p"]))
def test_even_within_bounds_and_undistorted(width: int, height: int, resolution: str) -> None:
    w, h = preview_size(width, height, resolution)
    short, long = {"1080p": (1080, 1920), "720p": (720, 1280)}[resolution]
    assert w % 2 == h % 2 == 0
    assert min(w, h) <= short
    assert max(w, h) <= long
    assert min(w, h) == short or max(w, h) == long
    # Rounding to even numbers moves a side by at most a pixel.
    assert abs(w * height - h * width) <= max(width, height)
