"""The wire: queue, storage, CDN and request list on one port of this machine."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from tests.fal_server.faults import Fault, Faults
from tests.fal_server.jobs import Counter, Job
from tests.fal_server.manners import Manner
from tests.fal_server.wire import KEY, Handler, Seen, Server

__all__ = ["KEY", "FalServer", "Seen", "Stranger"]


class FalServer:
    """fal on loopback.

    ``list_lag``: seconds until a request shows up in the list. ``page``: items a page of it.
    ``flaky``: share of GETs that fail. ``late_cancel``: a cancelled job finishes all the same.
    ``manner``: how it words and frames its replies.
    """

    def __init__(
        self,
        *,
        queue_seconds: float = 0.0,
        run_seconds: float = 0.05,
        list_lag: float = 0.0,
        page: int = 2,
        late_cancel: bool = False,
        manner: Manner = "plain",
        port: int = 0,
    ) -> None:
        self.counter = Counter(queue_seconds, run_seconds)
        self.faults = Faults()
        self.list_lag = list_lag
        self.page = page
        self.late_cancel = late_cancel
        self.manner = manner
        self.logs: list[str] = []
        self.flaky = 0.0
        self.stranger_url = "http://127.0.0.1:9"
        self.seen: list[Seen] = []
        self.watch: Callable[[str, bool], None] = _look_away
        self.guard = threading.Lock()
        self._gets = 0
        handler = type("Handler", (Handler,), {"fal": self})
        self._http = Server(("127.0.0.1", port), handler)
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}"
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True)

    def __enter__(self) -> FalServer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    @property
    def environment(self) -> dict[str, str]:
        """What leads lipsync-kit here."""
        names = ("QUEUE", "REST", "CDN", "API")
        return {"FAL_KEY": KEY, **{f"LIPSYNC_FAL_{name}_URL": self.url for name in names}}

    @property
    def jobs(self) -> list[Job]:
        with self.counter.guard:
            return list(self.counter.jobs.values())

    @property
    def billed(self) -> list[Job]:
        return self.counter.billed()

    def fault(self, step: str, kind: Any, **details: Any) -> None:
        self.faults.add(step, Fault(kind, **details))

    def asked(self, method: str, part: str) -> list[Seen]:
        """The requests whose path holds ``part``."""
        with self.guard:
            return [seen for seen in self.seen if seen.method == method and part in seen.path]

    def note(self, seen: Seen) -> bool:
        """Remember a request; whether the flaky line drops it."""
        with self.guard:
            self.seen.append(seen)
            if seen.method != "GET" or not self.flaky:
                return False
            self._gets += 1
            return self._gets % round(1 / self.flaky) == 0

    def answer_submit(self, model: str, arguments: dict[str, Any], base: str) -> dict[str, Any]:
        job = self.counter.register(model, arguments)
        owner = "/".join(model.split("/")[:2])
        root = f"{base}/{owner}/requests/{job.id}"
        return {
            "status": "IN_QUEUE",
            "request_id": job.id,
            "response_url": root,
            "status_url": f"{root}/status",
            "cancel_url": f"{root}/cancel",
            "queue_position": 0,
        }

    def answer_status(self, job: Job) -> tuple[int, dict[str, Any]]:
        now = time.time()
        state = job.state(now)
        document: dict[str, Any] = {"status": state, "request_id": job.id}
        if state == "IN_QUEUE":
            return 202, {**document, "queue_position": max(0, round(job.starts - now)) + 1}
        document["logs"] = [
            {"message": line, "timestamp": f"t{n}", "level": "INFO", "source": "USER"}
            for n, line in enumerate(self.logs)
        ]
        if state == "IN_PROGRESS":
            return 202, document
        document["metrics"] = {"inference_time": self.counter.run_seconds}
        if job.cancelled:
            document |= {"error": "Request cancelled", "error_type": "client_cancelled"}
        elif job.failure is not None and job.failure.error is not None:
            document |= {"error": job.failure.error, "error_type": job.failure.error_type}
        return 200, document

    def answer_result(self, job: Job, base: str) -> tuple[int, Any, dict[str, str]]:
        if job.state(time.time()) != "COMPLETED":
            return 400, {"detail": "Request is still in progress"}, {}
        if job.cancelled:
            body = {"detail": "Request cancelled", "error_type": "client_cancelled"}
            return 499, body, {"X-Fal-Error-Type": "client_cancelled"}
        if job.failure is not None:
            return job.failure.status, job.failure.body, dict(job.failure.headers)
        video = {"url": f"{base}/clips/{job.id}.mp4", "content_type": "video/mp4"}
        reported = self.counter.reported_seconds
        return 200, {"video": video, **({} if reported is None else {"duration": reported})}, {}

    def answer_cancel(self, job: Job) -> tuple[int, dict[str, str]]:
        if job.state(time.time()) == "COMPLETED":
            return 400, {"status": "ALREADY_COMPLETED"}
        if not self.late_cancel:
            job.cancelled = True
        return 202, {"status": "CANCELLATION_REQUESTED"}

    def answer_list(self, query: dict[str, list[str]]) -> dict[str, Any]:
        begin, end = (_unix(query[name][0]) for name in ("start", "end"))
        until = time.time() - self.list_lag
        items = [
            {
                "request_id": job.id,
                "endpoint_id": job.model,
                "sent_at": _iso(job.sent),
                "json_input": job.arguments if "payloads" in query.get("expand", []) else None,
            }
            for job in reversed(self.jobs)
            if job.model == query["endpoint_id"][0]
            and begin <= job.sent < end
            and job.sent <= until
        ]
        first = int(query.get("cursor", ["0"])[0])
        last = first + self.page
        following = str(last) if last < len(items) else None
        return {"items": items[first:last], "next_cursor": following, "has_more": bool(following)}


class Stranger:
    """Another host: it answers nothing of use, and remembers what it was sent."""

    def __init__(self) -> None:
        self._server = FalServer()

    @property
    def url(self) -> str:
        return self._server.url

    @property
    def seen(self) -> list[Seen]:
        return self._server.seen

    def __enter__(self) -> Stranger:
        self._server.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.__exit__()


def _look_away(_step: str, _done: bool) -> None:
    """Nobody watches."""


def _unix(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def _iso(unix: float) -> str:
    return datetime.fromtimestamp(unix, UTC).isoformat()
