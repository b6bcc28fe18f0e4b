"""A driving video into bounds: nothing lost, nothing encoded that fits, sound in sync."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import soundfile

from lipsync_kit.preflight import video_reel
from lipsync_kit.preflight.video import Driving, DrivingOptions, prepare_driving
from lipsync_kit.progress import Silent
from lipsync_kit.project import Layout
from lipsync_kit.timing import SAMPLE_RATE, edge
from tests.preflight.videos import (
    FAST,
    MOTION,
    Make,
    Shown,
    check_prepared,
    ffmpeg,
    packets,
    shown,
    varying,
    video,
)

NTSC = Fraction(30_000, 1001)
VP9 = ("-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8", "-b:v", "1M")
VP9_444 = (*VP9, "-pix_fmt", "yuv444p")
FIELDS = (*FAST, "-flags", "+ilme+ildct", "-x264-params", "tff=1")
TEN_BITS = ("-c:v", "libx265", "-preset", "ultrafast", "-pix_fmt", "yuv420p10le")


@pytest.fixture(autouse=True)
def _nobody_to_look_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Faces take half of the time, and numbered frames have none."""
    monkeypatch.setattr("lipsync_kit.face.find_faces", lambda _: [])


def prepare(source: Path, root: Path, fps: Fraction | None = None, **options: object) -> Driving:
    return prepare_driving(
        source,
        layout=Layout(root),
        fps=fps,
        model=MOTION,
        options=DrivingOptions(**options),  # type: ignore[arg-type]
        progress=Silent(),
    )


def codes(driving: Driving) -> set[str]:
    return {finding.code for finding in driving.findings}


def trimmed(piece: Shown) -> list[int | None]:
    """What a service that leaves out the first second makes of a piece."""
    return [number for number, time in zip(piece.numbers, piece.times, strict=True) if time >= 1]


# Nothing is encoded that fits.


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
def test_a_video_that_fits_is_copied_packet_by_packet(tmp_path: Path, suffix: str) -> None:
    source = video(tmp_path / f"driver{suffix}", output=(*FAST[:3], "fast", *FAST[4:]))
    driving = prepare(source, tmp_path / "p")
    whole = tmp_path / "p" / driving.video.path
    assert packets(whole) == packets(source)
    assert check_prepared(whole, Fraction(25), 50).numbers == list(range(50))
    assert "video_copied" in codes(driving)
    assert driving.video.bytes == whole.stat().st_size


def test_untrimmed_and_short_it_is_sent_as_it_is(tmp_path: Path) -> None:
    source = video(tmp_path / "driver.mp4")
    driving = prepare(source, tmp_path / "p", trim=False)
    assert driving.as_given
    assert packets(tmp_path / "p" / "driving/chunks/0000.mp4") == packets(source)
    (chunk,) = driving.chunks
    assert (chunk.sent_start, chunk.sent_end) == (chunk.start, chunk.end) == (0, 96_000)


def test_a_trembling_clock_is_set_right_without_encoding(tmp_path: Path) -> None:
    source = varying(tmp_path / "phone.mkv", [k * 40 + (k * 7 % 15) for k in range(60)])
    driving = prepare(source, tmp_path / "p")
    assert "video_copied" in codes(driving)
    assert packets(tmp_path / "p/driving/driving.mp4") == packets(source)
    check_prepared(tmp_path / "p/driving/driving.mp4", Fraction(25), 60)


# What does not fit is brought within bounds, no frame lost.

