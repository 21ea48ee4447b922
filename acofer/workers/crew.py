"""What a crew promises, which ones there are, and the one that needs nobody else: threads."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Generator, Iterable
from typing import Any, Protocol

from acofer.errors import ConfigError, nearest

THREADING, LOKY, DASK = "threading", "loky", "dask"
BACKENDS = (THREADING, LOKY, DASK)
HOW_TO_START = (
    "start one with: dask scheduler, and on each machine: dask worker tcp://HOST:8786; then name it: "
    "--scheduler tcp://HOST:8786"
)
TRIES = 3
"""How often a task that its worker took along when it died is begun again before that is an error."""

Task = tuple[Any, ...]


class Crew(Protocol):
    """Workers that share something, e.g. a matrix, which each of them is sent once."""

    @property
    def size(self) -> int:
        """How many tasks run at once."""
        ...

    def run(self, function: Callable[..., Any], tasks: Iterable[Task | None]) -> Generator[tuple[int, Any]]:
        """Yield ``(position, function(shared, *task))`` of every task, as they are done.

        Whoever stops asking closes the generator (`contextlib.closing`): what has not begun does not begin any more.

        Parameters
        ----------
        function : callable
            Of a module, so that its name can be sent.
        tasks : iterable of tuple
            Asked for one when somebody is free for it; by a cluster None means: none before another is done.

        Raises
        ------
        WorkerError
            If a task's workers died again and again, or there are none.
        """
        ...

    def close(self) -> None:
        """Let go of the workers, and let them forget what was shared."""
        ...


def check_backend(backend: str, scheduler: str | None) -> None:
    """Raise ConfigError where a backend is unknown or does not go with a scheduler."""
    if backend not in BACKENDS:
        raise ConfigError(
            f"backend: expected one of {', '.join(BACKENDS)}; got {backend!r}; {nearest(backend, BACKENDS)}"
        )
    if backend == DASK and scheduler is None:
        raise ConfigError(f"scheduler: expected the address of a Dask scheduler; got none; {HOW_TO_START}")
    if backend != DASK and scheduler is not None:
        raise ConfigError(f"scheduler: expected --backend dask beside it; got {backend}; set --backend dask")


def check_cluster(backend: str, scheduler: str | None) -> None:
    """Raise an error where a cluster is asked for that does not answer; see also `check_backend`."""
    check_backend(backend, scheduler)
    if scheduler is not None:
        from acofer.workers.cluster import ClusterCrew

        ClusterCrew(scheduler, None).close()


def crew_of(backend: str, n_jobs: int | None, scheduler: str | None, shared: Any) -> Crew:
    """Return a crew that shares something.

    Parameters
    ----------
    backend : {"threading", "loky", "dask"}
    n_jobs : int or None
        As in scikit-learn. Of a cluster, tasks at once; -1 is all of its threads.
    scheduler : str or None
        Of Dask: an address, or the path of a scheduler file.
    shared : object
        Sent to each worker once; never written.

    Raises
    ------
    ConfigError
        As `check_backend`.
    MissingExtraError, WorkerError
        If Dask is not installed, or nobody answers.
    """
    check_backend(backend, scheduler)
    if scheduler is not None:
        from acofer.workers.cluster import ClusterCrew

        return ClusterCrew(scheduler, shared, at_once=n_jobs if n_jobs is not None and n_jobs > 0 else None)
    if backend == LOKY:
        from acofer.workers.processes import ProcessCrew

        return ProcessCrew(n_jobs, shared)
    return ThreadCrew(n_jobs, shared)


def as_far_as_wanted(results: Generator[Any]) -> Generator[Any]:
    """Yield joblib's results; who stops asking is not told that tasks have been cancelled for it."""
    try:
        for result in results:  # noqa: UP028 - which would close them before we can
            yield result
    finally:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", r"\d+ tasks which were still being processed", UserWarning)
            results.close()


class ThreadCrew:
    """Threads of this process; BLAS is held to one of its own meanwhile, so that sums do not depend on their number."""

    def __init__(self, n_jobs: int | None, shared: Any) -> None:
        from joblib import effective_n_jobs
        from threadpoolctl import ThreadpoolController

        self._n_jobs, self._shared, self._blas = n_jobs, shared, ThreadpoolController()
        self.size = int(effective_n_jobs(n_jobs))

    def run(self, function: Callable[..., Any], tasks: Iterable[Task | None]) -> Generator[tuple[int, Any]]:
        """Run tasks; see `Crew`."""
        from joblib import Parallel, delayed

        def numbered(position: int, task: Task) -> tuple[int, Any]:
            return position, function(self._shared, *task)

        pool = Parallel(self._n_jobs, backend="threading", return_as="generator_unordered", batch_size=1)
        given = ((position, task) for position, task in enumerate(tasks) if task is not None)
        with self._blas.limit(limits=1, user_api="blas"):
            yield from as_far_as_wanted(pool(delayed(numbered)(position, task) for position, task in given))

    def close(self) -> None:
        """Do nothing: threads end with their tasks."""
