"""Settings and where each comes from: flag > environment > settings file > default.

The environment includes a ``.env`` file in the working folder, read as data and never
executed; a real environment variable wins over it. The settings file is
``settings.toml`` in the user's configuration folder. The key has no place in it.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from lipsync_kit.errors import InputError

ENVIRONMENT = {
    "engine": "LIPSYNC_ENGINE",
    "max_cost": "LIPSYNC_MAX_COST",
    "ffmpeg": "LIPSYNC_FFMPEG",
    "cache_dir": "LIPSYNC_CACHE_DIR",
    "fal_queue_url": "LIPSYNC_FAL_QUEUE_URL",
    "fal_rest_url": "LIPSYNC_FAL_REST_URL",
    "fal_cdn_url": "LIPSYNC_FAL_CDN_URL",
    "fal_api_url": "LIPSYNC_FAL_API_URL",
}
"""Setting to environment variable."""

DEFAULTS: dict[str, str | None] = {
    "engine": "preview",
    "max_cost": None,
    "ffmpeg": None,
    "cache_dir": None,
    "fal_queue_url": "https://queue.fal.run",
    "fal_rest_url": "https://rest.fal.ai",
    "fal_cdn_url": "https://v3.fal.media",
    "fal_api_url": "https://api.fal.ai",
}

ENGINES = ("preview", "fal")
SECTIONS = ("prep", "models")
KEY_VARIABLE = "FAL_KEY"
SECRETS = (KEY_VARIABLE, "FAL_KEY_ID", "FAL_KEY_SECRET")
"""Variables that no child process is given."""

_kept: dict[str, str] = {}


@dataclass(frozen=True)
class Setting:
    """A value and its source: ``flag``, ``environment``, ``.env``, a file's path, ``default``."""

    value: str | None
    source: str


@dataclass(frozen=True)
class Settings:
    """Every setting with its source, the settings file's tables, and the key apart."""

    values: Mapping[str, Setting]
    tables: Mapping[str, Any]
    file: Path
    _key: Setting

    def __repr__(self) -> str:
        return f"Settings({dict(self.values)!r}, key={'set' if self._key.value else 'missing'})"

    def get(self, name: str) -> str | None:
        """The value of a setting."""
        return self.values[name].value

    @property
    def engine(self) -> str:
        """``preview`` or ``fal``."""
        return str(self.values["engine"].value)

    @property
    def max_cost(self) -> Decimal | None:
        """The cap in USD, or ``None``."""
        text = self.get("max_cost")
        return None if text is None else Decimal(text)

    @property
    def key(self) -> str | None:
        """The fal key; never print it."""
        return self._key.value

    @property
    def key_source(self) -> str:
        """Where the key was found, or ``missing``."""
        return self._key.source if self._key.value else "missing"

    @property
    def cache_dir(self) -> Path:
        """The content-addressed cache."""
        chosen = self.get("cache_dir")
        if chosen:
            return Path(chosen).expanduser()
        import platformdirs

        return platformdirs.user_cache_path("lipsync-kit", appauthor=False)


def settings_path() -> Path:
    """Where the user's settings file lies, whether it exists or not."""
    import platformdirs

    return platformdirs.user_config_path("lipsync-kit", appauthor=False) / "settings.toml"


def parse_env(text: str) -> dict[str, str]:
    """A ``.env`` file as data: ``NAME=value`` lines, quotes and ``export`` taken off.

    Nothing is expanded or executed.
    """
    values = {}
    for raw in text.splitlines():
        line = raw.strip().removeprefix("export ")
        name, equals, value = line.partition("=")
        if not equals or line.startswith("#"):
            continue
        value = value.strip()
        if len(value) >= 2 and value[0] == value[-1] and value[0] in "\"'":
            value = value[1:-1]
        elif " #" in value:
            value = value.partition(" #")[0].rstrip()
        values[name.strip()] = value
    return values


