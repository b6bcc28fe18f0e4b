"""Options of the sound on the command line: remembered in the plan, heard in the film."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from lipsync_kit.project import Layout
from tests.cli.conftest import document, lipsync
from tests.ground_truth.sound import decode_sound
from tests.preflight.narrations import Sound, measured
from tests.preflight.test_denoise import hiss, lag, ratio_over_noise

RATE = 48_000


@pytest.fixture(scope="module")
def voice(narration: Path) -> Sound:
    """7 s of the shipped narration, 48 kHz mono."""
    import soxr

    sound, rate = soundfile.read(narration, frames=7 * 24_000, dtype="float32")
    return np.asarray(soxr.resample(sound, rate, RATE), np.float32)


@pytest.mark.slow
def test_the_original_is_heard_while_the_clean_sound_moves_the_lips(
    voice: Sound, portrait: Path, tmp_path: Path
) -> None:
    noisy = hiss(voice, 5)
    source, root = tmp_path / "noisy.wav", tmp_path / "p"
    soundfile.write(source, noisy, RATE, subtype="PCM_24")
    given = ("--image", portrait, "--audio", source, "--resolution", "720p")
    plan = document(lipsync("prep", root, *given, "--deliver-sound", "original"))
    remembered = json.loads(Layout(root).plan.read_text())["options"]
    assert remembered["deliver_sound"] == "original"
    (denoised,) = [item for item in plan["findings"] if item["code"] == "denoised"]
    assert denoised["data"]["model"]
    sent = [soundfile.read(root / chunk["path"])[0] for chunk in plan["chunks"]]
    driving = np.concatenate(sent)
    rendered = document(lipsync("render", root))
    master, _ = soundfile.read(Layout(root).master)
    heard = decode_sound(Path(rendered["video"]["path"]))[: len(master)]
    assert len(driving) == len(master) == len(noisy) == plan["audio"]["samples"]
    assert ratio_over_noise(driving, voice) > 10
    assert ratio_over_noise(master, noisy) > 30  # but for a few limited peaks
    assert ratio_over_noise(heard, noisy) > 10  # as near as AAC comes to hiss
    assert ratio_over_noise(heard, voice) < 8
    for made in (driving, master, heard):
        assert lag(made.astype(np.float64), voice.astype(np.float64)) == 0
    assert measured(Layout(root).master)[0] == pytest.approx(-16, abs=0.11)
    assert measured(Path(rendered["video"]["path"]))[0] == pytest.approx(-16, abs=0.5)


def test_choices_are_taken_and_remembered(narration: Path, portrait: Path, tmp_path: Path) -> None:
    source, root = tmp_path / "a.wav", tmp_path / "p"
    sound, rate = soundfile.read(narration, dtype="float32")
    sound[len(sound) // 2 :] *= np.float32(0.2)
    soundfile.write(source, sound, rate, subtype="PCM_24")
    given = ("--image", portrait, "--audio", source, "--max-chunk", "3")
    plain = document(lipsync("prep", root, *given))
    codes = {item["code"] for item in plain["findings"]}
    assert {"uneven", "preferences"} <= codes
    done = lipsync("prep", root, *given, "--level", "--prefer", "seams")
    plan = document(done)
    options = json.loads(Layout(root).plan.read_text())["options"]
    assert (options["level"], options["prefer"], options["deliver_sound"]) == (
        True,
        "seams",
        "clean",
    )
    assert "evened" in {item["code"] for item in plan["findings"]}
    assert "were evened out" in done.stderr
    assert plan["estimate"]["seams"] <= plain["estimate"]["seams"]


@pytest.mark.parametrize(
    ("option", "value"), [("--prefer", "luck"), ("--deliver-sound", "both"), ("--level", "3")]
)
def test_choices_that_there_are_not_are_wrong_usage(
    option: str, value: str, portrait: Path, tmp_path: Path
) -> None:
    given = ("--image", portrait, "--audio", portrait)
    assert "error" in document(lipsync("prep", tmp_path / "p", *given, option, value), 2)
