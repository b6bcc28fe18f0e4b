"""Do the lips move with the speech? ``python -m tests.benchmarks.sync [FOLDER]``.

Renders every portrait with every speech of FOLDER (``portrait*.png|jpg``, ``speech*.wav``;
also by ``LIPSYNC_MEDIA``) as a user would, reads the lips back from the film with landmarks,
and correlates them with the film's own sound, with every other speech, and with the sound
moved by ±80 ms. Without a folder the shipped portrait speaks pieces of the shipped narration.

It must reach: matched r ≥ 0.6 at −30…+30 ms; any other speech r ≤ 0.35 at any offset within
±500 ms; moved sound read back within 20 ms. Exit status 1 when it does not.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

RATE = 200
"""Hz of the curves that are compared; offsets are read to 5 ms."""

SEARCH = 0.5
SMOOTHING = 0.1
"""Seconds: search to either side, and length of the Hann window over the energy."""

MATCHED, MISMATCHED = 0.6, 0.35
OFFSET_MS, READ_BACK_MS, SHIFT_MS = 30, 20, 80


@dataclass(frozen=True)
class Fit:
    """Highest correlation and where: positive milliseconds mean lips later than the sound."""

    r: float
    offset_ms: int

    def __str__(self) -> str:
        return f"{self.r:5.2f} at {self.offset_ms:+4d} ms"


def envelope(sound: Floats, sample_rate: int) -> Floats:
    """Amplitude of a mono sound at 200 Hz: root of its energy under a 100 ms Hann window."""
    hop = sample_rate // RATE
    count = len(sound) // hop
    energy = (sound[: count * hop].reshape(count, hop) ** 2).mean(axis=1)
    kernel = np.hanning(int(SMOOTHING * RATE) + 2)[1:-1]
    smooth = np.convolve(energy, kernel / kernel.sum(), mode="same")
    return np.sqrt(smooth)


def at_rate(values: Floats, times: Floats, length: int) -> Floats:
    """Values known at ``times`` (seconds) as a curve at 200 Hz; sample k stands at its middle."""
    return np.interp((np.arange(length) + 0.5) / RATE, times, values)


def fit(lips: Floats, sound: Floats) -> Fit:
    """The best correlation of two curves at 200 Hz within ±500 ms."""
    reach = int(SEARCH * RATE)
    length = min(len(lips), len(sound))
    best = Fit(-1.0, 0)
    for lag in range(-reach, reach + 1):
        later = lips[max(0, lag) : length + min(0, lag)]
        earlier = sound[max(0, -lag) : length - max(0, lag)]
        r = float(np.corrcoef(later, earlier)[0, 1])
        if r > best.r:
            best = Fit(r, round(lag * 1000 / RATE))
    return best


def moved(sound: Floats, milliseconds: int) -> Floats:
    """The same curve, later by so many milliseconds."""
    return np.roll(sound, round(milliseconds * RATE / 1000))


def lips_of(film: Path) -> tuple[Floats, Floats]:
    """Mouth openness of every frame, and the middle of the time that it is shown (seconds)."""
    import av

    from lipsync_kit.face import FaceTracker

    openness, starts, tracker = [], [], FaceTracker()
    with av.open(str(film)) as container:
        for frame in container.decode(video=0):
            face = tracker(frame.to_ndarray(format="rgb24"))
            openness.append(np.nan if face is None else face.mouth_openness)
            starts.append(float(frame.time or 0))
    values, times = np.array(openness), np.array(starts)
    seen = np.isfinite(values)
    if seen.mean() < 0.9:
        raise SystemExit(f"{film}: a face in only {seen.mean():.0%} of the frames")
    return np.interp(times, times[seen], values[seen]), times + np.median(np.diff(times)) / 2


def sound_of(path: Path) -> tuple[Floats, int]:
    """The sound of a file, mono, from time 0 on."""
    import av

    with av.open(str(path)) as container:
        stream = container.streams.audio[0]
        resampler = av.AudioResampler("flt", "mono", 48_000)
        decoded = container.decode(stream)
        frames = [piece for frame in decoded for piece in resampler.resample(frame)]
        frames += resampler.resample(None)
        starts = frames[0].time or 0.0
        sound = np.concatenate([frame.to_ndarray()[0] for frame in frames]).astype(np.float64)
    # An edit list may start the sound before 0 (encoder delay) or after it.
    lead = round(starts * 48_000)
    return (np.pad(sound, (lead, 0)) if lead >= 0 else sound[-lead:]), 48_000


def render(portrait: Path, speech: Path, folder: Path) -> Path:
    """A film by the preview engine, made as a user makes it."""
    project = str(folder / f"{portrait.stem} {speech.stem}")
    for arguments in (
        ["prep", project, "--image", str(portrait), "--audio", str(speech)],
        ["render", project, "--engine", "preview"],
    ):
        command = [sys.executable, "-c", "from lipsync_kit.cli import main; main()", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"{' '.join(arguments)}: {done.stdout}{done.stderr}")
    return Path(project) / "lipsync" / "final.mp4"


def shipped(folder: Path) -> tuple[list[Path], list[Path]]:
    """The shipped portrait, and four pieces of nine seconds of the shipped narration."""
    import soundfile

    fixtures = Path(__file__).parents[2] / "fixtures"
    sound, rate = sound_of(fixtures / "narration.mp3")
    pieces = []
    for number in range(4):
        piece = folder / f"speech_{number}.wav"
        first = number * 18 * rate
        soundfile.write(piece, sound[first : first + 9 * rate], rate)
        pieces.append(piece)
    return [fixtures / "portrait.png"], pieces


def measure(portrait: Path, speech: Path, speeches: dict[Path, Floats], folder: Path) -> bool:
    """Print one row; returns whether it holds."""
    film = render(portrait, speech, folder)
    own = envelope(*sound_of(film))
    lips = at_rate(*lips_of(film), len(own))
    matched = fit(lips, own)
    others = [fit(lips, other) for path, other in speeches.items() if path != speech]
    worst = max((other.r for other in others), default=-1.0)
    shifts = [fit(lips, moved(own, by)).offset_ms + by for by in (-SHIFT_MS, SHIFT_MS)]
    holds = (
        matched.r >= MATCHED
        and abs(matched.offset_ms) <= OFFSET_MS
        and worst <= MISMATCHED
        and all(abs(read - matched.offset_ms) <= READ_BACK_MS for read in shifts)
    )
    print(
        f"{portrait.stem:22} {speech.stem:14} {matched}   others at most {worst:5.2f}   "
        f"moved by ±80 ms: read back {shifts[0]:+d}, {shifts[1]:+d} ms off   "
        f"{'' if holds else '← misses'}",
        flush=True,
    )
    return holds


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=os.environ.get("LIPSYNC_MEDIA"))
    parser.add_argument("--keep", type=Path, help="render into this folder and keep the films")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        work = options.keep or Path(temporary)
        work.mkdir(parents=True, exist_ok=True)
        if options.folder:
            media = Path(options.folder)
            portraits = sorted(p for p in media.glob("portrait*") if p.suffix != ".md")
            speeches = sorted(media.glob("speech*.wav"))
        else:
            portraits, speeches = shipped(work)
        if not portraits or not speeches:
            raise SystemExit(f"{options.folder}: no portrait* or no speech*.wav in it")
        heard = {path: envelope(*sound_of(path)) for path in speeches}
        held = [measure(p, s, heard, work) for p in portraits for s in speeches]
    print(f"{sum(held)} of {len(held)} hold")
    return 0 if all(held) else 1


if __name__ == "__main__":
    sys.exit(main())
