"""What a search needs to go on, in one file that can run no code: plain data as JSON, arrays and scores beside it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from acofer.archives import read_arrays
from acofer.errors import DataError
from acofer.reading import in_few_words, parse_json
from acofer.records import SubsetScore
from acofer.writing import written_beside

CHECKPOINT = "checkpoint.npz"
FORMAT = 1
_PLAIN, _ARRAY, _SCORE = "plain", "#array", "#score"
_SINGLE = ("utility", "value", "standard_error", "seconds")
_FINITE = ("utility", "value", "seconds")


def write_checkpoint(path: Path, tree: dict[str, Any]) -> None:
    """Write plain data, arrays and scores, in dicts and lists to any depth.

    Raises
    ------
    StoreError
        Where it cannot be written; then the one that was there still is.
    """
    pool = _Pool()
    plain = pool.put({"format": FORMAT, **tree})
    arrays = {_PLAIN: np.frombuffer(json.dumps(plain).encode(), np.uint8), **pool.arrays, **_columns(pool.scores)}
    with written_beside(path, "the checkpoint") as beside, beside.open("wb") as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Return what was written.

    Raises
    ------
    DataError
        Where it is damaged, or of another version.
    """
    try:
        # Copies: what is read is read only, and kernels are compiled for arrays that are not.
        arrays = {name: array.copy() for name, array in read_arrays(path).items()}
        tree = _got(parse_json(arrays[_PLAIN].tobytes()), arrays, _scores(arrays))
        if tree["format"] != FORMAT:
            raise ValueError("it is another version's")
        return dict(tree)
    except (OSError, ValueError, KeyError, TypeError, IndexError, OverflowError, RecursionError) as error:
        raise damaged(path, error) from None


def damaged(path: Path, error: BaseException) -> DataError:
    """Return what to say of a checkpoint that nothing can be made of."""
    why = in_few_words(error)
    return DataError(f"{path}: expected a checkpoint; it is damaged ({why}); remove its folder and begin anew")


class _Pool:
    """Arrays and scores by number; rows, the archive and scorers share most of their scores."""

    def __init__(self) -> None:
        self.arrays: dict[str, NDArray[Any]] = {}
        self.scores: list[SubsetScore] = []
        self._numbers: dict[int, int] = {}

    def put(self, value: Any) -> Any:
        """Return what JSON can hold in place of a value."""
        if isinstance(value, dict):
            return {name: self.put(inner) for name, inner in value.items()}
        if isinstance(value, list | tuple):
            return [self.put(inner) for inner in value]
        if isinstance(value, np.ndarray):
            name = f"array{len(self.arrays)}"
            self.arrays[name] = value
            return {_ARRAY: name}
        if isinstance(value, SubsetScore):
            number = self._numbers.setdefault(id(value), len(self.scores))
            if number == len(self.scores):
                self.scores.append(value)
            return {_SCORE: number}
        return value.item() if isinstance(value, np.generic) else value


def _got(value: Any, arrays: dict[str, NDArray[Any]], scores: list[SubsetScore]) -> Any:
    if isinstance(value, list):
        return [_got(inner, arrays, scores) for inner in value]
    if not isinstance(value, dict):
        return value
    if value.keys() == {_ARRAY}:
        return arrays[value[_ARRAY]]
    if value.keys() == {_SCORE}:
        return scores[value[_SCORE]]
    return {name: _got(inner, arrays, scores) for name, inner in value.items()}


def _columns(scores: list[SubsetScore]) -> dict[str, NDArray[Any]]:
    """Return scores as a few arrays: thousands of small ones would take seconds to write."""
    nothing = [np.empty(0)]
    return {
        "scores/indices": np.concatenate([s.indices for s in scores] or nothing).astype(np.int32),
        "scores/sizes": np.array([s.size for s in scores], np.int64),
        "scores/folds": np.concatenate([s.fold_utilities for s in scores] or nothing),
        "scores/n_folds": np.array([len(s.fold_utilities) for s in scores], np.int64),
        **{f"scores/{name}": np.array([getattr(s, name) for s in scores], np.float64) for name in _SINGLE},
        "scores/trees": np.array([0 if s.trees is None else s.trees for s in scores], np.int64),
        "scores/is_estimate": np.array([s.is_estimate for s in scores], np.bool_),
    }


def _scores(arrays: dict[str, NDArray[Any]]) -> list[SubsetScore]:
    columns = {name: arrays[f"scores/{name}"] for name in (*_SINGLE, "trees", "is_estimate")}
    sizes, n_folds = arrays["scores/sizes"], arrays["scores/n_folds"]
    if len({column.shape for column in (*columns.values(), sizes, n_folds)}) != 1 or sizes.ndim != 1:
        raise ValueError("its scores are not whole")
    if not all(np.isfinite(columns[name]).all() for name in _FINITE) or np.isinf(arrays["scores/folds"]).any():
        raise ValueError("its scores are not finite")
    indices = _cut(arrays["scores/indices"].astype(np.int32, casting="no"), sizes)
    folds = _cut(arrays["scores/folds"].astype(np.float64, casting="no"), n_folds)
    return [
        SubsetScore(
            indices=indices[i],
            fold_utilities=folds[i],
            **{name: float(columns[name][i]) for name in _SINGLE},
            trees=int(columns["trees"][i]) or None,
            is_estimate=bool(columns["is_estimate"][i]),
        )
        for i in range(len(sizes))
    ]


def _cut(values: NDArray[Any], lengths: NDArray[np.int64]) -> list[NDArray[Any]]:
    if values.ndim != 1 or (lengths < 0).any() or lengths.sum() != len(values):
        raise ValueError("its scores are not whole")
    return np.split(values, np.cumsum(lengths)[:-1]) if len(lengths) else []
