"""What a person is told of one chunk on its way: changes once, log lines once, errors named."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable

from lipsync_kit.engines.base import Look, PassingFault
from lipsync_kit.engines.order import rebuilt
from lipsync_kit.errors import AccountError, LipsyncError, ResultUnavailable, UnsettledError
from lipsync_kit.ledger import Attempt
from lipsync_kit.timing import clock


class Voice:
    """Speaks of chunk ``index`` through ``say``."""

    def __init__(self, index: int, say: Callable[[str], None]) -> None:
        self.name = f"chunk {index}"
        self._index = index
        self._say = say
        self._began = time.monotonic()
        self._told: tuple[str, int | None] | None = None
        self._lines: Counter[str] = Counter()
        self._hard = False

    @property
    def standing(self) -> str:
        """The last known state and the time since it all began, in a few words."""
        state = "sent" if self._told is None else _words(*self._told)
        return f"{self.name} {state}, {clock(time.monotonic() - self._began)}"

    def tell(self, words: str) -> None:
        """One line."""
        self._say(f"{self.name}: {words}")

    def look(self, look: Look, *, crowded: bool = False) -> None:
        """State and queue position when they changed, and log lines that are new.

        ``crowded``: the position alone is not worth a line. A service sends its log whole
        each time, or only what is new; both come out once.
        """
        self._hard = False
        state = (look.state, look.position)
        before, self._told = self._told, state
        moved = before is None or before[0] != look.state if crowded else before != state
        if look.state != "ended" and moved:
            self.tell(f"{_words(*state)} ({clock(time.monotonic() - self._began)})")
        for line, times in Counter(look.logs).items():
            for _ in range(times - self._lines[line]):
                self._say(f"{self.name} | {line}")
            self._lines[line] = max(times, self._lines[line])

    def hard_to_reach(self, fault: PassingFault) -> None:
        """Say once that the service does not answer; until it does again."""
        if not self._hard:
            self._hard = True
            self.tell(f"{fault.reason}; asking on")

    def named(self, error: LipsyncError, attempt: Attempt | None = None) -> LipsyncError:
        """The error with the chunk, and with the request when there is one."""
        if "chunk" in error.data or isinstance(error, AccountError):
            return error
        extra: dict[str, object] = {"chunk": self._index}
        words = error.message.rstrip(".")
        if attempt is not None and attempt.ref is not None:
            extra["request_id"] = attempt.ref.request_id
            if attempt.ref.request_id not in words:
                words += f" (request {attempt.ref.request_id})"
        message = words if words.startswith(self.name) else f"{self.name}: {words}"
        return rebuilt(error, message=f"{message}.", data={**error.data, **extra})

    def unsettled(self, attempt: Attempt, console: str, reason: str) -> UnsettledError:
        """The error for a submit of which nobody can tell whether it was taken."""
        when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(attempt.created))
        return UnsettledError(
            f"{self.name}: sent on {when}, but whether {attempt.engine} took it is unknown:"
            f" {reason}. It may be billed.",
            hint=f"Look at {console}. Run `lipsync-kit render` again to look for it once more;"
            " or, to send it again at the risk of paying twice, add --resubmit-lost.",
            chunk=self._index,
            model=attempt.model,
            arguments=attempt.arguments,
        )

    def out_of_reach(self, attempt: Attempt, fault: PassingFault) -> LipsyncError:
        """The error for a paid clip that is there, but could not be fetched in this run."""
        error = ResultUnavailable(
            f"the job has ended, but its clip can't be fetched just now: {fault.reason}",
            code="result_unreachable",
            hint="Run `lipsync-kit render` again to fetch it; nothing is paid again.",
        )
        return self.named(error, attempt)

    def gone(self, attempt: Attempt) -> LipsyncError:
        """The error for a paid clip that is no longer to be had."""
        error = ResultUnavailable(
            "its clip is not here, and is no longer to be had from the service",
            code="result_expired",
            hint=f"Ask for it again with --retake {self._index}; that is paid again.",
        )
        return self.named(error, attempt)


def _words(state: str, position: int | None) -> str:
    place = "" if position is None else f" at position {position}"
    return "running" if state == "running" else f"in the queue{place}"
