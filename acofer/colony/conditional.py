"""How one ant builds its subset where desirability depends on what it carries: a compiled kernel.

In the travelling-salesman colony the heuristic information of a city depends on where the ant stands. Here that of a
feature is what it *adds*: by how much the penalised least-squares error of the class indicators falls when the feature
joins the ant's present subset,

    ``gain_j = sum_c r_jc**2 / d_j``,

with ``d_j`` the feature's squared length, its penalty included, and ``r_jc`` its products with the indicators, both
after the present subset has been taken out of it: its squared partial correlation with the classes, in units of their
squared length. Always taking the feature that adds most is forward selection by orthogonal least squares (Chen,
Billings and Luo, International Journal of Control 50(5), 1989).
The weight of a feature is ``tau_j ** alpha * gain_j ** beta``, and the pseudo-random proportional rule is that of
`acofer.colony.construct`.

Taking the subset out is a Cholesky factorisation that grows by one column a pick. Two things make it fast:

* A candidate list (Dorigo and Gambardella 1997, section V-C): an ant looks at the few hundred heaviest features only,
  whose weights are brought up to date after every pick; after at most `LONGEST_STRETCH` of them the list is drawn up
  anew among all.
* Between two lists nothing is computed for the others; then they catch up by one matrix product for all picks
  since, which runs at the speed of BLAS instead of that of memory.
"""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray

from acofer.colony.construct import construct
from acofer.errors import ConfigError
from acofer.scoring.moments import FoldMoments
from acofer.streams import UintArray, next_uniform

FloatArray = NDArray[np.float64]
SingleArray = NDArray[np.float32]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

LONGEST_STRETCH = 16
"""At most so many picks are made from one candidate list. The first lists serve one pick each, and a list of an ant
that carries ``m`` features a quarter of ``m``: what is worth having changes most while there is little."""
SMALLEST_GAIN = 1e-9
"""What a feature that adds nothing (a constant, a copy) is counted as adding, in rows explained, so that none has
weight zero. Among thousands of rows any column of noise explains about one."""
HEURISTIC_PENALTY = 1e-3
"""Ridge penalty of the heuristic, as a share of the rows: it keeps collinear features from looking new. For 256 and
1,024 features of FER2013's bank, 1e-4 to 1e-2 gave Brier scores within .002 of each other."""
LEAST_PENALTY = 1e-5
"""A smaller penalty is taken for this one, as a share of the rows: what float32 leaves of a copy is rounding."""
_SMALLEST_WEIGHT, _LARGEST_WEIGHT = 1e-290, 1e290
"""So that no exponent makes a weight zero, or the sum of all infinite. What is no number counts as the smallest."""


@numba.njit(cache=True, nogil=True)
def _heaviest(weight: FloatArray, m: int) -> IntArray:
    """Return the indices of the `m` largest weights (of those above zero), ascending; among equals the first."""
    m = min(m, weight.shape[0])
    threshold = max(-np.partition(-weight, m - 1)[m - 1], 0.0)
    room_for_ties = m if threshold > 0 else 0
    for value in weight:
        if value > threshold > 0:
            room_for_ties -= 1
    kept = np.empty(m, np.int64)
    n_kept = 0
    for j in range(weight.shape[0]):
        if weight[j] > threshold or (weight[j] == threshold and room_for_ties > 0):
            room_for_ties -= weight[j] == threshold
            kept[n_kept] = j
            n_kept += 1
    return kept[:n_kept]


@numba.njit(cache=True, nogil=True)
def _take(weight: FloatArray, q0: float, state: UintArray) -> int:
    """Return the position that the pseudo-random proportional rule takes."""
    explores = next_uniform(state) >= q0
    best = 0
    total = 0.0
    for m in range(weight.shape[0]):
        total += weight[m]
        if weight[m] > weight[best]:
            best = m
    if not explores:
        return best
    mark = next_uniform(state) * total
    for m in range(weight.shape[0]):
        mark -= weight[m]
        if mark < 0 and weight[m] > 0:
            return m
    return best


