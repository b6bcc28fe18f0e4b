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
from functools import lru_cache

SLICE, IDR_SLICE, SEI, SPS, PPS, AUD = 1, 5, 6, 7, 8, 9

HIGH_PROFILES = frozenset({44, 83, 86, 100, 110, 118, 122, 128, 138, 139, 244})
"""Profiles whose SPS carries chroma format and bit depth."""

BT709 = (1, 1, 1)
"""Colour primaries, transfer and matrix of BT.709."""

_UNSPECIFIED = 2


class Malformed(ValueError):
    """A stream that is not H.264 as we understand it; its clip is conformed instead."""


@dataclass(frozen=True)
class ParameterSets:
    """What an avcC record holds: SPS and PPS NAL units, and the size of length prefixes."""

    sps: tuple[bytes, ...]
    pps: tuple[bytes, ...]
    length_size: int = 4


@dataclass(frozen=True)
class SequenceParameters:
    """What an SPS says. ``colour``: primaries, transfer, matrix (2: unspecified)."""

    id: int
    profile: int
    level: int
    chroma_format: int
    bit_depth: int
    width: int
    height: int
    progressive: bool
    square: bool
    full_range: bool
    colour: tuple[int, int, int]


def nal_type(nal: bytes) -> int:
    """``nal_unit_type`` of a NAL unit."""
    return nal[0] & 31 if nal else 0


def unescape(payload: bytes) -> bytes:
    """Payload without emulation prevention bytes."""
    return payload.replace(b"\0\0\3", b"\0\0")


def escape(rbsp: bytes) -> bytes:
    """Payload with emulation prevention bytes."""
    escaped = re.sub(rb"\x00\x00(?=[\x00-\x03])", b"\0\0\3", rbsp)
    return escaped + b"\3" if escaped.endswith(b"\0") else escaped


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


class Bits:
    """A reader over a string of ``0`` and ``1``."""

    def __init__(self, text: str, at: int = 0) -> None:
        self.text = text
        self.at = at

    @classmethod
    def of(cls, rbsp: bytes) -> Bits:
        """A reader over bytes, most significant bit first."""
        return cls("".join(f"{byte:08b}" for byte in rbsp))

    def u(self, count: int) -> int:
        """An unsigned integer of ``count`` bits."""
        piece = self.text[self.at : self.at + count]
        if len(piece) < count:
            raise Malformed("a parameter set ends early")
        self.at += count
        return int(piece, 2) if count else 0

    def flag(self) -> bool:
        """One bit."""
        return self.u(1) == 1

    def ue(self) -> int:
        """An unsigned Exp-Golomb code."""
        one = self.text.find("1", self.at)
        if one < 0:
            raise Malformed("a parameter set ends early")
        zeros = one - self.at
        self.at = one
        return self.u(zeros + 1) - 1

    def se(self) -> int:
        """A signed Exp-Golomb code."""
        code = self.ue()
        return (code + 1) // 2 if code % 2 else -(code // 2)


def ue_bits(value: int) -> str:
    """``value`` as an unsigned Exp-Golomb code."""
    code = f"{value + 1:b}"
    return "0" * (len(code) - 1) + code


