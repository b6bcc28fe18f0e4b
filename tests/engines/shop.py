"""What `render` puts together, for tests: a project, its ledger, an engine, a listener."""

from __future__ import annotations

import threading
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from lipsync_kit.catalog import catalog
from lipsync_kit.engines.fal.engine import FalEngine
from lipsync_kit.engines.order import PaidJob, Receipt, RemoteOptions
from lipsync_kit.engines.orders import paid_jobs
from lipsync_kit.engines.remote import collect, job_rows
from lipsync_kit.errors import (
    LipsyncError,
)
from lipsync_kit.ledger import Ledger
from lipsync_kit.project import Layout, load
from tests.engines.fal.conftest import settings_for
from tests.fal_server import FalServer
from tests.fal_server.project import make_project

QUICK = RemoteOptions(poll_interval=0.02, timeout=10)


class Notes:
    """What a person was told."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.advanced = 0.0
        self.threads: set[int] = set()

    def task(self, *_: Any, **__: Any) -> AbstractContextManager[Notes]:
        return nullcontext(self)

    def advance(self, amount: float = 1.0) -> None:
        self.advanced += amount

    def note(self, message: str) -> None:
        self.threads.add(threading.get_ident())
        self.lines.append(message)

    def told(self, words: str) -> int:
        return sum(words in line for line in self.lines)


class Shop:
    """A project, its ledger and an engine: what `render` puts together."""

    def __init__(self, root: Path, fal: FalServer, **project: Any) -> None:
        self.root = make_project(root, **{"chunks": 3, **project})
        self.layout = Layout(self.root)
        self.fal = fal
        self.notes = Notes()

    def work(self, ledger: Ledger, **chosen: Any) -> list[PaidJob]:
        project = load(self.root)
        return paid_jobs(self.layout, project, catalog()[project.model], ledger, **chosen)

    def run(self, options: RemoteOptions = QUICK, **chosen: Any) -> Receipt:
        self.notes = Notes()
        engine = FalEngine(settings_for(self.fal))
        with Ledger(self.layout.ledger) as ledger:
            try:
                return collect(
                    engine, ledger, self.work(ledger, **chosen), options, self.notes, self.arrived
                )
            finally:
                engine.close()

    def arrived(self, job: PaidJob, clip: Path) -> None:
        assert clip == job.clip
        assert clip.stat().st_size > 0

    def rows(self) -> list[dict[str, Any]]:
        with Ledger(self.layout.ledger) as ledger:
            return job_rows(ledger, self.work(ledger))


def failed(receipt: Receipt, kind: type[LipsyncError]) -> LipsyncError:
    error = receipt.error
    assert type(error) is kind, error
    return error
