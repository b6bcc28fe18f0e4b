"""What each command does: options in, one call, a document out."""

from __future__ import annotations

import re
from argparse import Namespace
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lipsync_kit import console
from lipsync_kit.catalog import Model
from lipsync_kit.defaults import prep_table
from lipsync_kit.errors import UsageError
from lipsync_kit.preparing import Inputs, PrepOptions
from lipsync_kit.preparing import prep as prepare
from lipsync_kit.progress import counted
from lipsync_kit.schema import Project, Rendered
from lipsync_kit.settings import Settings
from lipsync_kit.timing import SAMPLE_RATE, clock, parse_rate

if TYPE_CHECKING:
    from lipsync_kit.rendering import RenderOptions


def prep(options: Namespace, settings: Settings) -> dict[str, Any]:
    """``lipsync-kit prep``: one project, or one per language."""
    chosen = _prep_options(options, settings)
    languages = _languages(options.audio or [])
    shared = _inputs(options, settings)
    if "" in languages or not languages:
        inputs = replace(shared, audio=languages.get("", shared.audio))
        return _prep_one(options.project, inputs, chosen)
    made = []
    for language, audio in languages.items():
        console.say(f"{language}:")
        made.append(_prep_one(options.project / language, replace(shared, audio=audio), chosen))
    return {"project": str(options.project.absolute()), "projects": made}


def _languages(given: list[str]) -> dict[str, Path]:
    """Narrations by language; one without a language stands alone, under ``""``."""
    found: dict[str, Path] = {}
    for text in given:
        match = re.fullmatch(r"([A-Za-z]{2,8}(?:-[A-Za-z0-9]{1,8})*)=(.+)", text)
        language, name = match.groups() if match and not Path(text).exists() else ("", text)
        if language in found:
            raise UsageError(f"--audio {text}: given twice.")
        found[language] = Path(name)
    if "" in found and len(found) > 1:
        raise UsageError(
            "--audio is given more than once without a language.",
            hint="Name each: --audio fr=fr.wav --audio de=de.wav",
        )
    return found


def _prep_one(root: Path, inputs: Inputs, chosen: PrepOptions) -> dict[str, Any]:
    project = prepare(root, inputs, chosen, console.progress())
    _tell_plan(project)
    data = project.model_dump(mode="json", by_alias=True)
    shown = ("task", "model", "resolution", "fps", "audio", "image", "video")
    return {
        "project": str(root.absolute()),
        **{name: data[name] for name in shown},
        "chunks": data["chunks"],
        "estimate": data["estimate"],
        "findings": data["findings"],
    }


def _prep_options(options: Namespace, settings: Settings) -> PrepOptions:
    """Flag, then the settings file's ``[prep]`` table, then the default."""
    known = {field.name for field in fields(PrepOptions)}
    flags = {name: getattr(options, name, None) for name in known}
    given = {name: value for name, value in flags.items() if value is not None}
    chosen = {**prep_table(settings), **given}
    if "fps" in chosen:
        chosen["fps"] = parse_rate(chosen["fps"])
    return PrepOptions(**chosen)


def _inputs(options: Namespace, settings: Settings) -> Inputs:
    """The given files, downloads included; narrations by language are read apart."""
    given: dict[str, Path] = {}
    urls: dict[str, str] = {}
    for role in ("image", "audio", "video"):
        path = getattr(options, role, None)
        url = getattr(options, f"{role}_url", None)
        if url is not None and path is not None:
            raise UsageError(f"--{role} and --{role}-url: give one of the two.")
        if url is not None:
            from lipsync_kit.media.fetch import fetch

            path = fetch(url, role, settings.cache_dir, allow_private=options.allow_private)
            urls[role] = url
        if isinstance(path, Path):
            given[role] = path
    return Inputs(**given, urls=urls)


def _tell_plan(project: Project) -> None:
    estimate = project.estimate
    console.findings(project.findings)
    length = clock(project.audio.samples / SAMPLE_RATE)
    pieces = f"{counted(estimate.chunks, 'chunk')}, {counted(estimate.seams, 'seam')}"
    usd = "price unknown" if estimate.usd is None else f"about ${estimate.usd:.2f}"
    money = f"{estimate.billed_seconds} s billed, {usd}"
    console.say(f"{length}, {pieces}: {money} with {project.model}")


def render(options: Namespace, settings: Settings) -> dict[str, Any]:
    """``lipsync-kit render``."""
    from lipsync_kit.rendering import render as make

    rendered = make(
        options.project,
        _render_options(options, settings),
        settings=settings,
        progress=console.progress(),
        confirm=console.confirm,
    )
    console.findings(rendered.findings)
    return _rendered(rendered)


def _render_options(options: Namespace, settings: Settings) -> RenderOptions:
    from lipsync_kit.rendering import RenderOptions

    known = [field.name for field in fields(RenderOptions)]
    chosen = {name: getattr(options, name) for name in known if hasattr(options, name)}
    chosen["engine"] = settings.engine
    chosen["max_cost"] = settings.max_cost
    chosen["take"] = tuple(chosen.get("take", ()))
    return RenderOptions(**chosen)


def _rendered(rendered: Rendered) -> dict[str, Any]:
    data = rendered.model_dump(mode="json")
    if rendered.video is None:
        return {"pending": data["pending"], "chunks": data["chunks"], "billed": data["billed"]}
    console.say(f"film: {rendered.video.path}")
    return data


