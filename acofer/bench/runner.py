"""A plan, run: what has no row yet gets one, and when all have, the labels are opened."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from acofer.bench.opening import open_labels
from acofer.bench.plan import Cell, Plan
from acofer.bench.selectors import SELECTORS, Selector
from acofer.bench.store import FAILED, OK, BenchFolder, Row, check_row
from acofer.bench.worker import InlineWorker, OnPart, Outcome, ProcessWorker, served
from acofer.errors import WorkerError
from acofer.locks import locked
from acofer.records import silence
from acofer.workers.cluster import ClusterCrew

OnRow = Callable[[Row, int, int], None]
"""Called as ``on_row(row, rows so far, cells in all)``."""


class _Worker(Protocol):
    def run(self, cell: Cell, known: Mapping[str, Any] | None, network: str, on_part: OnPart) -> Outcome: ...

    def close(self) -> None: ...


def run_plan(
    plan: Plan,
    out: str | Path,
    *,
    retry: bool = False,
    selectors: Mapping[str, Selector] | None = None,
    on_row: OnRow | None = None,
    on_part: OnPart | None = None,
    scheduler: str | None = None,
) -> dict[str, Any]:
    """Run the cells of a plan that have no row yet, then open the labels of the test parts.

    Parameters
    ----------
    plan : Plan
    out : path
        The bench's folder; one that is there is gone on with.
    retry : bool
        Cells that did not end well run again.
    selectors : mapping of str to Selector, optional
        Your own beside acofer's, as the plan was read with; then all run in this process, without time-outs.
    on_row : callable, optional
        Told of every row that is made.
    on_part : callable, optional
        Told ``(stage, done, total)`` within a cell, and while labels are opened.
    scheduler : str, optional
        Of a Dask cluster, whose workers run cells side by side: its address, or the path of its scheduler file. They
        see the folder, the pictures and the cache at the same paths.

    Returns
    -------
    dict
        The content of ``result.json``.

    Raises
    ------
    AcoferError
        If the folder is another's, damaged, cannot be written to, or another process is at it; if no cluster answers.
    LeakageError
        If rows that are there were measured on other pictures than are there now.
    KeyboardInterrupt
        Where it was interrupted; the message says how to go on.
    """
    folder = BenchFolder(out)
    with locked(folder.place):
        folder.tidy()
        folder.write_plan(plan.text)
        rows = _kept(folder, plan)
        done = {key for key, row in rows.items() if row["status"] == OK or not retry}
        todo = [cell for cell in plan.cells if cell.key not in done]
        book = _Book(folder, rows, on_row, len(plan.cells) - len(todo), len(plan.cells))
        try:
            if scheduler is None:
                _run(todo, book, selectors, on_part or silence)
            elif todo:
                _run_on_cluster(todo, book, scheduler)
            return open_labels(plan, folder, rows, on_part or silence)
        except KeyboardInterrupt:
            raise KeyboardInterrupt(
                f"every row that was done is kept; go on with the same command (in {out})"
            ) from None


@dataclass
class _Book:
    """The rows that there are, and who is told of a new one."""

    folder: BenchFolder
    rows: dict[str, Row]
    on_row: OnRow | None
    done: int
    total: int

    def note(self, cell: Cell, outcome: Outcome) -> None:
        """Keep a cell's row."""
        row = _row(cell, outcome)
        _keep(self.folder, cell, row, outcome)
        self.rows[cell.key] = row
        self.done += 1
        if self.on_row is not None:
            self.on_row(row, self.done, self.total)


def _run(todo: list[Cell], book: _Book, selectors: Mapping[str, Selector] | None, on_part: OnPart) -> None:
    worker: _Worker = ProcessWorker() if selectors is None else InlineWorker({**SELECTORS, **selectors})
    problem = None
    try:
        for cell in todo:
            if cell.problem != problem or cell.net:  # a problem's rows are let go of before the next one's come
                worker.close()
                problem = cell.problem
            known = _same_choice(cell, book.rows)
            book.note(cell, worker.run(cell, known, str(book.folder.network(cell.key)), on_part))
    finally:
        worker.close()


