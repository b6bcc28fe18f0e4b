"""Downloading an input that is named by URL, without being led anywhere else.

http and https only; every address that the host resolves to must be public, and the
connection is made to the very address that was checked (a name could resolve to another one
the second time). Redirects are followed by hand and checked again.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from lipsync_kit.errors import FetchRefused, InputError
from lipsync_kit.store import atomic, digest_bytes

if TYPE_CHECKING:
    import httpx

MAX_BYTES = {"image": 100_000_000, "audio": 4_000_000_000, "video": 4_000_000_000}
"""Largest download by role, in bytes."""

MAX_REDIRECTS = 5
TIMEOUT = 30.0
"""Seconds without a byte after which a download is given up."""


def fetch(url: str, role: str, folder: Path, *, allow_private: bool = False) -> Path:
    """Download ``url`` into ``folder`` and return the file.

    ``role``: image, audio or video; it sets the size limit. Raises
    :class:`~lipsync_kit.errors.FetchRefused` for a URL that may not be fetched and
    :class:`~lipsync_kit.errors.InputError` for a download that fails.
    """
    import httpx

    name = _spoken(url)
    try:
        suffix = Path(urlsplit(url).path).suffix[:8]
    except ValueError as error:
        raise FetchRefused(f"{name}: not a URL: {error}.") from None
    target = folder / "fetched" / f"{digest_bytes(url.encode())[:32]}{suffix}"
    with httpx.Client(follow_redirects=False, timeout=TIMEOUT, trust_env=False) as client:
        try:
            with atomic(target) as temporary:
                _download(client, url, temporary, MAX_BYTES[role], allow_private)
        except httpx.HTTPError as error:
            raise InputError(
                f"{name}: the download failed: {error or type(error).__name__}.",
                code="download",
                hint="Try again, or download it yourself and name the file.",
            ) from None
    return target


def _download(
    client: httpx.Client, url: str, target: Path, limit: int, allow_private: bool
) -> None:
    for _ in range(MAX_REDIRECTS + 1):
        name = _spoken(url)
        request = _request(client, url, allow_private)
        response = client.send(request, stream=True)
        try:
            if response.is_redirect:
                url = str(_absolute(url, response.headers.get("location", "")))
                continue
            if response.status_code != 200:
                raise InputError(
                    f"{name}: the server answered {response.status_code}.",
                    code="download",
                    hint="Check the URL in a browser; it may have expired.",
                )
            _save(response, target, limit, name)
            return
        finally:
            response.close()
    raise FetchRefused(f"{_spoken(url)}: more than {MAX_REDIRECTS} redirects.")


def _save(response: httpx.Response, target: Path, limit: int, name: str) -> None:
    written = 0
    with target.open("wb") as file:
        for block in response.iter_bytes(1 << 20):
            written += len(block)
            if written > limit:
                raise FetchRefused(
                    f"{name}: larger than {limit // 1_000_000} MB.",
                    hint="Download it yourself and name the file.",
                )
            file.write(block)


def _absolute(base: str, location: str) -> httpx.URL:
    import httpx

    return httpx.URL(base).join(location)


def _request(client: httpx.Client, url: str, allow_private: bool) -> httpx.Request:
    """A GET that connects to a checked address but speaks to the host by its name."""
    import httpx

    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise FetchRefused(f"{_spoken(url)}: not a URL: {error}.") from None
    if parsed.scheme not in {"http", "https"} or not parsed.host:
        raise FetchRefused(
            f"{_spoken(url)}: only http and https URLs are fetched.",
            hint="For a local file leave out -url.",
        )
    address = check_address(parsed.host, allow_private=allow_private)
    host = parsed.netloc.decode("ascii")
    return client.build_request(
        "GET",
        parsed.copy_with(host=address),
        headers={"Host": host},
        extensions={"sni_hostname": parsed.host},
    )


def check_address(
    host: str,
    *,
    allow_private: bool,
    resolve: Callable[[str], list[str]] | None = None,
) -> str:
    """An address of ``host``, all of whose addresses are public.

    Raises :class:`~lipsync_kit.errors.FetchRefused` when one is not (loopback, private,
    link-local, reserved), unless ``allow_private``.
    """
    addresses = (resolve or _resolve)(host)
    for text in addresses:
        if not allow_private and not _is_public(text):
            raise FetchRefused(
                f"{host}: resolves to {text}, which is not a public address.",
                hint="Pass --allow-private if you mean it.",
            )
    return addresses[0]


def _is_public(text: str) -> bool:
    address = ipaddress.ip_address(text)
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return address.is_global and not address.is_multicast


def _resolve(host: str) -> list[str]:
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise InputError(
            f"{host}: no such host.", code="download", hint="Check the URL and the network."
        ) from None
    return list(dict.fromkeys(str(entry[4][0]).partition("%")[0] for entry in found))


def _spoken(url: str) -> str:
    """A URL as it is shown: without its query, which may hold a signature, or a password."""
    try:
        parts = urlsplit(url)
        return f"{parts.scheme}://{parts.hostname or ''}{parts.path}"
    except ValueError:
        return "the URL"
