"""Balance of the classes, by imbalanced-learn: SMOTE, NearMiss, or one after the other.

Only training rows belong in here, and inside a cross-validation only those of
the fold that trains: a synthetic row is drawn between two rows, and where one
of them is later scored, the score knows the answer. Whoever scores takes real
rows only. This room cannot see which rows it is given; the scoring room calls
it on the training rows of each fold.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from acofer.errors import ConfigError, DataError, nearest

METHODS = ("none", "smote", "nearmiss", "nearmiss-smote")
NEARMISS_NEIGHBORS = 3
"""Imbalanced-learn's default for NearMiss-1."""


@dataclass(frozen=True)
class Balanced:
    """Training rows after balancing: the real ones first, the synthetic ones after them.

    Attributes
    ----------
    X : ndarray of float32, shape (m, n_features)
        Features.
    y : ndarray, shape (m,)
        Classes, of the dtype that came.
    n_real : int
        The first `n_real` rows are real.
    is_real : ndarray of bool, shape (m,)
        The same as a mask.
    """

    X: NDArray[np.float32]
    y: NDArray[Any]
    n_real: int
    is_real: NDArray[np.bool_]


def balance(
    X: NDArray[Any],
    y: NDArray[Any],
    method: str = "none",
    *,
    k_neighbors: int = 5,
    seed: int = 0,
    target: int | None = None,
) -> Balanced:
    """Balance the classes of training rows.

    Parameters
    ----------
    X : ndarray of floats, shape (n, n_features)
        Features of training rows only; may be a memory map of float16.
    y : ndarray of int, shape (n,)
        Their classes.
    method : str
        ``"none"``; ``"smote"`` grows classes with synthetic rows (Chawla et
        al. 2002, JAIR 16); ``"nearmiss"`` keeps of a large class the rows
        nearest to the smallest class (NearMiss-1, Mani & Zhang 2003);
        ``"nearmiss-smote"`` does the second and then the first.
    k_neighbors : int
        Between a row and one of its `k_neighbors` nearest of the same class a
        synthetic row is drawn. A class with fewer rows takes what it has,
        with a warning.
    seed : int
        Each class draws from a stream of (seed, class), so that its synthetic
        rows do not depend on the other classes.
    target : int, optional
        Rows a class. SMOTE grows smaller classes to it (default: the largest
        class), NearMiss cuts larger ones to it (default: the smallest class),
        both together do both (default: the median class, rounded down; 4,097
        on FER2013's training part. The paper by which this pair is included,
        IAJIT 20(3A) 2023, went to about 2,650 a class: ``target=2650``).

    Returns
    -------
    Balanced

    Raises
    ------
    ConfigError
        Where the method, `k_neighbors` or `target` is wrong.
    DataError
        Where X and y do not belong together, X holds a number that is not
        finite, there is only one class, or a class to be grown has a single
        row, so that there is nothing to draw between.

    Notes
    -----
    FER2013's training part (28,709 x 5,120) grows to 50,505 rows: 1 GB of
    float32, allocated once; SMOTE then sees one class at a time.
    """
    X, y = np.asanyarray(X), np.asarray(y)
    _check(X, y, method, k_neighbors, target, seed)
    if method == "none":
        return _real_only(X, y)
    classes, counts = np.unique(y, return_counts=True)
    if len(classes) < 2:
        raise DataError("balancing needs at least two classes, but all rows are of one; use --balance none")
    goal = target if target is not None else _default_target(method, counts)
    grow = {} if method == "nearmiss" else {c: goal - n for c, n in zip(classes, counts, strict=True) if n < goal}
    _check_not_single(grow, dict(zip(classes, counts, strict=True)))
    if method != "smote":
        X, y = _cut(X, y, {c: goal for c, n in zip(classes, counts, strict=True) if n > goal}, int(counts.min()))
    return _grow(X, y, grow, k_neighbors, seed) if grow else _real_only(X, y)


def _check(X: NDArray[Any], y: NDArray[Any], method: str, k_neighbors: int, target: int | None, seed: int) -> None:
    if method not in METHODS:
        raise ConfigError(f"balance {method!r} is unknown; {nearest(method, METHODS)}")
    if k_neighbors < 1:
        raise ConfigError(f"k_neighbors must be at least 1, but came as {k_neighbors}")
    if target is not None and target < 1:
        raise ConfigError(f"target must be at least 1 row a class, but came as {target}")
    if seed < 0:
        raise ConfigError(f"seed must be 0 or more, but came as {seed}")
    if not np.issubdtype(y.dtype, np.integer) or (y < 0).any():
        raise DataError(f"classes must be whole numbers from 0 up, but came as {y.dtype}; encode the names first")
    if X.ndim != 2 or y.shape != X.shape[:1] or len(y) == 0:
        raise DataError(f"features (n, n_features) and classes (n,) are needed, but came as {X.shape} and {y.shape}")


