"""The driver's own sound, as the film's master: in sync, of its length, level untouched."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from lipsync_kit.media import ffmpeg as tool
from lipsync_kit.media.probe import probe
from lipsync_kit.preflight.video_footage import Footage
from lipsync_kit.timing import SAMPLE_RATE

_BLOCK = 10 * SAMPLE_RATE
_HALF_STEP = 2**14  # half a 16-bit step, in 31 bits


def write_master(footage: Footage, samples: int, path: Path) -> int:
    """Write the sound under the video's frames to ``path``: 48 kHz, 24-bit, ``samples`` long.

    It begins with the first frame; where the sound begins later or ends sooner there is
    silence, and gaps in it stay gaps. Returns its channels, 1 or 2. Raises
    :class:`~lipsync_kit.errors.InputError` when it can't be decoded.
    """
    import ffmpeg

    sound = probe(footage.path).sound
    assert sound is not None
    channels = min(2, sound.channels)
    stream: Any = tool.source(footage.path)["a:0"]
    stream = (
        stream.filter("asetpts", f"PTS-{_text(footage.offset)}/TB")
        .filter("aresample", SAMPLE_RATE, **{"async": 1, "first_pts": 0})
        .filter("aformat", channel_layouts="mono" if channels == 1 else "stereo")
        .filter("apad", whole_len=samples)
        .filter("atrim", end_sample=samples)
    )
    output = ffmpeg.output(
        stream, f"file:{path}", f="wav", acodec="pcm_s24le", rf64="auto", map_metadata=-1,
        fflags="+bitexact",
    )  # fmt: skip
    tool.run(output, str(footage.path))
    return channels


def _text(seconds: Fraction) -> str:
    return f"({seconds.numerator}/{seconds.denominator})"


def is_silent(master: Path) -> bool:
    """Whether a WAV holds nothing that 16 bits can tell from silence."""
    import soundfile

    with soundfile.SoundFile(str(master)) as file:
        blocks = file.blocks(blocksize=_BLOCK, dtype="int32")
        return not any(np.any(np.abs(block >> 1) >= _HALF_STEP) for block in blocks)
