import numpy as np
import pytest
import reference
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from acofer.forest.binning import SAMPLE_ROWS, Bins, find_bins

FINITE = {"allow_nan": False, "allow_infinity": False}


def assert_the_twin_agrees(X, max_bins):
    bins = find_bins(X, max_bins)
    codes = bins.codes(X)
    assert bins.edges.dtype == X.dtype
    assert (codes.dtype, codes.shape) == (np.uint8, X.shape)
    expected = [reference.bin_edges(column, max_bins) for column in X.T]
    assert bins.n_cuts == max(1, *map(len, expected))
    for column, edges, found, own in zip(X.T, expected, bins.edges.T, codes.T, strict=True):
        np.testing.assert_array_equal(found[: len(edges)], edges)
        assert np.isinf(found[len(edges) :]).all()
        np.testing.assert_array_equal(own, np.searchsorted(edges, column))
        if len(np.unique(column)) <= max_bins:  # nothing is lost
            np.testing.assert_array_equal(own, np.unique(column, return_inverse=True)[1])


@settings(max_examples=150, deadline=None)
@given(
    X=st.sampled_from([np.float32, np.float64]).flatmap(
        lambda kind: hnp.arrays(
            kind,
            st.tuples(st.integers(1, 30), st.sampled_from([1, 3, 16, 17, 40])),
            elements=st.floats(width=8 * np.dtype(kind).itemsize, **FINITE) | st.sampled_from([0.0, 1.0]),
        )
    ),
    max_bins=st.sampled_from([2, 3, 32, 256]),
)
@example(X=np.array([[-1e-45], [0]], np.float32), max_bins=2)  # whose middle is not to be had in float32
def test_bins_are_the_twins(X, max_bins):
    with np.errstate(over="ignore"):
        assert_the_twin_agrees(X, max_bins)


@pytest.mark.parametrize("max_bins", [2, 5, 32, 256])
@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_bins_of_many_rows_are_the_twins(kind, max_bins):
    rng = np.random.default_rng(max_bins)
    X = rng.normal(size=(3001, 18)).astype(kind)
    X[:, 3] = 0
    X[:, 4] = np.maximum(X[:, 4], 0)
    X[:, 5] = rng.integers(0, 40, 3001)
    X[:, 6] = rng.geometric(0.3, 3001)
    assert_the_twin_agrees(X, max_bins)


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_neighbouring_numbers_come_apart(kind):
    # In float32 the middle of two neighbours was rounded up to the higher one when it was stored: both fell in one bin.
    low = np.linspace(1, 2, 50, dtype=kind)
    for X in (low, -low, low * np.finfo(kind).tiny, low * (np.finfo(kind).max / 4), np.zeros(50, kind)):
        pairs = np.stack([X, np.nextafter(X, kind(np.inf))])
        np.testing.assert_array_equal(find_bins(pairs, 2).codes(pairs), np.repeat([[0], [1]], 50, axis=1))


def test_without_ties_every_bin_holds_as_many():
    X = np.random.default_rng(0).normal(size=(5000, 4))
    codes = find_bins(X, 32).codes(X)
    for column in codes.T:
        assert set(np.bincount(column, minlength=32)) <= {5000 // 32, 5000 // 32 + 1}


def test_a_value_that_fills_many_bins_costs_one():
    # The zeros after a rectifier: half the rows; the other half has the 31 other bins.
    X = np.maximum(np.random.default_rng(0).normal(size=(4000, 1)), 0)
    counts = np.bincount(find_bins(X, 32).codes(X)[:, 0])
    assert counts[0] == (X == 0).sum()
    assert len(counts) == 32
    assert counts[1:].max() <= counts[1:].min() + 1


def test_more_bins_than_rows():
    # cuML made splits of garbage where it had more bins than rows (its issue 2300).
    X = np.array([[3.0], [1.0], [2.0], [2.0], [9.0]])
    bins = find_bins(X, 256)
    assert bins.edges.tolist() == [[1.5], [2.5], [6.0]]
    assert bins.codes(X).ravel().tolist() == [2, 0, 1, 1, 3]
    assert find_bins(X[:1], 256).codes(X).ravel().tolist() == [0] * 5


def test_256_bins_fill_a_byte():
    X = np.arange(256.0)[:, None]
    assert find_bins(X, 256).codes(X).ravel().tolist() == list(range(256))


def test_order_memory_map_and_threads_do_not_matter(tmp_path):
    X = np.random.default_rng(0).normal(size=(2500, 300)).astype(np.float32)
    np.save(tmp_path / "X.npy", X)
    layouts = [np.asfortranarray(X), np.load(tmp_path / "X.npy", mmap_mode="r"), np.repeat(X, 2, axis=1)[:, ::2]]
    bins = find_bins(X, 32)
    codes = bins.codes(X)
    for layout in layouts:
        for n_jobs in (None, 2):
            np.testing.assert_array_equal(find_bins(layout, 32, n_jobs=n_jobs).edges, bins.edges)
            np.testing.assert_array_equal(bins.codes(layout, n_jobs), codes)


def test_new_values_fall_where_the_edges_say():
    bins = Bins(np.array([[0.0, 5.0], [1.0, np.inf]], np.float32))
    X = np.array([[-9, 5], [0, 5.1], [0.1, 1e38], [1, -1], [1e38, 0]])
    assert bins.codes(X).tolist() == [[0, 0], [0, 1], [1, 1], [1, 0], [2, 0]]


def test_many_rows_are_sampled_by_seed():
    X = np.random.default_rng(0).normal(size=(3 * SAMPLE_ROWS, 2))
    bins, again, other = (find_bins(X, 32, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(bins.edges, again.edges)
    assert not np.array_equal(bins.edges, other.edges)
    np.testing.assert_array_equal(bins.edges[:, :1], find_bins(X[:, :1], 32, seed=1).edges)
    shares = np.stack([np.bincount(column) for column in bins.codes(X).T]) / len(X)
    # A rank among n sampled rows has standard error sqrt(q (1 - q) / n), so a bin of 1/32 at most this much:
    assert np.abs(shares - 1 / 32).max() < 5 * np.sqrt(2 / 32 / SAMPLE_ROWS)
