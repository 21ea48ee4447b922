"""A process of its own for the cells of one problem: what hangs is ended, what dies takes nothing else with it."""

from __future__ import annotations

import dataclasses
import multiprocessing
import os
import shutil
import signal
import threading
import time
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from acofer.archives import read_arrays
from acofer.bench.attempt import Attempt, attempt, circumstances
from acofer.bench.budget import CountingScorer
from acofer.bench.plan import Cell
from acofer.bench.problem import Problem
from acofer.bench.selectors import SELECTORS, Selector
from acofer.bench.store import CAUGHT, FAILED, OK, SKIPPED, TIMED_OUT
from acofer.config.train import TrainConfig
from acofer.errors import AcoferError, LeakageError, MissingExtraError, MissingFileError
from acofer.locks import locked
from acofer.records import silence
from acofer.runs.folder import PREDICTIONS, RESULT, read_json
from acofer.runs.train import resume_train, run_train
from acofer.runs.training_folder import CHECKPOINT
from acofer.workers.processes import end_with

OnPart = Callable[[str, int, int], None]
_POLL = 0.2
_DONE, _TOLD, _BEGUN = "done", "told", "begun"


@dataclass(frozen=True)
class Outcome:
    """How a cell ended.

    Attributes
    ----------
    status : str
    reason : str or None
        In one line.
    attempt : Attempt or None
        Where it ended well.
    problem : dict or None
        What is to be known of the problem.
    """

    status: str
    reason: str | None = None
    attempt: Attempt | None = None
    problem: dict[str, Any] | None = None


class InlineWorker:
    """Runs cells in this process: nothing is ended when its time is over, but selectors may be defined anywhere."""

    def __init__(self, selectors: Mapping[str, Selector] = SELECTORS) -> None:
        self._selectors = selectors
        self._problem: Problem | None = None

    def run(
        self,
        cell: Cell,
        known: Mapping[str, Any] | None,
        network: str,
        on_part: OnPart,
        on_begun: Callable[[], None] | None = None,
    ) -> Outcome:
        """Run a cell of the worker's one problem; whatever it raises is its outcome.

        Parameters
        ----------
        cell : Cell
        known : mapping, optional
            The row of a cell that has made the same choice.
        network : str
            Run folder of a network.
        on_part : callable
            Told ``(stage, done, total)``.
        on_begun : callable, optional
            Called when all that the problem's cells share is there.
        """
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what libraries say of a contender helps nobody here
            try:
                problem = None if cell.net else self._problem_of(cell, on_part)
                if on_begun is not None:
                    on_begun()
                if problem is None:
                    return Outcome(OK, attempt=trained(cell, Path(network), on_part))
                done = attempt(problem, cell, known=known, selectors=self._selectors, on_score=_telling(cell, on_part))
                return Outcome(OK, attempt=done, problem=problem.numbers())
            except Exception as error:
                if isinstance(error, SystemError) and isinstance(
                    error.__cause__ or error.__context__, KeyboardInterrupt
                ):
                    raise KeyboardInterrupt from error  # as which Ctrl-C comes in a compiled kernel
                return Outcome(_status_of(error), _reason_of(error))

    def _problem_of(self, cell: Cell, on_part: OnPart) -> Problem:
        if self._problem is None:
            self._problem = Problem(cell, on_part)
            self._problem.judge  # noqa: B018 - whose time counts for nobody
        return self._problem

    def close(self) -> None:
        """Let go of the problem."""
        self._problem = None


class ProcessWorker:
    """Runs the cells of one problem in a process of its own, which is started anew when it was ended or has died."""

    def __init__(self) -> None:
        self._process: Any = None
        self._pipe: Connection | None = None

    def run(self, cell: Cell, known: Mapping[str, Any] | None, network: str, on_part: OnPart) -> Outcome:
        """Run a cell; see `InlineWorker.run`. Its clock starts when the problem is laid out."""
        self._start()
        assert self._pipe is not None  # noqa: S101 - for the type checker
        try:
            self._pipe.send((cell, known, network))
            return self._listen(cell, on_part)
        except (EOFError, ConnectionError):
            self._process.join()
            code = self._process.exitcode
            self.close()
            how = f"was killed by signal {-code} (9: most likely for want of memory)" if code < 0 else f"ended: {code}"
            return Outcome(FAILED, f"its process {how}")

    def _start(self) -> None:
        if self._process is not None and self._process.is_alive():
            return
        context = multiprocessing.get_context("spawn")  # forks of a process with threads can hang
        self._pipe, other = context.Pipe()
        self._process = context.Process(target=_serve, args=(other, os.getpid()), daemon=False)
        with _ctrl_c_held(), _may_have_children():
            self._process.start()
        other.close()

    def _listen(self, cell: Cell, on_part: OnPart) -> Outcome:
        assert self._pipe is not None  # noqa: S101 - for the type checker
        deadline = float("inf")
        while True:
            told: tuple[Any, Any] = self._pipe.recv() if self._pipe.poll(_POLL) else (None, None)
            kind, content = told
            if kind == _DONE:
                return content
            if time.monotonic() > deadline:  # also of who never stops telling how far it is
                self.close()
                return Outcome(TIMED_OUT, f"ended after {cell.timeout:g} s, its time-out")
            if kind == _TOLD:
                on_part(*content)
            elif kind == _BEGUN and cell.timeout:
                deadline = time.monotonic() + cell.timeout

    def close(self) -> None:
        """End the process, whatever it does."""
        if self._process is not None:
            self._process.kill()
            self._process.join()
            self._process = None


