"""Selectors that fit a classifier to choose, and never ask the search's scorer."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from acofer.bench.selector import Knob, Selector
from acofer.bench.subsets import ascending
from acofer.bench.task import Choice, Task, k
from acofer.colony.conditional import HEURISTIC_PENALTY
from acofer.colony.heuristic import SAMPLE_ROWS
from acofer.errors import MissingExtraError
from acofer.forest.forest import HistForestClassifier

_FIRST_C, _MOST_DOUBLINGS = 4.0, 16
"""The first C that is tried, over the one at which the first feature enters; and how often it is doubled at most."""
_L1_TOLERANCE, _L1_ITERATIONS = 1e-2, 200
"""Loose: features are chosen by their coefficients, and nothing is predicted with them."""


def l1_svm(task: Task) -> Choice:
    """Take the features of largest coefficients in a linear support vector machine with an L1 penalty.

    scikit-learn's `SelectFromModel`. C grows until as many features as wanted have a coefficient: on a sample of the
    rows, where a fit takes seconds, and from what was enough there, by the number of rows, on all.
    """
    from sklearn.svm import l1_min_c

    X, rows, n = _standardised(task), _sampled(task.y), k(task)
    first = _FIRST_C * l1_min_c(X[rows], task.y[rows], loss="squared_hinge")
    enough = _grown(X[rows], task.y[rows], first, n).estimator_.C
    model = _grown(X, task.y, enough * len(rows) / len(task.y), n)
    about = {"C": float(model.estimator_.C), "features with a weight": _entered(model)}
    return Choice(ascending(model.get_support(indices=True)), about=about)


def _grown(X: NDArray[np.float32], y: NDArray[np.int64], C: float, n: int) -> Any:
    """Fit with this C, or with the first of its doubles that gives `n` features a coefficient."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.feature_selection import SelectFromModel
    from sklearn.svm import LinearSVC

    for doubling in range(_MOST_DOUBLINGS + 1):
        svm = LinearSVC(
            penalty="l1", dual=False, C=C * 2**doubling, tol=_L1_TOLERANCE, max_iter=_L1_ITERATIONS, random_state=0
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            model = SelectFromModel(svm, threshold=-np.inf, max_features=n).fit(X, y)
        if _entered(model) >= n:
            break
    return model


def _sampled(y: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return up to SAMPLE_ROWS rows, each class by its share; the same for every seed."""
    from sklearn.utils import resample

    n = min(SAMPLE_ROWS, len(y))
    return np.sort(resample(np.arange(len(y)), replace=False, n_samples=n, stratify=y, random_state=0))


def _entered(model: Any) -> int:
    return int((model.estimator_.coef_ != 0).any(axis=0).sum())


def recursive_elimination(task: Task) -> Choice:
    """Drop a share of the features that a ridge classifier weighs least, fit again, and so on: scikit-learn's `RFE`."""
    from sklearn.feature_selection import RFE
    from sklearn.linear_model import RidgeClassifier

    ridge = RidgeClassifier(alpha=HEURISTIC_PENALTY * len(task.y))
    selector = RFE(ridge, n_features_to_select=k(task), step=task.knobs["step"]).fit(_standardised(task), task.y)
    return Choice(ascending(selector.get_support(indices=True)))


def _standardised(task: Task) -> NDArray[np.float32]:
    from sklearn.preprocessing import StandardScaler

    return StandardScaler().fit_transform(task.matrix)


def boruta(task: Task) -> Choice:
    """Rank features by how often they beat shuffled copies of all, in forests: Boruta (Kursa and Rudnicki 2010).

    It confirms as many as it likes. The first of its own ranking are taken, those of equal rank by their mean
    importance over the rounds; `about` says how many it confirmed. Of thousands of features that say nearly the same
    it may confirm none.
    """
    try:
        from boruta import BorutaPy
    except ImportError as error:
        raise MissingExtraError.of("Boruta", "bench", "the selector boruta") from error

    model = BorutaPy(
        HistForestClassifier(n_jobs=task.n_jobs),
        n_estimators=task.knobs["trees"],
        max_iter=task.knobs["rounds"] + 1,  # it ends before the last
        random_state=task.seed,
    ).fit(task.matrix, task.y)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a feature that was rejected at once has no later importance
        importance = np.nan_to_num(np.nanmean(model.importance_history_[1:], axis=0))
    order = np.lexsort((np.arange(task.n_features), -importance, model.ranking_))
    about = {"confirmed": int(model.support_.sum()), "tentative": int(model.support_weak_.sum())}
    return Choice(ascending(order[: k(task)]), about=about)


WRAPPERS = (
    Selector("select-from-model", "largest weights of an L1 linear support vector machine", l1_svm),
    Selector(
        "rfe",
        "recursive elimination by a ridge classifier",
        recursive_elimination,
        knobs={"step": Knob("float", 0.25, 0.01, 0.9)},
    ),
    Selector(
        "boruta",
        "what beats shuffled copies in forests",
        boruta,
        is_seeded=True,
        knobs={"trees": Knob("int", 90, 10, 1000, log=True), "rounds": Knob("int", 20, 10, 200, log=True)},
        needs=("boruta",),
    ),
)
