"""One connection to the loopback fal: requests read, steps done, faults acted out."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import parse_qs, unquote, urlsplit

from tests.fal_server.faults import Fault
from tests.fal_server.jobs import Job
from tests.fal_server.manners import framed, worded

if TYPE_CHECKING:
    from tests.fal_server.server import FalServer

KEY = "key-id-5c1f:9b0a4be1d3f34f5e8e2c7d6a5b4c3d2e"


@dataclass(frozen=True)
class Seen:
    """One request as it came in."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that was killed in mid-sentence is what these tests are about."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    fal: ClassVar[FalServer]
    _name = ""

    def log_message(self, *_: Any) -> None:
        """Tests look at ``seen``."""

    def do_POST(self) -> None:
        path, _query = self._open()
        if path == "/storage/auth/token":
            if self._authorised():
                self._step("token", self._token)
        elif path == "/files/upload":
            self._step("upload", self._upload)
        elif "/multipart" in path:
            self._multipart(path)
        elif self._authorised():
            self._step("submit", lambda: self._submit(path.strip("/")))

    def do_PUT(self) -> None:
        path, _query = self._open()
        if "/multipart/" in path:
            self._multipart(path)
        elif self._authorised():
            self._step("cancel", lambda: self._for_job(path, self.fal.answer_cancel))

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        path, query = self._open()
        if self._dropped:
            self._drop()
        elif path.startswith("/uploads/"):
            key = unquote(path.removeprefix("/uploads/"))
            data = None if self.fal.counter.uploads_expired else self.fal.counter.files.get(key)
            self._send(404 if data is None else 200, data or b"", "application/octet-stream")
        elif path.startswith("/clips/"):
            self._step("download", lambda: self._clip(path))
        elif not self._authorised():
            return
        elif path == "/v1/models/requests/by-endpoint":
            self._step("list", lambda: self._json(200, self.fal.answer_list(query)))
        elif path.endswith("/status"):
            self._step("status", lambda: self._for_job(path, self.fal.answer_status))
        else:
            self._step(
                "result",
                lambda: self._for_job(path, lambda job: self.fal.answer_result(job, self._base())),
            )

    def _token(self) -> None:
        expires = datetime.fromtimestamp(time.time() + 600, UTC).isoformat()
        token = {"token": "upload-token", "token_type": "Bearer", "base_url": self._base()}
        self._json(200, {**token, "expires_at": expires})

    def _upload(self) -> None:
        assert self.headers["Authorization"] == "Bearer upload-token"
        name, media_type = self.headers["X-Fal-File-Name"], self.headers["Content-Type"]
        key = self.fal.counter.keep_file(self._body, name, media_type)
        self._json(200, {"access_url": f"{self.fal.url}/uploads/{key}"})

    def _submit(self, model: str) -> None:
        arguments = json.loads(self._body)
        self._json(200, self.fal.answer_submit(model, arguments, self._base()))

    def _for_job(self, path: str, answer: Callable[[Job], tuple[Any, ...]]) -> None:
        job = self._job(path)
        if job is not None:
            self._json(*answer(job))

    def _open(self) -> tuple[str, dict[str, list[str]]]:
        length = int(self.headers.get("Content-Length") or 0)
        self._body = self.rfile.read(length)
        self._fault: Fault | None = None
        headers = {name.lower(): value for name, value in self.headers.items()}
        self._dropped = self.fal.note(Seen(self.command, self.path, headers, self._body))
        parts = urlsplit(self.path)
        return parts.path, parse_qs(parts.query)

    def _step(self, name: str, work: Callable[[], None]) -> None:
        """Do a step, or what is to go wrong in its place; what goes wrong after is in _send.

        ``watch`` sees every step twice: before anything was done, and before the reply.
        """
        self.fal.watch(name, False)
        fault = self.fal.faults.take(name)
        self._name = name
        if fault is not None and fault.kind == "drop_before":
            self._drop()
        elif fault is not None and fault.kind == "hang_before":
            self._hang(fault)
        elif fault is not None and fault.kind == "status_before":
            self._error(fault)
        else:
            self._fault = fault
            work()

    def _base(self) -> str:
        strange = self._fault is not None and self._fault.kind == "stranger"
        return self.fal.stranger_url if strange else self.fal.url

    def _authorised(self) -> bool:
        if self.headers.get("Authorization") == f"Key {KEY}":
            return True
        self._send(401, b'{"detail": "Authentication is required"}')
        return False

    def _job(self, path: str) -> Job | None:
        parts = path.strip("/").split("/")
        # The sub-path of a model has no place in its requests' URLs.
        if len(parts) < 4 or parts[2] != "requests":
            self._json(405, {"detail": "Method Not Allowed"})
            return None
        with self.fal.counter.guard:
            job = self.fal.counter.jobs.get(parts[3])
        if job is None:
            self._json(404, {"status": "NOT_FOUND"})
        return job

    def _clip(self, path: str) -> None:
        job = self.fal.counter.jobs.get(path.removeprefix("/clips/").removesuffix(".mp4"))
        if job is None or self.fal.counter.expired:
            self._send(404, b"gone", "text/plain")
            return
        self._send(200, self.fal.counter.clip(job), "video/mp4")

    def _json(self, status: int, body: Any, headers: dict[str, str] | None = None) -> None:
        document = worded(self.fal.manner, body)
        self._send(status, json.dumps(document).encode(), "application/json", headers)

    def _send(
        self,
        status: int,
        body: bytes,
        media_type: str = "application/json",
        headers: dict[str, str] | None = None,
    ) -> None:
        fault = self._fault
        if fault is not None and fault.kind in {"drop_after", "hang_after", "status_after"}:
            self._fault = None
            {"drop_after": self._drop, "hang_after": lambda: self._hang(fault)}.get(
                fault.kind, lambda: self._error(fault)
            )()
            return
        if fault is not None and fault.kind == "slow":
            time.sleep(fault.seconds)
        if fault is not None and fault.kind == "garbage":
            body = b"<html>not what was asked for"
        length = len(body)
        if fault is not None and fault.kind == "truncate":
            body = body[: length // 2]
        told = {"Content-Type": media_type, "Content-Length": str(length)}
        told |= {"Date": self.date_time_string(), **(headers or {})}
        accepts = self.headers.get("Accept-Encoding", "")
        head, body, ends = framed(self.fal.manner, status, told, body, accepts=accepts)
        self.fal.watch(self._name, True)
        self.wfile.write(head if self.command == "HEAD" else head + body)
        self.close_connection = self.close_connection or ends
        if fault is not None and fault.kind == "truncate":
            self._drop()

    def _error(self, fault: Fault) -> None:
        body = fault.body if isinstance(fault.body, str) else json.dumps(fault.body)
        kind = "text/html" if isinstance(fault.body, str) else "application/json"
        self._send(fault.status, body.encode(), kind, dict(fault.headers))

    def _drop(self) -> None:
        self.close_connection = True
        try:
            self.connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # the client has gone already

    def _hang(self, fault: Fault) -> None:
        self.connection.settimeout(fault.seconds)
        try:
            self.connection.recv(1)  # until the client gives up
        except OSError:
            pass  # or the time is over
        self._drop()

    def _multipart(self, path: str) -> None:
        assert self.headers["Authorization"] == "Bearer upload-token"
        uploads = self.fal.counter.files
        if path == "/files/upload/multipart":
            name, media_type = self.headers["X-Fal-File-Name"], self.headers["Content-Type"]
            key = self.fal.counter.keep_file(b"", name, media_type)
            self._json(200, {"access_url": f"{self.fal.url}/uploads/{key}", "uploadId": "u1"})
            return
        key, _, rest = path.removeprefix("/uploads/").partition("/multipart/")
        if rest.endswith("/complete"):
            order = [part["partNumber"] for part in json.loads(self._body)["parts"]]
            uploads[key] = b"".join(uploads.pop(f"{key}#{number}") for number in sorted(order))
            self._json(200, {})
            return
        uploads[f"{key}#{rest.split('/')[1]}"] = self._body
        self._send(200, b"{}", headers={"ETag": '"x"'})
