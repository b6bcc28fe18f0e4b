"""Paid engines in tests: the same faults, without the waiting between two tries."""

import pytest


@pytest.fixture(autouse=True)
def _no_time_to_lose(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lipsync_kit.engines.errand.STRIKE_SECONDS", 0.01)
    monkeypatch.setattr("lipsync_kit.engines.fal.engine.PAUSE", 0.01)
    monkeypatch.setattr("lipsync_kit.engines.fal.engine.TRIES", 3)
