"""Files that are whole or absent, and work that is not repeated."""

from pathlib import Path

import pytest

from lipsync_kit.errors import SetupError
from lipsync_kit.store import Stamps, Store, atomic, digest_file, digest_json


def test_a_failed_write_leaves_the_old_file_and_no_litter(tmp_path: Path) -> None:
    target = tmp_path / "film.mp4"
    target.write_bytes(b"old")

    def half() -> None:
        with atomic(target) as temporary:
            temporary.write_bytes(b"half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        half()
    assert target.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_finished_write_replaces_the_file(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "film.mp4"
    with atomic(target) as temporary:
        assert temporary.suffix == ".mp4"
        temporary.write_bytes(b"new")
    assert target.read_bytes() == b"new"


def test_a_folder_that_cannot_be_made_is_a_set_up_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(SetupError, match="can't be written"),
        atomic(tmp_path / "file" / "film.mp4") as temporary,
    ):
        temporary.write_bytes(b"")


def test_a_stamp_holds_until_its_file_or_its_key_changes(tmp_path: Path) -> None:
    made = tmp_path / "made.wav"
    made.write_bytes(b"sound")
    Stamps(tmp_path / "stamps.json", tmp_path).mark(made, key="k1", note={"lufs": -16})
    stamps = Stamps(tmp_path / "stamps.json", tmp_path)
    assert stamps.fresh(made, "k1")
    assert stamps.note(made, "k1") == {"lufs": -16}
    assert not stamps.fresh(made, "k2")
    made.write_bytes(b"other sound")
    assert not stamps.fresh(made, "k1")
    made.unlink()
    assert not stamps.fresh(made, "k1")


def test_a_damaged_cache_entry_counts_as_absent(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.save("abcd", {"a": 1})
    assert store.load("abcd") == {"a": 1}
    store.path("abcd", ".json").write_text("{")
    assert store.load("abcd") is None


def test_digests_depend_on_content_alone(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x" * 100)
    (tmp_path / "b").write_bytes(b"x" * 100)
    assert digest_file(tmp_path / "a") == digest_file(tmp_path / "b")
    assert digest_json({"b": 1, "a": [2]}) == digest_json({"a": [2], "b": 1})
