"""Paid engines in tests: the same faults, without the waiting between two tries."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engines.shop import Shop
from tests.fal_server import FalServer


@pytest.fixture(autouse=True)
def _no_time_to_lose(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lipsync_kit.engines.errand.STRIKE_SECONDS", 0.01)
    monkeypatch.setattr("lipsync_kit.engines.fal.engine.PAUSE", 0.01)
    monkeypatch.setattr("lipsync_kit.engines.fal.engine.TRIES", 3)


@pytest.fixture
def fal() -> Iterator[FalServer]:
    with FalServer(run_seconds=0.0) as server:
        yield server


@pytest.fixture
def shop(fal: FalServer, tmp_path: Path) -> Shop:
    return Shop(tmp_path / "p", fal)
