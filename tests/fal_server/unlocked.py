"""Collect a project's clips without its lock: ``python -m tests.fal_server.unlocked ROOT``."""

from __future__ import annotations

import sys
from pathlib import Path

from lipsync_kit.catalog import catalog
from lipsync_kit.engines.fal.engine import FalEngine
from lipsync_kit.engines.orders import paid_jobs
from lipsync_kit.engines.remote import RemoteOptions, collect
from lipsync_kit.ledger import Ledger
from lipsync_kit.paid import fal_settings
from lipsync_kit.progress import Silent
from lipsync_kit.project import Layout, load
from lipsync_kit.settings import load_settings


def main(root: Path) -> int:
    project, layout = load(root), Layout(root)
    engine = FalEngine(fal_settings(load_settings()))
    with Ledger(layout.ledger) as ledger:
        work = paid_jobs(layout, project, catalog()[project.model], ledger)
        receipt = collect(engine, ledger, work, RemoteOptions(0.05, 30), Silent())
    engine.close()
    print([row.state for row in receipt.chunks], receipt.error)
    return 0 if receipt.error is None else receipt.error.exit_status


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
