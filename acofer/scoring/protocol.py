"""What every scorer promises, and the rows on which subsets are compared.

A fold holds training rows, which may have been resampled, and validation rows,
which are always real. All subsets of a search are scored on the same folds,
with the same seeds, so that any two can be compared fold by fold.
"""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from acofer.errors import DataError, LeakageError
from acofer.records import SubsetScore

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

IndexArray = NDArray[np.int32]
RowArray = NDArray[np.int64]
OnScore = Callable[[int, SubsetScore], None]
Tally = TypeVar("Tally", bound="DataclassInstance")

N_BLOCKS = 10
"""Blocks into which a single validation part is cut to estimate standard errors."""


class SubsetScorer(Protocol):
    """Says how good subsets of features are. The colony's loop needs no more than this."""

    metric_name: str
    greater_is_better: bool

    def score(self, subsets: Sequence[IndexArray], on_score: OnScore | None = None) -> list[SubsetScore]:
        """Score the subsets, in any order or in parallel, and return the scores in the order of `subsets`.

        `on_score` is called with the position of each as it is done, and its score as known then; where a
        scorer races, the estimate of a subset that stopped is settled when the race is over.
        """
        ...

    def finish(self, indices: IndexArray) -> SubsetScore:
        """Score one subset in full, so that it can be picked."""
        ...


class ResumableScorer(SubsetScorer, Protocol):
    """A scorer whose memory of a search can be taken along to another process.

    Attributes
    ----------
    is_final_when_told : bool
        Whether the score that `on_score` is told is the subset's for good, whatever else is scored with it.
    """

    is_final_when_told: bool

    def state(self) -> dict[str, Any]:
        """Return what later scores, or the tally, depend on: plain data, arrays and scores."""
        ...

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from where `state` was taken, by a scorer of the same settings on the same rows.

        Raises
        ------
        ValueError, KeyError, TypeError
            Where the state is another scorer's, or none.
        """
        ...


def restored_tally(kind: type[Tally], counts: dict[str, Any]) -> Tally:
    """Return a scorer's tally from its state; ValueError, KeyError or TypeError where that is none."""
    return kind(**{field.name: int(counts[field.name]) for field in dataclasses.fields(kind)})


class Fold(Protocol):
    """The rows of one fold, a subset's columns at a time.

    Matrices come in Fortran order, because the columns of a subset are
    gathered: from a C-ordered matrix that is some 45 times slower.
    """

    @property
    def n_features(self) -> int: ...

    @property
    def y_validation(self) -> NDArray: ...

    def train(self, indices: IndexArray) -> tuple[NDArray, NDArray, NDArray | None]:
        """Return the training rows' columns, labels, and sample weights (None where there are none)."""
        ...

    def validation(self, indices: IndexArray) -> NDArray:
        """Return the validation rows' columns."""
        ...


@dataclass(frozen=True)
class ResampledFold:
    """A fold with a training matrix of its own, e.g. with synthetic rows.

    Attributes
    ----------
    X_train, X_validation : ndarray of float, Fortran order, or rows of a bank
    y_train, y_validation : ndarray
    """

    X_train: Any
    y_train: NDArray
    X_validation: Any
    y_validation: NDArray

    @property
    def n_features(self) -> int:
        return self.X_train.shape[1]

    def train(self, indices: IndexArray) -> tuple[NDArray, NDArray, None]:
        return columns(self.X_train, indices), self.y_train, None

    def validation(self, indices: IndexArray) -> NDArray:
        return columns(self.X_validation, indices)


@dataclass(frozen=True)
class RowFold:
    """A fold that takes its rows, unchanged, from one matrix shared by all folds.

    Attributes
    ----------
    X : ndarray of float, Fortran order
    y : ndarray
    train_rows, validation_rows : ndarray of int64
    weight : ndarray of float64 or None
        Sample weights of all rows.
    """

    X: NDArray
    y: NDArray
    train_rows: RowArray
    validation_rows: RowArray
    weight: NDArray[np.float64] | None = None

    @property
    def n_features(self) -> int:
        return self.X.shape[1]

    @property
    def y_validation(self) -> NDArray:
        return self.y[self.validation_rows]

    def train(self, indices: IndexArray) -> tuple[NDArray, NDArray, NDArray | None]:
        weight = None if self.weight is None else self.weight[self.train_rows]
        return self._block(indices, self.train_rows), self.y[self.train_rows], weight

    def validation(self, indices: IndexArray) -> NDArray:
        return self._block(indices, self.validation_rows)

    def _block(self, indices: IndexArray, rows: RowArray) -> NDArray:
        return self.X.T[indices][:, rows].T


