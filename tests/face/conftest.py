from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest

RGB = npt.NDArray[np.uint8]


@pytest.fixture(scope="session")
def portrait() -> RGB:
    """The portrait that we ship (512×512, a smiling astronaut), as RGB."""
    (path,) = (Path(__file__).parents[2] / "fixtures").glob("portrait.*")
    picture = cv2.imread(str(path), cv2.IMREAD_COLOR)
    assert picture is not None
    return np.ascontiguousarray(picture[:, :, ::-1])
