"""Scoring subsets by ridge classification in closed form: no row is touched, a subset takes milliseconds.

One-hot targets are regressed on the standardised features of a subset (Hoerl and Kennard, Technometrics 12(1), 1970),
with an intercept that is not penalised. `acofer.scoring.moments` holds all that this needs of the rows of every
fold: its training block gives the coefficients by one Cholesky factorisation, its validation block their error.
"""

from __future__ import annotations

import dataclasses
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from joblib import Parallel, delayed
from numpy.typing import NDArray
from scipy.linalg import cho_solve
from scipy.linalg.lapack import dpotrf
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import validate_data
from threadpoolctl import ThreadpoolController

from acofer.errors import ConfigError, DataError, nearest
from acofer.records import SubsetScore
from acofer.scoring.metrics import METRICS, Metric
from acofer.scoring.moments import FoldBlocks, FoldMoments
from acofer.scoring.protocol import IndexArray, OnScore, RowArray, restored_tally, subset_score

FloatArray = NDArray[np.float64]
Rows = tuple[Any, NDArray[np.int64], Sequence[tuple[RowArray, RowArray]]]

PENALTIES = tuple(10 ** (half / 2) for half in range(-8, 3))
"""What the penalty is chosen from where it is "auto": 1e-4 to 10."""
LARGEST_REFERENCE = 2048
"""Features of the largest subset on which a penalty is chosen; larger subsets get the same."""
CLOSED_FORM = {"brier": False, "explained-variance": True}
"""The metrics that need no rows, and whether greater is better."""
_TINY_PIVOT = 8 * float(np.finfo(np.float32).eps)
"""A pivot that is a smaller share of its diagonal entry is made of the rounding errors of a float32 Gram matrix."""
_LEAST_REPAIR, _LARGEST_REPAIR = 1e-7, 1e3
_STAGES, _REFERENCE_PENALTY = 8, 1e-3
_GRAM_ROWS_AT_ONCE = 512


@dataclass
class RidgeTally:
    """What was scored.

    Attributes
    ----------
    subsets, repaired : int
        Subsets scored, and how many of them were ill-conditioned in some fold, whose penalty was raised there.
    """

    subsets: int = 0
    repaired: int = 0


