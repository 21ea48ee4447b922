"""`AntColonySelector`: the colony as a scikit-learn feature selector."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, cast

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, clone, is_classifier, is_regressor
from sklearn.feature_selection import SelectorMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from acofer.colony.colony import AntColony, ColonySettings, demand_count
from acofer.colony.heuristic import heuristic_information
from acofer.colony.pheromone import Variant
from acofer.colony.search import search_subsets, settle
from acofer.errors import ConfigError
from acofer.forest.forest import HistForestClassifier, seed_of
from acofer.scoring.estimator import EstimatorScorer, Judge
from acofer.scoring.forest import BinnedFold, ForestScorer
from acofer.scoring.metrics import METRICS, Metric
from acofer.scoring.protocol import Fold, ResampledFold, RowFold, SubsetScorer, check_disjoint


class AntColonySelector(SelectorMixin, BaseEstimator):
    """Select features by Ant Colony Optimization.

    Ants choose subsets by pheromone and heuristic information; each subset is scored by
    cross-validating an estimator on it; good subsets leave pheromone. Validation rows are always real
    rows: where `balance` resamples, it does so inside the training part of each fold.

    Parameters
    ----------
    estimator : estimator, default=None
        Scores the subsets. None is a `HistForestClassifier` of 90 trees; with one of those, features are binned
        once for all subsets, and `race` applies. Where its ``random_state`` is None it gets
        the selector's seed, so that all subsets are scored with the same randomness.
    n_ants : int, default=20
        Ants, i.e. subsets, per iteration.
    n_iterations : int, default=3
    alpha, beta : float, default=1.1 and 1.5
        Exponents of pheromone and of heuristic information.
    rho : float, default=0.2
        Evaporation rate, 0 < rho <= 1.
    q0 : float, default=0.9
        Probability that an ant takes the most desirable feature instead of drawing one.
    variant : {"acs", "mmas", "as"}, default="acs"
        Ant Colony System, MAX-MIN Ant System or Ant System.
    heuristic : {"importance", "f", "mi", "uniform"} or array-like of shape (n_features,), default="importance"
        Heuristic information, computed on the rows given to `fit`.
    size : int, float or str, default="auto"
        Features per subset: a number, a share below 1, a range ``"64:512"``, or ``"auto"``, which
        lets the colony learn it (see `acofer.colony.size.size_grid`).
    scoring : str, callable or None, default=None
        One of acofer's metrics (``"log-loss"``, ``"accuracy"``, ``"balanced-accuracy"``,
        ``"macro-f1"``), any scikit-learn scoring name, or a scorer ``(estimator, X, y)`` for which larger is
        better. None: ``"log-loss"`` for a classifier with ``predict_proba``, else the estimator's own ``score``.
    cv : int, splitter or iterable, default=5
        As in scikit-learn. An int with `groups` keeps each group on one side.
    balance : {"none", "smote", "nearmiss", "nearmiss-smote"}, default="none"
        Resampling inside each training fold.
    pick : {"1se", "best"} or int, default="1se"
        Which scored subset is chosen: the smallest within one standard error of the best
        (paired over the folds), the best, or the best of at most so many features.
    race : bool, default=True
        Whether subsets stop early that fall behind the best by more than noise explains. Only for a
        `HistForestClassifier` and acofer's metrics.
    memo : path, default=None
        File in which a `HistForestClassifier`'s scores are remembered, for later fits and other processes.
    n_jobs : int, default=None
        Workers; the result does not depend on it.
    random_state : int, RandomState or None, default=None
        An int, 0 included, makes the result reproducible.

    Attributes
    ----------
    support_ : ndarray of bool, shape (n_features_in_,)
        The chosen features.
    n_features_ : int
        How many they are.
    score_ : SubsetScore
        The search score of the chosen subset. It is optimistic, being the pick of many: measure the
        final model on rows the search has not seen.
    best_score_ : SubsetScore
        The subset of largest utility.
    front_ : list of SubsetScore
        Pareto front of utility against size.
    trace_ : SearchTrace
        Every ant of every iteration.
    heuristic_, pheromone_ : ndarray of float64, shape (n_features_in_,)
    n_features_in_ : int
    feature_names_in_ : ndarray of str, shape (n_features_in_,)
        Only where `X` has string column names.

    Examples
    --------
    >>> from sklearn.datasets import load_wine
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> X, y = load_wine(return_X_y=True)
    >>> classifier = make_pipeline(StandardScaler(), LogisticRegression())
    >>> selector = AntColonySelector(classifier, n_ants=5, n_iterations=2, size=4, random_state=0)
    >>> selector.fit_transform(X, y).shape
    (178, 4)
    """

    # Lets scikit-learn's metadata routing pass these two, which `fit` takes by name.
    __metadata_request__fit: ClassVar[dict[str, None]] = {"groups": None, "sample_weight": None}

    def __init__(
        self,
        estimator: Any = None,
        *,
        n_ants: int = 20,
        n_iterations: int = 3,
        alpha: float = 1.1,
        beta: float = 1.5,
        rho: float = 0.2,
        q0: float = 0.9,
        variant: str = "acs",
        heuristic: Any = "importance",
        size: Any = "auto",
        scoring: Any = None,
        cv: Any = 5,
        balance: str = "none",
        pick: Any = "1se",
        race: bool = True,
        memo: Any = None,
        n_jobs: int | None = None,
        random_state: Any = None,
    ) -> None:
        self.estimator = estimator
        self.n_ants = n_ants
        self.n_iterations = n_iterations
        self.alpha = alpha
        self.beta = beta
        self.rho = rho
        self.q0 = q0
        self.variant = variant
        self.heuristic = heuristic
        self.size = size
        self.scoring = scoring
        self.cv = cv
        self.balance = balance
        self.pick = pick
        self.race = race
        self.memo = memo
        self.n_jobs = n_jobs
        self.random_state = random_state

    def fit(self, X: Any, y: Any, **params: Any) -> AntColonySelector:
        """Search for a subset.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
        y : array-like of shape (n_samples,)
        **params : dict
            ``sample_weight`` (n_samples,) is given to the estimator's ``fit`` (every
            validation row counts once in the score); ``groups`` (n_samples,) to the splitter.

        Returns
        -------
        self

        Raises
        ------
        ConfigError
            If a parameter is out of its range (a ValueError).
        """
        settings = self._settings()
        groups, weight = _known_params(params, self.balance)
        seed = seed_of(self.random_state)
        estimator = self._seeded_estimator(seed)
        X, y = validate_data(
            self,
            X,
            y,
            dtype=[np.float64, np.float32],
            ensure_min_samples=2,
            y_numeric=is_regressor(estimator),
            ensure_all_finite="allow-nan" if self.__sklearn_tags__().input_tags.allow_nan else True,
        )
        if is_classifier(estimator):
            _check_classes(y)
        scorer = self._scorer(estimator, self._folds(estimator, X, y, groups, weight, seed), y, seed)
        self.heuristic_ = heuristic_information(
            self.heuristic, X, y, regression=is_regressor(estimator), seed=seed, n_jobs=self.n_jobs
        )
        colony = AntColony(self.heuristic_, settings, seed)
        self.trace_ = search_subsets(colony, scorer, self.n_iterations)
        self.pheromone_ = colony.pheromone
        self.score_ = settle(self.trace_, scorer, self.pick)
        self.best_score_, self.front_ = self.trace_.archive.best, self.trace_.archive.front()
        self.n_features_ = self.score_.size
        self.support_ = np.zeros(X.shape[1], dtype=bool)
        self.support_[self.score_.indices] = True
        return self

    def _get_support_mask(self) -> NDArray[np.bool_]:
        check_is_fitted(self)
        return self.support_

    def __sklearn_tags__(self) -> Any:
        from sklearn.utils import get_tags

        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        if self.estimator is not None and hasattr(self.estimator, "__sklearn_tags__"):
            tags.input_tags.allow_nan = get_tags(self.estimator).input_tags.allow_nan and not isinstance(
                self.heuristic, str
            )
        return tags

    def _settings(self) -> ColonySettings:
        settings = ColonySettings(
            self.n_ants,
            self.alpha,
            self.beta,
            self.rho,
            self.q0,
            cast(Variant, self.variant),
            self.size,
        )
        settings.check()
        demand_count("n_iterations", self.n_iterations)
        return settings

    def _seeded_estimator(self, seed: int) -> Any:
        if self.estimator is None:
            return HistForestClassifier(90, random_state=seed)
        estimator = clone(self.estimator)
        unseeded = {
            name: seed
            for name, value in estimator.get_params(deep=True).items()
            if name.split("__")[-1] == "random_state" and value is None
        }
        return estimator.set_params(**unseeded)

    def _scorer(self, estimator: Any, folds: list[Fold], y: NDArray, seed: int) -> SubsetScorer:
        metric = _metric_of(self.scoring, estimator)
        classes = np.unique(y) if is_classifier(estimator) else np.empty(0)
        if isinstance(estimator, HistForestClassifier) and isinstance(metric, Metric):
            bins, n_jobs = estimator.max_bins, self.n_jobs
            if isinstance(estimator.class_weight, dict):  # the scorer knows classes by their numbers
                weights = {number: estimator.class_weight.get(label, 1.0) for number, label in enumerate(classes)}
                estimator = clone(estimator).set_params(class_weight=weights)
            binned = [BinnedFold.of(fold, classes, bins, seed=seed, n_jobs=n_jobs) for fold in folds]
            return ForestScorer(
                estimator,
                binned,
                metric,
                n_classes=len(classes),
                n_jobs=n_jobs,
                seed=seed,
                is_race=self.race,
                memo=None if self.memo is None else Path(self.memo),
            )
        return EstimatorScorer(estimator, folds, metric, classes=classes, n_jobs=self.n_jobs or 1, seed=seed)

    def _folds(
        self, estimator: Any, X: NDArray, y: NDArray, groups: Any, weight: NDArray | None, seed: int
    ) -> list[Fold]:
        from sklearn.model_selection import check_cv

        splitter = check_cv(_grouped(self.cv, estimator, groups), y, classifier=is_classifier(estimator))
        columns_first = np.asfortranarray(X)
        folds: list[Fold] = []
        for train, validation in splitter.split(X, y, groups):
            check_disjoint(train=train, validation=validation)
            if self.balance == "none":
                folds.append(RowFold(columns_first, y, train, validation, weight))
            else:
                folds.append(_resampled(X, y, train, validation, self.balance, seed))
        return folds


def _known_params(params: dict[str, Any], balance: str) -> tuple[Any, NDArray | None]:
    given = {name: value for name, value in params.items() if value is not None}
    groups, weight = given.pop("groups", None), given.pop("sample_weight", None)
    if given:
        raise TypeError(f"fit: expected sample_weight or groups; got {', '.join(sorted(given))}")
    if weight is not None and balance != "none":
        raise ConfigError("sample_weight and balance exclude each other: synthetic rows have no weight; drop one")
    return groups, None if weight is None else np.asarray(weight, dtype=np.float64)


def _check_classes(y: NDArray) -> None:
    from sklearn.utils.multiclass import check_classification_targets

    check_classification_targets(y)
    if len(np.unique(y)) < 2:
        raise ValueError(f"selection needs at least two classes; the data has one class: {y[0]!r}")


def _metric_of(scoring: Any, estimator: Any) -> Metric | Judge:
    from sklearn.metrics import check_scoring

    if scoring is None and is_classifier(estimator) and hasattr(estimator, "predict_proba"):
        return METRICS["log-loss"]
    if isinstance(scoring, str) and scoring in METRICS and is_classifier(estimator):
        # "accuracy" is also scikit-learn's; the two agree.
        return METRICS[scoring]
    return check_scoring(estimator, scoring=scoring)


def _grouped(cv: Any, estimator: Any, groups: Any) -> Any:
    from sklearn.model_selection import GroupKFold, StratifiedGroupKFold

    if groups is None or not isinstance(cv, int):
        return cv
    return StratifiedGroupKFold(cv) if is_classifier(estimator) else GroupKFold(cv)


def _resampled(X: NDArray, y: NDArray, train: NDArray, validation: NDArray, method: str, seed: int) -> ResampledFold:
    from acofer.features import balance as room

    classes, codes = np.unique(y[train], return_inverse=True)  # resampling wants numbers; labels may be words
    balanced = room.balance(X[train], codes, method, seed=seed)
    X_validation = np.asfortranarray(X[validation])
    return ResampledFold(np.asfortranarray(balanced.X), classes[balanced.y], X_validation, y[validation])
