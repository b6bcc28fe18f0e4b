"""Continuity: chunks that begin with the last frame of the one before.

A chain starts at the portrait and starts there again every few chunks, so that what drifts
cannot add up; colours are held to the portrait's all along. Chunks of one wave (the first of
every chain, then the second of every chain …) do not wait for each other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from lipsync_kit.catalog import ImageLimits, Model
from lipsync_kit.engines.order import PaidFile, PaidJob
from lipsync_kit.film import tiles
from lipsync_kit.project import Layout
from lipsync_kit.schema import Project
from lipsync_kit.store import atomic, digest_file, digest_json

LENGTH = 4
"""Chunks of a chain: the portrait is shown to every fourth."""


def waves(project: Project) -> list[list[int]]:
    """Indexes of the chunks that are sent, by their place in their chain."""
    sent = [chunk.index for chunk in project.chunks if chunk.kind == "talk"]
    found = [sent[place::LENGTH] for place in range(LENGTH)]
    return [wave for wave in found if wave]


@dataclass(frozen=True)
class Links:
    """The pictures that chained chunks begin with, made from the clips there are."""

    layout: Layout
    project: Project
    model: Model

    def after(self, wave: list[int], jobs: Mapping[int, PaidJob]) -> dict[int, PaidFile]:
        """The picture of each chunk that follows one of ``wave`` whose clip is here."""
        sent = [chunk.index for chunk in self.project.chunks if chunk.kind == "talk"]
        following = dict(pairwise(sent))
        return {
            following[index]: self._picture(index, jobs[index].clip)
            for index in wave
            if index in following and jobs[index].clip.exists()
        }

    def _picture(self, index: int, clip: Path) -> PaidFile:
        from lipsync_kit.postprocess.continuity import last_frame

        assert self.project.image is not None
        portrait = self.layout.root / self.project.image.path
        (tile,) = (
            each
            for each in tiles(self.project, dict.fromkeys(self._indexes, clip), handles=True)
            if each.start == self.project.chunks[index].start
        )
        name = digest_json([digest_file(clip), tile.start, tile.end, digest_file(portrait)])[:32]
        folder = self.layout.hidden / "chain"
        path = next(folder.glob(f"{name}.*"), None) if folder.is_dir() else None
        if path is None:
            frame = folder / f"{name}-frame.png"
            last_frame(tile, self.project.fps, portrait, frame)
            path = _fitted(frame, folder / name, self.model.image)
        return PaidFile(path.absolute(), digest_file(path))

    @property
    def _indexes(self) -> list[int]:
        return [chunk.index for chunk in self.project.chunks]


def _fitted(frame: Path, target: Path, limits: ImageLimits) -> Path:
    """The frame within the model's bytes, with the least loss."""
    from PIL import Image

    from lipsync_kit.preflight.image_encode import encode

    with Image.open(frame) as picture:
        encoded = encode(picture.convert("RGB"), limits)
    path = target.with_suffix(encoded.suffix)
    with atomic(path) as temporary:
        temporary.write_bytes(encoded.data)
    frame.unlink()
    return path
