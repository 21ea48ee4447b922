import numpy as np
import pytest
import reference
from joblib import Parallel, delayed

from acofer.forest.trees import Nursery, Tree, tree_seeds, votes_of


@pytest.fixture(scope="module")
def rows():
    """Binned values of 500 rows and 80 columns, and four classes that some of them tell apart."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 4, 500)
    X = rng.integers(0, 16, (500, 80))
    X[:, ::7] += y[:, None]
    return np.minimum(X, 15).astype(np.uint8), y


def nursery(rows, columns=None, **settings):
    codes, y = rows
    columns = np.arange(codes.shape[1]) if columns is None else columns
    return Nursery(codes, y, 4, columns, **{"n_cuts": 15, "max_features": 8, "seed": 3, **settings})


def assert_equal_trees(some, others):
    for one, other in zip(some, others, strict=True):
        for a, b in zip(one, other, strict=True):
            np.testing.assert_array_equal(a, b)


def test_threads_do_not_matter(rows):
    alone, many = nursery(rows), nursery(rows, n_jobs=4)
    streams = tree_seeds(5, 30)
    in_threads = Parallel(4, backend="threading")(delayed(many.grow)(stream) for stream in streams)
    assert_equal_trees([alone.grow(stream)[0] for stream in streams], [tree for tree, _ in in_threads])


def test_the_first_trees_are_the_same_however_many_there_are():
    for n in (1, 2, 7, 100):
        np.testing.assert_array_equal(tree_seeds(0, 1000)[:n], tree_seeds(0, n))
    seeds = np.concatenate([tree_seeds(seed, 1000) for seed in range(20)])
    assert len(set(seeds.tolist())) == 20_000


def test_packing_later_is_packing(rows):
    later = nursery(rows, is_packed_later=True)
    for part in later.packing():
        part()
    stream = tree_seeds(0, 1)[0]
    assert_equal_trees([later.grow(stream)[0]], [nursery(rows).grow(stream)[0]])


def test_packing_many_rows_at_a_time_is_packing(rows, monkeypatch):
    stream = tree_seeds(0, 1)[0]
    at_once = nursery(rows).grow(stream)[0]
    monkeypatch.setattr("acofer.forest.trees._ROWS_AT_ONCE", 7)
    assert_equal_trees([nursery(rows, n_jobs=3).grow(stream)[0]], [at_once])


def test_trees_name_the_columns_they_were_given(rows):
    codes, y = rows[0].copy(), rows[1]
    codes[:, 3] = 5
    columns = np.array([70, 3, 14, 7, 21])
    grown = nursery((codes, y), columns, max_features=2)
    tree, importances = grown.grow(tree_seeds(0, 1)[0])
    assert sorted(grown.columns) == sorted(columns)
    assert set(tree.feature) == {-1, 70, 14, 7, 21}
    assert grown.columns[importances == 0].tolist() == [3]


@pytest.mark.parametrize("weighted", [False, True])
def test_left_out_is_what_was_not_drawn(rows, weighted):
    weight = np.random.default_rng(1).exponential(size=500) * (np.arange(500) % 5 > 0) if weighted else None
    grown = nursery(rows, weight=weight, n_draws=600)
    drawable = [i for i in np.argsort(rows[1], kind="stable") if weight is None or weight[i] > 0]
    for stream in tree_seeds(0, 5):
        drawn = reference.draw_rows(drawable, 600, weight, reference.SplitMix(stream))
        assert grown.left_out(stream).tolist() == sorted(set(drawable) - set(drawn))


def test_rows_without_weight_are_as_if_they_were_not_there(rows):
    codes, y = rows
    weight = np.random.default_rng(1).exponential(size=500) * (np.arange(500) % 3 > 0)
    kept = weight > 0
    for stream in tree_seeds(0, 5):
        whole, _ = nursery(rows, weight=weight).grow(stream)
        part, _ = nursery((codes[kept], y[kept]), weight=weight[kept]).grow(stream)
        assert_equal_trees([whole], [part])


@pytest.mark.parametrize("depth", [1, 5, 1000])
@pytest.mark.parametrize("n_jobs", [None, 3])
def test_votes_are_the_twins(rows, depth, n_jobs):
    codes, y = rows
    grown = nursery((codes[::2], y[::2]), max_depth=depth)
    trees = [grown.grow(stream)[0] for stream in tree_seeds(1, 6)]
    votes = votes_of(trees, codes, 4, n_jobs)
    expected = [
        np.sum([reference.leaf_shares(reference.nodes_of(tree, 4), row) for tree in trees], axis=0) for row in codes
    ]
    np.testing.assert_allclose(votes, expected, rtol=1e-15)


def test_votes_by_hand():
    stump = Tree(
        np.array([1, -1, -1], "i4"), np.array([4, 0, 0], "u1"), np.array([1, 0, 2], "i4"), np.array([[0.25, 0.75]])
    )
    codes = np.array([[9, 4], [9, 5], [0, 0]], np.uint8)
    assert votes_of([stump, stump], codes, 2).tolist() == [[2, 0], [0.5, 1.5], [2, 0]]
    leaf = Tree(np.array([-1], "i4"), np.zeros(1, "u1"), np.array([1], "i4"), np.empty((0, 2)))
    assert votes_of([leaf], codes, 2).tolist() == [[0, 1]] * 3


def test_a_tree_learns_its_own_rows(rows):
    # Grown full, with every row drawn and no two equal rows: each leaf is pure, each row comes to its own class.
    codes, y = rows
    grown = nursery(rows, n_draws=10_000, max_features=80)
    tree, _ = grown.grow(tree_seeds(0, 1)[0])
    assert len(grown.left_out(tree_seeds(0, 1)[0])) == 0
    np.testing.assert_array_equal(votes_of([tree], codes, 4), np.eye(4)[y])
