"""A source video as long as its film, in pieces that match the sound frame by frame."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import pytest

from lipsync_kit.plan.dubbing import Fit
from lipsync_kit.preflight import video_reel
from lipsync_kit.preflight.video import DubSource, examine, prepare_source
from lipsync_kit.progress import Silent
from lipsync_kit.project import Layout
from lipsync_kit.schema import Chunk
from lipsync_kit.timing import SAMPLE_RATE, edge, film_frames, grid_sample
from tests.preflight.videos import DUB, FAST, Make, check_prepared, limited, packets, shown, video

NTSC = Fraction(30_000, 1001)
BOUNCE = [*range(50), *range(48, 0, -1), *range(50)]


@pytest.fixture(autouse=True)
def _nobody_to_look_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Faces take half of the time, and numbered frames have none."""
    monkeypatch.setattr("lipsync_kit.face.find_faces", lambda _: [])


def chunk(index: int, start: int, end: int, handle: int = 0) -> Chunk:
    return Chunk(
        index=index, start=start, end=end, sent_start=start - handle, sent_end=end + handle,
        path=f"audio/chunks/{index:04d}.wav",
    )  # fmt: skip


def tiles(samples: int, fps: Fraction, frames: Sequence[int]) -> list[Chunk]:
    """Chunks that are cut at the film's ``frames``."""
    bounds = [0, *(grid_sample(frame, fps) for frame in frames), samples]
    return [chunk(index, *pair) for index, pair in enumerate(pairwise(bounds))]


def prepare(
    source: Path, root: Path, samples: int, cuts: Sequence[int] = (), fit: Fit = "freeze"
) -> DubSource:
    reel = examine(source, DUB)
    length = min(samples, reel.samples) if fit == "cut" else samples
    inside = [frame for frame in cuts if grid_sample(frame, reel.fps) < length]
    return prepare_source(
        reel, layout=Layout(root), model=DUB, samples=length,
        chunks=tiles(length, reel.fps, inside), fit=fit, progress=Silent(),
    )  # fmt: skip


def numbers(root: Path) -> list[int | None]:
    return shown(root / "driving/driving.mp4").numbers


def joined(root: Path) -> list[int | None]:
    pieces = sorted((root / "driving/chunks").glob("*.mp4"))
    return [number for piece in pieces for number in shown(piece).numbers]


SECONDS = SAMPLE_RATE


def test_a_video_as_long_as_its_sound_is_copied(tmp_path: Path) -> None:
    source = video(tmp_path / "s.mp4")
    made = prepare(source, tmp_path / "p", 2 * SECONDS)
    assert packets(tmp_path / "p/driving/driving.mp4") == packets(source)
    assert packets(tmp_path / "p/driving/chunks/0000.mp4") == packets(source)
    assert made.as_given
    assert made.findings[0].code == "video_copied"


@pytest.mark.parametrize(
    ("fit", "expected"),
    [
        ("freeze", [*range(50), *[49] * 75]),
        ("loop", [*range(50), *range(50), *range(25)]),
        ("bounce", BOUNCE[:125]),
    ],
)
def test_a_shorter_video_is_filled(tmp_path: Path, fit: Fit, expected: list[int]) -> None:
    made = prepare(video(tmp_path / "s.mp4"), tmp_path / "p", 5 * SECONDS, [40, 90], fit)
    seen = check_prepared(tmp_path / "p/driving/driving.mp4", Fraction(25), 125)
    assert seen.numbers == expected == joined(tmp_path / "p")
    (filled,) = [f for f in made.findings if f.code == "video_filled"]
    assert filled.severity == "warning"
    assert "3.00 s" in filled.message
    assert filled.data["fit"] == fit


def test_cut_ends_both_with_the_shorter(tmp_path: Path) -> None:
    made = prepare(video(tmp_path / "s.mp4"), tmp_path / "p", 5 * SECONDS, [40, 90], "cut")
    assert made.video.frames == 50
    assert numbers(tmp_path / "p") == joined(tmp_path / "p") == list(range(50))
    assert len(made.pieces) == 2
    assert not {"video_filled", "video_cut"} & {f.code for f in made.findings}


def test_a_longer_video_ends_with_the_sound(tmp_path: Path) -> None:
    source = video(tmp_path / "s.mp4", frames=100, output=(*FAST, "-bf", "3"))
    made = prepare(source, tmp_path / "p", 2 * SECONDS + 5000, [20])
    frames = film_frames(2 * SECONDS + 5000, Fraction(25))
    check_prepared(tmp_path / "p/driving/driving.mp4", Fraction(25), frames)
    assert numbers(tmp_path / "p") == joined(tmp_path / "p") == list(range(frames))
    assert "video_cut" in {f.code for f in made.findings}


