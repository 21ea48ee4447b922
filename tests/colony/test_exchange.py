"""What the local search says of exchanges is what refitting every neighbour says."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from joblib import Parallel
from reference import conditional_gains, ridge_scores

from acofer.colony.conditional import ConditionalHeuristic
from acofer.colony.exchange import _candidates, _prices, exchange
from acofer.errors import ConfigError, DataError
from acofer.scoring.moments import FoldMoments
from acofer.scoring.protocol import stratified_folds
from acofer.scoring.ridge import RidgeScorer

N, P, C, PENALTY = 300, 20, 3, 1e-3
CLOSE = 1e-7
"""Of errors of about .5: Gram matrices are sums in float32, whose eps is 1.2e-7. The worst of the exchanges below was
1.5e-8 off."""
START = np.array([0, 3, 4, 11, 17])


def rows_of(seed=0, p=P):
    rng = np.random.default_rng(seed)
    y = rng.choice(C, N, p=[0.6, 0.25, 0.15])
    X = rng.normal(size=(N, 4)) @ rng.normal(size=(4, p)) + rng.normal(size=(N, p))
    X[:, : p // 4] += rng.normal(size=(C, p // 4))[y]
    return X, y, stratified_folds(y, 4, seed)


def options_of(kind, X):
    if kind == "synthetic":
        rng = np.random.default_rng(1)
        return {"synthetic": [(rng.normal(X.mean(axis=0), 1, (40, X.shape[1])), np.full(40, 2)) for _ in range(4)]}
    return {"class_weight": True} if kind == "class weights" else {}


def refitted(X, y, folds, columns, **options):
    """Return the cross-validated error of some columns by scikit-learn."""
    if "synthetic" in options:
        options["synthetic"] = [(more[:, columns], labels) for more, labels in options["synthetic"]]
    return np.mean([error for _, error, _ in ridge_scores(X[:, columns], y, folds, C, PENALTY, **options)])


def neighbour(subset, i, j):
    return np.sort(np.append(np.delete(subset, i), j))


@pytest.fixture(scope="module")
def made():
    X, y, folds = rows_of()
    return FoldMoments.of(X, y, folds, C)


@pytest.mark.parametrize("kind", ["plain", "class weights", "synthetic"])
def test_prices_of_all_exchanges_are_those_of_refitting(kind):
    X, y, folds = rows_of()
    options = options_of(kind, X)
    outside = np.setdiff1d(np.arange(P), START)
    prices = _prices(Parallel(1), FoldMoments.of(X, y, folds, C, **options), START, outside, PENALTY)
    now = refitted(X, y, folds, START, **options)
    slow = [[refitted(X, y, folds, neighbour(START, i, j), **options) - now for j in outside] for i in range(5)]
    assert np.ptp(slow) > 1000 * CLOSE, "exchanges differ"
    np.testing.assert_allclose(prices, slow, rtol=0, atol=CLOSE)


@pytest.mark.parametrize("kind", ["plain", "class weights", "synthetic"])
@pytest.mark.parametrize("seed", range(3))
def test_an_optimum_has_no_better_neighbour(kind, seed):
    X, y, folds = rows_of(seed)
    options = options_of(kind, X)
    found = exchange(FoldMoments.of(X, y, folds, C, **options), START, PENALTY, n_candidates=P)
    assert found.is_optimum
    assert found.exchanges > 0
    assert found.before == pytest.approx(refitted(X, y, folds, START, **options), abs=CLOSE)
    own = refitted(X, y, folds, found.indices, **options)
    assert found.after == pytest.approx(own, abs=CLOSE)
    outside = np.setdiff1d(np.arange(P), found.indices)
    errors = [refitted(X, y, folds, neighbour(found.indices, i, j), **options) for i in range(5) for j in outside]
    assert min(errors) > own - CLOSE


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 1000), k=st.integers(1, P), n_candidates=st.integers(1, P), max_rounds=st.integers(0, 4))
def test_the_result_is_never_worse_and_is_a_subset_of_the_same_size(made, seed, k, n_candidates, max_rounds):
    start = np.random.default_rng(seed).permutation(P)[:k]
    found = exchange(made, start, PENALTY, n_candidates=n_candidates, max_rounds=max_rounds)
    assert found.after <= found.before
    assert found.indices.dtype == np.int32
    assert found.indices.shape == (k,)
    assert (np.diff(found.indices) > 0).all()
    changed = len(np.setdiff1d(found.indices, start))
    assert found.after < found.before or not changed
    assert changed <= found.exchanges
    errors = [RidgeScorer(made, penalty=PENALTY).finish(subset).value for subset in (np.sort(start), found.indices)]
    assert errors == pytest.approx([found.before, found.after], abs=1e-12)


def test_same_result_on_any_number_of_threads():
    moments = FoldMoments.of(*rows_of(5, p=80), C)
    one, two = (exchange(moments, np.arange(40, 60), PENALTY, n_jobs=jobs) for jobs in (1, 2))
    np.testing.assert_array_equal(one.indices, two.indices)
    assert (one.before, one.after, one.exchanges) == (two.before, two.after, two.exchanges)
    assert one.exchanges > 0


def test_planted_features_are_found_from_a_bad_start():
    rng = np.random.default_rng(0)
    y = rng.integers(0, C, N)
    X = rng.normal(size=(N, 50))
    planted = np.array([7, 18, 29, 40])
    X[:, planted] += 2 * rng.normal(size=(C, 4))[y]
    found = exchange(FoldMoments.of(X, y, stratified_folds(y, 5, 0), C), [0, 1, 2, 3], PENALTY)
    np.testing.assert_array_equal(found.indices, planted)
    assert found.is_optimum


@pytest.mark.parametrize("n", [1, 5, 25, 40])
@pytest.mark.parametrize("kind", ["plain", "class weights"])
def test_candidates_are_those_that_add_most_on_all_rows(kind, n):
    # With class weights the means were once left in.
    X, y, folds = rows_of(2, p=60)
    moments = FoldMoments.of(X, y, folds, C, **options_of(kind, X))
    every = ConditionalHeuristic.of(moments, PENALTY)
    gains = conditional_gains(every.gram, every.means, every.cross, every.penalty, START)
    gains[START] = -1
    np.testing.assert_array_equal(_candidates(moments, START, PENALTY, n), np.sort(np.argsort(-gains)[:n]))


def test_where_all_features_are_chosen_there_is_nothing_to_do(made):
    found = exchange(made, np.arange(P), PENALTY)
    np.testing.assert_array_equal(found.indices, np.arange(P))
    assert found.is_optimum
    assert (found.exchanges, found.after) == (0, found.before)


def test_no_rounds_leave_the_subset_as_it_is(made):
    found = exchange(made, START[::-1], PENALTY, max_rounds=0)
    np.testing.assert_array_equal(found.indices, START)
    assert not found.is_optimum
    assert (found.exchanges, found.after) == (0, found.before)


def test_copies_and_constants_without_a_penalty():
    X, y, folds = rows_of(3)
    X = np.hstack([X, X, np.ones((N, 2))])
    copies = np.array([8, 9, 28, 29, 40, 41])
    found = exchange(FoldMoments.of(X, y, folds, C), copies, 0.0)
    assert found.after < found.before
    assert len(set(found.indices % P)) == 6, "no copy beside its original"


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"n_candidates": 0}, ConfigError, "n_candidates: expected a whole number of at least 1; got 0"),
        ({"max_rounds": -1}, ConfigError, "max_rounds: expected a whole number of at least 0; got -1"),
        ({"penalty": -0.1}, ConfigError, "penalty: expected a number from 0; got -0.1"),
        ({"penalty": np.nan}, ConfigError, "penalty: expected a number from 0; got nan"),
        ({"indices": []}, DataError, "indices: expected one or more different features"),
        ({"indices": [3, 1, 3]}, DataError, "indices: expected one or more different features"),
        ({"indices": [0, P]}, DataError, f"features: expected numbers from 0 to {P - 1}"),
    ],
)
def test_bad_arguments_get_one_clear_line(made, arguments, error, message):
    with pytest.raises(error, match=message) as caught:
        exchange(made, **{"indices": START, "penalty": PENALTY, **arguments})
    assert "\n" not in str(caught.value)
