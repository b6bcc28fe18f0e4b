"""The containers that may be opened: media only.

Playlists, concat scripts and image-sequence patterns are left out on purpose: they can name
other files or hosts.
"""

from __future__ import annotations

DEMUXERS = (
    "aac", "ac3", "adts", "aiff", "amr", "ape", "asf", "au", "avi", "caf", "dts", "eac3",
    "f32le", "f64le", "flac", "flv", "gif", "h264", "hevc", "ivf", "loas", "m4v", "matroska",
    "matroska,webm", "mjpeg", "mov", "mov,mp4,m4a,3gp,3g2,mj2", "mp3", "mp4", "mpeg", "mpegts",
    "mpegvideo", "mxf", "nut", "oga", "ogg", "opus", "rawvideo", "rm", "s16le", "s24le", "s32le",
    "tta", "voc", "w64", "wav", "webm", "wv", "yuv4mpegpipe",
)  # fmt: skip
