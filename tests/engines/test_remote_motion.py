"""Motion through a paid engine: the film shows the driver's own frames, in step."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from lipsync_kit.preparing import Inputs, PrepOptions, prep
from lipsync_kit.rendering import RenderOptions, render
from tests.fal_server import FalServer

pytestmark = pytest.mark.slow

FAL = RenderOptions(engine="fal", yes=True, poll_interval=0.02, timeout=20, seams="cut")


@pytest.fixture
def fal(monkeypatch: pytest.MonkeyPatch) -> Iterator[FalServer]:
    with FalServer(run_seconds=0.0) as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        yield server


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """34 s in which every frame differs from every other."""
    import ffmpeg as graph

    from lipsync_kit.media import ffmpeg

    path = tmp_path_factory.mktemp("driver") / "driver.mp4"
    source = graph.input("testsrc2=s=256x256:r=25:d=34", f="lavfi")
    ffmpeg.run(source.output(f"file:{path}", **{"c:v": "libx264", "g": 50}), "driver")
    return path


def luma(path: Path) -> npt.NDArray[np.int16]:
    """Every frame's luma as it is stored, every eighth pixel: (frames, 32, 32)."""
    from lipsync_kit.media.probe import opened

    with opened(path) as container:
        planes = [
            frame.to_ndarray()[: frame.height : 8, : frame.width : 8]
            for frame in container.decode(video=0)
        ]
    return np.stack(planes).astype(np.int16)


@pytest.mark.parametrize(("trim", "trimmed"), [(True, True), (True, False), (False, False)])
def test_the_film_is_in_step_with_its_driver(
    fal: FalServer, driver: Path, portrait: Path, tmp_path: Path, trim: bool, trimmed: bool
) -> None:
    fal.counter.trims = trimmed  # a service that does not do what it says is not trusted
    project = prep(tmp_path / "p", Inputs(image=portrait, video=driver), PrepOptions(trim=trim))
    assert len(project.chunks) == 2
    rendered = render(tmp_path / "p", FAL)
    assert rendered.video is not None
    assert [job.arguments["trim_first_second"] for job in fal.jobs] == [trim, trim]
    assert not [one for one in rendered.findings if one.code == "clip_short"]
    made, wanted = luma(Path(rendered.video.path)), luma(driver)
    assert len(made) == len(wanted)
    apart = [np.abs(made[: len(made) - shift] - wanted[shift:]).mean() for shift in (0, 1, 5, 25)]
    assert apart[0] < 2
    assert apart[0] < min(apart[1:]) / 3
