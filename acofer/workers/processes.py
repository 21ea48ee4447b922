"""Processes of this machine, by joblib's loky; what dies is begun again.

Large arrays of what is shared are written down once, and every process maps the same pages.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Generator, Iterable
from concurrent.futures.process import BrokenProcessPool
from functools import cache
from typing import Any

from acofer.errors import WorkerError
from acofer.workers.crew import LOKY, TRIES, Task, as_far_as_wanted

_MAPPED = "256K"
"""Arrays from this size on are mapped instead of being sent with every task."""


class ProcessCrew:
    """Processes that live as long as the crew.

    Parameters
    ----------
    n_jobs : int or None
        As in scikit-learn.
    shared : object
    """

    def __init__(self, n_jobs: int | None, shared: Any) -> None:
        from joblib import effective_n_jobs

        self._n_jobs, self._shared = n_jobs, shared
        self._pool: Any = None
        self._call = 0
        self.size = int(effective_n_jobs(n_jobs))

    def run(self, function: Callable[..., Any], tasks: Iterable[Task | None]) -> Generator[tuple[int, Any]]:
        """Run tasks; see `Crew`."""
        left = {position: task for position, task in enumerate(tasks) if task is not None}
        deaths = 0
        while left:
            try:
                for position, result in self._results(function, left):
                    if position in left:  # joblib 1.4 says some things twice when a process has died
                        del left[position]
                        yield position, result
            except BrokenProcessPool as error:
                deaths += 1
                if deaths > TRIES:
                    raise WorkerError(
                        f"{deaths} times a worker's process died while it was at work (most likely killed for want of "
                        f"memory); use fewer --workers, or --backend threading; {_first_line(error)}"
                    ) from error

    def _results(self, function: Callable[..., Any], tasks: dict[int, Task]) -> Generator[tuple[int, Any]]:
        from joblib import delayed

        self._call += 1
        call, given, number = delayed(_called), list(tasks.items()), self._call
        results = self._opened()(
            call(os.getpid(), number, function, self._shared, position, *task) for position, task in given
        )
        is_whole = False
        try:
            for asked_by, position, result in as_far_as_wanted(results):
                if asked_by == number:
                    yield position, result
            is_whole = True
        finally:
            if not is_whole:  # the next call would be given what comes late of this one
                self.close()

    def _opened(self) -> Any:
        """Return the pool: one for all calls, for with it end its processes and the arrays they map."""
        from joblib import Parallel, parallel_config

        if self._pool is None:
            with parallel_config(LOKY, inner_max_num_threads=1):
                self._pool = Parallel(
                    self._n_jobs,
                    return_as="generator_unordered",
                    batch_size=1,
                    max_nbytes=_MAPPED,
                    mmap_mode="c",  # private to each process, and writable: compiled kernels know but one kind of array
                )
            self._pool.__enter__()
        return self._pool

    def close(self) -> None:
        """Let go of the processes; joblib ends them when nobody has asked for some minutes, or with this one."""
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.__exit__(None, None, None)


def _called(
    parent: int, number: int, function: Callable[..., Any], shared: Any, position: int, *task: Any
) -> tuple[int, int, Any]:
    _settle_in(parent)
    return number, position, function(shared, *task)


@cache
def _settle_in(parent: int) -> None:
    """Once in every process: leave Ctrl-C to who asked, though a terminal tells all, and end when he has gone."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=end_with, args=(parent,), daemon=True).start()


def end_with(parent: int) -> None:
    """End this process when the one that started it has gone, so that no orphan goes on working."""
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)


def _first_line(error: BaseException) -> str:
    return str(error).strip().partition("\n")[0]
