"""One contender, one seed, one problem: a row of a result file, checked."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from acofer.bench.store import STATUSES
from acofer.errors import DataError
from acofer.report.entry import Entry
from acofer.report.problem import Problem
from acofer.scoring.metrics import METRICS, confusion, rates

IntArray = NDArray[np.int64]
KINDS = ("selector", "network")
_SAME = 1e-6
"""How far an accuracy that is written down may lie from that of the row's own predictions, by rounding."""


@dataclass(frozen=True, eq=False)
class Row:
    """One contender, one seed, one problem.

    Attributes
    ----------
    predicted : ndarray of int64, shape (test,), or None
        Classes; None where a run did not keep them.
    confusion : ndarray of int64, shape (classes, classes)
    card : Entry or None
        The scorecard; None where the row is not "ok".
    run : int
        Which of the results it stands in.
    sets : str
        For runs made one by one: their settings, by which two colonies are told apart.
    setting : str
        For a bench's selectors: the plan's name for the setting. Two settings are one problem where they differ in
        what it does not see, e.g. in balancing.
    draw : int
        Which of several draws with one seed.
    """

    entry: Entry
    problem: Problem
    run: int
    run_name: str
    sets: str
    setting: str
    command: str
    status: str
    is_null: bool
    kind: str
    contender: str
    selector: str | None
    classifier: str | None
    size: str | None
    budget: str | None
    seed: int
    draw: int
    features: int | None
    indices: IntArray | None
    predicted: IntArray | None
    confusion: IntArray
    card: Entry | None

    @classmethod
    def read(cls, entry: Entry, problem: Problem, run: int, result: Entry) -> Row:
        """Check and convert what a result file says of a row."""
        status = entry.word("status", STATUSES)
        is_null = entry.content.get("is null") is True
        card = entry.inner("test") if status == "ok" and not is_null else None
        predicted, counts = _answers(entry, problem, card)
        kind = entry.word("kind", KINDS)
        indices = None
        if entry.has("indices") and problem.features is not None:
            indices = np.unique(entry.wholes("indices", problem.features))
        return cls(
            entry=entry,
            problem=problem,
            run=run,
            run_name=result.text("name"),
            sets=entry.maybe_text("settings") or "",
            setting=(kind == "selector" and entry.maybe_text("setting")) or "",
            command=entry.maybe_text("command") or result.maybe_text("command") or "",
            status=status,
            is_null=is_null,
            kind=kind,
            contender=entry.text("contender"),
            selector=entry.maybe_text("selector"),
            classifier=_classifier(entry),
            size=_size(entry),
            budget=_budget(entry.maybe_inner("budget")),
            seed=entry.whole("seed"),
            draw=entry.maybe_whole("draw") or 0,
            features=entry.maybe_whole("features"),
            indices=indices,
            predicted=predicted,
            confusion=counts,
            card=card,
        )

    @property
    def searches(self) -> bool:
        """Whether it asked for scores of subsets."""
        return self.entry.has("evaluations")

    def rate(self, name: str) -> float:
        """Return one of `acofer.scoring.metrics.RATES`."""
        return float(rates(self.confusion)[name])

    def seconds(self, *stages: str) -> float | None:
        """Return the seconds of these stages together; None where none of them was timed."""
        timed = self.entry.maybe_inner("seconds")
        if timed is None:
            return None
        found = [seconds for seconds in (timed.maybe_number(stage, 0.0) for stage in stages) if seconds is not None]
        return sum(found) if found else None

    def metric(self) -> str | None:
        """Return the name of the search's metric."""
        score = self.entry.maybe_inner("search score")
        return None if score is None else score.word("metric", tuple(METRICS))


def _answers(entry: Entry, problem: Problem, card: Entry | None) -> tuple[IntArray | None, IntArray]:
    """Return predictions and confusion, and see that the scorecard says what they say."""
    n_classes = len(problem.classes)
    if card is None:
        return None, np.zeros((n_classes, n_classes), np.int64)
    predicted = entry.wholes("predicted", n_classes, (problem.test,)) if entry.has("predicted") else None
    counts = card.wholes("confusion", problem.test + 1, (n_classes, n_classes))
    if counts.sum() != problem.test:
        raise DataError(f"{card.where}: expected {problem.test} rows in its confusion; got {counts.sum()}")
    if predicted is not None and problem.labels is not None:
        own = confusion(problem.labels, predicted, n_classes)
        if not np.array_equal(own, counts):
            raise DataError(f"{card.where}: its confusion is not that of its predictions; the file was changed by hand")
    said, found = card.inner("accuracy").number("value"), float(np.trace(counts) / problem.test)
    if abs(said - found) > _SAME:
        raise DataError(f"{card.where}: expected accuracy {found:.6f}, as its confusion has; got {said:.6f}")
    return predicted, counts


def _classifier(entry: Entry) -> str | None:
    """Return the final classifier: the scorer's own, where it was left open."""
    named = entry.maybe_text("classifier")
    return entry.inner("configuration").maybe_text("scorer") or named if named == "auto" else named


def _size(entry: Entry) -> str | None:
    """Return the size that was asked for in words: a number, a share, a range or "auto"."""
    value = entry.content.get("size")
    if value is None or isinstance(value, str):
        return value
    return f"{value:,}" if isinstance(value, int) else f"{entry.number('size'):g}"


def _budget(entry: Entry | None) -> str | None:
    """Return a budget in words."""
    if entry is None:
        return None
    evaluations, seconds = entry.maybe_whole("evaluations"), entry.maybe_number("seconds", 0.0)
    parts = [] if evaluations is None else [f"{evaluations:,} subset scores"]
    parts += [] if seconds is None else [f"{seconds:g} s"]
    return " or ".join(parts) or None


def interval_of(card: Entry | None, name: str) -> list[float] | None:
    """Return the interval that a scorecard gives for one of its values; None where it gives none."""
    value = None if card is None else card.maybe_inner(name)
    if value is None or not value.has("interval"):
        return None
    ends = value.content["interval"]
    if not isinstance(ends, list) or len(ends) != 2:
        raise DataError(f"{value.where}: expected an interval of two numbers; got {type(ends).__name__}")
    both = Entry(dict(zip(("from", "to"), ends, strict=True)), f"{value.where}: interval")
    return [both.number("from"), both.number("to")]
