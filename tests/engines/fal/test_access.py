"""The key goes to the configured hosts and nowhere else, and shows itself to nobody."""

from __future__ import annotations

import copy
import pickle
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lipsync_kit.engines.fal.access import FalSettings, Secret, origin, same_site
from lipsync_kit.errors import AccountError, InputError

FAL = FalSettings(Secret("id:secret-value"))


def test_a_secret_does_not_show() -> None:
    secret = Secret("id:secret-value")
    assert "secret-value" not in f"{secret} {secret!r} {FAL!r} {FAL} {[secret]}"
    assert secret.scrub("bad key id:secret-value!") == "bad key ***!"
    assert secret.reveal() == "id:secret-value"


def test_a_secret_can_not_be_written_away() -> None:
    with pytest.raises(TypeError):
        pickle.dumps(Secret("x"))
    with pytest.raises(TypeError):
        copy.deepcopy(Secret("x"))


@pytest.mark.parametrize(
    "url",
    [
        "http://queue.fal.run/a",
        "https://queue.fal.run.evil.example/a",
        "https://queue.fal.run@evil.example/a",
        "https://evil.example/queue.fal.run/a",
        "https://queue.fal.run:8443/a",
        "https://user:pass@queue.fal.run/a",
        "//evil.example/a",
        "file:///etc/passwd",
        "https://[::1]/a",
        "https://evil.example:99999/a",
        "",
    ],
)
def test_a_reply_does_not_lead_the_key_elsewhere(url: str) -> None:
    pinned = urlsplit(FAL.pin(url))
    assert (pinned.scheme, pinned.netloc) == ("https", "queue.fal.run")


@given(st.text(max_size=60))
def test_whatever_a_reply_says_the_host_is_ours(text: str) -> None:
    for url in (f"https://{text}", f"http://{text}/x", text):
        try:
            pinned = FAL.pin(url)
        except ValueError:  # not a URL at all: nothing is asked
            continue
        assert origin(pinned) in FAL.origins


def test_the_path_is_the_services_own() -> None:
    assert FAL.pin("https://queue.fal.run/fal-ai/x/requests/1/status?logs=1#f") == (
        "https://queue.fal.run/fal-ai/x/requests/1/status?logs=1"
    )
    assert FAL.pin("https://api.fal.ai/v1/models") == "https://api.fal.ai/v1/models"


@pytest.mark.parametrize(
    "url",
    [
        "http://fal.example",
        "ftp://127.0.0.1",
        "https://",
        "https://user@queue.fal.run",
        "https://queue.fal.run/?x=1",
        "https://queue.fal.run:port",
        "queue.fal.run",
    ],
)
def test_a_base_url_that_the_key_may_not_go_to(url: str) -> None:
    with pytest.raises(InputError, match="LIPSYNC_FAL_QUEUE_URL"):
        FalSettings(Secret("x"), queue_url=url)


@pytest.mark.parametrize("host", ["127.0.0.1:8080", "localhost", "[::1]:9", "127.5.0.1"])
def test_plain_http_is_for_this_machine(host: str) -> None:
    made = FalSettings(Secret("x"), queue_url=f"http://{host}/")
    assert made.queue_url == f"http://{host}"


@pytest.mark.parametrize("key", ["two words", "line\nbreak", "schlüssel", "tab\t", "nul\0"])
def test_a_key_that_is_none_is_not_quoted(key: str) -> None:
    with pytest.raises(AccountError) as caught:
        FalSettings(Secret(key)).check_key()
    assert key not in str(caught.value.to_dict())
    assert caught.value.exit_status == 4


def test_without_a_key_the_way_to_one_is_said() -> None:
    with pytest.raises(AccountError, match="FAL_KEY is not set") as caught:
        FalSettings(Secret("")).check_key()
    assert "dashboard/keys" in caught.value.hint


def test_storage_may_use_its_sibling_hosts() -> None:
    assert same_site("https://v3b.fal.media/x", "https://v3.fal.media")
    assert not same_site("http://v3b.fal.media/x", "https://v3.fal.media")
    assert not same_site("https://v3.fal.media.evil.example/x", "https://v3.fal.media")
    assert not same_site("https://fal.media/x", "https://v3.fal.media")
    assert not same_site("https://10.0.0.2/x", "https://127.0.0.1")
    assert not same_site("http://127.0.0.1:2/x", "http://127.0.0.1:1")
