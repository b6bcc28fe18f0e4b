"""Dubbed clips as files, and that they fit their neighbours."""

from __future__ import annotations

import itertools
import multiprocessing
import pickle
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from lipsync_kit.engines.preview.dub import DubJob, render_dub_clip
from lipsync_kit.engines.preview.dub_search import find_speaker
from lipsync_kit.errors import InputError
from lipsync_kit.progress import Silent
from tests.engines.preview import dub_films
from tests.engines.preview.test_clip import difference, nal_types

FRAMES = 50


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> DubJob:
    """The whole film as one clip; others are made by replacing fields."""
    folder = tmp_path_factory.mktemp("dub")
    video = dub_films.write(folder / "v.mp4", dub_films.talking(dub_films.chatter(FRAMES)))
    find_speaker(video, dub_films.FPS, None, Silent()).save(folder / "speaker.npz")
    dub_films.track(dub_films.chatter(FRAMES, 1.9, 1.0)).save(folder / "track.npz")
    job = DubJob(
        video=video,
        speaker=folder / "speaker.npz",
        track=folder / "track.npz",
        dest=folder / "whole.mp4",
        fps=dub_films.FPS,
        seed=3,
        first_frame=0,
        frames=FRAMES,
    )
    render_dub_clip(job)
    return job


class TestFile:
    def test_has_exactly_its_frames_at_the_films_rate_and_size(self, film: DubJob) -> None:
        with av.open(str(film.dest)) as container:
            (stream,) = container.streams
            packets = [p for p in container.demux(stream) if p.size]
            times = sorted(Fraction(p.pts or 0) * p.time_base for p in packets)
            context = container.streams.video[0].codec_context
            assert (context.width, context.height) == (dub_films.SIDE, dub_films.SIDE)
            assert (context.name, context.pix_fmt) == ("h264", "yuv420p")
            assert (context.colorspace, context.color_range) == (1, 1)
        assert times == [Fraction(i, 25) for i in range(FRAMES)]

    def test_a_clip_from_the_middle_begins_with_an_idr_frame_and_shares_parameter_sets(
        self, film: DubJob, tmp_path: Path
    ) -> None:
        other = replace(film, first_frame=21, frames=4, dest=tmp_path / "b.mp4")
        render_dub_clip(other)
        sets = []
        for path in (film.dest, other.dest):
            with av.open(str(path)) as container:
                stream = container.streams.video[0]
                assert 5 in nal_types(bytes(next(container.demux(stream))))
                sets.append(bytes(stream.codec_context.extradata or b""))
        assert sets[0] == sets[1]

    def test_the_same_job_gives_the_same_bytes_in_another_process(
        self, film: DubJob, tmp_path: Path
    ) -> None:
        again = pickle.loads(pickle.dumps(replace(film, dest=tmp_path / "again.mp4")))
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
            pool.submit(render_dub_clip, again).result()
        assert again.dest.read_bytes() == film.dest.read_bytes()

    def test_a_video_that_ends_early_is_refused_and_nothing_is_left(
        self, film: DubJob, tmp_path: Path
    ) -> None:
        frames = dub_films.talking(dub_films.chatter(10))
        short = dub_films.write(tmp_path / "short.mp4", frames)
        with pytest.raises(InputError, match="frame 10 of 30 is missing"):
            render_dub_clip(replace(film, video=short, frames=30, dest=tmp_path / "clip.mp4"))
        assert sorted(p.name for p in tmp_path.iterdir()) == ["short.mp4"]


def test_clips_fit_their_neighbours(film: DubJob, tmp_path: Path) -> None:
    cuts = [0, 17, 31, FRAMES]
    apart = []
    for first, end in itertools.pairwise(cuts):
        clip = tmp_path / f"{first}.mp4"
        render_dub_clip(replace(film, first_frame=first, frames=end - first, dest=clip))
        apart += dub_films.lumas(clip)
    together = dub_films.lumas(film.dest)
    assert max(difference(a, b) for a, b in zip(apart, together, strict=True)) < 1.0
    steps = [difference(a, b) for a, b in itertools.pairwise(apart)]
    assert max(steps[cut - 1] for cut in cuts[1:-1]) < 2 * np.median(steps) + 0.5
