"""What the settings file's ``[prep]`` table sets, checked as the flags of ``prep`` are."""

from __future__ import annotations

from argparse import Namespace
from dataclasses import fields
from typing import Any

from lipsync_kit.errors import InputError, UsageError
from lipsync_kit.options import build
from lipsync_kit.preparing import PrepOptions
from lipsync_kit.settings import Settings
from lipsync_kit.timing import parse_rate


def prep_table(settings: Settings) -> dict[str, Any]:
    """The table's values, each of the type that its flag gives.

    Raises :class:`~lipsync_kit.errors.InputError` that names the file, for a setting that
    there is not and a value that its flag would refuse.
    """
    known = {field.name: field.default for field in fields(PrepOptions)}
    checked = {}
    for name, value in settings.tables["prep"].items():
        if name not in known:
            raise InputError(
                f"{settings.file}: [prep] has no setting {name!r}.",
                code="settings",
                hint=f"Known: {', '.join(sorted(known))}.",
            )
        try:
            checked[name] = _checked(name, value, switch=isinstance(known[name], bool))
        except UsageError as error:
            raise InputError(
                f"{settings.file}: [prep] {name} = {value!r}: {error.message}",
                code="settings",
                hint="Write it as its flag takes it: see lipsync-kit prep --help.",
            ) from None
    return checked


def _checked(name: str, value: Any, *, switch: bool) -> Any:
    if switch:
        if not isinstance(value, bool):
            raise UsageError("true or false.")
        return value
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise UsageError("a text or a number.")
    if name == "fps":
        parse_rate(str(value))
    flag = f"--{name.replace('_', '-')}={value}"
    given: Namespace = build("prep").parse_args(["prep", "PROJECT", flag])
    return getattr(given, name)
