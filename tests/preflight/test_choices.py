"""What else a plan could be: every preference in numbers, said where they differ."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lipsync_kit.comparing import compare_models
from lipsync_kit.plan.cuts import WEIGHTS
from lipsync_kit.preflight import audio
from lipsync_kit.preflight.audio import Narration
from lipsync_kit.preflight.sound_hearing import Hearing
from lipsync_kit.preflight.sound_plan import Planner, PlanOptions, pauses_of
from lipsync_kit.preflight.sound_plan_findings import other_choices
from lipsync_kit.preparing import Inputs, PrepOptions, prep
from tests.preflight.narrations import codes, prepare, speech, talk_model, write

PREFERENCES = sorted(WEIGHTS)


@pytest.fixture(scope="module")
def minutes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four minutes of synthetic speech at 16 kHz."""
    voice, _ = speech(240, 16_000)
    return write(tmp_path_factory.mktemp("speech") / "narration.wav", voice, 16_000)


def said(narration: Narration) -> dict[str, Any]:
    (finding,) = [item for item in narration.findings if item.code == "preferences"]
    assert finding.severity == "info"
    assert finding.data["prefer"] in finding.message
    return finding.data


def in_numbers(narration: Narration) -> dict[str, Any]:
    """A plan as its chunks say it."""
    inner = narration.chunks[:-1]
    return {
        "chunks": len([chunk for chunk in narration.chunks if chunk.kind == "talk"]),
        "seams": len(inner),
        "billed_seconds": narration.estimate.billed_seconds,
        "usd": narration.estimate.usd,
        "cuts_in_speech": sum(chunk.cut == "valley" for chunk in inner),
        "cuts_in_short_pauses": sum(
            chunk.cut == "pause" and chunk.pause_ms < 350 for chunk in inner
        ),
    }


@pytest.mark.parametrize("skip", [None, Fraction(1, 2)], ids=["all", "without silences"])
def test_what_is_said_of_a_preference_is_what_it_gives(
    skip: Fraction | None, minutes: Path, tmp_path: Path
) -> None:
    made = {
        prefer: prepare(minutes, tmp_path, prefer=prefer, skip_silence=skip)
        for prefer in PREFERENCES
    }
    for prefer, narration in made.items():
        told = said(narration)
        assert told["prefer"] == prefer
        assert told["plans"] == {name: in_numbers(other) for name, other in made.items()}
    assert len(made["seams"].chunks) < len(made["cost"].chunks)
    assert made["cost"].estimate.billed_seconds <= made["seams"].estimate.billed_seconds


@pytest.mark.parametrize(("gap", "severity"), [(10, "info"), (1, "warning")])
def test_what_is_not_sent_is_said_and_whether_it_saves(
    gap: int, severity: str, tmp_path: Path
) -> None:
    voice, _ = speech(2, 16_000)
    quiet = np.zeros(gap * 16_000, np.float32)
    source = write(tmp_path / "gap.wav", np.concatenate([voice, quiet, voice]), 16_000)
    narration = prepare(source, tmp_path, skip_silence=Fraction(3, 5))
    (finding,) = [item for item in narration.findings if item.code == "skipped"]
    stills = [chunk for chunk in narration.chunks if chunk.kind == "still"]
    seconds = sum(chunk.end - chunk.start for chunk in stills) / 48_000
    assert (finding.severity, finding.data["silences"]) == (severity, len(stills))
    assert finding.data["seconds"] == pytest.approx(seconds, abs=0.001)
    assert f"{narration.estimate.billed_seconds} s are billed" in finding.message
    assert not [item for item in prepare(source, tmp_path).findings if item.code == "skipped"]


def test_the_second_run_says_the_same_and_plans_nothing(
    minutes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = prepare(minutes, tmp_path)
    monkeypatch.setattr(audio, "Planner", None)
    assert prepare(minutes, tmp_path) == first


def test_an_unknown_price_is_not_said(minutes: Path, tmp_path: Path) -> None:
    model = talk_model()
    tier = model.tier("1080p").model_copy(update={"usd_per_second": None})
    free = model.model_copy(update={"resolutions": {"1080p": tier}})
    prepare(minutes, tmp_path)
    hearing = Hearing.load(tmp_path / ".lipsync" / "sound" / "hearing.npz")
    options = PlanOptions(free, "1080p", Fraction(25), "cost")
    _, choices = Planner(hearing, pauses_of(hearing), options).run()
    finding = other_choices(choices, "cost", free, "1080p")
    assert finding is not None
    assert "$" not in finding.message
    assert all(plan["usd"] is None for plan in finding.data["plans"].values())


def test_nothing_is_said_where_there_is_no_choice(tmp_path: Path) -> None:
    voice, _ = speech(12)
    assert "preferences" not in codes(prepare(write(tmp_path / "a.wav", voice), tmp_path / "p"))


def test_a_preference_is_remembered_and_compared_by(
    minutes: Path, portrait: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lipsync_kit.face.find_faces", lambda _: [])
    inputs = Inputs(image=portrait, audio=minutes)
    for prefer in ("seams", "cost"):
        project = prep(tmp_path, inputs, PrepOptions(prefer=prefer))  # type: ignore[arg-type]
        assert project.options["prefer"] == prefer
        (row,) = [row for row in compare_models(tmp_path) if row.model.id == project.model]
        assert (row.chunks, row.billed_seconds) == (
            project.estimate.chunks,
            project.estimate.billed_seconds,
        )


def test_what_an_edit_kept_is_counted_as_it_is(tmp_path: Path) -> None:
    voice, pauses = speech(240)
    source, project = tmp_path / "a.wav", tmp_path / "p"
    prepare(write(source, voice), project)
    start = int(pauses[len(pauses) // 2][1] * 48_000)
    write(source, np.concatenate([voice[:start], voice[start + 50_001 :]]))
    after = prepare(source, project)
    assert "kept" in codes(after)
    assert said(after)["plans"]["cost"] == in_numbers(after)
