"""The catalogue: every model's inputs, limits and prices, and what users lay over it."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from lipsync_kit.catalog import (
    DEFAULT_MODEL,
    ROLES,
    Model,
    catalog,
    compare,
    find_model,
    load_catalog,
)
from lipsync_kit.errors import InputError, UsageError
from lipsync_kit.timing import SAMPLE_RATE

OMNIHUMAN = "fal-ai/bytedance/omnihuman/v1.5"


@pytest.fixture(params=sorted(load_catalog({}, "")))
def model(request: pytest.FixtureRequest) -> Model:
    return load_catalog({}, "")[request.param]


def test_a_model_takes_what_its_task_gives(model: Model) -> None:
    assert set(model.fields) >= set(ROLES[model.task])
    assert len(set(model.fields.values())) == len(model.fields)
    assert not set(model.fixed) & set(model.fields.values())


def test_a_model_has_a_length_to_cut_for(model: Model) -> None:
    for tier in model.resolutions.values():
        known = [tier.max_seconds, model.video.max_seconds]
        if model.frame_count is not None:
            known.append(model.frame_count.maximum / model.frame_count.fps)
        assert any(known)


def test_a_price_that_is_unknown_is_called_unverified(model: Model) -> None:
    for tier in model.resolutions.values():
        if tier.usd_per_second is None:
            assert "resolutions" in model.unverified


def test_a_model_that_needs_words_has_some(model: Model) -> None:
    if "prompt" in model.required:
        assert model.default_prompt


def test_the_defaults_are_there() -> None:
    for task, model_id in DEFAULT_MODEL.items():
        assert find_model(model_id, task).tier("1080p").usd_per_second is not None


@pytest.mark.parametrize(
    ("model_id", "samples", "seconds", "usd"),
    [
        (OMNIHUMAN, 30 * SAMPLE_RATE, 30, "4.80"),
        (OMNIHUMAN, 30 * SAMPLE_RATE + 1, 31, "4.96"),
        (OMNIHUMAN, 1, 3, "0.48"),
        ("fal-ai/bytedance/dreamactor/v2", 10 * SAMPLE_RATE, 10, "0.50"),
        ("fal-ai/kling-video/lipsync/audio-to-video", 6 * SAMPLE_RATE, 10, "0.14"),
        ("fal-ai/latentsync", 39 * SAMPLE_RATE, 39, "0.20"),
        ("fal-ai/latentsync", 50 * SAMPLE_RATE, 50, "0.25"),
        ("fal-ai/sync-lipsync/v2", 60 * SAMPLE_RATE, 60, "3"),
        ("fal-ai/sync-lipsync/react-1", 15 * SAMPLE_RATE, 15, "2.50"),
    ],
)
def test_what_a_request_costs(model_id: str, samples: int, seconds: int, usd: str) -> None:
    tariff = catalog()[model_id].tariff("1080p")
    assert tariff.bill(Fraction(samples, SAMPLE_RATE)) == (seconds, Fraction(usd))


@pytest.mark.parametrize(
    ("model_id", "seconds", "frames"),
    [
        ("fal-ai/infinitalk", 10, 250),
        ("fal-ai/infinitalk", 1, 41),
        ("fal-ai/infinitalk", 60, 721),
        ("fal-ai/hunyuan-avatar", 8, 200),
        ("fal-ai/wan/v2.2-14b/speech-to-video", Fraction("6.05"), 100),
        ("fal-ai/wan/v2.2-14b/speech-to-video", 7, 112),
        ("fal-ai/wan/v2.2-14b/speech-to-video", 60, 120),
    ],
)
def test_frame_counts_cover_the_sound(model_id: str, seconds: Fraction, frames: int) -> None:
    count = catalog()[model_id].frame_count
    assert count is not None
    assert count.frames(int(seconds * SAMPLE_RATE)) == frames


def test_a_model_that_is_not_there() -> None:
    with pytest.raises(UsageError, match="not in the catalogue"):
        find_model("fal-ai/nothing", "talk")
    with pytest.raises(UsageError, match="does motion"):
        find_model("fal-ai/bytedance/dreamactor/v2", "talk")


def test_a_resolution_that_is_not_offered() -> None:
    fabric = catalog()["veed/fabric-1.0"]
    with pytest.raises(UsageError, match="720p, 480p"):
        fabric.tier("1080p")
    assert fabric.nearest("1080p") == "720p"


class TestUserSettings:
    def test_override_a_row(self) -> None:
        price = {"resolutions": {"1080p": {"usd_per_second": "0.14"}}}
        changed = load_catalog({OMNIHUMAN: price}, "settings.toml")[OMNIHUMAN]
        assert changed.tier("1080p").usd_per_second == Fraction("0.14")
        assert changed.tier("1080p").max_seconds == 30
        assert changed.tier("720p").usd_per_second == Fraction("0.16")

    def test_add_a_row(self) -> None:
        row = {
            "task": "talk",
            "fields": {"image": "img", "audio": "snd"},
            "resolutions": {"any": {"max_seconds": 12, "usd_per_second": "0.01"}},
        }
        added = load_catalog({"me/model": row}, "settings.toml")
        assert added["me/model"].tier("720p").max_seconds == 12
        assert OMNIHUMAN in added

    @pytest.mark.parametrize(
        ("row", "words"),
        [
            ({"resolutions": {"1080p": {"usd_per_second": "cheap"}}}, "usd_per_second"),
            ({"fee": 3}, "fee"),
            ({"task": "sing"}, "task"),
            ({"task": "dub"}, "fields names no video"),
            (3, "not a table"),
            ({"billing": 4}, "billing"),
            ({"billing": {"unit": 0}}, "billing.unit"),
            ({"resolutions": {"4k": {}}}, "4k"),
            ({"resolutions": {"1080p": {"usd_per_second": -1}}}, "usd_per_second"),
            ({"resolutions": {"1080p": {"max_seconds": 0}}}, "max_seconds"),
        ],
    )
    def test_a_row_that_makes_no_sense(self, row: Any, words: str) -> None:
        with pytest.raises(InputError, match=words) as caught:
            load_catalog({OMNIHUMAN: row}, "settings.toml")
        assert "settings.toml" in caught.value.message

    def test_come_from_the_settings_file(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = tmp_path / "settings.toml"
        path.write_text(f'[models."{OMNIHUMAN}".resolutions]\n1080p = {{ max_seconds = 20 }}\n')
        monkeypatch.setattr("lipsync_kit.settings.settings_path", lambda: path)
        catalog.cache_clear()
        try:
            assert catalog()[OMNIHUMAN].tier("1080p").max_seconds == 20
        finally:
            catalog.cache_clear()


def test_models_side_by_side() -> None:
    minute = 60 * SAMPLE_RATE

    def plan(model: Model, resolution: str) -> list[int]:
        longest = int((model.tier(resolution).max_seconds or 7) * SAMPLE_RATE)
        return [longest] * (minute // longest) + ([minute % longest] if minute % longest else [])

    rows = compare("talk", "1080p", plan)
    assert {row.model.task for row in rows} == {"talk"}
    known = [row.usd for row in rows if row.usd is not None]
    assert known == sorted(known)
    assert [row.usd is None for row in rows] == sorted(row.usd is None for row in rows)
    omnihuman = next(row for row in rows if row.model.id == OMNIHUMAN)
    assert (omnihuman.chunks, omnihuman.seams, omnihuman.billed_seconds) == (2, 1, 60)
    assert omnihuman.to_dict()["usd"] == 9.6
