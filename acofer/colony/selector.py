"""`AntColonySelector`: the colony as a scikit-learn feature selector."""

from __future__ import annotations

import dataclasses
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, cast

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, clone, is_classifier, is_regressor
from sklearn.feature_selection import SelectorMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from acofer.colony.colony import AntColony, ColonySettings, demand_count
from acofer.colony.conditional import HEURISTIC_PENALTY, ConditionalHeuristic
from acofer.colony.exchange import exchanged
from acofer.colony.heuristic import HEURISTICS, heuristic_information
from acofer.colony.pheromone import Variant
from acofer.colony.search import LocalSearch, SearchTrace, search_path, settle
from acofer.colony.size import SizeLike, size_grid
from acofer.errors import ConfigError, DataError, nearest
from acofer.forest.forest import HistForestClassifier, seed_of
from acofer.records import SubsetScore
from acofer.scoring.estimator import EstimatorScorer, Judge
from acofer.scoring.forest import BinnedFold, ForestScorer
from acofer.scoring.metrics import METRICS, Metric
from acofer.scoring.moments import FoldMoments
from acofer.scoring.protocol import (
    Fold,
    ResampledFold,
    RowArray,
    RowFold,
    SubsetScorer,
    check_disjoint,
)
from acofer.scoring.ridge import CLOSED_FORM, RidgeScorer

RIDGE = "ridge"
RIDGE_BALANCES = ("none", "smote", "weights")
_Cuts = list[tuple[RowArray, RowArray]]


