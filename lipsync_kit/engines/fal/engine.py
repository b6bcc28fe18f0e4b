"""fal.ai as a remote engine."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Mapping
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal, TypeVar
from urllib.parse import quote, urlsplit

import httpx
import stamina

from lipsync_kit.engines.base import (
    Look,
    Outcome,
    PassingFault,
    Ref,
    RemoteRequest,
    Submitted,
)
from lipsync_kit.engines.fal.access import FalSettings, origin
from lipsync_kit.engines.fal.complaints import (
    account_error,
    failed_outcome,
    read_complaint,
    rejection,
)
from lipsync_kit.engines.fal.history import find_requests
from lipsync_kit.engines.fal.storage import Storage
from lipsync_kit.engines.fal.wire import BUSY, Reply, Wire, describe
from lipsync_kit.errors import ResultUnavailable

T = TypeVar("T")

TRIES = 5
"""How often a free question (never a submit) is asked before it is given up."""
PAUSE = 0.25
"""Seconds before it is asked for the second time, doubled from then on."""

CLEAR_REFUSALS = frozenset(
    {400, 401, 402, 403, 404, 405, 406, 410, 411, 413, 414, 415, 422, 429, 431, 451}
)
"""Statuses that a request which was accepted can't get. All others leave it open."""

IMPATIENT = frozenset({408, 425, 429})
"""Statuses of a result's URL that never are the model's own."""

GONE = frozenset({401, 403, 404, 410})
"""Statuses of a result's URL that has expired."""

DOUBTS = 2
"""How often a result's 5xx that the job's status knows nothing of is asked about again."""


