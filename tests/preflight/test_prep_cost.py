"""What a long narration costs this machine: memory that hardly grows, a few times decoding."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.benchmarks.prep_audio import decoding_seconds, prepared
from tests.preflight.narrations import ffmpeg

SHORT, LONG = 1, 9  # times the shipped narration of 96 s


@pytest.mark.slow
def test_a_long_narration_stays_within_memory_and_time(narration: Path, tmp_path: Path) -> None:
    peaks, spent, decoding = [], [], []
    for times in (SHORT, LONG):
        mp3 = tmp_path / f"{times}.mp3"
        ffmpeg("-stream_loop", str(times - 1), "-i", narration, "-c", "copy", mp3)
        used, peak, plan = prepared(mp3, tmp_path / str(times))
        assert plan["audio"]["samples"] > 90 * times * 48_000
        peaks.append(peak)
        spent.append(used)
        decoding.append(decoding_seconds(mp3))
    assert peaks[1] < 200
    # 13 minutes more: an hour takes some 25 MB more than nothing
    assert peaks[1] - peaks[0] < 20
    assert spent[1] - spent[0] < 6 * (decoding[1] - decoding[0])