class AntColonySelector(SelectorMixin, BaseEstimator):
    """Select features by Ant Colony Optimization.

    Ants choose subsets by pheromone and heuristic information; each subset is scored by
    cross-validating an estimator on it; good subsets leave pheromone. Validation rows are always real
    rows: where `balance` resamples, it does so inside the training part of each fold.

    Parameters
    ----------
    estimator : estimator or "ridge", default=None
        Scores the subsets. None is a `HistForestClassifier` of 90 trees; with one of those, features are binned
        once for all subsets, and `race` applies. Where its ``random_state`` is None it gets
        the selector's seed, so that all subsets are scored with the same randomness. ``"ridge"`` is ridge
        classification in closed form (`acofer.scoring.ridge`): milliseconds a subset, ants that see what a feature
        adds to those they carry, and local search. Its folds must cut all rows, and it keeps a matrix of (n_features,
        n_features) float32 for each of them and one more (with SMOTE, twice as many).
    n_ants : int, default=20
        Ants, i.e. subsets, per iteration.
    n_iterations : int, default=3
        Of each colony, where there is one a size; see `path`.
    alpha, beta : float, default=1.1 and 1.5
        Exponents of pheromone and of heuristic information.
    rho : float, default=0.2
        Evaporation rate, 0 < rho <= 1.
    q0 : float, default=0.9
        Probability that an ant takes the most desirable feature instead of drawing one.
    variant : {"auto", "acs", "mmas", "as"}, default="auto"
        Ant Colony System, MAX-MIN Ant System or Ant System. Auto is MAX-MIN Ant System where there is local search,
        else Ant Colony System.
    heuristic : {"auto", "conditional", "importance", "f", "mi", "uniform"} or array-like of shape (n_features,), \
            default="auto"
        Heuristic information, computed on the rows given to `fit`. ``"conditional"``: what a feature adds to those an
        ant carries (`acofer.colony.conditional`), for classes only. Auto is that for ``"ridge"``, else
        ``"importance"``.
    size : int, float or str, default="auto"
        Features per subset: a number, a share below 1, a range ``"64:512"``, or ``"auto"`` (see
        `acofer.colony.size.size_grid`). Where it allows several, `path` says how they are searched.
    scoring : str, callable or None, default=None
        One of acofer's metrics (``"log-loss"``, ``"brier"``, ``"accuracy"``, ``"balanced-accuracy"``,
        ``"macro-f1"``), any scikit-learn scoring name, or a scorer ``(estimator, X, y)`` for which larger is
        better. None: ``"log-loss"`` for a classifier with ``predict_proba``, else the estimator's own ``score``. For
        ``"ridge"`` only acofer's and ``"explained-variance"``; None is ``"brier"``.
    cv : int, splitter or iterable, default=5
        As in scikit-learn. An int with `groups` keeps each group on one side.
    balance : {"none", "smote", "nearmiss", "nearmiss-smote", "weights"}, default="none"
        Resampling inside each training fold. For ``"ridge"``: none, smote, or ``"weights"``, by which every class
        counts the same in training and in score.
    pick : {"1se", "best"} or int, default="1se"
        Which scored subset is chosen: the smallest within one standard error of the best
        (paired over the folds), the best, or the best of at most so many features.
    race : bool, default=True
        Whether subsets stop early that fall behind the best by more than noise explains. Only for a
        `HistForestClassifier` and acofer's metrics.
    memo : path, default=None
        File in which a `HistForestClassifier`'s scores are remembered, for later fits and other processes.
    local_search : bool, default=True
        Whether features of each iteration's best subset are exchanged while it pays
        (`acofer.colony.exchange`); ``"ridge"`` only.
    patience : int, default=10
        Iterations without a better subset after which a converged colony starts anew; 0 never.
    n_candidates : int, default=300
        Candidate list of ants with the conditional heuristic.
    path : bool or "auto", default="auto"
        Whether each size has a colony of its own (a size and its double are neighbours); otherwise one colony learns
        the size. Auto is True for ``"ridge"``.
    penalty : float or "auto", default="auto"
        Of ``"ridge"``, as a share of the training rows; see `acofer.scoring.ridge.RidgeScorer`.
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
        By size: the best of each where there is a colony a size, else the Pareto front of utility against size.
    trace_ : SearchTrace
        Every ant, every iteration, and every subset that was scored.
    heuristic_ : ndarray of float64, shape (n_features_in_,)
        Where it is conditional, what each feature adds to none.
    pheromone_ : ndarray of float64, shape (n_features_in_,)
        Where there is a colony a size, that of the chosen one.
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

    The best subset of each size, by ridge classification:

    >>> from sklearn.datasets import load_breast_cancer
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> selector = AntColonySelector("ridge", size="2:16", random_state=0).fit(X, y)
    >>> [score.size for score in selector.front_]
    [2, 4, 8, 16]
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
        variant: str = "auto",
        heuristic: Any = "auto",
        size: Any = "auto",
        scoring: Any = None,
        cv: Any = 5,
        balance: str = "none",
        pick: Any = "1se",
        race: bool = True,
        memo: Any = None,
        local_search: bool = True,
        patience: int = 10,
        n_candidates: int = 300,
        path: Any = "auto",
        penalty: Any = "auto",
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
        self.local_search = local_search
        self.patience = patience
        self.n_candidates = n_candidates
        self.path = path
        self.penalty = penalty
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
            validation row counts once in the score; ``"ridge"`` takes none); ``groups`` (n_samples,) to the splitter.

        Returns
        -------
        self

        Raises
        ------
        ConfigError
            If a parameter is out of its range, or does not go with the estimator (a ValueError).
        DataError
            If the targets are none that the estimator can learn (a ValueError).
        """
        settings = self._settings()
        groups, weight = _known_params(params, self.balance)
        seed = seed_of(self.random_state)
        estimator = self._seeded_estimator(seed)
        self._check_choices(estimator, weight)
        X, y = validate_data(
            self,
            X,
            y,
            dtype=[np.float64, np.float32],
            ensure_min_samples=2,
            y_numeric=_is_regressor(estimator),
            ensure_all_finite="allow-nan" if self.__sklearn_tags__().input_tags.allow_nan else True,
        )
        if _is_classifier(estimator):
            _check_classes(y, estimator)
        cuts = self._cuts(estimator, X, y, groups)
        scorer, moments = self._scorer(estimator, X, y, cuts, weight, seed)
        heuristic = self._heuristic(estimator, X, y, moments, seed)
        self.heuristic_ = heuristic.first_gains() if isinstance(heuristic, ConditionalHeuristic) else heuristic
        sizes = self._sizes(X.shape[1])
        colonies = [AntColony(heuristic, dataclasses.replace(settings, size=size), seed, self.n_jobs) for size in sizes]
        self.trace_ = search_path(colonies, scorer, self.n_iterations, improve=self._improve(scorer, moments))
        self.score_ = settle(self.trace_, scorer, self.pick)
        self.best_score_ = self.trace_.archive.best
        self.front_ = _best_of_each_size(self.trace_) if self._is_path else self.trace_.archive.front()
        self.pheromone_ = next(colony.pheromone for colony in colonies if self.score_.size in colony.sizes)
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
        if hasattr(self.estimator, "__sklearn_tags__"):
            tags.input_tags.allow_nan = get_tags(self.estimator).input_tags.allow_nan and not isinstance(
                self.heuristic, str
            )
        return tags

    @property
    def _is_ridge(self) -> bool:
        return _is_ridge(self.estimator)

    @property
    def _is_path(self) -> bool:
        return self._is_ridge if self.path == "auto" else bool(self.path)

    def _settings(self) -> ColonySettings:
        variant = self.variant
        if variant == "auto":
            variant = "mmas" if self._is_ridge and self.local_search else "acs"
        settings = ColonySettings(
            self.n_ants,
            self.alpha,
            self.beta,
            self.rho,
            self.q0,
            cast(Variant, variant),
            self.size,
            self.n_candidates,
            self.patience,
        )
        settings.check()
        demand_count("n_iterations", self.n_iterations)
        return settings

    def _check_choices(self, estimator: Any, weight: NDArray | None) -> None:
        """Raise ConfigError where parameters are unknown words, or do not go with the estimator."""
        if isinstance(estimator, str) and not _is_ridge(estimator):
            raise ConfigError(f"estimator: expected an estimator, None or 'ridge'; got {estimator!r}")
        if self.path not in ("auto", True, False):
            raise ConfigError(f"path: expected True, False or 'auto'; got {self.path!r}")
        if self.local_search not in (True, False):
            raise ConfigError(f"local_search: expected True or False; got {self.local_search!r}")
        known = ("auto", "conditional", *HEURISTICS)
        if isinstance(self.heuristic, str) and self.heuristic not in known:
            hint = nearest(self.heuristic, known)
            raise ConfigError(f"heuristic: expected one of {', '.join(known)}; got {self.heuristic!r}; {hint}")
        if self._is_conditional and not _is_classifier(estimator):
            raise ConfigError(
                "heuristic 'conditional' is for classes; choose 'importance', 'f' or 'mi' for a regressor"
            )
        if _is_ridge(estimator):
            _check_ridge(self.balance, self.scoring, weight)
        elif self.balance == "weights":
            raise ConfigError(
                "balance 'weights' is for estimator 'ridge'; give the estimator its own class_weight='balanced' instead"
            )

    @property
    def _heuristic_kind(self) -> Any:
        if isinstance(self.heuristic, str) and self.heuristic == "auto":
            return "conditional" if self._is_ridge else "importance"
        return self.heuristic

    @property
    def _is_conditional(self) -> bool:
        return isinstance(self._heuristic_kind, str) and self._heuristic_kind == "conditional"

    def _sizes(self, n_features: int) -> list[SizeLike]:
        """Return the size, or sizes, of each colony."""
        if not self._is_path:
            return [self.size]
        return [int(size) for size in size_grid(self.size, n_features, per_octave=1)]

    def _seeded_estimator(self, seed: int) -> Any:
        if self.estimator is None:
            return HistForestClassifier(90, random_state=seed)
        if isinstance(self.estimator, str):
            return self.estimator
        estimator = clone(self.estimator)
        unseeded = {
            name: seed
            for name, value in estimator.get_params(deep=True).items()
            if name.split("__")[-1] == "random_state" and value is None
        }
        return estimator.set_params(**unseeded)

    def _scorer(
        self, estimator: Any, X: NDArray, y: NDArray, cuts: _Cuts, weight: NDArray | None, seed: int
    ) -> tuple[SubsetScorer, FoldMoments | None]:
        """Return the scorer, and the moments of the folds where it has them."""
        if _is_ridge(estimator):
            return self._ridge(X, y, cuts, seed)
        folds = self._folds(X, y, cuts, weight, seed)
        metric = _metric_of(self.scoring, estimator)
        classes = np.unique(y) if is_classifier(estimator) else np.empty(0)
        if isinstance(estimator, HistForestClassifier) and isinstance(metric, Metric):
            return self._forest(estimator, folds, metric, classes, seed), None
        n_jobs = self.n_jobs or 1
        return EstimatorScorer(estimator, folds, metric, classes=classes, n_jobs=n_jobs, seed=seed), None

    def _forest(
        self, estimator: HistForestClassifier, folds: list[Fold], metric: Metric, classes: NDArray, seed: int
    ) -> ForestScorer:
        bins, n_jobs = estimator.max_bins, self.n_jobs
        if isinstance(estimator.class_weight, dict):  # the scorer knows classes by their numbers
            weights = {number: estimator.class_weight.get(label, 1.0) for number, label in enumerate(classes)}
            estimator = clone(estimator).set_params(class_weight=weights)
        return ForestScorer(
            estimator,
            [BinnedFold.of(fold, classes, bins, seed=seed, n_jobs=n_jobs) for fold in folds],
            metric,
            n_classes=len(classes),
            n_jobs=n_jobs,
            seed=seed,
            is_race=self.race,
            memo=None if self.memo is None else Path(self.memo),
        )

    def _ridge(self, X: NDArray, y: NDArray, cuts: _Cuts, seed: int) -> tuple[RidgeScorer, FoldMoments]:
        classes, codes = np.unique(y, return_inverse=True)
        _check_cuts(cuts, y)
        made = None
        if self.balance == "smote":
            from acofer.features.balance import synthetic_rows

            made = [synthetic_rows(X[train], codes[train], seed=seed) for train, _ in cuts]
        moments = FoldMoments.of(X, codes, cuts, len(classes), class_weight=self.balance == "weights", synthetic=made)
        metric = self.scoring or "brier"
        rows = None if metric in CLOSED_FORM else (X, codes, cuts)
        scorer = RidgeScorer(moments, metric=metric, penalty=self.penalty, rows=rows, n_jobs=self.n_jobs)
        return scorer, moments

    def _heuristic(
        self, estimator: Any, X: NDArray, y: NDArray, moments: FoldMoments | None, seed: int
    ) -> NDArray[np.float64] | ConditionalHeuristic:
        if self._is_conditional:
            return ConditionalHeuristic.of(moments or _moments_of_all(X, y, seed), HEURISTIC_PENALTY)
        is_regression = _is_regressor(estimator)
        return heuristic_information(
            self._heuristic_kind, X, y, regression=is_regression, seed=seed, n_jobs=self.n_jobs
        )

    def _improve(self, scorer: SubsetScorer, moments: FoldMoments | None) -> LocalSearch | None:
        if not isinstance(scorer, RidgeScorer) or moments is None or not self.local_search:
            return None
        return partial(exchanged, moments, scorer.penalty, self.n_jobs)

    def _cuts(self, estimator: Any, X: NDArray, y: NDArray, groups: Any) -> _Cuts:
        from sklearn.model_selection import check_cv

        is_classes = _is_classifier(estimator)
        splitter = check_cv(_grouped(self.cv, is_classes, groups), y, classifier=is_classes)
        cuts = list(splitter.split(X, y, groups))
        for train, validation in cuts:
            check_disjoint(train=train, validation=validation)
        return cuts

    def _folds(self, X: NDArray, y: NDArray, cuts: _Cuts, weight: NDArray | None, seed: int) -> list[Fold]:
        if self.balance != "none":
            return [_resampled(X, y, train, validation, self.balance, seed) for train, validation in cuts]
        columns_first = np.asfortranarray(X)
        return [RowFold(columns_first, y, train, validation, weight) for train, validation in cuts]


