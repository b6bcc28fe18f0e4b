"""Driven clips as files, and from a driver all the way to what the clip shows."""

from __future__ import annotations

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

from lipsync_kit.engines.preview.clip import ClipJob, render_clip
from lipsync_kit.engines.preview.drive_clip import MotionJob, render_motion_clip
from lipsync_kit.engines.preview.drive_findings import motion_findings
from lipsync_kit.engines.preview.drive_follow import follow_driver
from lipsync_kit.engines.preview.drive_track import DriverTrack
from lipsync_kit.errors import InputError
from lipsync_kit.progress import Silent
from tests.engines.preview import drivers, portraits
from tests.engines.preview.drivers import FPS, Driver
from tests.engines.preview.test_clip import difference, frames_of, nal_types
from tests.engines.preview.test_drive_follow import best_lag
from tests.engines.preview.test_drive_puppet import track as driving
from tests.engines.preview.test_motion import babble

FRAMES = 75


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("motion")


@pytest.fixture(scope="module")
def driver(folder: Path) -> Driver:
    return drivers.acted(folder / "driving.mp4", FRAMES)


@pytest.fixture(scope="module")
def film(folder: Path, driver: Driver) -> MotionJob:
    """The whole film; others are made by replacing fields."""
    follow_driver(driver.video, FPS, Silent()).save(folder / "driver.npz")
    image = folder / "drawing.png"
    image.write_bytes(cv2.imencode(".png", portraits.drawing()[:, :, ::-1])[1].tobytes())
    return MotionJob(image, folder / "driver.npz", folder / "whole.mp4", "720p", FPS, 0, FRAMES)


@pytest.fixture(scope="module")
def whole(film: MotionJob) -> Path:
    render_motion_clip(film)
    return film.dest


class TestFile:
    def test_has_exactly_its_frames_at_a_constant_rate(self, whole: Path) -> None:
        with av.open(str(whole)) as container:
            (stream,) = container.streams
            assert stream.average_rate == FPS
            packets = [p for p in container.demux(stream) if p.size]
            times = sorted(p.pts * p.time_base for p in packets)
        assert times == [Fraction(i) / FPS for i in range(FRAMES)]

    def test_is_h264_of_the_right_size_and_colours(self, whole: Path) -> None:
        with av.open(str(whole)) as container:
            context = container.streams.video[0].codec_context
            assert (context.name, context.pix_fmt) == ("h264", "yuv420p")
            assert (context.width, context.height) == (720, 720)
            assert (context.colorspace, context.color_primaries, context.color_trc) == (1, 1, 1)
            assert context.color_range == 1
            assert not container.streams.audio

    def test_joins_with_every_other_clip_of_its_size_and_rate(
        self, film: MotionJob, whole: Path, tmp_path: Path
    ) -> None:
        other = replace(film, first_frame=60, frames=4, dest=tmp_path / "b.mp4")
        render_motion_clip(other)
        babble(100).save(tmp_path / "track.npz")
        talk = ClipJob(
            film.image, tmp_path / "track.npz", tmp_path / "talk.mp4", "720p", FPS, 1, 0, 3
        )
        render_clip(talk)
        sets = []
        for path in (whole, other.dest, talk.dest):
            with av.open(str(path)) as container:
                stream = container.streams.video[0]
                first = next(container.demux(stream))
                assert 5 in nal_types(bytes(first))
                sets.append(bytes(stream.codec_context.extradata))
        assert sets[0] == sets[1] == sets[2]

    def test_the_same_job_gives_the_same_bytes_in_another_process(
        self, film: MotionJob, whole: Path, tmp_path: Path
    ) -> None:
        again = pickle.loads(pickle.dumps(replace(film, dest=tmp_path / "again.mp4")))
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
            pool.submit(render_motion_clip, again).result()
        assert again.dest.read_bytes() == whole.read_bytes()

    def test_clips_rendered_apart_are_the_film(
        self, film: MotionJob, whole: Path, tmp_path: Path
    ) -> None:
        apart = []
        for first, frames in ((0, 30), (30, 45)):
            job = replace(film, first_frame=first, frames=frames, dest=tmp_path / f"{first}.mp4")
            render_motion_clip(job)
            apart += frames_of(job.dest)
        for a, b in zip(apart, frames_of(whole), strict=True):
            assert difference(a, b) < 1.0  # the encoder's own rounding

    def test_nothing_half_written_is_left(self, film: MotionJob, tmp_path: Path) -> None:
        (tmp_path / "bad.png").write_text("no picture")
        with pytest.raises(InputError, match="not a picture"):
            render_motion_clip(
                replace(film, image=tmp_path / "bad.png", dest=tmp_path / "clip.mp4")
            )
        assert sorted(p.name for p in tmp_path.iterdir()) == ["bad.png"]

    def test_frames_beyond_the_driver_hold_its_last(self, film: MotionJob, tmp_path: Path) -> None:
        job = replace(film, first_frame=FRAMES - 1, frames=4, dest=tmp_path / "end.mp4")
        render_motion_clip(job)
        frames = frames_of(job.dest)
        assert len(frames) == 4
        assert difference(frames[0], frames[-1]) < 1.0


