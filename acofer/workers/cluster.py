"""The workers of a Dask cluster that is there already, asked through its own client; Dask's only host.

What is shared is scattered once, and every worker that shows up keeps it for as long as this process wants it: Dask
itself would drop all copies but one within two seconds (its memory manager's ReduceReplicas), and send them again
with the next ants. Tasks then carry a few bytes, and go to those who keep it.

joblib's own Dask backend does neither, and its generators wait for ever for a task whose workers died (tried with
joblib 1.6.0: it calls back with results only, and a `distributed.KilledWorker` is none).
"""

from __future__ import annotations

import logging
import queue
import time
import uuid
import weakref
from collections import Counter, deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import CancelledError
from contextlib import suppress
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from acofer.errors import MissingExtraError, WorkerError
from acofer.reading import UnreadableError, read_json
from acofer.workers.crew import HOW_TO_START, TRIES, Task

CONNECT_SECONDS = 10.0
PATIENCE = 60.0
"""Seconds without any worker after which none is waited for any more; one that a supervisor starts anew is there in
ten."""
_POLL = 1.0
"""Seconds after which it is asked again who is there."""
_FAILURES = 20
"""Times that what is shared is tried to be sent in a row."""
_IN_FLIGHT = 2
"""Tasks under way for each one that can run: a worker that is done has the next one at hand."""
_GATHER_SECONDS = 20.0
"""For a result that is there; its worker may die just then."""
_SAME = ("acofer", "numpy", "scipy", "scikit-learn", "numba")
"""Packages of which another version may compute other figures."""


class ClusterCrew:
    """The workers of a cluster.

    Parameters
    ----------
    scheduler : str
        Address, or the path of a scheduler file.
    shared : object
    at_once : int, optional
        Tasks at once; default one a thread of every worker.
    is_alone : bool
        Whether a worker has one task at a time, however many threads it has.

    Raises
    ------
    MissingExtraError
        If Dask is not installed.
    WorkerError
        If no scheduler answers.
    """

    def __init__(self, scheduler: str, shared: Any, *, at_once: int | None = None, is_alone: bool = False) -> None:
        self.scheduler = scheduler
        self._client = _connected(scheduler)
        self._shared, self._at_once, self._is_alone = shared, at_once, is_alone
        self._token = uuid.uuid4().hex
        self._scattered: Any = None
        self._keeping: dict[str, Any] = {}  # by address: the future of what a worker keeps
        self._threads: dict[str, int] = {}
        self._looked = float("-inf")
        self._missed, self._failures = 0.0, 0

    @property
    def size(self) -> int:
        """How many tasks run at once."""
        self.recruit()
        return max(1, self._capacity(self._threads))

    def run(self, function: Callable[..., Any], tasks: Iterable[Task | None]) -> Generator[tuple[int, Any]]:
        """Run tasks; see `acofer.workers.crew.Crew`."""
        for position, result in self.outcomes(function, tasks):
            if isinstance(result, WorkerError):
                raise result
            yield position, result

    def outcomes(self, function: Callable[..., Any], tasks: Iterable[Task | None]) -> Generator[tuple[int, Any]]:
        """Run tasks, and where a task's workers died again and again, yield a WorkerError as its result."""
        return _Shift(self, function, tasks).results()

    def recruit(self) -> None:
        """See who is there; bring what is shared to who is new.

        Raises
        ------
        WorkerError
            If nobody has been there for some time, or the scheduler does not answer.
        """
        now = time.monotonic()
        if now - self._looked < _POLL:
            return
        before, self._looked = self._looked, now
        self._threads = self._asked_who_is_there()
        self._keeping = {address: kept for address, kept in self._keeping.items() if address in self._threads}
        for address in self._threads.keys() - self._keeping.keys():
            try:
                self._keeping[address] = self._brought_to(address)
            except OSError as error:  # who was to have it died just now; later there may be others
                self._count_failure(error)
                break
        self._missed = 0.0 if self._threads else self._missed + min(now - before, 2 * _POLL)
        if self._missed > PATIENCE:
            raise WorkerError(
                f"the Dask scheduler at {self.scheduler} has had no workers for {PATIENCE:g} s; start some with: "
                f"dask worker {self.scheduler}"
            )

    def ready(self) -> list[str]:
        """Return the addresses of those that have what is shared.

        Raises
        ------
        WorkerError
            If one of them has not acofer, or another version of something.
        """
        ready = []
        for address, kept in list(self._keeping.items()):
            if kept.status == "finished":
                ready.append(address)
            elif kept.status == "error" and not _is_death(error := kept.exception(timeout=_GATHER_SECONDS)):
                raise WorkerError(
                    f"the worker {address} cannot work for this process: {error}; install the same there"
                ) from error
            elif kept.status != "pending":  # the worker that had it died; this process still has it
                self._scattered = None
                del self._keeping[address]
                self._looked = float("-inf")
        return ready

    def capacity(self) -> int:
        """Return how many tasks may be under way."""
        ready = self._capacity({address: self._threads[address] for address in self.ready()})
        return ready if self._is_alone else _IN_FLIGHT * ready

    def _capacity(self, threads: dict[str, int]) -> int:
        at_once = len(threads) if self._is_alone else sum(threads.values())
        return at_once if self._at_once is None else min(at_once, self._at_once)

    def submit(self, function: Callable[..., Any], task: Task, where: list[str]) -> Any:
        return self._client.submit(
            _called, function, self._token, task, workers=where, key=f"acofer-{uuid.uuid4().hex}", pure=False
        )

    def forget(self, address: str) -> None:
        """Note that a worker has not got what it had: it was started anew at the same address, or short of memory."""
        self._keeping.pop(address, None)
        self._looked = float("-inf")

    def cancel(self, futures: Iterable[Any]) -> None:
        """Let tasks go that nobody waits for any more; those that run end by themselves."""
        with suppress(Exception):  # the scheduler may have gone
            self._client.cancel(list(futures), asynchronous=False, force=True)

    def is_there(self, address: str) -> bool:
        return address in self._threads

    @property
    def is_anybody_there(self) -> bool:
        return bool(self._threads)

    def close(self) -> None:
        """Let go of the workers."""
        self._keeping, self._scattered = {}, None
        with suppress(Exception):  # at the end of a process there may be no event loop any more
            self._client.close(timeout=2)

    def _asked_who_is_there(self) -> dict[str, int]:
        try:
            return dict(self._client.nthreads())
        except (OSError, TimeoutError) as error:
            raise WorkerError(f"the Dask scheduler at {self.scheduler} does not answer any more; {error}") from error

    def _count_failure(self, error: OSError) -> None:
        self._failures += 1
        if self._failures > _FAILURES:
            raise WorkerError(f"nothing can be sent to the workers at {self.scheduler}; {error}") from error

    def _brought_to(self, address: str) -> Any:
        if self._scattered is None and self._shared is not None:
            self._scattered = self._client.scatter([self._shared], hash=False)[0]
            self._failures = 0
        key = f"acofer-kept-{uuid.uuid4().hex}"
        return self._client.submit(
            _keep, self._token, self._scattered, _versions(), workers=[address], key=key, pure=False
        )


