"""Sound in blocks: decoding, resampling, and the scratch file between two passes.

Blocks are planar ``float32`` arrays of shape ``(channels, samples)``, full scale 1.0. A file
is decoded once, from its first packet to its last; what comes out is counted, and that count
is the truth about its length. Memory is bounded by a few blocks, whatever the length.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from queue import Full, Queue
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import numpy.typing as npt

from lipsync_kit.errors import InputError
from lipsync_kit.media.probe import opened

if TYPE_CHECKING:
    from av import AudioFrame
    from av.container import InputContainer

Block = npt.NDArray[np.float32]
"""Planar sound, shape ``(channels, samples)``, full scale 1.0."""

Item = TypeVar("Item")

BLOCK_SECONDS = 5
_LARGEST_GAP = 600


@dataclass
class SoundSource:
    """One sound stream while it is decoded.

    ``channels`` is what comes out (1 or 2; more are mixed down to stereo),
    ``source_channels`` what the file has, ``claimed`` the container's own idea of its length
    in seconds. ``damaged`` counts packets that could not be decoded and ``filled`` the samples
    of silence put where a video's time stamps leave a gap; both are final when
    :meth:`blocks` has ended.
    """

    path: Path
    codec: str
    lossless: bool
    sample_rate: int
    source_channels: int
    claimed: Fraction | None
    channels: int = 1
    damaged: int = 0
    filled: int = 0
    _frames: Iterator[AudioFrame] = field(default_factory=lambda: iter(()), repr=False)
    _starts_at: Fraction | None = None

    def blocks(self, seconds: int = BLOCK_SECONDS) -> Iterator[Block]:
        """The sound in blocks of ``seconds``, the last one shorter."""
        size = seconds * self.sample_rate
        block = np.empty((self.channels, size), np.float32)
        used = 0
        for piece in self._pieces():
            at = 0
            while at < piece.shape[1]:
                step = min(size - used, piece.shape[1] - at)
                block[:, used : used + step] = piece[:, at : at + step]
                used += step
                at += step
                if used == size:
                    yield _finite(block)
                    block = np.empty((self.channels, size), np.float32)
                    used = 0
        if used:
            yield _finite(block[:, :used])

    def _pieces(self) -> Iterator[Block]:
        """Decoded frames as planar float, with silence where time stamps leave a gap."""
        import av

        layout = "mono" if self.channels == 1 else "stereo"
        convert = av.AudioResampler(format="fltp", layout=layout, rate=self.sample_rate)
        written = 0
        for frame in self._frames:
            gap = self._gap_before(frame, written)
            for missing in _split(gap, BLOCK_SECONDS * self.sample_rate):
                yield np.zeros((self.channels, missing), np.float32)
            self.filled += gap
            written += gap
            for converted in convert.resample(frame):
                written += converted.samples
                yield converted.to_ndarray().astype(np.float32, copy=False)
        for converted in convert.resample(None):
            yield converted.to_ndarray().astype(np.float32, copy=False)

    def _gap_before(self, frame: AudioFrame, written: int) -> int:
        """Samples of silence that a video's time stamps ask for before ``frame``."""
        if self._starts_at is None or frame.pts is None or frame.time_base is None:
            return 0
        due = round((frame.pts * frame.time_base - self._starts_at) * self.sample_rate)
        missing = due - written
        # Less is the rounding of a container's clock; more is a broken time stamp.
        smallest, largest = self.sample_rate // 20, _LARGEST_GAP * self.sample_rate
        return missing if smallest <= missing <= largest else 0


def _finite(block: Block) -> Block:
    """``block`` with NaN and infinity, which float files may hold, made silence."""
    # A sum is finite only when every term is: one fast pass over sound that is right.
    if not np.isfinite(block.sum()):
        block = np.nan_to_num(block, nan=0.0, posinf=0.0, neginf=0.0)
    return block


def _split(count: int, largest: int) -> Iterator[int]:
    while count > 0:
        yield min(count, largest)
        count -= largest


