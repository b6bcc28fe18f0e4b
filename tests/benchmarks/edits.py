"""What an edit costs: chunks whose samples change when one sentence became longer or shorter.

``python -m tests.benchmarks.edits [MINUTES] [EDITS]``; ``pip install pydub auditok`` for the
rivals. Edits follow one another, as they would at work; every method cuts every version.
"""

from __future__ import annotations

import hashlib
import importlib.util
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import soundfile

from lipsync_kit.preflight.audio import Narration
from tests.benchmarks import rivals
from tests.benchmarks.spoken import RATE, Sound, Spoken, require_prompts, spoken
from tests.preflight.narrations import prepare

LIMIT = 30 * RATE - RATE // 25
Way = Callable[[Sound, int], rivals.Pieces]


def ways() -> dict[str, Way]:
    found: dict[str, Way] = {"fixed pieces": rivals.fixed, "audio-slicer's method": rivals.slicer}
    if importlib.util.find_spec("pydub"):
        found["pydub split_on_silence"] = rivals.pydub_split
    if importlib.util.find_spec("auditok"):
        found["auditok"] = rivals.auditok_split
    return found


def edited(speech: Spoken, rng: np.random.Generator) -> tuple[Spoken, float]:
    """One word made longer (by what it ends with, again) or shorter, by up to 3 s."""
    words = speech.words
    long = np.flatnonzero(words[:, 1] - words[:, 0] > RATE)
    start, end = words[int(rng.choice(long[5:-5]))].tolist()
    by = int(rng.uniform(-0.8, 3.0) * RATE)
    if by < 0:
        sound = np.concatenate([speech.sound[: max(start, end + by)], speech.sound[end:]])
    else:
        again = np.resize(speech.sound[start:end], by)
        sound = np.concatenate([speech.sound[:end], again, speech.sound[end:]])
    moved = len(sound) - len(speech.sound)
    return Spoken(sound, np.where(words >= end, words + moved, words)), moved / RATE


def digests(sound: Sound, pieces: rivals.Pieces) -> list[bytes]:
    return [hashlib.blake2b(sound[a:b].tobytes()).digest() for a, b in pieces]


def prepared(sound: Sound, folder: Path, name: str, level: bool) -> Narration:
    source = folder / "sound.wav"
    soundfile.write(source, sound, RATE, subtype="PCM_24")
    return prepare(source, folder / name, level=level)


def two_speakers(speech: Spoken) -> Sound:
    """Every other minute 9 dB quieter, from gap to gap."""
    sound, words = speech.sound.copy(), speech.words
    gaps = (words[1:, 0] + words[:-1, 1]) // 2
    bounds = [int(gaps[np.argmin(np.abs(gaps - at))]) for at in range(0, len(sound), 60 * RATE)]
    for start, end in zip(bounds[1::2], [*bounds[2::2], len(sound)], strict=False):
        sound[start:end] *= np.float32(10 ** (-9 / 20))
    return sound


def main() -> None:
    require_prompts()
    minutes = float(sys.argv[1]) if len(sys.argv) > 1 else 30.0
    edits = int(sys.argv[2]) if len(sys.argv) > 2 else 4
    rng = np.random.default_rng(8)
    speech = spoken(minutes * 60, seed=41)
    speech = Spoken(two_speakers(speech), speech.words)
    names = ["lipsync-kit", "lipsync-kit --level", *ways()]
    print(f"{minutes:g} min of WAV: chunks that change with an edit, of all")
    print(f"{'edit':>9} " + " ".join(f"{name:>22}" for name in names))
    with tempfile.TemporaryDirectory() as name:
        folder, before = Path(name), dict[str, set[bytes | str | None]]()
        by, worst = 0.0, dict.fromkeys(names, 0)
        for number in range(edits + 1):
            if number:
                speech, by = edited(speech, rng)
            row = []
            for label in names:
                if label.startswith("lipsync-kit"):
                    made = prepared(speech.sound, folder, label, "level" in label)
                    now: list[bytes | str | None] = [chunk.sha256 for chunk in made.chunks]
                else:
                    now = [*digests(speech.sound, ways()[label](speech.sound, LIMIT))]
                changed = len([one for one in now if one not in before.get(label, set())])
                before[label] = set(now)
                row.append(f"{changed:13} of {len(now):5}")
                worst[label] = max(worst[label], changed if number else 0)
            head = f"{by:+8.3f}s" if number else f"{'first':>9}"
            print(f"{head} " + " ".join(f"{cell:>22}" for cell in row), flush=True)
    print(f"{'most':>9} " + " ".join(f"{worst[label]:22}" for label in names))


if __name__ == "__main__":
    main()
