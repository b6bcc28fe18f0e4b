"""The models we know: ``catalog.toml`` as checked records.

What a model takes, how long, how large, at what price, and what of that is unverified.
"""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from importlib import resources
from typing import Annotated, Any, Self

from pydantic import Field, ValidationError, model_validator

from lipsync_kit.errors import InputError, UsageError
from lipsync_kit.schema import Record, Task
from lipsync_kit.timing import SAMPLE_RATE

DEFAULT_MODEL: dict[str, str] = {
    "talk": "fal-ai/bytedance/omnihuman/v1.5",
    "motion": "fal-ai/bytedance/dreamactor/v2",
    "dub": "fal-ai/pixverse/lipsync",
}


ROLES: dict[Task, tuple[str, str]] = {
    "talk": ("image", "audio"),
    "motion": ("image", "video"),
    "dub": ("video", "audio"),
}
"""The inputs that each task sends."""


class ImageLimits(Record):
    """Bounds of an image, in either orientation: pixels and bytes."""

    formats: tuple[str, ...] = ("jpeg", "png")
    max_bytes: int = 4_700_000
    min_side: int = 480
    max_long: int = 1920
    max_short: int = 1080


class VideoLimits(Record):
    """Bounds of a driving or source video: seconds, pixels, bytes."""

    formats: tuple[str, ...] = ("mp4", "mov", "webm")
    max_seconds: Fraction | None = None
    min_side: int = 200
    max_long: int = 2048
    max_short: int = 1440
    max_bytes: int | None = None


class Tier(Record):
    """What depends on the resolution: the longest sound per request and the price.

    ``usd_base`` pays for the first ``base_seconds``; ``usd_per_second`` for each one after.
    Without ``usd_per_second`` the price is unknown.
    """

    max_seconds: Annotated[Fraction, Field(gt=0)] | None = None
    usd_per_second: Annotated[Fraction, Field(ge=0)] | None = None
    usd_base: Fraction = Field(default=Fraction(0), ge=0)
    base_seconds: int = Field(default=0, ge=0)

    def usd(self, seconds: int) -> Fraction | None:
        """The price of one request of so many billed seconds; ``None`` when unknown."""
        if self.usd_per_second is None:
            return None
        return self.usd_base + self.usd_per_second * max(0, seconds - self.base_seconds)


class Billing(Record):
    """How seconds are rounded up: to a whole ``unit``, at least ``minimum`` seconds."""

    unit: int = Field(default=1, ge=1)
    minimum: int = Field(default=0, ge=0)

    def seconds(self, samples: int) -> int:
        """Billed seconds of ``samples`` that are sent."""
        exact = Fraction(samples, SAMPLE_RATE)
        return max(self.minimum, math.ceil(exact / self.unit) * self.unit)


class FrameCount(Record):
    """For models that take a number of frames: ``field``, rate, range and step.

    Such models stop after a default of about five seconds, so the count is always sent.
    """

    field: str
    fps: Fraction = Field(gt=0)
    minimum: int = Field(ge=1)
    maximum: int = Field(ge=1)
    step: int = Field(default=1, ge=1)

    def frames(self, samples: int) -> int:
        """The count that covers ``samples``, within the range and on the step."""
        exact = math.ceil(Fraction(samples, SAMPLE_RATE) * self.fps / self.step) * self.step
        lowest = math.ceil(self.minimum / self.step) * self.step
        highest = self.maximum // self.step * self.step
        return max(lowest, min(exact, highest))


@dataclass(frozen=True)
class Tariff:
    """What one request costs: how seconds are rounded, and their price.

    ``reported``: the result itself says how many seconds are billed.
    """

    billing: Billing
    tier: Tier
    reported: bool = False

    def bill(self, length: Fraction) -> tuple[int, Fraction | None]:
        """Billed seconds and USD (``None``: unknown) for ``length`` seconds that are sent."""
        seconds = self.billing.seconds(math.ceil(length * SAMPLE_RATE))
        return seconds, self.tier.usd(seconds)


class Model(Record):
    """One row of the catalogue.

    ``fields`` maps our names (image, audio, video, prompt, resolution, turbo, trim) to the
    model's own input names; ``required`` lists ours that it can't do without; ``fixed`` are
    inputs that always go along. ``reports_seconds``: its result says how many seconds are
    billed. ``unverified`` names the facts that no page of the service states.
    """

    id: str
    task: Task
    fields: dict[str, str]
    required: tuple[str, ...] = ()
    fixed: dict[str, Any] = Field(default_factory=dict)
    default_prompt: str | None = None
    resolutions: dict[str, Tier]
    image: ImageLimits = ImageLimits()
    video: VideoLimits = VideoLimits()
    max_audio_bytes: int | None = None
    billing: Billing = Billing()
    frame_count: FrameCount | None = None
    trims_first_second: bool = False
    reports_seconds: bool = False
    unverified: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        lacking = [role for role in ROLES[self.task] if role not in self.fields]
        if lacking:
            raise ValueError(f"fields names no {lacking[0]}")
        odd = [name for name in self.resolutions if not re.fullmatch(r"any|[1-9]\d*p", name)]
        if odd or not self.resolutions:
            raise ValueError(f"resolutions: {odd or 'none'}; write any, or such as 720p")
        return self

    def tier(self, resolution: str) -> Tier:
        """Limit and price at ``resolution``, or the model's only tier."""
        if resolution in self.resolutions:
            return self.resolutions[resolution]
        if "any" in self.resolutions:
            return self.resolutions["any"]
        offered = ", ".join(self.resolutions)
        raise UsageError(f"{self.id} does not offer {resolution}; it offers {offered}.")

    def nearest(self, resolution: str) -> str:
        """The offered resolution nearest to the one asked for."""
        if "any" in self.resolutions:
            return resolution
        lines = _lines(resolution)
        return min(self.resolutions, key=lambda offered: abs(_lines(offered) - lines))

    def tariff(self, resolution: str) -> Tariff:
        """What one request costs at ``resolution``."""
        return Tariff(self.billing, self.tier(resolution), self.reports_seconds)


