"""Ready clips: each tile's picture with its own stretch of the master, for an editor."""

from __future__ import annotations

import tempfile
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from fractions import Fraction
from itertools import chain, groupby
from operator import itemgetter
from pathlib import Path
from typing import Literal

from lipsync_kit import timing
from lipsync_kit.media import ffmpeg
from lipsync_kit.postprocess.conform import Look
from lipsync_kit.postprocess.mux import Delivered, PictureTrack, mux, timescale
from lipsync_kit.postprocess.sound import encode_stretch, write_stretch
from lipsync_kit.postprocess.survey import clip_opened
from lipsync_kit.postprocess.tile import Tile
from lipsync_kit.progress import Progress
from lipsync_kit.store import atomic

Ready = Literal["h264", "prores"]

SUFFIX: dict[Ready, str] = {"h264": ".mp4", "prores": ".mov"}
"""The file name's end of a ready clip."""


def ready_clips(
    tiles: Sequence[Tile],
    paths: Sequence[Path],
    *,
    film: Path,
    fps: Fraction,
    master: Path | None,
    kind: Ready = "h264",
    jobs: int = 2,
    progress: Progress,
) -> None:
    """Cut a stitched film into ready clips, one a tile, at ``paths``, atomically.

    The film begins every tile with an IDR frame that nothing later refers past, so H.264
    clips are copied packet by packet, with AAC of their stretch of the master; ProRes 422
    clips are decoded from those, with 24-bit PCM. Tiles without a frame make no file.
    """
    where = paths[0].parent
    where.mkdir(parents=True, exist_ok=True)
    bounds = [tile.first_frame(fps) for tile in tiles]
    with (
        tempfile.TemporaryDirectory(prefix=".ready-", dir=where) as folder,
        ThreadPoolExecutor(max(1, jobs), "ready") as pool,
        progress.task("ready clips", len(tiles), "clips") as task,
    ):
        sounds = _start_sounds(tiles, master, Path(folder), kind, pool)
        for index, samples, track in _tiles_of(film, bounds, fps):
            sound = sounds[index].result() if master is not None else None
            if kind == "h264":
                with atomic(paths[index]) as temporary:
                    mux(samples, track, sound, temporary)
            else:
                picture = Path(folder) / f"{index:04d}.mp4"
                mux(samples, track, None, picture)
                _prores(picture, sound, fps, paths[index])
                picture.unlink()
            task.advance()


def _start_sounds(
    tiles: Sequence[Tile],
    master: Path | None,
    folder: Path,
    kind: Ready,
    pool: ThreadPoolExecutor,
) -> list[Future[Path]]:
    if master is None:
        return []

    def make(index: int, tile: Tile) -> Path:
        out = folder / f"{index:04d}{'.m4a' if kind == 'h264' else '.wav'}"
        write = encode_stretch if kind == "h264" else write_stretch
        write(master, tile.start, tile.end, out)
        return out

    return [pool.submit(make, index, tile) for index, tile in enumerate(tiles)]


def _tiles_of(
    film: Path, bounds: Sequence[int], fps: Fraction
) -> Iterator[tuple[int, Iterator[Delivered], PictureTrack]]:
    """For each tile its packets, counted from its first frame, in one pass over the film."""
    with clip_opened(film) as (container, stream):
        context = stream.codec_context
        unit = (stream.time_base or Fraction(1, timescale(fps))) * fps
        packets = (packet for packet in container.demux(stream) if packet.size)
        first = next(packets)
        track = PictureTrack(
            avcc=bytes(context.extradata or b""),
            look=Look(context.width, context.height, fps),
            delay=-round((first.dts or 0) * unit),
        )

        def numbered() -> Iterator[tuple[int, Delivered]]:
            for packet in chain([first], packets):
                frame = round((packet.pts or 0) * unit)
                tile = bisect_right(bounds, frame) - 1
                yield tile, Delivered(packet, frame - bounds[tile], packet.is_keyframe)

        for tile, group in groupby(numbered(), key=itemgetter(0)):
            yield tile, (sample for _, sample in group), track


def _prores(picture: Path, sound: Path | None, fps: Fraction, out: Path) -> None:
    """ProRes 422 of a picture, frame for frame, with PCM of a WAV."""
    import ffmpeg as graph

    streams = [ffmpeg.source(picture).video]
    if sound is not None:
        streams.append(ffmpeg.source(sound).audio)
    with atomic(out) as temporary:
        node = graph.output(
            *streams,
            f"file:{temporary}",
            f="mov",
            vcodec="prores_ks",
            pix_fmt="yuv422p10le",
            acodec="pcm_s24le",
            video_track_timescale=timescale(fps),
            movie_timescale=timing.SAMPLE_RATE,
            colorspace="bt709",
            color_primaries="bt709",
            color_trc="bt709",
            color_range="tv",
            **{"profile:v": 2},
        )
        ffmpeg.run(node, str(picture))
