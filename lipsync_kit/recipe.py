"""Stages and the recipes that line them up.

A stage is a frozen dataclass whose fields are its parameters and whose ``apply`` is a pure
function of its inputs. From that one class come the validation of a recipe's table and the
key under which its work is remembered. A recipe is TOML: its ``[[prep]]`` tables run top to
bottom.
"""

from __future__ import annotations

import dataclasses
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeVar, cast, dataclass_transform

from lipsync_kit.errors import InputError
from lipsync_kit.store import digest_json

T = TypeVar("T")

_STAGES: dict[str, type[Any]] = {}


@dataclass_transform(frozen_default=True)
def stage(name: str, *, version: int) -> Callable[[type[T]], type[T]]:
    """Class decorator: make a frozen dataclass a stage called ``name``.

    ``version`` is raised whenever ``apply`` would give another result for the same inputs.
    """

    def register(cls: type[T]) -> type[T]:
        made = cast("type[T]", dataclass(frozen=True)(cls))
        made.stage_name = name  # type: ignore[attr-defined]
        made.stage_version = version  # type: ignore[attr-defined]
        _STAGES[name] = made
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


def make_stage(table: Mapping[str, Any], where: str) -> Any:
    """A stage from a recipe's table: ``stage`` names it, the rest are its parameters.

    Raises :class:`~lipsync_kit.errors.InputError` for an unknown stage or parameter.
    """
    name = table.get("stage")
    if name not in _STAGES:
        known = ", ".join(sorted(_STAGES))
        raise InputError(
            f"{where}: there is no stage {name!r}.", code="recipe_stage", hint=f"Known: {known}."
        )
    cls = _STAGES[name]
    known_fields = {field.name for field in fields(cls)}
    parameters = {key: value for key, value in table.items() if key != "stage"}
    for key in parameters:
        if key not in known_fields:
            raise InputError(
                f"{where}: {name} has no parameter {key!r}.",
                code="recipe_parameter",
                hint=f"It has: {', '.join(sorted(known_fields))}.",
            )
    return cls(**parameters)


def load_stages(path: Path, section: str) -> Sequence[Any]:
    """The stages of a recipe's ``[[section]]`` tables, in order.

    Raises :class:`~lipsync_kit.errors.InputError` when the file is not a valid recipe.
    """
    try:
        with path.open("rb") as file:
            document = tomllib.load(file)
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise InputError(f"{path}: not a recipe: {error}.", code="recipe") from None
    return [make_stage(table, str(path)) for table in document.get(section, [])]
