from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from acofer.errors import ConfigError, DataError
from acofer.features.balance import METHODS, balance

COUNTS = (40, 5, 90, 20)


def rows(counts: tuple[int, ...] = COUNTS, columns: int = 6, seed: int = 0) -> tuple[NDArray[Any], NDArray[Any]]:
    generator = np.random.default_rng(seed)
    y = generator.permutation(np.repeat(np.arange(len(counts), dtype=np.int16), counts))
    return (generator.standard_normal((len(y), columns)) + y[:, None]).astype(np.float16), y


def counts_of(y: NDArray[Any]) -> list[int]:
    return np.bincount(y).tolist()


@pytest.mark.parametrize(
    ("method", "target", "expected"),
    [
        ("none", None, [40, 5, 90, 20]),
        ("smote", None, [90, 90, 90, 90]),
        ("smote", 30, [40, 30, 90, 30]),
        ("nearmiss", None, [5, 5, 5, 5]),
        ("nearmiss", 30, [30, 5, 30, 20]),
        ("nearmiss-smote", None, [30, 30, 30, 30]),
        ("nearmiss-smote", 50, [50, 50, 50, 50]),
        ("nearmiss-smote", 4, [4, 4, 4, 4]),
        ("nearmiss-smote", 200, [200, 200, 200, 200]),
    ],
)
def test_counts(method: str, target: int | None, expected: list[int]) -> None:
    X, y = rows()
    made = balance(X, y, method, target=target, k_neighbors=4)
    assert counts_of(made.y) == expected
    assert made.X.dtype == np.float32
    assert made.y.dtype == y.dtype
    assert made.X.shape == (len(made.y), 6)
    np.testing.assert_array_equal(made.is_real, np.arange(len(made.y)) < made.n_real)
    grown = [max(0, after - before) for after, before in zip(expected, COUNTS, strict=True)]
    assert [int((made.y[~made.is_real] == label).sum()) for label in range(4)] == grown


@pytest.mark.parametrize("method", METHODS)
def test_real_rows_come_first_and_are_as_they_were(method: str) -> None:
    X, y = rows()
    before = X.copy(), y.copy()
    made = balance(X, y, method, k_neighbors=4)
    np.testing.assert_array_equal(X, before[0])
    np.testing.assert_array_equal(y, before[1])
    places = [int(np.flatnonzero((X.astype(np.float32) == row).all(axis=1))[0]) for row in made.X[: made.n_real]]
    assert places == sorted(set(places)), "each comes once, in its order"
    np.testing.assert_array_equal(made.y[: made.n_real], y[places])
    if "nearmiss" not in method:
        assert len(places) == len(y)


def test_synthetic_rows_lie_between_near_rows_of_their_class() -> None:
    X, y = rows()
    made = balance(X, y, "smote", k_neighbors=3)
    real = X.astype(np.float64)
    for row, label in zip(made.X[made.n_real :].astype(np.float64), made.y[made.n_real :], strict=True):
        own = real[y == label]
        distances = np.linalg.norm(own[:, None] - own[None], axis=-1)
        neighbours = np.argsort(distances, axis=1)[:, 1:4]
        ends = [(own[i], own[j]) for i in range(len(own)) for j in neighbours[i]]
        off = [np.linalg.norm(row - a) + np.linalg.norm(row - b) - np.linalg.norm(a - b) for a, b in ends]
        assert min(off) < 1e-4


def test_same_seed_same_rows() -> None:
    X, y = rows()
    first, again, other = (balance(X, y, "smote", k_neighbors=4, seed=seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first.X, again.X)
    assert not np.array_equal(first.X, other.X)


def test_a_class_does_not_depend_on_the_others() -> None:
    X, y = rows()
    whole = balance(X, y, "smote", k_neighbors=4)
    part = balance(X[y != 0], y[y != 0], "smote", k_neighbors=4)
    for label in (1, 3):
        np.testing.assert_array_equal(whole.X[whole.y == label], part.X[part.y == label])


def test_nearmiss_keeps_what_is_nearest_to_the_smallest_class() -> None:
    """The slow, obvious twin of NearMiss-1: the smallest mean distance to the three nearest rows of that class."""
    X, y = rows()
    made = balance(X, y, "nearmiss", target=10)
    values = X.astype(np.float64)
    distances = np.linalg.norm(values[:, None] - values[y == 1][None], axis=-1)
    mean = np.sort(distances, axis=1)[:, :3].mean(axis=1)
    for label in (0, 2, 3):
        expected = np.sort(mean[y == label])[:10]
        kept = made.X[made.y == label].astype(np.float64)
        reached = np.sort(np.linalg.norm(kept[:, None] - values[y == 1][None], axis=-1), axis=1)[:, :3].mean(axis=1)
        np.testing.assert_allclose(np.sort(reached), expected, rtol=1e-6)


def test_k_adapts_to_a_tiny_class_with_a_warning() -> None:
    X, y = rows((40, 3, 2))
    with pytest.warns(UserWarning, match="class") as caught:
        made = balance(X, y, "smote")
    messages = [str(warning.message) for warning in caught]
    assert any("class 1 has only 3 rows: SMOTE uses k = 2" in message for message in messages)
    assert any("class 2 has only 2 rows: SMOTE uses k = 1" in message for message in messages)
    assert counts_of(made.y) == [40, 40, 40]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        balance(*rows((40, 6)), "smote")


def test_tiny_class_in_nearmiss() -> None:
    assert counts_of(balance(*rows((40, 1)), "nearmiss").y) == [1, 1]
    assert counts_of(balance(*rows((40, 2, 30)), "nearmiss-smote", k_neighbors=1).y) == [30, 30, 30]


def test_memory_map_and_gap_in_the_classes() -> None:
    X, y = rows((30, 20))
    y = np.where(y == 1, 5, 0)
    X.flags.writeable = False
    assert counts_of(balance(X, y, "smote").y) == [30, 0, 0, 0, 0, 30]


@pytest.mark.parametrize("method", ["smote", "nearmiss-smote"])
def test_single_row_cannot_grow(method: str) -> None:
    with pytest.raises(DataError, match=r"class 1 has a single training row.*--balance none"):
        balance(*rows((40, 1, 30)), method)


def test_bad_input() -> None:
    X, y = rows()
    with pytest.raises(ConfigError, match="did you mean 'smote'"):
        balance(X, y, "smot")
    with pytest.raises(ConfigError, match="k_neighbors"):
        balance(X, y, "smote", k_neighbors=0)
    with pytest.raises(ConfigError, match="target"):
        balance(X, y, "smote", target=0)
    with pytest.raises(ConfigError, match="seed"):
        balance(X, y, "smote", seed=-1)
    with pytest.raises(DataError, match="at least two classes"):
        balance(X, np.zeros_like(y), "smote")
    with pytest.raises(DataError, match="came as"):
        balance(X, y[:-1], "smote")
    with pytest.raises(DataError, match="whole numbers"):
        balance(X, y.astype(float), "smote")
    holed = X.copy()
    holed[17, 2] = np.nan
    for method in METHODS:
        with pytest.raises(DataError, match="row 17 of the features"):
            balance(holed, y, method)