def one_shot(options: Namespace, settings: Settings) -> dict[str, Any]:
    """``audio-to-video``, ``motion-transfer`` and ``dub-video``."""
    from lipsync_kit import oneshot

    asked = [name for name in ("status", "result", "cancel") if getattr(options, name)]
    if len(asked) > 1:
        raise UsageError(f"--{asked[0]} and --{asked[1]}: ask one thing at a time.")
    how = _render_options(options, settings)
    if how.engine == "preview" and (asked or how.submit_only):
        raise UsageError("--async, --status, --result and --cancel belong to fal.")
    if asked:
        return _asked(asked[0], options, how, settings)
    _require_both(options)
    chosen = _prep_options(options, settings)
    root, rendered = oneshot.make(
        _inputs(options, settings), chosen, how, settings, console.progress()
    )
    if rendered.video is not None:
        console.findings(rendered.findings)
        return {**_rendered(rendered), "project": str(root)}
    from lipsync_kit.paid import jobs as list_jobs

    request_ids = [row["request_id"] for row in list_jobs(root)]
    return {
        "request_id": oneshot.identify(root, request_ids),
        "status": "IN_QUEUE",
        "project": str(root),
        "request_ids": request_ids,
    }


def _require_both(options: Namespace) -> None:
    """Refuse a one-shot command that misses an input, before any is downloaded."""
    for role in ("image", "audio", "video"):
        given = [getattr(options, name, ...) for name in (role, f"{role}_url")]
        if given == [None, None]:
            raise UsageError(f"{options.command} needs --{role} or --{role}-url.")


def _asked(what: str, options: Namespace, how: RenderOptions, settings: Settings) -> dict[str, Any]:
    """``--status``, ``--result`` and ``--cancel``, by id, from any folder."""
    from lipsync_kit import oneshot
    from lipsync_kit.paid import cancel as cancel_jobs

    identifier = getattr(options, what)
    job = oneshot.find(identifier)
    if job is None:
        return _asked_elsewhere(what, identifier, options, settings)
    if what == "result":
        return _rendered(oneshot.result(job, how, settings, console.progress()))
    if what == "cancel":
        cancel_jobs(job.root, job.chunks, settings=settings, progress=console.progress())
    return {"request_id": identifier, **oneshot.status(job, settings), "project": str(job.root)}


def _asked_elsewhere(
    what: str, identifier: str, options: Namespace, settings: Settings
) -> dict[str, Any]:
    """A request that no project here knows: the service is asked, by model and id."""
    from lipsync_kit import requests
    from lipsync_kit.catalog import DEFAULT_MODEL

    model = options.model or DEFAULT_MODEL[ONE_SHOTS[options.command]]
    if what == "result":
        return requests.result(identifier, model, options.output, settings)
    ask = requests.cancel if what == "cancel" else requests.status
    return ask(identifier, model, settings)


def estimate(options: Namespace, _settings: Settings) -> dict[str, Any]:
    """``lipsync-kit estimate``."""
    from lipsync_kit.comparing import compare_models
    from lipsync_kit.project import load

    project = load(options.project)
    rows = [row.to_dict() for row in compare_models(options.project)]
    for row in rows:
        cost = "price unknown" if row["usd"] is None else f"${row['usd']:.2f}"
        mark = "*" if row["model"] == project.model else " "
        unsure = " (partly unverified)" if row["unverified"] else ""
        console.say(
            f"{mark} {cost:>13}  {counted(row['chunks'], 'chunk'):>10}  "
            f"{counted(row['seams'], 'seam'):>9}  {row['model']} {row['resolution'] or ''}{unsure}"
        )
    return {
        "project": str(options.project.absolute()),
        **project.estimate.model_dump(),
        "models": rows,
    }


def jobs(options: Namespace, _settings: Settings) -> dict[str, Any]:
    """``lipsync-kit jobs``."""
    from lipsync_kit.paid import jobs as list_jobs

    rows = list_jobs(options.project)
    for row in rows:
        cost = "price unknown" if row["usd"] is None else f"${row['usd']:.2f}"
        console.say(f"{row['index']:4}  {row['state']:<10} take {row['take']}  {cost}")
    return {"project": str(options.project.absolute()), "jobs": rows}


def cancel(options: Namespace, settings: Settings) -> dict[str, Any]:
    """``lipsync-kit cancel``."""
    from lipsync_kit.paid import cancel as cancel_jobs
    from lipsync_kit.paid import jobs as list_jobs

    cancel_jobs(options.project, options.chunks, settings=settings, progress=console.progress())
    return {"project": str(options.project.absolute()), "jobs": list_jobs(options.project)}


def models(_options: Namespace, _settings: Settings) -> dict[str, Any]:
    """``lipsync-kit models``."""
    from lipsync_kit.catalog import catalog

    return {"models": [_model_row(model) for model in catalog().values()]}


def _model_row(model: Model) -> dict[str, Any]:
    """A row of the catalogue with plain numbers: seconds and USD."""
    row = model.model_dump(mode="json")
    row["resolutions"] = {
        name: {
            "max_seconds": None if tier.max_seconds is None else float(tier.max_seconds),
            "usd_per_second": None if tier.usd_per_second is None else float(tier.usd_per_second),
        }
        for name, tier in model.resolutions.items()
    }
    return row


def doctor(_options: Namespace, settings: Settings) -> dict[str, Any]:
    """``lipsync-kit doctor``."""
    from lipsync_kit.doctor import advice, examine

    report = examine(settings)
    for line in advice(report):
        console.say(line)
    return report


ONE_SHOTS = {"audio-to-video": "talk", "motion-transfer": "motion", "dub-video": "dub"}
"""The task of each one-shot command."""

COMMANDS: dict[str, Callable[[Namespace, Settings], dict[str, Any]]] = {
    "prep": prep,
    "render": render,
    "estimate": estimate,
    "jobs": jobs,
    "cancel": cancel,
    "models": models,
    **dict.fromkeys(ONE_SHOTS, one_shot),
    "doctor": doctor,
}
