"""WAV files: PCM of 16 or 24 bits, of any length, and the scratch file between two passes.

Written here rather than by a library so that the same sound gives the same bytes, packing
24 bits costs little, and files past 4 GiB become RF64 (EBU Tech 3306).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import numpy.typing as npt

from lipsync_kit.errors import InputError
from lipsync_kit.media.pcm import Block
from lipsync_kit.timing import SAMPLE_RATE

_LARGEST_RIFF = 2**32 - 1
_LONGEST_HEADER = 80


def header(samples: int, channels: int, bits: int, sample_rate: int = SAMPLE_RATE) -> bytes:
    """The bytes before the samples: RIFF, or RF64 when the sizes need 64 bits."""
    frame = channels * bits // 8
    size = samples * frame
    fmt = struct.pack(
        "<4sIHHIIHH", b"fmt ", 16, 1, channels, sample_rate, sample_rate * frame, frame, bits
    )
    riff = 4 + len(fmt) + 8 + size + size % 2
    if riff <= _LARGEST_RIFF:
        return (
            struct.pack("<4sI4s", b"RIFF", riff, b"WAVE") + fmt + struct.pack("<4sI", b"data", size)
        )
    ds64 = struct.pack("<4sIQQQI", b"ds64", 28, riff + 36, size, samples, 0)
    start = struct.pack("<4sI4s", b"RF64", 2**32 - 1, b"WAVE")
    return start + ds64 + fmt + struct.pack("<4sI", b"data", 2**32 - 1)


def pack24(interleaved: npt.NDArray[np.float32]) -> bytes:
    """24-bit little-endian PCM of samples at full scale 1.0, rounded, clipped at full scale."""
    scaled = interleaved.reshape(-1) * np.float32(2**23)
    np.rint(scaled, out=scaled)
    np.clip(scaled, -(2.0**23), 2.0**23 - 1, out=scaled)
    values = scaled.astype(np.int32).view(np.uint32)
    whole = len(values) // 4 * 4
    four = (values[:whole] & 0xFFFFFF).reshape(-1, 4)
    packed = np.empty((len(four), 3), "<u4")
    packed[:, 0] = four[:, 0] | (four[:, 1] << 24)
    packed[:, 1] = (four[:, 1] >> 8) | (four[:, 2] << 16)
    packed[:, 2] = (four[:, 2] >> 16) | (four[:, 3] << 8)
    rest = values[whole:].astype("<u4").view(np.uint8).reshape(-1, 4)[:, :3]
    return packed.tobytes() + rest.tobytes()


class MasterWriter:
    """A 24-bit WAV whose length is known beforehand, written block by block."""

    def __init__(self, path: Path, samples: int, channels: int) -> None:
        self._file = path.open("wb")
        self._file.write(header(samples, channels, 24))
        self._left = samples
        self._odd = samples * channels * 3 % 2

    def write(self, block: Block) -> None:
        """Append a planar block."""
        self._left -= block.shape[1]
        self._file.write(pack24(np.ascontiguousarray(block.T)))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, _: TracebackType | None
    ) -> None:
        if kind is None:
            self._file.write(b"\0" * self._odd)
        self._file.close()
        if kind is None and self._left:
            raise AssertionError(f"{self._left} samples of the master were not written")


def write16(path: Path, samples: npt.NDArray[np.int16]) -> None:
    """Write mono 16-bit sound."""
    with path.open("wb") as file:
        file.write(header(len(samples), 1, 16))
        file.write(samples.astype("<i2", copy=False).tobytes())


class MasterReader:
    """Windows of a 24-bit WAV that :class:`MasterWriter` wrote.

    Raises :class:`~lipsync_kit.errors.InputError` when ``path`` is none.
    """

    def __init__(self, path: Path) -> None:
        try:
            self._file = path.open("rb")
        except OSError as error:
            raise InputError(
                f"{path}: can't be read: {error.strerror}.", code="unreadable"
            ) from None
        head = self._file.read(_LONGEST_HEADER)
        at = head.find(b"data") + 8
        fmt = head.find(b"fmt ") + 8
        self.channels = int.from_bytes(head[fmt + 2 : fmt + 4], "little")
        self._frame = 3 * self.channels
        samples = (path.stat().st_size - at) // max(1, self._frame)
        if at < 8 or head[:at] != header(samples, self.channels, 24):
            self._file.close()
            raise InputError(
                f"{path}: not a master as it was written.",
                code="master_changed",
                hint="Run prep again; it makes the master anew.",
            )
        self._data = at

    def _frames(self, start: int, stop: int) -> npt.NDArray[np.uint8]:
        self._file.seek(self._data + start * self._frame)
        raw = self._file.read((stop - start) * self._frame)
        return np.frombuffer(raw, np.uint8).reshape(-1, self._frame)

    def int16(self, start: int, stop: int, channel: int) -> npt.NDArray[np.int16]:
        """Samples ``[start, stop)`` of a channel, rounded half up to 16 bits, no dither."""
        frames = self._frames(start, stop)
        at = 3 * channel
        high = np.ascontiguousarray(frames[:, at + 1 : at + 3]).view("<i2")[:, 0]
        up = (frames[:, at] >> 7).astype(np.int16)
        up[high == 32767] = 0
        return np.asarray(high + up, np.int16)

    def floats(self, start: int, stop: int) -> Block:
        """Samples ``[start, stop)`` of all channels; 24 bits fit into a float exactly."""
        frames = self._frames(start, stop).reshape(-1, self.channels, 3)
        wide = np.zeros((*frames.shape[:2], 4), np.uint8)
        wide[..., 1:] = frames
        samples: Block = wide.view("<i4")[..., 0].T.astype(np.float32) / np.float32(2**31)
        return samples

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()


class Scratch:
    """A raw ``float32`` file a channel between two passes, removed when it is closed.

    Written once, in blocks; any window can be read back. Channels may be read and written
    from different threads, but one channel only from one at a time.
    """

    def __init__(self, path: Path, channels: int) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._files = [
            path.with_name(f"{path.name}.{channel}").open("wb+", buffering=0)
            for channel in range(channels)
        ]
        self._lengths = [0] * channels
        self.channels = channels

    @property
    def samples(self) -> int:
        """Samples of every channel."""
        return min(self._lengths)

    def append(self, block: Block) -> None:
        """Append a planar block to all channels."""
        for channel, samples in enumerate(block):
            self.extend(channel, samples)

    def extend(self, channel: int, samples: npt.NDArray[np.float32]) -> None:
        """Append samples to one channel."""
        file = self._files[channel]
        file.seek(0, 2)
        file.write(np.ascontiguousarray(samples, np.float32).data)
        self._lengths[channel] += len(samples)

    def window(self, start: int, stop: int) -> Block:
        """Samples ``[start, stop)`` of all channels, cut to what there is."""
        return np.stack([self.part(channel, start, stop) for channel in range(self.channels)])

    def part(self, channel: int, start: int, stop: int) -> npt.NDArray[np.float32]:
        """Samples ``[start, stop)`` of one channel, cut to what there is."""
        start, stop = max(0, start), min(self._lengths[channel], stop)
        out = np.empty(max(0, stop - start), np.float32)
        if len(out):
            file = self._files[channel]
            file.seek(start * 4)
            file.readinto(out.data)
        return out

    def channel(self, index: int, size: int) -> Iterator[npt.NDArray[np.float32]]:
        """One channel from start to end in blocks of ``size`` samples."""
        for start in range(0, self._lengths[index], size):
            yield self.part(index, start, start + size)

    def only(self, channel: int) -> Scratch:
        """One channel as a view of its own, which lives as long as this one."""
        view = Scratch.__new__(Scratch)
        view._files, view._lengths = [self._files[channel]], [self._lengths[channel]]
        view.channels = 1
        return view

    def close(self) -> None:
        """Remove the files."""
        for file in self._files:
            file.close()
            Path(file.name).unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
