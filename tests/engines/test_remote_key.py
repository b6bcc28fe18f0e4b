"""Every byte that leaves or is stored: the key is in one header, to the configured hosts."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from tests.fal_server import FalServer, Stranger
from tests.fal_server.command import Left, finish, render_argv, start
from tests.fal_server.jobs import Failure
from tests.fal_server.project import make_project
from tests.fal_server.server import KEY, Seen

pytestmark = pytest.mark.slow

FORMS = (KEY, KEY.partition(":")[2], base64.b64encode(KEY.encode()).decode()[:30])


def holds_key(data: bytes | str) -> bool:
    raw = data.encode() if isinstance(data, str) else data
    return any(form.encode() in raw for form in FORMS)


def check_sent(fal: FalServer, stranger: Stranger) -> None:
    assert not any(holds_key(repr(seen)) for seen in stranger.seen)
    for seen in fal.seen:
        rest = Seen(seen.method, seen.path, {**seen.headers, "authorization": ""}, seen.body)
        assert not holds_key(repr(rest)), seen.path
        public = seen.path.startswith(("/clips/", "/uploads/", "/files/"))
        assert holds_key(seen.headers.get("authorization", "")) == (not public), seen.path


def check_stored(folders: Iterable[Path]) -> int:
    files = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    assert [path for path in files if holds_key(path.read_bytes())] == []
    return len(files)


def check_said(left: Left) -> None:
    assert not holds_key(left.stdout)
    assert not holds_key(left.stderr)


def quoting(status: int) -> Failure:
    return Failure(status, {"detail": [{"loc": ["body"], "msg": f"bad key {KEY}", "type": "x"}]})


FAULTS: list[tuple[str, Any, dict[str, Any]]] = [
    ("token", "stranger", {}),
    ("submit", "stranger", {"times": 2}),
    ("submit", "drop_after", {}),
    ("result", "stranger", {}),
    ("status", "status_before", {"status": 500, "body": {"detail": f"no {KEY}"}}),
    ("status", "status_before", {"status": 401, "body": {"detail": f"no {KEY}"}}),
    ("list", "status_before", {"status": 403, "body": {"detail": f"no {KEY}"}}),
]


def test_the_key_stays_where_it_belongs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Stranger() as stranger, FalServer(run_seconds=0.1, page=3) as fal:
        root = make_project(tmp_path / "p", chunks=4)
        fal.stranger_url = stranger.url
        fal.logs = [f"using {KEY}"]
        fal.counter.failures[1] = quoting(422)
        for step, kind, details in FAULTS:
            fal.fault(step, kind, **details)
        for name in ("status", "result"):
            there = {"status": 307, "headers": {"Location": f"{stranger.url}/x"}}
            fal.fault(name, "status_before", **there)
        cache, config = tmp_path / "cache", tmp_path / "config"
        monkeypatch.setenv("LIPSYNC_CACHE_DIR", str(cache))
        monkeypatch.setenv("XDG_CONFIG_HOME", str(config))
        monkeypatch.setenv("HOME", str(tmp_path / "home"))
        statuses = []
        for more in ([], [], ["--retake", "0,1,2,3"], []):
            argv = render_argv(root, "--logs", "--timeout", "5", *more)
            left = finish(start(fal, argv, tmp_path))
            statuses.append(left.status)
            check_said(left)
        for command in ("jobs", "cancel"):
            argv = [*render_argv(root)[:3], command, str(root)]
            check_said(finish(start(fal, argv, tmp_path)))
        assert statuses[0] != 0
        assert statuses[-1] == 0
        assert len(fal.seen) > 40
        check_sent(fal, stranger)
        assert check_stored([tmp_path]) > 20


def test_a_key_from_a_file_is_read_and_not_executed(tmp_path: Path) -> None:
    with Stranger() as stranger, FalServer(run_seconds=0.0) as fal:
        root = make_project(tmp_path / "p", chunks=1)
        desk = tmp_path / "desk"
        desk.mkdir()
        (desk / ".env").write_text(f"FAL_KEY={KEY}\nX=$(touch {desk}/executed)\n")
        process = start(fal, render_argv(root), desk, without=("FAL_KEY",))
        left = finish(process)
        assert left.status == 0, left.stderr
        check_said(left)
        check_sent(fal, stranger)
        check_stored([root])
        assert not (desk / "executed").exists()


def test_a_wrong_key_is_not_quoted(tmp_path: Path) -> None:
    with FalServer() as fal:
        root = make_project(tmp_path / "p", chunks=1)
        left = finish(start(fal, render_argv(root), tmp_path, FAL_KEY="other-id:other-secret"))
        assert left.status == 4
        assert "other-secret" not in left.stdout + left.stderr
        bad = finish(start(fal, render_argv(root), tmp_path, FAL_KEY="two words-secret"))
        assert bad.status == 4
        assert "words-secret" not in bad.stdout + bad.stderr
