"""The parts that a tile's picture is made of, and the parameter sets that they share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from lipsync_kit.media import h264
from lipsync_kit.media.x264 import Piece
from lipsync_kit.postprocess.mux import Delivered
from lipsync_kit.postprocess.survey import CopyRange, Survey, clip_opened

MOST_SETS = 12
"""Distinct parameter sets of clips that one track takes; 16 ids are to be had (30 minus 15)."""


@dataclass(frozen=True)
class Copied:
    """Packets of a clip, taken as they are."""

    clip: Survey
    range: CopyRange

    @property
    def sets(self) -> h264.ParameterSets:
        """The clip's parameter sets, BT.709 where they name no colours."""
        return tagged(self.clip)

    @property
    def frames(self) -> int:
        """Frames shown."""
        return self.range.count

    @property
    def delay(self) -> int:
        """Packets by which decoding runs ahead of display at most."""
        chosen = self.clip.display[self.range.packet : self.range.packet + self.range.count]
        return max(at - (shown - self.range.frame) for at, shown in enumerate(chosen))


Part = Copied | Piece


def tagged(clip: Survey) -> h264.ParameterSets:
    """The parameter sets of a clip that may be copied, BT.709 where they name no colours."""
    assert clip.sets is not None
    named = tuple(h264.tag_bt709(unit) for unit in clip.sets.sps)
    return h264.ParameterSets(named, clip.sets.pps)


def frames_of(part: Part) -> int:
    """Frames that a part shows."""
    return part.frames if isinstance(part, Copied) else len(part.samples)


def _packets(part: Part, new: h264.Renumbering | None) -> Iterator[Delivered]:
    """A part's encoded frames in decoding order, its parameter sets renumbered by ``new``."""
    from av.packet import Packet

    if isinstance(part, Copied):
        yield from _copied(part, new)
        return
    for sample, data in part.read():
        nals = h264.split_prefixed(data)
        named = data if new is None else h264.join_prefixed(h264.renumber_sample(nals, new))
        yield Delivered(Packet(named), sample.display, sample.key)


def _copied(part: Copied, new: h264.Renumbering | None) -> Iterator[Delivered]:
    from av.packet import Packet

    clip, wanted = part.clip, part.range
    assert clip.sets is not None
    untouched = clip.plain and new is None
    with clip_opened(clip.path) as (container, stream):
        at = -1
        for packet in container.demux(stream):
            at += 1 if packet.size else 0
            if not packet.size or at < wanted.packet:
                continue
            if at >= wanted.packet + wanted.count:
                return
            place = clip.display[at] - wanted.frame
            if untouched:
                yield Delivered(packet, place, clip.keys[at])
                continue
            nals = _slices(bytes(packet), clip.sets.length_size)
            kept = h264.renumber_sample(nals, new) if new is not None else nals
            yield Delivered(Packet(h264.join_prefixed(kept)), place, clip.keys[at])


def _slices(data: bytes, length_size: int) -> Iterator[bytes]:
    """A sample's slices and SEI: parameter sets travel in the file's header instead."""
    for nal in h264.split_prefixed(data, length_size):
        if h264.nal_type(nal) in (h264.SLICE, h264.IDR_SLICE, h264.SEI):
            yield nal


@dataclass(frozen=True)
class Header:
    """The track's parameter sets, and how each of the parts' own are renumbered."""

    sets: tuple[h264.ParameterSets, ...]
    renumbered: dict[h264.ParameterSets, h264.Renumbering | None]


def spliced(parts: Sequence[Part], header: Header) -> Iterator[Delivered]:
    """All the parts' encoded frames in decoding order, counted from the film's first."""
    edge = 0
    for part in parts:
        for sample in _packets(part, header.renumbered[part.sets]):
            yield Delivered(sample.packet, edge + sample.display, sample.key)
        edge += frames_of(part)


def share(parts: Iterable[Part]) -> Header:
    """Put the parameter sets of all parts into one header.

    The sets of most frames keep their ids; others get ids of their own.
    """
    weight: Counter[h264.ParameterSets] = Counter()
    for part in parts:
        weight[part.sets] += frames_of(part)
    own, *others = [sets for sets, _ in weight.most_common()]
    used_sps = {h264.parse_sps(unit).id for unit in own.sps}
    used_pps = {h264.pps_ids(unit)[0] for unit in own.pps}
    header: dict[h264.ParameterSets, h264.Renumbering | None] = {own: None}
    written = [own]
    for sets in others:
        new = _free_ids(sets, used_sps, used_pps)
        used_sps |= set(new.sps.values())
        used_pps |= set(new.pps.values())
        header[sets] = new
        written.append(h264.renumber_sets(sets, new))
    return Header(tuple(written), header)


def _free_ids(sets: h264.ParameterSets, used_sps: set[int], used_pps: set[int]) -> h264.Renumbering:
    sps: dict[int, int] = {}
    pps: dict[int, int] = {}
    for unit in sets.sps:
        taken = used_sps | set(sps.values())
        sps[h264.parse_sps(unit).id] = next(i for i in range(32) if i not in taken)
    for unit in sets.pps:
        old = h264.pps_ids(unit)[0]
        taken = used_pps | set(pps.values())
        pps[old] = next(i for i in h264.later_ids(old) if i not in taken)
    return h264.Renumbering(sps, pps)


def copyable_sets(clips: Sequence[Survey]) -> set[h264.ParameterSets]:
    """The parameter sets that one header can hold, the most used first."""
    weight: Counter[h264.ParameterSets] = Counter()
    for clip in clips:
        weight[tagged(clip)] += clip.frames
    fits = [sets for sets, _ in weight.most_common() if len(sets.sps) == 1 and len(sets.pps) <= 4]
    return set(fits[:MOST_SETS])