def _lines(resolution: str) -> int:
    """``1080p`` → 1080."""
    return int(resolution.removesuffix("p"))


def _models(rows: Mapping[str, Any], where: str) -> dict[str, Model]:
    models = {}
    for model_id, row in rows.items():
        try:
            models[model_id] = Model.model_validate({"id": model_id, **row})
        except (TypeError, ValidationError) as error:
            detail = "is not a table"
            if isinstance(error, ValidationError):
                first = error.errors()[0]
                place = ".".join(str(part) for part in first["loc"])
                detail = f"{place}: {first['msg']}" if place else first["msg"]
            raise InputError(
                f"{where}: [models.{model_id!r}] {detail}.",
                code="catalog",
                hint="`lipsync-kit models` shows what a row holds.",
            ) from None
    return models


def _overlaid(row: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """``over`` laid over ``row``, table by table."""
    both = dict(row)
    for name, value in over.items():
        inner = both.get(name)
        if isinstance(inner, dict) and isinstance(value, dict):
            both[name] = _overlaid(inner, value)
        else:
            both[name] = value
    return both


def load_catalog(over: Mapping[str, Any], where: str) -> dict[str, Model]:
    """The shipped rows with the tables of ``over`` laid over or added, by id.

    ``where`` names their file in errors. Raises :class:`~lipsync_kit.errors.InputError`.
    """
    text = resources.files("lipsync_kit").joinpath("catalog.toml").read_text(encoding="utf-8")
    rows = tomllib.loads(text)["models"]
    shipped = _models(rows, "catalog.toml")
    changed = {
        name: _overlaid(rows.get(name, {}), row) if isinstance(row, Mapping) else row
        for name, row in over.items()
    }
    return {**shipped, **_models(changed, where)}


@cache
def catalog() -> dict[str, Model]:
    """Every model, by id: the shipped rows, with the user's settings laid over."""
    from lipsync_kit.settings import read_settings_file, settings_path

    path = settings_path()
    return load_catalog(read_settings_file(path).get("models", {}), str(path))


def find_model(model_id: str, task: str) -> Model:
    """The catalogue's row for ``model_id``.

    Raises :class:`~lipsync_kit.errors.UsageError` when it is unknown or does another task.
    """
    model = catalog().get(model_id)
    if model is None:
        raise UsageError(
            f"--model {model_id}: not in the catalogue.", hint="See `lipsync-kit models`."
        )
    if model.task != task:
        raise UsageError(f"--model {model_id}: does {model.task}, but these inputs make {task}.")
    return model


def total(prices: Iterable[Fraction | None]) -> Fraction | None:
    """The sum of prices in USD; ``None`` as soon as one of them is unknown."""
    known = Fraction(0)
    for price in prices:
        if price is None:
            return None
        known += price
    return known


@dataclass(frozen=True)
class Comparison:
    """What one model would make of a narration; ``usd`` is ``None`` when a price is unknown."""

    model: Model
    resolution: str
    chunks: int
    seams: int
    billed_seconds: int
    usd: Fraction | None

    def to_dict(self) -> dict[str, Any]:
        """The row as JSON."""
        return {
            "model": self.model.id,
            "resolution": self.resolution if self.resolution in self.model.resolutions else None,
            "chunks": self.chunks,
            "seams": self.seams,
            "billed_seconds": self.billed_seconds,
            "usd": None if self.usd is None else round(float(self.usd), 4),
            "unverified": list(self.model.unverified),
        }


def compare(
    task: str, resolution: str, plan: Callable[[Model, str], Sequence[int] | None]
) -> list[Comparison]:
    """Every model of ``task`` side by side, the cheapest first, unknown prices last.

    ``plan`` cuts the narration within a model's limits at a resolution and returns the samples
    of each piece that would be sent; ``None`` where it can't be cut so: no row.
    """
    rows = []
    for model in catalog().values():
        if model.task != task:
            continue
        chosen = model.nearest(resolution)
        pieces = plan(model, chosen)
        if pieces is None:
            continue
        seconds = [model.billing.seconds(samples) for samples in pieces]
        usd = total(model.tier(chosen).usd(each) for each in seconds)
        seams = max(0, len(pieces) - 1)
        rows.append(Comparison(model, chosen, len(pieces), seams, sum(seconds), usd))
    return sorted(rows, key=lambda row: (row.usd is None, row.usd or 0, row.model.id))