@contextmanager
def open_sound(path: Path) -> Iterator[SoundSource]:
    """The first sound stream of ``path``, ready to be decoded once.

    Raises :class:`~lipsync_kit.errors.InputError` when the file can't be read, is not media,
    or holds no sound.
    """
    with opened(path) as container:
        if not container.streams.audio:
            raise InputError(
                f"{path}: has no audio stream.",
                code="no_audio",
                hint="Export it with sound, or pass the narration as a file of its own.",
            )
        context = container.streams.audio[0].codec_context
        source = SoundSource(
            path=path,
            codec=context.name,
            lossless=bool(getattr(context.codec, "lossless", False)),
            sample_rate=0,
            source_channels=0,
            claimed=Fraction(container.duration, 1_000_000) if container.duration else None,
        )
        _begin(source, container)
        yield source


def _begin(source: SoundSource, container: InputContainer) -> None:
    """Learn rate and channels from the first decoded frame: headers may be wrong."""
    frames = _decoded(source, container)
    first = next(frames, None)
    if first is None:
        raise InputError(
            f"{source.path}: no sound could be decoded from it ({source.codec}).",
            code="media_unreadable",
            hint="Check that it plays; export it again as WAV, MP3 or M4A.",
        )
    source.sample_rate = first.sample_rate
    source.source_channels = first.layout.nb_channels
    source.channels = min(source.source_channels, 2)
    source._frames = itertools.chain([first], frames)
    if container.streams.video:
        source._starts_at = Fraction(container.start_time or 0, 1_000_000)


def _decoded(source: SoundSource, container: InputContainer) -> Iterator[AudioFrame]:
    """Every frame that can be decoded; what can't is counted and left out."""
    import av

    packets = container.demux(container.streams.audio[0])
    while True:
        try:
            packet = next(packets, None)
            if packet is None:
                return
            yield from packet.decode()
        except av.EOFError:
            return
        except av.FFmpegError:
            source.damaged += 1
            if source.damaged > 10_000:
                return


def ahead(blocks: Iterator[Item], depth: int = 1) -> Iterator[Item]:
    """The same items, made up to ``depth`` ahead in a thread of their own.

    Decoding then runs beside whatever the caller does with the block before. An exception of
    the maker is raised here; leaving early stops the maker.
    """
    ready: Queue[tuple[Item | None, BaseException | None]] = Queue(maxsize=depth)
    stopped = threading.Event()
    maker = threading.Thread(
        target=_make, args=(blocks, ready, stopped), name="blocks-ahead", daemon=True
    )
    maker.start()
    try:
        while True:
            item, error = ready.get()
            if error is not None:
                raise error
            if item is None:
                return
            yield item
    finally:
        stopped.set()
        maker.join()


def _make(
    blocks: Iterator[Item],
    ready: Queue[tuple[Item | None, BaseException | None]],
    stopped: threading.Event,
) -> None:
    """Fill ``ready`` until ``blocks`` end (``None``), fail (their error) or nobody waits."""

    def hand(item: Item | None, error: BaseException | None) -> None:
        while not stopped.is_set():
            try:
                ready.put((item, error), timeout=0.2)
            except Full:
                continue
            return

    try:
        for item in blocks:
            hand(item, None)
            if stopped.is_set():
                return
    except BaseException as error:
        hand(None, error)
    else:
        hand(None, None)


class Resampler:
    """Planar sound from one sample rate to another, block by block (soxr, linear phase).

    The output of :meth:`feed` over all blocks, ended by :meth:`flush`, has
    ``round(samples * target / source)`` samples, aligned to the input without delay.
    """

    def __init__(self, source: int, target: int, channels: int, quality: str = "HQ") -> None:
        import soxr

        self._streams = (
            []
            if source == target
            else [
                soxr.ResampleStream(source, target, 1, dtype="float32", quality=quality)
                for _ in range(channels)
            ]
        )
        self._channels = channels

    def feed(self, block: Block) -> Block:
        """What is ready after ``block``; it may be empty."""
        return self._run(block, last=False) if self._streams else block

    def flush(self) -> Block:
        """What is left at the end."""
        empty = np.zeros((self._channels, 0), np.float32)
        return self._run(empty, last=True) if self._streams else empty

    def _run(self, block: Block, *, last: bool) -> Block:
        parts = [
            stream.resample_chunk(np.ascontiguousarray(channel), last=last)
            for stream, channel in zip(self._streams, block, strict=True)
        ]
        return np.stack(parts)
