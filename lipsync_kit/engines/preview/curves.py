"""Curves over time that belong together: kept, cut and hashed as one."""

from __future__ import annotations

import io
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Self

import numpy as np

from lipsync_kit.store import atomic


@dataclass(frozen=True, eq=False)
class Curves:
    """Base of dataclasses whose fields are float32 arrays, one value per film frame."""

    def __len__(self) -> int:
        return len(getattr(self, fields(self)[0].name))

    def __getitem__(self, frames: slice) -> Self:
        """The frames of one tile."""
        return type(self)(*(getattr(self, field.name)[frames] for field in fields(self)))

    def tobytes(self) -> bytes:
        """All curves, for a digest."""
        return b"".join(getattr(self, field.name).tobytes() for field in fields(self))

    def save(self, path: Path) -> None:
        """Write as ``.npz``, atomically."""
        packed = io.BytesIO()
        np.savez(packed, **{field.name: getattr(self, field.name) for field in fields(self)})
        with atomic(path) as temporary:
            temporary.write_bytes(packed.getvalue())

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what :meth:`save` wrote."""
        with np.load(path) as arrays:
            return cls(*(arrays[field.name].astype(np.float32) for field in fields(cls)))