VARIETY = {
    "webm": ("d.webm", Make(output=VP9), (320, 240)),
    "mov_prores": ("d.mov", Make(output=("-c:v", "prores", "-profile:v", "0")), (320, 240)),
    "avi": ("d.avi", Make(output=("-c:v", "mpeg4", "-q:v", "3")), (320, 240)),
    "transport_stream": ("d.ts", Make(output=(*FAST, "-bf", "2")), (320, 240)),
    "ten_bits": ("d.mp4", Make(output=TEN_BITS), (320, 240)),
    "four_four_four": ("d.mp4", Make(output=(*FAST[:-1], "yuv444p")), (320, 240)),
    "odd": ("d.webm", Make(filters="pad=321:241", output=VP9_444), (320, 240)),
    "tiny": ("d.mp4", Make(width=160, height=120), (268, 200)),
    "huge": ("d.mp4", Make(6, 2304, 640, Fraction(10)), (2048, 568)),
    "huge_upright": ("d.mp4", Make(6, 1600, 2400, Fraction(10)), (1364, 2048)),
    "wide_pixels": ("d.mp4", Make(filters="setsar=4/3", height=320), (426, 320)),
    "ntsc": ("d.mp4", Make(rate=NTSC, output=(*FAST, "-bf", "3")), (320, 240)),
    "interlaced": ("d.mp4", Make(output=FIELDS), (320, 240)),
    "full_range": ("d.mp4", Make(output=(*TEN_BITS[:-1], "yuvj420p")), (320, 240)),
}  # fmt: skip


@pytest.mark.parametrize("kind", list(VARIETY))
def test_every_kind_of_video_comes_within_bounds(tmp_path: Path, kind: str) -> None:
    name, make, size = VARIETY[kind]
    source = video(tmp_path / name, make)
    driving = prepare(source, tmp_path / "p")
    seen = check_prepared(tmp_path / "p/driving/driving.mp4", make.rate, make.frames)
    assert seen.numbers == list(range(make.frames))
    assert (seen.width, seen.height) == size == (driving.video.width, driving.video.height)
    assert driving.video.fps == make.rate
    assert driving.video.frames == make.frames
    lead = edge(SAMPLE_RATE, make.rate)
    piece = check_prepared(tmp_path / "p/driving/chunks/0000.mp4", make.rate, make.frames + lead)
    assert piece.numbers == [0] * lead + list(range(make.frames))


@pytest.mark.parametrize("turn", [90, 180, 270])
@pytest.mark.parametrize("mirrored", [False, True])
def test_a_turned_video_is_set_upright(tmp_path: Path, turn: int, mirrored: bool) -> None:
    stored = {90: "transpose=clock", 180: "hflip,vflip", 270: "transpose=cclock"}[turn]
    if mirrored:
        stored = "hflip," + stored
    flat, source = tmp_path / "flat.mp4", tmp_path / "turned.mp4"
    video(flat, width=320, height=256, filters=stored)
    flip = ["-display_hflip"] if mirrored else []
    ffmpeg("-display_rotation", str(turn), *flip, "-i", flat, "-c", "copy", source)
    prepare(source, tmp_path / "p")
    seen = check_prepared(tmp_path / "p/driving/driving.mp4", Fraction(25), 50)
    assert seen.numbers == list(range(50))
    assert (seen.width, seen.height) == (320, 256)


@pytest.mark.parametrize("transfer", ["smpte2084", "arib-std-b67"])
def test_hdr_becomes_sdr_of_the_same_brightness(tmp_path: Path, transfer: str) -> None:
    filters = (
        "setparams=color_primaries=bt709:color_trc=bt709:colorspace=bt709,"
        "zscale=t=linear:npl=203,format=gbrpf32le,"
        f"zscale=p=bt2020:t={transfer}:m=bt2020nc:r=tv:npl=203,format=yuv420p10le"
    )
    tags = f"log-level=error:colorprim=bt2020:transfer={transfer}:colormatrix=bt2020nc"
    source = video(
        tmp_path / "hdr.mp4", filters=filters, frames=25,
        output=(*TEN_BITS, "-crf", "12", "-x265-params", tags, "-tag:v", "hvc1"),
    )  # fmt: skip
    plain = video(tmp_path / "sdr.mp4", frames=25)
    driving = prepare(source, tmp_path / "p")
    seen = check_prepared(tmp_path / "p/driving/driving.mp4", Fraction(25), 25)
    assert seen.numbers == list(range(25))
    difference = np.abs(luma(tmp_path / "p/driving/driving.mp4", 12) - luma(plain, 12))
    assert difference[60:].mean() < 3
    (encoded,) = [f for f in driving.findings if f.code == "video_encoded"]
    assert "HDR" in encoded.message