def _run_on_cluster(todo: list[Cell], book: _Book, scheduler: str) -> None:
    """Run cells side by side, one a worker; rows are written here, in the order in which they come."""
    crew = ClusterCrew(scheduler, None, is_alone=True)
    sent: list[Cell] = []
    choosing: Counter[str] = Counter()
    try:
        with closing(crew.outcomes(served, _turns(todo, book, sent, choosing))) as outcomes:
            for position, outcome in outcomes:
                choosing[sent[position].selection] -= 1
                is_lost = isinstance(outcome, WorkerError)
                book.note(sent[position], Outcome(FAILED, str(outcome)) if is_lost else outcome)
    finally:
        crew.close()


def _turns(todo: list[Cell], book: _Book, sent: list[Cell], choosing: Counter[str]) -> Iterator[tuple[Any, ...] | None]:
    """Yield what a worker needs of each cell; None while all that are left wait for another's choice of features.

    So a choice is made once, and by the same cell as where they run one after the other.
    """
    waiting = list(todo)
    while waiting:
        ready = ((cell, _same_choice(cell, book.rows)) for cell in waiting)
        turn = next(((cell, known) for cell, known in ready if known or not choosing[cell.selection]), None)
        if turn is None:
            yield None
            continue
        cell, known = turn
        waiting.remove(cell)
        sent.append(cell)
        choosing[cell.selection] += 1
        yield cell, known, str(book.folder.network(cell.key).resolve())


def _same_choice(cell: Cell, rows: Mapping[str, Row]) -> Row | None:
    """Return the row of a cell that made the same choice of features, if there is one."""
    if cell.selector is None:
        return None
    same = (row for row in rows.values() if row.get("selection") == cell.selection and row["status"] == OK)
    return next((row for row in same if row.get("indices") is not None), None)


def _kept(folder: BenchFolder, plan: Plan) -> dict[str, Row]:
    """Return the rows that are there; what a plan says of its cells is taken from the plan."""
    rows = folder.rows()
    for cell in plan.cells:
        if cell.key in rows:
            rows[cell.key] = {"reason": None, **rows[cell.key], **_identity(cell)}
            check_row(rows[cell.key], folder.place)
    return rows


def _row(cell: Cell, outcome: Outcome) -> Row:
    """Return a row as it is kept: all but the test labels and what depends on them."""
    row = {**_identity(cell), "status": outcome.status, "reason": outcome.reason}
    return row | (outcome.attempt.row if outcome.attempt else {})


def _identity(cell: Cell) -> Row:
    """Return what a row says of its cell."""
    budget = cell.budget
    return {
        "cell": cell.key,
        "problem": cell.problem,
        "selection": cell.selection,
        "setting": cell.setting,
        "protocol": cell.protocol,
        "is null": cell.is_null,
        "kind": "network" if cell.net else "selector",
        "contender": cell.contender,
        "selector": cell.selector,
        "net": cell.net,
        "classifier": cell.classifier,
        "size": cell.size,
        "budget": None if budget is None else {"evaluations": budget.evaluations, "seconds": budget.seconds},
        "seed": cell.config.seed,
        "split seed": cell.config.split_seed,
    }


def _keep(folder: BenchFolder, cell: Cell, row: Row, outcome: Outcome) -> None:
    if outcome.problem is not None and folder.problem(cell.problem) is None:
        folder.keep_problem(cell.problem, outcome.problem)
    attempt = outcome.attempt
    if attempt is None:
        folder.keep(row)
        return
    outputs: dict[str, Any] = {"rows": attempt.rows, "outputs": attempt.outputs, "raw": attempt.raw}
    folder.keep(row, {name: values for name, values in outputs.items() if values is not None})
