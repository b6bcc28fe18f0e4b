"""What is wrong with a driving or source video, in words and numbers, and what helps."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from lipsync_kit.plan.dubbing import Fit
from lipsync_kit.preflight.video_footage import Footage
from lipsync_kit.preflight.video_picture import Picture, rate_text
from lipsync_kit.preflight.video_rate import Grid
from lipsync_kit.preflight.video_watch import F32, Sample, Watched
from lipsync_kit.schema import Finding

_SECOND_FACE = 0.4  # of the largest face's height: smaller ones are pictures on the wall
_SMALL_FACE = 48  # pixels
_DARK = 0.16
_CLUTTERED = 0.25
_SHAKING = 0.3  # hundredths of the long side
_QUICK_SHOT = 4.0  # seconds
_STILL = 0.6  # luma levels


def seen(samples: Sequence[Sample], picture: Picture) -> list[Finding]:
    """Who is seen, in what light, before what."""
    with_face = [sample for sample in samples if sample.faces]
    found = [_no_face(samples, with_face), _several(samples), _dark(samples), _clutter(samples)]
    if with_face:
        pixels = float(np.median([sample.faces[0] for sample in with_face])) * picture.height
        found.append(_small_face(round(pixels)))
    return [finding for finding in found if finding is not None]


def _no_face(samples: Sequence[Sample], with_face: Sequence[Sample]) -> Finding | None:
    looks, hits = len(samples), len(with_face)
    if hits >= 0.8 * looks:
        return None
    data = {"frames_looked_at": looks, "frames_with_a_face": hits}
    if hits == 0:
        return Finding(
            code="no_face",
            severity="warning",
            message=f"No face was found in any of {looks} frames looked at.",
            hint="Give a video in which a person's face or body is seen clearly, from the front.",
            data=data,
        )
    return Finding(
        code="face_hidden",
        severity="warning",
        message=f"A face was found in {hits} of {looks} frames looked at.",
        hint="Where it is turned away, hidden or out of the picture, nothing can follow it.",
        data=data,
    )


def _several(samples: Sequence[Sample]) -> Finding | None:
    people = [
        sum(face >= _SECOND_FACE * sample.faces[0] for face in sample.faces)
        for sample in samples
        if sample.faces
    ]
    crowded = sum(count > 1 for count in people)
    if crowded < max(1, 0.2 * len(samples)):
        return None
    return Finding(
        code="several_people",
        severity="warning",
        message=f"Up to {max(people)} faces in a frame, in {crowded} of {len(samples)} frames "
        "looked at; the largest is followed.",
        hint="Crop the video to one person.",
        data={"faces": max(people), "frames": crowded, "frames_looked_at": len(samples)},
    )


def _dark(samples: Sequence[Sample]) -> Finding | None:
    light = float(np.median([sample.light for sample in samples])) if samples else 1.0
    if light >= _DARK:
        return None
    return Finding(
        code="dark",
        severity="warning",
        message=f"Very dark: {max(0.0, light):.0%} of full brightness where one should see "
        f"something; below {_DARK:.0%} features are lost.",
        hint="Brighten the video, or film it with light on the face.",
        data={"light": round(light, 3)},
    )


def _clutter(samples: Sequence[Sample]) -> Finding | None:
    known = [sample.clutter for sample in samples if sample.clutter is not None]
    share = float(np.median(known)) if known else 0.0
    if share < _CLUTTERED:
        return None
    return Finding(
        code="busy_background",
        severity="warning",
        message=f"A busy background: {share:.0%} of it is edges.",
        hint="A simple background gives steadier results.",
        data={"edges": round(share, 3)},
    )


def _small_face(pixels: int) -> Finding | None:
    if pixels >= _SMALL_FACE:
        return None
    return Finding(
        code="small_face",
        severity="warning",
        message=f"The face is {pixels} pixels high; its movements are hard to read.",
        hint="Crop the video closer, or use a recording with more pixels.",
        data={"pixels": pixels},
    )


def moved(watched: Watched, scenes: Sequence[int], rate: Fraction) -> list[Finding]:
    """Cuts, a shaking camera, a driver that does not move.

    ``scenes``: frames of the watched video, of ``rate`` a second, that begin a scene.
    """
    seconds = float(len(watched.movement) / rate)
    found = []
    shot = seconds / (len(scenes) + 1)
    if scenes and shot < _QUICK_SHOT:
        found.append(
            Finding(
                code="fast_cuts",
                severity="warning",
                message=f"Fast cuts: {len(scenes)} in {seconds:.1f} s, a shot lasts {shot:.1f} s.",
                hint="Use one continuous shot; at a cut the movement jumps.",
                data={
                    "cuts": len(scenes),
                    "mean_shot_seconds": round(shot, 2),
                    "at_seconds": [round(float(frame / rate), 2) for frame in scenes[:50]],
                },
            )
        )
    shake = camera_shake(watched.shift)
    if shake is not None and shake >= _SHAKING:
        found.append(
            Finding(
                code="shaking",
                severity="warning",
                message=f"The camera shakes: by {shake:.2f} % of the picture from frame to frame.",
                hint="Film from a tripod, or stabilise the video first.",
                data={"percent": round(shake, 3)},
            )
        )
    wildest = float(np.percentile(watched.movement, 95))
    if wildest < _STILL:
        found.append(
            Finding(
                code="hardly_moves",
                severity="warning",
                message=f"Hardly anything moves ({wildest:.2f} of 255 levels between frames).",
                hint="Give a driving video with clear movements.",
                data={"levels": round(wildest, 3)},
            )
        )
    return found


def camera_shake(shift: F32) -> float | None:
    """How unsteady the camera is, in hundredths of the long side, or ``None`` if unknown.

    The RMS of its shift beyond the mean of a third of a second around.
    """
    known = shift[~np.isnan(shift[:, 0])]
    if len(known) < max(9, 0.3 * len(shift)):
        return None
    width = 9
    padded = np.pad(known, ((width // 2, width // 2), (0, 0)), mode="edge")
    smooth = np.stack(
        [np.convolve(padded[:, axis], np.full(width, 1 / width), "valid") for axis in (0, 1)], 1
    )
    return float(np.sqrt(((known - smooth) ** 2).sum(axis=1).mean()))


def prepared(footage: Footage, grid: Grid, picture: Picture, why: Sequence[str]) -> list[Finding]:
    """What was done to the video, and what that cost it."""
    name = footage.path.name
    width, height = footage.shown
    found = [_copied(name) if not why else _encoded(name, why)]
    if grid.lost:
        found.append(
            Finding(
                code="frames_dropped",
                severity="info",
                message=f"{name}: {grid.lost} of {footage.frames} frames are left out at "
                f"{rate_text(grid.fps)} frames a second.",
                hint="Leave --fps out to keep every frame.",
                data={"lost": grid.lost, "frames": footage.frames, "fps": str(grid.fps)},
            )
        )
    if picture.height * picture.width > width * height:
        found.append(
            Finding(
                code="small_video",
                severity="warning",
                message=f"{name}: {width}×{height} is below what the model takes; it was "
                f"enlarged to {picture.width}×{picture.height}.",
                hint="Use a recording with more pixels.",
                data={"width": width, "height": height},
            )
        )
    return found


def mended(footage: Footage, missing: int) -> list[Finding]:
    """Frames that can't be decoded."""
    if not missing:
        return []
    return [
        Finding(
            code="damaged_frames",
            severity="warning",
            message=f"{footage.path.name}: {missing} of {footage.frames} frames are damaged; the "
            "frames before them stand in.",
            hint="Copy or download it again.",
            data={"missing": missing, "frames": footage.frames},
        )
    ]


