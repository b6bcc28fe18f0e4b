"""Look for the face that shall speak, and say with numbers what may go wrong with it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from lipsync_kit.recipe import stage
from lipsync_kit.schema import Finding

if TYPE_CHECKING:
    from lipsync_kit.face import Face

Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Light:
    """Of the skin: median brightness 0…255, and shares of it that are black or white."""

    median: float
    black: float
    white: float


@stage("image.face", version=1)
class FaceCheck:
    """Warn of faces that a model animates badly, or not at all.

    ``smallest``: pixels from forehead to chin. ``rival``: how large a second face may be, of
    the largest. ``outside``: share of the face beyond the picture's edge. ``turned``:
    degrees from facing the camera. ``dark``/``bright``: median brightness of the skin.
    ``lost``: share of skin without drawing, black or white. ``blurred``: see :func:`detail`.
    """

    smallest: int = 96
    rival: float = 0.5
    outside: float = 0.04
    turned: float = 30.0
    dark: float = 55.0
    bright: float = 235.0
    lost: float = 0.25
    blurred: float = 0.09

    def apply(self, pixels: Pixels, name: str) -> tuple[Finding, ...]:
        """Look at the prepared picture, RGB of shape (height, width, 3); ``name`` it."""
        from lipsync_kit.face import find_faces

        faces = find_faces(pixels)
        if not faces:
            return (_none(name),)
        face = faces[0]
        findings = [
            self._rivals(faces, name),
            self._size(face, name),
            self._edges(face, pixels, name),
            self._turn(face, name),
            self._light(face, pixels, name),
            self._detail(face, pixels, name),
        ]
        return tuple(finding for finding in findings if finding is not None)

    def _rivals(self, faces: list[Face], name: str) -> Finding | None:
        heights = [round(face.height) for face in faces]
        rivals = [height for height in heights[1:] if height >= self.rival * heights[0]]
        if not rivals:
            return None
        return _warning(
            "face_several",
            f"{name}: {1 + len(rivals)} faces of like size "
            f"({', '.join(str(h) for h in [heights[0], *rivals])} pixels high); "
            "the largest is taken to speak.",
            "Crop the picture to the one who speaks.",
            heights=heights,
        )

    def _size(self, face: Face, name: str) -> Finding | None:
        if face.height >= self.smallest:
            return None
        return _warning(
            "face_small",
            f"{name}: the face is {face.height:.0f} pixels high in the prepared picture; "
            f"{self.smallest} or more look good.",
            "Crop closer, or use a picture of higher resolution.",
            height=round(face.height),
        )

    def _edges(self, face: Face, pixels: Pixels, name: str) -> Finding | None:
        height, width = pixels.shape[:2]
        points = face.landmarks[:, :2]
        beyond = ((points < 0) | (points > (width - 1, height - 1))).any(axis=1)
        share = float(beyond.mean())
        if share <= self.outside:
            return None
        return _warning(
            "face_cut_off",
            f"{name}: the picture's edge cuts off about {share:.0%} of the face.",
            "Use a picture with the whole face and some room around it.",
            share=round(share, 3),
        )

    def _turn(self, face: Face, name: str) -> Finding | None:
        turns = {"to the side": face.yaw, "up or down": face.pitch, "over": face.roll}
        how, degrees = max(turns.items(), key=lambda turn: abs(turn[1]))
        if abs(degrees) <= self.turned:
            return None
        verb = "leans" if how == "over" else "is turned"
        return _warning(
            "face_turned",
            f"{name}: the face {verb} {how} by {abs(degrees):.0f}°; "
            f"up to {self.turned:g}° work well.",
            "Use a picture that faces the camera.",
            yaw=round(face.yaw),
            pitch=round(face.pitch),
            roll=round(face.roll),
        )

    def _light(self, face: Face, pixels: Pixels, name: str) -> Finding | None:
        light = light_on(face, pixels)
        if light.median < self.dark or light.black > self.lost:
            word, hint = "dark", "Brighten the picture, or use one with more light on the face."
        elif light.median > self.bright or light.white > self.lost:
            word, hint = "blown out", "Use a picture that is exposed for the face."
        else:
            return None
        return _warning(
            f"face_{word.replace(' ', '_')}",
            f"{name}: the face is {word}: median brightness {light.median:.0f} of 255, "
            f"{light.black:.0%} of it black, {light.white:.0%} white.",
            hint,
            median=round(light.median),
            black=round(light.black, 3),
            white=round(light.white, 3),
        )

    def _detail(self, face: Face, pixels: Pixels, name: str) -> Finding | None:
        sharpness = detail(face, pixels)
        if sharpness >= self.blurred:
            return None
        return _warning(
            "face_blurred",
            f"{name}: the face is blurred (detail {sharpness:.3f}; {self.blurred:g} or more "
            "is usual).",
            "Use a sharper picture.",
            detail=round(sharpness, 4),
        )


def _none(name: str) -> Finding:
    return _warning(
        "face_none",
        f"{name}: no face was found. Photos, paintings and drawings of people work; animals, "
        "profiles and backs of heads usually don't.",
        "Use a picture of a face that looks at the camera. A preview without a face moves "
        "only the camera.",
    )


def _warning(code: str, message: str, hint: str, **data: object) -> Finding:
    return Finding(code=code, severity="warning", message=message, hint=hint, data=dict(data))


def light_on(face: Face, pixels: Pixels) -> Light:
    """How the skin between brows, ears and chin is lit (luma, ITU-R BT.709)."""
    from lipsync_kit.face import topology

    luma = _luma(pixels)
    skin = _inside(face.landmarks[list(topology.OVAL), :2], luma.shape)
    values = luma[skin] if skin.any() else luma.ravel()
    return Light(
        median=float(np.median(values)),
        black=float((values < 16).mean()),
        white=float((values > 250).mean()),
    )


def detail(face: Face, pixels: Pixels) -> float:
    """How sharp eyes and mouth are: the finest detail over the coarse, independent of contrast.

    The face is brought to 160 pixels of height; energy of its Laplacian (Pech-Pacheco et al.
    2000) over that of its brightness.
    """
    import cv2

    x, y, w, h = (round(value) for value in face.box)
    height, width = pixels.shape[:2]
    cut = pixels[max(0, y) : min(height, y + h), max(0, x) : min(width, x + w)]
    scale = 160 / max(1.0, face.height)
    size = (max(8, round(cut.shape[1] * scale)), max(8, round(cut.shape[0] * scale)))
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    luma = _luma(np.asarray(cv2.resize(cut, size, interpolation=how), np.uint8))
    edges = cv2.Laplacian(luma, cv2.CV_32F)
    return float(np.sqrt((edges**2).mean()) / max(float(luma.std()), 1.0))


def _luma(pixels: Pixels) -> npt.NDArray[np.float32]:
    weights = np.array([0.2126, 0.7152, 0.0722], np.float32)
    return np.asarray(pixels.astype(np.float32) @ weights, np.float32)


def _inside(outline: npt.NDArray[np.float32], shape: tuple[int, ...]) -> npt.NDArray[np.bool_]:
    import cv2

    mask = np.zeros(shape[:2], np.uint8)
    cv2.fillPoly(mask, [np.rint(outline).astype(np.int32)], (1,))
    return mask.astype(bool)