class RidgeScorer:
    """Scores subsets by cross-validated ridge classification.

    Parameters
    ----------
    moments : FoldMoments
    metric : str or Metric
        ``"brier"``: the mean over validation rows of the squared distance between the scores and the one-hot class
        (Brier 1950), smaller is better; scores are taken as they come, below 0 and above 1 too.
        ``"explained-variance"``: 1 - brier / that of the training rows' class shares. Both come from the moments
        alone, whose rows may be weighted. Any other metric, or a `Metric`, is computed from `rows`, where each
        counts once, on the scores clipped at zero and divided by their sum.
    penalty : float or "auto"
        Times the training rows' weight, it is added to the diagonal of the centred Gram matrix of standardised
        columns. ``"auto"``: that of `PENALTIES` with the least Brier score over the folds, for a subset that
        was selected forward, an eighth at a time; one for all subsets whose size has the same next power of two.
    rows : (X, y, folds), optional
        What the moments were made of. X may have a ``take(rows, columns)`` that reads no more than it must.
    n_jobs : int, optional
        Threads, as in scikit-learn; the scores do not depend on it. BLAS is held to one thread meanwhile.

    Attributes
    ----------
    tally : RidgeTally

    Raises
    ------
    ConfigError
        If the metric or penalty is none, the metric needs rows that are not given, or rows are not the moments'.
    """

    is_final_when_told = True

    def __init__(
        self,
        moments: FoldMoments,
        *,
        metric: str | Metric = "brier",
        penalty: float | str = "auto",
        rows: Rows | None = None,
        n_jobs: int | None = None,
    ) -> None:
        _check(moments, metric, penalty, rows)
        self._metric = metric if metric in CLOSED_FORM or isinstance(metric, Metric) else METRICS[metric]
        if isinstance(self._metric, Metric):
            self.metric_name, self.greater_is_better = self._metric.name, self._metric.greater_is_better
        else:
            self.metric_name, self.greater_is_better = self._metric, CLOSED_FORM[self._metric]
        self.tally = RidgeTally()
        self._moments = moments
        self._penalty = None if penalty == "auto" else float(penalty)
        self._rows = rows
        self._n_jobs = n_jobs
        self._blas = ThreadpoolController()
        self._lock = threading.Lock()
        self._penalties: dict[int, float] = {}

    def score(self, subsets: Sequence[IndexArray], on_score: OnScore | None = None) -> list[SubsetScore]:
        """Score the subsets; see `acofer.scoring.protocol.SubsetScorer`."""
        penalties = [self.penalty(len(subset)) for subset in subsets]
        done: list[SubsetScore | None] = [None] * len(subsets)
        pool = Parallel(self._n_jobs, backend="threading", return_as="generator_unordered", batch_size=1)
        tasks = (delayed(self._scored)(i, subset, penalties[i]) for i, subset in enumerate(subsets))
        with self._blas.limit(limits=1, user_api="blas"):
            for position, score, is_repaired in pool(tasks):
                done[position] = score
                self.tally.subsets += 1
                self.tally.repaired += is_repaired
                if on_score is not None:
                    on_score(position, score)
        return [score for score in done if score is not None]

    def finish(self, indices: IndexArray) -> SubsetScore:
        """Score one subset in full; here every score is."""
        return self.score([indices])[0]

    def state(self) -> dict[str, Any]:
        """Return the tally; no score depends on another."""
        return {"tally": dataclasses.asdict(self.tally)}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from where `state` was taken; see `acofer.scoring.protocol.ResumableScorer`."""
        self.tally = restored_tally(RidgeTally, state["tally"])

    def penalty(self, size: int) -> float:
        """Return the penalty of subsets of this size."""
        if self._penalty is not None:
            return self._penalty
        reference = min(1 << (max(size, 1) - 1).bit_length(), self._moments.n_features, LARGEST_REFERENCE)
        with self._lock:
            if reference not in self._penalties:
                with self._blas.limit(limits=1, user_api="blas"):
                    self._penalties[reference] = self._chosen_penalty(reference)
            return self._penalties[reference]

    def _chosen_penalty(self, size: int) -> float:
        subset = _selected_forward(self._moments, size)
        errors = np.zeros(len(PENALTIES))
        for fold in self._moments.blocks(subset):
            errors += [_brier(fold, _coefficients(fold.gram, fold.cross, fold.weight, p)[0]) for p in PENALTIES]
        return PENALTIES[int(errors.argmin())]

    def _scored(self, position: int, indices: IndexArray, penalty: float) -> tuple[int, SubsetScore, bool]:
        start = time.perf_counter()
        values, is_repaired = [], False
        for number, fold in enumerate(self._moments.blocks(indices)):
            coefficients, is_raised = _coefficients(fold.gram, fold.cross, fold.weight, penalty)
            is_repaired |= is_raised
            values.append(self._value(number, fold, indices, coefficients))
        parts = np.array(values)
        seconds = time.perf_counter() - start
        score = subset_score(indices, float(parts.mean()), parts, self.greater_is_better, seconds)
        return position, score, is_repaired

    def _value(self, number: int, fold: FoldBlocks, indices: IndexArray, coefficients: FloatArray) -> float:
        if isinstance(self._metric, Metric):
            return self._metric.of(*self._predictions(number, indices, coefficients))
        error = _brier(fold, coefficients)
        if self._metric == "brier":
            return error
        return 1.0 - error * fold.validation_weight / fold.validation_squares

    def _predictions(
        self, fold: int, indices: IndexArray, coefficients: FloatArray
    ) -> tuple[NDArray[np.int64], FloatArray]:
        """Return classes and probabilities of a fold's validation rows."""
        assert self._rows is not None  # noqa: S101
        X, y, folds = self._rows
        rows = folds[fold][1]
        coef, intercept = _unstandardised(self._moments, fold, indices, coefficients)
        return y[rows], _probabilities(_taken(X, rows, indices) @ coef.T + intercept)


class MomentRidgeClassifier(ClassifierMixin, BaseEstimator):
    """A ridge classifier as `fit_ridge` makes it, with class probabilities. There is no ``fit``: it has seen no row.

    Parameters
    ----------
    penalty : float
        See `RidgeScorer`.

    Attributes
    ----------
    coef_ : ndarray of float64, shape (n_classes, n_features)
        Of the features as they are, not standardised.
    intercept_ : ndarray of float64, shape (n_classes,)
    classes_ : ndarray of int64, shape (n_classes,)
    n_features_in_ : int
    """

    def __init__(self, penalty: float) -> None:
        self.penalty = penalty

    def decision_function(self, X: Any) -> FloatArray:
        """Return the regressed one-hot targets, shape (n, n_classes), also of two classes; rows add up to 1."""
        return validate_data(self, X, reset=False, dtype=np.float64) @ self.coef_.T + self.intercept_

    def predict(self, X: Any) -> NDArray[np.int64]:
        """Return the class of the largest score of each row."""
        return self.classes_[self.decision_function(X).argmax(axis=1)]

    def predict_proba(self, X: Any) -> FloatArray:
        """Return the scores, clipped at zero and divided by their sum, shape (n, n_classes)."""
        return _probabilities(self.decision_function(X))


