"""Stages: one class each, from which the key of its work follows.

A stage is a frozen dataclass whose fields are its parameters and whose work is a pure function
of its inputs, so the same key always means the same result.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeVar, cast, dataclass_transform

from lipsync_kit.store import digest_json

T = TypeVar("T")


@dataclass_transform(frozen_default=True)
def stage(name: str, *, version: int) -> Callable[[type[T]], type[T]]:
    """Class decorator: make a frozen dataclass a stage called ``name``.

    ``version`` is raised whenever ``apply`` would give another result for the same inputs.
    """

    def register(cls: type[T]) -> type[T]:
        made = cast("type[T]", dataclass(frozen=True)(cls))
        made.stage_name = name  # type: ignore[attr-defined]
        made.stage_version = version  # type: ignore[attr-defined]
        return made

    return register


def _plain(value: Any) -> Any:
    if isinstance(value, Fraction):
        return f"{value.numerator}/{value.denominator}"
    if isinstance(value, Path):
        raise TypeError("a path is an input, not a parameter: pass its digest")
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    return value


def stage_key(work: Any, *inputs: str, build: str = "") -> str:
    """The key of a stage's work: sha256 of name, version, parameters, input digests, tools."""
    return digest_json(
        {
            "stage": type(work).stage_name,
            "version": type(work).stage_version,
            "parameters": _plain(work),
            "inputs": list(inputs),
            "build": build,
        }
    )
