"""``prep``: from the user's files to a plan, on this machine, for nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from lipsync_kit.catalog import DEFAULT_MODEL, ROLES, Model, find_model
from lipsync_kit.errors import InputError, SetupError, UsageError
from lipsync_kit.media.probe import check_file
from lipsync_kit.progress import Progress, Silent
from lipsync_kit.project import Layout, locked, save
from lipsync_kit.schema import Finding, Project, Source, Task
from lipsync_kit.store import digest_file
from lipsync_kit.timing import SAMPLE_RATE, clock

if TYPE_CHECKING:
    from lipsync_kit.preflight.task import Prepared

TASKS: dict[frozenset[str], Task] = {frozenset(roles): task for task, roles in ROLES.items()}
DEFAULT_RESOLUTION = "1080p"
LOCK_WAIT = 600.0
LONG_NARRATION = 10 * 60 * SAMPLE_RATE
"""From this length on, 720p is what users are advised to take."""


@dataclass(frozen=True)
class PrepOptions:
    """What a user may choose. ``fps`` and ``model`` default by task; times are in seconds.

    ``resolution``: 1080p unless said otherwise, or what the model offers nearest to that.

    Choices of sound and cuts are those of :class:`.preflight.audio.SoundOptions`.
    """

    model: str | None = None
    prompt: str | None = None
    resolution: Literal["1080p", "720p"] | None = None
    turbo: bool = False
    trim: bool = True
    sound: bool = True
    fps: Fraction | None = None
    denoise: Literal["auto", "off", "on"] = "auto"
    deliver_sound: Literal["clean", "original"] = "clean"
    lufs: float = -16.0
    level: bool = False
    max_chunk: Fraction | None = None
    skip_silence: Fraction | None = None
    prefer: Literal["cost", "seams", "quality"] = "cost"
    fit: Literal["freeze", "loop", "bounce", "cut"] = "freeze"
    background: str = "#808080"

    def resolution_of(self, model: Model) -> str:
        """The resolution that clips of ``model`` are asked for in.

        Raises :class:`~lipsync_kit.errors.UsageError` for a chosen one that it does not offer.
        """
        if self.resolution is None:
            return model.nearest(DEFAULT_RESOLUTION)
        model.tier(self.resolution)
        return self.resolution


@dataclass(frozen=True)
class Inputs:
    """The files that were given, and by role the URLs that some of them came from."""

    image: Path | None = None
    audio: Path | None = None
    video: Path | None = None
    urls: Mapping[str, str] = field(default_factory=dict)

    @property
    def task(self) -> Task:
        """The task that these inputs make.

        Raises :class:`~lipsync_kit.errors.UsageError` when they make none.
        """
        given = set(self.files())
        for inputs, task in TASKS.items():
            if given == inputs:
                return task
        named = ", ".join(f"--{name}" for name in sorted(given)) or "none"
        raise UsageError(
            f"These inputs make no task: {named}.",
            hint="Give --image and --audio for a talking video, --image and --video for motion, "
            "--video and --audio to dub.",
        )

    def files(self) -> dict[str, Path]:
        """The given files by role."""
        given = {"image": self.image, "audio": self.audio, "video": self.video}
        return {role: path for role, path in given.items() if path is not None}


def prep(
    root: Path,
    inputs: Inputs,
    options: PrepOptions | None = None,
    progress: Progress | None = None,
) -> Project:
    """Check and fix the inputs, cut the sound, and write the plan into the folder ``root``.

    Nothing is submitted and nothing is spent. Run twice, the second run repeats no work.
    Raises :class:`~lipsync_kit.errors.InputError` for an input that can't be used.
    """
    chosen = options or PrepOptions()
    task = inputs.task
    model = find_model(chosen.model or DEFAULT_MODEL[task], task)
    chosen.resolution_of(model)
    for role, path in inputs.files().items():
        check_file(path, role)
    _make_folder(root)
    with locked(root, LOCK_WAIT, progress):
        return _plan(Layout(root), inputs, chosen, model, progress or Silent())


def _make_folder(root: Path) -> None:
    if root.exists() and not root.is_dir():
        raise InputError(
            f"{root}: a file, not a folder.", code="project", hint="Name another project folder."
        )
    try:
        root.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SetupError(
            f"{root}: can't be made: {error.strerror}.", code="not_writable"
        ) from error


def _plan(
    layout: Layout, inputs: Inputs, options: PrepOptions, model: Model, progress: Progress
) -> Project:
    from lipsync_kit.preflight.task import Preparation

    preparation = Preparation(layout, inputs, options, model, progress)
    work = {"talk": preparation.talk, "motion": preparation.motion, "dub": preparation.dub}
    task = inputs.task
    made = work[task]()
    project = Project(
        task=task,
        model=model.id,
        resolution=options.resolution_of(model),
        fps=made.fps,
        prompt=options.prompt,
        turbo=options.turbo,
        trim=options.trim,
        sound=options.sound,
        inputs=_sources(inputs, made.as_given),
        audio=made.audio,
        image=made.image,
        video=made.video,
        chunks=made.chunks,
        estimate=made.estimate,
        findings=(*made.findings, *_advice(made, options, model)),
        options=_remembered(options),
    )
    save(layout.root, project)
    return project


def _sources(inputs: Inputs, as_given: frozenset[str]) -> dict[str, Source]:
    return {
        role: Source(
            path=str(path.absolute()),
            sha256=digest_file(path),
            url=inputs.urls.get(role),
            as_given=role in as_given,
        )
        for role, path in inputs.files().items()
    }


def _remembered(options: PrepOptions) -> dict[str, Any]:
    """Choices that have no field of their own in the plan, as JSON."""
    seconds = {"max_chunk": options.max_chunk, "skip_silence": options.skip_silence}
    return {
        "denoise": options.denoise,
        "deliver_sound": options.deliver_sound,
        "lufs": options.lufs,
        "level": options.level,
        "prefer": options.prefer,
        "fit": options.fit,
        "background": options.background,
        **{name: None if value is None else str(value) for name, value in seconds.items()},
    }


def _advice(made: Prepared, options: PrepOptions, model: Model) -> tuple[Finding, ...]:
    """What users are advised about model, resolution and turbo, where it applies."""
    found = _model_advice(made, options, model)
    samples = made.audio.samples
    other = model.resolutions.get("720p")
    resolution = options.resolution_of(model)
    if resolution == "1080p" and samples > LONG_NARRATION and other is not None:
        found.append(
            Finding(
                code="long_at_1080p",
                severity="info",
                message=f"{clock(samples / SAMPLE_RATE)} at 1080p make "
                f"{len(made.chunks)} chunks; 720p takes longer pieces, so fewer seams.",
                hint="For long content add --resolution 720p.",
                data={"chunks": len(made.chunks)},
            )
        )
    if options.turbo:
        found.append(
            Finding(
                code="turbo",
                severity="warning",
                message="Turbo trades quality for speed.",
                hint="Keep it for trials; leave --turbo out for the final film.",
            )
        )
    return tuple(found)


def _model_advice(made: Prepared, options: PrepOptions, model: Model) -> list[Finding]:
    """What the chosen model does not offer, or nobody knows of it."""
    found = []
    resolution = options.resolution_of(model)
    if options.resolution is None and resolution != DEFAULT_RESOLUTION:
        found.append(
            Finding(
                code="resolution",
                severity="info",
                message=f"{model.id} does not offer {DEFAULT_RESOLUTION}; {resolution} is used.",
                hint=f"For {DEFAULT_RESOLUTION} choose another model: see `lipsync-kit estimate`.",
                data={"resolution": resolution, "offered": list(model.resolutions)},
            )
        )
    if made.estimate.usd is None:
        found.append(
            Finding(
                code="price_unknown",
                severity="warning",
                message=f"The price of {model.id} is not known: no estimate, and no cap on it.",
                hint=f'State it in the settings file, in [models."{model.id}".resolutions], or '
                "choose a model with a price: see `lipsync-kit estimate`.",
            )
        )
    return found
