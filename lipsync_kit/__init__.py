"""lipsync-kit: a portrait and a long narration in, one seamless talking video out."""

from __future__ import annotations

__version__ = "0.1.0"
