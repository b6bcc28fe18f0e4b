"""Inputs by URL: fetched from where they may be, and from nowhere else."""

import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from lipsync_kit.errors import FetchRefused, InputError
from lipsync_kit.media import fetch as room
from lipsync_kit.media.fetch import check_address, fetch


class _Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path.startswith("/a.wav"):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"RIFF" * 1000)
        elif self.path == "/hop":
            self.send_response(302)
            self.send_header("Location", "/a.wav")
            self.end_headers()
        elif self.path == "/round":
            self.send_response(302)
            self.send_header("Location", "/round")
            self.end_headers()
        elif self.path == "/file":
            self.send_response(302)
            self.send_header("Location", "file:///etc/hostname")
            self.end_headers()
        else:
            self.send_error(404)

    def log_message(self, *_: object) -> None:
        """Keep quiet."""


@pytest.fixture
def server() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as httpd:
        thread = threading.Thread(target=httpd.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{httpd.server_port}"
        httpd.shutdown()
        thread.join()


def test_a_download_arrives_whole(server: str, tmp_path: Path) -> None:
    path = fetch(f"{server}/a.wav?token=1", "audio", tmp_path, allow_private=True)
    assert path.read_bytes() == b"RIFF" * 1000
    assert path.suffix == ".wav"


def test_a_redirect_is_followed(server: str, tmp_path: Path) -> None:
    path = fetch(f"{server}/hop", "audio", tmp_path, allow_private=True)
    assert len(path.read_bytes()) == 4000


@pytest.mark.parametrize("where", ["/round", "/file"])
def test_a_redirect_leads_nowhere_else(server: str, tmp_path: Path, where: str) -> None:
    with pytest.raises(FetchRefused):
        fetch(server + where, "audio", tmp_path, allow_private=True)


def test_a_private_address_is_refused_unless_allowed(server: str, tmp_path: Path) -> None:
    with pytest.raises(FetchRefused, match=r"127\.0\.0\.1") as caught:
        fetch(f"{server}/a.wav", "audio", tmp_path)
    assert caught.value.exit_status == 3
    assert "--allow-private" in caught.value.hint


@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "ftp://example.com/a", "http://", "x", "http://[::1"]
)
def test_other_schemes_are_refused(url: str, tmp_path: Path) -> None:
    with pytest.raises(FetchRefused):
        fetch(url, "audio", tmp_path, allow_private=True)


def test_a_download_past_the_limit_is_refused_and_leaves_nothing(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(room.MAX_BYTES, "audio", 100)
    with pytest.raises(FetchRefused, match="larger"):
        fetch(f"{server}/a.wav", "audio", tmp_path, allow_private=True)
    assert not list((tmp_path / "fetched").iterdir())


def test_what_the_server_does_not_have_is_said_without_the_query(
    server: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="404") as caught:
        fetch(f"{server}/none?signature=secret", "audio", tmp_path, allow_private=True)
    assert "secret" not in caught.value.message


@pytest.mark.parametrize(
    "address",
    [
        "10.0.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "::1",
        "::ffff:10.0.0.1",
        "0.0.0.0",
        "224.0.0.1",
    ],
)
def test_one_address_that_is_not_public_is_one_too_many(address: str) -> None:
    with pytest.raises(FetchRefused):
        check_address("host", allow_private=False, resolve=lambda _: ["93.184.216.34", address])


def test_the_connection_goes_to_the_address_that_was_checked() -> None:
    found = check_address("host", allow_private=False, resolve=lambda _: ["93.184.216.34"])
    assert found == "93.184.216.34"
