"""What is written to disk or stdout, frozen and checked.

Sample offsets count the project's 48 kHz timeline; frame rates are rationals, written
``"25/1"``. A file with an unknown field is refused rather than half understood.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer

Task = Literal["talk", "motion", "dub"]
Severity = Literal["info", "warning", "error"]
Kind = Literal["talk", "still"]
Cut = Literal["pause", "valley", "scene", "end"]


def _rational_text(value: Fraction) -> str:
    return f"{value.numerator}/{value.denominator}"


Rational = Annotated[
    Fraction,
    BeforeValidator(lambda value: Fraction(value) if isinstance(value, str | int) else value),
    PlainSerializer(_rational_text, return_type=str),
]
"""A :class:`fractions.Fraction`, ``"25/1"`` in JSON."""


class Record(BaseModel):
    """Base of all records: frozen, unknown fields forbidden."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", populate_by_name=True, arbitrary_types_allowed=True
    )


class Finding(Record):
    """Something that preflight or acceptance noticed, in words and numbers."""

    code: str
    severity: Severity
    message: str
    hint: str = ""
    data: dict[str, Any] = Field(default_factory=dict)


class Source(Record):
    """An input as it was given: a local path, its digest, and the URL that it came from.

    ``as_given``: the file itself is within all bounds and is all that would be sent.
    """

    path: str
    sha256: str
    url: str | None = None
    as_given: bool = False


class Audio(Record):
    """The delivered sound. ``lufs`` and ``true_peak`` (dBTP) are measured after levelling."""

    path: str | None
    sample_rate: int
    samples: int
    channels: int = 1
    lufs: float | None = None
    true_peak: float | None = None


class Image(Record):
    """The prepared image; width and height in pixels."""

    path: str
    width: int
    height: int
    bytes: int


class Video(Record):
    """The prepared driving or source video; ``frames`` at ``fps``."""

    path: str
    width: int
    height: int
    bytes: int
    fps: Rational
    frames: int
    has_sound: bool = False


class Chunk(Record):
    """One tile of the master and the sound or video that is sent for it.

    ``start``/``end``: the tile, in samples of the master. ``sent_start``/``sent_end``: what is
    sent, the same unless the cut needed handles. ``cut`` and ``pause_ms`` say what the
    chunk's end is; ``pause_before_ms`` of the pause lie before it (``None``: half). ``path`` is
    the file that is sent and ``sha256`` its digest; dubbing sends ``video`` with it.
    """

    index: int
    start: int
    end: int
    sent_start: int
    sent_end: int
    path: str | None
    kind: Kind = "talk"
    cut: Cut = "pause"
    pause_ms: int = 0
    pause_before_ms: int | None = None
    sha256: str | None = None
    video: str | None = None
    video_sha256: str | None = None
    reason: str = ""


class Estimate(Record):
    """What a render is expected to cost; ``usd`` is ``None`` where the price is unknown."""

    billed_seconds: int
    usd: float | None
    model: str = ""
    chunks: int = 0
    seams: int = 0


class Project(Record):
    """``project.json``: the plan."""

    schema_: Literal[1] = Field(default=1, alias="schema")
    task: Task
    model: str
    resolution: str = "1080p"
    fps: Rational
    prompt: str | None = None
    turbo: bool = False
    trim: bool = True
    sound: bool = True
    inputs: dict[str, Source] = Field(default_factory=dict)
    audio: Audio
    image: Image | None = None
    video: Video | None = None
    chunks: tuple[Chunk, ...]
    estimate: Estimate
    findings: tuple[Finding, ...] = ()
    options: dict[str, Any] = Field(default_factory=dict)

    @property
    def bounds(self) -> list[int]:
        """The n + 1 sample offsets between the tiles."""
        return [0, *(chunk.end for chunk in self.chunks)]


class ClipState(Record):
    """One chunk after a render: its state, the take in use, and its files (absolute paths).

    Of a paid take also the service's ``request_id`` and what it cost: billed ``seconds`` and
    ``usd`` (``None``: its price is unknown), with ``charge`` ``billed``, ``maybe`` (the service
    may bill it), ``none`` or, while that is unknown, empty.
    """

    index: int
    state: str
    take: int
    clip: str | None = None
    ready: str | None = None
    request_id: str | None = None
    seconds: int = 0
    usd: float | None = 0.0
    charge: str = ""


class Film(Record):
    """The film: its URL (a ``file://`` one for a local film) and its absolute path."""

    url: str
    path: str


class Billed(Record):
    """What was paid for this project's clips, over all runs and takes.

    ``maybe_seconds`` and ``maybe_usd``: what the service may have billed on top. A sum of which
    a price is unknown is ``None``, never a sum of the rest.
    """

    seconds: int = 0
    usd: float | None = 0.0
    maybe_seconds: int = 0
    maybe_usd: float | None = 0.0


class Rendered(Record):
    """What ``render`` prints. ``pending`` are chunks still at the service."""

    video: Film | None = None
    chunks: tuple[ClipState, ...] = ()
    billed: Billed = Billed()
    pending: tuple[int, ...] = ()
    findings: tuple[Finding, ...] = ()
    seams: tuple[dict[str, Any], ...] = ()
    timeline: dict[str, Any] = Field(default_factory=dict)
    report: str | None = None
