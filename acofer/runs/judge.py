"""Who judges subsets: a scorer for the search, and the same classifier fitted on the training part for the test."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from acofer.colony.conditional import HEURISTIC_PENALTY, ConditionalHeuristic
from acofer.colony.exchange import exchanged
from acofer.colony.search import LocalSearch
from acofer.config.search import RIDGE_FOLDS, SearchConfig
from acofer.errors import ConfigError
from acofer.features.balance import synthetic_rows
from acofer.forest.binning import find_bins
from acofer.forest.forest import HistForestClassifier
from acofer.records import Progress
from acofer.runs.material import Material, search_folds, training_matrix, training_rows, trains_on_all
from acofer.scoring.estimator import EstimatorScorer, classifier_named
from acofer.scoring.forest import BinnedFold, ForestScorer
from acofer.scoring.metrics import METRICS
from acofer.scoring.moments import FoldMoments
from acofer.scoring.protocol import (
    Fold,
    IndexArray,
    ResampledFold,
    ResumableScorer,
    columns,
    stratified_folds,
)
from acofer.scoring.ridge import RidgeScorer, fit_ridge
from acofer.scoring.screen import ScreenedScorer

Fit = Callable[[IndexArray], Any]
RIDGE = "ridge"


@dataclass(frozen=True)
class Judge:
    """What a search needs of a classifier.

    Attributes
    ----------
    scorer : ResumableScorer
        Scores subsets on the search's folds.
    final : callable
        ``final(sizes)`` returns ``fit``; ``fit(indices)`` returns the final classifier, fitted on these columns of
        the whole training part, as many as one of `sizes`. It keeps nothing of the folds.
    n_training_rows : int
        Rows of that part, after balancing.
    heuristic : ConditionalHeuristic or None
        Where there are moments of the folds, and it is asked for.
    improve : callable or None
        Local search, likewise.
    """

    scorer: ResumableScorer
    final: Callable[[Iterable[int]], Fit]
    n_training_rows: int
    heuristic: ConditionalHeuristic | None = None
    improve: LocalSearch | None = None


def judge_of(
    config: SearchConfig,
    material: Material,
    n_classes: int,
    memo: Path | None,
    progress: Progress | None = None,
    on_work: Callable[[], None] | None = None,
) -> Judge:
    """Return the judge that a settled configuration asks for.

    Parameters
    ----------
    config : SearchConfig
    material : Material
    n_classes : int
    memo : Path or None
        File of remembered scores.
    progress : callable, optional
        Told how far the moments are.
    on_work : callable, optional
        Called by scorers that take long to the next score; what it raises ends the scoring.

    Raises
    ------
    ConfigError
        If a classifier does not exist, or does not go with the rest.
    """
    if config.scorer == RIDGE:
        judge = _ridge(config, material, n_classes, progress)
    else:
        estimator = _named(config, "scorer")
        if isinstance(estimator, HistForestClassifier):
            judge = _fast(config, estimator, material, n_classes, memo, on_work)
        else:
            judge = _any(config, estimator, material, n_classes)
    if config.screen == RIDGE:
        judge = _screened(config, judge, material, n_classes, progress)
    return dataclasses.replace(judge, final=final_of(config, judge, material))


def final_of(config: SearchConfig, judge: Judge, material: Material) -> Callable[[Iterable[int]], Fit]:
    """Return the judge's own final classifier, or the one that the configuration names instead."""
    return judge.final if config.classifier in ("auto", RIDGE) else partial(_final, config, material)


def check_classifiers(config: SearchConfig) -> None:
    """Raise ConfigError where classifiers do not exist or do not go with the rest, before hours are spent."""
    is_ridge = config.scorer == RIDGE
    if is_ridge and config.balance not in ("none", "smote", "weights"):
        raise ConfigError(
            f"balance: expected none, smote or weights where subsets are scored by ridge; got {config.balance}; "
            "set --balance none"
        )
    if is_ridge and config.screen == RIDGE:
        raise ConfigError("screen: expected off where subsets are scored by ridge anyway; got ridge; set --screen off")
    if config.classifier == RIDGE and not is_ridge:
        raise ConfigError("classifier: ridge in closed form needs the scorer's moments; set --scorer ridge as well")
    for option, owner in (("scorer", config.scorer), ("classifier", config.classifier)):
        if owner not in ("auto", RIDGE):
            _named(config, option)
        elif getattr(config, f"{option}_params"):
            raise ConfigError(f"{option}_params: {option} {owner} takes none; name a classifier of scikit-learn")


def _named(config: SearchConfig, option: str) -> Any:
    """Return the classifier that an option names, "scorer" or "classifier", with its parameters."""
    name, params = getattr(config, option), getattr(config, f"{option}_params")
    estimator = classifier_named(name, trees=config.trees, seed=config.seed, params=params, option=option)
    if config.balance != "weights":
        return estimator
    if "class_weight" not in estimator.get_params():
        raise ConfigError(f"balance: {name} does not take class weights; set --balance none or smote")
    return estimator.set_params(class_weight="balanced")


