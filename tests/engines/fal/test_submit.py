"""One POST, and what its end means: sent or not, taken or not, or unknown."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from lipsync_kit.engines.base import RemoteRequest, Submitted
from lipsync_kit.engines.fal.access import FalSettings, Secret
from lipsync_kit.engines.fal.engine import FalEngine
from lipsync_kit.errors import AccountError, ContentRefused, Rejected
from tests.engines.fal.conftest import MODEL
from tests.fal_server import FalServer
from tests.fal_server.server import KEY

ARGUMENTS = {"image_url": "https://files/a.png", "audio_url": "https://files/ü.wav", "n": 1.5}
REQUEST = RemoteRequest(MODEL, ARGUMENTS)


def submit(engine: FalEngine, patience: float = 0.5) -> tuple[Submitted, int]:
    """How the POST ended, and how often leave was asked for it."""
    asked: list[int] = []
    return engine.submit(REQUEST, lambda: asked.append(1), patience), len(asked)


def posts(fal: FalServer) -> int:
    return len(fal.asked("POST", MODEL))


def test_a_request_is_the_arguments_and_nothing_else(fal: FalServer, engine: FalEngine) -> None:
    answer, asked = submit(engine)
    assert answer.outcome == "submitted"
    assert asked == posts(fal) == 1
    assert fal.jobs[0].arguments == ARGUMENTS
    assert fal.jobs[0].model == MODEL
    assert answer.ref is not None
    assert answer.ref.request_id == fal.jobs[0].id
    assert answer.ref.status_url.endswith(f"/fal-ai/bytedance/requests/{fal.jobs[0].id}/status")


@pytest.mark.parametrize(
    ("kind", "details"),
    [
        ("drop_before", {}),
        ("drop_after", {}),
        ("hang_before", {"seconds": 2.0}),
        ("hang_after", {"seconds": 2.0}),
        ("status_before", {"status": 502}),
        ("status_after", {"status": 502}),
        ("status_before", {"status": 500, "body": {"detail": "oops"}}),
        ("status_before", {"status": 503, "body": "nginx"}),
        ("status_before", {"status": 504}),
        ("status_before", {"status": 408}),
        ("status_before", {"status": 409}),
        ("status_before", {"status": 499}),
        ("status_before", {"status": 302, "headers": {"Location": "/elsewhere"}}),
        ("status_before", {"status": 307, "headers": {"Location": "/elsewhere"}}),
        ("garbage", {}),
        ("truncate", {}),
    ],
)
def test_an_unclear_end_is_unsettled_and_never_sent_twice(
    fal: FalServer, engine: FalEngine, kind: Any, details: dict[str, Any]
) -> None:
    fal.fault("submit", kind, **details)
    answer, asked = submit(engine)
    assert answer.outcome == "unsettled"
    assert answer.ref is None
    assert asked == 1
    assert posts(fal) == 1
    assert len(fal.asked("GET", "elsewhere")) == 0


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 405, 413, 415, 422, 429, 451])
def test_a_clear_refusal_costs_nothing(fal: FalServer, engine: FalEngine, status: int) -> None:
    fal.fault("submit", "status_before", status=status, body={"detail": "no"})
    answer, _ = submit(engine)
    assert answer.outcome == "rejected"
    assert answer.error is not None
    assert "no" in answer.error.message
    assert (answer.wait is not None) == (status == 429)


@pytest.mark.parametrize(
    ("status", "body", "kind", "words"),
    [
        (401, {"detail": "Invalid"}, AccountError, "refused the key"),
        (403, {"detail": "User is locked. Reason: Exhausted balance."}, AccountError, "locked"),
        (404, {"detail": "Application not found"}, Rejected, "does not know the model"),
        (
            422,
            {"detail": [{"loc": ["body", "prompt"], "msg": "field required", "type": "missing"}]},
            Rejected,
            "prompt: field required",
        ),
        (
            422,
            {"detail": [{"msg": "flagged", "type": "content_policy_violation"}]},
            ContentRefused,
            "flagged",
        ),
        (429, {"detail": "slow", "type": "concurrent_requests_limit"}, Rejected, "no more"),
    ],
)
def test_a_refusal_says_why(
    fal: FalServer, engine: FalEngine, status: int, body: Any, kind: type, words: str
) -> None:
    fal.fault("submit", "status_before", status=status, body=body)
    answer, _ = submit(engine)
    assert type(answer.error) is kind
    assert answer.error is not None
    assert words in answer.error.message


def test_retry_after_is_heard(fal: FalServer, engine: FalEngine) -> None:
    fal.fault("submit", "status_before", status=429, body={}, headers={"Retry-After": "7"})
    assert submit(engine)[0].wait == 7


def test_without_a_connection_nothing_was_sent() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    engine = FalEngine(FalSettings(Secret(KEY), url, url, url, url))
    answer, asked = submit(engine)
    engine.close()
    assert answer.outcome == "not_sent"
    assert asked == 0


def test_leave_is_asked_when_the_connection_stands(fal: FalServer, engine: FalEngine) -> None:
    seen: list[int] = []
    engine.submit(REQUEST, lambda: seen.append(posts(fal)), 1.0)
    assert seen == [0]


def test_without_leave_not_a_byte_goes_out(fal: FalServer, engine: FalEngine) -> None:
    class Refused(Exception):
        pass

    def permit() -> None:
        raise Refused

    with pytest.raises(Refused):
        engine.submit(REQUEST, permit, 1.0)
    assert posts(fal) == 0
    assert submit(engine)[0].outcome == "submitted"


def test_a_reply_without_urls_is_a_job_all_the_same(fal: FalServer, engine: FalEngine) -> None:
    fal.fault("submit", "status_before", status=200, body={"request_id": "abc"})
    answer, _ = submit(engine)
    assert answer.outcome == "submitted"
    assert answer.ref is not None
    assert answer.ref.status_url == f"{fal.url}/fal-ai/bytedance/requests/abc/status"


def test_a_stranger_in_the_reply_is_said(fal: FalServer, engine: FalEngine) -> None:
    fal.fault("submit", "stranger")
    answer, _ = submit(engine)
    assert answer.outcome == "submitted"
    assert fal.stranger_url in answer.reason


def test_each_submit_has_a_connection_of_its_own(fal: FalServer, engine: FalEngine) -> None:
    submit(engine)
    submit(engine)
    assert [seen.headers["connection"] for seen in fal.asked("POST", MODEL)] == ["close", "close"]