@numba.njit(cache=True, nogil=True)
def _weights(attraction: FloatArray, beta: float, left: SingleArray, rest: SingleArray, taken: BoolArray) -> FloatArray:
    """Return ``attraction * gain ** beta`` of each feature; zero where it was taken."""
    weight = np.zeros(left.shape[0])
    for j in range(left.shape[0]):
        if not taken[j]:
            gain = 0.0
            for c in range(rest.shape[1]):
                gain += rest[j, c] * rest[j, c]
            value = attraction[j] * (gain / left[j] + SMALLEST_GAIN) ** beta
            weight[j] = min(value, _LARGEST_WEIGHT) if value > _SMALLEST_WEIGHT else _SMALLEST_WEIGHT
    return weight


@numba.njit(cache=True, nogil=True, fastmath={"reassoc", "contract"})
def _take_out(
    own: SingleArray, column: SingleArray, t: int, i: int, penalty: float, left: SingleArray, rest: SingleArray
) -> None:
    """Take candidate `i` out of all candidates: column `t` of their factor, their lengths and their products."""
    pivot = np.sqrt(left[i])
    row, pushed = own[i, :t].copy(), rest[i] / pivot
    for m in range(rest.shape[0]):
        dot = np.float32(0.0)
        for s in range(t):
            dot += own[m, s] * row[s]
        value = (column[m] - dot) / pivot
        own[m, t] = value
        left[m] = max(left[m] - value * value, penalty)  # only rounding brings it lower
        for c in range(rest.shape[1]):
            rest[m, c] -= value * pushed[c]
    own[i, t] = pivot  # its penalty included, which `column` does not hold


@numba.njit(cache=True, nogil=True)
def _inverse(lower: SingleArray) -> SingleArray:
    """Return the inverse of a small lower triangular matrix."""
    n = lower.shape[0]
    inverse = np.zeros((n, n), np.float32)
    for r in range(n):
        inverse[r, r] = 1 / lower[r, r]
        for s in range(r):
            total = np.float32(0.0)
            for q in range(s, r):
                total += lower[r, q] * inverse[q, s]
            inverse[r, s] = -total / lower[r, r]
    return inverse


@numba.njit(cache=True, nogil=True)
def _rows_of(factor: SingleArray, listed: IntArray, done: int, steps: int) -> SingleArray:
    """Return the candidates' rows of the factor, with room for the picks to come."""
    own = np.empty((listed.shape[0], done + steps), np.float32)
    for s in range(done):
        for m in range(listed.shape[0]):
            own[m, s] = factor[s, listed[m]]
    return own


@numba.njit(cache=True, nogil=True)
def _catch_up(
    gram: SingleArray,
    factor: SingleArray,
    new: IntArray,
    rows: SingleArray,
    penalty: float,
    left: SingleArray,
    rest: SingleArray,
) -> None:
    """Take the picks `new`, whose rows of the factor are `rows`, out of all features."""
    steps, done = new.shape[0], rows.shape[1] - new.shape[0]
    block = np.empty((steps, gram.shape[1]), np.float32)
    for r in range(steps):
        block[r] = gram[new[r]]
    block -= np.dot(np.ascontiguousarray(rows[:, :done]), factor[:done])
    block = np.dot(_inverse(np.ascontiguousarray(rows[:, done:])), block)
    factor[done : done + steps] = block
    pushed = np.empty((steps, rest.shape[1]), np.float32)
    for r in range(steps):
        for c in range(rest.shape[1]):
            value = rest[new[r], c]
            for s in range(r):
                value -= rows[r, done + s] * pushed[s, c]
            pushed[r, c] = value / rows[r, done + r]
        for j in range(left.shape[0]):
            left[j] = max(left[j] - block[r, j] * block[r, j], penalty)
    rest -= np.dot(block.T, pushed)


