"""What is no usable video is refused, with the file, the fact and the way out."""

from __future__ import annotations

import shutil
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from lipsync_kit.errors import InputError, SetupError, UsageError
from lipsync_kit.media.ffmpeg import has_filter
from lipsync_kit.preflight import video_frames
from lipsync_kit.preflight.video import DrivingOptions, examine, piece_rules
from tests.preflight.videos import MOTION, ffmpeg, video


def refusal(path: Path) -> InputError:
    with pytest.raises(InputError) as caught:
        examine(path, MOTION)
    error = caught.value
    assert path.name in error.message
    assert error.hint
    assert error.exit_status == 3
    return error


def test_sound_alone(tmp_path: Path) -> None:
    path = tmp_path / "voice.wav"
    ffmpeg("-f", "lavfi", "-i", "sine=d=2", path)
    assert refusal(path).code == "no_picture"


def test_sound_in_a_video_container(tmp_path: Path) -> None:
    path = tmp_path / "voice.mp4"
    ffmpeg("-f", "lavfi", "-i", "sine=d=2", path)
    assert refusal(path).code == "no_picture"


def test_sound_with_a_cover(tmp_path: Path) -> None:
    cover, sound, path = (tmp_path / name for name in ("cover.png", "a.mp3", "song.mp3"))
    ffmpeg("-f", "lavfi", "-i", "color=s=320x320:d=1", "-frames:v", "1", cover)
    ffmpeg("-f", "lavfi", "-i", "sine=d=2", sound)
    ffmpeg("-i", sound, "-i", cover, "-map", "0:a", "-map", "1:v", "-c", "copy",
           "-disposition:v", "attached_pic", path)  # fmt: skip
    assert refusal(path).code == "cover_only"


def test_one_frame(tmp_path: Path) -> None:
    error = refusal(video(tmp_path / "still.mp4", frames=1))
    assert error.code == "one_frame"
    assert "1 frame" in error.message


def test_a_fifth_of_a_second(tmp_path: Path) -> None:
    error = refusal(video(tmp_path / "blink.mp4", frames=5))
    assert error.code == "video_too_short"
    assert "0.20 s" in error.message


@pytest.mark.parametrize("text", ["just words\n", "[playlist]\nfile=/etc/passwd\n", "#EXTM3U\n"])
def test_text_that_calls_itself_a_video(tmp_path: Path, text: str) -> None:
    path = tmp_path / "notes.mp4"
    path.write_text(text)
    assert refusal(path).code == "media_unreadable"


def test_nothing(tmp_path: Path) -> None:
    path = tmp_path / "empty.mp4"
    path.touch()
    assert refusal(path).code == "empty"
    assert refusal(tmp_path / "absent.mp4").code == "missing"
    assert refusal(tmp_path).code == "is_folder"


@pytest.mark.parametrize("share", [0.3, 0.9])
def test_a_recording_that_lost_its_end_and_its_index(tmp_path: Path, share: float) -> None:
    whole = video(tmp_path / "whole.mp4")
    path = tmp_path / "part.mp4"
    path.write_bytes(whole.read_bytes()[: int(whole.stat().st_size * share)])
    error = refusal(path)
    assert error.code == "truncated"
    assert "moov" in error.message


def test_a_download_that_stopped_half_way(tmp_path: Path) -> None:
    whole, fast = video(tmp_path / "whole.mp4"), tmp_path / "fast.mp4"
    ffmpeg("-i", whole, "-c", "copy", "-movflags", "+faststart", fast)
    path = tmp_path / "part.mp4"
    path.write_bytes(fast.read_bytes()[: fast.stat().st_size // 2])
    error = refusal(path)
    assert error.code == "truncated"
    assert "of 50 frames" in error.message


def test_half_a_webm(tmp_path: Path) -> None:
    output = ("-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8", "-g", "25")
    whole = video(tmp_path / "whole.webm", frames=150, output=output)
    path = tmp_path / "part.webm"
    path.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    assert refusal(path).code == "truncated"


def test_a_strip(tmp_path: Path) -> None:
    error = refusal(video(tmp_path / "strip.mp4", width=2400, height=160))
    assert error.code == "video_shape"
    assert "2400×160" in error.message


def test_a_whole_video_is_not_refused(tmp_path: Path) -> None:
    path = video(tmp_path / "fine.mp4")
    renamed = tmp_path / "fine.mkv"
    shutil.copy(path, renamed)
    assert examine(path, MOTION).frames == examine(renamed, MOTION).frames == 50


def test_a_piece_needs_room_beside_its_lead() -> None:
    with pytest.raises(UsageError, match="25 frames before it"):
        piece_rules(Fraction(25), MOTION, DrivingOptions(max_chunk=Fraction(2)))
    assert piece_rules(Fraction(25), MOTION, DrivingOptions(max_chunk=Fraction(3))).longest == 74
    untrimmed = DrivingOptions(trim=False, max_chunk=Fraction(2))
    assert piece_rules(Fraction(25), MOTION, untrimmed).lead == 0


def test_an_ffmpeg_that_cannot_tone_map_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tags = "log-level=error:colorprim=bt2020:transfer=smpte2084:colormatrix=bt2020nc"
    output = ("-c:v", "libx265", "-preset", "ultrafast", "-pix_fmt", "yuv420p10le")
    reel = examine(video(tmp_path / "hdr.mp4", output=(*output, "-x265-params", tags)), MOTION)
    assert has_filter("zscale")
    assert not has_filter("no_such_filter")
    monkeypatch.setattr(video_frames, "has_filter", lambda _: False)
    with pytest.raises(SetupError, match="zscale"):
        next(video_frames.Frames(reel.footage, reel.picture).read(np.array([0])))
