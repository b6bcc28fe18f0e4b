"""Videos for the tests: numbered frames in every container, rate, shape and colour."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt

from lipsync_kit.catalog import Model, catalog
from lipsync_kit.media.ffmpeg import find_ffmpeg
from tests.ground_truth.frames import Mark, moving, read_mark

Frame = npt.NDArray[np.uint8]

MOTION = catalog()["fal-ai/bytedance/dreamactor/v2"]
DUB = catalog()["fal-ai/pixverse/lipsync"]
FAST = ("-c:v", "libx264", "-preset", "ultrafast", "-crf", "20", "-pix_fmt", "yuv420p")


def limited(model: Model, **video: object) -> Model:
    """The model with other bounds of its video."""
    return model.model_copy(update={"video": model.video.model_copy(update=video)})


@dataclass(frozen=True)
class Make:
    """How a numbered video is made. ``before``, ``filters``: of the output; ``sound``: a source
    of lavfi, its first sample under the first frame.
    """

    frames: int = 50
    width: int = 320
    height: int = 240
    rate: Fraction = Fraction(25)
    output: tuple[str, ...] = FAST
    filters: str = ""
    sound: str = ""


def ffmpeg(*arguments: str | Path, data: Iterable[Frame] = ()) -> None:
    program, _ = find_ffmpeg()
    command = [str(program), "-v", "error", "-y", *(str(argument) for argument in arguments)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE)
    assert process.stdin is not None
    for frame in data:
        process.stdin.write(frame.tobytes())
    process.stdin.close()
    if process.wait():
        raise RuntimeError(f"ffmpeg failed: {command}")


def planes(make: Make, numbers: Sequence[int]) -> Iterator[Frame]:
    chroma = np.full((make.height // 2, make.width), 118, np.uint8)
    for number in numbers:
        yield np.concatenate([moving(Mark(0, number), make.width, make.height), chroma])


def video(
    path: Path, make: Make = Make(), numbers: Sequence[int] | None = None, **changes: object
) -> Path:
    """Encode the frames ``numbers`` (default: all, in order) into ``path``."""
    how = replace(make, **changes)  # type: ignore[arg-type]
    shown = range(how.frames) if numbers is None else numbers
    source = ["-f", "rawvideo", "-pix_fmt", "yuv420p", "-s", f"{how.width}x{how.height}"]
    source += ["-r", str(how.rate), "-i", "pipe:0"]
    if how.sound:
        source += ["-f", "lavfi", "-i", how.sound, "-map", "0:v", "-map", "1:a"]
    filters = ["-vf", how.filters] if how.filters else []
    ffmpeg(*source, *filters, *how.output, path, data=planes(how, shown))
    return path


def varying(path: Path, times: Sequence[int], make: Make = Make()) -> Path:
    """A video whose frame k is shown at ``times[k]`` milliseconds."""
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=1000, options={"preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = make.width, make.height, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 1000)
        for number, (time, plane) in enumerate(
            zip(times, planes(make, range(len(times))), strict=True)
        ):
            frame = av.VideoFrame.from_ndarray(plane, format="yuv420p")
            frame.pts, frame.time_base = time, Fraction(1, 1000)
            assert number < 65536
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return path


@dataclass(frozen=True)
class Shown:
    """A decoded file: which numbered frame each of its frames is, and when it is shown."""

    numbers: list[int | None]
    times: list[Fraction]
    width: int
    height: int
    pixel_format: str
    codec: str


def shown(path: Path) -> Shown:
    numbers: list[int | None] = []
    times = []
    with av.open(str(path)) as film:
        stream = film.streams.video[0]
        for frame in film.decode(stream):
            luma = np.asarray(frame.to_ndarray(format="gray"), np.uint8)
            mark = read_mark(luma)
            numbers.append(mark.frame if mark else None)
            assert frame.pts is not None
            assert frame.time_base is not None
            times.append(frame.pts * frame.time_base)
        context = stream.codec_context
        return Shown(
            numbers, times, context.width, context.height, context.pix_fmt or "", context.name
        )


def packets(path: Path) -> list[bytes]:
    """The picture's packets, byte for byte."""
    with av.open(str(path)) as film:
        return [bytes(packet) for packet in film.demux(film.streams.video[0]) if packet.size]


def check_prepared(path: Path, fps: Fraction, frames: int) -> Shown:
    """MP4, H.264, 8-bit 4:2:0, upright, even, square, constant rate from 0, no sound."""
    with av.open(str(path)) as film:
        assert "mp4" in film.format.name
        assert [stream.type for stream in film.streams] == ["video"]
        stream = film.streams.video[0]
        assert stream.sample_aspect_ratio in (None, 0, 1)
        assert int(stream.codec_context.color_trc) in (1, 2, 6)
    seen = shown(path)
    assert seen.codec == "h264"
    assert seen.pixel_format in ("yuv420p", "yuvj420p")
    assert seen.width % 2 == seen.height % 2 == 0
    assert seen.times == [Fraction(k) / fps for k in range(frames)]
    return seen
