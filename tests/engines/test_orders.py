"""From a plan to what a model is asked for: its own inputs, its own frame count, its takes."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from lipsync_kit import schema
from lipsync_kit.catalog import catalog
from lipsync_kit.engines.order import PaidJob
from lipsync_kit.engines.orders import chunk_arguments, paid_jobs
from lipsync_kit.errors import UsageError
from lipsync_kit.ledger import Ledger
from lipsync_kit.project import Layout, load, save
from tests.fal_server.project import make_project


def orders(root: Path, **chosen: Any) -> list[PaidJob]:
    project = load(root)
    with Ledger(Layout(root).ledger) as ledger:
        return paid_jobs(Layout(root), project, catalog()[project.model], ledger, **chosen)


def arguments(root: Path, **changes: Any) -> dict[str, Any]:
    project = load(root).model_copy(update=changes)
    return chunk_arguments(catalog()[project.model], project, project.chunks[0])


@pytest.mark.parametrize(
    ("model", "prompt", "expected"),
    [
        ("fal-ai/bytedance/omnihuman/v1.5", None, {"resolution": "720p"}),
        ("fal-ai/bytedance/omnihuman/v1.5", "smile", {"resolution": "720p", "prompt": "smile"}),
        ("fal-ai/bytedance/omnihuman", "smile", {}),
        ("fal-ai/kling-video/ai-avatar/v2/pro", None, {"prompt": "."}),
        ("veed/fabric-1.0", None, {"resolution": "720p"}),
        ("fal-ai/infinitalk", "talk", {"prompt": "talk", "resolution": "720p", "num_frames": 150}),
        ("fal-ai/hunyuan-avatar", "talk", {"text": "talk", "num_frames": 150}),
        (
            "fal-ai/wan/v2.2-14b/speech-to-video",
            "talk",
            {"prompt": "talk", "resolution": "720p", "num_frames": 96},
        ),
    ],
)
def test_a_model_is_asked_in_its_own_words(
    tmp_path: Path, model: str, prompt: str | None, expected: dict[str, Any]
) -> None:
    root = make_project(
        tmp_path / "p", chunks=1, seconds=6, model=model, resolution="720p", prompt=prompt
    )
    (job,) = orders(root)
    assert job.arguments == expected
    assert set(job.files) == {"image_url", "audio_url"}
    assert job.length == 6


def test_turbo_and_trim_go_along_where_they_are_known(tmp_path: Path) -> None:
    root = make_project(tmp_path / "p", chunks=1)
    assert arguments(root, turbo=True)["turbo_mode"] is True
    assert "turbo_mode" not in arguments(root, turbo=False)
    assert arguments(root, model="fal-ai/bytedance/dreamactor/v2", trim=False) == {
        "trim_first_second": False
    }
    react = arguments(root, model="fal-ai/sync-lipsync/react-1")
    assert react == {"emotion": "neutral", "model_mode": "face", "lipsync_mode": "cut_off"}


def test_words_that_are_needed_are_asked_for(tmp_path: Path) -> None:
    root = make_project(tmp_path / "p", chunks=1, model="fal-ai/echomimic-v3", resolution="720p")
    bare = catalog()["fal-ai/echomimic-v3"].model_copy(update={"default_prompt": None})
    with pytest.raises(UsageError, match="--prompt"):
        chunk_arguments(bare, load(root), load(root).chunks[0])


def test_content_is_what_is_asked_and_not_where_it_stands(tmp_path: Path) -> None:
    one, two = make_project(tmp_path / "one"), make_project(tmp_path / "two")
    contents = [job.content for job in orders(one)]
    assert contents == [job.content for job in orders(two)]
    assert len(set(contents)) == 6
    project = load(two)
    save(two, project.model_copy(update={"prompt": "smile"}))
    assert not set(contents) & {job.content for job in orders(two)}


def test_equal_sounds_are_told_apart_by_their_turn(tmp_path: Path) -> None:
    jobs = orders(make_project(tmp_path / "p", chunks=3, same=True))
    assert len({job.content for job in jobs}) == 3
    assert len({job.files["audio_url"].sha256 for job in jobs}) == 1


def test_stills_are_not_sent(tmp_path: Path) -> None:
    root = make_project(tmp_path / "p", chunks=3)
    project = load(root)
    still = project.chunks[1].model_copy(update={"kind": "still", "path": None, "sha256": None})
    save(root, project.model_copy(update={"chunks": (project.chunks[0], still, project.chunks[2])}))
    assert [job.index for job in orders(root)] == [0, 2]
    with pytest.raises(UsageError, match="still"):
        orders(root, retake=[1])


def test_a_take_that_does_not_exist(tmp_path: Path) -> None:
    root = make_project(tmp_path / "p", chunks=1)
    assert [job.take for job in orders(root)] == [1]
    with pytest.raises(UsageError, match="there is no such take"):
        orders(root, take={0: 2})


def test_dubbing_sends_the_piece_and_the_sound(tmp_path: Path) -> None:
    root = make_project(tmp_path / "p", chunks=1, model="fal-ai/pixverse/lipsync")
    layout = Layout(root)
    layout.piece(0).parent.mkdir(parents=True)
    layout.piece(0).write_bytes(b"video")
    project = load(root).model_copy(update={"task": "dub", "image": None})
    save(root, project)
    (job,) = orders(root)
    assert {name: file.path.name for name, file in job.files.items()} == {
        "video_url": "0000.mp4",
        "audio_url": "0000.wav",
    }


def test_what_it_costs_follows_what_is_sent(tmp_path: Path) -> None:
    root = make_project(tmp_path / "p", chunks=1, seconds=5)
    (job,) = orders(root)
    assert (job.seconds, job.usd) == (5, Fraction("0.80"))
    assert isinstance(load(root), schema.Project)
