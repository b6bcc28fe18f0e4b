"""``motion-transfer`` and ``dub-video`` as scripts call them, against a loopback fal."""

from __future__ import annotations

import functools
import http.server
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import pytest
import soundfile

from tests.cli.shell import QUICK, Shell
from tests.fal_server.jobs import Failure
from tests.fal_server.server import FalServer
from tests.ground_truth.frames import Make, make_clip

pytestmark = pytest.mark.slow

SECONDS = 4
SMALL = ("-c:v", "libx264", "-preset", "ultrafast", "-crf", "30")


@pytest.fixture(scope="module")
def media(tmp_path_factory: pytest.TempPathFactory, narration: Path, portrait: Path) -> Path:
    """What a user has in a folder: character.png, driving.mp4, voice.wav."""
    folder = tmp_path_factory.mktemp("media")
    make_clip(folder / "driving.mp4", 0, 25 * SECONDS, Make(width=256, height=256, output=SMALL))
    sound, rate = soundfile.read(narration, frames=SECONDS * 24_000)
    soundfile.write(folder / "voice.wav", sound, rate)
    (folder / "character.png").write_bytes(portrait.read_bytes())
    return folder


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def site(media: Path) -> Iterator[str]:
    """The same folder, on a web server of this machine."""
    handler = functools.partial(_Quiet, directory=str(media))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def given(command: str, media: Path) -> tuple[object, ...]:
    first = ("--image", media / "character.png", "--video", media / "driving.mp4")
    second = ("--video", media / "driving.mp4", "--audio", media / "voice.wav")
    return (command, *(first if command == "motion-transfer" else second))


both = pytest.mark.parametrize("command", ["motion-transfer", "dub-video"])


@both
def test_a_film_is_saved_and_named_on_stdout(
    shell: Shell, fal: FalServer, media: Path, command: str
) -> None:
    output = shell.folder / "lipsync" / "scene.mp4"
    output.parent.mkdir()
    made = shell.run(*given(command, media), "-o", output, "--logs", *QUICK)
    assert made["video"] == {"url": output.as_uri(), "path": str(output)}
    assert [path.name for path in output.parent.iterdir()] == ["scene.mp4"]
    assert len(fal.billed) == 1
    assert shell.run(*given(command, media), "-o", output, *QUICK)["billed"] == made["billed"]
    assert len(fal.jobs) == 1


@both
def test_its_own_model_gets_just_its_inputs(
    shell: Shell, fal: FalServer, media: Path, command: str
) -> None:
    shell.run(*given(command, media), *QUICK)
    (job,) = fal.jobs
    wanted: tuple[str, set[str]] = {
        "motion-transfer": (
            "fal-ai/bytedance/dreamactor/v2",
            {"image_url", "video_url", "trim_first_second"},
        ),
        "dub-video": ("fal-ai/pixverse/lipsync", {"video_url", "audio_url"}),
    }[command]
    assert (job.model, set(job.arguments)) == wanted


@pytest.mark.parametrize(("flags", "trims"), [((), True), (("--no-trim",), False)])
def test_motion_trims_unless_told_not_to(
    shell: Shell, fal: FalServer, media: Path, flags: tuple[str, ...], trims: bool
) -> None:
    made = shell.run(*given("motion-transfer", media), *flags, *QUICK)
    assert fal.jobs[0].arguments["trim_first_second"] is trims
    assert made["billed"]["seconds"] == SECONDS + trims


@pytest.mark.parametrize(
    ("command", "model"),
    [
        ("motion-transfer", "fal-ai/kling-video/v3/standard/motion-control"),
        ("dub-video", "veed/lipsync"),
    ],
)
def test_another_model_of_the_catalogue(
    shell: Shell, fal: FalServer, media: Path, command: str, model: str
) -> None:
    shell.run(*given(command, media), "-m", model, *QUICK)
    assert fal.jobs[0].model == model


@both
def test_sent_now_asked_for_later_from_elsewhere(
    shell: Shell, fal: FalServer, media: Path, command: str
) -> None:
    fal.counter.run_seconds = 600.0
    sent = shell.run(*given(command, media), "--async", *QUICK)
    assert set(sent) >= {"request_id", "status", "project"}
    shell.folder = media
    ours = Path(sent["project"]).name
    for identifier in (sent["request_id"], ours):
        seen = shell.run(command, "--status", identifier)
        assert seen["status"] in {"IN_QUEUE", "IN_PROGRESS"}
    shell.run(command, "--result", ours, "--poll-interval", "0.05", "--timeout", "0.2", status=8)
    fal.jobs[0].ends = time.time()
    assert shell.run(command, "--status", sent["request_id"])["status"] == "COMPLETED"
    found = shell.run(command, "--result", sent["request_id"], *QUICK)
    assert Path(found["video"]["path"]).exists()
    assert len(fal.jobs) == 1


