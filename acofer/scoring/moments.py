"""Sums, Gram matrices and cross products of the rows of each fold: all that least squares needs to know of them.

They are made once, by symmetric rank-k updates of BLAS. From then on no row is touched: what a fold trains on comes by
subtracting its validation rows from all rows, a subset of features is a block of the matrices, and a mean is
taken out of a block by subtracting an outer product.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from acofer.errors import ConfigError, DataError
from acofer.scoring.protocol import RowArray, check_disjoint, stratified_folds

FloatArray = NDArray[np.float64]
SingleArray = NDArray[np.float32]
OnRows = Callable[[int, int], None]
"""Called as ``on_rows(done, total)``. Every real row is read twice: for its columns' scale, and for its products."""

ROWS_AT_ONCE = 2048
"""Rows held in float32 at a time: 85 MB of 10,368 features."""
_MIRRORED_AT_ONCE = 256


@dataclass(frozen=True)
class Moments:
    """Weighted sums over some rows, of standardised columns x and one-hot targets t; no mean is taken out.

    Attributes
    ----------
    weight : float
        Sum of the rows' weights.
    sums : ndarray of float64, shape (p,)
        Sum of x.
    gram : ndarray of float32, shape (p, p), C order
        Sum of x xᵀ, both triangles.
    target_sums : ndarray of float64, shape (n_classes,)
        Sum of t: the weight of each class.
    cross : ndarray of float64, shape (p, n_classes)
        Sum of x tᵀ.
    """

    weight: float
    sums: FloatArray
    gram: SingleArray
    target_sums: FloatArray
    cross: FloatArray


@dataclass(frozen=True)
class FoldBlocks:
    """What one fold knows of a subset of k features; all are centred about the means of the fold's training rows.

    Attributes
    ----------
    weight, validation_weight : float
        Of the training and of the validation rows.
    gram, validation_gram : ndarray of float64, shape (k, k)
    cross, validation_cross : ndarray of float64, shape (k, n_classes)
    validation_squares : float
        Sum of the validation targets' squares.
    """

    weight: float
    gram: FloatArray
    cross: FloatArray
    validation_weight: float
    validation_gram: FloatArray
    validation_cross: FloatArray
    validation_squares: float


