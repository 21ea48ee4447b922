"""Scoring subsets with any scikit-learn estimator."""

from __future__ import annotations

import time
import weakref
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from acofer.errors import ConfigError, DataError, nearest
from acofer.records import SubsetScore
from acofer.scoring.metrics import Metric
from acofer.scoring.protocol import Fold, IndexArray, OnScore, subset_score, validation_blocks
from acofer.workers.crew import THREADING, crew_of

Judge = Callable[[Any, NDArray, NDArray], float]
"""A scikit-learn scorer: ``judge(fitted estimator, X, y)``, larger is better."""

EMBEDDING_BINS = 32
"""Bins of the fast forest on a network's features: as accurate as 16, 64 or 128 there (benchmarks/steps.py). Tables of
few features want more, so the classifier's own default is higher."""


class EstimatorScorer:
    """Fits a clone of one estimator on each fold and scores its predictions on the real validation rows.

    Parameters
    ----------
    estimator : scikit-learn estimator
        Cloned for every fit, its seed included, so that all subsets meet the same trees.
    folds : list of Fold
        One fold (a validation part) or several. With one, standard errors
        come from blocks of its validation rows.
    metric : Metric or callable
        A `Metric` on class probabilities, or a scikit-learn scorer (larger is better).
    classes : ndarray, shape (n_classes,)
        All classes, sorted; only for a `Metric`.
    n_jobs : int
        Workers; the scores do not depend on it.
    backend : {"threading", "loky", "dask"}
        What workers are: threads, processes of this machine, or those of a Dask cluster.
    scheduler : str, optional
        Of Dask: its address, or the path of its scheduler file.
    seed : int
        Of the blocks.
    """

    is_final_when_told = True

    def __init__(
        self,
        estimator: Any,
        folds: Sequence[Fold],
        metric: Metric | Judge,
        *,
        classes: NDArray | None = None,
        n_jobs: int = 1,
        backend: str = THREADING,
        scheduler: str | None = None,
        seed: int = 0,
    ) -> None:
        blocks = validation_blocks(folds[0].y_validation, seed) if len(folds) == 1 else None
        measure = _Measure(estimator, list(folds), metric, np.empty(0) if classes is None else classes, blocks)
        self._crew = crew_of(backend, n_jobs, scheduler, measure)
        weakref.finalize(self, self._crew.close)
        self.metric_name = metric.name if isinstance(metric, Metric) else getattr(metric, "_score_name", "score")
        self.greater_is_better = metric.greater_is_better if isinstance(metric, Metric) else True

    def score(self, subsets: Sequence[IndexArray], on_score: OnScore | None = None) -> list[SubsetScore]:
        """Score the subsets; see `acofer.scoring.protocol.SubsetScorer`."""
        done: list[SubsetScore | None] = [None] * len(subsets)
        largest_first = sorted(range(len(subsets)), key=lambda i: -len(subsets[i]))  # so that no worker ends late
        with closing(self._crew.run(_measured, ((subsets[i],) for i in largest_first))) as measured:
            for number, numbers in measured:
                position = largest_first[number]
                done[position] = score = self._score(subsets[position], *numbers)
                if on_score is not None:
                    on_score(position, score)
        return [score for score in done if score is not None]

    def finish(self, indices: IndexArray) -> SubsetScore:
        """Score one subset in full; here every score is."""
        return self.score([indices])[0]

    def state(self) -> dict[str, Any]:
        """Return nothing: no score depends on another."""
        return {}

    def restore(self, state: dict[str, Any]) -> None:
        """Do nothing."""

    def _score(self, indices: IndexArray, value: float, parts: NDArray[np.float64], seconds: float) -> SubsetScore:
        return subset_score(indices, value, parts, self.greater_is_better, seconds)


