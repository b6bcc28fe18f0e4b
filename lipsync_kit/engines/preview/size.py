"""How large the preview's picture is."""

from __future__ import annotations

from typing import Final

_SIDES: Final = {"1080p": (1080, 1920), "720p": (720, 1280)}


def preview_size(width: int, height: int, resolution: str) -> tuple[int, int]:
    """Width and height in pixels of the preview of a prepared image, both even.

    Its aspect is kept; the short side is 1080 (720) and the long side at most 1920 (1280).
    Whatever lower resolution a model may have is previewed at 720p.
    """
    short, long = _SIDES.get(resolution, _SIDES["720p"])
    scale = min(short / min(width, height), long / max(width, height))
    return 2 * round(width * scale / 2), 2 * round(height * scale / 2)
