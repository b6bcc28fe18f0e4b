"""How a server may speak HTTP and JSON differently and still say the same."""

from __future__ import annotations

import gzip
from typing import Any, Literal

Manner = Literal["plain", "gzip", "chunked", "http10", "odd_names", "terse", "verbose"]

NEEDED = {"status", "request_id", "error", "error_type", "video", "duration", "detail"}
NEEDED_OF_LIST = {"items", "next_cursor", "json_input", "sent_at"}
NULLS = ("queue_position", "logs", "metrics", "error", "error_type", "file_name", "file_size")


def worded(manner: Manner, document: Any) -> Any:
    """A reply's document with nothing but what is needed, or with nulls and unknown fields."""
    if manner == "terse" and isinstance(document, dict):
        kept = NEEDED | NEEDED_OF_LIST | {"token", "token_type", "base_url", "expires_at"}
        kept |= {"access_url"}
        bare = {name: value for name, value in document.items() if name in kept}
        video = bare.get("video")
        return {**bare, "video": {"url": video["url"]}} if isinstance(video, dict) else bare
    if manner == "verbose" and isinstance(document, dict):
        return {**dict.fromkeys(NULLS), "x_unknown": {"a": [1]}, **document}
    return document


def framed(
    manner: Manner, status: int, headers: dict[str, str], body: bytes, *, accepts: str
) -> tuple[bytes, bytes, bool]:
    """Head and body as they go over the line, and whether the connection ends with them."""
    version = "HTTP/1.0" if manner == "http10" else "HTTP/1.1"
    lines = dict(headers)
    if manner == "gzip" and "gzip" in accepts:
        body = gzip.compress(body)
        lines |= {"Content-Encoding": "gzip", "Content-Length": str(len(body))}
    elif manner == "chunked":
        del lines["Content-Length"]
        lines["Transfer-Encoding"] = "chunked"
        half = len(body) // 2
        parts = [part for part in (body[:half], body[half:]) if part]
        body = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"
    elif manner == "http10":
        lines = {"Content-Type": lines["Content-Type"]}
    elif manner == "odd_names":
        del lines["Content-Type"]
        lines = {
            name.upper() if n % 2 else name.lower(): text
            for n, (name, text) in enumerate(lines.items())
        }
    told = [f"{version} {status} X", *(f"{name}: {text}" for name, text in lines.items())]
    return "\r\n".join(told).encode() + b"\r\n\r\n", body, manner == "http10"
