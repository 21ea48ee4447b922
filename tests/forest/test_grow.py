import numpy as np
import pytest
import reference
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from acofer.forest.grow import WIDTHS, bootstrap_counts
from acofer.forest.trees import UNLIMITED_DEPTH, Nursery

CASES = {
    "32 lanes": {},
    "32 lanes, three blocks": {"k": 70},
    "64 lanes": {"k": 60, "max_features": 40},
    "64 lanes, two blocks": {"k": 70, "max_features": 40},
    "one feature of one": {"k": 1, "max_features": 1},
    "one feature of many": {"k": 50, "max_features": 1},
    "all of many features": {"k": 70, "max_features": 70},
    "more than one block": {"k": 140, "max_features": 100, "n": 40},
    "two classes": {"n_classes": 2},
    "seven classes": {"n_classes": 7},
    "thirty classes": {"n_classes": 30, "n": 120},
    "a thousand classes": {"n_classes": 1000, "n": 20, "n_draws": 300, "k": 4, "max_features": 2},
    "one class": {"n_classes": 1},
    "one row": {"n": 1},
    "two rows": {"n": 2},
    "binary features": {"n_cuts": 1},
    "255 cuts": {"n_cuts": 255, "n": 40},
    "255 cuts, heavy nodes": {"n_cuts": 255, "n": 30, "n_draws": 500, "k": 4},
    "cuts not in fours": {"n_cuts": 6, "n_draws": 700},
    "heavy nodes": {"n_draws": 900},
    "heavy nodes, 64 lanes": {"n_draws": 600, "k": 70, "max_features": 50},
    "heavy nodes, many classes": {"n_draws": 700, "n_classes": 30},
    "many runs of 255 draws": {"n_draws": 3000, "n": 300, "n_classes": 2, "max_depth": 3},
    "few draws": {"n_draws": 5},
    "heavy leaves": {"min_samples_leaf": 30, "n_draws": 300},
    "leaves of at least five": {"min_samples_leaf": 5},
    "leaves heavier than half": {"min_samples_leaf": 31},
    "stumps": {"max_depth": 1},
    "shallow": {"max_depth": 3, "n_draws": 500},
    "constant features": {"constant": 0.8},
    "nothing but constant features": {"constant": 1.0},
    "equal rows of different classes": {"levels": 2, "k": 3},
    "features twice": {"twice": True},
    "weights": {"weight": "random"},
    "weights, some zero": {"weight": "zeros"},
    "one row draws nearly all": {"weight": "one", "n_draws": 2000},
    "two rows draw nearly all": {"weight": "two", "n_draws": 2000},
}


