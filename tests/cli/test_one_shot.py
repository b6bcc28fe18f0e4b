"""The one-shot commands against a loopback fal: paid once, found again by id, never a false OK."""

import time
from pathlib import Path

import pytest

from tests.cli.shell import QUICK, Shell
from tests.fal_server.jobs import Failure
from tests.fal_server.server import FalServer


@pytest.fixture
def inputs(portrait: Path, short_speech: Path) -> tuple[object, ...]:
    return ("--image", portrait, "--audio", short_speech)


def test_one_command_pays_once_and_saves_the_film(
    shell: Shell, fal: FalServer, inputs: tuple[object, ...]
) -> None:
    output = shell.folder / "film.mp4"
    made = shell.run("audio-to-video", *inputs, "--output", output, *QUICK)
    assert made["video"] == {"url": output.as_uri(), "path": str(output)}
    assert output.stat().st_size > 1000
    assert len(fal.billed) == 1
    assert "face_lost" in {finding["code"] for finding in made["findings"]}  # a test card
    again = shell.run("audio-to-video", *inputs, "--output", output, *QUICK)
    assert again["billed"] == made["billed"]
    assert len(fal.jobs) == 1


def test_the_model_gets_what_the_flags_say(
    shell: Shell, fal: FalServer, inputs: tuple[object, ...]
) -> None:
    flags = ("-p", "smile", "--resolution", "720p", "--turbo")
    shell.run("audio-to-video", *inputs, *flags, *QUICK)
    arguments = fal.jobs[0].arguments
    assert arguments["prompt"] == "smile"
    assert arguments["resolution"] == "720p"
    assert arguments["turbo_mode"] is True
    assert set(arguments) == {"image_url", "audio_url", "prompt", "resolution", "turbo_mode"}


def test_an_async_job_is_found_by_its_id_from_anywhere(
    shell: Shell, fal: FalServer, inputs: tuple[object, ...]
) -> None:
    fal.counter.run_seconds = 600.0
    sent = shell.run("audio-to-video", *inputs, "--async", *QUICK)
    assert sent["status"] == "IN_QUEUE"
    assert sent["request_id"] == fal.jobs[0].id
    ours = Path(sent["project"]).name
    for identifier in (sent["request_id"], ours):
        seen = shell.run("audio-to-video", "--status", identifier)
        assert seen["request_id"] == identifier
        assert seen["status"] in {"IN_QUEUE", "IN_PROGRESS"}
    fal.jobs[0].ends = time.time()
    assert shell.run("audio-to-video", "--status", ours)["status"] == "COMPLETED"
    output = shell.folder / "late.mp4"
    found = shell.run("audio-to-video", "--result", sent["request_id"], "-o", output, *QUICK)
    assert found["video"]["path"] == str(output)
    assert output.exists()
    assert len(fal.jobs) == 1


def test_a_failed_job_is_never_told_as_a_success(
    shell: Shell, fal: FalServer, inputs: tuple[object, ...]
) -> None:
    detail = [{"loc": ["body", "image_url"], "msg": "no face", "type": "face_detection_error"}]
    fal.counter.failures[0] = Failure(422, {"detail": detail})
    output = shell.folder / "film.mp4"
    refused = shell.run("audio-to-video", *inputs, "-o", output, *QUICK, status=5)
    assert "no face" in refused["error"]["message"]
    assert not output.exists()
    identifier = fal.jobs[0].id
    assert shell.run("audio-to-video", "--status", identifier)["status"] == "FAILED"
    shell.run("audio-to-video", "--result", identifier, *QUICK, status=5)
    assert len(fal.jobs) == 1


def test_a_job_can_be_cancelled_by_its_id(
    shell: Shell, fal: FalServer, inputs: tuple[object, ...]
) -> None:
    fal.counter.run_seconds = 600.0
    sent = shell.run("audio-to-video", *inputs, "--async", *QUICK)
    ended = shell.run("audio-to-video", "--cancel", sent["request_id"], *QUICK)
    assert ended["status"] == "FAILED"
    assert fal.billed == []


def test_without_a_key_nothing_is_prepared(shell: Shell, inputs: tuple[object, ...]) -> None:
    shell.run("audio-to-video", *inputs, status=4, without_key=True)
    assert not (shell.folder / "data").exists()


def test_the_cap_stops_before_the_first_submit(
    shell: Shell, fal: FalServer, inputs: tuple[object, ...]
) -> None:
    shell.run("audio-to-video", *inputs, "--max-cost", "1", *QUICK, status=6)
    assert fal.jobs == []


def test_the_preview_engine_makes_it_for_nothing(
    shell: Shell, fal: FalServer, inputs: tuple[object, ...]
) -> None:
    output = shell.folder / "free.mp4"
    resolution = ("--resolution", "720p")
    made = shell.run(
        "audio-to-video", *inputs, *resolution, "--engine", "preview", "-o", output,
        without_key=True,
    )  # fmt: skip
    assert made["billed"]["usd"] == 0
    assert output.exists()
    assert fal.seen == []


@pytest.mark.parametrize(
    "flags",
    [
        ("--image", "a.png"),
        ("--image", "a.png", "--audio", "a.wav", "--video", "v.mp4"),
        ("--status", "a", "--result", "b"),
        ("--engine", "preview", "--status", "a"),
        ("--engine", "preview", "--image", "a.png", "--audio", "a.wav", "--async"),
    ],
)
def test_wrong_usage(shell: Shell, flags: tuple[str, ...]) -> None:
    assert shell.run("audio-to-video", *flags, status=2)["error"]["code"] == "usage"


def test_an_id_of_ours_that_is_none(shell: Shell) -> None:
    shell.run("audio-to-video", "--status", "lk-0123456789abcdef0123", status=3)
