"""HTTP with fal: one client that carries the key, one that does not.

The key is put on by :class:`_Key`, which refuses any host that is not configured, so no reply
can lead it elsewhere. Redirects are not followed with the key. What goes wrong on the way of
a request that may be asked again becomes a :class:`~lipsync_kit.engines.base.PassingFault`.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import httpx

from lipsync_kit.engines.base import PassingFault
from lipsync_kit.engines.fal.access import FalSettings, Secret, is_loopback, origin, same_site

USER_AGENT = "lipsync-kit"
CONNECT_SECONDS = 10.0
READ_SECONDS = 30.0
DOWNLOAD_SECONDS = 1800.0
REPLY_BYTES = 32_000_000
"""A JSON reply longer than this is refused."""

BUSY = frozenset({408, 425, 429, 500, 502, 503, 504, 520, 521, 522, 523, 524})
"""Statuses that say nothing about the request itself."""

# stamina logs every retry; without a handler of the application's that would reach stderr.
logging.getLogger("stamina").addHandler(logging.NullHandler())


@dataclass(frozen=True)
class Reply:
    """A status, lower-case headers and the body, the key masked wherever it was quoted."""

    status: int
    headers: Mapping[str, str]
    text: str

    @property
    def ok(self) -> bool:
        """2xx."""
        return 200 <= self.status < 300

    @property
    def wait(self) -> float | None:
        """Seconds that ``Retry-After`` asks for."""
        value = self.headers.get("retry-after", "")
        return float(value) if value.isdecimal() else None

    def json(self) -> Any:
        """The body as JSON, or ``None`` when it isn't any."""
        try:
            return json.loads(self.text)
        except ValueError:
            return None

    def record(self) -> dict[str, Any]:
        """The body as a JSON object.

        Raises :class:`~lipsync_kit.engines.base.PassingFault` when it is anything else.
        """
        document = self.json()
        if not isinstance(document, dict):
            raise PassingFault(f"an unreadable reply (HTTP {self.status})")
        return document


class _Key(httpx.Auth):
    """Puts the key on requests to configured hosts; any other request is a bug."""

    def __init__(self, settings: FalSettings) -> None:
        self._settings = settings

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        if origin(str(request.url)) not in self._settings.origins:
            raise RuntimeError(f"the key was about to go to {request.url.host}")
        request.headers["Authorization"] = f"Key {self._settings.key.reveal()}"
        yield request


