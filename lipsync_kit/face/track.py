"""Follow one face through the frames of a video."""

from typing import Final

import numpy as np
import numpy.typing as npt

from lipsync_kit.face.find import find_faces
from lipsync_kit.face.mesh import mesh, roi_around
from lipsync_kit.face.shape import Face

_PRESENT: Final = 0.5
_REST: Final = 5  # frames between two searches of the whole picture while there is no face


class FaceTracker:
    """Follows the face that it saw last, or the largest one when it has none.

    A tracked frame costs one look of the mesh network (6 to 13 ms of CPU); only a lost face
    makes it search the whole picture again. Frames must be given in order. One per video and
    thread; it pickles as its state.
    """

    def __init__(self) -> None:
        self._last: Face | None = None
        self._rest = 0

    def __call__(self, rgb: npt.NDArray[np.uint8]) -> Face | None:
        """The face in the next frame, shape (h, w, 3), or None where there is none."""
        if self._last is not None:
            face = mesh(rgb, roi_around(self._last.landmarks))
            if face.score >= _PRESENT:
                self._last = face
                return face
        elif self._rest > 0:
            self._rest -= 1
            return None
        faces = find_faces(rgb)
        self._last = self._nearest(faces)
        self._rest = 0 if faces else _REST - 1
        return self._last

    def _nearest(self, faces: list[Face]) -> Face | None:
        if not faces or self._last is None:
            return faces[0] if faces else None
        before = self._last.landmarks[:, :2].mean(axis=0)

        def distance(face: Face) -> float:
            return float(np.linalg.norm(face.landmarks[:, :2].mean(axis=0) - before))

        return min(faces, key=distance)
