"""Where pure work runs: inline, or in processes of their own.

Only work that can be repeated at no cost crosses it: preparing, preview rendering,
postprocessing. A paid submit never does.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

from lipsync_kit.errors import SetupError
from lipsync_kit.settings import keep_secrets

Item = TypeVar("Item")
Result = TypeVar("Result")


def cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def each(
    work: Callable[[Item], Result], items: Iterable[Item], jobs: int
) -> Iterator[tuple[Item, Result]]:
    """Run ``work`` on every item, ``jobs`` at a time; yield item and result as they end.

    The first failure stops what has not begun and is raised. When the consumer leaves early
    (an interruption, say), running workers are told to end and clean up.
    """
    todo = list(items)
    if jobs <= 1 or len(todo) <= 1:
        for item in todo:
            yield item, work(item)
        return
    _hand_back()
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(min(jobs, len(todo)), mp_context=context, initializer=_worker)
    finished = False
    try:
        futures: dict[Future[Result], Item] = {pool.submit(work, item): item for item in todo}
        for future in as_completed(futures):
            yield futures[future], future.result()
        finished = True
    except BrokenProcessPool as error:
        raise SetupError(
            "A worker process ended unexpectedly.",
            code="worker_died",
            hint="It may have run out of memory: try --jobs 1. In a script of your own, call "
            "lipsync_kit under `if __name__ == '__main__':`.",
        ) from error
    finally:
        if not finished:
            for process in multiprocessing.active_children():
                process.terminate()
        pool.shutdown(wait=True, cancel_futures=True)


def _hand_back() -> None:
    """Memory that is free goes back to the system, for the workers: glibc keeps it otherwise."""
    if sys.platform == "linux":
        import ctypes

        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)


def _worker() -> None:
    """Ctrl-C is the coordinator's affair; SIGTERM unwinds, so temporary files are removed."""
    keep_secrets()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _leave)
    threading.Thread(target=_follow_parent, daemon=True).start()


def _follow_parent() -> None:
    """End when the coordinator was killed: nobody else would tell a worker that waits."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _leave(number: int, _frame: object) -> None:
    raise SystemExit(128 + number)