class TestShown:
    def test_the_portrait_does_what_the_driver_did(self, driver: Driver, whole: Path) -> None:
        shown = follow_driver(whole, FPS, Silent())
        for name, move, least in (
            ("opening", "gap", 0.85),
            ("yaw", "yaw", 0.8),
            ("pitch", "pitch", 0.8),
            ("roll", "roll", 0.8),
            ("blink_left", "blink", 0.7),
            ("gaze_x", "gaze_x", 0.7),
        ):
            seen: npt.NDArray[np.floating] = getattr(shown, name)
            assert np.corrcoef(seen, driver.moves[move])[0, 1] >= least, name
            if move in ("gap", "blink", "gaze_x"):  # a head sways too slowly to tell
                assert abs(best_lag(seen, driver.moves[move])) <= 1, name


class TestWithoutFace:
    @pytest.fixture
    def hills(self, tmp_path: Path) -> Path:
        noise = np.random.default_rng(0).normal(128, 60, (480, 640, 3))
        picture = np.clip(cv2.GaussianBlur(noise, (0, 0), 9) * 4 - 384, 0, 255).astype(np.uint8)
        path = tmp_path / "hügel.png"
        path.write_bytes(cv2.imencode(".png", picture)[1].tobytes())
        return path

    def test_the_camera_moves_over_a_picture_without_one(
        self, film: MotionJob, hills: Path, tmp_path: Path
    ) -> None:
        job = replace(film, image=hills, first_frame=200, frames=50, dest=tmp_path / "hills.mp4")
        render_motion_clip(job)
        frames = frames_of(job.dest)
        assert len(frames) == 50
        assert difference(frames[0], frames[-1]) > 1

    def test_the_camera_moves_when_nobody_drives(self, film: MotionJob, tmp_path: Path) -> None:
        driving(60, confidence=np.zeros(60)).save(tmp_path / "nobody.npz")
        job = replace(
            film,
            track=tmp_path / "nobody.npz",
            first_frame=200,
            frames=50,
            dest=tmp_path / "still.mp4",
        )
        render_motion_clip(job)
        frames = frames_of(job.dest)
        assert difference(frames[0], frames[-1]) > 1

    def test_is_said(self, film: MotionJob, hills: Path, driver: Driver) -> None:
        track = DriverTrack.load(film.track)
        video = driver.video
        assert motion_findings(film.image, "720p", video, track) == []
        (found,) = motion_findings(hills, "720p", video, track)
        assert (found.code, found.severity) == ("no_face", "warning")
        assert hills.name in found.message

    def test_is_said_of_the_driver(self, film: MotionJob, driver: Driver) -> None:
        nobody = driving(60, confidence=np.zeros(60))
        (found,) = motion_findings(film.image, "720p", driver.video, nobody)
        assert (found.code, found.severity) == ("no_driver_face", "warning")

    def test_a_driver_who_goes_away_is_said(self, film: MotionJob, driver: Driver) -> None:
        confidence = np.where(np.arange(100) < 80, 1.0, 0.0)
        track = driving(100, confidence=confidence, share=0.5 * confidence)
        (found,) = motion_findings(film.image, "720p", driver.video, track)
        assert (found.code, found.data) == ("driver_lost", {"share": 0.2, "frame": 80})


class TestBody:
    def test_says_that_only_the_face_is_driven(self, film: MotionJob, driver: Driver) -> None:
        track = DriverTrack.load(film.track)
        (found,) = motion_findings(portraits.SHIPPED, "720p", driver.video, track)
        assert (found.code, found.severity) == ("body_still", "info")
        assert "portrait.png" in found.message
        far = driving(50, share=np.full(50, 0.1))
        (found,) = motion_findings(film.image, "720p", driver.video, far)
        assert found.message.startswith("driving.mp4")