@numba.njit(cache=True, nogil=True)
def construct_conditional(
    gram: SingleArray,
    means: SingleArray,
    cross: SingleArray,
    penalty: float,
    attraction: FloatArray,
    beta: float,
    q0: float,
    k: int,
    n_candidates: int,
    state: UintArray,
) -> IntArray:
    """Pick `k` different features, each by what it adds to those before it.

    Parameters
    ----------
    gram : ndarray of float32, shape (n_features, n_features)
        Products of the standardised columns, over the number of rows or not.
    means : ndarray of float32, shape (n_features,)
        What is taken out of `gram` to centre it: the columns' sums over the root of the number of rows.
    cross : ndarray of float32, shape (n_features, n_classes)
        Products of the centred columns with the class indicators, in the units of `gram`.
    penalty : float
        Added to the diagonal of `gram`, in its units: ridge, which also tells collinear features from rounding and
        must therefore be positive.
    attraction : ndarray of float64, shape (n_features,)
        ``tau ** alpha``; positive and finite.
    beta : float
        Exponent of the gain; 0 leaves pheromone alone.
    q0 : float
        Probability of exploitation at each step.
    k : int
        How many to pick, 1 to ``n_features``.
    n_candidates : int
        Length of the candidate list, at least 1.
    state : ndarray of uint64, shape (1,)
        The ant's own random stream; advanced in place.

    Returns
    -------
    picks : ndarray of int64, shape (k,)
        In the order in which they were picked: the first ``m`` are what an ant of ``m`` picks would carry, with the
        same stream.
    """
    factor = np.empty((k, cross.shape[0]), np.float32)  # its first row is the intercept, which every ant carries
    factor[0] = means
    left = np.empty(cross.shape[0], np.float32)
    for j in range(cross.shape[0]):
        left[j] = max(gram[j, j] - means[j] * means[j], 0.0) + penalty
    rest = cross.copy()
    taken = np.zeros(cross.shape[0], np.bool_)
    picks = np.empty(k, np.int64)
    done = 0
    while done < k:
        stretch = min(max(1, done // 4), LONGEST_STRETCH)
        steps = min(stretch, k - done)
        listed = _heaviest(_weights(attraction, beta, left, rest, taken), max(n_candidates, stretch))
        own, column = _rows_of(factor, listed, done + 1, steps), np.empty(listed.shape[0], np.float32)
        own_left, own_rest, own_taken = left[listed], rest[listed], np.zeros(listed.shape[0], np.bool_)
        rows = np.zeros((steps, done + 1 + steps), np.float32)
        for t in range(done, done + steps):
            i = _take(_weights(attraction[listed], beta, own_left, own_rest, own_taken), q0, state)
            picks[t] = listed[i]
            own_taken[i] = taken[listed[i]] = True
            for m in range(listed.shape[0]):
                column[m] = gram[listed[i], listed[m]]
            _take_out(own, column, t + 1, i, penalty, own_left, own_rest)
            rows[t - done, : t + 2] = own[i, : t + 2]
        if done + steps < k:
            _catch_up(gram, factor, picks[done : done + steps], rows, penalty, left, rest)
        done += steps
    return picks


@dataclass(frozen=True)
class ConditionalHeuristic:
    """What `construct_conditional` needs of the training rows; shared by all ants, copied by none.

    Attributes
    ----------
    gram, means, cross, penalty
        See `construct_conditional`.
    """

    gram: SingleArray
    means: SingleArray
    cross: SingleArray
    penalty: float

    @classmethod
    def of(cls, moments: FoldMoments, penalty: float) -> ConditionalHeuristic:
        """Take it from all real rows; `penalty` is a share of their weight, see `acofer.scoring.ridge.RidgeScorer`.

        Raises
        ------
        ConfigError
            If the penalty is no number of at least 0.
        """
        if not 0 <= penalty < np.inf:
            raise ConfigError(f"penalty: expected a number from 0; got {penalty!r}")
        weight = moments.training_weight(None)
        cross = moments.training_cross(None, np.arange(moments.n_features))
        means = moments.total.sums / np.sqrt(weight)
        return cls(
            moments.total.gram, means.astype(np.float32), cross.astype(np.float32), max(penalty, LEAST_PENALTY) * weight
        )

    @property
    def n_features(self) -> int:
        return len(self.means)

    def construct(
        self, attraction: FloatArray, beta: float, q0: float, k: int, n_candidates: int, state: UintArray
    ) -> IntArray:
        """Pick `k` features; see `construct_conditional`.

        With `beta` 0 weights depend on nothing that an ant carries; then all features are looked at, not candidates.
        """
        if beta == 0:
            return construct(attraction, k, q0, state)
        return construct_conditional(
            self.gram, self.means, self.cross, self.penalty, attraction, beta, q0, k, n_candidates, state
        )

    def first_gains(self) -> FloatArray:
        """Return what each feature adds to none, positive, shape (n_features,): a heuristic that stays as it is."""
        left = np.maximum(np.einsum("jj->j", self.gram) - self.means**2, 0.0) + self.penalty
        return np.einsum("jc,jc->j", self.cross, self.cross).astype(np.float64) / left + SMALLEST_GAIN
