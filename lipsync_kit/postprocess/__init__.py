"""From clips to a film: conform, seams, splice, mux."""

from lipsync_kit.postprocess.ready import SUFFIX, Ready, ready_clips
from lipsync_kit.postprocess.stitch import stitch
from lipsync_kit.postprocess.tile import ClipFacts, Seam, Stitched, StitchOptions, Tile

__all__ = [
    "SUFFIX",
    "ClipFacts",
    "Ready",
    "Seam",
    "StitchOptions",
    "Stitched",
    "Tile",
    "ready_clips",
    "stitch",
]