def columns(X: Any, indices: IndexArray) -> Any:
    """Return these columns of a Fortran-ordered matrix, again in Fortran order (each column is one block to copy).

    `indices` are sorted and different, as those of a subset always are; as many as there are columns are
    all of them, and a gigabyte is not copied. Of a bank's rows the columns come as float32.
    """
    if not isinstance(X, np.ndarray):
        return X.take(slice(None), indices).astype(np.float32)
    return X if len(indices) == X.shape[1] else X.T[indices].T


def check_disjoint(**parts: RowArray) -> None:
    """Raise LeakageError where two parts share a row."""
    names = list(parts)
    for i, first in enumerate(names):
        for second in names[i + 1 :]:
            shared = np.intersect1d(parts[first], parts[second])
            if len(shared):
                raise LeakageError(
                    f"{first} and {second} share {len(shared)} rows (the first is {shared[0]}); "
                    "make the split again so that its parts are disjoint"
                )


def stratified_folds(y: NDArray, n_folds: int, seed: int) -> list[tuple[RowArray, RowArray]]:
    """Return stratified, shuffled k-fold (training positions, validation positions).

    Raises
    ------
    DataError
        If a class has fewer rows than there are folds.
    """
    from sklearn.model_selection import StratifiedKFold

    classes, counts = np.unique(y, return_counts=True)
    if counts.min() < n_folds:
        raise DataError(
            f"{n_folds} folds need {n_folds} training rows of every class; class {classes[counts.argmin()]} has "
            f"{counts.min()}; use fewer folds or more pictures"
        )
    splitter = StratifiedKFold(n_folds, shuffle=True, random_state=seed)
    return list(splitter.split(np.empty((len(y), 0)), y))


def validation_blocks(y: NDArray, seed: int) -> list[RowArray]:
    """Cut one validation part into stratified blocks, from which standard errors are estimated.

    A mean over blocks varies as a mean over folds does; the blocks are the
    same for every subset, so their differences are paired.
    """
    from sklearn.model_selection import StratifiedKFold

    n_blocks = min(N_BLOCKS, len(y))
    if n_blocks < 2:
        return [np.arange(len(y))]
    splitter = StratifiedKFold(n_blocks, shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a class rarer than the blocks is missing from some: no harm here
        if np.unique(y, return_counts=True)[1].max() < n_blocks:  # every class is that rare: plain blocks
            return list(np.array_split(np.random.default_rng(seed).permutation(len(y)), n_blocks))
        return [block for _, block in splitter.split(np.empty((len(y), 0)), y)]


def standard_error(values: NDArray[np.float64]) -> float:
    """Return the standard error of the mean of `values` (nan where there is only one)."""
    if len(values) < 2:
        return float("nan")
    return float(np.std(values, ddof=1) / np.sqrt(len(values)))


def subset_score(
    indices: IndexArray, value: float, parts: NDArray[np.float64], greater_is_better: bool, seconds: float
) -> SubsetScore:
    """Return the record of a score; `parts` are the metric's values on the folds or blocks, shape (n_folds,)."""
    sign = 1.0 if greater_is_better else -1.0
    return SubsetScore(
        indices=indices,
        utility=sign * value,
        value=value,
        fold_utilities=sign * parts,
        standard_error=standard_error(parts),
        seconds=seconds,
    )


class SealedLabels:
    """The labels of the test part, which can be opened once, and only by who has predicted already.

    Parameters
    ----------
    labels : ndarray of int, shape (n,)
    """

    def __init__(self, labels: NDArray) -> None:
        self._labels: NDArray | None = np.array(labels)
        self._n_rows = len(labels)

    def __len__(self) -> int:
        return self._n_rows

    def open(self, predictions: dict[str, NDArray]) -> NDArray:
        """Hand out the labels in exchange for finished predictions.

        Raises
        ------
        LeakageError
            If they were opened before, or a prediction does not cover all rows.
        """
        if self._labels is None:
            raise LeakageError("the test labels were opened before; a second look needs a new run")
        for name, predicted in predictions.items():
            if len(predicted) != self._n_rows:
                raise LeakageError(f"{name} predicts {len(predicted)} test rows, expected {self._n_rows}")
        if not predictions:
            raise LeakageError("the test labels open only after predictions exist")
        labels, self._labels = self._labels, None
        return labels
