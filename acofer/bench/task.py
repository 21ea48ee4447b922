"""What a selector is given, and what it returns."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from acofer.bench.budget import CountingScorer
from acofer.colony.conditional import ConditionalHeuristic
from acofer.colony.search import LocalSearch
from acofer.colony.size import SizeLike, size_grid
from acofer.errors import ConfigError

IndexArray = NDArray[np.int32]
Heuristic = NDArray[np.float64] | ConditionalHeuristic


@dataclass(frozen=True)
class Task:
    """One selector's work: training rows, how many features to choose, and what it may ask.

    Attributes
    ----------
    X : ndarray of float16 or float32, shape (n, p), or acofer.features.bank.BankRows
        Training rows, real ones only.
    y : ndarray of int64, shape (n,)
        Their classes, from 0.
    n_classes : int
    size : int, float or str
        See `acofer.colony.size.size_grid`.
    seed : int
        All chance comes from it.
    n_jobs : int
        Workers, as in scikit-learn.
    knobs : mapping
        The selector's settings, all of them, checked.
    scorer : CountingScorer or None
        For those that search.
    heuristic : callable
        Returns heuristic information by its name: "importance", "f", "mi" and "uniform" as arrays of shape (p,),
        "conditional", and "auto", the one that goes with the scorer.
    improve : callable or None
        Local search, where there is one.
    """

    X: Any
    y: NDArray[np.int64]
    n_classes: int
    size: SizeLike
    seed: int
    n_jobs: int
    knobs: Mapping[str, Any]
    scorer: CountingScorer | None
    heuristic: Callable[[str], Heuristic]
    improve: LocalSearch | None = None

    @property
    def n_features(self) -> int:
        return int(self.X.shape[1])

    @cached_property
    def matrix(self) -> NDArray[np.float32]:
        """All training rows as one float32 array, shape (n, p)."""
        return rows_of(self.X)


def rows_of(X: Any) -> NDArray[np.float32]:
    """Return a matrix, or rows of a bank, as one float32 array in C order; such an array itself is not copied."""
    rows = X if isinstance(X, np.ndarray) else X[np.arange(len(X))]
    return np.ascontiguousarray(rows, dtype=np.float32)


def k(task: Task) -> int:
    """Return how many features are asked for.

    Raises
    ------
    ConfigError
        If that is a range or "auto".
    """
    sizes = size_grid(task.size, task.n_features)
    if len(sizes) > 1:
        raise ConfigError(
            f"size: expected a number of features or a share below 1 (0.1) for a selector that takes exactly as many; "
            f"got {task.size!r}"
        )
    return int(sizes[0])


@dataclass(frozen=True)
class Choice:
    """What a selector came to.

    Attributes
    ----------
    indices : ndarray of int32, shape (k,), or None
        The chosen features, sorted; None where there is a projection instead.
    project : callable or None
        Makes new columns of rows: ``project(X)`` of shape (m, p) returns shape (m, k).
    about : dict
        Plain data worth keeping.
    """

    indices: IndexArray | None
    project: Callable[[NDArray[Any]], NDArray[np.float32]] | None = None
    about: dict[str, Any] = field(default_factory=dict)
