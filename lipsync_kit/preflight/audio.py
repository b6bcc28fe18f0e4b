"""The narration: from any recording to a levelled master and the chunks that are sent.

Decode once and hear (``sound_hearing``), level (``sound_level``), find pauses and plan the
cuts (``plan``), write the chunks (``sound_chunks``). Each step is stamped with the key of its
work, so that a second run repeats nothing and a change repeats only what follows from it.
"""

from __future__ import annotations

import math
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path

from lipsync_kit.catalog import Model
from lipsync_kit.errors import InputError, UsageError
from lipsync_kit.media.pcm import SoundSource, open_sound
from lipsync_kit.media.wav import Scratch
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
from lipsync_kit.plan.pauses import Pause, find_pauses, find_valleys
from lipsync_kit.preflight import sound_chunks
from lipsync_kit.preflight.loudness import SILENT, integrated
from lipsync_kit.preflight.sound_findings import Heard, findings
from lipsync_kit.preflight.sound_hearing import Hearing, decode, hear
from lipsync_kit.preflight.sound_level import Levelled, Loudness
from lipsync_kit.preflight.sound_voice import Voice
from lipsync_kit.progress import Progress
from lipsync_kit.project import Layout
from lipsync_kit.recipe import stage_key
from lipsync_kit.schema import Audio, Chunk, Estimate, Finding
from lipsync_kit.store import atomic, digest_file, digest_json
from lipsync_kit.timing import SAMPLE_RATE

_LOUDEST, _QUIETEST = -8.0, -40.0
_HANDLE = Fraction(3, 10)
_HEARING_VERSION = 1


@dataclass(frozen=True)
class SoundOptions:
    """How the narration is prepared.

    ``lufs``/``true_peak``: loudness target and ceiling (LUFS, dBTP). ``max_chunk``: seconds,
    below the model's own limit. ``skip_silence``: seconds of silence above which it is not
    sent. ``require_speech``: refuse silence. ``prefer``: what the cuts weigh most.
    """

    resolution: str = "1080p"
    lufs: float = -16.0
    true_peak: float = -1.5
    max_chunk: Fraction | None = None
    denoise: str = "auto"
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
        if self.denoise not in ("auto", "off", "on"):
            raise UsageError(f"--denoise {self.denoise}: choose auto, off or on.")
        if self.prefer not in WEIGHTS:
            raise UsageError(f"--prefer {self.prefer}: choose one of {', '.join(WEIGHTS)}.")


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
        hearing, levelled, key = _Preparation(source, layout, options, progress).run()
    pauses = find_pauses(
        hearing.speech, hearing.levels, hearing.samples, Voice.FRAME_SECONDS * SAMPLE_RATE
    )
    tiles = plan(hearing, pauses, fps, model, options)
    described = sound_chunks.describe(tiles, pauses, layout)
    with progress.task("cutting", len(described), "chunks") as task:
        chunks = sound_chunks.write(described, layout, key, hearing.best, task)
    _assert_tiling(chunks, hearing.samples)
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
        findings=findings(Heard(hearing, levelled, pauses, options.lufs)),
        estimate=estimate(chunks, model, options.resolution),
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
    valleys = find_valleys(hearing.levels, hearing.samples, pauses, reach, fps)
    candidates += valley_candidates(valleys, hearing.samples, handle)
    return plan_cuts(candidates, pauses, hearing.samples, rules, WEIGHTS[options.prefer])


class _Preparation:
    """Hearing and master of one recording, made anew only where they are not fresh."""

    def __init__(
        self, source: Path, layout: Layout, options: SoundOptions, progress: Progress
    ) -> None:
        self._source, self._layout, self._progress = source, layout, progress
        self._options = options
        self._loudness = Loudness(options.lufs, options.true_peak)
        self._stamps = layout.stamps()
        self._heard = layout.hidden / "sound" / "hearing.npz"
        self._folder = self._heard.parent

    def run(self) -> tuple[Hearing, Levelled, str]:
        """The hearing, the levelling and the key of the master."""
        with open_sound(self._source) as opened:  # refuses first what is no sound
            digest = digest_file(self._source)
            hearing_key = digest_json(["audio.hearing", _HEARING_VERSION, digest, _build()])
            master_key = stage_key(self._loudness, hearing_key)
            known = self._known_hearing(hearing_key)
            note = self._stamps.note(self._layout.master, master_key)
            if known is not None and note is not None:
                self._check(known)
                return known, Levelled(**note), master_key
            hearing, levelled = self._make(opened, known, hearing_key, master_key)
        return hearing, levelled, master_key

    def _known_hearing(self, key: str) -> Hearing | None:
        return Hearing.load(self._heard) if self._stamps.fresh(self._heard, key) else None

    def _make(
        self, opened: SoundSource, known: Hearing | None, hearing_key: str, master_key: str
    ) -> tuple[Hearing, Levelled]:
        with ExitStack() as stack:
            scratch = stack.enter_context(Scratch(self._folder / "decoded.f32", opened.channels))
            claimed = float(opened.claimed) if opened.claimed else None
            with self._progress.task("listening", claimed, "s") as task:
                if known is None:
                    hearing = hear(opened, scratch, task)
                    with atomic(self._heard) as temporary:
                        hearing.save(temporary)
                    self._stamps.mark(self._heard, key=hearing_key)
                else:
                    hearing = known
                    decode(opened, scratch, task, None)
            self._check(hearing)
            with (
                self._progress.task("levelling", hearing.seconds, "s") as task,
                atomic(self._layout.master) as temporary,
            ):
                levelled = self._loudness.apply(scratch, hearing, temporary, task)
        self._stamps.mark(self._layout.master, key=master_key, note=asdict(levelled))
        return hearing, levelled

    def _check(self, hearing: Hearing) -> None:
        """Refuse silence where speech is needed."""
        if self._options.require_speech and integrated(hearing.energies) == SILENT:
            raise InputError(
                f"{self._source}: {hearing.seconds:.1f} s of silence only; "
                "there is nothing to lip-sync.",
                code="silence",
                hint="Check the export: the right track may be muted.",
                seconds=round(hearing.seconds, 3),
            )


def _build() -> str:
    """The tools whose versions change what is heard."""
    from importlib.metadata import version

    return " ".join(f"{name} {version(name)}" for name in ("av", "soxr", "earshot"))
