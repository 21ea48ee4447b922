"""How sure one can be of a comparison: over test rows, over seeds, over many comparisons, and over chosen features.

Rows are test rows, the same for everybody; ``y`` are their true classes and a prediction is an array of as many
classes. Intervals are of 95 %.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri, stdtrit
from scipy.stats import binomtest, random_table

from acofer.errors import DataError, InputError
from acofer.scoring.metrics import BOOTSTRAP_DRAWS, RATES, confusion, paired_difference, percentile_interval, rates

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


def mean_difference(
    y: ArrayLike, ours: Sequence[ArrayLike], theirs: Sequence[ArrayLike], *, comparisons: int = 1, seed: int = 0
) -> dict[str, Any]:
    """Return by how much our accuracy, mean over seeds, exceeds theirs on the same rows.

    Parameters
    ----------
    y : ndarray of int, shape (n,)
    ours, theirs : list of ndarray of int, shape (n,)
        Predicted classes, one array a seed; the two may differ in how many seeds they have.
    comparisons : int
        How many such comparisons are made together; the interval is widened (Bonferroni) so that all hold together.
    seed : int
        Of the bootstrap.

    Returns
    -------
    dict
        ``difference`` and ``interval``: paired percentile bootstrap over rows, see
        `acofer.scoring.metrics.paired_difference`. It covers the choice of test rows, not that of seeds.

    Raises
    ------
    DataError
        If a side is empty or has not one prediction a row.
    """
    true, own = _classes(y, ours, "ours")
    _, rivals = _classes(y, theirs, "theirs")
    return paired_difference(true, own, rivals, comparisons=comparisons, seed=seed)


def mean_rates(
    y: ArrayLike, predicted_by_seed: Sequence[ArrayLike], n_classes: int, seed: int = 0
) -> dict[str, dict[str, Any]]:
    """Return every rate's mean and standard deviation over seeds, and an interval of that mean.

    Parameters
    ----------
    y : ndarray of int, shape (n,)
        Classes from 0 to ``n_classes - 1``.
    predicted_by_seed : list of ndarray of int, shape (n,)
    n_classes : int
    seed : int
        Of the bootstrap.

    Returns
    -------
    dict
        For each of `acofer.scoring.metrics.RATES`: ``mean``; ``sd``, with one degree of freedom less than seeds, None
        of a single seed; and ``interval``, percentile bootstrap over test rows of the mean over seeds (Efron and
        Tibshirani 1993, chapter 13). It covers the choice of test rows; ``sd`` tells of the seeds.

    Raises
    ------
    DataError
        If there is no seed, not one prediction a row, or a class out of range.
    """
    true, predicted = _classes(y, predicted_by_seed, "predictions by seed")
    answers = np.column_stack([true, *predicted])
    if answers.min() < 0 or answers.max() >= n_classes:
        raise DataError(f"classes: expected 0 to {n_classes - 1}; got {answers.min()} to {answers.max()}")
    by_seed = rates(np.stack([confusion(true, one, n_classes) for one in predicted]))
    resampled = rates(_resampled_confusions(answers, n_classes, seed))
    found = {}
    for name in RATES:
        over_seeds = spread(by_seed[name])
        interval = percentile_interval(resampled[name].mean(axis=1))
        found[name] = {"mean": over_seeds["mean"], "sd": over_seeds["sd"], "interval": interval}
    return found


def _resampled_confusions(answers: IntArray, n_classes: int, seed: int) -> FloatArray:
    """Return confusion matrices of bootstrap samples, shape (draws, seeds, classes, classes); seeds share each sample.

    Rows with the same true class and the same predictions of all seeds (a row of `answers`) are alike, so that how
    often each pattern comes is drawn instead of rows.
    """
    patterns, counts = np.unique(answers, axis=0, return_counts=True)
    cells = patterns[:, :1] * n_classes + patterns[:, 1:]
    is_in_cell = (cells[:, :, None] == np.arange(n_classes**2)).reshape(len(cells), -1).astype(np.float64)
    n = len(answers)
    drawn = np.random.default_rng(seed).multinomial(n, counts / n, size=BOOTSTRAP_DRAWS)
    return (drawn @ is_in_cell).reshape(BOOTSTRAP_DRAWS, -1, n_classes, n_classes)


def mcnemar(y: ArrayLike, a: ArrayLike, b: ArrayLike) -> dict[str, Any]:
    """Test whether two predictions of the same rows are right equally often.

    McNemar's test (Psychometrika 12(2), 1947), exact and two-sided: of the rows that only one of the two gets right,
    each gets half. Recommended for two classifiers and one test set by Dietterich, Neural Computation 10(7), 1998.

    Only whether a row is right counts, so that predictions wrong in two ways agree.

    Parameters
    ----------
    y, a, b : ndarray of int, shape (n,)

    Returns
    -------
    dict
        ``only a right`` and ``only b right``, numbers of rows, and ``p``, which is 1 where there is no such row.
    """
    true, predicted = _classes(y, [a, b], "a and b")
    a_right, b_right = predicted == true
    only_a, only_b = int(np.sum(a_right & ~b_right)), int(np.sum(b_right & ~a_right))
    p = float(binomtest(only_a, only_a + only_b).pvalue) if only_a + only_b else 1.0
    return {"only a right": only_a, "only b right": only_b, "p": p}


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values adjusted for all of them together (Holm, Scandinavian Journal of Statistics 6(2), 1979).

    Raises
    ------
    InputError
        If one is not a number from 0 to 1.
    """
    wrong = [p for p in p_values if not 0 <= p <= 1]
    if wrong:
        raise InputError(f"p-values: expected numbers from 0 to 1; got {wrong[0]!r}")
    adjusted, so_far = [0.0] * len(p_values), 0.0
    for place, number in enumerate(np.argsort(p_values, kind="stable").tolist()):
        so_far = max(so_far, min(1.0, (len(p_values) - place) * float(p_values[number])))
        adjusted[number] = so_far
    return adjusted


