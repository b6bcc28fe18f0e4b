"""The film's sound: AAC, encoded once from the master."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from lipsync_kit.errors import InputError
from lipsync_kit.media import ffmpeg
from lipsync_kit.timing import SAMPLE_RATE

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

BITRATE = {1: 128_000, 2: 192_000}
"""Bits per second by channels."""

_BLOCK = 1 << 16


def master_samples(master: Path) -> tuple[int, int]:
    """Samples and channels of a master. Raises InputError when it is not one of ours."""
    import soundfile

    try:
        facts = soundfile.info(str(master))
    except (RuntimeError, OSError) as error:
        raise InputError(
            f"{master}: can't be read: {error}.",
            code="master_unreadable",
            hint="Run prep again; it makes the master anew.",
        ) from None
    if facts.samplerate != SAMPLE_RATE:
        raise InputError(
            f"{master}: {facts.samplerate} samples per second instead of {SAMPLE_RATE}.",
            code="master_unreadable",
            hint="Run prep again; it makes the master anew.",
        )
    return int(facts.frames), int(facts.channels)


def encode_sound(master: Path, out: Path) -> None:
    """Encode a master to AAC in an M4A at ``out``; its edit list makes it sample-exact."""
    _, channels = master_samples(master)
    import ffmpeg as graph

    node = graph.output(
        ffmpeg.source(master).audio,
        f"file:{out}",
        acodec="aac",
        audio_bitrate=BITRATE.get(channels, 192_000),
        movie_timescale=SAMPLE_RATE,
        f="mp4",
    )
    ffmpeg.run(node, str(master))


def encode_stretch(master: Path, start: int, end: int, out: Path) -> None:
    """Encode samples ``[start, end)`` of a master to AAC in an M4A at ``out``."""
    import av
    from av.audio.frame import AudioFrame

    _, channels = master_samples(master)
    layout = "mono" if channels == 1 else "stereo"
    options = {"movie_timescale": str(SAMPLE_RATE)}
    with av.open(str(out), "w", format="mp4", options=options) as container:
        track = container.add_stream("aac", rate=SAMPLE_RATE)
        track.codec_context.layout = layout
        track.codec_context.bit_rate = BITRATE.get(channels, 192_000)
        at = 0
        for block in _blocks(master, start, end):
            frame = AudioFrame.from_ndarray(block, format="fltp", layout=layout)
            frame.sample_rate, frame.pts = SAMPLE_RATE, at
            frame.time_base = Fraction(1, SAMPLE_RATE)
            at += block.shape[1]
            container.mux(track.encode(frame))
        container.mux(track.encode(None))


def write_stretch(master: Path, start: int, end: int, out: Path) -> None:
    """Write samples ``[start, end)`` of a master to a 24-bit WAV at ``out``."""
    import soundfile

    _, channels = master_samples(master)
    with soundfile.SoundFile(
        str(out), "w", samplerate=SAMPLE_RATE, channels=channels, format="WAV", subtype="PCM_24"
    ) as file:
        for block in _blocks(master, start, end):
            file.write(block.T)


def _blocks(master: Path, start: int, end: int) -> Iterator[npt.NDArray[np.float32]]:
    """The stretch in blocks of shape (channels, samples)."""
    import numpy as np
    import soundfile

    with soundfile.SoundFile(str(master)) as file:
        file.seek(start)
        left = end - start
        while left > 0:
            block = file.read(min(_BLOCK, left), dtype="float32", always_2d=True)
            if not len(block):
                raise InputError(
                    f"{master}: ends before sample {end}.",
                    code="master_unreadable",
                    hint="Run prep again; it makes the master anew.",
                )
            left -= len(block)
            yield np.ascontiguousarray(block.T)
