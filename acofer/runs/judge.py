"""Who judges subsets: a scorer for the search, and the same classifier fitted on the training part for the test."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.base import clone

from acofer.config import SearchConfig
from acofer.forest.forest import HistForestClassifier
from acofer.runs.material import Material, search_folds, training_matrix, trains_on_all
from acofer.scoring.estimator import EstimatorScorer
from acofer.scoring.forest import BinnedFold, ForestScorer
from acofer.scoring.metrics import METRICS
from acofer.scoring.protocol import IndexArray, ResampledFold, SubsetScorer, columns


@dataclass(frozen=True)
class Judge:
    """What a search needs of a classifier.

    Attributes
    ----------
    scorer : SubsetScorer
        Scores subsets on the search's folds.
    fit : callable
        ``fit(indices)`` returns the classifier, fitted on these columns of the whole training part.
    n_training_rows : int
        Rows of that part, after balancing.
    """

    scorer: SubsetScorer
    fit: Callable[[IndexArray], Any]
    n_training_rows: int


def judge_of(config: SearchConfig, estimator: Any, material: Material, n_classes: int, memo: Path | None) -> Judge:
    """Return the judge that the configuration asks for; `memo` is the file of remembered scores."""
    if isinstance(estimator, HistForestClassifier):
        return _fast(config, estimator, material, n_classes, memo)
    return _any(config, estimator, material, n_classes)


def _fast(
    config: SearchConfig, forest: HistForestClassifier, material: Material, n_classes: int, memo: Path | None
) -> Judge:
    """Bin everything; the float matrices are let go of one by one."""
    classes, seed, n_jobs = np.arange(n_classes), config.seed, config.n_jobs
    X, y = training_matrix(material, seed, "C")
    whole = BinnedFold.of(ResampledFold(X, y, X[:0], y[:0]), classes, forest.max_bins, seed=seed, n_jobs=n_jobs)
    if trains_on_all(config, material):
        validation = whole.bins.codes(material.X[material.n_train :], n_jobs)
        folds = [dataclasses.replace(whole, validation=validation, y_validation=material.y[material.n_train :])]
    else:
        made = search_folds(config, material, (X, y), "C")
        folds = [BinnedFold.of(fold, classes, forest.max_bins, seed=seed, n_jobs=n_jobs) for fold in made]
    scorer = ForestScorer(
        forest,
        folds,
        METRICS[config.metric],
        n_classes=n_classes,
        n_jobs=n_jobs,
        seed=seed,
        is_race=config.race == "on",
        memo=memo,
    )
    model = clone(forest).set_params(n_jobs=n_jobs)

    def fit(indices: IndexArray) -> HistForestClassifier:
        return clone(model).fit_codes(whole.bins, whole.train, whole.y_train, indices)

    return Judge(scorer, fit, len(y))


def _any(config: SearchConfig, estimator: Any, material: Material, n_classes: int) -> Judge:
    X, y = training = training_matrix(material, config.seed)
    scorer = EstimatorScorer(
        estimator,
        list(search_folds(config, material, training)),
        METRICS[config.metric],
        classes=np.arange(n_classes),
        n_jobs=config.n_jobs,
        backend=config.backend,
        seed=config.seed,
    )
    model = _parallel(estimator, config.n_jobs)
    return Judge(scorer, lambda indices: clone(model).fit(columns(X, indices), y), len(y))


def _parallel(estimator: Any, n_jobs: int) -> Any:
    """Let one fit of an ensemble use all workers; a forest is the same for any number of them."""
    takes_jobs = {"n_jobs", "n_estimators"} <= estimator.get_params().keys()  # others deprecate it, or gain nothing
    return clone(estimator).set_params(n_jobs=n_jobs) if takes_jobs else estimator