class _Shift:
    """One call of a crew: what waits, what is under way, what came back."""

    def __init__(self, crew: ClusterCrew, function: Callable[..., Any], tasks: Iterable[Task | None]) -> None:
        self._crew, self._function = crew, function
        self._tasks, self._n_sent = iter(tasks), 0
        self._again: deque[tuple[int, Task]] = deque()
        self._flying: dict[Any, tuple[int, Task, list[str]]] = {}
        self._landed: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._tries: Counter[int] = Counter()
        self._is_all = False

    def results(self) -> Generator[tuple[int, Any]]:
        try:
            while self._fill():
                yield from self._wait()
        finally:
            if self._flying:
                self._crew.cancel(self._flying)

    def _fill(self) -> bool:
        """Send tasks to who is free; return whether any is left or under way."""
        self._crew.recruit()
        where, capacity = self._crew.ready(), self._crew.capacity()
        while len(self._flying) < capacity and (taken := self._next()) is not None:
            self._send(*taken, where)
        return bool(self._flying or self._again or not self._is_all)

    def _next(self) -> tuple[int, Task] | None:
        if self._again:
            return self._again.popleft()
        try:
            task = next(self._tasks)
        except StopIteration:
            self._is_all = True
            return None
        if task is None:
            return None
        self._n_sent += 1
        return self._n_sent - 1, task

    def _send(self, position: int, task: Task, where: list[str]) -> None:
        future = self._crew.submit(self._function, task, where)
        self._flying[future] = position, task, where
        future.add_done_callback(self._landed.put)

    def _wait(self) -> Generator[tuple[int, Any]]:
        """Yield what has come back; where nothing comes for a while, look who has gone."""
        try:
            future = self._landed.get(timeout=_POLL if self._flying else _POLL / 10)
        except queue.Empty:
            yield from self._missing()
            return
        if future in self._flying:
            yield from self._outcome(future, *self._flying.pop(future)[:2])

    def _missing(self) -> Generator[tuple[int, Any]]:
        """Take tasks back that were meant for workers who have all gone."""
        gone = [f for f, (*_, where) in self._flying.items() if not any(map(self._crew.is_there, where))]
        for future in gone:
            position, task, _ = self._flying.pop(future)
            self._crew.cancel([future])
            yield from self._lost(position, task)

    def _outcome(self, future: Any, position: int, task: Task) -> Generator[tuple[int, Any]]:
        if future.status == "error":
            error = future.exception(timeout=_GATHER_SECONDS)
            if not _is_death(error):
                raise error
            yield from self._lost(position, task)
            return
        try:
            result = self._fetched(future)
        except (OSError, TimeoutError, CancelledError):  # its worker died between the task's end and our asking
            yield from self._lost(position, task)
            return
        if isinstance(result, _Absent):
            self._crew.forget(result.address)
            self._again.append((position, task))
        else:
            yield position, result

    def _fetched(self, future: Any) -> Any:
        """Return a task's result; while it does not come, look whether anybody is there who could send it."""
        for _ in range(round(_GATHER_SECONDS / _POLL)):
            with suppress(TimeoutError):
                return future.result(timeout=_POLL)
            self._crew.recruit()
            if not self._crew.is_anybody_there:
                break
        self._crew.cancel([future])
        raise TimeoutError

    def _lost(self, position: int, task: Task) -> Generator[tuple[int, Any]]:
        self._tries[position] += 1
        if self._tries[position] <= TRIES:
            self._again.append((position, task))
            return
        yield (
            position,
            WorkerError(
                f"{self._tries[position]} times the workers at {self._crew.scheduler} died with a task (most likely "
                "killed for want of memory); see their logs, give them more memory or fewer threads"
            ),
        )


