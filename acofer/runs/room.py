"""Whether there is room in memory for a search, said before hours are spent and not by the system in the middle."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from acofer.config.search import RIDGE_FOLDS, SearchConfig
from acofer.errors import ConfigError
from acofer.runs.memory import memory_of

_HALF, _SINGLE, _DOUBLE = 2, 4, 8
"""Bytes of a float."""


@dataclass(frozen=True)
class Shape:
    """What the memory that a search needs depends on, beside its options.

    Attributes
    ----------
    counts : ndarray of int
        Training rows of each class.
    n_validation, n_test, n_features : int
    is_bank : bool
        Whether features stay on the disk until some rows are asked for.
    """

    counts: NDArray[np.int64]
    n_validation: int
    n_test: int
    n_features: int
    is_bank: bool = False

    @property
    def n_train(self) -> int:
        return int(self.counts.sum())


def check_room(config: SearchConfig, shape: Shape, free: int | None = None) -> None:
    """Raise ConfigError where a settled configuration needs more memory than is free.

    Parameters
    ----------
    config : SearchConfig
    shape : Shape
    free : int, optional
        Bytes; default what the machine, or the container, has left.
    """
    free = memory_of().free if free is None else free
    needed = needed_bytes(config, shape)
    if free is None or needed <= free:
        return
    raise ConfigError(
        f"memory: expected {needed / 1e9:.1f} GB free, which balance {config.balance} and scorer {config.scorer} need "
        f"at least for {shape.n_train:,} training rows of {shape.n_features:,} features; there are {free / 1e9:.1f}; "
        f"{_advice(config, shape, needed)}"
    )


def needed_bytes(config: SearchConfig, shape: Shape) -> int:
    """Return the memory that matrices will take at the least, at the worst moment; libraries and trees come on top."""
    p = shape.n_features
    kept = 0 if shape.is_bank else p * (_HALF * (shape.n_train + shape.n_validation) + _SINGLE * shape.n_test)
    if config.scorer == "ridge":
        return kept + _moments(config, p)
    screening = _moments(config, p) if config.screen == "ridge" else 0  # made when the matrix of floats is gone again
    return kept + max(_matrix(config, shape), screening)


def _moments(config: SearchConfig, p: int) -> int:
    """Return the bytes of the folds' Gram matrices (`acofer.scoring.moments`)."""
    folds = config.folds or RIDGE_FOLDS
    twice = config.balance == "smote" and config.scorer == "ridge"
    return _SINGLE * p * p * (1 + folds * (1 + twice))


def _matrix(config: SearchConfig, shape: Shape) -> int:
    """Return the bytes of the balanced training rows as floats, and what is made of them beside."""
    n_rows = _balanced_rows(config, shape)
    floats = _SINGLE * n_rows * shape.n_features
    if config.scorer == "forest":
        return floats + n_rows * shape.n_features  # a byte each, binned
    return 2 * floats  # in the order of columns


def _balanced_rows(config: SearchConfig, shape: Shape) -> int:
    counts = shape.counts[shape.counts > 0]
    by_method = {
        "smote": counts.max() * len(counts),
        "nearmiss": counts.min() * len(counts),
        "nearmiss-smote": int(np.median(counts)) * len(counts),
    }
    return int(by_method.get(config.balance, shape.n_train))


def _advice(config: SearchConfig, shape: Shape, needed: int) -> str:
    """Say what to change."""
    unbalanced = needed_bytes(dataclasses.replace(config, balance="none"), shape)
    spared = f"--balance none needs {unbalanced / 1e9:.1f} GB, " if unbalanced < needed else ""
    return f"{spared}fewer features (--pooling avg, a smaller --image-size, fewer --layers) or fewer pictures need less"
