"""Rows in which some features say the class, and a scorer that knows what each feature is worth."""

import numpy as np

from acofer.bench.budget import Budget, CountingScorer
from acofer.bench.selectors import SELECTORS, checked_knobs
from acofer.bench.task import Task
from acofer.colony.conditional import HEURISTIC_PENALTY, ConditionalHeuristic
from acofer.colony.heuristic import heuristic_information
from acofer.scoring.moments import FoldMoments
from acofer.scoring.protocol import subset_score

N, P, N_CLASSES = 400, 60, 3
GOOD = np.arange(5, P, 6)
SIZE = len(GOOD)  # ten of sixty


def rows(seed=0):
    """Return X and y; each good feature is shifted in one class."""
    rng = np.random.default_rng(seed)
    y = np.arange(N) % N_CLASSES
    X = rng.normal(size=(N, P)).astype(np.float32)
    for number, feature in enumerate(GOOD):
        X[y == number % N_CLASSES, feature] += 1.5
    return X, y


X, Y = rows()


def information(kind):
    if kind == "conditional":
        return ConditionalHeuristic.of(FoldMoments.whole(X, Y, N_CLASSES, 0), HEURISTIC_PENALTY)
    return heuristic_information("f" if kind == "auto" else kind, X, Y)


def task_of(name, *, size=SIZE, seed=0, scorer=None, budget=None, improve=None, informs=information, **knobs):
    if scorer is not None:
        scorer = CountingScorer(scorer, budget or Budget(evaluations=100))
    return Task(X, Y, N_CLASSES, size, seed, 1, checked_knobs(SELECTORS[name], knobs), scorer, informs, improve)


class Worth:
    """The utility of a subset is the mean worth of its features, a bit different on each of three folds.

    `is_loss`: the same as a metric of which less is better.
    """

    def __init__(self, is_loss=False):
        self.metric_name, self.greater_is_better = "loss" if is_loss else "worth", not is_loss
        self.batches = []

    def score(self, subsets, on_score=None):
        self.batches.append(len(subsets))
        scores = [self._score(subset) for subset in subsets]
        for position, score in enumerate(scores):
            if on_score is not None:
                on_score(position, score)
        return scores

    def _score(self, subset):
        sign = 1.0 if self.greater_is_better else -1.0
        parts = sign * (worth(subset) + np.array([-0.01, 0.0, 0.01]))
        return subset_score(subset, float(parts.mean()), parts, self.greater_is_better, 0.0)

    def finish(self, indices):
        return self.score([indices])[0]


def worth(subset):
    return float(np.isin(subset, GOOD).mean() + subset.mean() / (100 * P))  # no two are quite equal


def subset(*features):
    return np.array(features, np.int32)
