"""The narration: from any recording to a levelled master and the chunks that are sent.

Decode once and hear (``sound_hearing``), level (``sound_level``), find pauses and plan the
cuts (``plan``), write the chunks (``sound_chunks``). Each step is stamped with the key of its
work, so that a second run repeats nothing and a change repeats only what follows from it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Literal, get_args

from lipsync_kit.catalog import Model
from lipsync_kit.errors import UsageError
from lipsync_kit.plan.cost import estimate, longest_sent
from lipsync_kit.plan.cuts import (
    WEIGHTS,
    Candidate,
    Preference,
    Rules,
    Tile,
    pause_candidates,
    plan_cuts,
    valley_candidates,
)
from lipsync_kit.plan.pauses import Levels, Pause, find_pauses, find_valleys, speaking
from lipsync_kit.preflight import sound_chunks
from lipsync_kit.preflight.denoise import Mode
from lipsync_kit.preflight.sound import prepare_sound
from lipsync_kit.preflight.sound_findings import findings
from lipsync_kit.preflight.sound_hearing import Hearing
from lipsync_kit.preflight.sound_voice import FRAME_SECONDS
from lipsync_kit.progress import Progress
from lipsync_kit.project import Layout
from lipsync_kit.schema import Audio, Chunk, Estimate, Finding
from lipsync_kit.timing import SAMPLE_RATE

_LOUDEST, _QUIETEST = -8.0, -40.0
_HANDLE = Fraction(3, 10)


@dataclass(frozen=True)
class SoundOptions:
    """How the narration is prepared.

    ``lufs``/``true_peak``: loudness target and ceiling (LUFS, dBTP). ``max_chunk``: seconds,
    below the model's own limit. ``denoise``: ``auto``, ``off`` or ``on``; ``deliver_sound``:
    whether the master is the ``clean`` or the ``original`` sound where it was denoised.
    ``skip_silence``: seconds of silence above which it is not sent. ``require_speech``:
    refuse silence. ``prefer``: what the cuts weigh most.
    """

    resolution: str = "1080p"
    lufs: float = -16.0
    true_peak: float = -1.5
    max_chunk: Fraction | None = None
    denoise: Mode = "auto"
    deliver_sound: Literal["clean", "original"] = "clean"
    skip_silence: Fraction | None = None
    require_speech: bool = True
    prefer: Preference = "cost"

    def __post_init__(self) -> None:
        if not _QUIETEST <= self.lufs <= _LOUDEST:
            raise UsageError(
                f"--lufs {self.lufs:g}: choose from {_QUIETEST:g} to {_LOUDEST:g} LUFS.",
                hint="Speech for the web is usually -16.",
            )
        if not -20 <= self.true_peak <= -0.1:
            raise UsageError(f"a true peak of {self.true_peak:g} dBTP: choose from -20 to -0.1.")
        if self.max_chunk is not None and self.max_chunk < 1:
            raise UsageError(f"--max-chunk {float(self.max_chunk):g}: choose 1 second or more.")
        if self.skip_silence is not None and self.skip_silence < Fraction(1, 2):
            raise UsageError(
                f"--skip-silence {float(self.skip_silence):g}: choose 0.5 seconds or more."
            )
        for flag, value, offered in (
            ("--denoise", self.denoise, get_args(Mode)),
            ("--deliver-sound", self.deliver_sound, ("clean", "original")),
            ("--prefer", self.prefer, tuple(WEIGHTS)),
        ):
            if value not in offered:
                raise UsageError(f"{flag} {value}: choose one of {', '.join(offered)}.")


@dataclass(frozen=True)
class Narration:
    """The prepared sound and its plan."""

    audio: Audio
    chunks: tuple[Chunk, ...]
    findings: tuple[Finding, ...]
    estimate: Estimate


def prepare_narration(
    source: Path,
    *,
    layout: Layout,
    fps: Fraction,
    model: Model,
    options: SoundOptions,
    progress: Progress,
) -> Narration:
    """Make ``audio/master.wav`` and ``audio/chunks`` from ``source``, and plan the cuts.

    ``source`` is any file whose sound ffmpeg reads; ``fps`` the film's frame rate.
    Raises :class:`~lipsync_kit.errors.InputError` for a file without usable sound.
    """
    from threadpoolctl import threadpool_limits

    # Small matrix products on a thread pool spend more on waiting than on arithmetic.
    with threadpool_limits(1, user_api="blas"):
        sound = prepare_sound(source, layout, options, progress)
    hearing = sound.hearing
    pauses = find_pauses(voice_of(hearing), hearing.levels, hearing.samples)
    tiles = plan(hearing, pauses, fps, model, options)
    described = sound_chunks.describe(tiles, pauses, layout)
    with progress.task("cutting", len(described), "chunks") as task:
        chunks = sound_chunks.write(described, layout, sound.driving, task)
    _assert_tiling(chunks, hearing.samples)
    levelled = sound.levelled
    audio = Audio(
        path=layout.relative(layout.master),
        sample_rate=SAMPLE_RATE,
        samples=hearing.samples,
        channels=hearing.channels,
        lufs=None if math.isinf(levelled.lufs) else round(levelled.lufs, 2),
        true_peak=round(levelled.true_peak, 2),
    )
    return Narration(
        audio=audio,
        chunks=chunks,
        findings=findings(sound, pauses, options.lufs),
        estimate=estimate(chunks, model, options.resolution),
    )


def voice_of(hearing: Hearing) -> Levels:
    """Probability of speech at every level of ``hearing``."""
    return speaking(
        hearing.speech,
        len(hearing.levels),
        FRAME_SECONDS * SAMPLE_RATE,
        FRAME_SECONDS * SAMPLE_RATE,
    )


def _assert_tiling(chunks: tuple[Chunk, ...], samples: int) -> None:
    starts = [chunk.start for chunk in chunks]
    ends = [chunk.end for chunk in chunks]
    if [0, *ends] != [*starts, samples]:
        raise AssertionError(f"the chunks do not tile the {samples} samples of the master")


def limit(model: Model, options: SoundOptions, fps: Fraction, samples: int) -> int:
    """The most samples that one chunk may send."""
    limits = [samples]
    longest = longest_sent(model, options.resolution, fps)
    if longest is not None:
        limits.append(longest)
    if options.max_chunk is not None:
        limits.append(int((options.max_chunk - 1 / fps) * SAMPLE_RATE))
    return min(limits)


def plan(
    hearing: Hearing, pauses: list[Pause], fps: Fraction, model: Model, options: SoundOptions
) -> list[Tile]:
    """The best tiling of the sound for ``model``."""
    longest = limit(model, options, fps, hearing.samples)
    skip = options.skip_silence
    rules = Rules(
        longest=longest,
        billing=model.billing,
        shortest=min(3 * SAMPLE_RATE, longest // 3),
        skip=None if skip is None else int(skip * SAMPLE_RATE),
    )
    candidates: list[Candidate] = list(pause_candidates(pauses, hearing.samples, fps))
    reach = longest // 3
    handle = min(int(_HANDLE * SAMPLE_RATE), longest // 10)
    valleys = find_valleys(voice_of(hearing), hearing.levels, hearing.samples, pauses, reach, fps)
    candidates += valley_candidates(valleys, hearing.samples, handle)
    return plan_cuts(candidates, pauses, hearing.samples, rules, WEIGHTS[options.prefer])
