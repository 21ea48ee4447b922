"""How one ant builds its subset: a compiled kernel, arrays in, arrays out.

The rule is Dorigo and Gambardella's pseudo-random proportional rule (IEEE
Transactions on Evolutionary Computation 1(1), 1997, equations 1 and 3). At
each of its ``k`` steps the ant takes, among the features it does not yet
carry,

* with probability ``q0`` the one of largest weight (exploitation),
* else one drawn with probability proportional to its weight (exploration),

where the weight of feature ``j`` is ``tau_j ** alpha * eta_j ** beta``.

Drawing step by step from a shrinking pool costs ``k`` passes over all
features. Two facts make it two sorts instead, without any approximation:

* Give each feature an exponential clock with its weight as rate. The next
  clock to ring belongs to feature ``j`` with probability proportional to its
  weight, and, an exponential having no memory, that stays true among the
  features left over after any were removed for reasons that do not look at
  the remaining clocks. Removing the heaviest feature is such a reason. So the
  explored features are the pool in the order of its clocks (Efraimidis and
  Spirakis, Information Processing Letters 97(5), 2006).
* The exploited features are the pool in the order of its weights.

An ant of ``k`` picks never looks past the first ``k`` entries of either
order, because each entry it passes is one that it carries already.
"""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

from acofer.streams import UintArray, next_uniform

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@numba.njit(cache=True, nogil=True)
def _shuffled(n: int, state: UintArray) -> IntArray:
    order = np.arange(n)
    for i in range(n - 1, 0, -1):
        j = int(next_uniform(state) * (i + 1))
        order[i], order[j] = order[j], order[i]
    return order


@numba.njit(cache=True, nogil=True)
def _smallest(values: FloatArray, k: int, order: IntArray) -> IntArray:
    """Return the indices of the `k` smallest values, ascending; ties stand as they stand in `order`."""
    threshold = np.partition(values, k - 1)[k - 1]
    below = 0
    for value in values:
        if value < threshold:
            below += 1
    room_for_ties = k - below
    kept = np.empty(k, np.int64)
    n_kept = 0
    for j in order:
        if values[j] < threshold:
            kept[n_kept] = j
            n_kept += 1
        elif values[j] == threshold and room_for_ties > 0:
            room_for_ties -= 1
            kept[n_kept] = j
            n_kept += 1
    return kept[np.argsort(values[kept], kind="mergesort")]


@numba.njit(cache=True, nogil=True)
def construct(weight: FloatArray, k: int, q0: float, state: UintArray) -> IntArray:
    """Pick `k` different features by the pseudo-random proportional rule.

    Parameters
    ----------
    weight : ndarray of float64, shape (n_features,)
        Desirability of each feature; positive and finite.
    k : int
        How many to pick, 1 to ``n_features``.
    q0 : float
        Probability of exploitation at each step.
    state : ndarray of uint64, shape (1,)
        The ant's own random stream; advanced in place.

    Returns
    -------
    picks : ndarray of int64, shape (k,)
        In the order in which they were picked. Among features of exactly
        equal weight, exploitation takes each with equal probability.
    """
    n = weight.shape[0]
    shuffled = _shuffled(n, state)  # decides ties, else equal weights would always give the first columns
    explores = np.empty(k, np.bool_)
    any_explores = False
    for step in range(k):
        explores[step] = next_uniform(state) >= q0
        any_explores = any_explores or explores[step]
    by_weight = _smallest(-weight, k, shuffled)
    by_clock = by_weight
    if any_explores:
        clock = np.empty(n)
        for j in range(n):
            clock[j] = -np.log(next_uniform(state)) / weight[j]
        by_clock = _smallest(clock, k, shuffled)
    carried = np.zeros(n, np.bool_)
    picks = np.empty(k, np.int64)
    heaviest = soonest = 0
    for step in range(k):
        if explores[step]:
            while carried[by_clock[soonest]]:
                soonest += 1
            pick = by_clock[soonest]
        else:
            while carried[by_weight[heaviest]]:
                heaviest += 1
            pick = by_weight[heaviest]
        carried[pick] = True
        picks[step] = pick
    return picks
