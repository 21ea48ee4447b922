import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import stats

from acofer.errors import ConfigError, InputError
from acofer.scoring.race import difference_to, hopeless, rungs

ALPHA = 0.05


def hopeless_one_by_one(utilities, rival, alpha):
    """The slow twin: scipy's paired t-test of each subset against the best."""
    best = max(range(len(utilities)), key=lambda i: utilities[i].mean())
    reference = utilities[best]
    if rival is not None and rival.mean() > reference.mean():
        reference = rival
    return [
        i != best and stats.ttest_rel(blocks, reference, alternative="less").pvalue < alpha
        for i, blocks in enumerate(utilities)
    ]


def equal_subsets(rng, n, n_blocks=10):
    """Subsets without any true difference: blocks are hard or easy for all, the rest is noise."""
    return rng.normal(scale=3, size=n_blocks) + rng.normal(size=(n, n_blocks))


@pytest.mark.parametrize(
    ("trees", "expected"),
    [(90, (10, 30, 90)), (100, (12, 34, 100)), (300, (12, 34, 100, 300)), (28, (10, 28)), (27, (27,)), (5, (5,))],
)
def test_rungs_by_hand(trees, expected):
    assert rungs(trees) == expected


@given(trees=st.integers(1, 5000), first=st.integers(1, 200), ratio=st.integers(2, 9))
def test_rungs_are_all_quotients_down_to_the_first(trees, first, ratio):
    found = rungs(trees, first=first, ratio=ratio)
    quotients = {int(np.ceil(trees / ratio**power)) for power in range(14)}
    assert found == tuple(sorted({q for q in quotients if q >= first} | {trees}))


@pytest.mark.parametrize("wrong", [{"trees": 0}, {"trees": 9, "first": 0}, {"trees": 9, "ratio": 1}])
def test_rungs_that_cannot_be_are_refused(wrong):
    with pytest.raises(ConfigError, match=r"got .*; use e\.g\. 90, 10 and 3"):
        rungs(**wrong)


@pytest.mark.parametrize("has_rival", [False, True])
def test_equals_scipys_test_one_by_one(has_rival):
    stopped = lived = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        n, n_blocks = rng.integers(2, 9), rng.integers(2, 12)
        utilities = equal_subsets(rng, n, n_blocks) + rng.normal(scale=3, size=(n, 1))
        rival = equal_subsets(rng, 1, n_blocks)[0] + 2 if has_rival else None
        found = hopeless(utilities, rival=rival, alpha=ALPHA)
        assert found.tolist() == hopeless_one_by_one(utilities, rival, ALPHA)
        stopped, lived = stopped + found.sum(), lived + (~found).sum()
    assert stopped > 50
    assert lived > 50


def test_one_of_two_equal_subsets_stops_as_often_as_alpha_says():
    # With two, the bound is exact: the normal distribution's quantile in place of t's would give .067.
    rng = np.random.default_rng(0)
    rate = np.mean([hopeless(equal_subsets(rng, 2), alpha=ALPHA)[0] for _ in range(10_000)])
    assert rate == pytest.approx(ALPHA, abs=4 * np.sqrt(ALPHA * (1 - ALPHA) / 10_000))


@pytest.mark.parametrize(("n", "documented"), [(8, 0.19), (20, 0.30)])
def test_each_of_many_equal_subsets_stops_as_often_as_the_docstring_says(n, documented):
    rng = np.random.default_rng(1)
    rates = [hopeless(equal_subsets(rng, n), alpha=ALPHA).mean() for _ in range(2000)]
    assert np.mean(rates) == pytest.approx(documented, abs=4 * np.std(rates) / np.sqrt(2000))


def test_hopeless_subsets_stop_and_close_ones_run_on():
    rng = np.random.default_rng(3)
    true = np.repeat([0.0, -0.1, -3.0], [5, 5, 10])
    found = np.array([hopeless(equal_subsets(rng, 20) + true[:, None]) for _ in range(200)])
    assert found[:, 10:].mean() > 0.95
    assert found[:, :10].mean() < 0.25


