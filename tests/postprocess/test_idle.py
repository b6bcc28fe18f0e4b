"""The clip of a silence that was not sent: it goes on, leads over, and never stands still."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
import soundfile

from lipsync_kit.postprocess.conform import Look
from lipsync_kit.postprocess.idle_clip import Footage, Idle, make_idle
from lipsync_kit.postprocess.idle_draw import Idler, life_of
from lipsync_kit.postprocess.idle_plan import Moment
from lipsync_kit.postprocess.morph import Still, displaced
from lipsync_kit.postprocess.rest import Rest, at_rest, silences
from lipsync_kit.postprocess.survey import on_grid, survey
from tests.ground_truth.frames import Make, encode
from tests.postprocess.test_seams import HEIGHT, MAKE, WIDTH, pan, view

FPS = Fraction(25)
LOOK = Look(WIDTH, HEIGHT, FPS)


def decoded(path: Path) -> list[Still]:
    with av.open(str(path)) as film:
        return [Still.of(frame) for frame in film.decode(video=0)]


def steps(stills: Sequence[Still]) -> list[float]:
    return [one.step(two) for one, two in pairwise(stills)]


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two clips of one thing that moves, seen from two places."""
    folder = tmp_path_factory.mktemp("clips")
    passes = [pan(10, 40, 0.6), pan(60, 40, 0.6)]
    return [encode(folder / f"{n}.mp4", p, len(p), MAKE) for n, p in enumerate(passes)]


def between(clips: Sequence[Path], frames: int, pause: int = 12) -> Idle:
    footage = (
        Footage(clips[0], Rest(40 - pause, 40), dwells=pause > 7),
        Footage(clips[1], Rest(0, pause), dwells=pause > 7),
    )
    return Idle(footage, frames, LOOK, after=True, before=True)


@pytest.mark.parametrize("pause", [12, 1])
def test_it_goes_on_and_leads_over(clips: Sequence[Path], tmp_path: Path, pause: int) -> None:
    out = tmp_path / "idle.mp4"
    make_idle(between(clips, 150, pause), out)
    made, early, late = decoded(out), decoded(clips[0]), decoded(clips[1])
    own = float(np.median(steps(early)))
    assert len(made) == 150
    assert early[-1].step(made[0]) <= own
    assert made[-1].step(late[0]) <= own
    inside = steps(made)
    assert max(inside) < 2.5 * own
    for at in range(len(inside) - 25):
        assert sum(inside[at : at + 25]) > 0.3  # a frozen second has 0
    assert min(still.sharpness for still in made) > 0.5 * early[-1].sharpness


@pytest.mark.parametrize("frames", [1, 2, 3, 9, 26, 61])
def test_short_ones_are_exact_too(clips: Sequence[Path], tmp_path: Path, frames: int) -> None:
    out = tmp_path / "idle.mp4"
    make_idle(between(clips, frames), out)
    made = survey(out)
    assert made.frames == frames
    assert on_grid(made, FPS)
    assert not made.obstacle


def test_at_the_films_beginning_and_end(clips: Sequence[Path], tmp_path: Path) -> None:
    ends, begins = between(clips, 70).footage
    first, last = tmp_path / "first.mp4", tmp_path / "last.mp4"
    make_idle(Idle((begins,), 70, LOOK, after=False, before=True), first)
    make_idle(Idle((ends,), 70, LOOK, after=True, before=False), last)
    early, late = decoded(first), decoded(last)
    own = float(np.median(steps(decoded(clips[0]))))
    assert (len(early), len(late)) == (70, 70)
    assert early[-1].step(decoded(clips[1])[0]) <= own
    assert late[0].step(decoded(clips[0])[-1]) <= own
    assert max(steps(early) + steps(late)) < 2 * own


def test_a_long_one_costs_little_more(clips: Sequence[Path], tmp_path: Path) -> None:
    long = tmp_path / "long.mp4"
    make_idle(between(clips, 15_000), long)
    made = survey(long)
    assert made.frames == 15_000
    with av.open(str(long)) as film:
        packets = [bytes(packet) for packet in film.demux(film.streams.video[0]) if packet.size]
    assert len(set(packets)) < 900


def test_clips_of_another_size_and_rate(clips: Sequence[Path], tmp_path: Path) -> None:
    small = Make(240, 144, Fraction(30), output=("-c:v", "libx264", "-crf", "14"))
    planes = [np.full((216, 240), 40 + 3 * n, np.uint8) for n in range(40)]
    other = encode(tmp_path / "other.mp4", planes, 40, small)
    footage = (Footage(other, Rest(20, 33)), Footage(clips[1], Rest(0, 12)))
    out = tmp_path / "idle.mp4"
    make_idle(Idle(footage, 90, LOOK, after=True, before=True), out)
    made = survey(out)
    assert (made.width, made.height, made.frames) == (WIDTH, HEIGHT, 90)


def test_a_breath_moves_the_middle_and_not_the_edges(portrait: Path) -> None:
    picture = cv2.cvtColor(cv2.imread(str(portrait)), cv2.COLOR_BGR2YUV_I420)
    still = Still(np.asarray(picture, np.uint8))
    life = life_of(still)
    assert np.abs(life).max() < 0.01
    assert life[0, ..., 1].min() < -0.001
    for field in life:
        edges = np.concatenate([field[0], field[-1], field[:, 0], field[:, -1]])
        assert np.abs(edges).max() < 1e-4
    idler = Idler([still], life)
    assert (idler.draw(Moment(0, 0, 0)).planes == still.planes).all()
    assert idler.draw(Moment(0, 1, 0)).step(still) > 0.2
    assert idler.draw(Moment(0, 0, 1)).step(still) > 0.1


def test_places_move_where_a_field_says() -> None:
    plane = view(20)[:HEIGHT].astype(np.float32)
    field = np.zeros((12, 20, 2), np.float32)
    field[..., 0], field[..., 1] = 7 / WIDTH, -3 / HEIGHT
    moved = displaced(plane, field)
    wanted = np.roll(plane, (-3, 7), (0, 1))
    assert np.abs(moved - wanted)[10:-10, 10:-10].max() < 0.01


def test_silences_leave_lips_time_to_close(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    sound = 1e-4 * rng.standard_normal(48_000 * 4)
    speech = slice(48_000, 2 * 48_000)
    sound[speech] += 0.1 * rng.standard_normal(48_000)
    path = tmp_path / "chunk.wav"
    soundfile.write(path, sound, 48_000)
    before, after = silences(path, FPS, 100)
    assert (before.first, after.end) == (0, 100)
    assert 20 <= before.end <= 23
    assert 53 <= after.first <= 57


def test_a_mouth_that_moves_does_not_rest() -> None:
    silent = [Rest(0, 6), Rest(50, 54)]
    openings = [[0.01, 0.012, 0.2, 0.2, 0.01, 0.011], [0.012, 0.01, 0.011, 0.15]]
    assert at_rest(silent, openings) == [Rest(0, 2), Rest(4, 6), Rest(50, 53)]
    unseen = [[float("nan")] * 6, [float("nan")] * 4]
    assert at_rest(silent, unseen) == silent
