"""What a clip is, packet by packet: whether it can be copied, and what stands in the way."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate, pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from lipsync_kit.errors import InputError
from lipsync_kit.media import h264
from lipsync_kit.media.probe import opened

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.packet import Packet
    from av.video.stream import VideoStream

_ATTACHED_PICTURE = 0x400


@dataclass(frozen=True)
class Survey:
    """A clip's picture, counted.

    ``width``/``height``: pixels as stored; ``aspect``: width over height as shown. ``pts``:
    presentation times in units of ``time_base``, rising. ``display``: for each packet in
    decoding order, the place of its frame among ``pts``; ``keys``: whether it is an IDR
    frame. ``rate``: the median rate. ``rotation``: degrees counter-clockwise that a player
    turns it by. ``sets``: its parameter sets. ``plain``: each packet holds nothing but slices
    and SEI behind four-byte lengths. ``obstacle``: why its packets can't be copied, empty
    when they can.
    """

    path: Path
    codec: str
    width: int
    height: int
    aspect: Fraction
    time_base: Fraction
    pts: tuple[int, ...]
    display: tuple[int, ...]
    keys: tuple[bool, ...]
    rate: Fraction
    rotation: int
    sets: h264.ParameterSets | None
    plain: bool
    obstacle: str = ""

    @property
    def frames(self) -> int:
        """Frames in the clip."""
        return len(self.pts)

    @property
    def delay(self) -> int:
        """Packets by which decoding runs ahead of display at most."""
        return max((packet - shown for packet, shown in enumerate(self.display)), default=0)

    def slots(self, fps: Fraction) -> int:
        """Frames of the film that the clip fills, from its first frame to its last."""
        if not self.pts:
            return 0
        length = (self.pts[-1] - self.pts[0]) * self.time_base + 1 / self.rate
        return max(1, round(length * fps))


def unreadable(path: Path, why: str) -> InputError:
    """The error for a clip that can't be used."""
    return InputError(
        f"{path}: {why}.",
        code="clip_unreadable",
        hint="Make it again: lipsync-kit render --retake N.",
    )


@contextmanager
def clip_opened(path: Path) -> Iterator[tuple[InputContainer, VideoStream]]:
    """A clip and its moving picture.

    Raises :class:`~lipsync_kit.errors.InputError` when it has none, or when reading or
    decoding it fails within the block.
    """
    import av

    with opened(path) as container:
        picture = next(
            (
                stream
                for stream in container.streams.video
                if not int(stream.disposition) & _ATTACHED_PICTURE
            ),
            None,
        )
        if picture is None:
            raise unreadable(path, "no moving picture in it")
        try:
            yield container, picture
        except av.FFmpegError as error:
            raise unreadable(path, f"damaged: {error.strerror}") from error


def survey(path: Path) -> Survey:
    """Count a clip's packets. Raises InputError when it has no picture or can't be read."""
    with clip_opened(path) as (container, stream):
        context = stream.codec_context
        sets, obstacle = _parameter_sets(context.name, context.extradata)
        watch = _Watch(sets, obstacle)
        stamps: list[tuple[int | None, bool]] = []
        rotation = 0
        for packet in container.demux(stream):
            if packet.size:
                if not stamps:
                    rotation = _rotation(stream, packet)
                key = watch.see(packet)
                if not packet.is_discard:
                    stamps.append((packet.pts, key))
        time_base = stream.time_base or Fraction(1, 1000)
        pts = [at for at, _ in stamps if at is not None]
        rising = tuple(sorted(set(pts)))
        if not rising:
            raise unreadable(path, "no frame in it")
        if rotation:
            watch.object("it is turned by its display matrix")
        if len(rising) != len(stamps):
            watch.object("its timestamps repeat or are missing")
        place = {at: index for index, at in enumerate(rising)}
        return Survey(
            path=path,
            codec=context.name,
            width=context.width,
            height=context.height,
            aspect=_aspect(stream, rotation),
            time_base=time_base,
            pts=rising,
            display=tuple(place[at] for at, _ in stamps if at is not None),
            keys=tuple(key for at, key in stamps if at is not None),
            rate=_median_rate(rising, time_base, stream.average_rate),
            rotation=rotation,
            sets=sets,
            plain=watch.plain,
            obstacle=watch.obstacle,
        )


def _aspect(stream: VideoStream, rotation: int) -> Fraction:
    context = stream.codec_context
    aspect = Fraction(context.width, context.height) * (stream.sample_aspect_ratio or 1)
    return 1 / aspect if rotation % 180 == 90 else aspect