def filled(footage: Footage, video: Fraction, film: Fraction, how: Fit) -> list[Finding]:
    """Where a source video and its new sound differ in length; both in seconds."""
    name, missing = footage.path.name, float(film - video)
    data = {"video_seconds": float(video), "film_seconds": float(film), "fit": how}
    if video > film:
        return [
            Finding(
                code="video_cut",
                severity="info",
                message=f"{name}: the film ends with the sound; the video's last "
                f"{-missing:.2f} s are left out.",
                data=data,
            )
        ]
    if video == film:
        return []
    done = {
        "freeze": "the last frame is held",
        "loop": "the video begins again",
        "bounce": "the video runs back and forth",
        "cut": "the last frame is held",
    }[how]
    others = ", ".join(
        f"--fit {each}" for each in ("freeze", "loop", "bounce", "cut") if each != how
    )
    return [
        Finding(
            code="video_filled",
            severity="info" if missing < 1 else "warning",
            message=f"{name}: {float(video):.2f} s of video for {float(film):.2f} s of sound; for "
            f"the last {missing:.2f} s {done}.",
            hint=f"Other ways: {others} (ends both with the shorter).",
            data=data,
        )
    ]


def _copied(name: str) -> Finding:
    return Finding(
        code="video_copied",
        severity="info",
        message=f"{name}: fits as it is; its picture is copied, not encoded again.",
    )


def _encoded(name: str, why: Sequence[str]) -> Finding:
    return Finding(
        code="video_encoded",
        severity="info",
        message=f"{name}: encoded anew: it is {'; '.join(why)}.",
        data={"reasons": list(why)},
    )