@both
def test_what_was_cancelled_or_failed_is_no_success(
    shell: Shell, fal: FalServer, media: Path, command: str
) -> None:
    fal.counter.run_seconds = 600.0
    sent = shell.run(*given(command, media), "--async", *QUICK)
    assert shell.run(command, "--cancel", sent["request_id"], *QUICK)["status"] == "FAILED"
    assert shell.run(command, "--status", sent["request_id"])["status"] == "FAILED"
    shell.run(command, "--result", sent["request_id"], *QUICK, status=5)
    assert fal.billed == []


@both
def test_a_refusal_is_told_and_saves_nothing(
    shell: Shell, fal: FalServer, media: Path, command: str
) -> None:
    detail = [{"loc": ["body", "video_url"], "msg": "no person", "type": "face_detection_error"}]
    fal.counter.failures[0] = Failure(422, {"detail": detail})
    output = shell.folder / "film.mp4"
    refused = shell.run(*given(command, media), "-o", output, *QUICK, status=5)
    assert "no person" in refused["error"]["message"]
    assert not output.exists()


def by_url(command: str, site: str) -> tuple[object, ...]:
    first = ("--image-url", f"{site}/character.png", "--video-url", f"{site}/driving.mp4")
    second = ("--video-url", f"{site}/driving.mp4", "--audio-url", f"{site}/voice.wav")
    return (command, *(first if command == "motion-transfer" else second))


@both
def test_a_private_address_is_refused_before_anything_is_sent(
    shell: Shell, fal: FalServer, site: str, command: str
) -> None:
    refused = shell.run(*by_url(command, site), *QUICK, status=3)
    assert "--allow-private" in refused["error"]["hint"]
    assert fal.seen == []


@both
def test_what_fits_is_passed_on_by_its_url(
    shell: Shell, fal: FalServer, site: str, command: str
) -> None:
    fal.counter.clip_seconds = Fraction(SECONDS)
    untrimmed = ("--no-trim",) if command == "motion-transfer" else ()
    shell.run(*by_url(command, site), *untrimmed, "--allow-private", *QUICK)
    (job,) = fal.jobs
    assert job.arguments["video_url"] == f"{site}/driving.mp4"
    sent = {name for name, _ in fal.counter.file_types.values()}
    assert not [name for name in sent if name.endswith(".mp4")]


@both
def test_the_preview_engine_needs_no_key_and_sends_nothing(
    shell: Shell, fal: FalServer, media: Path, command: str
) -> None:
    output = shell.folder / "free.mp4"
    free = ("--engine", "preview", "-o", output)
    made = shell.run(*given(command, media), *free, without_key=True)
    assert made["billed"]["usd"] == 0
    assert made["video"]["path"] == str(output)
    assert output.exists()
    assert fal.seen == []


@pytest.mark.parametrize(
    ("command", "flags"),
    [
        ("motion-transfer", ("--video", "v.mp4")),
        ("motion-transfer", ("--image", "a.png", "--video", "v.mp4", "--prompt", "smile")),
        ("motion-transfer", ("--image", "a.png", "--video", "v.mp4", "--turbo")),
        ("motion-transfer", ("--image", "a.png", "--audio", "a.wav")),
        ("motion-transfer", ("--image", "a.png", "--image-url", "http://x/a.png")),
        ("dub-video", ("--audio", "a.wav")),
        ("dub-video", ("--video", "v.mp4", "--audio", "a.wav", "--no-trim")),
        ("dub-video", ("--video", "v.mp4", "--audio", "a.wav", "--resolution", "720p")),
        ("dub-video", ("--engine", "preview", "--cancel", "a")),
    ],
)
def test_wrong_usage(shell: Shell, command: str, flags: tuple[str, ...]) -> None:
    assert shell.run(command, *flags, status=2)["error"]["code"] == "usage"


@both
def test_help_names_every_flag(command: str) -> None:
    flags = {"--model", "--output", "--async", "--status", "--result", "--cancel"}
    flags |= {"--poll-interval", "--timeout", "--logs", "--video", "--video-url"}
    flags |= {"--no-trim", "--image-url"} if command == "motion-transfer" else {"--audio-url"}
    told = subprocess.run(
        [sys.executable, "-m", "lipsync_kit", command, "--help"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert not {flag for flag in flags if flag not in told}
