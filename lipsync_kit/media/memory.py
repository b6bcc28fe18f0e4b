"""Giving memory back between the steps of long work."""

from __future__ import annotations

import sys


def give_back() -> None:
    """Return what is free to the system, where the C library keeps it (glibc); else nothing.

    Blocks of sound pass through several threads, each with an arena of its own in which freed
    blocks lie until the next step takes other sizes elsewhere.
    """
    if sys.platform != "linux":
        return
    import ctypes

    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