def _is_ridge(estimator: Any) -> bool:
    return isinstance(estimator, str) and estimator == RIDGE


def _is_classifier(estimator: Any) -> bool:
    return _is_ridge(estimator) or is_classifier(estimator)


def _is_regressor(estimator: Any) -> bool:
    return not _is_ridge(estimator) and is_regressor(estimator)


def _best_of_each_size(trace: SearchTrace) -> list[SubsetScore]:
    best: dict[int, SubsetScore] = {}
    for score in trace.archive:
        if not score.is_estimate and (score.size not in best or score.utility > best[score.size].utility):
            best[score.size] = score
    return [best[size] for size in sorted(best)]


def _known_params(params: dict[str, Any], balance: str) -> tuple[Any, NDArray | None]:
    given = {name: value for name, value in params.items() if value is not None}
    groups, weight = given.pop("groups", None), given.pop("sample_weight", None)
    if given:
        raise TypeError(f"fit: expected sample_weight or groups; got {', '.join(sorted(given))}")
    if weight is not None and balance != "none":
        raise ConfigError("sample_weight and balance exclude each other: synthetic rows have no weight; drop one")
    return groups, None if weight is None else np.asarray(weight, dtype=np.float64)


def _check_ridge(balance: str, scoring: Any, weight: NDArray | None) -> None:
    """Raise ConfigError where ridge classification in closed form does not take what was asked for."""
    if weight is not None:
        raise ConfigError(
            "sample_weight: estimator 'ridge' takes none; give another estimator, or balance='weights' for even classes"
        )
    if balance not in RIDGE_BALANCES:
        known = ", ".join(RIDGE_BALANCES)
        raise ConfigError(f"balance: expected one of {known} for estimator 'ridge'; got {balance!r}")
    metrics = list({**METRICS, **CLOSED_FORM})
    if scoring is not None and scoring not in metrics:
        known = ", ".join(metrics)
        raise ConfigError(f"scoring: expected one of {known} for estimator 'ridge'; got {scoring!r}")