@dataclass(frozen=True)
class FoldMoments:
    """The moments of k folds.

    `fold` is a fold's number everywhere, or None for all real rows together. `rows` and `columns` are indices of
    features, best ascending; matrices are gathered from memory in that order.

    Attributes
    ----------
    shift, scale : ndarray of float64, shape (p,)
        Columns are stored as (x - shift) / scale: mean and standard deviation over all real rows, each counted once.
        A constant column has scale 1.
    total : Moments
        Of all real rows.
    held_out : tuple of Moments
        Of each fold's validation rows.
    synthetic : tuple of Moments, or None
        Of the rows that only the training part of each fold has.
    """

    shift: FloatArray
    scale: FloatArray
    total: Moments
    held_out: tuple[Moments, ...]
    synthetic: tuple[Moments, ...] | None = None

    @property
    def n_features(self) -> int:
        return len(self.shift)

    @property
    def n_classes(self) -> int:
        return len(self.total.target_sums)

    @property
    def n_folds(self) -> int:
        return len(self.held_out)

    @classmethod
    def of(
        cls,
        X: Any,
        y: NDArray[np.int64],
        folds: Sequence[tuple[RowArray, RowArray]],
        n_classes: int,
        *,
        class_weight: bool = False,
        synthetic: Sequence[tuple[Any, NDArray[np.int64]]] | None = None,
        rows_at_once: int = ROWS_AT_ONCE,
        on_rows: OnRows | None = None,
    ) -> FoldMoments:
        """Make the moments of some folds.

        BLAS uses all its threads. In memory are, besides one stretch of rows, one p x p matrix of
        float32 a fold and one for all, and one more a fold where there are synthetic rows.

        Parameters
        ----------
        X : array-like of floats, shape (n, p)
            Anything with ``shape`` and ``X[rows] -> ndarray`` for an array of row numbers; may be a memory map.
        y : ndarray of int64, shape (n,)
            Classes as numbers from 0.
        folds : sequence of (training rows, validation rows)
            The validation parts cut all rows; a training part is all other rows.
        n_classes : int
        class_weight : bool
            Whether every class weighs the same: a row then weighs n / (n_classes * rows of its class), in training
            and in validation alike. Otherwise each weighs 1.
        synthetic : sequence of (X, y), optional
            For each fold rows that join its training part, and nothing else; `total` does not know them.
        rows_at_once : int
            Rows held in float32 at a time.
        on_rows : callable, optional
            See `OnRows`.

        Raises
        ------
        LeakageError
            If a validation row also trains.
        DataError
            If the folds do not cut the rows, a class has no training row in a fold, or a value is not finite.
        ConfigError
            If there are both class weights and synthetic rows, or `rows_at_once` is below 1.
        """
        _check(X, y, folds, n_classes, class_weight, synthetic, rows_at_once)
        tell = _counter(2 * len(y) + sum(len(labels) for _, labels in synthetic or ()), on_rows)
        shift, scale = _standards(X, rows_at_once, tell)
        sizes = np.bincount(y, minlength=n_classes)
        weights = len(y) / (n_classes * sizes) if class_weight else np.ones(n_classes)

        def moments(source: Any, labels: NDArray[np.int64], rows: RowArray) -> Moments:
            sums = _Sums(shift, scale, weights)
            for some in _stretches(np.sort(rows), rows_at_once):
                sums.add(_finite(source[some]), labels[some])
                tell(len(some))
            return sums.moments()

        held_out = tuple(moments(X, y, rows) for _, rows in folds)
        extra = None
        if synthetic is not None:
            extra = tuple(moments(rows, labels, np.arange(len(labels))) for rows, labels in synthetic)
        return cls(shift, scale, _total(held_out), held_out, extra)

    @classmethod
    def whole(cls, X: Any, y: NDArray[np.int64], n_classes: int, seed: int) -> FoldMoments:
        """Return the moments of all rows, without folds; arguments and errors as `of`."""
        halves = stratified_folds(y, 2, seed)  # moments are made of folds; only their sum is kept
        return replace(cls.of(X, y, halves, n_classes), held_out=())

    def training_weight(self, fold: int | None) -> float:
        """Return the weight of a fold's training rows."""
        return float(self._train("weight", fold))

    def training_means(self, fold: int | None, rows: NDArray[np.integer]) -> tuple[FloatArray, FloatArray]:
        """Return the training rows' means of features, shape (len(rows),), and of targets, shape (n_classes,)."""
        weight = self.training_weight(fold)
        return self._train("sums", fold, self._checked(rows)) / weight, self._train("target_sums", fold) / weight

    def training(
        self, fold: int | None, rows: NDArray[np.integer], columns: NDArray[np.integer] | None = None
    ) -> FloatArray:
        """Return a block of the training rows' Gram matrix, centred about their means.

        Its shape is (len(rows), len(columns)), or (len(rows), len(rows)) without columns.
        """
        rows, columns = self._checked(rows), None if columns is None else self._checked(columns)
        gram = _block(self.total.gram, rows, columns)
        if fold is not None:
            gram -= _block(self.held_out[fold].gram, rows, columns)
            if self.synthetic is not None:
                gram += _block(self.synthetic[fold].gram, rows, columns)
        return self._centred_training(gram, fold, rows, columns)

    def training_cross(self, fold: int | None, rows: NDArray[np.integer]) -> FloatArray:
        """Return the training rows' products of features and targets, both centred, shape (len(rows), n_classes)."""
        means, target_means = self.training_means(fold, rows)
        return self._train("cross", fold, rows) - np.outer(self.training_weight(fold) * means, target_means)

    def validation(
        self, fold: int, rows: NDArray[np.integer], columns: NDArray[np.integer] | None = None
    ) -> FloatArray:
        """Return a block of the validation rows' Gram matrix, centred about the *training* means."""
        rows, columns = self._checked(rows), None if columns is None else self._checked(columns)
        return self._centred_validation(_block(self.held_out[fold].gram, rows, columns), fold, rows, columns)

    def validation_cross(self, fold: int, rows: NDArray[np.integer]) -> FloatArray:
        """Return the validation rows' products of features and targets, both centred about the *training* means."""
        own, (means, target_means) = self.held_out[fold], self.training_means(fold, rows)
        centred = own.target_sums - own.weight * target_means
        return own.cross[rows] - np.outer(own.sums[rows], target_means) - np.outer(means, centred)

    def validation_squares(self, fold: int) -> float:
        """Return the sum of the squares of the validation targets, centred about the training means."""
        own, target_means = self.held_out[fold], self.training_means(fold, np.empty(0, np.int64))[1]
        return float(own.weight * (1 + target_means @ target_means) - 2 * own.target_sums @ target_means)

    def lengths(self, fold: int, rows: NDArray[np.integer]) -> tuple[FloatArray, FloatArray]:
        """Return the squared lengths of features over training and over validation rows: the blocks' diagonals."""
        rows, own = self._checked(rows), self.held_out[fold]
        validation = own.gram[rows, rows].astype(np.float64)
        training = self.total.gram[rows, rows] - validation
        if self.synthetic is not None:
            training += self.synthetic[fold].gram[rows, rows]
        weight, sums, means = self.training_weight(fold), own.sums[rows], self.training_means(fold, rows)[0]
        return training - weight * means**2, validation - 2 * means * sums + own.weight * means**2

    def gains(self, subset: NDArray[np.integer], penalty: float) -> FloatArray:
        """Return by how much each feature would lower the ridge error on all rows if it joined a subset.

        Its squared partial products with the targets over its length, both after the subset was taken out, as shares of
        the rows' weight; shape (p,), -1 for the features of the subset. `penalty` is a share of the weight, too, and
        positive. All is done in float32, on len(subset) x p matrices.
        """
        subset, weight = self._checked(subset), self.training_weight(None)
        means = (self.total.sums / weight).astype(np.float32)
        cross = (self.training_cross(None, np.arange(self.n_features)) / weight).astype(np.float32)
        left = np.einsum("jj->j", self.total.gram) / np.float32(weight) - means**2 + np.float32(penalty)
        rows = self.total.gram[subset] / np.float32(weight) - np.outer(means[subset], means)
        inner = rows[:, subset].astype(np.float64)
        inner[np.diag_indices(len(subset))] += penalty
        whitened = np.linalg.inv(np.linalg.cholesky(inner)).astype(np.float32)
        factor = whitened @ rows
        left -= np.einsum("ij,ij->j", factor, factor)
        rest = cross - factor.T @ (whitened @ cross[subset])
        gains = np.einsum("jc,jc->j", rest, rest) / np.maximum(left, penalty)
        gains[subset] = -1.0
        return gains

    def blocks(self, rows: NDArray[np.integer]) -> Iterator[FoldBlocks]:
        """Yield what each fold knows of a subset. The block of all rows is gathered once instead of once a fold."""
        rows = self._checked(rows)
        total = _block(self.total.gram, rows)
        for fold, own in enumerate(self.held_out):
            validation = _block(own.gram, rows)
            gram = total - validation
            if self.synthetic is not None:
                gram += _block(self.synthetic[fold].gram, rows)
            yield FoldBlocks(
                weight=self.training_weight(fold),
                gram=self._centred_training(gram, fold, rows),
                cross=self.training_cross(fold, rows),
                validation_weight=own.weight,
                validation_gram=self._centred_validation(validation, fold, rows),
                validation_cross=self.validation_cross(fold, rows),
                validation_squares=self.validation_squares(fold),
            )

    def _train(self, name: str, fold: int | None, rows: Any = ...) -> Any:
        """Return one of the training rows' sums but for the Gram matrix."""
        total = np.asarray(getattr(self.total, name))[rows]
        if fold is None:
            return total
        total = total - np.asarray(getattr(self.held_out[fold], name))[rows]
        return total if self.synthetic is None else total + np.asarray(getattr(self.synthetic[fold], name))[rows]

    def _centred_training(
        self, gram: FloatArray, fold: int | None, rows: NDArray, columns: NDArray | None = None
    ) -> FloatArray:
        down = self._train("sums", fold, rows)
        across = down if columns is None else self._train("sums", fold, columns)
        gram -= np.outer(down, across / self.training_weight(fold))
        return gram

    def _centred_validation(
        self, gram: FloatArray, fold: int, rows: NDArray, columns: NDArray | None = None
    ) -> FloatArray:
        own, columns = self.held_out[fold], rows if columns is None else columns
        means, across = self.training_means(fold, rows)[0], self.training_means(fold, columns)[0]
        gram -= np.outer(own.sums[rows], across)
        gram -= np.outer(means, own.sums[columns] - own.weight * across)
        return gram

    def _checked(self, features: NDArray[np.integer]) -> NDArray[np.int64]:
        """Return feature numbers for the kernel, which does not look before it leaps."""
        numbers: NDArray[np.int64] = np.ascontiguousarray(features, dtype=np.int64)
        if numbers.size and not 0 <= numbers.min() <= numbers.max() < self.n_features:
            raise DataError(
                f"features: expected numbers from 0 to {self.n_features - 1}; got {numbers.min()} to {numbers.max()}"
            )
        return numbers


