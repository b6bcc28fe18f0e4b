"""Where fal is, and the key: to these hosts it goes, and to no other."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit

from lipsync_kit.errors import AccountError, InputError

MASK = "***"


class Secret:
    """A value that shows itself to nobody but :meth:`reveal`'s caller."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The value, for the one header that it belongs in."""
        return self._value

    def scrub(self, text: str) -> str:
        """``text`` with the value masked: services quote what they were sent."""
        return text.replace(self._value, MASK) if self._value else text

    def __repr__(self) -> str:
        return MASK

    __str__ = __repr__

    def __bool__(self) -> bool:
        return bool(self._value)

    def __reduce__(self) -> str:
        raise TypeError("a secret is not written anywhere")


@dataclass(frozen=True)
class FalSettings:
    """The key and the base URLs of queue, storage, CDN and platform API.

    Raises :class:`~lipsync_kit.errors.InputError` for a URL that the key may not go to.
    """

    key: Secret
    queue_url: str = "https://queue.fal.run"
    rest_url: str = "https://rest.fal.ai"
    cdn_url: str = "https://v3.fal.media"
    api_url: str = "https://api.fal.ai"

    def __post_init__(self) -> None:
        for name in ("queue_url", "rest_url", "cdn_url", "api_url"):
            url = getattr(self, name)
            object.__setattr__(self, name, url.rstrip("/"))
            _check_base(name, url)

    @property
    def origins(self) -> frozenset[str]:
        """Scheme, host and port of every configured URL."""
        return frozenset(map(origin, (self.queue_url, self.rest_url, self.cdn_url, self.api_url)))

    @property
    def local(self) -> bool:
        """Whether all of it is on this machine."""
        return all(is_loopback(urlsplit(one).hostname or "") for one in self.origins)

    def check_key(self) -> None:
        """Raise :class:`~lipsync_kit.errors.AccountError` without a usable key."""
        value = self.key.reveal()
        if not value:
            raise AccountError(
                "FAL_KEY is not set, and the fal engine needs it.",
                code="key_missing",
                hint="Make a key at https://fal.ai/dashboard/keys; then: export FAL_KEY=…,"
                " or write FAL_KEY=… into a file called .env.",
            )
        if not (value.isascii() and value.isprintable()) or any(map(str.isspace, value)):
            raise AccountError(
                "FAL_KEY holds characters that no key has (spaces, line breaks or accents).",
                code="key_invalid",
                hint="Copy it again from https://fal.ai/dashboard/keys.",
            )

    def pin(self, url: str) -> str:
        """``url`` as the key may follow it.

        A reply may name any host. The path is the service's to say; scheme, host and port are
        the user's: an origin that is not configured is replaced by the queue's.
        """
        parts = urlsplit(url)
        base = self.queue_url
        for own in (self.queue_url, self.rest_url, self.cdn_url, self.api_url):
            if origin(url) == origin(own):
                base = own
                break
        anchor = urlsplit(base)
        return urlunsplit((anchor.scheme, anchor.netloc, parts.path, parts.query, ""))


def origin(url: str) -> str:
    """``scheme://host:port`` in lower case, with the scheme's port when none is named."""
    parts = urlsplit(url)
    try:
        port = parts.port or {"https": 443, "http": 80}.get(parts.scheme, 0)
    except ValueError:
        port = 0
    return f"{parts.scheme}://{(parts.hostname or '').lower()}:{port}"


def same_site(url: str, base: str) -> bool:
    """Whether ``url`` is at ``base`` or, encrypted, at a sibling host of its domain.

    Storage spreads its files over siblings (``v3.fal.media``, ``v3b.fal.media``).
    """
    if origin(url) == origin(base):
        return True
    ours = (urlsplit(base).hostname or "").split(".")
    theirs = (urlsplit(url).hostname or "").split(".")
    named = len(ours) > 2 and len(theirs) > 2 and not ours[-1].isdigit()
    return named and origin(url).endswith(":443") and ours[-2:] == theirs[-2:]


def is_loopback(host: str) -> bool:
    """Whether a host name is this machine by definition."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _check_base(name: str, url: str) -> None:
    variable = f"LIPSYNC_FAL_{name.upper()}"
    parts = urlsplit(url)
    try:
        named_port = parts.port
    except ValueError:
        named_port = 0
    if parts.scheme == "http" and not is_loopback(parts.hostname or ""):
        raise InputError(
            f"{variable}={url}: the key would travel unencrypted.",
            code="settings",
            hint="Use https://; plain http:// is for this machine (127.0.0.1) only.",
        )
    if (
        parts.scheme not in {"http", "https"}
        or not parts.hostname
        or parts.username is not None
        or named_port == 0
        or parts.query
        or parts.fragment
    ):
        raise InputError(
            f"{variable}={url}: not a base URL.",
            code="settings",
            hint="Write scheme, host and port only, such as https://queue.fal.run.",
        )
