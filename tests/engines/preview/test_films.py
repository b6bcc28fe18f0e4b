"""What the preview engine says of whole films."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import soundfile

from lipsync_kit.engines.base import ClipRequest
from lipsync_kit.engines.preview.films import open_film
from lipsync_kit.progress import Silent
from lipsync_kit.project import Layout
from lipsync_kit.schema import Audio, Chunk, Estimate, Project, Video
from tests.engines.preview import dub_films

FRAMES = 12


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> tuple[Layout, Project]:
    """Half a second of one person, prepared to be dubbed to silence."""
    layout = Layout(tmp_path_factory.mktemp("dub"))
    layout.driving.parent.mkdir(parents=True)
    layout.sound(0).parent.mkdir(parents=True)
    dub_films.write(layout.driving, dub_films.talking(dub_films.chatter(FRAMES)))
    samples = FRAMES * 1920
    soundfile.write(layout.sound(0), np.zeros(samples), 48_000)
    path, side, fps = layout.relative(layout.driving), dub_films.SIDE, Fraction(25)
    sound = layout.relative(layout.sound(0))
    whole = Chunk(
        index=0, start=0, end=samples, sent_start=0, sent_end=samples, path=sound, cut="end",
        sha256="0",
    )  # fmt: skip
    return layout, Project(
        task="dub",
        model="fal-ai/pixverse/lipsync",
        fps=fps,
        audio=Audio(path="audio/master.wav", sample_rate=48_000, samples=samples),
        video=Video(path=path, width=side, height=side, bytes=1, fps=fps, frames=FRAMES),
        chunks=(whole,),
        estimate=Estimate(billed_seconds=3, usd=0.12),
    )


@pytest.mark.parametrize(("face", "codes"), [(0, []), (1, ["no_such_face"])])
def test_a_face_that_is_not_there_is_said(
    project: tuple[Layout, Project], face: int, codes: list[str]
) -> None:
    found = open_film(*project, face, Silent()).faults()
    assert [finding.code for finding in found] == codes
    for finding in found:
        assert "--face 1: no more than one face" in finding.message
        assert finding.severity == "warning"


def test_another_face_is_another_clip(project: tuple[Layout, Project]) -> None:
    request = ClipRequest(
        index=0, take=1, task="dub", first_frame=0, frames=FRAMES, fps=Fraction(25), seed=0,
        resolution="1080p",
    )  # fmt: skip
    first, other, again = (open_film(*project, face, Silent()).key(request) for face in (0, 1, 0))
    assert first == again != other
