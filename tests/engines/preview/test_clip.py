"""Clips as files: frames, rate, parameter sets, borders, sameness."""

from __future__ import annotations

import itertools
import multiprocessing
import pickle
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import numpy.typing as npt
import pytest

from lipsync_kit.engines.preview.clip import ClipJob, has_face, render_clip
from lipsync_kit.errors import InputError
from tests.engines.preview import portraits
from tests.engines.preview.test_motion import babble

LUMA = npt.NDArray[np.uint8]


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> ClipJob:
    """The first clip of a film; others are made by replacing fields."""
    folder = tmp_path_factory.mktemp("film")
    babble(500).save(folder / "track.npz")
    return ClipJob(
        image=portraits.SHIPPED,
        track=folder / "track.npz",
        dest=folder / "whole.mp4",
        resolution="720p",
        fps=Fraction(25),
        seed=3,
        first_frame=0,
        frames=60,
    )


@pytest.fixture(scope="module")
def whole(film: ClipJob) -> Path:
    render_clip(film)
    return film.dest


def frames_of(path: Path) -> list[LUMA]:
    with av.open(str(path)) as container:
        return [f.to_ndarray()[: f.height] for f in container.decode(video=0)]


def difference(a: LUMA, b: LUMA) -> float:
    return float(np.abs(a.astype(int) - b).mean())


class TestFile:
    def test_has_exactly_its_frames_at_a_constant_rate(self, whole: Path, film: ClipJob) -> None:
        with av.open(str(whole)) as container:
            (stream,) = container.streams
            packets = [p for p in container.demux(stream) if p.size]
            assert len(packets) == film.frames
            assert stream.average_rate == film.fps
            times = [p.pts * p.time_base for p in sorted(packets, key=lambda p: p.pts)]
        assert times == [Fraction(i, 25) for i in range(film.frames)]
        assert len(frames_of(whole)) == film.frames

    def test_is_h264_of_the_right_size_and_colours(self, whole: Path) -> None:
        with av.open(str(whole)) as container:
            context = container.streams.video[0].codec_context
            assert (context.name, context.pix_fmt) == ("h264", "yuv420p")
            assert (context.width, context.height) == (720, 720)
            colours = (context.colorspace, context.color_primaries, context.color_trc)
            assert colours == (1, 1, 1)
            assert context.color_range == 1
            assert not container.streams.audio

    def test_begins_with_an_idr_frame_and_shares_its_parameter_sets(
        self, film: ClipJob, whole: Path, tmp_path: Path
    ) -> None:
        other = replace(film, first_frame=200, frames=7, seed=9, dest=tmp_path / "b.mp4")
        render_clip(other)
        sets = []
        for path in (whole, other.dest):
            with av.open(str(path)) as container:
                stream = container.streams.video[0]
                first = next(container.demux(stream))
                assert first.is_keyframe
                assert 5 in nal_types(bytes(first))
                sets.append(bytes(stream.codec_context.extradata))
        assert sets[0] == sets[1]

    @pytest.mark.parametrize("fps", [Fraction(30000, 1001), Fraction(24000, 1001)])
    def test_fractional_rates(self, film: ClipJob, tmp_path: Path, fps: Fraction) -> None:
        job = replace(film, fps=fps, frames=5, dest=tmp_path / "ntsc.mp4")
        render_clip(job)
        with av.open(str(job.dest)) as container:
            assert container.streams.video[0].average_rate == fps
            assert len(list(container.decode(video=0))) == 5

    def test_one_frame(self, film: ClipJob, tmp_path: Path) -> None:
        job = replace(film, frames=1, dest=tmp_path / "one.mp4")
        render_clip(job)
        assert len(frames_of(job.dest)) == 1

    def test_the_same_job_gives_the_same_bytes_in_another_process(
        self, film: ClipJob, whole: Path, tmp_path: Path
    ) -> None:
        again = pickle.loads(pickle.dumps(replace(film, dest=tmp_path / "again.mp4")))
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
            pool.submit(render_clip, again).result()
        assert again.dest.read_bytes() == whole.read_bytes()

    def test_nothing_half_written_is_left(self, film: ClipJob, tmp_path: Path) -> None:
        bad = tmp_path / "bad.png"
        bad.write_text("no picture")
        job = replace(film, image=bad, dest=tmp_path / "clip.mp4")
        with pytest.raises(InputError, match="not a picture"):
            render_clip(job)
        assert sorted(p.name for p in tmp_path.iterdir()) == ["bad.png"]


class TestBorder:
    def test_the_motion_goes_on_from_clip_to_clip(
        self, film: ClipJob, whole: Path, tmp_path: Path
    ) -> None:
        jobs = [
            replace(film, first_frame=0, frames=30, dest=tmp_path / "a.mp4"),
            replace(film, first_frame=30, frames=30, dest=tmp_path / "b.mp4"),
        ]
        for job in jobs:
            render_clip(job)
        apart = [frame for job in jobs for frame in frames_of(job.dest)]
        together = frames_of(whole)
        for a, b in zip(apart, together, strict=True):
            assert difference(a, b) < 1.0  # the encoder's own rounding
        steps = [difference(a, b) for a, b in itertools.pairwise(apart)]
        assert steps[29] < 2 * np.median(steps) + 0.5


class TestWithoutFace:
    @pytest.fixture
    def hills(self, tmp_path: Path) -> Path:
        noise = np.random.default_rng(0).normal(128, 60, (480, 640, 3))
        path = tmp_path / "hügel & tal.png"
        picture = np.clip(cv2.GaussianBlur(noise, (0, 0), 9) * 4 - 384, 0, 255).astype(np.uint8)
        path.write_bytes(cv2.imencode(".png", picture)[1].tobytes())
        return path

    def test_is_said(self, hills: Path) -> None:
        assert not has_face(hills, "720p")
        assert has_face(portraits.SHIPPED, "720p")

    def test_the_camera_moves_gently_over_the_picture(
        self, film: ClipJob, hills: Path, tmp_path: Path
    ) -> None:
        job = replace(film, image=hills, first_frame=150, frames=50, dest=tmp_path / "hills.mp4")
        render_clip(job)
        frames = frames_of(job.dest)
        steps = [difference(a, b) for a, b in itertools.pairwise(frames)]
        assert len(frames) == 50
        assert difference(frames[0], frames[-1]) > 1
        assert max(steps) < 2


def nal_types(packet: bytes) -> list[int]:
    """Types of the NAL units of a length-prefixed packet (ISO/IEC 14496-15)."""
    types, at = [], 0
    while at < len(packet):
        size = int.from_bytes(packet[at : at + 4], "big")
        types.append(packet[at + 4] & 31)
        at += 4 + size
    return types
