"""Chained chunks: each begins with the last frame of the one before, and is paid once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import soundfile
from PIL import Image

from lipsync_kit.engines.chain import waves
from lipsync_kit.errors import BudgetError, UsageError
from lipsync_kit.paid import jobs
from lipsync_kit.preparing import Inputs, PrepOptions, prep
from lipsync_kit.project import load
from lipsync_kit.rendering import RenderOptions, render
from tests.fal_server import FalServer

pytestmark = pytest.mark.slow

CHAIN = RenderOptions(
    engine="fal", yes=True, continuity="chain", poll_interval=0.02, timeout=20, seams="cut"
)


@pytest.fixture
def fal(monkeypatch: pytest.MonkeyPatch) -> Iterator[FalServer]:
    with FalServer(run_seconds=0.0) as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        yield server


@pytest.fixture
def root(portrait: Path, narration: Path, tmp_path: Path) -> Path:
    """A project of six chunks or more."""
    sound, rate = soundfile.read(narration, frames=24 * 24_000)
    soundfile.write(tmp_path / "speech.wav", sound, rate)
    options = PrepOptions(max_chunk=5, resolution="720p")  # type: ignore[arg-type]
    project = prep(
        tmp_path / "film", Inputs(image=portrait, audio=tmp_path / "speech.wav"), options
    )
    assert len(project.chunks) >= 6
    return tmp_path / "film"


def uploaded(fal: FalServer, url: str) -> bytes:
    return fal.counter.files[url.partition("/uploads/")[2]]


def pictures(fal: FalServer, root: Path) -> list[bytes]:
    """What each chunk began with, in the order of the film."""
    sent = {
        uploaded(fal, job.arguments["audio_url"]): uploaded(fal, job.arguments["image_url"])
        for job in fal.jobs
    }
    return [sent[(root / str(chunk.path)).read_bytes()] for chunk in load(root).chunks]


def test_waves_begin_at_the_portrait_again_and_again(root: Path) -> None:
    project = load(root)
    found = waves(project)
    assert sorted(index for wave in found for index in wave) == list(range(len(project.chunks)))
    assert found[0][:2] == [0, 4]


def test_each_chunk_begins_where_the_last_one_ended(fal: FalServer, root: Path) -> None:
    project = load(root)
    rendered = render(root, CHAIN)
    assert rendered.video is not None
    assert len(fal.billed) == len(project.chunks)
    portrait = (root / project.image.path).read_bytes() if project.image else b""
    begun = pictures(fal, root)
    assert [picture == portrait for picture in begun] == [
        index in waves(project)[0] for index in range(len(begun))
    ]
    for picture in begun:
        image = Image.open(BytesIO(picture)).convert("RGB")
        colour, wanted = np.asarray(image), np.asarray(Image.open(BytesIO(portrait)))
        assert len(picture) <= 4_700_000
        assert np.abs(colour.mean(axis=(0, 1)) - wanted.mean(axis=(0, 1))).max() < 16


def test_a_second_run_sends_nothing_and_the_list_knows_the_chain(
    fal: FalServer, root: Path
) -> None:
    first = render(root, CHAIN)
    again = render(root, CHAIN)
    assert again.video == first.video
    assert len(fal.jobs) == len(load(root).chunks)
    assert {row["state"] for row in jobs(root)} == {"done"}


def test_a_chain_above_the_cap_is_not_begun(fal: FalServer, root: Path) -> None:
    with pytest.raises(BudgetError):
        render(root, replace(CHAIN, max_cost=Decimal("2.0")))
    assert fal.jobs == []


def test_a_chain_within_the_cap_is_finished(fal: FalServer, root: Path) -> None:
    estimate = load(root).estimate.usd
    render(root, replace(CHAIN, max_cost=Decimal(str(round(estimate + 0.01, 2)))))
    assert len(fal.billed) == len(load(root).chunks)


def test_a_retake_in_a_chain_makes_what_follows_it_anew(fal: FalServer, root: Path) -> None:
    render(root, CHAIN)
    before = len(fal.jobs)
    rendered = render(root, replace(CHAIN, retake=(2,)))
    assert rendered.chunks[2].take == 2
    assert 1 <= len(fal.jobs) - before <= 2  # chunk 2, and chunk 3 if its last frame changed


def test_a_chain_cannot_be_left_to_the_queue(fal: FalServer, root: Path) -> None:
    with pytest.raises(UsageError):
        render(root, replace(CHAIN, submit_only=True))
    with pytest.raises(UsageError):
        render(root, replace(CHAIN, engine="preview"))
    assert fal.jobs == []
