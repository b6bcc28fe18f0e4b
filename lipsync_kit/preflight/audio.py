"""The narration: from any recording to a levelled master and the chunks that are sent.

Decode once and hear (``sound_hearing``), level (``sound_level``), find pauses and plan the
cuts (``plan``), write the chunks (``sound_chunks``). Each step is stamped with the key of its
work, so that a second run repeats nothing and a change repeats only what follows from it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Literal, get_args

from lipsync_kit.catalog import Model
from lipsync_kit.errors import UsageError
from lipsync_kit.plan.cost import estimate
from lipsync_kit.plan.cuts import WEIGHTS, Preference
from lipsync_kit.preflight import sound_chunks
from lipsync_kit.preflight.denoise import Mode
from lipsync_kit.preflight.sound import PreparedSound, prepare_sound
from lipsync_kit.preflight.sound_findings import findings
from lipsync_kit.preflight.sound_level_findings import level_findings
from lipsync_kit.preflight.sound_memory import Memory
from lipsync_kit.preflight.sound_plan import Planner, PlanOptions, pauses_of
from lipsync_kit.preflight.sound_plan_findings import edited, other_choices, skipped
from lipsync_kit.progress import Progress
from lipsync_kit.project import Layout
from lipsync_kit.schema import Audio, Chunk, Estimate, Finding
from lipsync_kit.timing import SAMPLE_RATE

_LOUDEST, _QUIETEST = -8.0, -40.0


@dataclass(frozen=True)
class SoundOptions:
    """How the narration is prepared.

    ``lufs``/``true_peak``: loudness target and ceiling (LUFS, dBTP). ``max_chunk``: seconds,
    below the model's own limit. ``denoise``: ``auto``, ``off`` or ``on``; ``deliver_sound``:
    whether the master is the ``clean`` or the ``original`` sound where it was denoised.
    ``level``: even out speakers or sections more than 6 LU apart.
    ``skip_silence``: seconds of silence above which it is not sent. ``require_speech``:
    refuse silence. ``prefer``: what the cuts weigh most.
    """

    resolution: str = "1080p"
    lufs: float = -16.0
    true_peak: float = -1.5
    max_chunk: Fraction | None = None
    denoise: Mode = "auto"
    deliver_sound: Literal["clean", "original"] = "clean"
    level: bool = False
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

    planning = PlanOptions(
        model, options.resolution, fps, options.prefer, options.max_chunk, options.skip_silence
    )
    remembered = layout.hidden / "sound" / "plan.npz"
    rules = planning.digest()
    memory = Memory.load(remembered)
    # Small matrix products on a thread pool spend more on waiting than on arithmetic.
    with threadpool_limits(1, user_api="blas"):
        sound = prepare_sound(source, layout, options, progress, rules, memory)
    pauses = pauses_of(sound.hearing)
    if memory is not None and (memory.source, memory.rules) == (sound.memory.source, rules):
        tiles, choices = memory.tiles, memory.choices
    else:
        tiles, choices = Planner(sound.hearing, pauses, planning).run(sound.kept)
    described = sound_chunks.describe(tiles, pauses, layout)
    with progress.task("cutting", len(described), "chunks") as task:
        chunks = sound_chunks.write(described, layout, sound.driving, task)
    _assert_tiling(chunks, sound.hearing.samples)
    replace(sound.memory, tiles=tiles, choices=choices).save(remembered)
    cost = estimate(chunks, model, options.resolution)
    found = [
        *level_findings(
            sound.hearing, sound.levelled, sound.evened, options.lufs, asked=options.level
        ),
        *findings(sound, pauses),
        edited(sound.memory.renewed, tiles),
        skipped(tiles, cost.billed_seconds),
        other_choices(choices, options.prefer, model, options.resolution),
    ]
    return Narration(
        audio=_audio(sound, layout),
        chunks=chunks,
        findings=tuple(finding for finding in found if finding is not None),
        estimate=cost,
    )


def _audio(sound: PreparedSound, layout: Layout) -> Audio:
    levelled = sound.levelled
    return Audio(
        path=layout.relative(layout.master),
        sample_rate=SAMPLE_RATE,
        samples=sound.hearing.samples,
        channels=sound.hearing.channels,
        lufs=None if math.isinf(levelled.lufs) else round(levelled.lufs, 2),
        true_peak=round(levelled.true_peak, 2),
    )


def _assert_tiling(chunks: tuple[Chunk, ...], samples: int) -> None:
    starts = [chunk.start for chunk in chunks]
    ends = [chunk.end for chunk in chunks]
    if [0, *ends] != [*starts, samples]:
        raise AssertionError(f"the chunks do not tile the {samples} samples of the master")