class Wire:
    """The connections to fal; safe to share between threads.

    ``clock_offset``: seconds that fal's clock is ahead of ours, once a reply has told.
    """

    def __init__(self, settings: FalSettings) -> None:
        self.settings = settings
        self.clock_offset: float | None = None
        timeout = httpx.Timeout(READ_SECONDS, connect=CONNECT_SECONDS, pool=None)
        context = httpx.create_ssl_context()
        shared: dict[str, Any] = {"timeout": timeout, "verify": context, "mounts": _direct()}
        agent = {"User-Agent": USER_AGENT}
        self._keyed = httpx.Client(
            auth=_Key(settings), headers={**agent, "Accept": "application/json"}, **shared
        )
        # A kept connection can die while it is written to, which leaves the outcome unknown.
        self._single = httpx.Client(
            auth=_Key(settings),
            headers={**agent, "Accept": "application/json", "Connection": "close"},
            limits=httpx.Limits(max_keepalive_connections=0),
            **shared,
        )
        self._keyless = httpx.Client(
            headers=agent,
            follow_redirects=True,
            max_redirects=5,
            event_hooks={"request": [self._check_target]},
            **shared,
        )

    def close(self) -> None:
        """Close all connections."""
        for client in (self._keyed, self._single, self._keyless):
            client.close()

    def ask(
        self, method: str, url: str, *, passing: frozenset[int] = BUSY, **options: Any
    ) -> Reply:
        """One request with the key, which may be asked again.

        Raises :class:`~lipsync_kit.engines.base.PassingFault` for what may pass: no
        connection, a dropped or endless reply, a status in ``passing``.
        """
        with self._faults():
            request = self._keyed.build_request(method, self.settings.pin(url), **options)
            reply = self._read(self._keyed.send(request, stream=True))
        if reply.status in passing:
            raise PassingFault(_named(reply), reply.wait)
        return reply

    def ask_once(self, url: str, body: bytes, permit: Callable[[], None], patience: float) -> Reply:
        """The POST that costs money: one connection, one request, no second try.

        ``permit`` is called when the connection stands and before the first byte leaves.
        Raises :class:`httpx.HTTPError` or :class:`OSError` as they come.
        """

        def on_event(event: str, info: Mapping[str, Any]) -> None:
            if event == "http11.send_request_headers.started" and info["request"].method == b"POST":
                permit()

        timeout = httpx.Timeout(patience, connect=CONNECT_SECONDS, pool=None)
        request = self._single.build_request(
            "POST",
            self.settings.pin(url),
            content=body,
            headers={"Content-Type": "application/json"},
            timeout=timeout,
            extensions={"trace": on_event},
        )
        return self._read(self._single.send(request, stream=True), time.monotonic() + patience)

    def send_file(
        self, url: str, content: Callable[[], Iterator[bytes]], headers: Mapping[str, str]
    ) -> Reply:
        """POST a file's bytes without the key (``headers`` carry the storage token)."""
        with self._faults():
            request = self._keyless.build_request(
                "POST", self.settings.pin(url), content=content(), headers=dict(headers)
            )
            reply = self._read(self._keyless.send(request, stream=True, follow_redirects=False))
        if reply.status in BUSY:
            raise PassingFault(_named(reply), reply.wait)
        return reply

    def exists(self, url: str) -> bool | None:
        """Whether a public URL answers, asked without the key; ``None`` when it won't tell."""
        with self._faults():
            reply = self._read(self._keyless.send(self._keyless.build_request("HEAD", url)))
        if reply.ok:
            return True
        return False if reply.status in {401, 403, 404, 410} else None

    def download(self, url: str, dest: Path) -> Reply:
        """GET a file without the key into ``dest``.

        Returns the reply without its body. Raises a passing fault when it broke off.
        """
        with self._faults():
            request = self._keyless.build_request(
                "GET", url, headers={"Accept-Encoding": "identity"}
            )
            response = self._keyless.send(request, stream=True)
            try:
                if not response.is_success:
                    return self._read(response)
                _save(response, dest)
            finally:
                response.close()
            return Reply(response.status_code, dict(response.headers), "")

    def parts_client(self) -> httpx.Client:
        """A client for a large upload in parts, which stays at the storage's own site."""
        return httpx.Client(
            headers={"User-Agent": USER_AGENT},
            timeout=httpx.Timeout(READ_SECONDS, connect=CONNECT_SECONDS, write=300),
            mounts=_direct(),
            event_hooks={"request": [self._check_site]},
        )

    def _check_site(self, request: httpx.Request) -> None:
        if not same_site(str(request.url), self.settings.cdn_url):
            raise PassingFault(f"the storage sent the upload on to {request.url.host}")

    def _check_target(self, request: httpx.Request) -> None:
        """Results and uploads are public files: https, or this machine when fal is there too."""
        url = request.url
        if url.scheme == "https" or origin(str(url)) in self.settings.origins:
            return
        if url.scheme == "http" and self.settings.local and is_loopback(url.host):
            return
        raise PassingFault(f"{url.scheme}://{url.host} is not a place that fal serves files from")

    def _read(self, response: httpx.Response, deadline: float | None = None) -> Reply:
        """The reply whole, within a total time and size, however slowly it trickles."""
        deadline = deadline or time.monotonic() + READ_SECONDS
        body = bytearray()
        try:
            for block in response.iter_bytes():
                body += block
                if len(body) > REPLY_BYTES:
                    raise httpx.ReadError("the reply is too long", request=response.request)
                if time.monotonic() > deadline:
                    raise httpx.ReadTimeout("the reply does not end", request=response.request)
        finally:
            response.close()
        headers = {name.lower(): value for name, value in response.headers.items()}
        self._learn_clock(headers.get("date"))
        text = self.settings.key.scrub(body.decode("utf-8", errors="replace"))
        return Reply(response.status_code, headers, text)

    def _learn_clock(self, date: str | None) -> None:
        if date is None:
            return
        try:
            self.clock_offset = parsedate_to_datetime(date).timestamp() - time.time()
        except ValueError:
            return

    @contextmanager
    def _faults(self) -> Iterator[None]:
        try:
            yield
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
            raise PassingFault(describe(error, self.settings.key)) from None


def _save(response: httpx.Response, dest: Path) -> None:
    deadline = time.monotonic() + DOWNLOAD_SECONDS
    with dest.open("wb") as file:
        for block in response.iter_raw(1 << 20):
            file.write(block)
            if time.monotonic() > deadline:
                raise httpx.ReadTimeout("the download does not end", request=response.request)


def describe(error: Exception, key: Secret) -> str:
    """A transport error in words, the key masked."""
    host = ""
    if isinstance(error, httpx.RequestError):
        try:
            host = f" ({error.request.url.host})"
        except RuntimeError:  # raised before there was a request
            host = ""
    spoken: dict[type[Exception], str] = {
        httpx.ConnectError: "no connection",
        httpx.ConnectTimeout: "no connection in time",
        httpx.ReadTimeout: "no reply in time",
        httpx.WriteTimeout: "the upload stalled",
        httpx.RemoteProtocolError: "the connection was dropped",
        httpx.ReadError: "the connection was dropped",
        httpx.WriteError: "the connection was dropped",
    }
    words = spoken.get(type(error))
    return key.scrub(f"{words or str(error) or type(error).__name__}{host}")


def _named(reply: Reply) -> str:
    return f"HTTP {reply.status}"


def _direct() -> dict[str, None]:
    """Never a proxy to this machine, whatever the environment says."""
    return {"all://127.0.0.1": None, "all://localhost": None, "all://[::1]": None}