def _check_cuts(cuts: _Cuts, y: NDArray) -> None:
    """Raise an InputError unless each row validates once and trains in all other folds, as does every class."""
    validating = np.sort(np.concatenate([validation for _, validation in cuts]))
    is_partition = np.array_equal(validating, np.arange(len(y)))
    if not is_partition or any(len(train) + len(validation) != len(y) for train, validation in cuts):
        raise ConfigError(
            f"cv: estimator 'ridge' needs folds that cut all {len(y)} rows, each row validating once and training "
            "otherwise; got others; give a number of folds, KFold, StratifiedKFold or GroupKFold"
        )
    for train, _ in cuts:
        missing = np.setdiff1d(y, y[train])
        if len(missing):
            raise DataError(
                f"estimator 'ridge' needs training rows of every class in every fold; class {missing[0]} has none "
                "in one; use fewer folds or more rows"
            )


def _moments_of_all(X: NDArray, y: NDArray, seed: int) -> FoldMoments:
    classes, codes, counts = np.unique(y, return_inverse=True, return_counts=True)
    if counts.min() < 2:
        raise DataError(
            f"heuristic 'conditional' needs two rows of every class; class {classes[counts.argmin()]} has one; "
            "choose 'importance' or 'f'"
        )
    return FoldMoments.whole(X, codes, len(classes), seed)


def _check_classes(y: NDArray, estimator: Any) -> None:
    from sklearn.utils.multiclass import check_classification_targets, type_of_target

    if _is_ridge(estimator) and type_of_target(y).startswith("continuous"):
        raise DataError("y: estimator 'ridge' scores classes; got continuous targets; give a regressor, e.g. RidgeCV()")
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


def _grouped(cv: Any, is_classes: bool, groups: Any) -> Any:
    from sklearn.model_selection import GroupKFold, StratifiedGroupKFold

    if groups is None or not isinstance(cv, int):
        return cv
    return StratifiedGroupKFold(cv) if is_classes else GroupKFold(cv)


def _resampled(X: NDArray, y: NDArray, train: NDArray, validation: NDArray, method: str, seed: int) -> ResampledFold:
    from acofer.features import balance as room

    classes, codes = np.unique(y[train], return_inverse=True)  # resampling wants numbers; labels may be words
    balanced = room.balance(X[train], codes, method, seed=seed)
    X_validation = np.asfortranarray(X[validation])
    return ResampledFold(np.asfortranarray(balanced.X), classes[balanced.y], X_validation, y[validation])
