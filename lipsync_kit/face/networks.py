"""The networks, run by OpenCV, loaded once per thread."""

import threading
from importlib.resources import as_file, files
from typing import Any, Final

import cv2
import numpy as np
import numpy.typing as npt

Tensor = npt.NDArray[np.float32]

# FaceMesh: presence of a face, and the landmarks; BlazeFace: scores, and boxes with key points;
# the eye: its outline, and its iris.
_OUTPUTS: Final = {
    "face_landmark.tflite": ("conv2d_31", "conv2d_21"),
    "face_detection_short_range.tflite": ("classificators", "regressors"),
    "iris_landmark.tflite": ("output_eyes_contours_and_brows", "output_iris"),
}
_local = threading.local()


def _network(name: str) -> Any:
    # A cv2.dnn network holds its last input: one per thread, none shared or pickled.
    loaded: dict[str, Any] = _local.__dict__.setdefault("networks", {})
    if name not in loaded:
        # OpenCV 5's new graph engine can't run these models, and only a path lets one choose
        # the classic engine; 4.x has no other.
        engine = [cv2.dnn.ENGINE_CLASSIC] if hasattr(cv2.dnn, "ENGINE_CLASSIC") else []
        with as_file(files("lipsync_kit.face").joinpath("weights", name)) as path:
            loaded[name] = cv2.dnn.readNetFromTFLite(str(path), *engine)
    return loaded[name]


def run(name: str, image: Tensor) -> tuple[Tensor, Tensor]:
    """Run a network of `weights/` on `image`, shape (h, w, 3), and return its two outputs.

    Scores (as logits) come first, geometry second, both with the network's own shape; of the
    eye both are geometry.
    """
    network = _network(name)
    network.setInput(np.ascontiguousarray(image.transpose(2, 0, 1)[None]))
    scores, geometry = network.forward(_OUTPUTS[name])
    return np.asarray(scores, np.float32), np.asarray(geometry, np.float32)


def probability(logits: Tensor) -> Tensor:
    """What the networks' logits mean, 0 to 1."""
    return np.asarray(1 / (1 + np.exp(-np.clip(logits, -50, 50))), np.float32)
