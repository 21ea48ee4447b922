"""Local search on a subset: exchange one feature for another while it pays.

Every ant colony that holds a record improves its ants by local search (Dorigo and Stuetzle, *Ant Colony Optimization*,
2004, section 3.7); in ant colonies that is a daemon action. Here the neighbours of a subset S are all S without i and
with j, and what counts is the cross-validated squared error of ridge regression on the class indicators, the Brier
score of `acofer.scoring.ridge`. From the moments of the folds the error of *every* neighbour comes in closed form, so
that no exchange is guessed.

Let, on one fold, ``A`` be the training Gram matrix of S with its penalty, ``B`` its products with the indicators,
``I`` the inverse of ``A``, ``W = I B`` the coefficients, and ``G``, ``V`` the validation rows' Gram matrix and
products. A candidate j has training products ``a_j`` with S, length ``d_j``, its penalty included, and indicator
products ``b_j``; over the validation rows they are ``g_j``, ``l_j`` and ``v_j``. Adding j changes the coefficients by
the bordering of the inverse,

    ``u_j = I a_j``,  ``s_j = d_j - a_j.u_j``,  ``beta_j = (b_j - W'a_j) / s_j``,  ``W -> W - u_j beta_j'``,

and dropping i from the result takes out the part along column i of the new inverse. With ``Q = V - G W``,
``q_j = v_j - W'g_j`` and ``h_j = G u_j - g_j`` the validation error changes by

    ``-2 (q_j - Q'u_j).beta_j + kappa_j |beta_j|^2``,  where ``kappa_j = u_j.h_j - u_j.g_j + l_j``  (j added),
    ``2 (I_i Q + I_i h_j beta_j' + z (Q'u_j - q_j + kappa_j beta_j)).r / n``
    ``+ (I_i G I_i + 2 z I_i h_j + z^2 kappa_j) |r|^2 / n^2``  (then i dropped)

with ``z = u_ij / s_j``, ``n = I_ii + u_ij z`` and ``r = W_i - u_ij beta_j``. All of it is a handful of matrix products
for k x m neighbours; the tests hold it against refitting.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numba
import numpy as np
from joblib import Parallel, delayed
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from acofer.colony.colony import demand_count
from acofer.colony.conditional import LEAST_PENALTY
from acofer.errors import ConfigError, DataError
from acofer.scoring.moments import FoldMoments

FloatArray = NDArray[np.float64]
IndexArray = NDArray[np.int32]

N_CANDIDATES = 256
"""Features outside the subset that an exchange may bring in: those that would add most to it."""
_SMALLEST_STEP = 1e-7
"""An exchange must lower the error by at least this share: below it is the rounding of float32 Gram matrices."""
_FIRST_BATCH = 8
"""In the first round at most k over this of k features are exchanged at once."""


@dataclass(frozen=True)
class Exchanged:
    """What a local search came to.

    Attributes
    ----------
    indices : ndarray of int32, shape (k,)
        The subset, sorted.
    exchanges : int
        Features exchanged on the way.
    before, after : float
        Cross-validated Brier score at the start and at the end.
    is_optimum : bool
        Whether no single exchange with a candidate would lower it any more.
    """

    indices: IndexArray
    exchanges: int
    before: float
    after: float
    is_optimum: bool


def exchange(
    moments: FoldMoments,
    indices: IndexArray,
    penalty: float,
    *,
    n_candidates: int = N_CANDIDATES,
    max_rounds: int = 20,
    n_jobs: int | None = None,
) -> Exchanged:
    """Exchange features of a subset while that lowers its cross-validated Brier score.

    In each round the candidates are drawn up, all neighbours are priced, and the cheapest exchanges of different
    features are made together; where together they do not pay, half as many, down to one. The next round tries up to
    twice as many as were made.

    Parameters
    ----------
    moments : FoldMoments
    indices : ndarray of int, shape (k,)
    penalty : float
        As `acofer.scoring.ridge.RidgeScorer` takes it for this size.
    n_candidates : int
        Features outside the subset that are looked at in a round.
    max_rounds : int
        At most so many; the search may stop short of an optimum.
    n_jobs : int, optional
        Threads, as in scikit-learn; the result does not depend on it. BLAS is held to one thread meanwhile.

    Raises
    ------
    ConfigError, DataError
        If a number is out of its range, or the subset is empty or holds a feature twice.
    """
    subset = np.sort(np.asarray(indices)).astype(np.int64)
    _check(subset, penalty, n_candidates, max_rounds)
    penalty = max(penalty, LEAST_PENALTY)  # below it the inverse of collinear features is made of rounding
    k, batch, made = len(subset), max(1, len(subset) // _FIRST_BATCH), 0
    with threadpool_limits(limits=1, user_api="blas"), Parallel(n_jobs, backend="threading") as pool:
        before = error = _error(pool, moments, subset, penalty)
        for _ in range(max_rounds if k < moments.n_features else 0):
            candidates = _candidates(moments, subset, penalty, n_candidates)
            prices = _prices(pool, moments, subset, candidates, penalty)
            pairs = _cheapest(prices, batch, error)
            while len(pairs):
                trial = np.sort(np.concatenate([np.delete(subset, pairs[:, 0]), candidates[pairs[:, 1]]]))
                found = _error(pool, moments, trial, penalty)
                if found < error * (1 - _SMALLEST_STEP):
                    break
                pairs = pairs[: len(pairs) // 2]
            if not len(pairs):
                return Exchanged(subset.astype(np.int32), made, before, error, is_optimum=True)
            subset, error = trial, found
            made, batch = made + len(pairs), max(1, 2 * len(pairs))
    return Exchanged(subset.astype(np.int32), made, before, error, is_optimum=k == moments.n_features)


def exchanged(
    moments: FoldMoments, penalty_of: Callable[[int], float], n_jobs: int | None, indices: IndexArray
) -> IndexArray:
    """Return what `exchange` makes of a subset with the penalty of its size; without `indices`, a local search."""
    return exchange(moments, indices, penalty_of(len(indices)), n_jobs=n_jobs).indices


def _check(subset: NDArray[np.int64], penalty: float, n_candidates: int, max_rounds: int) -> None:
    """Raise where the arguments of `exchange` make no sense; the moments check the range of features."""
    demand_count("n_candidates", n_candidates)
    if not 0 <= penalty < np.inf:
        raise ConfigError(f"penalty: expected a number from 0; got {penalty!r}")
    if max_rounds < 0:
        raise ConfigError(f"max_rounds: expected a whole number of at least 0; got {max_rounds!r}")
    if not len(subset) or (subset[1:] == subset[:-1]).any():
        raise DataError(f"indices: expected one or more different features; got {subset.tolist()}")


def _cheapest(prices: FloatArray, batch: int, error: float) -> NDArray[np.int64]:
    """Return up to `batch` pairs (position dropped, candidate added) that lower the error, cheapest first.

    No position and no candidate stands in two of them.
    """
    by_drop = prices.argmin(axis=1)  # the best newcomer in each one's place
    order = np.argsort(prices[np.arange(len(prices)), by_drop], kind="stable")
    pairs: list[tuple[int, int]] = []
    taken: set[int] = set()
    for i in order:
        j = int(by_drop[i])
        if prices[i, j] >= -error * _SMALLEST_STEP or len(pairs) == batch:
            break
        if j not in taken:
            taken.add(j)
            pairs.append((int(i), j))
    return np.array(pairs, dtype=np.int64).reshape(-1, 2)


def _candidates(moments: FoldMoments, subset: NDArray[np.int64], penalty: float, n: int) -> NDArray[np.int64]:
    """Return the features that would lower the error on all rows most if they joined the subset, ascending."""
    n = min(n, moments.n_features - len(subset))
    return np.sort(np.argpartition(-moments.gains(subset, penalty), n - 1)[:n])


def _error(pool: Parallel, moments: FoldMoments, subset: NDArray[np.int64], penalty: float) -> float:
    return float(np.mean(pool(delayed(_fold_error)(moments, f, subset, penalty) for f in range(moments.n_folds))))


def _fold_error(moments: FoldMoments, fold: int, subset: NDArray[np.int64], penalty: float) -> float:
    """Return the Brier score of ridge regression on one fold's validation rows."""
    gram = moments.training(fold, subset)
    gram[np.diag_indices(len(subset))] += penalty * moments.training_weight(fold)
    coefficients = np.linalg.solve(gram, moments.training_cross(fold, subset))
    predicted = moments.validation(fold, subset) @ coefficients
    explained = np.sum(coefficients * (2 * moments.validation_cross(fold, subset) - predicted))
    return float(moments.validation_squares(fold) - explained) / moments.held_out[fold].weight


