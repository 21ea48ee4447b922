"""Which rows a search is fitted, scored and tested on, under each protocol.

``clean`` is the only honest one: resampling happens inside the training rows,
validation and test rows are real. The others repeat, under their own names, what
published pipelines do, so that a reader sees what it adds to a figure:

* ``leaky-smote-first``: SMOTE on all pictures, then a random 80/20 split. Synthetic
  neighbours of a test row stand in the training part, and the other way round.
* ``leaky-smote-test``: a random 80/20 split, then SMOTE on the training part and,
  apart, on the test part. Synthetic test rows lie between real ones, where they are easy.
* ``validation-as-test``: subsets are scored on the test part, and the best of them is tested there.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from acofer.config.search import SearchConfig
from acofer.errors import ConfigError, DataError
from acofer.features.balance import balance
from acofer.features.bank import Bank, BankRows, part_of
from acofer.records import Split
from acofer.scoring.protocol import (
    Fold,
    ResampledFold,
    RowArray,
    RowFold,
    SealedLabels,
    check_disjoint,
    stratified_folds,
)

FloatMatrix = NDArray[np.float32]
Order = Literal["C", "F"]
_LEAKY_TEST_SHARE = 0.2
_SEARCH_VALIDATION_SHARE = 0.125  # of the 80 %: a tenth of all pictures, as in FER2013's own split


@dataclass(frozen=True)
class Material:
    """Rows for one run.

    Attributes
    ----------
    protocol : str
    X, y : ndarray of float16 or float32 (n, n_features) or BankRows, ndarray of int64 (n,)
        Rows to develop on: all that is not test. Real rows stay in the precision of the embeddings, which
        halves them in memory; those of a bank stay where they are.
    n_train : int
        On the first `n_train` of them the final model is fitted (after resampling, if the protocol resamples
        inside). On the rest subsets are scored when there are no folds; where there is no rest, it is yet to be cut.
    resample : str
        How training rows are resampled; "none" where the protocol has resampled already.
    X_test : ndarray of float32 or BankRows
    sealed : SealedLabels
    test_rows : ndarray of int64 or None
        The pictures behind `X_test`; None where some are synthetic.
    n_synthetic_test_rows : int
    """

    protocol: str
    X: NDArray[np.floating] | BankRows
    y: NDArray[np.int64]
    n_train: int
    resample: str
    X_test: FloatMatrix | BankRows
    sealed: SealedLabels
    test_rows: RowArray | None
    n_synthetic_test_rows: int


def material_of(config: SearchConfig, values: NDArray, labels: NDArray, split: Split) -> Material:
    """Lay out the rows as the configured protocol says.

    Parameters
    ----------
    config : SearchConfig
    values : ndarray of shape (n, n_features)
        Embeddings of all pictures.
    labels : ndarray of int, shape (n,)
    split : Split
        Used by the clean protocol; the leaky ones draw their own.

    Raises
    ------
    LeakageError
        If two parts of the split share a row.
    ConfigError
        If a leaky protocol comes without what it leaks by.
    DataError
        If a class has too few rows to be cut or resampled.
    """
    check_protocol(config)
    y = labels.astype(np.int64)
    if config.protocol == "clean":
        return _clean(config, values, y, split, split.validation)
    if config.protocol == "validation-as-test":
        return _clean(config, values, y, split, split.test)
    if config.protocol == "leaky-smote-first":
        return _resampled_first(config, values, y)
    return _resampled_test(config, values, y)


def check_protocol(config: SearchConfig) -> None:
    """Raise ConfigError where a leaky protocol is asked for without what it leaks by."""
    if "smote" in config.protocol and "smote" not in config.settled().balance:
        raise ConfigError(f"protocol {config.protocol} needs SMOTE; got balance {config.balance}; set --balance smote")
    if config.protocol == "validation-as-test" and config.settled().folds:
        raise ConfigError(
            "protocol validation-as-test scores subsets on one part, not on folds; set --folds 0 and another scorer "
            "than ridge"
        )


def _clean(config: SearchConfig, values: NDArray, y: NDArray[np.int64], split: Split, scored_on: RowArray) -> Material:
    check_disjoint(train=split.train, validation=split.validation, test=split.test)
    developing = np.concatenate([split.train, scored_on])
    return Material(
        protocol=config.protocol,
        X=part_of(values, developing),
        y=y[developing],
        n_train=len(developing) if config.folds and config.join == "on" else len(split.train),
        resample="none" if config.balance == "weights" else config.balance,
        X_test=values.part(split.test) if isinstance(values, Bank | BankRows) else _float32(values, split.test),
        sealed=SealedLabels(y[split.test]),
        test_rows=split.test,
        n_synthetic_test_rows=0,
    )


def _resampled_first(config: SearchConfig, values: NDArray, y: NDArray[np.int64]) -> Material:
    all_rows = balance(_float32(values, np.arange(len(y))), y, config.balance, seed=config.seed)
    developing, test = _random_cut(all_rows.y, _LEAKY_TEST_SHARE, config.seed)
    return Material(
        protocol=config.protocol,
        X=all_rows.X[developing],
        y=all_rows.y[developing],
        n_train=len(developing),
        resample="none",
        X_test=all_rows.X[test],
        sealed=SealedLabels(all_rows.y[test]),
        test_rows=None,
        n_synthetic_test_rows=int((~all_rows.is_real[test]).sum()),
    )


def _resampled_test(config: SearchConfig, values: NDArray, y: NDArray[np.int64]) -> Material:
    developing, test = _random_cut(y, _LEAKY_TEST_SHARE, config.seed)
    test_part = balance(_float32(values, test), y[test], config.balance, seed=config.seed)
    return Material(
        protocol=config.protocol,
        X=np.asarray(values[developing]),
        y=y[developing],
        n_train=len(developing),
        resample=config.balance,
        X_test=test_part.X,
        sealed=SealedLabels(test_part.y),
        test_rows=None,
        n_synthetic_test_rows=int((~test_part.is_real).sum()),
    )


def training_rows(material: Material) -> tuple[Any, NDArray[np.int64]]:
    """Return the rows and labels that train, as they are: real, not resampled, a bank's in the bank."""
    rows = slice(material.n_train)
    return (material.X.part(rows) if isinstance(material.X, BankRows) else material.X[rows]), material.y[rows]


