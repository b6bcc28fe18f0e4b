"""The sequence parameter set of an H.264 stream: reading it, and naming its colours.

Source: ITU-T H.264, 7.3.2.1 (syntax) and Annex E (VUI).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from lipsync_kit.media.h264_bits import (
    SPS,
    Bits,
    Malformed,
    nal_type,
    rewritten,
    ue_bits,
    unescape,
)

HIGH_PROFILES = frozenset({44, 83, 86, 100, 110, 118, 122, 128, 138, 139, 244})
"""Profiles whose SPS carries chroma format and bit depth."""

BT709 = (1, 1, 1)
"""Colour primaries, transfer and matrix of BT.709."""

_UNSPECIFIED = 2


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
    return rewritten(nal, edit)


def renumber_sps(nal: bytes, new: int) -> bytes:
    """An SPS under another id."""
    _, marks = _read_sps(nal)
    return rewritten(nal, (marks.id_start, marks.id_end, ue_bits(new)))