@pytest.mark.parametrize("fps", [Fraction(25), NTSC, Fraction(24_000, 1001), Fraction(50)])
def test_pieces_have_exactly_their_tiles_frames(tmp_path: Path, fps: Fraction) -> None:
    source = video(tmp_path / "s.mp4", frames=90, rate=fps)
    samples = grid_sample(90, fps)
    prepare(source, tmp_path / "p", samples, [7, 41, 42, 66])
    assert joined(tmp_path / "p") == list(range(90))
    lengths = [7, 34, 1, 24, 24]
    for index, length in enumerate(lengths):
        check_prepared(tmp_path / f"p/driving/chunks/{index:04d}.mp4", fps, length)


def test_pieces_of_an_encoded_video_are_copied_out_of_it(tmp_path: Path) -> None:
    output = ("-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8", "-b:v", "1M")
    source = video(tmp_path / "s.webm", output=output)
    prepare(source, tmp_path / "p", 2 * SECONDS, [13, 29])
    whole = packets(tmp_path / "p/driving/driving.mp4")
    pieces = sorted((tmp_path / "p/driving/chunks").glob("*.mp4"))
    assert [packet for piece in pieces for packet in packets(piece)] == whole


def test_a_piece_lies_under_all_the_sound_that_is_sent(tmp_path: Path) -> None:
    reel = examine(video(tmp_path / "s.mp4", frames=100), DUB)
    handle = 12 * 1920 + 960
    first = chunk(0, 0, 40 * 1920).model_copy(update={"sent_end": 40 * 1920 + handle})
    second = chunk(1, 40 * 1920, 100 * 1920)
    second = second.model_copy(update={"sent_start": 40 * 1920 - handle})
    prepare_source(
        reel, layout=Layout(tmp_path / "p"), model=DUB, samples=100 * 1920,
        chunks=[first, second], fit="freeze", progress=Silent(),
    )  # fmt: skip
    one, two = (shown(tmp_path / f"p/driving/chunks/000{index}.mp4") for index in (0, 1))
    assert one.numbers == list(range(edge(first.sent_end, Fraction(25))))
    assert two.numbers == list(range(edge(second.sent_start, Fraction(25)), 100))


def test_no_piece_is_larger_than_the_model_takes(tmp_path: Path) -> None:
    noisy = Make(filters="noise=alls=60:allf=t", frames=100)
    source = video(tmp_path / "s.mp4", noisy)
    model = limited(DUB, max_bytes=400_000)
    reel = examine(source, model)
    prepare_source(
        reel, layout=Layout(tmp_path / "p"), model=model, samples=4 * SECONDS,
        chunks=tiles(4 * SECONDS, Fraction(25), [50]), fit="freeze", progress=Silent(),
    )  # fmt: skip
    sizes = [path.stat().st_size for path in (tmp_path / "p/driving/chunks").iterdir()]
    assert source.stat().st_size > 800_000
    assert all(200_000 < size <= 400_000 for size in sizes)


def test_bouncing_hdr_goes_through_sdr_once(tmp_path: Path) -> None:
    filters = (
        "setparams=color_primaries=bt709:color_trc=bt709:colorspace=bt709,"
        "zscale=t=linear:npl=203,format=gbrpf32le,"
        "zscale=p=bt2020:t=arib-std-b67:m=bt2020nc:r=tv:npl=203,format=yuv420p10le"
    )
    tags = "log-level=error:colorprim=bt2020:transfer=arib-std-b67:colormatrix=bt2020nc"
    source = video(
        tmp_path / "s.mp4", filters=filters,
        output=("-c:v", "libx265", "-preset", "ultrafast", "-pix_fmt", "yuv420p10le",
                "-x265-params", tags),
    )  # fmt: skip
    prepare(source, tmp_path / "p", 5 * SECONDS, [60], "bounce")
    assert numbers(tmp_path / "p") == BOUNCE[:125]
    assert [path.name for path in (tmp_path / "p/driving").glob("*.mp4")] == ["driving.mp4"]


def test_a_second_run_makes_nothing_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = video(tmp_path / "s.mp4")
    first = prepare(source, tmp_path / "p", 3 * SECONDS, [20])

    def never(*_: object, **__: object) -> None:
        raise AssertionError("made again")

    for name in ("encode", "copy"):
        monkeypatch.setattr(video_reel, name, never)
    assert prepare(source, tmp_path / "p", 3 * SECONDS, [20]) == first


def test_other_sound_of_the_same_length_keeps_the_whole(tmp_path: Path) -> None:
    source = video(tmp_path / "s.webm", output=("-c:v", "libvpx", "-deadline", "realtime"))
    prepare(source, tmp_path / "p", 2 * SECONDS, [20])
    before = (tmp_path / "p/driving/driving.mp4").stat().st_mtime_ns
    prepare(source, tmp_path / "p", 2 * SECONDS, [33])
    assert (tmp_path / "p/driving/driving.mp4").stat().st_mtime_ns == before
    assert joined(tmp_path / "p") == list(range(50))