def case(seed, *, n=60, k=12, n_classes=3, n_cuts=15, max_features=4, constant=0.1, levels=256, twice=False,
         weight=None, n_draws=None, min_samples_leaf=1, max_depth=None):  # fmt: skip
    """Return codes, classes, weights and the settings of a tree."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, n_classes, n)
    signal = np.outer(y, rng.random(k)) * 0.7 * n_cuts / n_classes
    codes = np.clip(signal + rng.normal(scale=n_cuts / 2, size=(n, k)), 0, min(n_cuts, levels - 1)).astype(np.uint8)
    codes[:, rng.random(k) < constant] = n_cuts // 2
    if twice:
        codes[:, k // 2 :] = codes[:, : k - k // 2]
    weights = {
        None: None,
        "random": rng.exponential(size=n),
        "zeros": rng.exponential(size=n) * (rng.random(n) < 0.6) + np.eye(n)[n // 2],
        "one": np.where(np.arange(n) == n // 3, 1e3, 1.0),
        "two": np.where(np.arange(n) % 40 == n // 3, 1e3, 1.0),
    }
    settings = {"n_cuts": n_cuts, "max_features": min(max_features, k), "n_draws": n_draws or n}
    return codes, y, n_classes, weights[weight], settings, min_samples_leaf, max_depth


def assert_the_twin_agrees(seed, **knobs):
    codes, y, n_classes, weight, settings, least, depth = case(seed, **knobs)
    nursery = Nursery(
        codes,
        y,
        n_classes,
        np.arange(codes.shape[1]),
        seed=seed,
        weight=weight,
        min_samples_leaf=least,
        max_depth=UNLIMITED_DEPTH if depth is None else depth,
        **settings,
    )
    stream = np.random.SeedSequence(seed).generate_state(1, np.uint64)[0]
    tree, importances = nursery.grow(stream)
    width = next(w for w in WIDTHS if w >= min(settings["max_features"], WIDTHS[-1]))
    expected, decreases = reference.grow_tree(
        codes[:, nursery.columns], y, n_classes, stream,
        width=width, weight=weight, least=least, max_depth=depth, **settings,
    )  # fmt: skip
    found = reference.nodes_of(tree, n_classes)
    assert [nursery.columns[node[0]] if node[3] is None else -1 for node in expected] == [node[0] for node in found]
    assert [node[1:3] for node in expected] == [node[1:3] for node in found]
    assert [node[3] for node in expected] == [None if node[3] is None else node[3].tolist() for node in found]
    assert len(tree.shares) == sum(max(shares) < 1 for *_, shares in expected if shares)
    np.testing.assert_allclose(importances, decreases, rtol=1e-12)


@pytest.mark.parametrize("knobs", CASES.values(), ids=CASES)
def test_a_tree_is_the_twins_node_for_node(knobs):
    for seed in range(5):
        assert_the_twin_agrees(seed, **knobs)


@settings(max_examples=200, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    n=st.integers(1, 60),
    k=st.integers(1, 40),
    n_classes=st.integers(1, 9),
    n_cuts=st.sampled_from([1, 2, 3, 7, 31, 255]),
    max_features=st.integers(1, 40),
    levels=st.sampled_from([2, 4, 256]),
    weight=st.sampled_from([None, "random", "zeros"]),
    n_draws=st.integers(1, 600),
    min_samples_leaf=st.integers(1, 9),
    max_depth=st.sampled_from([None, 1, 4]),
)
def test_any_tree_is_the_twins(**knobs):
    assert_the_twin_agrees(**knobs)


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60)), min_size=1, max_size=8))
def test_the_largest_score_is_the_least_impurity(sides):
    inside, outside = np.array(sides).T
    score = reference.split_score(inside, inside + outside, 1)
    if 0 in (inside.sum(), outside.sum()):
        assert score == -1
        return
    impurity = sum(side.sum() * (1 - np.sum((side / side.sum()) ** 2)) for side in (inside, outside))
    assert score == pytest.approx(np.sum(sides) - impurity, rel=1e-6)


def drawn(weight, n_draws):
    state, running = np.array([7], np.uint64), np.cumsum(weight) if weight is not None else np.empty(0)
    return bootstrap_counts(20, n_draws, running, state)


def test_every_row_is_as_likely():
    counts = drawn(None, 20_000)
    assert counts.sum() == 20_000
    assert stats.chisquare(counts).pvalue > 1e-3


def test_rows_are_drawn_in_proportion_to_their_weight_and_never_without():
    weight = np.random.default_rng(0).exponential(size=20)
    weight[[0, 7, 8, 19]] = 0
    counts = drawn(weight, 20_000)
    assert counts.sum() == 20_000
    assert not counts[weight == 0].any()
    kept = weight > 0
    assert stats.chisquare(counts[kept], 20_000 * weight[kept] / weight.sum()).pvalue > 1e-3
    assert stats.chisquare(counts[kept]).pvalue < 1e-9


@pytest.mark.parametrize(("k", "max_features"), [(20, 1), (100, 1), (70, 8), (150, 33)])
def test_every_feature_is_as_likely_to_be_drawn(k, max_features):
    # All features are equal, so the first lane drawn wins the root: columns are as often there as they are drawn.
    codes = np.repeat(np.arange(8, dtype=np.uint8)[:, None], k, axis=1)
    y = np.arange(8) // 4
    roots = [
        Nursery(codes, y, 2, np.arange(k), n_cuts=7, max_features=max_features, seed=seed, max_depth=1).grow(
            np.uint64(seed)
        )[0].feature[0]
        for seed in range(30 * k)
    ]  # fmt: skip
    counts = np.bincount([root for root in roots if root >= 0], minlength=k)
    assert counts.sum() > 29 * k
    assert stats.chisquare(counts).pvalue > 1e-3
