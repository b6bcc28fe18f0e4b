"""A user's shell before a loopback fal."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.fal_server.server import FalServer

QUICK = ("--poll-interval", "0.05", "--timeout", "20")


class Shell:
    """A user's shell: any folder, one home."""

    def __init__(self, fal: FalServer, folder: Path) -> None:
        self.folder = folder
        self._environment = {**os.environ, **fal.environment, "XDG_DATA_HOME": str(folder / "data")}

    def run(self, *arguments: object, status: int = 0, without_key: bool = False) -> dict[str, Any]:
        command = [sys.executable, "-m", "lipsync_kit", *map(str, arguments)]
        environment = dict(self._environment)
        if without_key:
            del environment["FAL_KEY"]
        done = subprocess.run(
            command, capture_output=True, text=True, cwd=self.folder, env=environment, check=False
        )
        assert done.returncode == status, done.stderr
        document: dict[str, Any] = json.loads(done.stdout)
        return document
