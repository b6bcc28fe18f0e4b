"""``lipsync-kit doctor``: what this machine has, what is missing and how to get it."""

from __future__ import annotations

import platform
import re
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

from lipsync_kit import __version__
from lipsync_kit.errors import LipsyncError, SetupError
from lipsync_kit.executor import cores
from lipsync_kit.settings import KEY_VARIABLE, Settings, environment_of_children

ENCODERS = ("libx264", "aac", "prores_ks")
"""Encoders that the product uses; every full ffmpeg build has them."""


def examine(settings: Settings) -> dict[str, Any]:
    """The whole report.

    Raises :class:`~lipsync_kit.errors.SetupError`, with the report as its data, when something
    that is needed is missing. A missing key is said, and is no error.
    """
    missing: list[dict[str, str]] = []
    report: dict[str, Any] = {
        "version": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cores": cores(),
        "ffmpeg": _ffmpeg(missing),
        "libraries": _libraries(missing),
        "settings": {
            name: {"value": setting.value, "source": setting.source}
            for name, setting in settings.values.items()
        },
        "settings_file": str(settings.file),
        "key": {"set": settings.key is not None, "source": settings.key_source},
        "cache": _cache(settings.cache_dir),
        "missing": missing,
    }
    if missing:
        what = "; ".join(f"{item['what']} ({item['how']})" for item in missing)
        raise SetupError(f"Missing: {what}.", hint=missing[0]["how"], **report)
    return report


def advice(report: dict[str, Any]) -> list[str]:
    """The report as lines for a person."""
    ffmpeg = report["ffmpeg"]
    lines = [
        f"lipsync-kit {report['version']} on Python {report['python']}, {report['cores']} cores",
        f"ffmpeg     {ffmpeg.get('version', 'missing')} ({ffmpeg.get('source', '-')})",
        f"cache      {report['cache']['path']} ({report['cache']['free_gb']} GB free)",
    ]
    if report["key"]["set"]:
        lines.append(f"key        set ({report['key']['source']})")
    else:
        lines.append(f"key        not set: previews need none; for fal, export {KEY_VARIABLE}")
    lines += [f"missing    {item['what']}: {item['how']}" for item in report["missing"]]
    return lines


def _ffmpeg(missing: list[dict[str, str]]) -> dict[str, Any]:
    from lipsync_kit.media.ffmpeg import ffmpeg_version, find_ffmpeg

    try:
        path, source = find_ffmpeg()
        version = ffmpeg_version()
    except LipsyncError as error:
        missing.append({"what": "ffmpeg", "how": error.hint or error.message})
        return {"error": error.message}
    command = [str(path), "-hide_banner", "-encoders"]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env=environment_of_children()
    )
    listed = done.stdout.split()
    lacking = [name for name in ENCODERS if name not in listed]
    if lacking:
        missing.append(
            {
                "what": f"{', '.join(lacking)} in {path}",
                "how": "unset LIPSYNC_FFMPEG, or use a full build of ffmpeg",
            }
        )
    return {"path": str(path), "source": source, "version": version, "lacking": lacking}


def _libraries(missing: list[dict[str, str]]) -> dict[str, str | None]:
    found: dict[str, str | None] = {}
    for name in _required():
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = None
            missing.append({"what": name, "how": f"{sys.executable} -m pip install {name}"})
    return found


def _required() -> list[str]:
    """The libraries that this package asks for on every machine."""
    asked = metadata.requires("lipsync-kit") or []
    plain = [line for line in asked if ";" not in line]
    return sorted(re.split(r"[^A-Za-z0-9_.-]", line, maxsplit=1)[0] for line in plain)


def _cache(path: Path) -> dict[str, Any]:
    existing = next(folder for folder in (path, *path.parents) if folder.exists())
    free = shutil.disk_usage(existing).free
    return {"path": str(path), "free_gb": round(free / 1e9, 1)}
