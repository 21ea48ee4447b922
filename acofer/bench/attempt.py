"""One cell, run: choose, fit, predict, each by its own clock; what comes of it is a row without test labels."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import metadata
from typing import Any

import numpy as np
from numpy.typing import NDArray

from acofer.bench.budget import CountingScorer
from acofer.bench.guards import check_outputs
from acofer.bench.plan import Cell
from acofer.bench.problem import Problem
from acofer.bench.selectors import SELECTORS, Selector, choose
from acofer.bench.task import Choice, rows_of
from acofer.config.search import SearchConfig
from acofer.errors import ConfigError
from acofer.runs.judge import Fit, final_of, judge_of
from acofer.runs.machine import machine, peak_memory, reset_peak_memory, versions
from acofer.runs.record import score_numbers
from acofer.runs.verdict import predicted_by
from acofer.scoring.protocol import IndexArray, columns
from acofer.scoring.ridge import MomentRidgeClassifier

_LATENCY_CALLS = 15
"""Predictions of one row, of which the median is taken."""


@dataclass(frozen=True)
class Attempt:
    """What came of a cell.

    Attributes
    ----------
    row : dict
        Plain data; see `acofer.bench.store`.
    rows : ndarray of int64, shape (n,)
        The test rows.
    outputs : ndarray of float32, shape (n, n_classes)
        Class probabilities of them.
    raw : ndarray of float32 or None
        Of ridge, its scores before they are made probabilities: by their errors subsets are compared.
    """

    row: dict[str, Any]
    rows: NDArray[np.int64]
    outputs: NDArray[np.float32]
    raw: NDArray[np.float32] | None = None


def attempt(
    problem: Problem,
    cell: Cell,
    *,
    known: Mapping[str, Any] | None = None,
    selectors: Mapping[str, Selector] = SELECTORS,
    on_score: Callable[[CountingScorer], None] | None = None,
) -> Attempt:
    """Run a selector's cell.

    Parameters
    ----------
    problem : Problem
    cell : Cell
    known : mapping, optional
        The row of a cell that has made the same choice already; see `Cell.selection`.
    selectors : mapping of str to Selector
    on_score : callable, optional
        For progress.
    """
    assert isinstance(cell.config, SearchConfig)  # noqa: S101 - for the type checker
    assert cell.selector is not None  # noqa: S101
    reset_peak_memory()
    problem.judge  # noqa: B018 - made before any clock runs
    is_known = known is not None and known["fingerprint"] == problem.fingerprint
    chosen = _known(known) if is_known else _chosen(problem, cell, selectors[cell.selector], on_score)  # type: ignore[arg-type]
    _check_indices(cell, chosen.choice.indices, problem.n_features)
    with np.errstate(all="ignore"):  # who divides by zero has to say so in its outputs
        fitted = _fitted(problem, cell, chosen.choice)
    check_outputs(fitted.outputs, problem.test_rows, problem.test_rows, problem.n_classes)
    row = {
        **chosen.row,
        "features": fitted.n_features,
        "indices": None if chosen.choice.indices is None else chosen.choice.indices.tolist(),
        "parameters": None,
        "classifier latency, ms": round(fitted.latency, 3),
        "seconds": {
            "embedding": problem.embedding_seconds,
            "balancing": round(problem.watch.seconds["balancing"], 3),
            **chosen.row["seconds"],
            "fit": round(fitted.fit_seconds, 3),
            "predict": round(fitted.predict_seconds, 3),
        },
        "peak memory, GB": peak_memory(),
        "fingerprint": problem.fingerprint,
        **circumstances(cell, selectors[cell.selector].needs),
    }
    _check_plain(cell, row)
    return Attempt(row, problem.test_rows, fitted.outputs, fitted.raw)


def _check_indices(cell: Cell, indices: IndexArray | None, n_features: int) -> None:
    """Refuse features that NumPy would take without a word: those counted from the end, and those named twice."""
    if indices is None:
        return
    is_fine = np.ndim(indices) == 1 and len(indices) and np.asarray(indices).dtype.kind == "i"
    if not is_fine or indices[0] < 0 or indices[-1] >= n_features or (np.diff(indices) <= 0).any():
        raise ConfigError(
            f"{cell.contender}: expected chosen features in ascending order, each once, from 0 to {n_features - 1}; "
            f"got {indices!r}"
        )


def _check_plain(cell: Cell, row: dict[str, Any]) -> None:
    """Refuse what a contender says about its choice where it cannot be written: that ends its cell, not the plan."""
    try:
        json.dumps(row, allow_nan=False)
    except (TypeError, ValueError) as error:
        about = f"{cell.contender}: expected plain data and finite numbers about its choice"
        raise ConfigError(f"{about}; {error}") from None


def circumstances(cell: Cell, packages: tuple[str, ...] = ()) -> dict[str, Any]:
    """Return what a row says of how it was made."""
    return {
        "configuration": {**dataclasses.asdict(cell.config), "knobs": cell.knobs},
        "versions": versions() | {name: _version(name) for name in packages},
        "machine": machine(),
    }


@dataclass(frozen=True)
class _Chosen:
    choice: Choice
    row: dict[str, Any]


def _chosen(
    problem: Problem, cell: Cell, selector: Selector, on_score: Callable[[CountingScorer], None] | None
) -> _Chosen:
    scorer = None
    if selector.searches:
        assert cell.budget is not None  # noqa: S101 - for the type checker
        scorer = CountingScorer(problem.judge.scorer, cell.budget, on_score=on_score)
    problem.guide.seconds()  # what one that failed had asked for is not charged to the next
    started = time.perf_counter()
    choice = choose(selector, problem.task(cell, scorer))
    elapsed = time.perf_counter() - started
    guidance, waited = problem.guide.seconds()
    row: dict[str, Any] = {
        "seconds": {"heuristic": round(guidance, 3), "selection": round(elapsed - waited, 3)},
        "about": choice.about,
    }
    if scorer is not None:
        row |= _search_numbers(scorer, choice.indices)
    return _Chosen(choice, row)


def _search_numbers(scorer: CountingScorer, indices: IndexArray | None) -> dict[str, Any]:
    score = None if indices is None else scorer.archive.get(indices)
    return {
        "evaluations": scorer.evaluations,
        "asked": scorer.asked,
        "search score": score and {"metric": scorer.metric_name, **score_numbers(score)},
        "history": [[n, round(seconds, 3), value, size] for n, seconds, value, size in scorer.history],
        "scored": [[each.size, each.value, each.is_estimate] for each in scorer.archive],
    }


def _known(row: Mapping[str, Any]) -> _Chosen:
    names = ("about", "evaluations", "asked", "search score", "history", "scored")
    kept = {name: row[name] for name in names if name in row}
    kept["seconds"] = {name: row["seconds"][name] for name in ("heuristic", "selection")}
    kept["about"] = {**row["about"], "chosen by": row["cell"]}
    return _Chosen(Choice(np.array(row["indices"], np.int32)), kept)


@dataclass(frozen=True)
class _Fitted:
    outputs: NDArray[np.float32]
    raw: NDArray[np.float32] | None
    n_features: int
    fit_seconds: float
    predict_seconds: float
    latency: float


def _fitted(problem: Problem, cell: Cell, choice: Choice) -> _Fitted:
    """Fit the final classifier on what was chosen, and predict the test part."""
    fit, indices, X_test = _final(problem, cell, choice)
    started = time.perf_counter()
    model = fit(indices)
    fit_seconds = time.perf_counter() - started
    classes = np.arange(problem.n_classes)
    started = time.perf_counter()
    outputs = predicted_by(model, X_test, indices, classes).astype(np.float32)
    predict_seconds = time.perf_counter() - started
    one = X_test[:1] if isinstance(X_test, np.ndarray) else X_test.part(slice(1))
    latency = _median_seconds(lambda: predicted_by(model, one, indices, classes))
    raw = None
    if isinstance(model, MomentRidgeClassifier):
        raw = model.decision_function(columns(X_test, indices)).astype(np.float32)
    return _Fitted(outputs, raw, len(indices), fit_seconds, predict_seconds, 1000 * latency)


def _final(problem: Problem, cell: Cell, choice: Choice) -> tuple[Fit, IndexArray, Any]:
    """Return what fits the classifier, on which columns, and the test rows; a projection makes columns of its own."""
    assert isinstance(cell.config, SearchConfig)  # noqa: S101 - for the type checker
    material, judge = problem.material, problem.judge
    if choice.project is not None:
        made = [np.asarray(choice.project(rows_of(X)), np.float32) for X in (material.X, material.X_test)]
        material = dataclasses.replace(material, X=made[0], X_test=np.asfortranarray(made[1]))
        judge = judge_of(problem.config, material, problem.n_classes, None)
    indices = choice.indices if choice.project is None else np.arange(material.X.shape[1], dtype=np.int32)
    assert indices is not None  # noqa: S101 - for the type checker
    return final_of(cell.config, judge, material)({len(indices)}), indices, material.X_test


def _median_seconds(call: Callable[[], Any]) -> float:
    taken = []
    for _ in range(_LATENCY_CALLS):
        started = time.perf_counter()
        call()
        taken.append(time.perf_counter() - started)
    return float(np.median(taken))


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