def fit_ridge(moments: FoldMoments, indices: IndexArray, penalty: float) -> MomentRidgeClassifier:
    """Return the classifier of a subset's features, in the order of `indices`, fitted on all real rows.

    One k x k matrix of float64 is in memory beside the moments: 0.9 GB for 10,368 features.

    Parameters
    ----------
    moments : FoldMoments
        Only `total` is looked at; there need be no folds.
    indices : ndarray of int, shape (k,)
    penalty : float
        E.g. ``scorer.penalty(len(indices))``; raised where the Gram matrix cannot be factored with it.
    """
    model = MomentRidgeClassifier(penalty)
    coefficients = _coefficients_in_place(moments, np.asarray(indices), penalty)
    model.coef_, model.intercept_ = _unstandardised(moments, None, indices, coefficients)
    model.classes_ = np.arange(moments.n_classes)
    model.n_features_in_ = len(indices)
    return model


def is_sound(model: MomentRidgeClassifier) -> bool:
    """Say whether a classifier that was read from a file has arrays of the right kinds and shapes, all finite."""
    learnt = vars(model)
    classes, n_features = learnt.get("classes_"), learnt.get("n_features_in_")
    if type(classes) is not np.ndarray or classes.ndim != 1 or type(n_features) is not int:
        return False
    return (
        classes.dtype == np.int64
        and len(classes) > 0
        and _is_finite(learnt.get("coef_"), (len(classes), n_features))
        and _is_finite(learnt.get("intercept_"), (len(classes),))
    )


def _is_finite(array: Any, shape: tuple[int, ...]) -> bool:
    is_array = type(array) is np.ndarray and array.dtype == np.float64 and array.shape == shape
    return is_array and bool(np.isfinite(array).all())


