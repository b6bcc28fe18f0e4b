"""A portrait and a narration become a film, through the real command."""

import json
import shutil
import signal
import subprocess
import sys
import time
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import soundfile

from lipsync_kit import timing
from lipsync_kit.schema import Project
from tests.cli.conftest import document, lipsync

pytestmark = pytest.mark.slow

FilmFixture = tuple[Path, dict[str, Any], dict[str, Any]]
FPS = Fraction(25)


def frame_times(path: Path) -> list[Fraction]:
    """When each frame of a film is shown, in seconds, in order."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        base = stream.time_base
        assert base is not None
        return sorted(p.pts * base for p in container.demux(stream) if p.pts is not None)


def sound_of(path: Path) -> np.ndarray:
    """A film's sound as a player hears it: mono, 48 kHz, the edit list applied."""
    blocks = []
    with av.open(str(path)) as container:
        for frame in container.decode(container.streams.audio[0]):
            assert frame.sample_rate == timing.SAMPLE_RATE
            blocks.append(frame.to_ndarray().mean(axis=0))
    return np.concatenate(blocks)


def test_the_chunks_tile_the_master_and_are_its_sound(film: FilmFixture) -> None:
    root, plan, _ = film
    master, rate = soundfile.read(root / "audio" / "master.wav", dtype="float64")
    assert rate == plan["audio"]["sample_rate"] == timing.SAMPLE_RATE
    chunks = plan["chunks"]
    assert [chunk["start"] for chunk in chunks] == [0, *(chunk["end"] for chunk in chunks[:-1])]
    assert chunks[-1]["end"] == plan["audio"]["samples"] == len(master)
    joined = np.concatenate([soundfile.read(root / chunk["path"])[0] for chunk in chunks])
    assert len(joined) == len(master)
    assert np.abs(joined - master).max() < 1 / 32_000
    assert len(chunks) >= 3


def test_the_plan_on_disk_is_the_plan_that_was_printed(film: FilmFixture) -> None:
    root, plan, _ = film
    project = Project.model_validate_json((root / "project.json").read_text())
    saved = project.model_dump(mode="json", by_alias=True)
    assert saved["chunks"] == plan["chunks"]
    assert saved["estimate"] == plan["estimate"]
    assert saved["fps"] == "25/1"
    assert saved["schema"] == 1


def test_every_cut_stands_on_the_frame_grid(film: FilmFixture) -> None:
    _, plan, _ = film
    for chunk in plan["chunks"][:-1]:
        frame = timing.edge(chunk["end"], FPS)
        assert timing.grid_sample(frame, FPS) == chunk["end"]


def test_the_film_is_as_long_as_the_master_and_its_frames_are_even(film: FilmFixture) -> None:
    _, plan, rendered = film
    times = frame_times(Path(rendered["video"]["path"]))
    seconds = Fraction(plan["audio"]["samples"], timing.SAMPLE_RATE)
    assert times == [Fraction(index) / FPS for index in range(len(times))]
    assert abs(len(times) / FPS - seconds) <= Fraction(1, 2) / FPS