def _rotation(stream: VideoStream, first: Packet[VideoStream]) -> int:
    import av

    context = stream.codec_context
    try:
        frames = [*context.decode(first), *context.decode(None)]
    except av.FFmpegError:
        return 0  # whoever decodes the clip will say what is wrong with it
    return int(frames[0].rotation) % 360 if frames else 0


def _median_rate(pts: Sequence[int], time_base: Fraction, stated: Fraction | None) -> Fraction:
    steps = sorted(after - before for before, after in pairwise(pts))
    if steps:
        return 1 / (steps[len(steps) // 2] * time_base)
    return stated or Fraction(25)


def _parameter_sets(codec: str, extradata: bytes | None) -> tuple[h264.ParameterSets | None, str]:
    """The parameter sets of a stream that may be copied, or why it may not be."""
    if codec != "h264":
        return None, f"its codec is {codec}"
    try:
        sets = h264.parse_avcc(bytes(extradata or b""))
        facts = [h264.parse_sps(unit) for unit in sets.sps]
        for unit in sets.pps:
            h264.pps_ids(unit)
    except h264.Malformed as fault:
        return None, str(fault)
    return sets, next((why for fact in facts if (why := _unusual(fact))), "")


def _unusual(facts: h264.SequenceParameters) -> str:
    if facts.chroma_format != 1 or facts.bit_depth != 8:
        return "its pixel format is not 8-bit 4:2:0"
    if not facts.progressive:
        return "it may be interlaced"
    if not facts.square:
        return "its pixels are not square"
    if facts.full_range:
        return "its colours have full range"
    if any(
        own not in (standard, 2) for own, standard in zip(facts.colour, h264.BT709, strict=True)
    ):
        return "its colours are not BT.709"
    return ""


class _Watch:
    """Looks into every packet of a clip for what would forbid copying it."""

    def __init__(self, sets: h264.ParameterSets | None, obstacle: str) -> None:
        self._sets = sets
        self.obstacle = obstacle
        self._known = {*sets.sps, *sets.pps} if sets else set()
        self._first = True
        self.plain = sets is not None and sets.length_size == 4

    def object(self, why: str) -> None:
        self.obstacle = self.obstacle or why

    def see(self, packet: Packet[VideoStream]) -> bool:
        """Look at the next packet; whether it is an IDR frame (a key, when not H.264)."""
        if self._sets is None:
            return packet.is_keyframe
        if packet.is_discard:
            self.object("its edit list hides frames")
        try:
            nals = list(h264.split_prefixed(bytes(packet), self._sets.length_size))
        except h264.Malformed as fault:
            self.object(str(fault))
            return packet.is_keyframe
        kinds = {h264.nal_type(nal) for nal in nals}
        if not kinds <= {h264.SLICE, h264.IDR_SLICE, h264.SEI}:
            self.plain = False
        if kinds & {h264.SPS, h264.PPS} and any(
            h264.nal_type(nal) in (h264.SPS, h264.PPS) and nal not in self._known for nal in nals
        ):
            self.object("its parameter sets change on the way")
        if self._first and h264.IDR_SLICE not in kinds:
            self.object("it does not begin with an IDR frame")
        self._first = False
        return h264.IDR_SLICE in kinds


def on_grid(clip: Survey, fps: Fraction) -> bool:
    """Whether each frame is the one nearest to its place on the film's frame grid."""
    unit = clip.time_base * fps
    return all(
        abs((at - clip.pts[0]) * unit - place) < Fraction(1, 2) for place, at in enumerate(clip.pts)
    )


@dataclass(frozen=True)
class CopyRange:
    """Packets ``[packet, packet + count)``: frames ``[frame, frame + count)`` and no others."""

    packet: int
    frame: int
    count: int

    @property
    def end(self) -> int:
        """The frame after the last."""
        return self.frame + self.count


def copy_range(
    display: Sequence[int], keys: Sequence[bool], first: int, end: int
) -> CopyRange | None:
    """The longest run of packets that shows only frames of ``[first, end)``.

    It begins at a random access point after which nothing earlier is shown, and ends where
    all frames up to some point have been decoded and none beyond it. ``None`` when there is
    no such run.
    """
    earliest = list(accumulate(reversed(display), min))[::-1]
    begin = next(
        (
            packet
            for packet, shown in enumerate(display)
            if keys[packet] and shown >= first and earliest[packet] == shown
        ),
        None,
    )
    if begin is None:
        return None
    base, count, highest = display[begin], 0, -1
    for packet in range(begin, len(display)):
        highest = max(highest, display[packet])
        if highest >= end:
            break
        if highest - base == packet - begin:
            count = packet - begin + 1
    return CopyRange(begin, base, count) if count else None