def _selected_forward(moments: FoldMoments, size: int) -> NDArray[np.int64]:
    """Return a subset such as a search comes to: what adds most, then what adds most to that, and so on, sorted.

    A subset drawn at random asks for another penalty: of 2,000 features of which 120 say anything, 32 at random say so
    little that the largest penalty was best for them, and all subsets of that size were scored with it.
    """
    subset = np.empty(0, np.int64)
    for part in range(1, _STAGES + 1):
        wanted = -(-part * size // _STAGES) - len(subset)
        gains = moments.gains(subset, _REFERENCE_PENALTY)
        subset = np.sort(np.concatenate([subset, np.argsort(-gains, kind="stable")[:wanted]]))
    return subset


def _coefficients(gram: FloatArray, cross: FloatArray, weight: float, penalty: float) -> tuple[FloatArray, bool]:
    """Return the coefficients, shape (k, n_classes), and whether the penalty had to be raised.

    The diagonal of `gram` is used to add penalties in place, and is given back as it came.
    """
    diagonal = gram.diagonal().copy()
    for raised in _raised(penalty):
        factor = _factor(gram, diagonal + raised * weight)
        if factor is not None:
            np.fill_diagonal(gram, diagonal)
            # The transpose is what LAPACK would otherwise make a copy of, as an upper factor in its own order.
            return cho_solve((factor.T, False), cross, check_finite=False), raised != penalty
    raise _no_gram(len(gram))


def _raised(penalty: float) -> Iterator[float]:
    """Yield a penalty, then what to try where a Gram matrix cannot be factored with it."""
    yield penalty
    while (penalty := max(10 * penalty, _LEAST_REPAIR)) <= _LARGEST_REPAIR:
        yield penalty


def _no_gram(k: int) -> DataError:
    return DataError(f"moments: expected a Gram matrix; a block of {k} features is none; make them again")


def _coefficients_in_place(moments: FoldMoments, indices: NDArray[np.integer], penalty: float) -> FloatArray:
    """Return the coefficients on all rows, with one matrix of float64 in memory."""
    weight, cross = moments.training_weight(None), moments.training_cross(None, indices)
    for raised in _raised(penalty):
        factor = _factor_in_place(_lower_triangle(moments, indices), raised * weight)
        if factor is not None:
            return cho_solve((factor, False), cross, check_finite=False)
    raise _no_gram(len(indices))


def _factor_in_place(gram: FloatArray, ridge: float) -> FloatArray | None:
    """Return the upper Cholesky factor, made of the lower triangle and in its place, or None; see `_factor`."""
    gram[np.diag_indices(len(gram))] += ridge
    diagonal = gram.diagonal().copy()
    factor, fault = dpotrf(gram.T, lower=0, clean=0, overwrite_a=1)  # the transpose is in the order of LAPACK
    return None if fault or not _is_exact(factor, diagonal) else factor


def _lower_triangle(moments: FoldMoments, indices: NDArray[np.integer]) -> FloatArray:
    """Return the Gram matrix of all rows, some rows of it at a time; above the diagonal it holds anything."""
    gram = np.empty((len(indices), len(indices)))
    for first in range(0, len(indices), _GRAM_ROWS_AT_ONCE):
        rows = slice(first, first + _GRAM_ROWS_AT_ONCE)
        gram[rows, : rows.stop] = moments.training(None, indices[rows], indices[: rows.stop])
    return gram


def _is_exact(factor: NDArray[np.floating], diagonal: FloatArray) -> bool:
    """Whether no pivot is made of rounding errors."""
    return bool((factor.diagonal() ** 2 > _TINY_PIVOT * diagonal).all())


def _factor(gram: FloatArray, diagonal: FloatArray) -> NDArray[np.floating] | None:
    """Return the lower Cholesky factor with this diagonal, or None where there is none worth the name.

    By numpy, which lets other threads run meanwhile; scipy does not.
    """
    np.fill_diagonal(gram, diagonal)
    try:
        factor = np.linalg.cholesky(gram)
    except np.linalg.LinAlgError:
        return None
    return factor if _is_exact(factor, diagonal) else None


def _brier(fold: FoldBlocks, coefficients: FloatArray) -> float:
    """Return the mean over validation rows of |t - Wᵀx|², multiplied out so that only sums over rows are left."""
    twice = fold.validation_gram @ coefficients - 2.0 * fold.validation_cross
    return (fold.validation_squares + float((coefficients * twice).sum())) / fold.validation_weight


def _unstandardised(
    moments: FoldMoments, fold: int | None, indices: IndexArray, coefficients: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return coefficients (n_classes, k) and intercepts (n_classes,) for features as they are."""
    means, target_means = moments.training_means(fold, indices)
    scale = moments.scale[indices]
    coef = np.ascontiguousarray((coefficients / scale[:, None]).T)
    return coef, target_means - coef @ (moments.shift[indices] + scale * means)


def _probabilities(scores: FloatArray) -> FloatArray:
    clipped = np.maximum(scores, 0.0)
    return clipped / clipped.sum(axis=1, keepdims=True)  # at least 1, since scores add up to 1


def _taken(X: Any, rows: RowArray, indices: IndexArray) -> FloatArray:
    """Return some columns of some rows, reading no others where X can help it."""
    if isinstance(X, np.ndarray):
        return X[rows[:, None], indices].astype(np.float64)
    return (X.take(rows, indices) if hasattr(X, "take") else X[rows][:, indices]).astype(np.float64)


def _check(moments: FoldMoments, metric: str | Metric, penalty: float | str, rows: Rows | None) -> None:
    """Raise ConfigError where the arguments of `RidgeScorer` do not fit each other."""
    known, name = {**METRICS, **CLOSED_FORM}, metric.name if isinstance(metric, Metric) else metric
    if not isinstance(metric, Metric) and metric not in known:
        raise ConfigError(f"metric: expected one of {', '.join(known)}; got {name!r}; {nearest(metric, known)}")
    if metric not in CLOSED_FORM and rows is None:
        raise ConfigError(f"metric {name} needs rows; give rows=(X, y, folds), or compare by 'brier'")
    if rows is not None and (rows[0].shape[1], len(rows[2])) != (moments.n_features, moments.n_folds):
        raise ConfigError(
            f"rows: expected those of the moments, {moments.n_features} features in {moments.n_folds} folds; "
            f"got {rows[0].shape[1]} in {len(rows[2])}"
        )
    is_number = isinstance(penalty, int | float) and 0 <= penalty < np.inf
    if not is_number and penalty != "auto":
        raise ConfigError(f"penalty: expected 'auto' or a number from 0; got {penalty!r}")
