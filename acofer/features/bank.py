"""The features of several layers side by side, each layer an array of its own, read where they are asked for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from acofer.errors import DataError

Rows = slice | NDArray[Any] | Sequence[int]
_ROWS_AT_ONCE = 1024
"""Rows that are copied in one step: beside the result there is never more than that of one array."""


class Bank:
    """Matrices with the same rows, side by side, without a copy; read only.

    Made for memory-mapped arrays that together are larger than the memory. It is no ndarray: it gives rows, or some
    columns of some rows, as new arrays, and refuses to become one whole.

    Parameters
    ----------
    parts : sequence of ndarray of float16, shape (n, p_i)
        They are kept, not copied.

    Attributes
    ----------
    shape : tuple of int
        ``(n, sum of p_i)``.
    dtype : numpy.dtype
        float16.
    nbytes : int
        Bytes of all values.

    Raises
    ------
    DataError
        Where there are no parts, or they are not float16 matrices with the same rows.
    """

    ndim = 2
    dtype = np.dtype(np.float16)

    def __init__(self, parts: Sequence[NDArray[np.float16]]) -> None:
        kinds = [f"{part.dtype} {part.shape}" for part in parts]
        if len({part.shape[:1] for part in parts}) != 1 or any(p.ndim != 2 or p.dtype != self.dtype for p in parts):
            raise DataError(f"a bank needs float16 matrices with the same rows, but came {', '.join(kinds) or 'none'}")
        self._parts = tuple(parts)
        self._starts = np.cumsum([0, *(part.shape[1] for part in parts)])
        self.shape = (len(parts[0]), int(self._starts[-1]))
        self.nbytes = sum(part.nbytes for part in parts)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: Rows) -> NDArray[np.float16]:
        """Return all columns of some rows; see `rows`."""
        return self.rows(rows)

    def rows(self, rows: Rows) -> NDArray[np.float16]:
        """Return all columns of some rows.

        Parameters
        ----------
        rows : slice or array of int, shape (m,)
            As numpy takes them: negative ones count from the end.

        Returns
        -------
        ndarray of float16, shape (m, p)

        Raises
        ------
        IndexError
            Where a row does not exist.
        TypeError
            Where `rows` is one number or several indices.
        """
        numbers = self._numbers(rows, 0)
        out = np.empty((len(numbers), self.shape[1]), self.dtype)
        for block, own in _blocks(numbers):
            for part, start, stop in self._placed():
                out[block, start:stop] = part[own]
        return out

    def take(self, rows: Rows, columns: Rows) -> NDArray[np.float16]:
        """Return some columns of some rows; the layers that hold none of them are not touched.

        Parameters
        ----------
        rows, columns : slice or array of int, shape (m,) and (k,)
            In any order, also repeated; negative ones count from the end.

        Returns
        -------
        ndarray of float16, shape (m, k)

        Raises
        ------
        IndexError
            Where a row or column does not exist.
        TypeError
            Where one of them is one number or several indices.
        """
        numbers, wanted = self._numbers(rows, 0), self._numbers(columns, 1)
        out = np.empty((len(numbers), len(wanted)), self.dtype)
        for part, start, stop in self._placed():
            here = np.flatnonzero((start <= wanted) & (wanted < stop))
            if not len(here):
                continue
            inside = wanted[here] - start
            for block, own in _blocks(numbers):
                out[block, here] = part[np.ix_(own, inside)]
        return out

    def _numbers(self, index: Rows, axis: int) -> NDArray[np.int64]:
        """Return an index as plain numbers, checked."""
        numbers = None if isinstance(index, tuple) else np.arange(self.shape[axis])[index]
        if numbers is None or numbers.ndim != 1:
            raise TypeError(f"expected a slice or an array of numbers; got {index!r}; for columns use take")
        return numbers

    def _placed(self) -> Iterator[tuple[NDArray[np.float16], int, int]]:
        return zip(self._parts, self._starts[:-1].tolist(), self._starts[1:].tolist(), strict=True)

    def __array__(self, *_: Any, **__: Any) -> NoReturn:
        """Refuse to be copied whole by accident."""
        raise TypeError(f"a bank of {self.nbytes / 1e9:.1f} GB is not copied whole; take the rows that are needed")

    def part(self, rows: Rows) -> BankRows:
        """Return some rows as a matrix of their own, without reading them."""
        return BankRows(self, self._numbers(rows, 0))


class BankRows:
    """Some rows of a bank, in an order of their own, read where they are asked for. Made by `Bank.part`.

    Attributes
    ----------
    shape, dtype, ndim
        As those of a matrix.
    """

    ndim = 2
    dtype = Bank.dtype

    def __init__(self, bank: Bank, numbers: NDArray[np.int64]) -> None:
        self._bank, self._numbers = bank, numbers
        self.shape = (len(numbers), bank.shape[1])

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: Rows) -> NDArray[np.float16]:
        """Return all columns of some rows."""
        return self._bank.rows(self._numbers[rows])

    def take(self, rows: Rows, columns: Rows) -> NDArray[np.float16]:
        """Return some columns of some rows; see `Bank.take`."""
        return self._bank.take(self._numbers[rows], columns)

    def part(self, rows: Rows) -> BankRows:
        """Return some of these rows, without reading them."""
        return BankRows(self._bank, self._numbers[rows])


def part_of(values: Any, rows: Rows) -> Any:
    """Return some rows of a matrix, or of a bank or its rows, from which nothing is read."""
    return values.part(rows) if isinstance(values, Bank | BankRows) else np.asarray(values[rows])


def _blocks(numbers: NDArray[np.int64]) -> Iterator[tuple[slice, NDArray[np.int64]]]:
    for first in range(0, len(numbers), _ROWS_AT_ONCE):
        yield slice(first, first + _ROWS_AT_ONCE), numbers[first : first + _ROWS_AT_ONCE]
