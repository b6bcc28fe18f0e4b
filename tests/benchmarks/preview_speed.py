"""How fast is the preview? ``python -m tests.benchmarks.preview_speed [PICTURE …]``.

Renders ten seconds of the shipped narration with the shipped portrait, a drawing, and any
pictures given, at 1080p and 720p, and prints CPU milliseconds per frame: drawing, and the
whole clip with its encoder. Beside them stands x264 alone, encoding as many frames of a still
picture with the same settings. *Real time* is what two cores reach at 25 frames a second when
both work on clips; it must be at least 2 at 1080p and 4 at 720p. Exit status 1 when it is not.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from lipsync_kit.engines.preview import clip
from lipsync_kit.engines.preview.encoding import encode, one_thread
from lipsync_kit.engines.preview.motion import Motion
from lipsync_kit.engines.preview.plate import Plate
from lipsync_kit.engines.preview.speech import MouthTrack, mouth_track
from lipsync_kit.engines.preview.talk import Talker
from tests.benchmarks.sync import sound_of
from tests.engines.preview import portraits

U8 = npt.NDArray[np.uint8]

FRAMES, FPS = 250, Fraction(25)
WANTED = {"1080p": 2.0, "720p": 4.0}


def milliseconds(work: Callable[[], object]) -> float:
    """CPU of this process, all threads, per frame."""
    before = time.process_time()
    work()
    return (time.process_time() - before) / FRAMES * 1000


def still(plate: Plate, dest: Path) -> None:
    """The clip's encoder with nothing to draw but the first frame."""

    def first(luma: U8, chroma: U8) -> None:
        luma[:], chroma[:] = plate.luma, plate.chroma

    unchanged = [lambda _luma, _chroma: None] * (FRAMES - 1)
    encode(dest, (plate.width, plate.height), FPS, [first, *unchanged])


def measure(job: clip.ClipJob) -> float:
    """Print a row; return how many times faster than real time two cores are."""
    start = time.process_time()
    plate, talker = clip._portrait(job.image, job.image.stat().st_mtime_ns, job.resolution)
    start = time.process_time() - start
    assert isinstance(talker, Talker), f"{job.image}: no face"
    poses = Motion(MouthTrack.load(job.track), job.fps, job.seed).poses(0, job.frames)
    luma, chroma = plate.luma.copy(), plate.chroma.copy()

    def draw() -> None:
        with one_thread():
            for pose in poses:
                talker.draw(pose, luma, chroma)

    drawing = milliseconds(draw)
    whole = milliseconds(lambda: clip.render_clip(job))
    alone = milliseconds(lambda: still(plate, job.dest.with_name("still.mp4")))
    speed = 2 * 1000 / float(FPS) / whole
    print(
        f"{job.image.stem[:22]:22} {plate.width:4}×{plate.height:<4} {talker.rig.head.size:4.0f}"
        f" {start:6.2f} {drawing:7.1f} {whole:7.1f} {alone:7.1f}"
        f" {whole / alone:6.1f}× {speed:6.1f}×"
    )
    return speed


def main() -> int:
    """Print the table; 1 when a figure is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pictures", nargs="*", type=Path)
    given = parser.parse_args().pictures
    sound, rate = sound_of(portraits.SHIPPED.with_name("narration.mp3"))
    print(f"{'':22} {'size':>9} {'face':>4} {'start':>6} {'drawing':>7} {'clip':>7} {'x264':>7}")
    print(
        f"{'':22} {'px':>9} {'px':>4} {'s':>6} {'ms':>7} {'ms':>7} {'ms':>7} {'ratio':>7} real time"
    )
    missed = False
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        seconds = FRAMES // int(FPS)
        mouth_track([sound[: seconds * rate].astype("f4")], rate, FRAMES, FPS).save(
            folder / "track.npz"
        )
        cv2.imwrite(str(folder / "drawing.png"), portraits.drawing()[:, :, ::-1])
        for image in (portraits.SHIPPED, folder / "drawing.png", *given):
            for resolution, wanted in WANTED.items():
                job = clip.ClipJob(
                    image, folder / "track.npz", folder / "c.mp4", resolution, FPS, 1, 0, FRAMES
                )
                missed |= measure(job) < wanted
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
