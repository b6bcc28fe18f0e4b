"""What can't be driven, said before it is rendered."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np

from lipsync_kit.engines.preview.drive_clip import portrait_face
from lipsync_kit.engines.preview.drive_track import DriverTrack
from lipsync_kit.schema import Finding

_BODY: Final = 0.25  # of the picture's height: with a smaller face, a body is seen as well
_LOST: Final = 0.05  # share of the frames without a face that nobody minds


def motion_findings(image: Path, resolution: str, video: Path, track: DriverTrack) -> list[Finding]:
    """What the preview can't do with a prepared image and a driver.

    Raises :class:`~lipsync_kit.errors.InputError` for an unreadable picture.
    """
    plate, face = portrait_face(image, image.stat().st_mtime_ns, resolution)
    missing = [
        _no_face(code, path)
        for code, path, found in (
            ("no_face", image, face is not None),
            ("no_driver_face", video, track.seen > 0),
        )
        if not found
    ]
    if missing or face is None:
        return missing
    found = [_lost(video, track)] if track.seen < 1 - _LOST else []
    shares = track.share[track.confidence > 0]
    small = [
        path.name
        for path, share in (
            (image, face.height / plate.height),
            (video, float(np.median(shares))),
        )
        if share < _BODY
    ]
    return [*found, _body(small)] if small else found


def _no_face(code: str, path: Path) -> Finding:
    return Finding(
        code=code,
        severity="warning",
        message=f"{path.name}: no face was found; the preview moves the camera over the picture.",
        hint="Take one with a clearly visible face, seen from the front.",
    )


def _lost(video: Path, track: DriverTrack) -> Finding:
    away = 1 - track.seen
    return Finding(
        code="driver_lost",
        severity="warning",
        message=f"{video.name}: no face in {away:.0%} of the frames; there the preview rests.",
        hint="Keep the face in view, turned less than 45° away.",
        data={"share": round(away, 4), "frame": int(np.argmin(track.confidence > 0))},
    )


def _body(names: list[str]) -> Finding:
    return Finding(
        code="body_still",
        severity="info",
        message=f"{' and '.join(names)}: a body is seen; the preview drives the face alone.",
        hint="Crop to head and shoulders, or render with --engine fal, which moves the body.",
    )
