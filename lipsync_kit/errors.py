"""Every error that a user can meet.

::

    LipsyncError
    ├── UsageError              exit 2    the command line does not make sense
    ├── InputError              exit 3    an input, settings or project file was refused
    │   └── FetchRefused        exit 3    a URL that may not be fetched
    ├── SetupError              exit 4    ffmpeg, disk, permission
    │   └── AccountError        exit 4    key missing or refused, balance exhausted
    ├── EngineError             exit 5    the engine failed for at least one chunk
    │   ├── Rejected            exit 5    the service refused the request
    │   ├── ContentRefused      exit 5    refused for its content; not tried again by itself
    │   ├── RemoteFailure       exit 5    accepted, then failed
    │   └── ResultUnavailable   exit 5    finished, but its result expired or is broken
    ├── BudgetError             exit 6    over the cap, or not confirmed
    ├── UnsettledError          exit 7    a paid submit whose outcome is unknown
    ├── StillRunning            exit 8    waiting ended before the jobs did
    └── Interrupted             exit 130 (SIGINT), 143 (SIGTERM)

A message names the file (or chunk), the fact and the way out. ``hint`` is the way out
alone, for programs; ``data`` holds the numbers.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:  # not from typing: every start of the command would pay for it
    from typing import Any, ClassVar


class LipsyncError(Exception):
    """Base of all errors that lipsync-kit raises on purpose.

    ``code`` is a stable word for programs, ``exit_status`` the command's exit status.
    """

    code: str = "error"
    exit_status: int = 1
    default_hint: ClassVar[str] = ""

    def __init__(
        self, message: str, *, hint: str | None = None, code: str | None = None, **data: Any
    ) -> None:
        super().__init__(message)
        self.message = message
        self.hint = self.default_hint if hint is None else hint
        if code is not None:
            self.code = code
        self.data = data

    def to_dict(self) -> dict[str, Any]:
        """The error as the JSON document on stdout: ``{"error": {...}}``."""
        error = {
            "code": self.code,
            "message": self.message,
            "hint": self.hint,
            "data": self.data,
        }
        return {"error": error}


class UsageError(LipsyncError):
    """The command line does not make sense."""

    code = "usage"
    exit_status = 2
    default_hint = "See --help."


class InputError(LipsyncError):
    """An input, settings or project file was refused, is missing or can't be read."""

    code = "input"
    exit_status = 3


class FetchRefused(InputError):
    """A URL that may not be fetched."""

    code = "fetch_refused"


class SetupError(LipsyncError):
    """Something on this machine is missing or not permitted."""

    code = "setup"
    exit_status = 4
    default_hint = "Run `lipsync-kit doctor`."


class AccountError(SetupError):
    """The key is missing or was refused, or the account's balance is exhausted."""

    code = "account"


class EngineError(LipsyncError):
    """The engine failed for at least one chunk; the others went on."""

    code = "engine"
    exit_status = 5
    default_hint = "Run `lipsync-kit render` again: it redoes only what failed."


class Rejected(EngineError):
    """The service refused the request before working on it."""

    code = "rejected"


class ContentRefused(EngineError):
    """The service refused the content; only an explicit retake sends it again."""

    code = "content_refused"
    default_hint = "Change the input, or ask for it again with --retake."


class RemoteFailure(EngineError):
    """The service accepted the request, then failed."""

    code = "remote_failure"


class ResultUnavailable(EngineError):
    """The job finished, but its result expired or arrived broken."""

    code = "result_unavailable"


class BudgetError(LipsyncError):
    """Over the cap, or spending was not confirmed; nothing more is submitted."""

    code = "budget"
    exit_status = 6
    default_hint = "Pass --max-cost USD, or --yes."


class UnsettledError(LipsyncError):
    """A paid submit whose outcome stays unknown; nothing more is submitted."""

    code = "unsettled"
    exit_status = 7


class StillRunning(LipsyncError):
    """Waiting ended before the jobs did; they go on at the service."""

    code = "still_running"
    exit_status = 8
    default_hint = "Run `lipsync-kit render` again to collect."


class Interrupted(LipsyncError):
    """Interrupted by a signal; ``exit_status`` is 128 + its number."""

    code = "interrupted"
    exit_status = 130
    default_hint = "Run the same command again: it goes on where it stopped."

    def __init__(self, signal_number: int) -> None:
        super().__init__("Interrupted.", signal=signal_number)
        self.exit_status = 128 + signal_number
