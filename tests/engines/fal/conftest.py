"""A fal on loopback and an engine that talks to it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lipsync_kit.engines.fal.access import FalSettings, Secret
from lipsync_kit.engines.fal.engine import FalEngine
from tests.fal_server import FalServer
from tests.fal_server.server import KEY

MODEL = "fal-ai/bytedance/omnihuman/v1.5"


def settings_for(fal: FalServer, key: str = KEY) -> FalSettings:
    return FalSettings(Secret(key), fal.url, fal.url, fal.url, fal.url)


@pytest.fixture
def fal() -> Iterator[FalServer]:
    with FalServer(run_seconds=0.0) as server:
        yield server


@pytest.fixture
def engine(fal: FalServer) -> Iterator[FalEngine]:
    made = FalEngine(settings_for(fal))
    yield made
    made.close()
