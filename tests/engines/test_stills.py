"""Clips of silences that were not sent: what they are made of, and when they are made anew."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
import soundfile

from lipsync_kit import schema
from lipsync_kit.engines.stills import still_clips
from lipsync_kit.errors import InputError
from lipsync_kit.postprocess import StitchOptions, stitch
from lipsync_kit.postprocess.morph import Still
from lipsync_kit.progress import Silent
from lipsync_kit.project import Layout
from lipsync_kit.store import digest_file
from lipsync_kit.timing import SAMPLE_RATE
from tests.ground_truth.frames import Make, encode
from tests.postprocess.test_seams import MAKE, pan, view

FPS = Fraction(25)
SECOND = SAMPLE_RATE


class Room:
    """A talk project whose chunks are ``kinds``: 3 s that are sent, 2 s that are not.

    ``pause``: seconds of silence at both ends of what is sent, of chunk 0 ``first`` seconds.
    """

    def __init__(
        self,
        root: Path,
        kinds: str,
        pause: float = 0.7,
        first: float | None = None,
        silence: int = 2,
    ) -> None:
        self.layout = Layout(root)
        self.clips: dict[int, Path] = {}
        made, at = [], 0
        for index, kind in enumerate(kinds):
            talk = kind == "t"
            end = at + (3 if talk else silence) * SECOND
            quiet = pause if index or first is None else first
            path = self._speech(index, quiet) if talk else None
            made.append(
                schema.Chunk(
                    index=index,
                    start=at,
                    end=end,
                    sent_start=at,
                    sent_end=end,
                    path=None if path is None else self.layout.relative(path),
                    kind="talk" if talk else "still",
                    pause_ms=1500,
                    sha256=None if path is None else digest_file(path),
                )
            )
            if talk:
                self.clip(index, 10 + 25 * index)
            at = end
        self.project = schema.Project(
            task="talk",
            model="m",
            fps=FPS,
            audio=schema.Audio(path=None, sample_rate=SAMPLE_RATE, samples=at),
            chunks=tuple(made),
            estimate=schema.Estimate(billed_seconds=1, usd=1.0),
        )

    def _speech(self, index: int, pause: float) -> Path:
        path = self.layout.sound(index)
        path.parent.mkdir(parents=True, exist_ok=True)
        rng = np.random.default_rng(index)
        loud = np.full(3 * SECOND, 1e-4)
        loud[round(pause * SECOND) : round((3 - pause) * SECOND)] = 0.1
        soundfile.write(path, loud * rng.standard_normal(3 * SECOND), SAMPLE_RATE, "PCM_16")
        return path

    def clip(self, index: int, start: float, make: Make = MAKE, frames: int = 75) -> None:
        path = self.layout.root / f"{index}.mp4"
        self.clips[index] = encode(path, pan(start, frames, 0.5), frames, make)

    def stills(self) -> dict[int, Path]:
        return still_clips(self.layout, self.project, self.clips)

    def film(self, stills: dict[int, Path]) -> list[Still]:
        from lipsync_kit import film

        tiles = film.tiles(self.project, {**self.clips, **stills}, handles=True)
        out = self.layout.root / "film.mp4"
        options = StitchOptions()
        made = stitch(tiles, fps=FPS, master=None, out=out, options=options, progress=Silent())
        assert max(seam.score for seam in made.seams) < 2
        return decoded(out)


def decoded(path: Path) -> list[Still]:
    with av.open(str(path)) as film:
        return [Still.of(frame) for frame in film.decode(video=0)]


def check(frames: Sequence[Still], count: int) -> None:
    """So many frames, of which none jumps and no second stands still."""
    assert len(frames) == count
    steps = [one.step(two) for one, two in pairwise(frames)]
    own = float(np.median([one.step(two) for one, two in pairwise(map(Still, pan(10, 9, 0.5)))]))
    assert max(steps) < 3 * own
    assert min(sum(steps[at : at + 25]) for at in range(len(steps) - 24)) > 0.25


@pytest.mark.parametrize("kinds", ["tst", "stts", "sst", "tss"])
def test_they_hide_among_the_clips(tmp_path: Path, kinds: str) -> None:
    room = Room(tmp_path, kinds)
    made = room.stills()
    assert sorted(made) == [index for index, kind in enumerate(kinds) if kind == "s"]
    check(room.film(made), 75 * kinds.count("t") + 50 * kinds.count("s"))


def test_where_no_clip_pauses_the_frame_breathes(tmp_path: Path) -> None:
    room = Room(tmp_path, "tst", pause=0)
    check(room.film(room.stills()), 200)


def test_a_third_clip_lends_its_pause(tmp_path: Path) -> None:
    room = Room(tmp_path, "ttst", pause=0, first=1.0, silence=6)
    (path,) = room.stills().values()
    still = decoded(path)
    assert len(still) == 150
    lent = Still(view(10 + 0.5 * 11))  # from the middle of the first clip's first pause
    assert min(frame.step(lent) for frame in still[40:110]) < 3


def test_clips_of_other_rates_and_sizes(tmp_path: Path) -> None:
    room = Room(tmp_path, "tsts")
    fast = replace(MAKE, rate=Fraction(30))
    room.clip(2, 60, fast, frames=90)
    made = room.stills()
    check(room.film(made), 250)
    other = cv2.resize(view(80), (160, 144))
    small = Make(160, 96, output=("-c:v", "libx264", "-crf", "14"))
    room.clips[2] = encode(tmp_path / "small.mp4", [other] * 75, 75, small)
    for path in room.stills().values():
        assert decoded(path)[0].planes.shape == view(0).shape


def test_they_are_made_once(tmp_path: Path) -> None:
    room = Room(tmp_path, "tstst")
    before = {index: (path, path.stat().st_mtime_ns) for index, path in room.stills().items()}
    left = before[1][0].parent / ".idle-left-by-a-run-that-was-killed"
    left.mkdir()
    again = {index: (path, path.stat().st_mtime_ns) for index, path in room.stills().items()}
    assert not left.exists()
    assert again == before
    room.clip(4, 200)
    changed = room.stills()
    assert changed[1] == before[1][0]
    assert changed[3] != before[3][0]
    assert not before[3][0].exists()  # nobody asks for it any more


def test_a_dubbed_video_goes_on_by_itself(tmp_path: Path) -> None:
    room = Room(tmp_path, "tst")
    piece = tmp_path / "driving" / "chunks" / "0001.mp4"
    still = room.project.chunks[1].model_copy(update={"video": "driving/chunks/0001.mp4"})
    chunks = (room.project.chunks[0], still, room.project.chunks[2])
    room.project = room.project.model_copy(update={"chunks": chunks, "task": "dub"})
    assert room.stills() == {1: piece}


def test_nothing_but_silence_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="counts as silence") as said:
        Room(tmp_path, "s").stills()
    assert "--skip-silence" in said.value.hint
