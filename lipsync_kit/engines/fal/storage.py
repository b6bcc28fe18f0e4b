"""Sending files to fal's storage: a short-lived token for the key, then the bytes.

The file's name is its digest, so it is ASCII whatever the user called it. There is no
fallback to another storage: a failure is said, not worked around with the key in hand.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from lipsync_kit.engines.base import PassingFault
from lipsync_kit.engines.fal.access import Secret
from lipsync_kit.engines.fal.complaints import account_error, read_complaint
from lipsync_kit.engines.fal.wire import Reply, Wire
from lipsync_kit.errors import EngineError, InputError

MEDIA_TYPES = {
    ".wav": "audio/wav",
    ".mp3": "audio/mpeg",
    ".m4a": "audio/mp4",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".png": "image/png",
    ".webp": "image/webp",
    ".mp4": "video/mp4",
    ".mov": "video/quicktime",
    ".webm": "video/webm",
}
BLOCK = 1 << 20
PARTS_FROM = 100 * 1024 * 1024
"""Files larger than this go up in parts, as fal asks."""
TOKEN_MARGIN = 30.0
"""Seconds before its end at which a token is no longer used."""


@dataclass(frozen=True)
class _Token:
    value: Secret
    expires: float


class Storage:
    """Uploads through one :class:`~lipsync_kit.engines.fal.wire.Wire`."""

    def __init__(self, wire: Wire, parts_from: int = PARTS_FROM) -> None:
        self._wire = wire
        self._parts_from = parts_from
        self._guard = threading.Lock()
        self._token: _Token | None = None

    def send(self, path: Path, sha256: str) -> str:
        """Upload a file and return its URL.

        Raises :class:`~lipsync_kit.engines.base.PassingFault` when it may be tried again.
        """
        try:
            size = path.stat().st_size
        except OSError as error:
            raise InputError(
                f"{path}: can't be sent: {error.strerror}.",
                code="missing",
                hint="Run prep again; it makes what is missing.",
            ) from error
        name = f"{sha256[:32]}{path.suffix.lower()}"
        media_type = MEDIA_TYPES.get(path.suffix.lower(), "application/octet-stream")
        if size > self._parts_from:
            return self._send_parts(path, name, media_type)
        headers = {
            "Authorization": f"Bearer {self._fresh_token().reveal()}",
            "Content-Type": media_type,
            "Content-Length": str(size),
            "X-Fal-File-Name": name,
            "Accept": "application/json",
        }
        url = f"{self._wire.settings.cdn_url}/files/upload"
        return self._access_url(self._wire.send_file(url, _blocks(path), headers))

    def _access_url(self, reply: Reply) -> str:
        if reply.status in {401, 403}:
            self._forget_token()
            raise PassingFault(f"the storage refused its token (HTTP {reply.status})")
        if not reply.ok:
            complaint = read_complaint(reply)
            raise EngineError(f"fal's storage refused the file: {complaint.sentence}")
        url = reply.record().get("access_url")
        if not isinstance(url, str) or not url.startswith(("https://", "http://")):
            raise PassingFault("the storage did not say where the file is")
        return url

    def _send_parts(self, path: Path, name: str, media_type: str) -> str:
        """Upload in parts with fal's own client, over connections of ours."""
        import httpx
        from fal_client.client import FalClientHTTPError, MultipartUpload

        token = self._fresh_token()
        with self._wire.parts_client() as client:
            upload = MultipartUpload(
                file_name=name,
                client=client,
                token_manager=_Tokens(token.reveal(), self._wire.settings.cdn_url),  # type: ignore[arg-type]
                content_type=media_type,
            )
            try:
                upload.create()
                with path.open("rb") as file:
                    for number, data in enumerate(iter(lambda: file.read(upload.chunk_size), b"")):
                        upload.upload_part(number + 1, data)
                return str(upload.complete())
            except FalClientHTTPError as error:
                raise PassingFault(f"the storage: HTTP {error.status_code}") from None
            except (httpx.HTTPError, KeyError, ValueError) as error:
                raise PassingFault(f"the storage: {type(error).__name__}") from None

    def _fresh_token(self) -> Secret:
        with self._guard:
            if self._token is None or self._token.expires < time.time() + TOKEN_MARGIN:
                self._token = self._ask_token()
            return self._token.value

    def _forget_token(self) -> None:
        with self._guard:
            self._token = None

    def _ask_token(self) -> _Token:
        url = f"{self._wire.settings.rest_url}/storage/auth/token?storage_type=fal-cdn-v3"
        reply = self._wire.ask("POST", url, json={})
        if reply.status in {401, 402, 403}:
            raise account_error(read_complaint(reply))
        if not reply.ok:
            raise EngineError(f"fal gives no upload token: {read_complaint(reply).sentence}")
        document = reply.record()
        value = document.get("token")
        if not isinstance(value, str):
            raise PassingFault("the storage sent no token")
        return _Token(Secret(value), _unix(document.get("expires_at")))


@dataclass(frozen=True)
class _FixedToken:
    token: str
    token_type: str
    base_upload_url: str


class _Tokens:
    """What fal's multipart upload asks for a token: ours, at the configured storage."""

    def __init__(self, token: str, base: str) -> None:
        self._token = _FixedToken(token, "Bearer", base)

    def get_token(self) -> _FixedToken:
        return self._token


def _blocks(path: Path) -> Callable[[], Iterator[bytes]]:
    def read() -> Iterator[bytes]:
        with path.open("rb") as file:
            while block := file.read(BLOCK):
                yield block

    return read


def _unix(text: object) -> float:
    """An ISO 8601 time as Unix seconds; a minute from now when it can't be read."""
    try:
        return datetime.fromisoformat(str(text)).timestamp()
    except ValueError:
        return time.time() + 60
