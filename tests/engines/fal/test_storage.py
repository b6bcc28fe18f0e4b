"""Files go up once, under ASCII names, with their right types, and without the key."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lipsync_kit.engines.base import PassingFault
from lipsync_kit.engines.fal.engine import FalEngine
from lipsync_kit.engines.fal.storage import Storage
from lipsync_kit.engines.fal.wire import Wire
from lipsync_kit.errors import AccountError, EngineError, InputError
from lipsync_kit.store import digest_file
from tests.engines.fal.conftest import settings_for
from tests.fal_server import FalServer
from tests.fal_server.server import KEY


def make(folder: Path, name: str, data: bytes = b"media " * 1000) -> tuple[Path, str]:
    path = folder / name
    path.write_bytes(data)
    return path, digest_file(path)


@pytest.mark.parametrize(
    ("name", "media_type"),
    [
        ("Erzählung №1.wav", "audio/wav"),
        ("портрет.PNG", "image/png"),
        ("p.jpg", "image/jpeg"),
        ("d.mp4", "video/mp4"),
        ("d.mov", "video/quicktime"),
    ],
)
def test_names_are_ascii_and_types_are_right(
    fal: FalServer, engine: FalEngine, tmp_path: Path, name: str, media_type: str
) -> None:
    path, sha256 = make(tmp_path, name)
    url = engine.upload(path, sha256)
    (seen,) = fal.asked("POST", "/files/upload")
    assert seen.body == path.read_bytes()
    assert seen.headers["content-type"] == media_type
    assert seen.headers["x-fal-file-name"] == sha256[:32] + path.suffix.lower()
    assert int(seen.headers["content-length"]) == len(seen.body)
    assert engine.holds(url) is True


def test_the_bytes_go_with_the_token_and_the_key_stays(
    fal: FalServer, engine: FalEngine, tmp_path: Path
) -> None:
    for name in ("a.wav", "b.wav"):
        engine.upload(*make(tmp_path, name, name.encode()))
    assert len(fal.asked("POST", "/storage/auth/token")) == 1
    for seen in fal.asked("POST", "/files/upload"):
        assert seen.headers["authorization"] == "Bearer upload-token"
        assert KEY not in str(seen)


def test_a_token_that_names_another_host_is_used_at_ours(
    fal: FalServer, engine: FalEngine, tmp_path: Path
) -> None:
    fal.fault("token", "stranger")
    engine.upload(*make(tmp_path, "a.wav"))
    assert len(fal.asked("POST", "/files/upload")) == 1


@pytest.mark.parametrize("step", ["token", "upload"])
@pytest.mark.parametrize("kind", ["drop_before", "status_before", "garbage", "truncate"])
def test_an_upload_that_stumbles_is_sent_again(
    fal: FalServer, engine: FalEngine, tmp_path: Path, step: str, kind: Any
) -> None:
    fal.fault(step, kind)
    path, sha256 = make(tmp_path, "a.wav")
    assert engine.upload(path, sha256).startswith(fal.url)


def test_there_is_no_way_round_a_storage_that_is_down(
    fal: FalServer, engine: FalEngine, tmp_path: Path
) -> None:
    fal.fault("upload", "status_before", status=503, times=99)
    with pytest.raises(PassingFault, match="503"):
        engine.upload(*make(tmp_path, "a.wav"))
    assert {seen.path.split("?")[0] for seen in fal.seen} == {
        "/storage/auth/token",
        "/files/upload",
    }


def test_a_token_that_was_revoked_is_asked_for_anew(
    fal: FalServer, engine: FalEngine, tmp_path: Path
) -> None:
    fal.fault("upload", "status_before", status=401, body={"detail": "expired"})
    engine.upload(*make(tmp_path, "a.wav"))
    assert len(fal.asked("POST", "/storage/auth/token")) == 2


def test_a_file_that_is_refused_is_an_error(
    fal: FalServer, engine: FalEngine, tmp_path: Path
) -> None:
    fal.fault("upload", "status_before", status=413, body={"detail": "too large"})
    with pytest.raises(EngineError, match="too large"):
        engine.upload(*make(tmp_path, "a.wav"))


def test_a_wrong_key_is_said_at_the_token(fal: FalServer, tmp_path: Path) -> None:
    engine = FalEngine(settings_for(fal, "another:key"))
    with pytest.raises(AccountError, match="refused the key"):
        engine.upload(*make(tmp_path, "a.wav"))
    engine.close()


def test_a_file_that_is_gone_names_the_way_out(engine: FalEngine, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"a\.wav"):
        engine.upload(tmp_path / "a.wav", "0" * 64)


def test_an_upload_that_expired_is_noticed(
    fal: FalServer, engine: FalEngine, tmp_path: Path
) -> None:
    url = engine.upload(*make(tmp_path, "a.wav"))
    fal.counter.uploads_expired = True
    assert engine.holds(url) is False
    assert all("authorization" not in seen.headers for seen in fal.asked("HEAD", "/uploads/"))


def test_large_files_go_up_in_parts(fal: FalServer, tmp_path: Path) -> None:
    wire = Wire(settings_for(fal))
    path, sha256 = make(tmp_path, "a.mp4", bytes(range(256)) * 90_000)  # 23 MB: three parts
    url = Storage(wire, parts_from=1_000_000).send(path, sha256)
    wire.close()
    key = url.partition("/uploads/")[2]
    assert fal.counter.files[key] == path.read_bytes()
    assert fal.counter.file_types[key] == (f"{sha256[:32]}.mp4", "video/mp4")
    assert len(fal.asked("PUT", "/multipart/")) == 3
    parts = [*fal.asked("PUT", "/multipart/"), *fal.asked("POST", "/multipart")]
    assert KEY not in str([seen.headers for seen in parts])
