"""Frozen records that cross from one room to the next.

They hold data and answer simple questions about it; they do no work.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

TRAIN, VALIDATION, TEST = 0, 1, 2
PART_NAMES = ("train", "validation", "test")

Progress = Callable[[str, int, int], None]
"""Called as ``progress(stage, done, total)``; the library itself prints nothing."""


def silence(_stage: str, _done: int, _total: int) -> None:
    """Tell nobody: the `Progress` of who does not want to know."""


class Pictures(Protocol):
    """A sequence of pictures that are read when they are asked for.

    The pictures may have different sizes. Each is uint8, ``(height, width)``
    where it is grey and ``(height, width, 3)`` where it is in colour (RGB).
    """

    def __len__(self) -> int: ...

    def read(self, rows: NDArray[np.int64]) -> list[NDArray[np.uint8]]:
        """Return the pictures of these rows, in this order."""
        ...

    @property
    def digests(self) -> NDArray[np.bytes_]:
        """Digest of each picture's shape and pixels, ``(n,)`` of ``S32`` (hexadecimal, 128 bits)."""
        ...


@dataclass(frozen=True)
class ImageSet:
    """Labelled pictures.

    Attributes
    ----------
    name : str
        Short name for tables, e.g. ``"fer2013"``.
    pictures : Pictures
        The ``n`` pictures.
    labels : ndarray of int16, shape (n,)
        Class of each picture, an index into `class_names`.
    class_names : tuple of str
        Names of the classes.
    parts : ndarray of uint8, shape (n,), or None
        The official part of each picture (0 train, 1 validation, 2 test);
        None where the source has no official split.
    row_names : sequence of str
        Where each picture comes from, e.g. ``"row 17"`` or a path.
    source : str
        The path or name the set was loaded from.
    warnings : tuple of str
        What the reader noticed and the user should know.
    """

    name: str
    pictures: Pictures
    labels: NDArray[np.int16]
    class_names: tuple[str, ...]
    parts: NDArray[np.uint8] | None
    row_names: Sequence[str]
    source: str
    warnings: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def n_classes(self) -> int:
        return len(self.class_names)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of all picture digests in order: the identity of the pixels."""
        import hashlib

        return hashlib.sha256(np.ascontiguousarray(self.pictures.digests).tobytes()).hexdigest()


@dataclass(frozen=True)
class Split:
    """Which rows train, validate and test.

    Attributes
    ----------
    name : str
        ``"official"``, or e.g. ``"stratified-seed0"``.
    train, validation, test : ndarray of int64
        Sorted, disjoint row numbers.
    fingerprint : str
        Digest of the pictures, their labels and the three parts; equal
        fingerprints mean that two results can be compared row by row.
    copied_test_rows : ndarray of int64
        Test rows whose exact pixels also stand in train or validation.
    """

    name: str
    train: NDArray[np.int64]
    validation: NDArray[np.int64]
    test: NDArray[np.int64]
    fingerprint: str
    copied_test_rows: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))


@dataclass(frozen=True)
class Embeddings:
    """Features of a frozen network, one row a picture.

    Attributes
    ----------
    values : ndarray of float16, shape (n, n_features), or acofer.features.bank.Bank
        Read only; usually memory-mapped. Several layers come as a bank, which has a shape and gives rows as an
        ndarray does (``values[rows]``), and is not copied whole.
    feature_names : tuple of str
        One name a feature, e.g. ``"out_relu/c0017/r1c0"``.
    key : str
        Digest of everything the values depend on.
    about : dict
        What the store's JSON says: backbone, image size, layers, pooling, weights and
        their digest, preprocessing version, pictures' digest, seconds it took. ``layers`` lists of each layer its
        ``name``, its ``shape`` after pooling (rows, columns, channels), and ``rows`` and ``columns`` before.
        ``mirror`` is there where mirror images were embedded, too.
    """

    values: NDArray[np.float16] | Any
    feature_names: tuple[str, ...]
    key: str
    about: dict[str, Any]


@dataclass(frozen=True)
class SubsetScore:
    """How good one subset of features is.

    Attributes
    ----------
    indices : ndarray of int32, shape (k,)
        The chosen features, sorted.
    utility : float
        The score with its sign turned so that larger is better.
    value : float
        The score as its metric defines it (log-loss: smaller is better).
    fold_utilities : ndarray of float64, shape (n_folds,)
        The utility on each fold of the validation rows; the same folds for
        every subset, so that two subsets are compared fold by fold.
    standard_error : float
        Standard error of `utility` over the folds.
    seconds : float
        Time it took, summed over threads.
    trees : int or None
        Trees a fold that it rests on; None where it is not a forest that was raced.
    is_estimate : bool
        Racing stopped it after `trees` trees: the numbers are the winner's with its full forest, less what
        this subset was behind on the same trees; or screening spared it (`acofer.scoring.screen`). It is scored in
        full before it is picked.
    """

    indices: NDArray[np.int32]
    utility: float
    value: float
    fold_utilities: NDArray[np.float64]
    standard_error: float
    seconds: float
    trees: int | None = None
    is_estimate: bool = False

    @property
    def size(self) -> int:
        return len(self.indices)
