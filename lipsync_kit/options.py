"""The command line's shape: which command takes which option.

argparse rather than a larger library: ``--help`` has to answer at once, and importing one
would cost more than everything else that ``--help`` does.
"""

from __future__ import annotations

import argparse
import re

from lipsync_kit.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:  # not from typing: importing it would double the time of --help
    from decimal import Decimal
    from fractions import Fraction
    from pathlib import Path
    from typing import NoReturn


class Parser(argparse.ArgumentParser):
    """A parser whose complaints are our own errors."""

    def error(self, message: str) -> NoReturn:
        """Raise :class:`~lipsync_kit.errors.UsageError` in place of exiting."""
        raise UsageError(f"{self.prog}: {message}.", hint=f"See {self.prog} --help.")


def positive(text: str) -> float:
    """A positive, finite number."""
    return float(_above_zero(text))


def seconds(text: str) -> Fraction:
    """A positive number of seconds, exactly."""
    from fractions import Fraction

    return Fraction(_above_zero(text))


def usd(text: str) -> Decimal:
    """An amount of money, zero or more."""
    value = _number(text)
    if value < 0:
        raise argparse.ArgumentTypeError(f"{text} is below zero")
    return value


def loudness(text: str) -> float:
    """A loudness target in LUFS."""
    value = _number(text)
    if not -40 <= value <= -8:
        raise argparse.ArgumentTypeError(f"{text} is not between -40 and -8 LUFS")
    return float(value)


def count(text: str) -> int:
    """A whole number from 1."""
    if not re.fullmatch(r"[0-9]{1,6}", text) or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a whole number from 1")
    return int(text)


def place(text: str) -> int:
    """A whole number from 0."""
    if not re.fullmatch(r"[0-9]{1,6}", text):
        raise argparse.ArgumentTypeError(f"{text} is not a whole number from 0")
    return int(text)


def indexes(text: str) -> tuple[int, ...]:
    """Chunk indexes: ``3,7``."""
    if not re.fullmatch(r"\d{1,6}(,\d{1,6})*", text):
        raise argparse.ArgumentTypeError(f"{text} is not a list of chunk indexes, such as 3,7")
    return tuple(dict.fromkeys(int(part) for part in text.split(",")))


def take(text: str) -> tuple[int, int]:
    """A chunk's index and the take to use: ``3=1``."""
    if not re.fullmatch(r"\d{1,6}=[1-9]\d{0,5}", text):
        raise argparse.ArgumentTypeError(f"{text} is not CHUNK=TAKE, such as 3=1")
    index, _, number = text.partition("=")
    return int(index), int(number)


def colour(text: str) -> str:
    """A colour as ``#rrggbb``."""
    if not re.fullmatch(r"#?[0-9a-fA-F]{6}", text):
        raise argparse.ArgumentTypeError(f"{text} is not a colour, such as #808080")
    return "#" + text.removeprefix("#").lower()


def path(text: str) -> Path:
    """A local path."""
    from pathlib import Path

    return Path(text)


def _above_zero(text: str) -> Decimal:
    value = _number(text)
    if value <= 0:
        raise argparse.ArgumentTypeError(f"{text} is not above zero")
    return value


def _number(text: str) -> Decimal:
    from decimal import Decimal, InvalidOperation

    try:
        value = Decimal(text)
    except InvalidOperation:
        raise argparse.ArgumentTypeError(f"{text} is not a number") from None
    if not value.is_finite():
        raise argparse.ArgumentTypeError(f"{text} is not a number")
    return value


INPUTS = {
    "image": "portrait or character",
    "audio": "speech; a video's sound will do",
    "video": "driving video, or the video to dub",
}


def build(command: str | None) -> Parser:
    """The parser of the whole program; only ``command``'s own options are filled in."""
    parser = Parser(
        prog="lipsync-kit",
        description="A portrait and a long narration in, one seamless talking video out. "
        "Every command prints one JSON document on stdout and everything else on stderr.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="store_true", help="print the version")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", parser_class=Parser)
    for name, (text, fill) in COMMANDS.items():
        own = commands.add_parser(name, help=text, description=text, allow_abbrev=False)
        if name == command:
            fill(own)
    return parser


def _project(parser: Parser) -> None:
    parser.add_argument("project", metavar="PROJECT", type=path, help="the project's folder")


def _prep(parser: Parser) -> None:
    _project(parser)
    add = parser.add_argument
    add("--image", metavar="FILE", type=path, help="portrait")
    add(
        "--audio",
        metavar="FILE",
        action="append",
        help="narration, or the new speech of a dub; a video's sound will do. Again as "
        "fr=fr.wav de=de.wav, it makes one project per language",
    )
    add("--video", metavar="FILE", type=path, help="driving video, or the video to dub")
    for role in ("image", "audio", "video"):
        add(f"--{role}-url", metavar="URL", help=f"{role} by URL, downloaded first")
    add("--allow-private", action="store_true", help="let a URL name a private address")
    add("--model", "-m", metavar="ID", help="model of the catalogue (see `models`)")
    add("--prompt", "-p", metavar="TEXT", help="a direction for models that take one")
    add("--resolution", choices=("1080p", "720p"), help="1080p (default) or 720p")
    add("--turbo", action="store_true", default=None, help="faster, rougher; for trials")
    add("--no-trim", dest="trim", action="store_false", default=None, help="motion: keep 1st s")
    add("--no-sound", dest="sound", action="store_false", default=None, help="motion: silent film")
    add("--fps", metavar="R", help="25 (talk) or the video's; 30, 30000/1001, 24000/1001")
    add("--denoise", choices=("auto", "off", "on"), help="auto (default), off or on")
    add(
        "--deliver-sound",
        choices=("clean", "original"),
        help="what is heard in the film where the sound was cleaned: that (default), or as it came",
    )
    add("--lufs", metavar="N", type=loudness, help="loudness target, -16 by default")
    add(
        "--level",
        action="store_true",
        default=None,
        help="even out speakers or sections more than 6 LU apart",
    )
    add("--max-chunk", metavar="SECONDS", type=seconds, help="longest piece, within the model's")
    add("--skip-silence", metavar="SECONDS", type=seconds, help="do not send longer silences")
    add(
        "--prefer",
        choices=("cost", "seams", "quality"),
        help="cut for the fewest billed seconds (cost, default), the fewest seams, or where seams "
        "hide best (quality)",
    )
    add("--fit", choices=("freeze", "loop", "bounce", "cut"), help="dub: a video that is short")
    add("--background", metavar="COLOUR", type=colour, help="behind transparency, #808080")


