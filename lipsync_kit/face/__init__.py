"""Faces in pictures and video: where they are, and 468 points on each.

`find_faces` looks at one picture, `FaceTracker` follows a face through a video. Both work
without a network: the weights are package data (see `weights/README.md`).
"""

from lipsync_kit.face.find import find_faces
from lipsync_kit.face.shape import Face
from lipsync_kit.face.track import FaceTracker

__all__ = ["Face", "FaceTracker", "find_faces"]
