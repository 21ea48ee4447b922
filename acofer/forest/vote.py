"""How grown trees vote: compiled kernels, arrays in, arrays out."""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

_ABREAST = 16
"""Rows that walk down a tree abreast, so that their cache misses overlap."""


@numba.njit(nogil=True)
def _find_leaves(
    codes: NDArray, rows: NDArray, feature: NDArray, threshold: NDArray, child: NDArray, nodes: NDArray
) -> None:
    """Walk some rows down a tree; `nodes`, int64 of shape (len(rows),), is left at their leaves."""
    nodes[: len(rows)] = 0
    walking = True
    while walking:
        walking = False
        for i in range(len(rows)):
            node = nodes[i]
            if feature[node] >= 0:
                nodes[i] = child[node] + np.int64(codes[rows[i], feature[node]] > threshold[node])
                walking = True


@numba.njit(cache=True, nogil=True)
def add_votes(
    codes: NDArray, rows: NDArray, feature: NDArray, threshold: NDArray, child: NDArray, shares: NDArray, votes: NDArray
) -> None:
    """Add one tree's class shares to the votes of some rows.

    Parameters
    ----------
    codes : ndarray of uint8, shape (n, n_features)
    rows : ndarray of int64, shape (m,)
    feature, threshold, child, shares
        The tree, see `acofer.forest.grow.grow`; features are columns of `codes`.
    votes : ndarray of float64, shape (n, n_classes)
        Added to, at `rows`.
    """
    n_classes = votes.shape[1]
    nodes = np.empty(_ABREAST, np.int64)
    for first in range(0, len(rows), _ABREAST):
        abreast = rows[first : first + _ABREAST]
        _find_leaves(codes, abreast, feature, threshold, child, nodes)
        for i in range(len(abreast)):
            leaf = child[nodes[i]]
            if leaf < n_classes:
                votes[abreast[i], leaf] += 1.0
            else:
                for label in range(n_classes):
                    votes[abreast[i], label] += shares[leaf - n_classes, label]