def test_blocks_are_paired():
    rng = np.random.default_rng(4)
    utilities = rng.normal(size=(6, 10)) + np.arange(6)[:, None]
    harder_blocks = utilities + 100 * rng.normal(size=10)
    assert hopeless(utilities).any()
    np.testing.assert_array_equal(hopeless(utilities), hopeless(harder_blocks))


@given(data=st.data(), shape=st.tuples(st.integers(1, 7), st.integers(2, 5)))
def test_order_of_subsets_is_no_matter_and_the_best_never_stops(data, shape):
    few_values = st.integers(-2, 2).map(float)  # so that there are ties
    utilities = data.draw(hnp.arrays(np.float64, shape, elements=few_values))
    rival = data.draw(st.none() | hnp.arrays(np.float64, shape[1], elements=few_values))
    order = data.draw(st.permutations(range(shape[0])))
    found = hopeless(utilities, rival=rival, alpha=0.5)
    np.testing.assert_array_equal(found[order], hopeless(utilities[order], rival=rival, alpha=0.5))
    means = utilities.mean(axis=1)
    assert not found[means == means.max()].all()


def test_the_best_present_subset_runs_on_behind_a_rival_out_of_reach():
    utilities = np.random.default_rng(5).normal(size=(4, 10))
    utilities[2] += 1
    found = hopeless(utilities, rival=utilities[2] + 50)
    assert found.tolist() == [True, True, False, True]
    assert hopeless(utilities[:1], rival=utilities[0] + 50).tolist() == [False]


def test_equals_of_the_best_run_on_with_it_whichever_comes_first():
    equals = np.array([[0.0, -1.0], [0.0, -1.0], [-1.0, -1.0]])
    for order in ([0, 1, 2], [2, 1, 0]):
        assert hopeless(equals[order], rival=np.zeros(2), alpha=0.5).tolist() == [row == 2 for row in order]


def test_a_rival_that_is_worse_changes_nothing():
    utilities = np.array([[1.0, 1.2, 0.9, 1.1], [0.5, 0.8, 0.3, 0.7]])
    assert hopeless(utilities).tolist() == [False, True]
    assert hopeless(utilities, rival=utilities[1] - 9).tolist() == [False, True]


def test_differences_without_variance():
    best = np.array([0.25, 0.5, 1.0])
    assert hopeless(np.array([best, best, best - 0.125])).tolist() == [False, False, True]


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
def test_nobody_stops_where_a_value_is_not_finite(wrong):
    utilities = np.array([[9.0, 9.1, 9.2], [1.0, 1.2, 1.1]])
    assert hopeless(utilities).any()
    assert not hopeless(utilities, rival=np.array([50.0, wrong, 50.0])).any()
    utilities[1, 2] = wrong
    assert not hopeless(utilities).any()


@pytest.mark.parametrize("shape", [(0, 10), (1, 10), (3, 1), (3, 0)])
def test_nobody_stops_where_nothing_can_be_compared(shape):
    utilities = np.arange(np.prod(shape), dtype=float).reshape(shape)
    assert hopeless(utilities).tolist() == [False] * shape[0]


@pytest.mark.parametrize(
    ("utilities", "options"),
    [
        (np.zeros(3), {}),
        (np.zeros((2, 3)), {"rival": np.zeros(1)}),
        (np.zeros((2, 3)), {"alpha": 0.0}),
        (np.zeros((2, 3)), {"alpha": 0.6}),
        (np.zeros((2, 3)), {"alpha": float("nan")}),
    ],
)
def test_what_cannot_be_tested_is_refused_in_one_line(utilities, options):
    with pytest.raises(InputError, match=r"hopeless: expected .*; got .*; ") as caught:
        hopeless(utilities, **options)
    assert "\n" not in str(caught.value)


def test_difference_is_signed_and_its_error_paired():
    rng = np.random.default_rng(6)
    best, blocks = rng.normal(size=(2, 10))
    difference, error = difference_to(best, blocks)
    assert difference == pytest.approx(blocks.mean() - best.mean())
    assert difference / error == pytest.approx(stats.ttest_rel(blocks, best).statistic)
    assert difference_to(best, best) == (0.0, 0.0)
    assert np.isnan(difference_to(best[:1], blocks[:1])[1])