class _Sums:
    """Moments as they grow, one stretch of rows after the other."""

    def __init__(self, shift: NDArray, scale: NDArray, class_weights: FloatArray) -> None:
        self._shift, self._scale = shift, scale
        self._class_weights = class_weights
        n_features, n_classes = len(shift), len(class_weights)
        self._counts = np.zeros(n_classes, np.int64)
        self._cross = np.zeros((n_features, n_classes))
        self._gram: SingleArray = np.zeros((n_features, n_features), np.float32, order="F")

    def add(self, rows: NDArray, labels: NDArray[np.int64]) -> None:
        """Add some rows, which are overwritten: as they are, not standardised, float32 or float64."""
        from scipy.linalg.blas import ssyrk

        rows -= self._shift.astype(rows.dtype)
        rows /= self._scale.astype(rows.dtype)
        standardised = rows.astype(np.float32, copy=False)
        roots = np.sqrt(self._class_weights).astype(np.float32)[labels]
        if (roots != 1).any():
            standardised *= roots[:, None]
        targets = np.zeros((len(labels), len(self._counts)), np.float32)
        targets[np.arange(len(labels)), labels] = roots
        self._cross += standardised.T @ targets
        self._counts += np.bincount(labels, minlength=len(self._counts))
        # Half the work of a product, added in place: the transpose of C-ordered rows is the Fortran order BLAS wants.
        self._gram = ssyrk(1.0, standardised.T, beta=1.0, c=self._gram, lower=0, overwrite_c=1)

    def moments(self) -> Moments:
        """Finish; nothing can be added afterwards."""
        gram = self._gram.T  # in C order, where BLAS filled the lower triangle
        _mirror(gram)
        target_sums = self._counts * self._class_weights
        return Moments(float(target_sums.sum()), self._cross.sum(axis=1), gram, target_sums, self._cross)


