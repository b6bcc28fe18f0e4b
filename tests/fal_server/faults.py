"""What can go wrong at which step, and how often."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

STEPS = ("token", "upload", "submit", "status", "result", "download", "cancel", "list")

Kind = Literal[
    "drop_before",  # the connection closes; nothing was done
    "drop_after",  # it was done; the connection closes
    "hang_before",  # nothing was done, and no reply comes
    "hang_after",  # it was done, and no reply comes
    "status_before",  # an error status; nothing was done
    "status_after",  # it was done; an error status all the same
    "garbage",  # it was done; the reply is no JSON
    "truncate",  # half of the body, then the connection closes
    "stranger",  # it was done; the reply's URLs name another host
    "slow",  # it was done; the reply takes its time
]

NGINX = "<html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>"


@dataclass
class Fault:
    """``times``: how often it happens before the step works again."""

    kind: Kind
    times: int = 1
    status: int = 502
    body: Any = NGINX
    headers: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 30.0


class Faults:
    """The faults that wait at each step, first come first served."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._waiting: dict[str, list[Fault]] = {step: [] for step in STEPS}

    def add(self, step: str, fault: Fault) -> None:
        with self._guard:
            self._waiting[step].append(fault)

    def take(self, step: str) -> Fault | None:
        with self._guard:
            for fault in self._waiting[step]:
                if fault.times > 0:
                    fault.times -= 1
                    return fault
        return None

    def clear(self) -> None:
        with self._guard:
            for waiting in self._waiting.values():
                waiting.clear()
