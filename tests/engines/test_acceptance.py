"""Clips that arrive: whole, decodable, and as long as what was sent."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from lipsync_kit.engines.acceptance import BrokenClip, clip_seconds, judge_length
from tests.fal_server.jobs import make_clip


def test_a_clip_is_as_long_as_its_frames(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    for frames in (1, 24, 250):
        path.write_bytes(make_clip(frames))
        assert clip_seconds(path) == Fraction(frames, 25)


@pytest.mark.parametrize("share", [0.0, 0.2, 0.5, 0.9, 0.99])
def test_a_clip_that_broke_off_is_noticed(tmp_path: Path, share: float) -> None:
    whole = make_clip(50)
    path = tmp_path / "clip.mp4"
    path.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(BrokenClip):
        clip_seconds(path)


def test_a_clip_that_broke_off_behind_its_index_is_noticed(tmp_path: Path) -> None:
    whole = faststart(make_clip(50), tmp_path)
    path = tmp_path / "clip.mp4"
    path.write_bytes(whole)
    assert clip_seconds(path) == 2
    path.write_bytes(whole[: len(whole) * 3 // 4])
    with pytest.raises(BrokenClip, match="of its 50 frames"):
        clip_seconds(path)


def faststart(data: bytes, folder: Path) -> bytes:
    from lipsync_kit.media import ffmpeg

    before, after = folder / "before.mp4", folder / "after.mp4"
    before.write_bytes(data)
    ffmpeg.run(
        ffmpeg.source(before).output(f"file:{after}", c="copy", movflags="faststart"), "clip"
    )
    return after.read_bytes()


@pytest.mark.parametrize("data", [b"<html>404</html>", b"\0" * 5000, b"#EXTM3U\nfile:///etc/x\n"])
def test_what_is_no_video_is_refused(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "clip.mp4"
    path.write_bytes(data)
    with pytest.raises(BrokenClip):
        clip_seconds(path)


def test_sound_alone_is_no_clip(tmp_path: Path) -> None:
    import wave

    path = tmp_path / "clip.wav"
    with wave.open(str(path), "wb") as sound:
        sound.setparams((1, 2, 48_000, 0, "NONE", ""))
        sound.writeframes(bytes(9600))
    with pytest.raises(BrokenClip, match="no picture"):
        clip_seconds(path)


@pytest.mark.parametrize(
    ("length", "severity"),
    [
        ("30", None),
        ("30.3", None),
        ("40", None),
        ("29.5", None),
        ("29.4", "warning"),
        ("15", "warning"),
        ("14.9", "error"),
    ],
)
def test_how_short_is_too_short(length: str, severity: str | None) -> None:
    finding = judge_length(3, Fraction(length), Fraction(30))
    assert (finding.severity if finding else None) == severity
    if finding:
        assert finding.message.startswith("chunk 3: its clip lasts")
        assert "--retake 3" in finding.hint