def _mirror(gram: SingleArray) -> None:
    """Copy the lower triangle to the upper one, block by block: no second matrix is made."""
    for first in range(0, len(gram), _MIRRORED_AT_ONCE):
        own = slice(first, first + _MIRRORED_AT_ONCE)
        gram[own, own] = np.tril(gram[own, own]) + np.tril(gram[own, own], -1).T
        gram[own, own.stop :] = gram[own.stop :, own].T


def _total(parts: Sequence[Moments]) -> Moments:
    gram = parts[0].gram.copy()
    for part in parts[1:]:
        gram += part.gram
    return Moments(
        weight=sum(part.weight for part in parts),
        sums=np.sum([part.sums for part in parts], axis=0),
        gram=gram,
        target_sums=np.sum([part.target_sums for part in parts], axis=0),
        cross=np.sum([part.cross for part in parts], axis=0),
    )


def _block(gram: SingleArray, rows: NDArray[np.int64], columns: NDArray[np.int64] | None = None) -> FloatArray:
    return _gathered_square(gram, rows) if columns is None else _gathered(gram, rows, columns)


@numba.njit(cache=True, nogil=True)
def _gathered(gram: SingleArray, rows: NDArray[np.int64], columns: NDArray[np.int64]) -> FloatArray:
    """Return gram[rows][:, columns] in float64."""
    block = np.empty((len(rows), len(columns)), np.float64)
    for i in range(len(rows)):
        for j in range(len(columns)):
            block[i, j] = gram[rows[i], columns[j]]
    return block


@numba.njit(cache=True, nogil=True)
def _gathered_square(gram: SingleArray, rows: NDArray[np.int64]) -> FloatArray:
    """Return gram[rows][:, rows] in float64. Reading is what takes time, so only one triangle is read."""
    block = np.empty((len(rows), len(rows)), np.float64)
    for i in range(len(rows)):
        for j in range(i + 1):
            block[i, j] = gram[rows[i], rows[j]]
            block[j, i] = block[i, j]
    return block


