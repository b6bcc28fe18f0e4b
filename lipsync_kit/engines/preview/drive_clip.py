"""One clip of a film in which a portrait does what a driver does."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from lipsync_kit.engines.preview.camera import Camera
from lipsync_kit.engines.preview.drive_act import Act, Actor
from lipsync_kit.engines.preview.drive_puppet import Puppet
from lipsync_kit.engines.preview.drive_track import DriverTrack
from lipsync_kit.engines.preview.encoding import Draw, encode, one_thread
from lipsync_kit.engines.preview.plate import Plate, read_plate
from lipsync_kit.face import Face, find_faces
from lipsync_kit.store import atomic

U8 = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class MotionJob:
    """Frames [first_frame, first_frame + frames) of a film, to be rendered to `dest`.

    `track`: what :func:`~.drive_follow.follow_driver` found, saved.
    """

    image: Path
    track: Path
    dest: Path
    resolution: str
    fps: Fraction
    first_frame: int
    frames: int


def render_motion_clip(job: MotionJob) -> None:
    """Render a clip: MP4 with H.264, no sound, BT.709, closed GOPs from an IDR frame on.

    Has exactly `frames` frames at a constant `fps`, is the same for the same job, and shares its
    parameter sets with every clip of the same size and rate. Without a face in the picture or
    the driving video the camera moves gently over the picture instead. Runs in any process; the
    file appears whole. Raises :class:`~lipsync_kit.errors.InputError` for an unreadable picture.
    """
    with one_thread(), atomic(job.dest) as temporary:
        plate, player = _portrait(job.image, job.image.stat().st_mtime_ns, job.resolution)
        track = DriverTrack.load(job.track)
        driven = player if track.seen > 0 else None
        encode(
            temporary, (plate.width, plate.height), job.fps, _drawings(job, plate, driven, track)
        )


@lru_cache(maxsize=1)
def portrait_face(image: Path, _changed: int, resolution: str) -> tuple[Plate, Face | None]:
    """The prepared image at the preview's size, and its largest face."""
    plate = read_plate(image, resolution)
    with one_thread():  # the number of threads shows in the landmarks' last bits
        faces = find_faces(plate.rgb)
    return plate, faces[0] if faces else None


@lru_cache(maxsize=1)
def _portrait(image: Path, changed: int, resolution: str) -> tuple[Plate, Player | None]:
    plate, face = portrait_face(image, changed, resolution)
    if face is None:
        return plate, None
    puppet = Puppet.of(plate, face)
    return plate, Player(puppet, Actor.of(puppet.rig, face, puppet.show))


@dataclass(frozen=True, eq=False)
class Player:
    """A portrait that can be drawn, and what it makes of a driver."""

    puppet: Puppet
    actor: Actor


def _drawings(
    job: MotionJob, plate: Plate, player: Player | None, track: DriverTrack
) -> Iterator[Draw]:
    """What draws each frame of the job, in order."""
    if player is None:
        camera = Camera(plate, job.fps)
        for frame in range(job.first_frame, job.first_frame + job.frames):
            yield partial(camera.draw, frame)
        return
    acts = player.actor.acts(track, job.first_frame, job.frames, job.fps)
    for place, act in enumerate(acts):
        yield partial(_onto_portrait if place == 0 else Puppet.draw, player.puppet, act)


def _onto_portrait(puppet: Puppet, act: Act, luma: U8, chroma: U8) -> None:
    luma[:], chroma[:] = puppet.plate.luma, puppet.plate.chroma
    puppet.draw(act, luma, chroma)
