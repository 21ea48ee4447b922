"""Features as bytes: quantile bins, found once and shared by all trees and all subsets."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
from joblib import Parallel, delayed
from numpy.typing import NDArray

from acofer.forest.lanes import bytes_of, choose, load, store, width_of, zeros_16

SAMPLE_ROWS = 16384
"""Rows that quantiles are taken from where there are more. The rank of a quantile then has a standard
error of at most 0.4 %, half of one of 128 bins."""
_ROWS_AT_ONCE = 1024
_FEATURES_AT_ONCE = 256
_SAMPLE_STREAM = 3


@dataclass(frozen=True)
class Bins:
    """Where each feature is cut.

    Attributes
    ----------
    edges : ndarray of float32 or float64, shape (n_cuts, n_features)
        Ascending within a feature; those with fewer cuts than the others end in infinity.
        The bin of a value is the number of edges below it.
    """

    edges: NDArray[Any]

    @property
    def n_cuts(self) -> int:
        return len(self.edges)

    def codes(self, X: NDArray, n_jobs: int | None = None) -> NDArray[np.uint8]:
        """Return the bin of every value.

        Parameters
        ----------
        X : ndarray of floats, shape (n, n_features)
            In any order; may be a memory map. Never held in another kind or order as a whole.
        n_jobs : int, optional
            Threads, as in scikit-learn.

        Returns
        -------
        ndarray of uint8, shape (n, n_features), C order
        """
        codes = np.empty(X.shape, np.uint8)

        def fill(rows: slice) -> None:
            _digitise(np.ascontiguousarray(X[rows], self.edges.dtype), self.edges, codes[rows])

        Parallel(n_jobs, backend="threading")(delayed(fill)(rows) for rows in _stretches(len(X), _ROWS_AT_ONCE))
        return codes


def find_bins(X: Any, max_bins: int, *, seed: int = 0, n_jobs: int | None = None) -> Bins:
    """Find quantile bins: about as many rows in each, equal values never apart.

    Parameters
    ----------
    X : ndarray of float32 or float64, shape (n, n_features)
        Finite. Or what is no ndarray but has its ``shape`` and ``take(rows, columns)``; its bins are float32.
    max_bins : int
        2 to 256. A feature of no more distinct values than that gets a bin for each.
    seed : int
        Of the sample of `SAMPLE_ROWS` rows, where there are more.
    n_jobs : int, optional
        Threads, as in scikit-learn.
    """
    rows: Any = slice(None)
    if len(X) > SAMPLE_ROWS:
        rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(_SAMPLE_STREAM,)))
        rows = np.sort(rng.choice(len(X), SAMPLE_ROWS, replace=False))
    is_array = isinstance(X, np.ndarray)
    edges = np.full((max_bins - 1, X.shape[1]), np.inf, X.dtype if is_array else np.float32)

    def fill(features: slice) -> int:
        # A few columns of the sample at a time: little memory.
        sample = X[:, features][rows] if is_array else X.take(rows, features).astype(edges.dtype)
        by_feature = np.sort(sample.T, axis=1)
        return int(_edges_of_sorted(np.ascontiguousarray(by_feature), max_bins, edges[:, features]))

    used = Parallel(n_jobs, backend="threading")(
        delayed(fill)(features) for features in _stretches(X.shape[1], _FEATURES_AT_ONCE)
    )
    return Bins(np.ascontiguousarray(edges[: max(1, max(used))]))


def _stretches(n: int, step: int) -> Iterator[slice]:
    return (slice(first, min(first + step, n)) for first in range(0, n, step))


@numba.njit(cache=True, nogil=True)
def _edges_of_sorted(values: NDArray, max_bins: int, edges: NDArray) -> int:
    """Write the edges of each row of sorted `values` into a column of `edges`; return the largest number of edges.

    A bin is closed when it holds its share of the rows not yet in a closed bin, so that a value that fills
    many bins (the zeros after a rectifier) costs one bin and leaves the others to the rest.
    """
    n_features, n = values.shape
    most = 0
    for j in range(n_features):
        own = values[j]
        n_distinct = 1
        for i in range(1, n):
            n_distinct += own[i] > own[i - 1]
        used, start = 0, 0
        for i in range(1, n):
            is_full = n_distinct <= max_bins or (i - start) * (max_bins - used) >= n - start
            if is_full and own[i] > own[i - 1] and used < max_bins - 1:
                edges[used, j] = own[i - 1] / 2 + own[i] / 2
                if edges[used, j] >= own[i]:  # neighbouring numbers: rounded up, also by being written as float32
                    edges[used, j] = own[i - 1]
                used, start = used + 1, i
        most = max(most, used)
    return most


@numba.njit(cache=True, nogil=True)
def _digitise(X: NDArray, edges: NDArray, codes: NDArray) -> None:
    """Count, for each value, the edges below it: whole vectors of neighbouring features, four rows at a time."""
    like = zeros_16()
    one, width, (n, n_features) = bytes_of(1, like), width_of(like), X.shape
    values, cuts, bins = X.reshape(-1), edges.reshape(-1), codes.reshape(-1)
    in_lanes = n_features - n_features % width
    for row in range(0, n, 4):
        at_1, at_2 = row * n_features, min(row + 1, n - 1) * n_features
        at_3, at_4 = min(row + 2, n - 1) * n_features, min(row + 3, n - 1) * n_features
        for first in range(0, in_lanes, width):
            value_1, value_2 = load(values, at_1 + first, like), load(values, at_2 + first, like)
            value_3, value_4 = load(values, at_3 + first, like), load(values, at_4 + first, like)
            bin_1, bin_2, bin_3, bin_4 = like, like, like, like
            for cut in range(len(edges)):
                edge = load(cuts, cut * n_features + first, like)
                bin_1 = bin_1 + choose(value_1 > edge, one, like)
                bin_2 = bin_2 + choose(value_2 > edge, one, like)
                bin_3 = bin_3 + choose(value_3 > edge, one, like)
                bin_4 = bin_4 + choose(value_4 > edge, one, like)
            store(bins, at_1 + first, bin_1)
            store(bins, at_2 + first, bin_2)
            store(bins, at_3 + first, bin_3)
            store(bins, at_4 + first, bin_4)
    for row in range(n):
        for j in range(in_lanes, n_features):
            count = 0
            for cut in range(len(edges)):
                count += X[row, j] > edges[cut, j]
            codes[row, j] = count
