"""The command line: parse, one call, one document.

Heavy modules are imported inside the commands, so that ``--help`` answers at once.
"""

from __future__ import annotations

import signal
import sys

from lipsync_kit.errors import Interrupted, LipsyncError, SetupError, UsageError
from lipsync_kit.options import build

TYPE_CHECKING = False
if TYPE_CHECKING:  # not from typing: importing it would double the time of --help
    from collections.abc import Sequence
    from typing import Any


def main(argv: Sequence[str] | None = None) -> None:
    """Run one command and leave with its exit status."""
    sys.exit(run(sys.argv[1:] if argv is None else argv, own_process=True))


def run(argv: Sequence[str], *, own_process: bool = False) -> int:
    """Run one command; its JSON document goes to stdout. Returns the exit status.

    ``own_process``: nothing else reads this process's environment, so the key leaves it
    before any child could inherit it.
    """
    _listen()
    try:
        document = _dispatch(argv, own_process=own_process)
    except LipsyncError as error:
        return _failed(error)
    except KeyboardInterrupt:
        return _failed(Interrupted(signal.SIGINT))
    except SystemExit as leaving:  # argparse's --help
        return int(leaving.code or 0)
    except Exception as error:
        return _failed(_full_disk(error) or _bug(error))
    if document is not None:
        from lipsync_kit import console

        console.emit(document)
    return 0


def _listen() -> None:
    def interrupt(number: int, _frame: object) -> None:
        raise Interrupted(number)

    signal.signal(signal.SIGINT, interrupt)
    signal.signal(signal.SIGTERM, interrupt)


def _failed(error: LipsyncError) -> int:
    from lipsync_kit import console

    console.report_error(error)
    return error.exit_status


def _full_disk(error: Exception) -> LipsyncError | None:
    """A disk that ran full or can't be written, wherever that was noticed."""
    import errno

    disk = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG}
    if not isinstance(error, OSError) or error.errno not in disk:
        return None
    where = f"{error.filename}: " if error.filename else ""
    hint = "Free some space and run the command again: what was made is kept."
    return SetupError(f"{where}{error.strerror}.", code="disk_full", hint=hint)


def _bug(error: Exception) -> LipsyncError:
    """A mistake of ours: say so, and keep the traceback where a person can find it."""
    import traceback

    from lipsync_kit.settings import KEY_VARIABLE, load_settings
    from lipsync_kit.store import write_text

    hint = "Please report it with what you ran."
    try:
        settings = load_settings()
        text = "".join(traceback.format_exception(error))
        log = settings.cache_dir / "bug.log"
        write_text(log, text.replace(settings.key, f"<{KEY_VARIABLE}>") if settings.key else text)
        hint = f"Please report it with {log}."
    except LipsyncError as second:
        hint = f"{hint} (No log could be written: {second.message})"
    message = f"A bug in lipsync-kit: {type(error).__name__}. Nothing is lost."
    return LipsyncError(message, code="bug", hint=hint)


def _dispatch(argv: Sequence[str], *, own_process: bool) -> dict[str, Any] | None:
    parser = build(argv[0] if argv else None)
    options = parser.parse_args(argv)
    if options.version:
        from lipsync_kit import __version__

        sys.stdout.write(f"lipsync-kit {__version__}\n")
        return None
    if options.command is None:
        raise UsageError("No command was given.", hint="See lipsync-kit --help.")
    from lipsync_kit.commands import COMMANDS
    from lipsync_kit.settings import keep_secrets, load_settings

    if own_process:
        keep_secrets()
    flags = {name: getattr(options, name, None) for name in ("engine", "max_cost")}
    return COMMANDS[options.command](options, load_settings(flags))