class _Kept:
    """Holds what is shared: the result of a task, which the worker lets go of when this process does, or dies."""

    def __init__(self, value: Any) -> None:
        self.value = value


class _Absent:
    """Returned by a worker that has not got what is shared."""

    def __init__(self, address: str) -> None:
        self.address = address


_KEPT: weakref.WeakValueDictionary[str, _Kept] = weakref.WeakValueDictionary()
"""In a worker: what it was brought, by token, as long as Dask holds the tasks' results that these are."""


def _keep(token: str, value: Any, versions: dict[str, str]) -> _Kept:
    own = _versions()
    for name, version in versions.items():
        if own[name] != version:
            raise WorkerError(f"it has {name} {own[name]}, this process {version}")
    _KEPT[token] = kept = _Kept(value)
    return kept


def _called(function: Callable[..., Any], token: str, task: Task) -> Any:
    kept = _KEPT.get(token)
    if kept is None:
        from distributed import get_worker

        return _Absent(get_worker().address)
    return function(kept.value, *task)


@cache
def _versions() -> dict[str, str]:
    found = {}
    for name in _SAME:
        with suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found


def _connected(scheduler: str) -> Any:
    try:
        from distributed import Client
        from distributed.comm import get_address_host_port
    except ImportError as error:
        raise MissingExtraError.of("Dask", "cluster", "--backend dask") from error
    logging.getLogger("distributed.client").setLevel(logging.CRITICAL)  # what it has to say comes as an error, too
    place = {"address": scheduler} if "://" in scheduler else {"scheduler_file": scheduler}
    try:
        address = scheduler if "://" in scheduler else _address_in(Path(scheduler))
        get_address_host_port(address)  # a client that cannot even begin is not silent about its end
        return Client(**place, timeout=CONNECT_SECONDS, set_as_default=False)
    except (OSError, ValueError, TypeError, AssertionError, TimeoutError) as error:  # some of odd addresses
        raise WorkerError(f"no Dask scheduler answers at {scheduler} ({error}); {HOW_TO_START}") from error


def _address_in(path: Path) -> str:
    """Return the address that a scheduler file says; OSError or ValueError where Dask would fall over what it says."""
    if not path.exists():
        raise OSError("there is no such scheduler file, and no address begins so")
    said = read_json(path)
    if not isinstance(said, dict) or not isinstance(said.get("address"), str) or "://" not in said["address"]:
        raise UnreadableError("it is no scheduler file: it has no address")
    return said["address"]


def _is_death(error: BaseException) -> bool:
    """Whether it is no fault of the task: the workers that had it died."""
    from distributed import KilledWorker

    return isinstance(error, KilledWorker | CancelledError)
