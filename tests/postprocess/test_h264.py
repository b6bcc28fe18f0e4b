"""H.264 bytes: parameter sets read and renumbered, slices that decode to the same pixels."""

from __future__ import annotations

from pathlib import Path

import av
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lipsync_kit.media import h264
from lipsync_kit.media.h264 import Renumbering
from tests.ground_truth.frames import Make, make_clip

ENCODINGS = {
    "high": ("-preset", "medium"),
    "main": ("-profile:v", "main"),
    "baseline": ("-profile:v", "baseline"),
    "several slices": ("-x264-params", "slices=4"),
    "full range tags": ("-color_range", "pc"),
    "601 tags": ("-colorspace", "smpte170m", "-color_primaries", "smpte170m", "-color_trc",
                 "smpte170m"),
    "only a matrix": ("-colorspace", "bt709"),
    "no SEI": ("-bsf:v", "filter_units=remove_types=6"),
}  # fmt: skip


def clip_of(folder: Path, name: str) -> tuple[h264.ParameterSets, list[av.Packet]]:  # type: ignore[type-arg]
    output = ("-c:v", "libx264", "-crf", "24", *ENCODINGS[name])
    clip = make_clip(folder / "clip.mp4", 3, 30, Make(208, 112, output=output))
    with av.open(str(clip)) as container:
        stream = container.streams.video[0]
        sets = h264.parse_avcc(bytes(stream.codec_context.extradata or b""))
        return sets, [packet for packet in container.demux(stream) if packet.size]


def decode(sets: h264.ParameterSets, samples: list[bytes]) -> list[bytes]:
    decoder = av.CodecContext.create("h264", "r")
    decoder.extradata = h264.build_avcc([sets])
    frames = []
    for data in [*samples, None]:
        packet = None if data is None else av.Packet(data)
        frames += [frame.to_ndarray().tobytes() for frame in decoder.decode(packet)]  # type: ignore[attr-defined]
    return frames


@pytest.mark.parametrize("name", ENCODINGS)
def test_renumbered_slices_decode_to_the_same_pixels(tmp_path: Path, name: str) -> None:
    sets, packets = clip_of(tmp_path, name)
    own = decode(sets, [bytes(packet) for packet in packets])
    for pps in (15, 22, 30):
        new = Renumbering({0: 7}, {0: pps})
        samples = [
            h264.join_prefixed(h264.renumber_sample(h264.split_prefixed(bytes(packet)), new))
            for packet in packets
        ]
        renumbered = h264.renumber_sets(sets, new)
        assert h264.parse_sps(renumbered.sps[0]).id == 7
        assert h264.pps_ids(renumbered.pps[0]) == (pps, 7)
        assert len(own) == 30
        assert decode(renumbered, samples) == own


@pytest.mark.parametrize("name", ENCODINGS)
def test_tagging_changes_what_was_not_said_and_no_pixel(tmp_path: Path, name: str) -> None:
    sets, packets = clip_of(tmp_path, name)
    before = h264.parse_sps(sets.sps[0])
    tagged = h264.tag_bt709(sets.sps[0])
    after = h264.parse_sps(tagged)
    expected = tuple(1 if own == 2 else own for own in before.colour)
    assert after.colour == expected
    assert (after.width, after.height, after.full_range) == (208, 112, before.full_range)
    assert h264.tag_bt709(tagged) == tagged
    samples = [bytes(packet) for packet in packets]
    tagged_sets = h264.ParameterSets((tagged,), sets.pps)
    assert decode(tagged_sets, samples) == decode(sets, samples)


def test_an_sps_without_vui_gets_one(tmp_path: Path) -> None:
    sets, packets = clip_of(tmp_path, "baseline")
    bare = without_vui(sets.sps[0])
    assert h264.parse_sps(bare).colour == (2, 2, 2)
    tagged = h264.tag_bt709(bare)
    assert h264.parse_sps(tagged).colour == (1, 1, 1)
    samples = [bytes(packet) for packet in packets]
    frames = decode(h264.ParameterSets((tagged,), sets.pps), samples)
    assert frames == decode(sets, samples)


def without_vui(nal: bytes) -> bytes:
    """The SPS cut off before its VUI, which a flag bit announces."""
    facts = h264.parse_sps(nal)
    bits = h264.Bits.of(h264.unescape(nal[1:]))
    for end in range(bits.at + 40, len(bits.text)):
        text = bits.text[:end] + "0" + "1"
        text += "0" * (-len(text) % 8)
        candidate = nal[:1] + h264.escape(int(text, 2).to_bytes(len(text) // 8, "big"))
        try:
            same = h264.parse_sps(candidate)
        except h264.Malformed:
            continue
        if bits.text[end] == "1" and (same.width, same.height) == (facts.width, facts.height):
            return candidate
    raise AssertionError("no VUI found")


def test_avcc_round_trip(tmp_path: Path) -> None:
    sets, _ = clip_of(tmp_path, "high")
    assert h264.parse_avcc(h264.build_avcc([sets])) == sets


@given(st.binary(max_size=60), st.integers(0, 20))
def test_escaping_round_trip(data: bytes, zeros: int) -> None:
    rbsp = data + b"\0" * zeros + b"\x80"
    escaped = h264.escape(rbsp)
    assert h264.unescape(escaped) == rbsp
    assert all(code not in escaped for code in (b"\0\0\0", b"\0\0\1", b"\0\0\2"))


@given(st.lists(st.binary(min_size=1, max_size=40).map(lambda b: b"\x65" + b + b"\x80")))
def test_annex_b_and_prefixes_hold_the_same_units(units: list[bytes]) -> None:
    units = [unit[:1] + h264.escape(unit[1:]) for unit in units]
    stream = b"".join(b"\0\0\0\1" + unit for unit in units)
    assert h264.split_annex_b(stream) == units
    assert list(h264.split_prefixed(h264.join_prefixed(units))) == units


@given(st.integers(0, 100_000))
def test_exp_golomb_round_trip(value: int) -> None:
    assert h264.Bits(h264.ue_bits(value)).ue() == value


@given(st.integers(0, 30))
def test_later_ids_are_eight_bits_longer(old: int) -> None:
    ids = h264.later_ids(old)
    assert ids
    assert {len(h264.ue_bits(new)) - len(h264.ue_bits(old)) for new in ids} == {8}


@given(st.sampled_from([b"", b"\x67", b"\x68", b"\x01"]), st.binary(max_size=80))
def test_garbage_is_malformed_or_read(head: bytes, data: bytes) -> None:
    for read in (h264.parse_avcc, h264.parse_sps, h264.pps_ids):
        try:
            read(head + data)
        except h264.Malformed:
            pass