def test_the_sound_is_the_master_from_the_first_sample_to_the_last(film: FilmFixture) -> None:
    root, _, rendered = film
    heard = sound_of(Path(rendered["video"]["path"]))
    master, _ = soundfile.read(root / "audio" / "master.wav", dtype="float64")
    assert abs(len(heard) - len(master)) <= timing.SAMPLE_RATE / FPS / 2
    for middle in (len(master) // 10, len(master) * 9 // 10):
        part = master[middle - 24_000 : middle + 24_000]
        around = heard[middle - 24_000 - 480 : middle + 24_000 + 480]
        offset = int(np.argmax(np.correlate(around, part, "valid"))) - 480
        assert abs(offset) <= timing.SAMPLE_RATE // 1000


def test_clips_and_ready_clips_have_exactly_their_tiles_frames(film: FilmFixture) -> None:
    _, plan, rendered = film
    bounds = [0, *(chunk["end"] for chunk in plan["chunks"])]
    budgets = timing.budgets(bounds, FPS)
    for chunk, budget in zip(rendered["chunks"], budgets, strict=True):
        assert chunk["state"] == "done"
        assert chunk["take"] == 1
        assert len(frame_times(Path(chunk["clip"]))) == budget
        assert len(frame_times(Path(chunk["ready"]))) == budget


def test_the_picture_has_the_portraits_aspect_at_720(film: FilmFixture) -> None:
    _, _, rendered = film
    with av.open(rendered["video"]["path"]) as container:
        stream = container.streams.video[0]
        assert (stream.width, stream.height) == (720, 720)
        assert stream.codec_context.pix_fmt == "yuv420p"


def test_the_url_is_the_films_own(film: FilmFixture) -> None:
    root, _, rendered = film
    path = root / "lipsync" / "final.mp4"
    assert rendered["video"] == {"url": path.as_uri(), "path": str(path)}
    assert set(rendered["billed"].values()) == {0}
    assert rendered["timeline"] == {}
    assert rendered["report"] is None


def test_a_second_run_makes_nothing_anew(
    film: FilmFixture, portrait: Path, short_speech: Path
) -> None:
    root, plan, rendered = film
    before = {path: path.stat().st_mtime_ns for path in root.rglob("*.*") if path.is_file()}
    options = ("--resolution", "720p", "--max-chunk", "5")
    again = lipsync("prep", root, "--image", portrait, "--audio", short_speech, *options)
    assert document(again)["chunks"] == plan["chunks"]
    assert document(lipsync("render", root)) == rendered
    after = {path: path.stat().st_mtime_ns for path in root.rglob("*.*") if path.is_file()}
    changed = {path.name for path in after if after[path] != before.get(path)}
    assert changed <= {"project.json", "stamps.json", "plan.npz"}


def test_an_interrupted_render_goes_on_where_it_stopped(film: FilmFixture, tmp_path: Path) -> None:
    root, _, rendered = film
    copy = tmp_path / "copy"
    shutil.copytree(root, copy)
    shutil.rmtree(copy / "lipsync")
    takes = copy / ".lipsync" / "takes" / "preview"
    shutil.rmtree(takes)
    command = [sys.executable, "-m", "lipsync_kit", "render", str(copy), "--jobs", "1"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not list(takes.glob("[!.]*.mp4")) and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 143, err
    assert json.loads(out)["error"]["code"] == "interrupted"
    assert not [path for path in copy.rglob("*") if ".part" in path.name]
    kept = {path: path.stat().st_mtime_ns for path in takes.glob("*.mp4")}
    assert 1 <= len(kept) < len(rendered["chunks"])
    document(lipsync("render", copy))
    assert all(path.stat().st_mtime_ns == when for path, when in kept.items())
    assert frame_times(copy / "lipsync" / "final.mp4") == frame_times(
        root / "lipsync" / "final.mp4"
    )


def test_a_retake_makes_that_chunk_anew_and_the_first_take_comes_back(
    film: FilmFixture, tmp_path: Path
) -> None:
    root, _, _ = film
    copy = tmp_path / "copy"
    shutil.copytree(root, copy)
    first = (copy / "lipsync" / "clips" / "0001.mp4").read_bytes()
    others = (copy / "lipsync" / "clips" / "0000.mp4").read_bytes()
    again = document(lipsync("render", copy, "--retake", "1"))
    assert [chunk["take"] for chunk in again["chunks"]][:3] == [1, 2, 1]
    assert (copy / "lipsync" / "clips" / "0001.mp4").read_bytes() != first
    assert (copy / "lipsync" / "clips" / "0000.mp4").read_bytes() == others
    back = document(lipsync("render", copy, "--take", "1=1"))
    assert [chunk["take"] for chunk in back["chunks"]][:3] == [1, 1, 1]
    assert (copy / "lipsync" / "clips" / "0001.mp4").read_bytes() == first
    refused = document(lipsync("render", copy, "--take", "1=9"), status=2)
    assert "no such take" in refused["error"]["message"]


def test_the_film_is_saved_where_output_says(film: FilmFixture, tmp_path: Path) -> None:
    root, _, _ = film
    output = tmp_path / "given name.mp4"
    rendered = document(lipsync("render", root, "--output", output))
    assert rendered["video"] == {"url": output.as_uri(), "path": str(output)}
    assert output.read_bytes() == (root / "lipsync" / "final.mp4").read_bytes()


def test_a_chunk_that_changed_since_prep_is_refused(film: FilmFixture, tmp_path: Path) -> None:
    root, _, _ = film
    copy = tmp_path / "copy"
    shutil.copytree(root, copy)
    path = copy / "audio" / "chunks" / "0001.wav"
    path.write_bytes(path.read_bytes()[:-2] + b"\x01\x02")
    refused = document(lipsync("render", copy), status=3)
    assert "0001.wav" in refused["error"]["message"]


def test_async_and_an_unknown_chunk_are_wrong_usage(film: FilmFixture) -> None:
    root, _, _ = film
    document(lipsync("render", root, "--async"), status=2)
    document(lipsync("render", root, "--retake", "99"), status=2)


def test_a_paid_render_that_nobody_confirmed_spends_nothing(
    film: FilmFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, _, _ = film
    document(lipsync("render", root, "--engine", "fal"), status=4)  # no key: asked for first
    monkeypatch.setenv("FAL_KEY", "id:secret-part")
    refused = lipsync("render", root, "--engine", "fal")
    assert document(refused, status=6)["error"]["code"] == "not_confirmed"
    assert "secret-part" not in refused.stdout + refused.stderr
