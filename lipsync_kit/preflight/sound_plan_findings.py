"""What is worth saying about a plan: what an edit kept, what another preference would give."""

from __future__ import annotations

import math
from collections.abc import Sequence

from lipsync_kit.catalog import Model
from lipsync_kit.plan.choices import Choice, Choices
from lipsync_kit.plan.cuts import Preference, Tile
from lipsync_kit.schema import Finding
from lipsync_kit.timing import SAMPLE_RATE

_NAMES: dict[str, str] = {
    "seams": "seams",
    "billed_seconds": "s billed",
    "cuts_in_speech": "cuts in speech",
    "cuts_in_short_pauses": "cuts in short pauses",
}


def edited(renewed: bool, tiles: Sequence[Tile]) -> Finding | None:
    """What of the plan before stayed, ``renewed``: or why nothing could."""
    kept = sum(tile.kept for tile in tiles)
    if kept:
        return Finding(
            code="kept",
            severity="info",
            message=f"{kept} of {len(tiles)} chunks are those of the plan before: "
            "their sound is unchanged.",
            data={"kept": kept, "chunks": len(tiles)},
        )
    if not renewed:
        return None
    return Finding(
        code="all_new",
        severity="info",
        message="The recording is lossy, so every sample of it is new: no chunk of the plan "
        "before could be kept.",
        hint="Edit and prepare WAV or FLAC: then only what was changed is rendered anew.",
        data={"chunks": len(tiles)},
    )


def skipped(tiles: Sequence[Tile], billed_seconds: int) -> Finding | None:
    """What is not sent, and whether that saves anything: short pieces are billed a minimum."""
    stills = [tile.end - tile.start for tile in tiles if tile.still]
    if not stills:
        return None
    silent, whole = sum(stills) / SAMPLE_RATE, tiles[-1].end / SAMPLE_RATE
    saves = billed_seconds < math.ceil(whole)
    return Finding(
        code="skipped",
        severity="info" if saves else "warning",
        message=f"{len(stills)} silences, {silent:.1f} s in all, are not sent: "
        f"{billed_seconds} s are billed for {whole:.1f} s of sound.",
        hint="" if saves else "That saves nothing here: take a longer --skip-silence, or none.",
        data={"silences": len(stills), "seconds": round(silent, 3), "saves": saves},
    )


def other_choices(
    choices: Choices, prefer: Preference, model: Model, resolution: str
) -> Finding | None:
    """What other preferences would give, where that differs from what ``prefer`` gave."""
    plans = {name: _numbers(choice, model, resolution) for name, choice in choices.items()}
    chosen = plans[prefer]
    others = [
        f"with --prefer {name} {_difference(chosen, numbers)}"
        for name, numbers in plans.items()
        if numbers != chosen
    ]
    if not others:
        return None
    return Finding(
        code="preferences",
        severity="info",
        message=f"Cut for {prefer}; {'; '.join(others)}.",
        hint="Another --prefer cuts all of the sound anew, chunks that were rendered included.",
        data={"prefer": prefer, "plans": plans},
    )


def _numbers(choice: Choice, model: Model, resolution: str) -> dict[str, float | None]:
    estimate = choice.estimate(model, resolution)
    return {
        "chunks": estimate.chunks,
        "seams": estimate.seams,
        "billed_seconds": estimate.billed_seconds,
        "usd": estimate.usd,
        "cuts_in_speech": choice.in_speech,
        "cuts_in_short_pauses": choice.tight,
    }


def _difference(chosen: dict[str, float | None], other: dict[str, float | None]) -> str:
    parts = []
    for name, unit in _NAMES.items():
        if other[name] == chosen[name]:
            continue
        usd = other["usd"] if name == "billed_seconds" else None
        money = "" if usd is None else f" (${usd:.2f})"
        parts.append(f"{other[name]} {unit}{money} instead of {chosen[name]}")
    return ", ".join(parts)
