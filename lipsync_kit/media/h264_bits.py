"""The bits of H.264 NAL units: their kinds, emulation prevention, Exp-Golomb codes.

Source: ITU-T H.264, 7.4.1 (NAL units, emulation prevention) and 9.1 (Exp-Golomb codes).
"""

from __future__ import annotations

import re

SLICE, IDR_SLICE, SEI, SPS, PPS = 1, 5, 6, 7, 8
"""Kinds of NAL units."""


class Malformed(ValueError):
    """A stream that is not H.264 as we understand it; its clip is conformed instead."""


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


def to_bytes(bits: str) -> bytes:
    """Bits that end in the stop bit, padded to whole bytes."""
    padded = bits + "0" * (-len(bits) % 8)
    return int(padded, 2).to_bytes(len(padded) // 8, "big")


def rewritten(nal: bytes, *edits: tuple[int, int, str]) -> bytes:
    """``nal`` with the bits ``[start, end)`` of its payload replaced; edits in rising order."""
    text = Bits.of(unescape(nal[1:])).text.rstrip("0")
    for start, end, new in reversed(edits):
        text = text[:start] + new + text[end:]
    return nal[:1] + escape(to_bytes(text))