def _ridge(config: SearchConfig, material: Material, n_classes: int, progress: Progress | None) -> Judge:
    """Make the moments of the folds; after that no row is needed but for metrics that count rows.

    Resampled by SMOTE, the training part is made once more for the final classifier.
    """
    X, y = training_rows(material)
    folds = stratified_folds(y, config.folds or RIDGE_FOLDS, config.seed)
    is_smote = material.resample == "smote"
    moments = FoldMoments.of(
        X,
        y,
        folds,
        n_classes,
        class_weight=config.balance == "weights",
        synthetic=[synthetic_rows(X[rows], y[rows], seed=config.seed) for rows, _ in folds] if is_smote else None,
        on_rows=None if progress is None else partial(progress, "moments"),
    )
    scorer = RidgeScorer(
        moments,
        metric=config.metric,
        penalty=config.penalty if config.penalty == "auto" else float(config.penalty),
        rows=None if config.metric == "brier" else (X, y, folds),
        n_jobs=config.n_jobs,
    )

    if is_smote:
        whole = cache(lambda: FoldMoments.whole(*training_matrix(material, config.seed, "C"), n_classes, config.seed))
    else:
        alone = dataclasses.replace(moments, held_out=(), synthetic=None)
        whole = cache(lambda: alone)

    def final(sizes: Iterable[int]) -> Fit:
        penalties = {size: scorer.penalty(size) for size in sizes}
        return lambda indices: fit_ridge(whole(), indices, penalties[len(indices)])

    return Judge(
        scorer,
        final,
        n_classes * int(np.bincount(y).max()) if is_smote else len(y),
        ConditionalHeuristic.of(moments, HEURISTIC_PENALTY) if config.heuristic == "conditional" else None,
        partial(exchanged, moments, scorer.penalty, config.n_jobs) if config.local_search == "on" else None,
    )


def _screened(
    config: SearchConfig, judge: Judge, material: Material, n_classes: int, progress: Progress | None
) -> Judge:
    """Let ridge, on real rows, decide whom the judge's scorer sees; its moments serve the ants, too."""
    settings = dataclasses.replace(config, metric="brier")
    cheap = _ridge(settings, dataclasses.replace(material, resample="none"), n_classes, progress)
    return dataclasses.replace(
        judge, scorer=ScreenedScorer(cheap.scorer, judge.scorer), heuristic=cheap.heuristic, improve=cheap.improve
    )


def _fast(
    config: SearchConfig,
    forest: HistForestClassifier,
    material: Material,
    n_classes: int,
    memo: Path | None,
    on_work: Callable[[], None] | None,
) -> Judge:
    """Bin everything; the float matrices are let go of one by one."""
    seed, n_jobs = config.seed, config.n_jobs
    X, y = training_matrix(material, seed, "C")
    whole = _binned(ResampledFold(X, y, X[:0], y[:0]), config, forest, n_classes)
    if trains_on_all(config, material):
        (fold,) = search_folds(config, material, (X, y), "C")
        assert isinstance(fold, ResampledFold)  # noqa: S101 - for the type checker
        validation = whole.bins.codes(fold.X_validation, n_jobs)
        folds = [dataclasses.replace(whole, validation=validation, y_validation=fold.y_validation)]
    else:
        folds = [_binned(fold, config, forest, n_classes) for fold in search_folds(config, material, (X, y), "C")]
    scorer = ForestScorer(
        forest,
        folds,
        METRICS[config.metric],
        n_classes=n_classes,
        n_jobs=n_jobs,
        backend=config.backend,
        scheduler=config.scheduler,
        seed=seed,
        is_race=config.race == "on",
        memo=memo,
        on_work=on_work,
    )
    model = clone(forest).set_params(n_jobs=n_jobs)

    def fit(indices: IndexArray) -> HistForestClassifier:
        return clone(model).fit_codes(whole.bins, whole.train, whole.y_train, indices)

    return Judge(scorer, lambda _: fit, len(y))


def _binned(fold: Fold, config: SearchConfig, forest: HistForestClassifier, n_classes: int) -> BinnedFold:
    """Bin a fold; rows of a bank are binned where they lie."""
    if not isinstance(fold, ResampledFold) or isinstance(fold.X_train, np.ndarray):
        return BinnedFold.of(fold, np.arange(n_classes), forest.max_bins, seed=config.seed, n_jobs=config.n_jobs)
    bins = find_bins(fold.X_train, forest.max_bins, seed=config.seed, n_jobs=config.n_jobs)
    train, validation = (bins.codes(X, config.n_jobs) for X in (fold.X_train, fold.X_validation))
    return BinnedFold(bins, train, fold.y_train, validation, fold.y_validation)


def _any(config: SearchConfig, estimator: Any, material: Material, n_classes: int) -> Judge:
    X, y = training = training_matrix(material, config.seed)
    scorer = EstimatorScorer(
        estimator,
        list(search_folds(config, material, training)),
        METRICS[config.metric],
        classes=np.arange(n_classes),
        n_jobs=config.n_jobs,
        backend=config.backend,
        scheduler=config.scheduler,
        seed=config.seed,
    )
    model = _parallel(estimator, config.n_jobs)
    return Judge(scorer, lambda _: lambda indices: clone(model).fit(columns(X, indices), y), len(y))


def _final(config: SearchConfig, material: Material, _sizes: Iterable[int]) -> Fit:
    """Return what fits the configured classifier; all but trees see standardised columns."""
    estimator = _parallel(_named(config, "classifier"), config.n_jobs)
    is_forest = config.classifier in ("forest", "sklearn")
    model = estimator if is_forest else make_pipeline(StandardScaler(), estimator)
    training = cache(lambda: training_matrix(material, config.seed))  # not before the search is over

    def fit(indices: IndexArray) -> Any:
        X, y = training()
        return clone(model).fit(columns(X, indices), y)

    return fit


def _parallel(estimator: Any, n_jobs: int) -> Any:
    """Let one fit of an ensemble use all workers; a forest is the same for any number of them."""
    takes_jobs = {"n_jobs", "n_estimators"} <= estimator.get_params().keys()  # others deprecate it, or gain nothing
    return clone(estimator).set_params(n_jobs=n_jobs) if takes_jobs else estimator