class FalEngine:
    """The :class:`~lipsync_kit.engines.base.RemoteEngine` of fal.ai."""

    name = "fal"
    console = "https://fal.ai/dashboard/requests"

    def __init__(self, settings: FalSettings) -> None:
        self._settings = settings
        self._wire = Wire(settings)
        self._storage = Storage(self._wire)
        self.place = settings.cdn_url

    def close(self) -> None:
        """Close all connections."""
        self._wire.close()

    def check(self) -> None:
        """Raise :class:`~lipsync_kit.errors.AccountError` without a usable key."""
        self._settings.check_key()

    def upload(self, path: Path, sha256: str) -> str:
        """Send a file to fal's storage and return its URL."""
        return self._again(lambda: self._storage.send(path, sha256))

    def holds(self, url: str) -> bool | None:
        """Whether an upload is still there."""
        try:
            return self._wire.exists(url)
        except PassingFault:
            return None

    def submit(
        self, request: RemoteRequest, permit: Callable[[], None], patience: float
    ) -> Submitted:
        """POST once: ``permit`` is called when the connection stands, before the first byte."""
        sent = False

        def leave() -> None:
            nonlocal sent
            permit()
            sent = True

        url = f"{self._settings.queue_url}/{quote(request.model)}"
        body = json.dumps(dict(request.arguments), sort_keys=True).encode()
        try:
            reply = self._wire.ask_once(url, body, leave, patience)
        except (httpx.HTTPError, OSError) as error:
            reason = describe(error, self._settings.key)
            return Submitted("unsettled" if sent else "not_sent", reason=reason)
        return self._judge(reply, request.model)

    def _judge(self, reply: Reply, model: str) -> Submitted:
        document = reply.json()
        if reply.ok and isinstance(document, dict) and isinstance(document.get("request_id"), str):
            ref = self._ref_from(document, model)
            return Submitted("submitted", ref=ref, reason=self._strangers(ref))
        if reply.status in CLEAR_REFUSALS:
            complaint = read_complaint(reply)
            wait = (reply.wait or 0.0) if reply.status == 429 else None
            return Submitted("rejected", error=rejection(complaint), wait=wait)
        return Submitted("unsettled", reason=f"HTTP {reply.status}")

    def _ref_from(self, document: Mapping[str, Any], model: str) -> Ref:
        """The reply's own URLs, kept as they are; they are pinned whenever they are used."""
        urls = [document.get(name) for name in ("status_url", "response_url", "cancel_url")]
        if all(map(_is_url, urls)):
            return Ref(document["request_id"], *map(str, urls))
        return self.ref(model, document["request_id"])

    def _strangers(self, ref: Ref) -> str:
        """A word about URLs at other hosts, which are asked for at the configured ones."""
        named = {origin(url) for url in (ref.status_url, ref.response_url, ref.cancel_url)}
        others = ", ".join(sorted(named - self._settings.origins))
        return f"its reply named {others}; asking {self._settings.queue_url}" if others else ""

    @property
    def clock_offset(self) -> float | None:
        """Seconds that fal's clock is ahead, once a reply has told."""
        return self._wire.clock_offset

    def find(self, request: RemoteRequest, since: float, ahead: float | None = None) -> list[Ref]:
        """Requests with exactly these arguments in fal's list, oldest first; read once."""
        ids = find_requests(self._wire, request, since, ahead)
        return [self.ref(request.model, request_id) for request_id in ids]

    def poll(self, ref: Ref, *, logs: bool) -> Look:
        """One status question. Raises when fal does not know the request."""
        reply = self._wire.ask("GET", ref.status_url, params={"logs": "true" if logs else "false"})
        self._check_known(reply, ref)
        document = reply.record()
        state = document.get("status")
        if state == "COMPLETED":
            return Look("ended", None, _lines(document))
        if state not in {"IN_QUEUE", "IN_PROGRESS"}:
            raise PassingFault(f"an unknown status: {str(state)[:40]}")
        position = document.get("queue_position")
        return Look(
            "queued" if state == "IN_QUEUE" else "running",
            position if isinstance(position, int) else None,
            _lines(document),
        )

    def _check_known(self, reply: Reply, ref: Ref) -> None:
        if reply.ok:
            return
        complaint = read_complaint(reply)
        if reply.status in {401, 402, 403}:
            raise account_error(complaint)
        if reply.status in {404, 410}:
            raise ResultUnavailable(
                f"fal does not know request {ref.request_id} any more",
                code="result_expired",
                hint="Ask for the chunk again with --retake; that is paid again.",
            )
        raise PassingFault(f"{complaint.sentence} (HTTP {reply.status})")

    def outcome(self, ref: Ref) -> Outcome | None:
        """The result, or what went wrong; ``None`` when the job is still going on."""
        asked = itertools.count()
        return self._again(lambda: self._outcome(ref, sure=next(asked) >= DOUBTS))

    def _outcome(self, ref: Ref, *, sure: bool) -> Outcome | None:
        status = self._wire.ask("GET", ref.status_url, params={"logs": "false"})
        self._check_known(status, ref)
        told = status.record()
        if told.get("status") != "COMPLETED":
            return None
        failed = bool(told.get("error") or told.get("error_type"))
        reply = self._wire.ask("GET", ref.response_url, passing=IMPATIENT)
        if reply.ok:
            return self._result(reply, told, ref, failed=failed)
        complaint = read_complaint(reply, told)
        # A model's own 5xx looks like a gateway's, but for its form and what the status said;
        # a job that is taken for failed is paid again, so a form alone is doubted first.
        own = complaint.structured and (sure or reply.status < 500)
        if failed or own or reply.status in {422, 499}:
            return failed_outcome(complaint)
        if reply.status in BUSY:
            raise PassingFault(f"the result: HTTP {reply.status}", reply.wait)
        self._check_known(reply, ref)
        return None

    def _result(self, reply: Reply, told: Mapping[str, Any], ref: Ref, *, failed: bool) -> Outcome:
        document = reply.json()
        if not isinstance(document, dict):
            document = {} if failed else reply.record()
        video = document.get("video")
        if isinstance(video, dict) and _is_url(video.get("url")):
            size = video.get("file_size")
            return Outcome(
                url=video["url"],
                seconds=_seconds(document.get("duration")),
                size=size if isinstance(size, int) and size > 0 else None,
            )
        if failed or document.get("detail") or document.get("error"):
            return failed_outcome(read_complaint(Reply(422, {}, reply.text), told))
        raise ResultUnavailable(
            f"request {ref.request_id} ended, but its result names no video",
            hint="Run `lipsync-kit render` again; if that does not help, use --retake.",
        )

    def fetch(self, outcome: Outcome, dest: Path) -> None:
        """Download a clip, without the key."""
        assert outcome.url is not None
        self._again(lambda: self._fetch(outcome, dest))

    def _fetch(self, outcome: Outcome, dest: Path) -> None:
        assert outcome.url is not None
        reply = self._wire.download(outcome.url, dest)
        if reply.status in GONE:
            raise ResultUnavailable(
                f"the clip has expired at fal (HTTP {reply.status})",
                code="result_expired",
                hint="Ask for the chunk again with --retake; that is paid again.",
            )
        if not reply.ok:
            raise PassingFault(f"the clip: HTTP {reply.status}")
        size, promised = dest.stat().st_size, outcome.size
        if "content-length" not in reply.headers and promised is not None and size < promised:
            raise PassingFault(f"the clip broke off after {size} of {promised} bytes")
        if size == 0:
            raise PassingFault("the clip is empty")

    def cancel(self, ref: Ref) -> Literal["requested", "ended", "unknown"]:
        """Ask fal to cancel; it may finish all the same."""
        reply = self._again(lambda: self._wire.ask("PUT", ref.cancel_url))
        if reply.status in {401, 402, 403}:
            raise account_error(read_complaint(reply))
        if reply.status in {404, 410}:
            return "unknown"
        return "requested" if reply.ok else "ended"

    def ref(self, model: str, request_id: str) -> Ref:
        """A request of which only the id is known, at the URLs that fal documents."""
        from fal_client import SyncRequestHandle

        handle = SyncRequestHandle.from_request_id(None, model, quote(request_id, safe=""))  # type: ignore[arg-type]
        return Ref(
            request_id,
            *(
                self._settings.queue_url + urlsplit(url).path
                for url in (handle.status_url, handle.response_url, handle.cancel_url)
            ),
        )

    def _again(self, question: Callable[[], T]) -> T:
        """Ask a free question until it is answered, a few times."""
        for attempt in stamina.retry_context(
            on=_worth_asking,
            attempts=TRIES,
            timeout=60,
            wait_initial=PAUSE,
            wait_jitter=PAUSE,
            wait_max=5,
        ):
            with attempt:
                return question()
        raise PassingFault("not asked")  # stamina raises the last fault before this


def _worth_asking(error: Exception) -> bool | float:
    """Whether to ask again, or after how many seconds when the service named them."""
    if isinstance(error, PassingFault) and error.wait is not None:
        return min(error.wait, 30.0)
    return isinstance(error, PassingFault)


def _is_url(value: object) -> bool:
    return isinstance(value, str) and value.startswith(("https://", "http://"))


def _seconds(value: object) -> Fraction | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
        return None
    return Fraction(Decimal(str(value))) if value < 1e6 else None


def _lines(document: Mapping[str, Any]) -> tuple[str, ...]:
    """Log lines with their times, so that equal words at two times stay two lines."""
    entries = document.get("logs")
    lines = []
    for entry in entries if isinstance(entries, list) else []:
        if isinstance(entry, dict):
            words = " ".join(str(entry.get("message", "")).split())
            lines.append(f"{entry.get('timestamp') or ''} {words}".strip())
    return tuple(lines)
