"""The ledger: one job is paid once, whoever asks and whatever dies."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import pytest

from lipsync_kit.engines.base import Ref
from lipsync_kit.errors import InputError, SetupError
from lipsync_kit.ledger import VERSION, Attempt, Intent, Ledger


def intent(content: str = "c0", take: int = 1, chunk: int = 0) -> Intent:
    arguments = {"audio_url": f"https://files/{content}", "turbo_mode": True}
    return Intent(content, take, chunk, "fal", "m", arguments, 30, Fraction("4.8"))


def ref(name: str) -> Ref:
    return Ref(name, f"https://q/{name}/status", f"https://q/{name}", f"https://q/{name}/cancel")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "hidden" / "ledger.db"


@pytest.fixture
def ledger(path: Path) -> Iterator[Ledger]:
    with Ledger(path) as opened:
        yield opened


def intended(ledger: Ledger, *args: object) -> Attempt:
    made = ledger.intend(intent(*args))  # type: ignore[arg-type]
    assert made is not None
    return made


def test_an_intent_holds_what_is_sent_to_the_last_bit(ledger: Ledger, path: Path) -> None:
    made = intended(ledger)
    with Ledger(path) as other:
        seen = other.get(made.id)
    assert seen == made
    assert seen.state == "intent"
    assert seen.arguments == {"audio_url": "https://files/c0", "turbo_mode": True}
    assert seen.planned_usd == Fraction("4.8")


def test_every_commit_is_flushed_to_disk(ledger: Ledger) -> None:
    pragma = ledger._db.execute
    assert pragma("PRAGMA journal_mode").fetchone()[0] == "wal"
    assert pragma("PRAGMA synchronous").fetchone()[0] == 2
    assert pragma("PRAGMA user_version").fetchone()[0] == VERSION


def test_a_job_has_one_live_attempt(ledger: Ledger) -> None:
    first = intended(ledger)
    assert ledger.intend(intent()) is None
    ledger.submit(first, ref("r1"))
    assert ledger.intend(intent()) is None
    ledger.finish(ledger.get(first.id), "c0-1.mp4", 30, Fraction("4.8"))
    assert ledger.intend(intent()) is None


def test_another_take_is_another_job(ledger: Ledger) -> None:
    intended(ledger, "c0", 1)
    intended(ledger, "c0", 2)
    assert ledger.last_take("c0") == 2
    assert ledger.last_take("never") == -1


@pytest.mark.parametrize("end", ["rejected", "lost", "failed", "cancelled"])
def test_what_ended_without_a_clip_may_be_sent_again(ledger: Ledger, end: str) -> None:
    first = intended(ledger)
    if end == "rejected":
        ledger.reject(first, {"message": "no"})
    elif end == "lost":
        ledger.lose(first, "gave up")
    else:
        ledger.submit(first, ref("r1"))
        ledger.fail(ledger.get(first.id), end, {"message": "no"}, charge="none")  # type: ignore[arg-type]
    second = intended(ledger)
    latest = ledger.latest("c0", 1)
    assert latest is not None
    assert latest.id == second.id


def test_a_request_belongs_to_one_attempt(ledger: Ledger) -> None:
    one, two = intended(ledger, "c0"), intended(ledger, "c1")
    assert ledger.submit(one, ref("r1"))
    assert not ledger.submit(two, ref("r1"))
    assert ledger.get(two.id).state == "intent"
    assert ledger.knows("fal", "r1")
    assert not ledger.knows("fal", "r2")


def test_a_stale_process_undoes_nothing(ledger: Ledger, path: Path) -> None:
    stale = intended(ledger)
    with Ledger(path) as other:
        other.submit(other.get(stale.id), ref("r1"))
    assert not ledger.lose(stale, "gave up")
    assert not ledger.reject(stale, {"message": "no"})
    assert not ledger.submit(stale, ref("r2"))
    assert ledger.get(stale.id).ref == ref("r1")


def test_a_move_that_makes_no_sense_is_a_bug(ledger: Ledger) -> None:
    made = intended(ledger)
    with pytest.raises(ValueError, match="from intent to done"):
        ledger.finish(made, "x.mp4", 1, Fraction(1))


def test_an_expired_result_may_come_back(ledger: Ledger) -> None:
    made = intended(ledger)
    ledger.submit(made, ref("r1"))
    ledger.fail(
        ledger.get(made.id), "failed", {"code": "result_expired"}, charge="billed", barred=True
    )
    failed = ledger.get(made.id)
    assert failed.barred
    assert failed.billed_usd == Fraction("4.8")
    assert ledger.finish(failed, "c0-1.mp4", 31, Fraction("4.96"))
    done = ledger.get(made.id)
    assert (done.state, done.barred, done.error, done.billed_seconds) == ("done", False, None, 31)


def test_a_result_that_comes_back_too_late_leaves_the_newer_attempt(ledger: Ledger) -> None:
    old = intended(ledger)
    ledger.submit(old, ref("r1"))
    ledger.fail(ledger.get(old.id), "failed", {"message": "no"}, charge="none")
    newer = intended(ledger)
    assert not ledger.finish(ledger.get(old.id), "c0-1.mp4", 30, Fraction(1))
    latest = ledger.latest("c0", 1)
    assert latest is not None
    assert latest.id == newer.id


def test_money_is_exact(ledger: Ledger) -> None:
    made = intended(ledger)
    ledger.submit(made, ref("r1"))
    ledger.finish(ledger.get(made.id), "c.mp4", 7, Fraction(7, 60))
    assert ledger.get(made.id).billed_usd == Fraction(7, 60)


def test_an_upload_is_known_at_its_own_place(ledger: Ledger) -> None:
    ledger.keep_upload("https://cdn", "a" * 64, "https://cdn/1")
    assert ledger.upload("https://cdn", "a" * 64) == "https://cdn/1"
    assert ledger.upload("https://other", "a" * 64) is None
    ledger.drop_upload("https://cdn", "https://cdn/1")
    assert ledger.upload("https://cdn", "a" * 64) is None


def test_a_newer_ledger_is_left_alone(path: Path) -> None:
    Ledger(path).close()
    database = sqlite3.connect(path)
    database.execute(f"PRAGMA user_version = {VERSION + 1}")
    database.close()
    with pytest.raises(InputError, match="newer lipsync-kit"):
        Ledger(path)


def test_a_damaged_ledger_is_not_replaced(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"this is not a database, but it was somebody's money" * 100)
    before = path.read_bytes()
    with pytest.raises(InputError, match="damaged"):
        Ledger(path)
    assert path.read_bytes() == before


def test_a_folder_that_is_none_is_said(tmp_path: Path) -> None:
    (tmp_path / "hidden").write_text("a file")
    with pytest.raises(SetupError, match="can't be written"):
        Ledger(tmp_path / "hidden" / "ledger.db")


SCRAMBLE = """
import sys
from fractions import Fraction
from pathlib import Path
from lipsync_kit.ledger import Intent, Ledger
with Ledger(Path(sys.argv[1])) as ledger:
    sys.stdin.readline()
    for job in range(25):
        made = ledger.intend(Intent(f"c{job}", 1, job, "fal", "m", {}, 1, Fraction(1)))
        print("won" if made else "lost", job)
"""


def test_of_eight_processes_one_gets_the_permission(path: Path) -> None:
    crowd = [
        subprocess.Popen(
            [sys.executable, "-c", SCRAMBLE, str(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(8)
    ]
    said = []
    for one in crowd:
        assert one.stdin is not None
        one.stdin.write("go\n")
        one.stdin.flush()
    for one in crowd:
        said += one.communicate()[0].splitlines()
        assert one.returncode == 0
    assert sorted(line for line in said if line.startswith("won")) == sorted(
        f"won {job}" for job in range(25)
    )


DIE = """
import os, signal, sys
from fractions import Fraction
from pathlib import Path
from lipsync_kit.ledger import Intent, Ledger
ledger = Ledger(Path(sys.argv[1]))
ledger.intend(Intent("c0", 1, 0, "fal", "m", {}, 1, Fraction(1)))
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.skipif(os.name == "nt", reason="there is no SIGKILL")
def test_an_intent_outlives_its_process(path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", DIE, str(path)], check=False)
    assert done.returncode == -signal.SIGKILL
    with Ledger(path) as ledger:
        assert [one.state for one in ledger.attempts()] == ["intent"]
        assert ledger.intend(intent()) is None