def _render(parser: Parser) -> None:
    _project(parser)
    add = parser.add_argument
    add("--engine", choices=("preview", "fal"), help="preview (local, free; default) or fal (paid)")
    add("--max-cost", metavar="USD", type=usd, help="never spend more than this")
    add("--yes", action="store_true", help="spend the estimate without asking")
    add("--async", dest="submit_only", action="store_true", help="fal: submit all and return")
    add("--retake", metavar="N,N…", type=indexes, default=(), help="new takes of these chunks")
    add("--take", metavar="N=T", type=take, action="append", default=[], help="use take T")
    add("--seams", choices=("auto", "cut", "dissolve", "morph"), default="auto", help="joins")
    add(
        "--continuity",
        choices=("portrait", "chain"),
        default="portrait",
        help="fal: begin each chunk with the portrait, or (slower) with the last frame before",
    )
    add("--compatible", action="store_true", help="encode the film anew, for old players")
    add("--ready", choices=("h264", "prores"), default="h264", help="codec of the ready clips")
    add(
        "--face", metavar="N", type=place, default=0, help="dub: whose mouth; 0 is the largest face"
    )
    add("--jobs", metavar="N", type=count, help="processes at once (default: one a core)")
    _waiting(parser)
    add("--output", "-o", metavar="FILE", type=path, help="save the film here as well")
    add(
        "--resubmit-lost", action="store_true", help="fal: send again what was lost (may pay twice)"
    )
    add("--strict", action="store_true", help="refuse instead of making do")


def _one_shot(parser: Parser, first: str, second: str) -> None:
    add = parser.add_argument
    for role in (first, second):
        add(f"--{role}", metavar="FILE", type=path, help=INPUTS[role])
        add(f"--{role}-url", metavar="URL", help=f"{role} by URL")
    add("--allow-private", action="store_true", help="let a URL name a private address")
    add("--model", "-m", metavar="ID", help="model of the catalogue (see `models`)")
    add(
        "--engine", choices=("preview", "fal"), default="fal", help="fal (paid; default) or preview"
    )
    add("--max-cost", metavar="USD", type=usd, help="never spend more than this; 25 by default")
    add("--output", "-o", metavar="FILE", type=path, help="save the film here")
    add("--async", dest="submit_only", action="store_true", help="print the job's id at once")
    for name in ("status", "result", "cancel"):
        add(f"--{name}", metavar="ID", help=f"{name} of an earlier job, by our id or fal's")
    add("--jobs", metavar="N", type=count, help="processes at once (default: one a core)")
    _waiting(parser)


def _waiting(parser: Parser) -> None:
    add = parser.add_argument
    add("--poll-interval", metavar="S", type=positive, default=5.0, help="seconds, 5")
    add("--timeout", metavar="S", type=positive, default=600.0, help="seconds to wait, 600")
    add("--logs", action="store_true", help="show the queue's log lines, each once")


def _audio_to_video(parser: Parser) -> None:
    _one_shot(parser, "image", "audio")
    add = parser.add_argument
    add("--prompt", "-p", metavar="TEXT", help="a direction for models that take one")
    add("--resolution", choices=("1080p", "720p"), help="1080p (default) or 720p")
    add("--turbo", action="store_true", default=None, help="faster, rougher; for trials")


def _motion_transfer(parser: Parser) -> None:
    _one_shot(parser, "image", "video")
    parser.add_argument(
        "--no-trim", dest="trim", action="store_false", default=None, help="keep the first second"
    )


def _dub_video(parser: Parser) -> None:
    _one_shot(parser, "video", "audio")


def _cancel(parser: Parser) -> None:
    _project(parser)
    parser.add_argument("chunks", metavar="N", type=int, nargs="*", help="only these chunks")


def _nothing(_parser: Parser) -> None:
    """No options."""


COMMANDS = {
    "prep": ("Check, fix and cut the inputs, and say what a render will cost. Free.", _prep),
    "render": ("Make the clips, join them, lay the sound under. Run again to go on.", _render),
    "estimate": ("Seconds, chunks, seams and money.", _project),
    "jobs": ("Every chunk with its state, request id and cost.", _project),
    "cancel": ("Cancel what is under way at the service.", _cancel),
    "audio-to-video": (
        "Portrait and speech to a talking video; paid.",
        _audio_to_video,
    ),
    "motion-transfer": (
        "A character moves like a driving video; paid.",
        _motion_transfer,
    ),
    "dub-video": ("A video speaks new audio; paid.", _dub_video),
    "models": ("The catalogue: models, limits and prices.", _nothing),
    "doctor": ("What this machine has, what is missing, every setting.", _nothing),
}
"""Each command with its one-line description and what fills in its options."""
