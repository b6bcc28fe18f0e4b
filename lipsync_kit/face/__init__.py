"""Faces in pictures and video: where they are, and 468 points on each.

`find_faces` looks at one picture, `FaceTracker` follows a face through a video, `find_eyes`
looks closely at a face's eyes. All work without a network: the weights are package data (see
`weights/README.md`).
"""

from lipsync_kit.face.eyes import Eye, find_eyes
from lipsync_kit.face.find import find_faces
from lipsync_kit.face.shape import Face
from lipsync_kit.face.track import FaceTracker

__all__ = ["Eye", "Face", "FaceTracker", "find_eyes", "find_faces"]
