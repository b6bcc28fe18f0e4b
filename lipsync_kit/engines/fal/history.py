"""fal's list of requests: where a submit whose reply was lost is looked for.

Requests are matched by their exact arguments, which hold the URLs of this project's own
uploads, within the time since the intent was written. The list is read to its last page.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from lipsync_kit.engines.base import RemoteRequest
from lipsync_kit.engines.fal.complaints import account_error, read_complaint
from lipsync_kit.engines.fal.wire import Wire
from lipsync_kit.errors import EngineError

SLACK = 120.0
"""Seconds that clocks may differ by."""
PAGE = 100
PAGES = 1000


def find_requests(
    wire: Wire, request: RemoteRequest, since: float, ahead: float | None
) -> list[str]:
    """Ids of the requests with exactly these arguments sent since then, oldest first.

    ``since``: Unix seconds by our clock, which fal's was ``ahead`` of then. Raises
    :class:`~lipsync_kit.engines.base.PassingFault`, and
    :class:`~lipsync_kit.errors.LipsyncError` when the list is closed to this key.
    """
    if wire.clock_offset is None:  # one question, so that the window is in fal's own time
        next(_pages(wire, request.model, since), None)
    now_ahead = wire.clock_offset or 0.0
    begin = since + (now_ahead if ahead is None else ahead) - SLACK
    hits: dict[str, float] = {}
    for page in _pages(wire, request.model, begin):
        for item in page:
            sent = _unix(item.get("sent_at"))
            if sent is not None and sent < begin:
                continue
            if _arguments(item) == dict(request.arguments) and item.get("request_id"):
                hits.setdefault(str(item["request_id"]), sent if sent is not None else begin)
    return sorted(hits, key=lambda request_id: hits[request_id])


def _pages(wire: Wire, model: str, begin: float) -> Iterator[list[Mapping[str, Any]]]:
    url = f"{wire.settings.api_url}/v1/models/requests/by-endpoint"
    end = time.time() + (wire.clock_offset or 0.0) + SLACK
    query = {
        "endpoint_id": model,
        "start": _iso(begin),
        "end": _iso(end),
        "expand": "payloads",
        "limit": str(PAGE),
    }
    for _ in range(PAGES):
        reply = wire.ask("GET", url, params=query)
        if reply.status in {401, 402, 403}:
            raise account_error(read_complaint(reply))
        if not reply.ok:
            said = read_complaint(reply).sentence
            raise EngineError(f"fal's list of requests can't be read: {said}", code="list_closed")
        document = reply.record()
        items = document.get("items")
        yield [item for item in items or [] if isinstance(item, dict)]
        cursor = document.get("next_cursor")
        if not cursor:
            return
        query["cursor"] = str(cursor)


def _arguments(item: Mapping[str, Any]) -> Any:
    given = item.get("json_input")
    if isinstance(given, str):
        try:
            return json.loads(given)
        except ValueError:
            return None
    return given


def _iso(unix: float) -> str:
    return datetime.fromtimestamp(unix, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _unix(text: object) -> float | None:
    if isinstance(text, int | float):
        return float(text)
    try:
        when = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()
