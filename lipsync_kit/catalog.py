"""The models we know: ``catalog.toml`` as checked records.

What a model takes, how long, how large, at what price, and what of that is unverified.
"""

from __future__ import annotations

import math
import tomllib
from fractions import Fraction
from functools import cache
from importlib import resources
from typing import Any

from pydantic import Field, ValidationError

from lipsync_kit.errors import InputError, UsageError
from lipsync_kit.schema import Record, Task
from lipsync_kit.timing import SAMPLE_RATE

DEFAULT_MODEL: dict[str, str] = {
    "talk": "fal-ai/bytedance/omnihuman/v1.5",
    "motion": "fal-ai/bytedance/dreamactor/v2",
    "dub": "fal-ai/pixverse/lipsync",
}


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
    """What depends on the resolution: the longest sound per request and the price."""

    max_seconds: Fraction | None = None
    usd_per_second: Fraction | None = None


class Billing(Record):
    """How seconds are rounded up: to a whole ``unit``, at least ``minimum`` seconds."""

    unit: int = 1
    minimum: int = 0

    def seconds(self, samples: int) -> int:
        """Billed seconds of ``samples`` that are sent."""
        exact = Fraction(samples, SAMPLE_RATE)
        return max(self.minimum, math.ceil(exact / self.unit) * self.unit)


class FrameCount(Record):
    """For models that take a number of frames: ``field``, rate and range."""

    field: str
    fps: Fraction
    minimum: int
    maximum: int


class Model(Record):
    """One row of the catalogue.

    ``fields`` maps our names (image, audio, video, prompt, resolution, turbo, trim) to the
    model's own input names; ``required`` lists ours that it can't do without; ``fixed`` are
    inputs that always go along. ``unverified`` names the facts that were not confirmed.
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
    unverified: tuple[str, ...] = ()

    def tier(self, resolution: str) -> Tier:
        """Limit and price at ``resolution``, or the model's only tier."""
        if resolution in self.resolutions:
            return self.resolutions[resolution]
        if "any" in self.resolutions:
            return self.resolutions["any"]
        offered = ", ".join(self.resolutions)
        raise UsageError(f"{self.id} does not offer {resolution}; it offers {offered}.")


def _parse(text: str, where: str) -> dict[str, Model]:
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{where}: not valid TOML: {error}.", code="catalog") from None
    models = {}
    for model_id, row in document.get("models", {}).items():
        try:
            models[model_id] = Model.model_validate({"id": model_id, **row})
        except ValidationError as error:
            first = error.errors()[0]
            spot = ".".join(str(part) for part in first["loc"])
            message = f"{where}: {model_id}: {spot}: {first['msg']}."
            raise InputError(message, code="catalog") from None
    return models


@cache
def catalog() -> dict[str, Model]:
    """Every model, by id."""
    text = resources.files("lipsync_kit").joinpath("catalog.toml").read_text(encoding="utf-8")
    return _parse(text, "catalog.toml")


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