def test_a_turned_hdr_video_is_set_upright(tmp_path: Path) -> None:
    tags = "log-level=error:colorprim=bt2020:transfer=arib-std-b67:colormatrix=bt2020nc"
    flat, source = tmp_path / "flat.mov", tmp_path / "phone.mov"
    video(
        flat, filters="transpose=clock", output=(*TEN_BITS, "-x265-params", tags, "-tag:v", "hvc1"),
        width=320, height=256, sound="sine=d=2",
    )  # fmt: skip
    ffmpeg("-display_rotation", "90", "-i", flat, "-map", "0", "-c", "copy", source)
    driving = prepare(source, tmp_path / "p")
    seen = check_prepared(tmp_path / "p/driving/driving.mp4", Fraction(25), 50)
    assert seen.numbers == list(range(50))
    assert (seen.width, seen.height) == (320, 256) == (driving.video.width, driving.video.height)


def luma(path: Path, place: int) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    import av

    with av.open(str(path)) as film:
        frames = list(film.decode(video=0))
    rows: np.ndarray[tuple[int, int], np.dtype[np.float32]] = (
        frames[place].to_ndarray(format="yuv420p")[: frames[place].height].astype(np.float32)
    )
    return rows


def test_a_varying_rate_becomes_constant_and_no_frame_is_lost(tmp_path: Path) -> None:
    kept = [k % 7 != 3 for k in range(120)]
    times = [round(k * 1000 / 30) for k in range(120) if kept[k]]
    driving = prepare(varying(tmp_path / "phone.mp4", times), tmp_path / "p")
    seen = check_prepared(tmp_path / "p/driving/driving.mp4", Fraction(30), driving.video.frames)
    # Where the phone dropped a frame, the one before is held.
    assert seen.numbers == (np.cumsum(kept) - 1).tolist()


def test_another_rate_drops_frames_and_says_so(tmp_path: Path) -> None:
    source = video(tmp_path / "d.mp4", rate=Fraction(30), frames=60)
    driving = prepare(source, tmp_path / "p", fps=Fraction(25))
    assert driving.video.fps == 25
    assert driving.video.frames == 50
    (dropped,) = [f for f in driving.findings if f.code == "frames_dropped"]
    assert dropped.data["lost"] == 10


def test_a_video_that_an_edit_list_shortens_shows_what_a_player_shows(tmp_path: Path) -> None:
    flat, source = video(tmp_path / "flat.mp4", output=(*FAST, "-g", "50")), tmp_path / "cut.mp4"
    ffmpeg("-ss", "0.4", "-i", flat, "-c", "copy", source)
    driving = prepare(source, tmp_path / "p")
    seen = shown(tmp_path / "p/driving/driving.mp4")
    assert seen.numbers == list(range(10, 50))
    assert driving.video.frames == 40


def test_a_damaged_frame_is_stood_in_for_and_said(tmp_path: Path) -> None:
    output = ("-c:v", "mjpeg", "-q:v", "3", "-pix_fmt", "yuvj420p")
    source = video(tmp_path / "d.mov", frames=120, output=output)
    whole = bytearray(source.read_bytes())
    victim = packets(source)[70]
    at = whole.find(victim)
    whole[at : at + len(victim)] = bytes(len(victim))
    source.write_bytes(whole)
    driving = prepare(source, tmp_path / "p")
    seen = shown(tmp_path / "p/driving/driving.mp4")
    assert seen.numbers == [*range(70), 69, *range(71, 120)]
    assert "damaged_frames" in codes(driving)


# Splitting: with the lead that a trimming service takes away, and without.