def _check_not_single(grow: dict[Any, int], counts: dict[Any, int]) -> None:
    for label in grow:
        if counts[label] == 1:
            raise DataError(
                f"class {label} has a single training row and SMOTE draws between two; "
                "use --balance none, or bring more pictures of this class"
            )


def _default_target(method: str, counts: NDArray[np.int64]) -> int:
    if method == "nearmiss-smote":
        return int(np.median(counts))
    return int(counts.max() if method == "smote" else counts.min())


def synthetic_rows(X: NDArray[Any], y: NDArray[Any], *, seed: int = 0) -> tuple[NDArray[np.float32], NDArray[Any]]:
    """Return the rows alone that SMOTE adds, and their classes; arguments and errors as `balance`."""
    balanced = balance(X, y, "smote", seed=seed)
    return balanced.X[balanced.n_real :].copy(), balanced.y[balanced.n_real :].copy()  # so that the real ones can go


def _real_only(X: NDArray[Any], y: NDArray[Any]) -> Balanced:
    values = np.asarray(X, np.float32)
    _check_finite(values)
    return Balanced(values, y, len(y), np.ones(len(y), bool))


def _check_finite(values: NDArray[np.float32]) -> None:
    # Row blocks: a mask of the whole would take another quarter of its memory.
    for first in range(0, len(values), 4096):
        finite = np.isfinite(values[first : first + 4096]).all(axis=1)
        if not finite.all():
            row = first + int(np.flatnonzero(~finite)[0])
            raise DataError(f"row {row} of the features holds a number that is not finite; embed the pictures again")


def _cut(X: NDArray[Any], y: NDArray[Any], goals: dict[Any, int], smallest: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Cut classes to their goals by NearMiss-1; the rows that stay keep their order."""
    if not goals:
        return X, y
    from imblearn.under_sampling import NearMiss

    values = _real_only(X, y).X
    sampler = NearMiss(sampling_strategy=goals, n_neighbors=min(NEARMISS_NEIGHBORS, smallest))
    sampler.fit_resample(values, y)
    kept = np.sort(sampler.sample_indices_)
    return values[kept], y[kept]


def _grow(X: NDArray[Any], y: NDArray[Any], grow: dict[Any, int], k_neighbors: int, seed: int) -> Balanced:
    """Append synthetic rows, class by class, to one array that is allocated once."""
    n_real, n_all = len(y), len(y) + sum(grow.values())
    values, labels = np.empty((n_all, X.shape[1]), np.float32), np.empty(n_all, y.dtype)
    values[:n_real], labels[:n_real] = X, y
    _check_finite(values[:n_real])
    first = n_real
    for label, n_new in grow.items():
        rows = np.flatnonzero(y == label)
        stream = int(np.random.SeedSequence([seed, int(label)]).generate_state(1)[0])
        values[first : first + n_new] = _synthesise(values[rows], n_new, label, k_neighbors, stream)
        labels[first : first + n_new] = label
        first += n_new
    return Balanced(values, labels, n_real, np.arange(n_all) < n_real)


def _synthesise(rows: NDArray[np.float32], n_new: int, label: Any, k_neighbors: int, seed: int) -> NDArray[np.float32]:
    """Draw `n_new` synthetic rows of one class.

    SMOTE looks at one class at a time. Called with one class and a single
    foreign row (it insists on two classes), it returns the same kind of rows
    as on the whole, without copying the whole, and k can suit the class.
    """
    from imblearn.over_sampling import SMOTE

    k = min(k_neighbors, len(rows) - 1)
    if k < k_neighbors:
        warnings.warn(f"class {label} has only {len(rows)} rows: SMOTE uses k = {k} neighbours", stacklevel=5)
    mixed = np.concatenate([rows, rows[:1]])
    classes = np.append(np.zeros(len(rows), np.int8), np.int8(1))
    sampler = SMOTE(sampling_strategy={0: len(rows) + n_new}, k_neighbors=k, random_state=seed)
    return sampler.fit_resample(mixed, classes)[0][len(mixed) :]