def stability(subsets: Sequence[ArrayLike], n_features: int) -> dict[str, Any] | None:
    """Return how far subsets chosen by one method on several seeds agree, beyond what chance would have them agree.

    Nogueira, Sechidis and Brown, "On the stability of feature selection algorithms", Journal of Machine Learning
    Research 18(174), 2018: definition 4 for the value, theorem 7 and corollary 9 for their interval.

    Parameters
    ----------
    subsets : list of array of int
        Indices of features; sizes may differ.
    n_features : int
        How many there were to choose from.

    Returns
    -------
    dict or None
        ``value``: 1 where all subsets are the same, about 0 where they were drawn at random. ``published interval``:
        theirs, which holds for many subsets: of 200 simulated features it covered the truth in 49 to 61 % of the cases
        with 3 subsets, 71 to 79 % with 5, 85 to 88 % with 10, 92 to 93 % with 30. ``interval``: by the jackknife (Efron
        and Tibshirani 1993, chapter 11) with Student's t, which covered it in 96 to 98 % with 3, 5 and 10. Both are
        None of two subsets. The whole is None of fewer than two, and where all hold every feature or all hold none.

    Raises
    ------
    InputError
        If an index is not one of a feature.
    """
    if len(subsets) < 2:
        return None
    is_chosen, m = _membership(subsets, n_features), len(subsets)
    value = _agreement(is_chosen)
    if value is None:
        return None
    if m == 2:
        return {"value": value, "interval": None, "published interval": None}
    half = float(ndtri(0.975)) * _published_error(is_chosen, value)
    error = _jackknifed_error(is_chosen)
    wide = None if error is None else float(stdtrit(m - 1, 0.975)) * error
    return {
        "value": value,
        "interval": None if wide is None else [value - wide, value + wide],
        "published interval": [value - half, value + half],
    }


def _agreement(is_chosen: FloatArray) -> float | None:
    share, m = is_chosen.mean(), len(is_chosen)
    if share in (0, 1):
        return None
    frequency = is_chosen.mean(axis=0)
    return float(1 - m / (m - 1) * np.mean(frequency * (1 - frequency)) / (share * (1 - share)))


def _published_error(is_chosen: FloatArray, value: float) -> float:
    m, n_features = is_chosen.shape
    frequency, shares = is_chosen.mean(axis=0), is_chosen.mean(axis=1)
    share = shares.mean()
    product = shares * share
    own = is_chosen @ frequency / n_features - product + value / 2 * (2 * product - shares - share + 1)
    own /= share * (1 - share)
    return float(2 / m * np.sqrt(np.sum((own - own.mean()) ** 2)))


