"""What is measured, and how sure one can be of it.

Everything is computed from the true classes ``y`` of real rows and the class
probabilities ``proba`` (or, where only rates are asked for, the predicted classes).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from acofer.errors import ConfigError, nearest

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

LOG_LOSS_FLOOR = 0.005
"""Probabilities below this are raised to it before log-loss is taken, and each row is renormalised.

A forest of 90 trees in which no tree voted for the true class says "less than 1 in 90", not "impossible";
without a floor those rows alone would decide between subsets. It is about half a vote in 90."""

BOOTSTRAP_DRAWS = 2000
_DRAWS_A_COMPARISON = 600
"""So that of however many comparisons some fifteen draws lie beyond each end of a widened interval."""
RATES = ("accuracy", "balanced accuracy", "macro precision", "macro recall", "macro F1")
"""What `rates` returns, in the order of tables."""


@dataclass(frozen=True)
class Metric:
    """One way to score probabilities against true classes.

    Attributes
    ----------
    name : str
    entry : str
        Its name in a `scorecard`.
    greater_is_better : bool
    of : callable
        ``of(y, proba) -> float``.
    """

    name: str
    entry: str
    greater_is_better: bool
    of: Callable[[IntArray, FloatArray], float]

    def utility(self, value: float) -> float:
        """Turn the sign where smaller is better, so that a larger utility is always better."""
        return value if self.greater_is_better else -value


def confusion(y: IntArray, predicted: IntArray, n_classes: int) -> IntArray:
    """Count rows by true class (row) and predicted class (column)."""
    return np.bincount(y * n_classes + predicted, minlength=n_classes**2).reshape(n_classes, n_classes)


def rates(counts: NDArray) -> dict[str, FloatArray]:
    """Return accuracy, balanced accuracy, and macro precision, recall and F1 of confusion matrices.

    Parameters
    ----------
    counts : ndarray of shape (..., n_classes, n_classes)
        True classes in rows.

    Returns
    -------
    dict of str to ndarray of shape (...)
        A class that is never predicted has precision and F1 zero, as in
        scikit-learn; a class without true rows is left out of the means.
    """
    hits = np.diagonal(counts, axis1=-2, axis2=-1).astype(np.float64)
    true, predicted = counts.sum(-1), counts.sum(-2)
    present = true > 0
    n_present = np.maximum(present.sum(-1), 1)
    recall = hits / np.maximum(true, 1)
    precision = hits / np.maximum(predicted, 1)
    f1 = 2 * hits / np.maximum(true + predicted, 1)

    def macro(by_class: FloatArray) -> FloatArray:
        return np.where(present, by_class, 0.0).sum(-1) / n_present

    return {
        "accuracy": hits.sum(-1) / np.maximum(true.sum(-1), 1),
        "balanced accuracy": macro(recall),
        "macro precision": macro(precision),
        "macro recall": macro(recall),
        "macro F1": macro(f1),
    }


def log_loss(y: IntArray, proba: FloatArray) -> float:
    """Return the mean of ``-log p(true class)`` in nats, with probabilities floored at `LOG_LOSS_FLOOR`."""
    floored = np.maximum(proba, LOG_LOSS_FLOOR)
    floored = floored / floored.sum(axis=1, keepdims=True)
    return float(-np.log(floored[np.arange(len(y)), y]).mean())


def brier(y: IntArray, proba: FloatArray) -> float:
    """Return the mean over rows of the squared distance between probabilities and the one-hot true class, 0 to 2.

    Brier, "Verification of forecasts expressed in terms of probability", Monthly Weather Review 78(1), 1950.
    """
    return float((1.0 - 2.0 * proba[np.arange(len(y)), y] + (proba**2).sum(axis=1)).mean())


def _rate(name: str) -> Callable[[IntArray, FloatArray], float]:
    def of(y: IntArray, proba: FloatArray) -> float:
        n_classes = proba.shape[1]
        return float(rates(confusion(y, proba.argmax(axis=1), n_classes))[name])

    return of


METRICS: dict[str, Metric] = {
    "log-loss": Metric("log-loss", "log-loss", False, log_loss),
    "brier": Metric("brier", "Brier score", False, brier),
    "accuracy": Metric("accuracy", "accuracy", True, _rate("accuracy")),
    "balanced-accuracy": Metric("balanced-accuracy", "balanced accuracy", True, _rate("balanced accuracy")),
    "macro-f1": Metric("macro-f1", "macro F1", True, _rate("macro F1")),
}


def metric_named(name: str) -> Metric:
    """Return the metric of this name, or raise ConfigError."""
    if name not in METRICS:
        raise ConfigError(f"metric: expected one of {', '.join(METRICS)}; got {name!r}; {nearest(name, METRICS)}")
    return METRICS[name]


def scorecard(y: IntArray, proba: FloatArray, *, seed: int = 0) -> dict[str, Any]:
    """Return every rate with its 95 % bootstrap interval, log-loss, Brier score, rates by class and confusion matrix.

    The intervals are percentile bootstrap intervals over rows (Efron and
    Tibshirani 1993, chapter 13). All rates depend on the rows only through the
    confusion matrix, so resampling rows is the same as drawing its cells from a
    multinomial, which is what is done.
    """
    n_classes = proba.shape[1]
    counts = confusion(y, proba.argmax(axis=1), n_classes)
    rng = np.random.default_rng(seed)
    drawn = rng.multinomial(len(y), counts.ravel() / len(y), size=BOOTSTRAP_DRAWS).reshape(-1, n_classes, n_classes)
    spread = rates(drawn)
    card: dict[str, Any] = {
        name: {"value": float(value), "interval": percentile_interval(spread[name])}
        for name, value in rates(counts).items()
    }
    card["log-loss"] = {"value": log_loss(y, proba)}
    card["Brier score"] = {"value": brier(y, proba)}
    card["rows"] = len(y)
    card["confusion"] = counts.tolist()
    card["per class"] = _per_class(counts)
    return card


def binary_accuracy(y: IntArray, outputs: FloatArray, *, seed: int = 0) -> dict[str, Any]:
    """Return the share of right yes-or-no answers, one a row and class, at one half, with its bootstrap interval.

    This is what Keras calls accuracy where a network of several classes is trained by binary cross-entropy. It is not
    the share of rows whose class is right: with `n` classes, "no" to everything is right in ``1 - 1/n`` of the answers.

    Parameters
    ----------
    y : ndarray of int, shape (n,)
    outputs : ndarray of float, shape (n, n_classes)
        As the network gives them; of sigmoids they do not add up to one.

    Returns
    -------
    dict
        ``value`` and ``interval`` (95 %, percentile bootstrap over rows).
    """
    right = ((outputs > 0.5) == np.eye(outputs.shape[1], dtype=bool)[y]).mean(axis=1)
    return {"value": float(right.mean()), "interval": percentile_interval(resampled_means(right, seed))}


def resampled_means(by_row: FloatArray, seed: int, draws: int = BOOTSTRAP_DRAWS) -> FloatArray:
    """Return the means of bootstrap samples of rows; few values are distinct, so their counts are drawn.

    Parameters
    ----------
    by_row : ndarray of float, shape (n,)
    seed : int
    draws : int

    Returns
    -------
    ndarray of float64, shape (draws,)
    """
    values, counts = np.unique(by_row, return_counts=True)
    n = len(by_row)
    return np.random.default_rng(seed).multinomial(n, counts / n, size=draws) @ values / n


def percentile_interval(draws: FloatArray, share: float = 0.95) -> list[float]:
    """Return the two ends between which the middle `share` of the draws lies."""
    return [float(q) for q in np.quantile(draws, [(1 - share) / 2, (1 + share) / 2])]


def _per_class(counts: IntArray) -> list[dict[str, float]]:
    hits, true, predicted = np.diagonal(counts), counts.sum(1), counts.sum(0)
    return [
        {
            "rows": int(true[c]),
            "precision": float(hits[c] / max(predicted[c], 1)),
            "recall": float(hits[c] / max(true[c], 1)),
            "F1": float(2 * hits[c] / max(true[c] + predicted[c], 1)),
        }
        for c in range(len(counts))
    ]


def paired_difference(
    y: IntArray,
    predicted: IntArray | Sequence[IntArray],
    others: IntArray | Sequence[IntArray],
    *,
    comparisons: int = 1,
    seed: int = 0,
) -> dict[str, Any]:
    """Return by how much `predicted` is more accurate than `others`, on the same rows.

    Parameters
    ----------
    y : ndarray of int, shape (n,)
    predicted, others : ndarray of int, shape (n,), or a list of them
        One prediction, or several draws of one, by seed say; of several the mean accuracy is compared.
    comparisons : int
        How many such comparisons are made together; the interval is widened
        (Bonferroni) so that all of them hold together with 95 %.

    Returns
    -------
    dict
        ``difference`` (of accuracy) and ``interval``, paired bootstrap over rows. The interval
        covers the choice of test rows, not that of training rows or seeds.
    """
    by_row = np.mean(np.atleast_2d(predicted) == y, axis=0) - np.mean(np.atleast_2d(others) == y, axis=0)
    drawn = resampled_means(by_row, seed, max(BOOTSTRAP_DRAWS, _DRAWS_A_COMPARISON * comparisons))
    return {"difference": float(by_row.mean()), "interval": percentile_interval(drawn, 1 - 0.05 / comparisons)}
