"""The same service behind other servers: framed and worded differently, it is understood."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import get_args

import pytest

from lipsync_kit.errors import RemoteFailure
from tests.engines.shop import QUICK, Shop, failed
from tests.fal_server import FalServer
from tests.fal_server.jobs import Failure
from tests.fal_server.manners import Manner


@pytest.fixture(params=get_args(Manner))
def shop(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Shop]:
    with FalServer(run_seconds=0.2, manner=request.param, page=1) as fal:
        yield Shop(tmp_path / "p", fal)


def test_every_clip_is_paid_once_and_arrives(shop: Shop) -> None:
    shop.fal.logs = ["drawing"]
    shop.fal.fault("submit", "drop_after")  # the list is read in the same manner
    assert shop.run(replace(QUICK, logs=True)).error is None
    assert len(shop.fal.billed) == len(shop.fal.jobs) == 3


def test_a_failure_is_told(shop: Shop) -> None:
    detail = [{"loc": ["body", "audio_url"], "msg": "no voice", "type": "odd_sound"}]
    shop.fal.counter.failures[1] = Failure(422, {"detail": detail}, error="odd_sound")
    error = failed(shop.run(), RemoteFailure)
    assert "audio_url: no voice" in error.message
    assert shop.run().error is None
    assert len(shop.fal.jobs) == 4


def test_a_cancelled_job_is_made_again(shop: Shop) -> None:
    shop.fal.counter.queue_seconds = 60
    shop.run(replace(QUICK, submit_only=True))
    assert shop.run(replace(QUICK, cancel=True)).error is None
    assert shop.fal.billed == []
    shop.fal.counter.queue_seconds = 0
    assert shop.run().error is None
    assert len(shop.fal.billed) == 3