def training_matrix(material: Material, seed: int, order: Order = "F") -> tuple[Any, NDArray[np.int64]]:
    """Return the rows, in Fortran or C order, and labels the final model is fitted on.

    A bank's rows stay in it unless they are resampled.
    """
    return _balanced(material, slice(material.n_train), seed, order)


def search_folds(
    config: SearchConfig, material: Material, training: tuple[Any, NDArray[np.int64]], order: Order = "F"
) -> Iterator[Fold]:
    """Yield the folds subsets are scored on, each made when it is asked for.

    `training` is reused where a fold trains on just that; see `trains_on_all`.
    """
    n_train = material.n_train
    if trains_on_all(config, material):
        yield ResampledFold(*training, _rows(material, slice(n_train, None), order), material.y[n_train:])
        return
    if material.resample == "none" and isinstance(material.X, np.ndarray):
        X = _ordered(material.X, order)
        yield from (RowFold(X, material.y, train, validation) for train, validation in _cuts(config, material))
        return
    for train, validation in _cuts(config, material):
        resampled = _balanced(material, train, config.seed, order)
        yield ResampledFold(*resampled, _rows(material, validation, order), material.y[validation])


def trains_on_all(config: SearchConfig, material: Material) -> bool:
    """Whether subsets are scored on a validation part of its own, by models of the whole training part."""
    return config.folds == 0 and len(material.y) > material.n_train


def _cuts(config: SearchConfig, material: Material) -> list[tuple[RowArray, RowArray]]:
    y = material.y[: material.n_train]
    if config.folds:
        return stratified_folds(y, config.folds, config.seed)
    return [_random_cut(y, _SEARCH_VALIDATION_SHARE, config.seed)]


def _balanced(material: Material, rows: RowArray | slice, seed: int, order: Order) -> tuple[Any, NDArray[np.int64]]:
    if material.resample == "none":
        return _rows(material, rows, order), material.y[rows]
    balanced = balance(material.X[rows], material.y[rows], material.resample, seed=seed)
    return _ordered(balanced.X, order), balanced.y


def _rows(material: Material, rows: RowArray | slice, order: Order) -> FloatMatrix | BankRows:
    """Return some rows as they are trained on: as float32 in memory, or in the bank where they are."""
    X = material.X
    return X.part(rows) if isinstance(X, BankRows) else _ordered(X[rows], order)


def _ordered(X: NDArray[np.floating], order: Order) -> FloatMatrix:
    return np.asarray(X, np.float32, order=order)


def _random_cut(y: NDArray[np.int64], share: float, seed: int) -> tuple[RowArray, RowArray]:
    from sklearn.model_selection import train_test_split

    try:
        kept, cut = train_test_split(np.arange(len(y)), test_size=share, stratify=y, random_state=seed)
    except ValueError as error:
        raise DataError(
            f"expected enough rows of every class to cut {100 * share:g} % from {len(y)}; {error}; bring more pictures"
        ) from None
    return np.sort(kept), np.sort(cut)


def _float32(values: NDArray, rows: RowArray) -> FloatMatrix:
    return np.asarray(values[rows], dtype=np.float32)