def _read_env(folder: Path) -> dict[str, str]:
    path = folder / ".env"
    try:
        return parse_env(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: can't be read: {error}.", code="settings") from None


def read_settings_file(path: Path) -> dict[str, Any]:
    """The settings file's values and tables; empty when there is no file.

    Raises :class:`~lipsync_kit.errors.InputError` when it is not valid.
    """
    try:
        with path.open("rb") as file:
            document = tomllib.load(file)
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not valid settings: {error}.", code="settings") from None
    for name in document:
        if name not in DEFAULTS and name not in SECTIONS:
            known = ", ".join([*DEFAULTS, *(f"[{section}]" for section in SECTIONS)])
            hint = f"Known: {known}."
            if name.lower() in {"fal_key", "key"}:
                hint = f"The key belongs in the environment or .env, as {KEY_VARIABLE}."
            raise InputError(f"{path}: there is no setting {name!r}.", code="settings", hint=hint)
        _check_kind(path, name, document[name])
    return document


def _check_kind(path: Path, name: str, value: Any) -> None:
    """A section is a table; every other setting a text or a number."""
    table = isinstance(value, dict)
    plain = isinstance(value, str | int | float) and not isinstance(value, bool)
    if table if name in SECTIONS else plain:
        return
    wanted = f"a table, [{name}]" if name in SECTIONS else "a text or a number"
    raise InputError(f"{path}: {name} is not {wanted}.", code="settings")


def load_settings(flags: Mapping[str, Any] | None = None, folder: Path | None = None) -> Settings:
    """Resolve every setting.

    ``flags``: values given on the command line (``None``: not given). Raises
    :class:`~lipsync_kit.errors.InputError` for a settings file or value that is not valid.
    """
    dotenv = _read_env(folder or Path.cwd())
    path = settings_path()
    document = read_settings_file(path)
    values = {}
    for name, variable in ENVIRONMENT.items():
        flag = (flags or {}).get(name)
        if flag is not None:
            values[name] = Setting(str(flag), "flag")
        elif os.environ.get(variable):
            values[name] = Setting(os.environ[variable], "environment")
        elif dotenv.get(variable):
            values[name] = Setting(dotenv[variable], ".env")
        elif name in document:
            values[name] = Setting(str(document[name]), str(path))
        else:
            values[name] = Setting(DEFAULTS[name], "default")
    _check(values)
    _hand_to_ffmpeg(values["ffmpeg"])
    tables = {section: document.get(section, {}) for section in SECTIONS}
    return Settings(values, tables, path, _find_key(dotenv))


def keep_secrets() -> None:
    """Take the key out of what child processes inherit; :func:`load_settings` still finds it."""
    for name in SECRETS:
        if name in os.environ:
            _kept[name] = os.environ.pop(name)


def environment_of_children() -> dict[str, str]:
    """The environment for programs that have no business with fal."""
    return {name: value for name, value in os.environ.items() if name not in SECRETS}


def _find_key(dotenv: Mapping[str, str]) -> Setting:
    given = os.environ.get(KEY_VARIABLE) or _kept.get(KEY_VARIABLE)
    if given:
        return Setting(given.strip(), "environment")
    if dotenv.get(KEY_VARIABLE):
        return Setting(dotenv[KEY_VARIABLE].strip(), ".env")
    return Setting(None, "missing")


def _check(values: Mapping[str, Setting]) -> None:
    engine = values["engine"]
    if engine.value not in ENGINES:
        raise InputError(
            f"{ENVIRONMENT['engine']}={engine.value} ({engine.source}): no such engine.",
            code="settings",
            hint=f"Choose one of {', '.join(ENGINES)}.",
        )
    cap = values["max_cost"]
    if cap.value is not None:
        try:
            valid = Decimal(cap.value).is_finite() and Decimal(cap.value) >= 0
        except InvalidOperation:
            valid = False
        if not valid:
            raise InputError(
                f"{ENVIRONMENT['max_cost']}={cap.value} ({cap.source}): not an amount in USD.",
                code="settings",
                hint="Write it as a number, such as 25.",
            )


def _hand_to_ffmpeg(setting: Setting) -> None:
    """Worker processes find ffmpeg by the environment, whatever the setting's source."""
    if setting.value is not None:
        os.environ[ENVIRONMENT["ffmpeg"]] = setting.value
