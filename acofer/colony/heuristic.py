"""Heuristic information: how desirable each feature looks before any ant has walked.

Everything here sees real training rows only. Whatever the measure, the ants
are given its ranks: eta is the rank over the number of features, in (0, 1],
so that beta means the same for every measure and data set, and no feature has
probability zero.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from acofer.errors import ConfigError, nearest

FloatArray = NDArray[np.float64]
_Measure = Callable[[NDArray, NDArray, bool, int, int | None], FloatArray]

SAMPLE_ROWS = 3000
"""Rows the costly measures look at. On FER2013's 5,120 features a forest on 3,000 rows takes seconds."""
_MI_BINS = 16
_COLUMNS_AT_ONCE = 1024
_FORESTS, _TREES, _FOREST_BINS = 9, 10, 32  # 90 trees in all, over nine orders of the columns


def heuristic_information(
    kind: str | ArrayLike,
    X: NDArray,
    y: NDArray,
    *,
    regression: bool = False,
    seed: int = 0,
    n_jobs: int | None = None,
) -> FloatArray:
    """Return eta, one number in (0, 1] a feature.

    Parameters
    ----------
    kind : {"importance", "f", "mi", "uniform"} or array_like of shape (n_features,)
        Impurity importance in a random forest (on a sample of rows), ANOVA F,
        mutual information (on a sample of rows, each feature cut into 16 quantile bins),
        nothing at all, or the caller's own numbers (larger is better).
    X : ndarray of shape (n_rows, n_features), or rows of a bank
        Real training rows; any float kind.
    y : ndarray of shape (n_rows,)
        Their labels, or targets if `regression`.
    seed : int
        Seed of the sample and the forest.
    n_jobs : int, optional
        Workers of the forest, as in scikit-learn.

    Raises
    ------
    ConfigError
        If `kind` is unknown, or an array of another length or with NaN.
    """
    if isinstance(kind, str):
        if kind not in HEURISTICS:
            raise ConfigError(
                f"heuristic: expected one of {', '.join(HEURISTICS)}; got {kind!r}; {nearest(kind, HEURISTICS)}"
            )
        if kind == "f" and not isinstance(X, np.ndarray):  # a bank: some columns of all rows at a time
            return rank_normalised(_f_by_columns(X, y))
        rows = _sample(y, regression, seed) if kind in ("importance", "mi") else slice(None)
        seen = X[rows]
        if seen.dtype == np.float16:  # as embeddings are kept; too coarse to compute in
            seen = seen.astype(np.float32)
        return rank_normalised(HEURISTICS[kind](seen, y[rows], regression, seed, n_jobs))
    measured = np.asarray(kind, dtype=np.float64)
    if measured.shape != (X.shape[1],) or np.isnan(measured).any():
        raise ConfigError(f"heuristic: expected {X.shape[1]} numbers, one a feature; got shape {measured.shape}")
    return rank_normalised(measured)


def rank_normalised(measured: FloatArray) -> FloatArray:
    """Return each value's rank over their number, in (0, 1]; equal values share their mean rank."""
    from scipy.stats import rankdata

    return rankdata(measured) / len(measured)


def _sample(y: NDArray, regression: bool, seed: int) -> NDArray[np.int64] | slice:
    """Draw up to SAMPLE_ROWS rows, each class by its share but at least two of each that has them."""
    if len(y) <= SAMPLE_ROWS:
        return slice(None)
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(1,)))
    if regression:
        return np.sort(rng.choice(len(y), SAMPLE_ROWS, replace=False))
    drawn = []
    for label in np.unique(y):
        rows = np.flatnonzero(y == label)
        wanted = max(2, round(SAMPLE_ROWS * len(rows) / len(y)))
        drawn.append(rng.choice(rows, min(wanted, len(rows)), replace=False))
    return np.sort(np.concatenate(drawn))


def _importance(X: NDArray, y: NDArray, regression: bool, seed: int, n_jobs: int | None) -> FloatArray:
    if regression:
        from sklearn.ensemble import RandomForestRegressor

        return RandomForestRegressor(90, random_state=seed, n_jobs=n_jobs).fit(X, y).feature_importances_
    # The importances of a fast forest depend on which columns share a block, drawn once a forest: so, many forests.
    from acofer.forest.binning import find_bins
    from acofer.forest.forest import HistForestClassifier

    bins = find_bins(X, _FOREST_BINS, seed=seed, n_jobs=n_jobs)
    codes, every = bins.codes(X, n_jobs), np.arange(X.shape[1])
    streams = np.random.SeedSequence(seed).generate_state(_FORESTS)
    forests = [HistForestClassifier(_TREES, random_state=int(stream), n_jobs=n_jobs) for stream in streams]
    importances = [forest.fit_codes(bins, codes, y, every).feature_importances_ for forest in forests]
    return np.mean(importances, axis=0)


def _f(X: NDArray, y: NDArray, regression: bool, seed: int, n_jobs: int | None) -> FloatArray:
    from sklearn.feature_selection import f_classif, f_regression

    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")  # a constant feature divides by zero; it gets the last rank below
        scores = (f_regression if regression else f_classif)(X, y)[0]
    return np.nan_to_num(np.asarray(scores, np.float64), nan=0.0)


def _f_by_columns(X: Any, y: NDArray) -> FloatArray:
    """Return ANOVA F of a bank's rows."""
    stretches = np.array_split(np.arange(X.shape[1]), -(-X.shape[1] // _COLUMNS_AT_ONCE))
    return np.concatenate([_f(X.take(slice(None), c).astype(np.float32), y, False, 0, None) for c in stretches])


def _mi(X: NDArray, y: NDArray, regression: bool, seed: int, n_jobs: int | None) -> FloatArray:
    from sklearn.feature_selection import mutual_info_classif, mutual_info_regression

    measure = mutual_info_regression if regression else mutual_info_classif
    return measure(_binned(X), y, discrete_features=True, random_state=seed)


def _binned(X: NDArray) -> NDArray[np.int64]:
    quantiles = np.quantile(X, np.arange(1, _MI_BINS) / _MI_BINS, axis=0)
    return np.stack([np.searchsorted(np.unique(q), x, side="right") for q, x in zip(quantiles.T, X.T, strict=True)], 1)


def _uniform(X: NDArray, y: NDArray, regression: bool, seed: int, n_jobs: int | None) -> FloatArray:
    return np.ones(X.shape[1])


HEURISTICS: dict[str, _Measure] = {"importance": _importance, "f": _f, "mi": _mi, "uniform": _uniform}