@contextmanager
def _ctrl_c_held() -> Iterator[None]:
    """Hold Ctrl-C back, and for good from processes that are started meanwhile: a terminal tells them, too."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    resource_tracker.ensure_running()  # when it is started it lets Ctrl-C through again
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _may_have_children() -> Iterator[None]:
    """Let a process start one, though Dask's nanny has made it one that may not: it ends with it all the same."""
    own = multiprocessing.current_process()
    before = own.daemon
    own.daemon = False
    try:
        yield
    finally:
        own.daemon = before


_alone = threading.Lock()
_last: list[tuple[str, ProcessWorker]] = []
"""In a worker of a cluster: the problem that it has laid out, and the process that did."""


def served(_shared: None, cell: Cell, known: Mapping[str, Any] | None, network: str) -> Outcome:
    """Run a cell in a worker of a cluster, one at a time, in a process of its own, so that time-outs hold."""
    with _alone, _network_held(cell, Path(network)):
        if _last and (_last[0][0] != cell.problem or cell.net):
            _last.pop()[1].close()
        if not _last:
            _last.append((cell.problem, ProcessWorker()))
        return _last[0][1].run(cell, known, network, silence)


@contextmanager
def _network_held(cell: Cell, place: Path) -> Iterator[None]:
    """Hold a network's folder: the worker of a bench that was stopped may still be training there."""
    if not cell.net:
        yield
        return
    place.parent.mkdir(parents=True, exist_ok=True)
    with locked(place.parent, f".{cell.key}", on_wait=lambda _who: None):
        yield


def _serve(pipe: Connection, parent: int) -> None:
    """Answer cells until nobody asks any more."""
    threading.Thread(target=end_with, args=(parent,), daemon=True).start()
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # results go to stdout, and libraries' chatter does not
    worker = InlineWorker()
    while True:
        try:
            cell, known, network = pipe.recv()
        except EOFError:
            return
        done = worker.run(cell, known, network, lambda *told: pipe.send((_TOLD, told)), lambda: pipe.send((_BEGUN, ())))
        pipe.send((_DONE, done))


def trained(cell: Cell, place: Path, on_part: OnPart) -> Attempt:
    """Train a network, or go on with one that was interrupted, or take one that is done."""
    assert isinstance(cell.config, TrainConfig)  # noqa: S101 - for the type checker
    if not (place / RESULT).exists():
        if (place / CHECKPOINT).exists():
            resume_train(place, progress=on_part)
        else:
            shutil.rmtree(place, ignore_errors=True)  # left by one that was killed before its first epoch was done
            run_train(dataclasses.replace(cell.config, out=str(place)), progress=on_part)
    numbers = read_json(place, RESULT)
    kept = read_arrays(place / PREDICTIONS)
    rows, outputs = kept["rows"], kept["outputs"]
    row = {
        "features": None,
        "indices": None,
        "parameters": sum(numbers["net"]["parameters"].values()),
        "multiply-adds": numbers["net"]["multiply-adds"],
        "latency, ms": numbers["net"]["timing"]["latency of one picture, ms"],
        "seconds": {"training": numbers["training"]["seconds"], "predict": numbers["seconds"]["test"]},
        "peak memory, GB": numbers["peak memory, GB"],
        "about": {"epochs": numbers["training"]["epochs"], "best epoch": numbers["training"]["best epoch"]},
        "fingerprint": numbers["split"]["fingerprint"],
        **circumstances(cell),
        "versions": numbers["versions"],
        "machine": numbers["machine"],
    }
    return Attempt(row, rows, outputs)


def _telling(cell: Cell, on_part: OnPart) -> Callable[[CountingScorer], None]:
    """Return what tells how far a search is, by what its budget counts."""
    budget = cell.budget

    def tell(scorer: CountingScorer) -> None:
        if budget is None:
            return
        if budget.evaluations is not None:
            on_part("searching", scorer.evaluations, budget.evaluations)
        elif budget.seconds is not None:
            on_part("searching", min(int(scorer.seconds), int(budget.seconds)), int(budget.seconds))

    return tell


def _status_of(error: Exception) -> str:
    if isinstance(error, LeakageError):
        return CAUGHT
    return SKIPPED if isinstance(error, MissingExtraError | MissingFileError) else FAILED


def _reason_of(error: Exception) -> str:
    """Return an error in one line; one that nobody foresaw with the place that it came from."""
    text = " ".join(str(error).split()) or "no more is known"
    if isinstance(error, AcoferError):
        return text
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__}: {text} ({Path(last.filename).name}, line {last.lineno})"