def _standards(X: Any, rows_at_once: int, tell: Callable[[int], None]) -> tuple[FloatArray, FloatArray]:
    """Return mean and standard deviation of every column, in one pass; a constant column gets 1.

    Stretches are joined, and constants told from rounding, as in Chan, Golub and LeVeque, The American
    Statistician 37(3), 1983. Both are rounded to the precision in which rows are standardised, so that what is stored
    is standardised by exactly them.
    """
    n, mean, squares = 0, np.zeros(X.shape[1]), np.zeros(X.shape[1])
    for some in _stretches(np.arange(X.shape[0]), rows_at_once):
        rows = _finite(X[some])
        own = rows.mean(axis=0, dtype=np.float64)
        rows -= own.astype(rows.dtype)
        rows *= rows
        delta, n_before, n = own - mean, n, n + len(some)
        squares += rows.sum(axis=0, dtype=np.float64) + delta**2 * n_before * len(some) / n
        mean += delta * len(some) / n
        tell(len(some))
    variance, eps = squares / n, np.finfo(np.float64).eps
    is_constant = variance <= n * eps * variance + (n * mean * eps) ** 2
    scale = np.where(is_constant, 1.0, np.sqrt(variance))
    return mean.astype(rows.dtype).astype(np.float64), scale.astype(rows.dtype).astype(np.float64)


def _finite(rows: NDArray) -> NDArray:
    """Return rows, fresh from indexing by an array and therefore ours to overwrite, as float32 or float64."""
    if not np.isfinite(rows).all():
        column = int(np.argmin(np.isfinite(rows).all(axis=0)))
        raise DataError(f"X: expected finite numbers; got NaN or infinity in column {column}; embed the pictures again")
    return rows.astype(np.promote_types(rows.dtype, np.float32), order="C", copy=False)


def _stretches(rows: RowArray, rows_at_once: int) -> Iterator[RowArray]:
    return (rows[first : first + rows_at_once] for first in range(0, len(rows), rows_at_once))


def _counter(total: int, on_rows: OnRows | None) -> Callable[[int], None]:
    done = 0

    def tell(n_rows: int) -> None:
        nonlocal done
        done += n_rows
        if on_rows is not None:
            on_rows(done, total)

    return tell


def _check(
    X: Any,
    y: NDArray[np.int64],
    folds: Sequence[tuple[RowArray, RowArray]],
    n_classes: int,
    class_weight: bool,
    synthetic: Sequence[tuple[Any, NDArray[np.int64]]] | None,
    rows_at_once: int,
) -> None:
    """Raise where the arguments of `FoldMoments.of` do not fit each other."""
    if rows_at_once < 1:
        raise ConfigError(f"rows_at_once: expected at least 1; got {rows_at_once}")
    if class_weight and synthetic is not None:
        raise ConfigError("class weights and synthetic rows: expected one of them, since both balance the classes")
    _check_rows("X", X, y, X.shape[1], n_classes)
    if synthetic is not None and len(synthetic) != len(folds):
        raise DataError(f"synthetic: expected rows for each of {len(folds)} folds; got {len(synthetic)}")
    for rows, labels in synthetic or ():
        _check_rows("synthetic", rows, labels, X.shape[1], n_classes)
    _check_folds(y, folds, n_classes)


def _check_rows(name: str, X: Any, y: NDArray[np.int64], n_features: int, n_classes: int) -> None:
    if tuple(X.shape) != (len(y), n_features):
        raise DataError(f"{name}: expected {len(y)} rows of {n_features} features; got shape {tuple(X.shape)}")
    if len(y) and not 0 <= y.min() <= y.max() < n_classes:
        raise DataError(f"{name}: expected classes from 0 to {n_classes - 1}; got {y.min()} to {y.max()}")


def _check_folds(y: NDArray[np.int64], folds: Sequence[tuple[RowArray, RowArray]], n_classes: int) -> None:
    every = np.arange(len(y))
    for number, (train, validation) in enumerate(folds):
        check_disjoint(training=train, validation=validation)
        if not np.array_equal(np.sort(np.concatenate([train, validation])), every):
            raise DataError(f"fold {number}: expected to train on all rows but its validation rows; cut the folds anew")
        missing = np.flatnonzero(np.bincount(y[train], minlength=n_classes) == 0)
        if len(missing):
            raise DataError(
                f"fold {number}: expected training rows of every class; class {missing[0]} has none; "
                "use fewer folds or more rows"
            )
    cut = np.sort(np.concatenate([validation for _, validation in folds])) if folds else every[:0]
    if not np.array_equal(cut, every) or any(len(validation) == 0 for _, validation in folds):
        raise DataError("folds: expected validation parts that hold every row once, none empty; cut the folds anew")
