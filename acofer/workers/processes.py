"""Processes of this machine, by joblib's loky; what dies is begun again.

Large arrays of what is shared are written down once, and every process maps the same pages.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Generator, Iterable
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing
from typing import Any

from acofer.errors import WorkerError
from acofer.workers.crew import LOKY, TRIES, Task

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
        self.size = int(effective_n_jobs(n_jobs))

    def run(self, function: Callable[..., Any], tasks: Iterable[Task | None]) -> Generator[tuple[int, Any]]:
        """Run tasks; see `Crew`."""
        left = {position: task for position, task in enumerate(tasks) if task is not None}
        deaths = 0
        while left:
            results = self._results(function, left)
            with closing(results):
                try:
                    for position, result in results:
                        del left[position]
                        yield position, result
                except BrokenProcessPool as error:
                    deaths += 1
                    self.close()
                    if deaths > TRIES:
                        raise WorkerError(
                            f"{deaths} times a worker's process died while it was at work (most likely killed for want "
                            f"of memory); use fewer --workers, or --backend threading; {_first_line(error)}"
                        ) from error

    def _results(self, function: Callable[..., Any], tasks: dict[int, Task]) -> Generator[tuple[int, Any]]:
        from joblib import delayed

        call = delayed(_called)
        yield from self._opened()(call(function, self._shared, position, *task) for position, task in tasks.items())

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


def _called(function: Callable[..., Any], shared: Any, position: int, *task: Any) -> tuple[int, Any]:
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal tells them of Ctrl-C, too; the one who asked decides
    return position, function(shared, *task)


def _first_line(error: BaseException) -> str:
    return str(error).strip().partition("\n")[0]
