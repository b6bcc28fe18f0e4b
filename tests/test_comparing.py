"""Models side by side: what each would send is what ``prep`` would plan for it."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from lipsync_kit.catalog import DEFAULT_MODEL, Comparison, catalog
from lipsync_kit.comparing import compare_models
from lipsync_kit.preparing import Inputs, PrepOptions, prep
from lipsync_kit.project import Layout
from lipsync_kit.schema import Project
from tests.ground_truth.frames import Make, make_clip
from tests.preflight.narrations import speech

SECONDS = 70
SMALL = ("-c:v", "libx264", "-preset", "ultrafast", "-crf", "30", "-g", "50")


@pytest.fixture(autouse=True)
def _nobody_to_look_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Faces take most of the time, and numbered frames have none."""
    monkeypatch.setattr("lipsync_kit.face.find_faces", lambda _: [])


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A driving video longer than any model takes at once, 10 frames a second."""
    path = tmp_path_factory.mktemp("driver") / "driver.mp4"
    make = Make(width=240, height=240, rate=Fraction(10), output=SMALL)
    return make_clip(path, 0, SECONDS * 10, make)


def rows(root: Path) -> dict[str, Comparison]:
    return {row.model.id: row for row in compare_models(root)}


def holds(row: Comparison, project: Project) -> bool:
    """Whether a row says of its model what the plan of the project says."""
    estimate = project.estimate
    usd = None if row.usd is None else round(float(row.usd), 4)
    return (row.chunks, row.billed_seconds, usd) == (
        estimate.chunks,
        estimate.billed_seconds,
        estimate.usd,
    )


@pytest.mark.parametrize(
    "chosen", [{}, {"trim": False}, {"max_chunk": Fraction(9)}], ids=["trimmed", "untrimmed", "9 s"]
)
def test_a_driver_is_cut_as_its_own_plan(
    driver: Path, portrait: Path, tmp_path: Path, chosen: dict[str, Any]
) -> None:
    project = prep(tmp_path, Inputs(image=portrait, video=driver), PrepOptions(**chosen))
    assert holds(rows(tmp_path)[project.model], project)


def test_other_models_are_cut_as_their_own_plans(
    driver: Path, portrait: Path, tmp_path: Path
) -> None:
    inputs = Inputs(image=portrait, video=driver)
    prep(tmp_path / "first", inputs)
    found = rows(tmp_path / "first")
    other = "fal-ai/kling-video/v3/pro/motion-control"
    assert holds(found[other], prep(tmp_path / "other", inputs, PrepOptions(model=other)))


def test_leads_are_counted_where_a_service_trims(
    driver: Path, portrait: Path, tmp_path: Path
) -> None:
    prep(tmp_path, Inputs(image=portrait, video=driver))
    for row in compare_models(tmp_path):
        leads = row.chunks if row.model.trims_first_second else 0
        assert SECONDS + leads <= row.billed_seconds <= SECONDS + leads + row.chunks


def test_a_model_that_can_not_cut_so_short_has_no_row(
    driver: Path, portrait: Path, tmp_path: Path
) -> None:
    untrimming = "fal-ai/wan-motion"
    options = PrepOptions(model=untrimming, max_chunk=Fraction(3, 2))
    prep(tmp_path, Inputs(image=portrait, video=driver), options)
    found = rows(tmp_path)
    assert untrimming in found
    assert DEFAULT_MODEL["motion"] not in found


@pytest.mark.parametrize("forgotten", [False, True])
def test_without_what_was_seen_the_sums_stay(
    driver: Path, portrait: Path, tmp_path: Path, forgotten: bool
) -> None:
    project = prep(tmp_path, Inputs(image=portrait, video=driver))
    watched = Layout(tmp_path).watched
    if forgotten:
        watched.unlink()
    else:
        np.savez(watched, movement=np.zeros(3))
    row = rows(tmp_path)[project.model]
    assert row.chunks == project.estimate.chunks
    assert abs(row.billed_seconds - project.estimate.billed_seconds) <= 1


def test_a_dub_is_cut_in_the_pauses_of_its_sound(driver: Path, tmp_path: Path) -> None:
    sound = tmp_path / "speech.wav"
    soundfile.write(sound, speech(SECONDS)[0], 48_000)
    project = prep(tmp_path / "p", Inputs(video=driver, audio=sound))
    found = rows(tmp_path / "p")
    assert holds(found[project.model], project)
    assert set(found) == {row.id for row in catalog().values() if row.task == "dub"}
