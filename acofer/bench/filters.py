"""Selectors that measure features, each by itself or against those chosen, and ask no classifier."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from acofer.bench.selector import Selector
from acofer.bench.subsets import ascending, drawn
from acofer.bench.task import Choice, Task, k, rows_of
from acofer.colony.conditional import ConditionalHeuristic
from acofer.runs.guidance import alone

FloatArray = NDArray[np.float64]

_COLUMNS_AT_ONCE = 512
_LARGEST_F, _LEAST_REDUNDANCY = 1e100, 1e-12  # their quotient is still a number


def all_features(task: Task) -> Choice:
    return Choice(np.arange(task.n_features, dtype=np.int32))


def principal_components(task: Task) -> Choice:
    """Project on the first components of the standardised features; no feature is chosen.

    scikit-learn decides by the shape how they are found; where that draws, it draws alike for every seed.
    """
    from sklearn.decomposition import PCA
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    components = min(k(task), len(task.y))
    pipeline = make_pipeline(StandardScaler(), PCA(components, random_state=0)).fit(task.matrix)
    explained = float(pipeline[-1].explained_variance_ratio_.sum())
    about = {"components": components, "explained variance": explained}
    return Choice(None, partial(_projected, pipeline), about)


def _projected(pipeline: Any, X: Any) -> NDArray[np.float32]:
    return pipeline.transform(rows_of(X)).astype(np.float32)


def random_subset(task: Task) -> Choice:
    return Choice(drawn(np.random.default_rng(task.seed), task.n_features, k(task)))


def by_heuristic(kind: str, task: Task) -> Choice:
    """Take what the heuristic information takes by itself: the largest, or one by one what adds most."""
    return Choice(alone(task.heuristic(kind), k(task)))


def minimum_redundancy(task: Task) -> Choice:
    """Choose one by one what is most relevant and least redundant: mRMR by F-test and correlation, as a quotient.

    Relevance is ANOVA F, redundancy the mean absolute correlation with those chosen (Ding and Peng, Journal of
    Bioinformatics and Computational Biology 3(2), 2005; the variant FCQ of Zhao, Anand and Wang, "Maximum relevance
    and minimum redundancy feature selection methods for a marketing machine learning platform", 2019).

    The correlations come from the moments of the training rows, which greedy selection needs, too. feature-engine
    (``MRMR(method="FCQ")``) goes back to the rows at every pick: it chose the same 64 of 640 features on 7,000 rows
    in 17 times the time, moments included; for 128 of 5,120 on 28,709 rows that makes five minutes, for 1,024 forty.
    scikit-lego holds the products of all rows for all pairs, 73 TB at the last of 128 picks.
    """
    conditional = task.heuristic("conditional")
    assert isinstance(conditional, ConditionalHeuristic)  # noqa: S101 - for the type checker
    picks = minimum_redundancy_picks(f_values(task), conditional.gram, conditional.means, k(task))
    return Choice(ascending(picks))


def f_values(task: Task) -> FloatArray:
    """Return ANOVA F of each feature, shape (p,); 0 of those that are constant. A stretch of columns at a time."""
    from sklearn.feature_selection import f_classif

    found = np.zeros(task.n_features)
    for first in range(0, task.n_features, _COLUMNS_AT_ONCE):
        columns = np.arange(first, min(first + _COLUMNS_AT_ONCE, task.n_features))
        block = task.X[:, columns] if isinstance(task.X, np.ndarray) else task.X.take(slice(None), columns)
        varies = (block != block[0]).any(axis=0)
        if varies.any():
            with np.errstate(all="ignore"):  # one that alone tells the classes apart divides by zero
                found[columns[varies]] = f_classif(block[:, varies].astype(np.float64), task.y)[0]
    return np.maximum(np.nan_to_num(found, posinf=_LARGEST_F), 0.0)


def minimum_redundancy_picks(relevance: FloatArray, gram: NDArray[Any], means: NDArray[Any], k: int) -> NDArray:
    """Return `k` features in the order in which mRMR picks them, shape (k,).

    Parameters
    ----------
    relevance : ndarray of float64, shape (p,)
        At least 0.
    gram, means
        See `acofer.colony.conditional.construct_conditional`: ``gram - outer(means, means)`` is the covariance.
    k : int
    """
    scale = np.sqrt(np.maximum(gram.diagonal() - means.astype(np.float64) ** 2, 0.0))
    scale[scale == 0] = np.inf  # a constant feature is in no relation to any
    redundancy, picks = np.zeros(len(relevance)), np.empty(k, np.int64)
    score = relevance.copy()
    for n in range(k):
        score[picks[:n]] = -np.inf
        last = picks[n] = score.argmax()
        covariance = gram[last].astype(np.float64) - means[last] * means
        redundancy += np.abs(covariance / (scale[last] * scale))
        score = relevance / np.maximum(redundancy / (n + 1), _LEAST_REDUNDANCY)
    return picks


_SAMPLED: dict[str, Any] = {"is_seeded": True}  # they see a sample of the rows
FILTERS = (
    Selector("all", "all features", all_features, takes_size="none"),
    Selector("pca", "principal components of the standardised features", principal_components),
    Selector("random-subset", "one draw a seed", random_subset, is_seeded=True),
    Selector("anova-f", "largest ANOVA F", partial(by_heuristic, "f")),
    Selector(
        "mutual-information", "largest mutual information with the class", partial(by_heuristic, "mi"), **_SAMPLED
    ),
    Selector("forest-importance", "largest importance in forests", partial(by_heuristic, "importance"), **_SAMPLED),
    Selector("mrmr", "relevant by ANOVA F, little correlated with those chosen", minimum_redundancy),
    Selector("greedy-forward", "adds most to those before, by least squares", partial(by_heuristic, "conditional")),
)
