"""Outer folds: a search chooses on some training rows, and its choice is scored on others, which it has not seen."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from acofer.bench.budget import Budget, CountingScorer
from acofer.bench.selector import Selector
from acofer.bench.selectors import choose
from acofer.bench.task import Heuristic, Task
from acofer.colony.search import SearchTrace, settle
from acofer.colony.size import SizeLike
from acofer.config.search import SearchConfig
from acofer.config.tune import TuneConfig
from acofer.errors import ConfigError
from acofer.features.bank import part_of
from acofer.runs.guidance import heuristic_of
from acofer.runs.judge import Judge, judge_of
from acofer.runs.material import Material
from acofer.scoring.estimator import class_probabilities
from acofer.scoring.metrics import METRICS
from acofer.scoring.protocol import IndexArray, RowArray, SealedLabels, columns, stratified_folds

OnScore = Callable[[CountingScorer], None]
SCORER_KNOBS = ("penalty", "trees")
"""Knobs of who scores: where they are tuned, every trial makes its scorers anew."""


@dataclasses.dataclass(frozen=True)
class Search:
    """One search of a trial.

    Attributes
    ----------
    selector : Selector
    knobs : mapping
        The selector's, all of them.
    size : int, float or str
    scorer : mapping
        Options of who scores, see `SCORER_KNOBS`; those that are tuned.
    budget : Budget
    """

    selector: Selector
    knobs: Mapping[str, Any]
    size: SizeLike
    scorer: Mapping[str, Any]
    budget: Budget


class OuterFold:
    """Rows that a search sees, and rows that are held out from it.

    Parameters
    ----------
    config : SearchConfig
        Settled, with the fold's own seed.
    rows, held_out : (matrix, ndarray of int64)
        Features (of a bank, its rows) and classes; real rows, which no other part of the split shares.
    n_classes : int
    metric : str
        What the final classifier is scored by on the held-out rows.
    """

    def __init__(
        self,
        config: SearchConfig,
        rows: tuple[Any, NDArray[np.int64]],
        held_out: tuple[Any, NDArray[np.int64]],
        n_classes: int,
        metric: str,
    ) -> None:
        self._config, self._n_classes, self._metric = config, n_classes, METRICS[metric]
        self._material = _material(config, *rows)
        X, self._y_held_out = held_out
        self._X_held_out = np.asarray(X, np.float32, order="F") if isinstance(X, np.ndarray) else X
        self._heuristics: dict[str, Heuristic] = {}
        self._judge: tuple[dict[str, Any], Judge] | None = None
        self._known: dict[bytes, float] = {}

    def __getstate__(self) -> dict[str, Any]:
        """Return its rows, to be sent; whoever gets them makes judge and heuristics anew."""
        return {**vars(self), "_heuristics": {}, "_judge": None, "_known": {}}

    def choose(self, search: Search, on_score: OnScore) -> IndexArray:
        """Return what a search chooses; `on_score` is told after every batch.

        Raises
        ------
        ConfigError
            If the selector makes new features instead of choosing some, or has not scored any subset in time.
        """
        judge = self._judge_of(search.scorer)
        counting = CountingScorer(judge.scorer, search.budget, on_score=on_score)
        task = Task(
            X=self._material.X,
            y=self._material.y,
            n_classes=self._n_classes,
            size=search.size,
            seed=self._config.seed,
            n_jobs=self._config.n_jobs,
            knobs=search.knobs,
            scorer=counting,
            heuristic=self._heuristic,
            improve=judge.improve,
        )
        chosen = choose(search.selector, task).indices
        if chosen is None:
            raise ConfigError(f"contender: {search.selector.name} makes new features; only those that choose are tuned")
        if search.selector.searches:  # by the rule of acofer search
            chosen = settle(SearchTrace(archive=counting.archive), counting, self._config.pick).indices
        return chosen

    def value(self, indices: IndexArray) -> float:
        """Return the final classifier's score on the held-out rows, with the scorer of the last search."""
        key = indices.tobytes()
        if key not in self._known:
            assert self._judge is not None  # noqa: S101 - a search comes before
            model = self._judge[1].final({len(indices)})(indices)
            proba = class_probabilities(model, columns(self._X_held_out, indices), np.arange(self._n_classes))
            self._known[key] = self._metric.of(self._y_held_out, proba)
        return self._known[key]

    def _judge_of(self, options: Mapping[str, Any]) -> Judge:
        """Return who scores; he is kept until another one is asked for, since moments of many features are large."""
        if self._judge is None or self._judge[0] != options:
            self._judge = None
            self._known.clear()
            # Whether they are used is a knob; the moments have both ready.
            config = dataclasses.replace(self._config, heuristic="conditional", local_search="on", **options)
            self._judge = dict(options), judge_of(config, self._material, self._n_classes, None)
        return self._judge[1]

    def _heuristic(self, name: str) -> Heuristic:
        name = self._config.heuristic if name == "auto" else name
        if name not in self._heuristics:
            config = dataclasses.replace(self._config, heuristic=name)
            found = heuristic_of(config, self._material, self._n_classes)
            if found is None:
                assert self._judge is not None  # noqa: S101 - for the type checker
                assert self._judge[1].heuristic is not None  # noqa: S101 - likewise
                return self._judge[1].heuristic
            self._heuristics[name] = found
        return self._heuristics[name]


def outer_folds(
    config: TuneConfig, values: Any, labels: NDArray, training: RowArray, n_classes: int
) -> list[OuterFold]:
    """Cut the training rows into stratified folds; no other row is looked at.

    Parameters
    ----------
    config : TuneConfig
        Settled.
    values : ndarray of float16, shape (n, p), or Bank
        Features of all pictures.
    labels : ndarray of int, shape (n,)
    training : ndarray of int64
        The rows of the split's training part.
    n_classes : int

    Raises
    ------
    DataError
        If a class has fewer training rows than there are folds.
    """
    y = labels[training].astype(np.int64)
    folds = []
    for fold, cut in enumerate(stratified_folds(y, config.outer_folds, config.seed)):
        own = config.search(seed=config.seed + fold)
        seen, held_out = ((part_of(values, training[part]), y[part]) for part in cut)
        folds.append(OuterFold(own, seen, held_out, n_classes, config.final_metric))
    return folds


def _material(config: SearchConfig, X: Any, y: NDArray[np.int64]) -> Material:
    """Lay out the rows of a search that has no validation part and no test part of its own."""
    none = np.empty(0, np.int64)
    return Material(
        protocol=config.protocol,
        X=X,
        y=y,
        n_train=len(y),
        resample="none" if config.balance == "weights" else config.balance,
        X_test=np.empty((0, X.shape[1]), np.float32),
        sealed=SealedLabels(none),
        test_rows=none,
        n_synthetic_test_rows=0,
    )
