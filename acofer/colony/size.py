"""How many features an ant takes: a number, a share, a range, or what the colony learns."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from acofer.errors import ConfigError

SizeLike = int | float | str
_EXPECTED = "size: expected a number of features, a share below 1 (0.1), a range ('64:512') or 'auto'"


def size_grid(size: SizeLike, n_features: int, *, per_octave: int = 2) -> NDArray[np.int64]:
    """Return the sizes an ant may take, ascending.

    A number or a share gives one size. A range and ``"auto"`` give a
    geometric grid (ratio about sqrt 2), over which the colony lays pheromone, or which a path of
    colonies follows. ``"auto"`` ranges from 1/320 to 1/8 of the features, 16 to 640 of the published 5,120: below
    that every measured score was poor, and above it random subsets score as all features do, so that there
    is nothing to learn. Of few features it may take up to half, or 64.

    Parameters
    ----------
    size : int, float or str
        As a user writes it; text such as ``"128"`` or ``"0.1"`` counts as its number.
    n_features : int
        How many there are to choose from.
    per_octave : int
        Sizes from one to its double.

    Raises
    ------
    ConfigError
        If `size` is none of these or does not fit `n_features`.
    """
    low, high = _bounds(size, n_features)
    if not 1 <= low <= high <= n_features:
        raise ConfigError(f"{_EXPECTED} within 1 to {n_features}, the number of features; got {size!r}")
    steps = max(1, round(math.log2(high / low) * per_octave) + 1)
    return np.unique(np.round(np.geomspace(low, high, steps)).astype(np.int64))


def _bounds(size: SizeLike, n_features: int) -> tuple[int, int]:
    if size == "auto":
        return max(1, n_features // 320), max(1, n_features // 8, min(n_features // 2, 64))
    if isinstance(size, str) and ":" in size:
        low, _, high = size.partition(":")
        return _count(low, n_features, size), _count(high, n_features, size)
    count = _count(size, n_features, size)
    return count, count


def _count(text: SizeLike, n_features: int, given: SizeLike) -> int:
    if isinstance(text, bool):
        raise ConfigError(f"{_EXPECTED}; got {given!r}")
    try:
        number = float(text)
    except (TypeError, ValueError):
        raise ConfigError(f"{_EXPECTED}; got {given!r}") from None
    if 0 < number < 1:
        return max(1, round(number * n_features))
    if not number.is_integer():
        raise ConfigError(f"{_EXPECTED}; got {given!r}")
    return int(number)