@dataclass(frozen=True)
class _Measure:
    """What subsets are measured by; every worker has one."""

    estimator: Any
    folds: list[Fold]
    metric: Metric | Judge
    classes: NDArray
    blocks: list[NDArray[np.int64]] | None  # of the only fold's validation rows

    def of(self, indices: IndexArray) -> tuple[float, NDArray[np.float64]]:
        """Return a subset's value and those of its folds, or of its blocks."""
        if self.blocks is not None:
            return self._of_blocks(self.folds[0], indices, self.blocks)
        parts = np.array([self._of_fold(fold, indices) for fold in self.folds])
        return float(parts.mean()), parts

    def _of_fold(self, fold: Fold, indices: IndexArray) -> float:
        return self._judged(self._fitted(fold, indices), fold.validation(indices), fold.y_validation)

    def _of_blocks(
        self, fold: Fold, indices: IndexArray, blocks: list[NDArray[np.int64]]
    ) -> tuple[float, NDArray[np.float64]]:
        """Measure the whole validation part and each of its blocks, predicting once where the metric allows it."""
        model = self._fitted(fold, indices)
        X, y = fold.validation(indices), fold.y_validation
        if not isinstance(self.metric, Metric):
            return self._judged(model, X, y), np.array([self._judged(model, X[b], y[b]) for b in blocks])
        proba, true = class_probabilities(model, X, self.classes), np.searchsorted(self.classes, y)
        return self.metric.of(true, proba), np.array([self.metric.of(true[b], proba[b]) for b in blocks])

    def _fitted(self, fold: Fold, indices: IndexArray) -> Any:
        from sklearn.base import clone

        X, y, weight = fold.train(indices)
        weights = {} if weight is None else {"sample_weight": weight}
        try:
            return clone(self.estimator).fit(X, y, **weights)
        except ValueError as error:
            raise DataError(f"{type(self.estimator).__name__} cannot be fitted on {X.shape}; {error}") from error

    def _judged(self, model: Any, X: NDArray, y: NDArray) -> float:
        if isinstance(self.metric, Metric):
            return self.metric.of(np.searchsorted(self.classes, y), class_probabilities(model, X, self.classes))
        return float(self.metric(model, X, y))


def _measured(measure: _Measure, indices: IndexArray) -> tuple[float, NDArray[np.float64], float]:
    """Return a subset's value, those of its parts, and what that took; done by workers."""
    start = time.perf_counter()
    value, parts = measure.of(indices)
    return value, parts, time.perf_counter() - start


def class_probabilities(model: Any, X: NDArray, classes: NDArray) -> NDArray[np.float64]:
    """Return probabilities with one column for each of the sorted `classes`, also of those the model never saw.

    A model without ``predict_proba`` gives all its probability to the class it predicts; log-loss then
    counts every error alike.
    """
    proba = np.zeros((len(X), len(classes)))
    if hasattr(model, "predict_proba"):
        proba[:, np.searchsorted(classes, model.classes_)] = model.predict_proba(X)
    else:
        proba[np.arange(len(X)), np.searchsorted(classes, model.predict(X))] = 1.0
    return proba


def classifier_named(
    name: str, *, trees: int = 90, seed: int = 0, params: dict[str, Any] | None = None, option: str = "scorer"
) -> Any:
    """Return an option's estimator: a forest, or any scikit-learn classifier by the name of its class.

    Parameters
    ----------
    name : str
        ``"forest"`` is a `HistForestClassifier` of `trees` trees, ``"sklearn"`` a `RandomForestClassifier` of as many.
    trees : int
        90 in the published system.
    seed : int
        Becomes ``random_state`` where the classifier has one.
    params : dict, optional
        Further parameters of the classifier.
    option : str
        What errors call it.

    Raises
    ------
    ConfigError
        If there is no such classifier or parameter.
    """
    from sklearn.ensemble import RandomForestClassifier

    from acofer.forest.forest import HistForestClassifier

    forests = {"forest": HistForestClassifier, "sklearn": RandomForestClassifier}
    settings: dict[str, Any] = {"n_estimators": trees} if name in forests else {}
    if name == "forest":
        settings["max_bins"] = EMBEDDING_BINS
    settings |= params or {}
    if name in forests:
        kind: Any = forests[name]
    else:
        known = _scikit_learns()
        if name not in known:
            hint = nearest(name, [*known, *forests])
            raise ConfigError(
                f"{option}: expected 'forest', 'sklearn' or a scikit-learn classifier; got {name!r}; {hint}"
            )
        kind = known[name]
    try:
        model = kind(**settings)
        model.check_params() if kind is HistForestClassifier else model._validate_params()
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{option}_params: {name} does not take them: {error}") from None
    return model.set_params(random_state=seed) if "random_state" in model.get_params() else model


@cache
def _scikit_learns() -> dict[str, Any]:
    """Return scikit-learn's classifiers by name; to look for them takes a tenth of a second, and a plan asks often."""
    from sklearn.utils import all_estimators

    return dict(all_estimators(type_filter="classifier"))