def _jackknifed_error(is_chosen: FloatArray) -> float | None:
    """Return the standard error by leaving out one subset at a time; None where the others then hold all or nothing."""
    m = len(is_chosen)
    left_out = [_agreement(np.delete(is_chosen, i, axis=0)) for i in range(m)]
    if None in left_out:
        return None
    return float(np.sqrt((m - 1) * np.var(np.array(left_out, np.float64))))


def _membership(subsets: Sequence[ArrayLike], n_features: int) -> FloatArray:
    """Return 1 where a subset (row) holds a feature (column), else 0."""
    is_chosen = np.zeros((len(subsets), n_features))
    for row, subset in zip(is_chosen, subsets, strict=True):
        indices = np.asarray(subset, dtype=np.int64)
        if np.any((indices < 0) | (indices >= n_features)):
            raise InputError(f"subset: expected features 0 to {n_features - 1}; got {indices.min()} to {indices.max()}")
        row[indices] = 1
    return is_chosen


def spread(values: ArrayLike) -> dict[str, float | None]:
    """Return the mean, the standard deviation (one degree of freedom less; None of one value), the least and most.

    Raises
    ------
    InputError
        If there is no value.
    """
    numbers = _numbers(values)
    sd = float(numbers.std(ddof=1)) if len(numbers) > 1 else None
    return {"mean": float(numbers.mean()), "sd": sd, "least": float(numbers.min()), "most": float(numbers.max())}


def t_interval(values: ArrayLike) -> tuple[float, float, float]:
    """Return the mean and its 95 % t-interval (Student, Biometrika 6(1), 1908); nan for both ends of a single value.

    Raises
    ------
    InputError
        If there is no value.
    """
    numbers = _numbers(values)
    n, mean = len(numbers), float(numbers.mean())
    if n < 2:
        return mean, float("nan"), float("nan")
    half = float(stdtrit(n - 1, 0.975) * numbers.std(ddof=1) / np.sqrt(n))
    return mean, mean - half, mean + half


def independence(y: ArrayLike, predicted: ArrayLike, n_draws: int = 9_999, seed: int = 0) -> dict[str, Any]:
    """Test whether predictions hit the true classes more often than if they had nothing to do with them.

    A one-sided permutation test (Fisher, The Design of Experiments, 1935): the predictions are dealt out to the rows
    anew, so that how often each class is true and how often it is predicted stay as they are. What matters of a deal
    is its confusion matrix, which is drawn given those margins.

    Parameters
    ----------
    y, predicted : ndarray of int, shape (n,)
        Classes from 0.
    n_draws : int
        Deals; no p is less than ``1 / (1 + n_draws)``.
    seed : int

    Returns
    -------
    dict
        ``hits``, ``expected`` (hits of a deal on average) and ``p``, the share of deals with at least as many hits,
        the observed one counted among them (Davison and Hinkley, Bootstrap Methods and their Application, 1997,
        chapter 4).
    """
    true, (guesses,) = _classes(y, [predicted], "predicted")
    n_classes = int(max(true.max(), guesses.max())) + 1
    margins = [np.bincount(classes, minlength=n_classes) for classes in (true, guesses)]
    dealt = random_table(*margins).rvs(n_draws, random_state=np.random.default_rng(seed))
    hits = int(np.sum(true == guesses))
    as_good = int(np.sum(np.trace(dealt, axis1=1, axis2=2) >= hits))
    expected = float(margins[0] @ margins[1] / len(true))
    return {"hits": hits, "expected": expected, "p": (1 + as_good) / (1 + n_draws)}


def _classes(y: ArrayLike, predicted: Sequence[ArrayLike], name: str) -> tuple[IntArray, IntArray]:
    """Return true classes and, shape (predictions, n), those predicted; DataError where they do not fit the rows."""
    true = np.asarray(y, dtype=np.int64)
    shapes = [np.shape(one) for one in predicted]
    if not true.size or not shapes or any(shape != true.shape for shape in shapes):
        raise DataError(f"{name}: expected predictions, each one class a row of {len(true)} rows; got shapes {shapes}")
    return true, np.array(predicted, dtype=np.int64)


def _numbers(values: ArrayLike) -> FloatArray:
    numbers = np.asarray(values, dtype=np.float64)
    if not numbers.size:
        raise InputError("values: expected one number at least; got none")
    return numbers
