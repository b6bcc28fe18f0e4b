"""A submit whose reply was lost is found in the list of requests, and no other one is."""

from __future__ import annotations

import time
from typing import Any

import pytest

from lipsync_kit.engines.base import PassingFault, RemoteRequest
from lipsync_kit.engines.fal.engine import FalEngine
from lipsync_kit.errors import AccountError, EngineError
from tests.engines.fal.conftest import MODEL
from tests.fal_server import FalServer

ARGUMENTS = {"image_url": "https://files/a.png", "audio_url": "https://files/b.wav", "turbo": True}


def find(engine: FalEngine, since: float | None = None, **other: Any) -> list[str]:
    request = RemoteRequest(MODEL, {**ARGUMENTS, **other})
    return [ref.request_id for ref in engine.find(request, since or time.time())]


def test_exactly_these_arguments(fal: FalServer, engine: FalEngine) -> None:
    job = fal.counter.register(MODEL, ARGUMENTS)
    fal.counter.register(MODEL, {**ARGUMENTS, "audio_url": "https://files/c.wav"})
    fal.counter.register(MODEL, {**ARGUMENTS, "seed": 1})
    fal.counter.register("fal-ai/other", ARGUMENTS)
    assert find(engine) == [job.id]
    assert find(engine, turbo=False) == []


def test_all_pages_oldest_first(fal: FalServer, engine: FalEngine) -> None:
    first = fal.counter.register(MODEL, ARGUMENTS)
    for number in range(15):
        fal.counter.register(MODEL, {"n": number})
    second = fal.counter.register(MODEL, ARGUMENTS)
    assert find(engine) == [first.id, second.id]
    assert len(fal.asked("GET", "cursor=16")) >= 1


def test_only_since_the_intent(fal: FalServer, engine: FalEngine) -> None:
    old = fal.counter.register(MODEL, ARGUMENTS)
    old.sent -= 3600
    assert find(engine) == []
    assert find(engine, since=time.time() - 3700) == [old.id]


def test_a_clock_that_is_wrong_does_not_hide_it(
    fal: FalServer, engine: FalEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = fal.counter.register(MODEL, ARGUMENTS)
    real = time.time
    monkeypatch.setattr(
        "lipsync_kit.engines.fal.wire.time",
        type("Clock", (), {"time": lambda: real() + 7200, "monotonic": time.monotonic}),
    )
    monkeypatch.setattr(
        "lipsync_kit.engines.fal.history.time", type("Clock", (), {"time": lambda: real() + 7200})
    )
    assert find(engine, since=real() + 7200) == [job.id]


def test_a_clock_that_was_wrong_then_does_not_hide_it(fal: FalServer, engine: FalEngine) -> None:
    job = fal.counter.register(MODEL, ARGUMENTS)
    then = time.time() + 7200  # what this machine's clock said when the intent was written
    request = RemoteRequest(MODEL, ARGUMENTS)
    assert [ref.request_id for ref in engine.find(request, then, -7200.0)] == [job.id]
    assert engine.find(request, then, 0.0) == []


def test_the_urls_of_a_found_request_work(fal: FalServer, engine: FalEngine) -> None:
    job = fal.counter.register(MODEL, ARGUMENTS)
    (ref,) = engine.find(RemoteRequest(MODEL, ARGUMENTS), time.time())
    assert engine.poll(ref, logs=False).state == "ended"
    assert fal.asked("GET", f"/fal-ai/bytedance/requests/{job.id}/status")


def test_a_closed_list_is_an_error(fal: FalServer, engine: FalEngine) -> None:
    fal.fault("list", "status_before", status=403, body={"detail": "scope"}, times=9)
    with pytest.raises(AccountError, match="scope"):
        find(engine)
    fal.faults.clear()
    fal.fault("list", "status_before", status=404, body={"detail": "Not Found"}, times=9)
    with pytest.raises(EngineError, match="Not Found"):
        find(engine)


@pytest.mark.parametrize("kind", ["status_before", "drop_before", "garbage", "truncate"])
def test_a_list_that_stumbles_is_a_passing_fault(
    fal: FalServer, engine: FalEngine, kind: Any
) -> None:
    job = fal.counter.register(MODEL, ARGUMENTS)
    fal.fault("list", kind)
    with pytest.raises(PassingFault):
        find(engine)
    assert find(engine) == [job.id]