LONG = [
    (Fraction(10), 95),
    (NTSC, 31),
    pytest.param(Fraction(30), 95, marks=pytest.mark.slow),
    pytest.param(Fraction(24_000, 1001), 61, marks=pytest.mark.slow),
]


@pytest.mark.parametrize(("fps", "seconds"), LONG)
def test_trimmed_pieces_join_without_a_lost_or_repeated_frame(
    tmp_path: Path, fps: Fraction, seconds: int
) -> None:
    frames = int(seconds * fps)
    driving = prepare(video(tmp_path / "d.mp4", frames=frames, rate=fps), tmp_path / "p")
    assert "video_copied" in codes(driving)
    joined: list[int | None] = []
    for chunk in driving.chunks:
        sent = edge(chunk.sent_end, fps) - edge(chunk.sent_start, fps)
        piece = check_prepared(tmp_path / "p" / str(chunk.path), fps, sent)
        assert Fraction(sent) / fps <= 30 - 1 / fps
        if chunk.index == 0:
            held = edge(0, fps) - edge(chunk.sent_start, fps)
            assert piece.numbers[: held + 1] == [0] * (held + 1)
        joined += trimmed(piece)
    assert joined == list(range(frames))
    assert len(driving.chunks) > 1
    assert driving.chunks[-1].end == driving.audio.samples


@pytest.mark.parametrize(("fps", "seconds"), LONG)
def test_untrimmed_pieces_join_as_they_are(tmp_path: Path, fps: Fraction, seconds: int) -> None:
    frames = int(seconds * fps)
    source = video(tmp_path / "d.mp4", frames=frames, rate=fps)
    driving = prepare(source, tmp_path / "p", trim=False)
    joined: list[int | None] = []
    for chunk in driving.chunks:
        assert (chunk.sent_start, chunk.sent_end) == (chunk.start, chunk.end)
        joined += shown(tmp_path / "p" / str(chunk.path)).numbers
    assert joined == list(range(frames))


def test_pieces_of_a_video_that_was_encoded_are_copied_out_of_it(tmp_path: Path) -> None:
    source = video(tmp_path / "d.webm", frames=250, output=VP9)
    prepare(source, tmp_path / "p", max_chunk=Fraction(5))
    whole = packets(tmp_path / "p/driving/driving.mp4")
    for piece in sorted((tmp_path / "p/driving/chunks").glob("*.mp4"))[1:]:
        assert set(packets(piece)) <= set(whole)


def test_a_shorter_limit_makes_more_pieces_and_leaves_no_stale_one(tmp_path: Path) -> None:
    source = video(tmp_path / "d.mp4", frames=200)
    many = prepare(source, tmp_path / "p", max_chunk=Fraction(4))
    few = prepare(source, tmp_path / "p")
    assert len(many.chunks) > len(few.chunks) == 1
    assert [path.name for path in (tmp_path / "p/driving/chunks").iterdir()] == ["0000.mp4"]


# Sound.

CLICK = "aevalsrc='if(between(t,1.2,1.21),0.8,0)':s=44100:d=4:c=stereo"


@pytest.mark.parametrize("container", ["d.mp4", "d.mkv", "d.mov"])
def test_the_drivers_sound_stays_in_sync(tmp_path: Path, container: str) -> None:
    output = (*FAST, "-c:a", "aac" if container != "d.mov" else "pcm_s16le", "-shortest")
    source = video(tmp_path / container, frames=75, sound=CLICK, output=output)
    driving = prepare(source, tmp_path / "p")
    assert driving.audio.path == "audio/master.wav"
    data, rate = soundfile.read(tmp_path / "p/audio/master.wav")
    info = soundfile.info(tmp_path / "p/audio/master.wav")
    assert (rate, info.subtype, data.shape) == (SAMPLE_RATE, "PCM_24", (144_000, 2))
    assert driving.audio.samples == 144_000
    assert driving.audio.channels == 2
    loud = np.flatnonzero(np.abs(data[:, 0]) > 0.3)
    assert abs(loud[0] / SAMPLE_RATE - 1.2) < 0.002
    assert np.abs(data).max() == pytest.approx(0.8, abs=0.12)


