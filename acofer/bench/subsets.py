"""Subsets of a fixed size: drawn, taken from the top of a ranking, changed in some places."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

IndexArray = NDArray[np.int32]


def drawn(rng: np.random.Generator, n_features: int, k: int) -> IndexArray:
    """Return `k` different features, sorted; every subset is as likely."""
    return ascending(rng.choice(n_features, k, replace=False))


def top(measure: NDArray[Any], k: int) -> IndexArray:
    """Return the `k` features of largest measure, sorted; among equals the first."""
    return ascending(np.argsort(-measure, kind="stable")[:k])


def exchanged(rng: np.random.Generator, n_features: int, subset: NDArray[Any], n: int) -> NDArray[Any]:
    """Return a subset in which `n` features, fewer where there are no more, gave their places to others; unsorted."""
    outside = np.setdiff1d(np.arange(n_features), subset)
    n = min(n, len(subset), len(outside))
    newcomers = rng.choice(outside, n, replace=False)
    changed = subset.copy()
    changed[rng.choice(len(subset), n, replace=False)] = newcomers
    return changed


def ascending(indices: NDArray[Any]) -> IndexArray:
    """Return the indices sorted, as int32."""
    return np.sort(indices).astype(np.int32)
