"""The command line's manners: one document on stdout, a status that says what happened."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

COMMANDS = ("prep", "render", "estimate", "jobs", "cancel", "models", "doctor")


def run(*arguments: str, folder: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "lipsync_kit", *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=folder, check=False)


def error(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(done.stdout)["error"]
    assert set(found) == {"code", "message", "hint", "data"}
    assert "Traceback" not in done.stderr
    return found


def test_help_names_every_command() -> None:
    done = run("--help")
    assert done.returncode == 0
    assert all(name in done.stdout for name in COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_of_its_own(name: str) -> None:
    done = run(name, "--help")
    assert done.returncode == 0
    assert done.stdout.startswith(f"usage: lipsync-kit {name}")


def test_the_version_is_plain_text() -> None:
    assert run("--version").stdout.startswith("lipsync-kit ")


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("frobnicate",),
        ("prep",),
        ("prep", "p", "--image"),
        ("prep", "p", "--image", "a.png"),
        ("prep", "p", "--image", "a.png", "--audio", "a.wav", "--resolution", "4k"),
        ("prep", "p", "--image", "a.png", "--audio", "a.wav", "--fps", "24"),
        ("prep", "p", "--image", "a.png", "--audio", "a.wav", "--lufs", "0"),
        ("prep", "p", "--image", "a.png", "--audio", "a.wav", "--model", "none"),
        ("prep", "p", "--image", "a", "--image-url", "http://x/a", "--audio", "a.wav"),
        ("audio-to-video", "--image", "a.png"),
        ("motion-transfer", "--video-url", "http://x/v.mp4"),
        ("dub-video", "--audio", "a.wav"),
        ("render", "p", "--poll-interval", "0"),
        ("render", "p", "--jobs", "0"),
        ("render", "p", "--retake", "a"),
        ("render", "p", "--take", "1"),
        ("render", "p", "--max-cost", "-1"),
        ("render", "p", "--frobnicate"),
    ],
)
def test_wrong_usage_is_said_on_both_channels(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    done = run(*arguments, folder=tmp_path)
    assert done.returncode == 2
    found = error(done)
    assert found["code"] == "usage"
    assert found["hint"]
    assert found["message"] in done.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("command", ["render", "estimate", "jobs", "cancel"])
def test_a_folder_without_a_project_is_refused(tmp_path: Path, command: str) -> None:
    done = run(command, str(tmp_path))
    assert done.returncode == 3
    found = error(done)
    assert str(tmp_path) in found["message"]
    assert "prep" in found["hint"]


@pytest.mark.parametrize("text", ["{", '{"schema": 1}', '{"schema": 2}'])
def test_a_damaged_plan_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "project.json").write_text(text)
    done = run("render", str(tmp_path))
    assert done.returncode == 3
    assert "project.json" in error(done)["message"]


def test_doctor_says_every_setting_with_its_source(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("FAL_KEY=abc:hidden-part\nLIPSYNC_MAX_COST=12\n")
    done = run("doctor", folder=tmp_path)
    assert done.returncode == 0
    report = json.loads(done.stdout)
    assert report["settings"]["max_cost"] == {"value": "12", "source": ".env"}
    assert report["settings"]["engine"] == {"value": "preview", "source": "default"}
    assert report["key"] == {"set": True, "source": ".env"}
    assert report["ffmpeg"]["version"].startswith("ffmpeg version")
    assert report["missing"] == []
    assert "hidden-part" not in done.stdout + done.stderr


def test_doctor_says_how_to_get_a_missing_ffmpeg(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIPSYNC_FFMPEG", str(tmp_path / "none"))
    done = run("doctor", folder=tmp_path)
    assert done.returncode == 4
    assert "ffmpeg" in error(done)["message"]


def test_models_lists_limits_and_prices() -> None:
    models = json.loads(run("models").stdout)["models"]
    omnihuman = next(row for row in models if row["id"] == "fal-ai/bytedance/omnihuman/v1.5")
    assert omnihuman["resolutions"]["720p"]["max_seconds"] == 60
    assert omnihuman["unverified"]
