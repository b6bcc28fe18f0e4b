"""H.264 as bytes: NAL units, parameter sets, and giving parameter sets other ids.

Clips of different encoders can share one track without being encoded anew when each brings
its own sequence and picture parameter sets (SPS, PPS) under ids of its own. A slice names
its PPS by an Exp-Golomb code near its start; replacing that code by one exactly eight bits
longer keeps every following bit at its place within a byte, so the rest of the slice, CABAC
or CAVLC, is copied as it is.

Source: ITU-T H.264, 7.3 (syntax), 7.4.1.1 (emulation prevention), Annex E (VUI);
ISO/IEC 14496-15, 5.3.3 (the avcC record).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from lipsync_kit.media.h264_bits import (
    IDR_SLICE,
    PPS,
    SEI,
    SLICE,
    SPS,
    Bits,
    Malformed,
    escape,
    nal_type,
    rewritten,
    ue_bits,
    unescape,
)
from lipsync_kit.media.h264_sps import (
    BT709,
    HIGH_PROFILES,
    SequenceParameters,
    parse_sps,
    renumber_sps,
    tag_bt709,
)

__all__ = [
    "BT709", "IDR_SLICE", "PPS", "SEI", "SLICE", "SPS", "Bits", "Malformed", "ParameterSets",
    "Renumbering", "SequenceParameters", "build_avcc", "escape", "join_prefixed", "later_ids",
    "nal_type", "parse_avcc", "parse_sps", "pps_ids", "renumber_sample", "renumber_sets",
    "renumber_slice", "split_annex_b", "split_prefixed", "tag_bt709", "ue_bits", "unescape",
]  # fmt: skip


@dataclass(frozen=True)
class ParameterSets:
    """What an avcC record holds: SPS and PPS NAL units, and the size of length prefixes."""

    sps: tuple[bytes, ...]
    pps: tuple[bytes, ...]
    length_size: int = 4


def split_annex_b(data: bytes) -> list[bytes]:
    """The NAL units of a start-code stream."""
    units = re.split(rb"\x00*\x00\x00\x01", data)
    return [unit.rstrip(b"\0") for unit in units if unit]


def split_prefixed(data: bytes, length_size: int = 4) -> Iterator[bytes]:
    """The NAL units of a length-prefixed sample. Raises :class:`Malformed`."""
    at = 0
    while at < len(data):
        size = int.from_bytes(data[at : at + length_size], "big")
        at += length_size
        if size == 0 or at + size > len(data):
            raise Malformed("a NAL unit runs past its sample")
        yield data[at : at + size]
        at += size


def join_prefixed(nals: Iterable[bytes]) -> bytes:
    """A sample with four-byte length prefixes."""
    return b"".join(len(nal).to_bytes(4, "big") + nal for nal in nals)


def parse_avcc(record: bytes) -> ParameterSets:
    """An avcC record. Raises :class:`Malformed` when it is not one."""
    if len(record) < 7 or record[0] != 1:
        raise Malformed("no avcC record")
    sps, at = _read_units(record, 6, record[5] & 31)
    count = record[at] if at < len(record) else 0
    pps, _ = _read_units(record, at + 1, count)
    if not sps or not pps:
        raise Malformed("an avcC record without parameter sets")
    return ParameterSets(sps, pps, (record[4] & 3) + 1)


def _read_units(record: bytes, at: int, count: int) -> tuple[tuple[bytes, ...], int]:
    """``count`` units behind two-byte lengths, and where they end."""
    units = []
    for _ in range(count):
        size = int.from_bytes(record[at : at + 2], "big")
        at += 2 + size
        if not size or at > len(record):
            raise Malformed("an avcC record that ends early")
        units.append(record[at - size : at])
    return tuple(units), at


def build_avcc(sets: Iterable[ParameterSets]) -> bytes:
    """One avcC record with all the parameter sets, for four-byte length prefixes."""
    sps = list(dict.fromkeys(unit for each in sets for unit in each.sps))
    pps = list(dict.fromkeys(unit for each in sets for unit in each.pps))
    if len(sps) > 31 or len(pps) > 255:
        raise Malformed("more parameter sets than one avcC record holds")
    facts = [parse_sps(unit) for unit in sps]
    highest = max(range(len(sps)), key=lambda i: facts[i].profile)
    constraints = 255
    for unit in sps:
        constraints &= unit[2]
    record = bytearray([1, facts[highest].profile, constraints, max(unit[3] for unit in sps)])
    record += bytes([0xFC | 3, 0xE0 | len(sps)])
    for unit in sps:
        record += len(unit).to_bytes(2, "big") + unit
    record.append(len(pps))
    for unit in pps:
        record += len(unit).to_bytes(2, "big") + unit
    if facts[highest].profile in HIGH_PROFILES:
        depth = facts[highest].bit_depth - 8
        record += bytes([0xFC | facts[highest].chroma_format, 0xF8 | depth, 0xF8 | depth, 0])
    return bytes(record)


def pps_ids(nal: bytes) -> tuple[int, int]:
    """The id of a PPS and of the SPS that it belongs to. Raises :class:`Malformed`."""
    if nal_type(nal) != PPS:
        raise Malformed("not a picture parameter set")
    bits = Bits.of(unescape(nal[1:12]))
    return bits.ue(), bits.ue()


@dataclass(frozen=True)
class Renumbering:
    """New ids of a clip's parameter sets: old id → new id."""

    sps: Mapping[int, int]
    pps: Mapping[int, int]


def later_ids(old: int) -> range:
    """The PPS ids whose code is exactly eight bits longer than that of ``old``."""
    size = (old + 1).bit_length() + 4
    return range((1 << (size - 1)) - 1, min((1 << size) - 1, 256))


def renumber_sets(sets: ParameterSets, new: Renumbering) -> ParameterSets:
    """Parameter sets under their new ids."""
    sps = [renumber_sps(nal, new.sps[parse_sps(nal).id]) for nal in sets.sps]
    pps = []
    for nal in sets.pps:
        own, parent = pps_ids(nal)
        used = len(ue_bits(own)) + len(ue_bits(parent))
        pps.append(rewritten(nal, (0, used, ue_bits(new.pps[own]) + ue_bits(new.sps[parent]))))
    return ParameterSets(tuple(sps), tuple(pps), sets.length_size)


def renumber_slice(nal: bytes, pps: Mapping[int, int]) -> bytes:
    """A slice that names its PPS by the new id, which must be one of :func:`later_ids`."""
    rbsp = unescape(nal[1:])
    bits = Bits.of(rbsp[:16])
    bits.ue()  # first_mb_in_slice
    bits.ue()  # slice_type
    start = bits.at
    new = ue_bits(pps[bits.ue()])
    first, last = start // 8, -(-bits.at // 8)
    mixed = bits.text[first * 8 : start] + new + bits.text[bits.at : last * 8]
    head = int(mixed, 2).to_bytes(len(mixed) // 8, "big")
    return nal[:1] + escape(rbsp[:first] + head + rbsp[last:])


def renumber_sample(nals: Iterable[bytes], new: Renumbering) -> Iterator[bytes]:
    """A sample's NAL units under the new ids.

    SEI is dropped: buffering-period messages name an SPS, and none is needed to decode.
    """
    for nal in nals:
        kind = nal_type(nal)
        if kind in (SLICE, IDR_SLICE):
            yield renumber_slice(nal, new.pps)
        elif kind != SEI:
            yield nal
