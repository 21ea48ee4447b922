from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from acofer.errors import DataError
from acofer.features import bank as module
from acofer.features.bank import Bank

WIDTHS = (3, 1, 5)


def parts(n: int = 7) -> list[NDArray[np.float16]]:
    rng = np.random.default_rng(0)
    return [rng.standard_normal((n, width)).astype(np.float16) for width in WIDTHS]


WHOLE = np.concatenate(parts(), axis=1)


def test_it_has_the_shape_of_its_parts_side_by_side() -> None:
    bank = Bank(parts())
    assert (bank.shape, bank.ndim, len(bank), bank.dtype, bank.nbytes) == ((7, 9), 2, 7, np.float16, WHOLE.nbytes)


@pytest.mark.parametrize(
    "rows",
    [slice(None), slice(1, 6, 2), slice(0, 0), slice(None, None, -1), np.array([4, 0, 4, -1]), [2, 1], WHOLE[:, 0] > 0],
    ids=str,
)
@pytest.mark.parametrize("at_once", [2, 1024])
def test_rows_are_those_of_the_whole(rows: Any, at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_ROWS_AT_ONCE", at_once)
    for given_rows in (Bank(parts())[rows], Bank(parts()).rows(rows)):
        assert given_rows.dtype == np.float16
        assert given_rows.flags.c_contiguous
        np.testing.assert_array_equal(given_rows, WHOLE[rows])
    np.testing.assert_array_equal(np.asarray(Bank(parts())[rows]), WHOLE[rows])


@given(st.lists(st.integers(-7, 6)), st.lists(st.integers(-9, 8)))
def test_columns_of_rows_in_any_order(rows: list[int], columns: list[int]) -> None:
    own_rows, own_columns = np.array(rows, np.int64), np.array(columns, np.int64)
    taken = Bank(parts()).take(own_rows, own_columns)
    np.testing.assert_array_equal(taken, WHOLE[np.ix_(own_rows, own_columns)])
    assert taken.dtype == np.float16


def test_blocks_of_rows_and_slices_of_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_ROWS_AT_ONCE", 2)
    np.testing.assert_array_equal(Bank(parts()).take(slice(6, 0, -1), slice(8, 1, -2)), WHOLE[6:0:-1, 8:1:-2])


class Untouchable(np.ndarray[Any, Any]):
    """An array that must not be read."""

    def __getitem__(self, index: Any) -> Any:
        raise AssertionError("a part was read that holds no column asked for")


def test_layers_without_a_column_asked_for_are_not_read() -> None:
    first, second, third = parts()
    bank = Bank([first, second.view(Untouchable), third])
    np.testing.assert_array_equal(bank.take(np.array([5, 1]), np.array([8, 0, 4])), WHOLE[np.ix_([5, 1], [8, 0, 4])])
    with pytest.raises(AssertionError, match="a part was read"):
        bank.take(np.array([5, 1]), np.array([3]))


def test_memory_maps_stay_on_disk(tmp_path: Path) -> None:
    for i, part in enumerate(parts()):
        np.save(tmp_path / f"{i}.npy", part)
    mapped = [np.load(tmp_path / f"{i}.npy", mmap_mode="r") for i in range(3)]
    bank = Bank(mapped)
    assert all(held is part for held, part in zip(bank._parts, mapped, strict=True))
    rows = bank.rows(slice(2, 5))
    assert not isinstance(rows, np.memmap)
    np.testing.assert_array_equal(rows, WHOLE[2:5])


def test_it_does_not_become_one_array_by_accident() -> None:
    bank = Bank(parts())
    with pytest.raises(TypeError, match="not copied whole"):
        np.asarray(bank)
    with pytest.raises(TypeError, match="expected a slice or an array"):
        list(bank)  # type: ignore[call-overload]
    with pytest.raises(TypeError, match="for columns use take"):
        bank[:, 2]  # type: ignore[index]
    with pytest.raises(TypeError):
        bank[0] = 1  # type: ignore[index]


def test_rows_and_columns_that_are_not_there() -> None:
    bank = Bank(parts())
    for rows, columns in (([7], [0]), ([-8], [0]), ([0], [9]), ([0], [-10])):
        with pytest.raises(IndexError):
            bank.take(rows, columns)
    with pytest.raises(IndexError):
        bank.rows([7])


def test_parts_that_do_not_fit() -> None:
    first, second, _ = parts()
    for wrong in ([], [first, second[:-1]], [first, second.astype(np.float32)], [first[0]]):
        with pytest.raises(DataError, match="a bank needs float16 matrices"):
            Bank(wrong)
