"""The kinds of clips that come back from models, as ffmpeg makes them."""

from __future__ import annotations

from fractions import Fraction

from tests.ground_truth.frames import Make

X264 = ("-c:v", "libx264", "-preset", "veryfast", "-crf", "20")
NTSC = Fraction(30_000, 1001)
SIZE = (320, 192)
LATE = "setpts=PTS+0.3/TB"
DROPPING = "select='not(eq(mod(n,7),3))'"

KINDS: dict[str, Make] = {
    "plain": Make(*SIZE, output=X264),
    "b-frames": Make(*SIZE, output=(*X264, "-bf", "5", "-b_strategy", "0")),
    "no b-frames": Make(*SIZE, output=(*X264, "-bf", "0")),
    "main profile": Make(*SIZE, output=(*X264, "-profile:v", "main")),
    "many references": Make(*SIZE, output=(*X264, "-refs", "6", "-preset", "slow")),
    "sound longer than picture": Make(*SIZE, output=X264, sound=True),
    "30 fps": Make(*SIZE, rate=Fraction(30), output=X264, sound=True),
    "29.97 fps": Make(*SIZE, rate=NTSC, output=X264),
    "24 fps": Make(*SIZE, rate=Fraction(24), output=X264),
    "60 fps": Make(*SIZE, rate=Fraction(60), output=X264),
    "variable rate": Make(*SIZE, output=X264, filters=DROPPING, movie=("-fps_mode", "vfr")),
    "larger": Make(640, 384, output=X264),
    "smaller": Make(160, 96, output=X264),
    "starts late": Make(*SIZE, output=X264, filters=LATE, sound=True),
    "no edit list": Make(*SIZE, output=X264, movie=("-use_editlist", "0")),
    "fragmented": Make(*SIZE, output=X264, movie=("-movflags", "frag_keyframe+empty_moov")),
    "odd timescale": Make(*SIZE, output=X264, movie=("-video_track_timescale", "1000")),
    "HEVC": Make(*SIZE, output=("-c:v", "libx265", "-preset", "ultrafast", "-x265-params",
                                "log-level=none")),
    "4:4:4": Make(*SIZE, output=("-pix_fmt", "yuv444p", *X264)),
    "10 bits": Make(*SIZE, output=("-pix_fmt", "yuv420p10le", *X264)),
    "in-band parameter sets": Make(*SIZE, output=(*X264, "-x264-params", "repeat-headers=1")),
    "open GOPs": Make(*SIZE, output=(*X264, "-g", "20", "-x264-params", "open-gop=1")),
    "BT.709 tags": Make(*SIZE, output=(*X264, "-colorspace", "bt709", "-color_primaries", "bt709",
                                       "-color_trc", "bt709")),
    "intra only": Make(*SIZE, output=(*X264, "-g", "1")),
}  # fmt: skip

COPIED = {
    "plain", "b-frames", "no b-frames", "main profile", "many references",
    "sound longer than picture", "starts late", "no edit list", "fragmented", "odd timescale",
    "in-band parameter sets", "open GOPs", "BT.709 tags", "intra only",
}  # fmt: skip
"""Kinds whose packets can be copied into a 25 fps film of 320 x 192."""