def _to_bytes(bits: str) -> bytes:
    """Bits that end in the stop bit, padded to whole bytes."""
    padded = bits + "0" * (-len(bits) % 8)
    return int(padded, 2).to_bytes(len(padded) // 8, "big")


def _rewritten(nal: bytes, *edits: tuple[int, int, str]) -> bytes:
    """``nal`` with the bits ``[start, end)`` of its payload replaced; edits in rising order."""
    text = Bits.of(unescape(nal[1:])).text.rstrip("0")
    for start, end, new in reversed(edits):
        text = text[:start] + new + text[end:]
    return nal[:1] + escape(_to_bytes(text))


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


@dataclass(frozen=True)
class _Marks:
    """Bit positions in an SPS payload that rewriting needs.

    ``signal``: the VUI's video_signal_type_present_flag, -1 when there is no VUI;
    ``colour_present``: colour_description_present_flag, -1 when the signal has none.
    """

    id_start: int
    id_end: int
    vui: int
    signal: int
    colour_present: int


@lru_cache(maxsize=64)
def _read_sps(nal: bytes) -> tuple[SequenceParameters, _Marks]:
    bits = Bits.of(unescape(nal[1:]))
    profile, _, level = bits.u(8), bits.u(8), bits.u(8)
    id_start = bits.at
    ident = bits.ue()
    id_end = bits.at
    chroma, depth = 1, 8
    if profile in HIGH_PROFILES:
        chroma, depth = _read_format(bits)
    _skip_order(bits)
    bits.ue()  # max_num_ref_frames
    bits.flag()  # gaps_in_frame_num_value_allowed_flag
    width, height, progressive = _read_size(bits, chroma)
    vui = bits.at
    square, full, colour, signal, present = True, False, (_UNSPECIFIED,) * 3, -1, -1
    if bits.flag():
        square, full, colour, signal, present = _read_signal(bits)
    facts = SequenceParameters(
        ident, profile, level, chroma, depth, width, height, progressive, square, full, colour
    )
    return facts, _Marks(id_start, id_end, vui, signal, present)


def _read_format(bits: Bits) -> tuple[int, int]:
    chroma = bits.ue()
    if chroma == 3:
        bits.flag()
    depth = 8 + max(bits.ue(), bits.ue())
    bits.flag()
    if bits.flag():  # seq_scaling_matrix_present_flag
        for index in range(12 if chroma == 3 else 8):
            if bits.flag():
                _skip_scaling(bits, 16 if index < 6 else 64)
    return chroma, depth


def _skip_scaling(bits: Bits, size: int) -> None:
    last = following = 8
    for _ in range(size):
        if following:
            following = (last + bits.se()) % 256
        last = following or last


def _skip_order(bits: Bits) -> None:
    bits.ue()  # log2_max_frame_num_minus4
    kind = bits.ue()
    if kind == 0:
        bits.ue()
    elif kind == 1:
        bits.flag()
        bits.se()
        bits.se()
        for _ in range(bits.ue()):
            bits.se()


def _read_size(bits: Bits, chroma: int) -> tuple[int, int, bool]:
    across, down = bits.ue() + 1, bits.ue() + 1
    progressive = bits.flag()
    if not progressive:
        bits.flag()
    bits.flag()  # direct_8x8_inference_flag
    crop = [bits.ue() for _ in range(4)] if bits.flag() else [0, 0, 0, 0]
    unit_x = 2 if chroma in (1, 2) else 1
    unit_y = (2 if chroma == 1 else 1) * (1 if progressive else 2)
    width = across * 16 - (crop[0] + crop[1]) * unit_x
    height = down * (1 if progressive else 2) * 16 - (crop[2] + crop[3]) * unit_y
    return width, height, progressive


def _read_signal(bits: Bits) -> tuple[bool, bool, tuple[int, int, int], int, int]:
    square = True
    if bits.flag():
        ratio = bits.u(8)
        square = ratio in (0, 1)
        if ratio == 255:
            square = bits.u(16) == bits.u(16)
    if bits.flag():
        bits.flag()  # overscan_appropriate_flag
    signal, full, colour, present = bits.at, False, (_UNSPECIFIED,) * 3, -1
    if bits.flag():
        bits.u(3)
        full = bits.flag()
        present = bits.at
        if bits.flag():
            colour = (bits.u(8), bits.u(8), bits.u(8))
    return square, full, colour, signal, present


def parse_sps(nal: bytes) -> SequenceParameters:
    """What an SPS says. Raises :class:`Malformed`."""
    if nal_type(nal) != SPS:
        raise Malformed("not a sequence parameter set")
    return _read_sps(nal)[0]


def tag_bt709(nal: bytes) -> bytes:
    """An SPS that says BT.709 where it said nothing; pixels decode the same."""
    facts, marks = _read_sps(nal)
    if _UNSPECIFIED not in facts.colour:
        return nal
    merged = [
        standard if own == _UNSPECIFIED else own
        for own, standard in zip(facts.colour, BT709, strict=True)
    ]
    description = "1" + "".join(f"{value:08b}" for value in merged)
    if marks.signal < 0:  # no VUI: the shortest one that only names the colours
        edit = (marks.vui, marks.vui + 1, "1" + "00" + "1" + "1010" + description + "000000")
    elif marks.colour_present < 0:
        edit = (marks.signal, marks.signal + 1, "1" + "1010" + description)
    else:
        known = 25 if Bits.of(unescape(nal[1:])).text[marks.colour_present] == "1" else 1
        edit = (marks.colour_present, marks.colour_present + known, description)
    return _rewritten(nal, edit)


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
    sps = []
    for nal in sets.sps:
        facts, marks = _read_sps(nal)
        sps.append(_rewritten(nal, (marks.id_start, marks.id_end, ue_bits(new.sps[facts.id]))))
    pps = []
    for nal in sets.pps:
        own, parent = pps_ids(nal)
        used = len(ue_bits(own)) + len(ue_bits(parent))
        pps.append(_rewritten(nal, (0, used, ue_bits(new.pps[own]) + ue_bits(new.sps[parent]))))
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
