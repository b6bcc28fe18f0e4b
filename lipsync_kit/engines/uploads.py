"""Each file goes up once, however many chunks use it and however many runs it takes."""

from __future__ import annotations

import threading

from lipsync_kit.engines.base import RemoteEngine
from lipsync_kit.engines.order import PaidFile
from lipsync_kit.ledger import Ledger


class Uploads:
    """The uploads of one run, by digest; earlier runs' are in the ledger.

    An earlier upload is used again when the service still holds it, and is sent anew when it
    has expired.
    """

    def __init__(self, engine: RemoteEngine, ledger: Ledger) -> None:
        self._engine = engine
        self._ledger = ledger
        self._guard = threading.Lock()
        self._locks: dict[str, threading.Lock] = {}
        self._urls: dict[str, str] = {}

    def url(self, file: PaidFile) -> str:
        """The file's URL, after sending it if need be.

        Raises :class:`~lipsync_kit.engines.base.PassingFault` when it can't be sent just now.
        """
        with self._guard:
            lock = self._locks.setdefault(file.sha256, threading.Lock())
        with lock:
            if file.url is not None and not self._ledger.shunned(file.url):
                return file.url
            known = self._urls.get(file.sha256) or self._earlier(file.sha256)
            if known is None:
                known = self._engine.upload(file.path, file.sha256)
                self._ledger.keep_upload(self._engine.place, file.sha256, known)
            self._urls[file.sha256] = known
            return known

    def _earlier(self, sha256: str) -> str | None:
        url = self._ledger.upload(self._engine.place, sha256)
        if url is not None and self._engine.holds(url) is False:
            self._ledger.drop_upload(self._engine.place, url)
            return None
        return url

    def forget(self, url: str) -> None:
        """The service could not load this: send its file when it is next used."""
        self._ledger.shun(url)
        self._ledger.drop_upload(self._engine.place, url)
        with self._guard:
            self._urls = {sha: known for sha, known in self._urls.items() if known != url}