def test_sound_that_begins_late_stays_late(tmp_path: Path) -> None:
    flat, source = tmp_path / "flat.mkv", tmp_path / "late.mkv"
    video(flat, frames=75, sound=CLICK, output=(*FAST, "-c:a", "pcm_s16le", "-shortest"))
    ffmpeg("-i", flat, "-itsoffset", "0.5", "-i", flat, "-map", "0:v", "-map", "1:a",
           "-c", "copy", source)  # fmt: skip
    prepare(source, tmp_path / "p")
    data, _ = soundfile.read(tmp_path / "p/audio/master.wav")
    assert len(data) == 144_000
    assert abs(np.flatnonzero(np.abs(data[:, 0]) > 0.3)[0] / SAMPLE_RATE - 1.7) < 0.002


def test_picture_that_begins_late_is_not_behind_its_sound(tmp_path: Path) -> None:
    flat, source = tmp_path / "flat.mkv", tmp_path / "late.mkv"
    video(flat, frames=75, sound=CLICK, output=(*FAST, "-c:a", "pcm_s16le", "-shortest"))
    ffmpeg("-itsoffset", "0.4", "-i", flat, "-i", flat, "-map", "0:v", "-map", "1:a",
           "-c", "copy", source)  # fmt: skip
    prepare(source, tmp_path / "p")
    data, _ = soundfile.read(tmp_path / "p/audio/master.wav")
    assert abs(np.flatnonzero(np.abs(data[:, 0]) > 0.3)[0] / SAMPLE_RATE - 0.8) < 0.002


def test_a_silent_driver_counts_the_same_samples(tmp_path: Path) -> None:
    for name, sound, wanted in (
        ("none.mp4", "", True),
        ("zero.mp4", "anullsrc=d=3", True),
        ("unwanted.mp4", CLICK, False),
    ):
        output = (*FAST, "-c:a", "aac", "-shortest") if sound else FAST
        source = video(tmp_path / name, frames=75, sound=sound, rate=NTSC, output=output)
        driving = prepare(source, tmp_path / "p", sound=wanted)
        assert driving.audio.path is None
        assert driving.audio.samples == driving.chunks[-1].end == 75 * 48_000 * 1001 // 30_000
        assert not (tmp_path / "p/audio/master.wav").exists()


# Money and repeats.


def test_what_is_sent_is_what_is_billed(tmp_path: Path) -> None:
    driving = prepare(video(tmp_path / "d.mp4", frames=110), tmp_path / "p")
    assert driving.estimate.billed_seconds == 6  # 4.4 s and the held second
    assert driving.estimate.usd == pytest.approx(0.30)
    untrimmed = prepare(video(tmp_path / "d.mp4", frames=110), tmp_path / "p", trim=False)
    assert untrimmed.estimate.billed_seconds == 5


def test_a_second_run_makes_nothing_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = video(
        tmp_path / "d.webm", frames=75, sound=CLICK, output=(*VP9, "-c:a", "libopus", "-shortest")
    )
    first = prepare(source, tmp_path / "p")
    made = {path: path.stat().st_mtime_ns for path in (tmp_path / "p").rglob("*.*")}

    def never(*_: object, **__: object) -> None:
        raise AssertionError("made again")

    for name in ("encode", "copy"):
        monkeypatch.setattr(video_reel, name, never)
    assert prepare(source, tmp_path / "p") == first
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "p").rglob("*.*")} == made


def test_a_piece_that_was_lost_is_made_again(tmp_path: Path) -> None:
    source = video(tmp_path / "d.mp4")
    first = prepare(source, tmp_path / "p")
    (tmp_path / "p/driving/chunks/0000.mp4").unlink()
    assert prepare(source, tmp_path / "p").chunks[0].sha256 == first.chunks[0].sha256
