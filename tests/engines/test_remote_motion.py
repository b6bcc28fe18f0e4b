"""Motion through a paid engine: no frame of a long driver is lost or shown twice."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from lipsync_kit.preparing import Inputs, PrepOptions, prep
from lipsync_kit.rendering import RenderOptions, render
from tests.fal_server import FalServer
from tests.ground_truth.frames import Make, make_clip, read_mark

pytestmark = pytest.mark.slow

FAL = RenderOptions(engine="fal", yes=True, poll_interval=0.02, timeout=60, seams="cut")
SECONDS = 95
RATE = Fraction(12_000, 1001)
FRAMES = int(SECONDS * RATE)


@pytest.fixture
def fal(monkeypatch: pytest.MonkeyPatch) -> Iterator[FalServer]:
    with FalServer(run_seconds=0.0) as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        yield server


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A long driver, every frame of which says its number."""
    path = tmp_path_factory.mktemp("driver") / "driver.mp4"
    fast = ("-c:v", "libx264", "-preset", "ultrafast", "-crf", "20", "-g", "250")
    return make_clip(path, 0, FRAMES, Make(width=256, height=256, rate=RATE, output=fast))


def numbers(path: Path) -> list[int | None]:
    """The number that each frame says."""
    from lipsync_kit.media.probe import opened

    with opened(path) as container:
        marks = [
            read_mark(np.asarray(frame.to_ndarray()[: frame.height], np.uint8))
            for frame in container.decode(video=0)
        ]
    return [mark.frame if mark else None for mark in marks]


@pytest.mark.parametrize(("trim", "trimmed"), [(True, True), (True, False), (False, False)])
def test_a_long_driver_is_joined_frame_for_frame(
    fal: FalServer, driver: Path, portrait: Path, tmp_path: Path, trim: bool, trimmed: bool
) -> None:
    fal.counter.trims = trimmed  # a service that does not do what it says is not trusted
    project = prep(tmp_path / "p", Inputs(image=portrait, video=driver), PrepOptions(trim=trim))
    assert len(project.chunks) == 4
    rendered = render(tmp_path / "p", FAL)
    assert rendered.video is not None
    assert [job.arguments["trim_first_second"] for job in fal.jobs] == [trim] * 4
    assert not [one for one in rendered.findings if one.code == "clip_short"]
    assert numbers(Path(rendered.video.path)) == list(range(FRAMES))
