"""The plan's chunks as files: what is sent, 48 kHz, 16 bits, mono."""

from __future__ import annotations

from collections.abc import Sequence

from lipsync_kit.media.wav import MasterReader, write16
from lipsync_kit.plan.cuts import Tile
from lipsync_kit.plan.pauses import Pause
from lipsync_kit.preflight.sound import Driving
from lipsync_kit.progress import Task
from lipsync_kit.project import Layout
from lipsync_kit.schema import Chunk, Cut
from lipsync_kit.store import atomic, digest_file, digest_json
from lipsync_kit.timing import SAMPLE_RATE, clock

VERSION = 1


def describe(tiles: Sequence[Tile], pauses: Sequence[Pause], layout: Layout) -> list[Chunk]:
    """The tiles as chunks of the plan, each with the reason for its end."""
    chunks = []
    for index, tile in enumerate(tiles):
        cut, pause_ms, reason = _why(tile)
        chunks.append(
            Chunk(
                index=index,
                start=tile.start,
                end=tile.end,
                sent_start=tile.sent_start,
                sent_end=tile.sent_end,
                path=None if tile.still else layout.relative(layout.sound(index)),
                kind="still" if tile.still else "talk",
                cut=cut,
                pause_ms=pause_ms,
                pause_before_ms=_rest_before(tile.end, pauses) if cut == "pause" else None,
                reason=reason,
            )
        )
    return chunks


def _rest_before(cut: int, pauses: Sequence[Pause]) -> int | None:
    """Milliseconds of its pause that lie before a cut; ``None`` when it lies in none."""
    around = (pause for pause in pauses if pause.start <= cut <= pause.end)
    pause = next(around, None)
    return None if pause is None else (cut - pause.start) * 1000 // SAMPLE_RATE


def _why(tile: Tile) -> tuple[Cut, int, str]:
    at = clock(tile.end / SAMPLE_RATE)
    length = f"{(tile.sent_end - tile.sent_start) / SAMPLE_RATE:.2f} s"
    what = "not sent: silence" if tile.still else f"sends {length}"
    what += "; kept from the plan before" if tile.kept else ""
    if tile.cut is None:
        return "end", 0, f"the sound ends at {at}; {what}"
    if tile.cut.pause_ms is None:
        handle = tile.cut.handle / SAMPLE_RATE
        return (
            "valley", 0,
            f"no pause in reach: the likeliest end of a word at {at}, with {handle:.1f} s more "
            f"sent on either side; {what}",
        )  # fmt: skip
    return "pause", tile.cut.pause_ms, f"a pause of {tile.cut.pause_ms} ms at {at}; {what}"


def write(
    chunks: Sequence[Chunk], layout: Layout, driving: Driving, task: Task
) -> tuple[Chunk, ...]:
    """Write the files of all talk chunks that are not up to date, and remove stale ones."""
    stamps = layout.stamps()
    written, made = [], []
    with MasterReader(driving.path) as sound:
        for chunk in chunks:
            task.advance()
            if chunk.kind == "still":
                written.append(chunk)
                continue
            path = layout.sound(chunk.index)
            window = (chunk.sent_start, chunk.sent_end, driving.channel)
            key = digest_json(["audio.chunk", VERSION, driving.key, window])
            digest = stamps.note(path, key)
            if digest is None:
                with atomic(path) as temporary:
                    write16(temporary, sound.int16(*window))
                digest = digest_file(path)
                made.append((path, key, digest))
            written.append(chunk.model_copy(update={"sha256": digest}))
    if made:
        stamps.mark_each(made)
    _remove_stale(layout, written)
    return tuple(written)


def _remove_stale(layout: Layout, chunks: Sequence[Chunk]) -> None:
    kept = {layout.sound(chunk.index) for chunk in chunks if chunk.kind == "talk"}
    for path in layout.sound(0).parent.glob("[0-9]*.wav"):
        if path not in kept:
            path.unlink()
