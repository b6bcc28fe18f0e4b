"""lipsync-kit: a portrait and a long narration in, one seamless talking video out.

::

    from pathlib import Path
    from lipsync_kit import Inputs, prep, render

    prep(Path("film"), Inputs(image=Path("portrait.jpg"), audio=Path("narration.mp3")))
    film = render(Path("film"))

Everything is imported when it is first used, so that the command line starts at once.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:  # not from typing: importing it would double the time of --help
    from lipsync_kit.preparing import Inputs, PrepOptions, prep
    from lipsync_kit.rendering import RenderOptions, render

__version__ = "0.1.0"
__all__ = ["Inputs", "PrepOptions", "RenderOptions", "__version__", "prep", "render"]

_ROOMS = {
    "Inputs": "preparing",
    "PrepOptions": "preparing",
    "RenderOptions": "rendering",
    "prep": "preparing",
    "render": "rendering",
}


def __getattr__(name: str) -> object:
    """Import a public name from its room."""
    if name not in _ROOMS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(f"{__name__}.{_ROOMS[name]}"), name)