def _prices(
    pool: Parallel, moments: FoldMoments, subset: NDArray[np.int64], candidates: NDArray[np.int64], penalty: float
) -> FloatArray:
    """Return by how much the error changes for every exchange, shape (len(subset), len(candidates))."""
    tasks = (delayed(_fold_prices)(moments, f, subset, candidates, penalty) for f in range(moments.n_folds))
    return np.mean(pool(tasks), axis=0)


def _fold_prices(
    moments: FoldMoments, fold: int, subset: NDArray[np.int64], candidates: NDArray[np.int64], penalty: float
) -> FloatArray:
    """Price every exchange on one fold; the names are those of the module's formulas."""
    ridge = penalty * moments.training_weight(fold)
    A = moments.training(fold, subset)
    A[np.diag_indices(len(subset))] += ridge
    inverse = np.linalg.inv(A)
    W = inverse @ moments.training_cross(fold, subset)
    G = moments.validation(fold, subset)
    Q = moments.validation_cross(fold, subset) - G @ W
    a, g = moments.training(fold, subset, candidates), moments.validation(fold, subset, candidates)
    d, lengths = moments.lengths(fold, candidates)
    u = inverse @ a
    s = np.maximum(d + ridge - np.einsum("ij,ij->j", a, u), ridge)  # only rounding brings it lower
    beta = (moments.training_cross(fold, candidates) - a.T @ W) / s[:, None]
    h = G @ u - g
    kappa = np.einsum("ij,ij->j", u, h - g) + lengths
    open_ = Q.T @ u - (moments.validation_cross(fold, candidates) - g.T @ W).T
    added = 2 * np.einsum("cj,jc->j", open_, beta) + kappa * np.einsum("jc,jc->j", beta, beta)
    pull = open_.T + kappa[:, None] * beta
    spread = np.einsum("ij,ij->i", inverse @ G, inverse)
    dropped = _drop_prices(W, inverse @ Q, np.diag(inverse).copy(), spread, inverse @ h, u, s, beta, kappa, pull)
    return (added + dropped) / moments.held_out[fold].weight


@numba.njit(cache=True, nogil=True)
def _drop_prices(
    W: FloatArray,
    IQ: FloatArray,
    diagonal: FloatArray,
    spread: FloatArray,
    Ih: FloatArray,
    u: FloatArray,
    s: FloatArray,
    beta: FloatArray,
    kappa: FloatArray,
    pull: FloatArray,
) -> FloatArray:
    """Return what dropping i costs after j was added, shape (k, m); see the module."""
    k, m = u.shape
    prices = np.empty((k, m))
    for i in range(k):
        for j in range(m):
            z = u[i, j] / s[j]
            n = diagonal[i] + u[i, j] * z
            slope, square = 0.0, 0.0
            for c in range(W.shape[1]):
                r = W[i, c] - u[i, j] * beta[j, c]
                slope += (IQ[i, c] + Ih[i, j] * beta[j, c] + z * pull[j, c]) * r
                square += r * r
            prices[i, j] = 2 * slope / n + square * (spread[i] + z * (2 * Ih[i, j] + z * kappa[j])) / (n * n)
    return prices
