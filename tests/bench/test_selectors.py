"""Selectors that ask no scorer, on rows in which ten of sixty features say the class."""

import dataclasses
import sys

import numpy as np
import pytest
from planted import GOOD, N_CLASSES, P, X, Y, task_of
from scipy.stats import f_oneway

from acofer.bench.filters import f_values, minimum_redundancy_picks
from acofer.bench.selectors import SELECTORS, checked_knobs, choose, selector_named
from acofer.bench.task import k
from acofer.colony.size import size_grid
from acofer.errors import ConfigError, MissingExtraError
from acofer.features.bank import Bank

INFORMED = (
    "anova-f",
    "mutual-information",
    "forest-importance",
    "mrmr",
    "select-from-model",
    "rfe",
    "boruta",
    "greedy-forward",
)
SMALL = {"boruta": {"trees": 20, "rounds": 12}}


def chosen(name, **task):
    for module in SELECTORS[name].needs:
        pytest.importorskip(module)
    return choose(SELECTORS[name], task_of(name, **SMALL.get(name, {}), **task))


@pytest.mark.parametrize("name", INFORMED)
def test_who_looks_at_the_classes_finds_what_was_planted(name):
    indices = chosen(name).indices
    assert indices.dtype == np.int32
    assert (np.diff(indices) > 0).all()
    assert len(indices) == len(GOOD)
    # At random 8 or more of 10 are found less than once in a million draws.
    assert np.isin(indices, GOOD).sum() >= 8


@pytest.mark.parametrize("name", [*INFORMED, "random-subset"])
@pytest.mark.parametrize("size", [1, 0.5, P])
def test_the_size_is_exact_and_the_same_seed_chooses_the_same(name, size):
    first, second = (chosen(name, size=size, seed=3).indices for _ in range(2))
    np.testing.assert_array_equal(first, second)
    assert len(np.unique(first)) == size_grid(size, P)[0]


def test_a_random_subset_hangs_on_the_seed_and_on_nothing_else():
    draws = [tuple(chosen("random-subset", seed=seed).indices) for seed in range(40)]
    assert len(set(draws)) == 40
    times = np.bincount(np.concatenate(draws), minlength=P)
    assert times.min() > 0
    assert times.max() < 20  # each is expected 40 / 6 times


def test_all_features_are_all():
    np.testing.assert_array_equal(chosen("all", size="auto").indices, np.arange(P))


def test_principal_components_are_those_of_standardised_rows():
    choice = chosen("pca", size=4)
    made = choice.project(X[:7])
    assert choice.indices is None
    assert made.shape == (7, 4)
    Z = (X - X.mean(axis=0)) / X.std(axis=0)
    _, _, axes = np.linalg.svd(Z.astype(np.float64), full_matrices=False)
    np.testing.assert_allclose(np.abs(made), np.abs(Z[:7] @ axes[:4].T), atol=2e-2)
    values = np.linalg.eigvalsh(np.corrcoef(X.T.astype(np.float64)))
    assert choice.about["explained variance"] == pytest.approx(values[-4:].sum() / P, rel=1e-3)


def mrmr_step_by_step(relevance, X, k):
    """Pick as the rule is written: the quotient of F and mean absolute correlation, over those that are left."""
    correlation = np.abs(np.corrcoef(X.T))
    picks = [int(np.argmax(relevance))]
    while len(picks) < k:
        left = [j for j in range(len(relevance)) if j not in picks]
        picks.append(max(left, key=lambda j: relevance[j] / np.mean([correlation[j, i] for i in picks])))
    return picks


def test_mrmr_agrees_with_its_slow_twin():
    task = task_of("mrmr")
    conditional = task.heuristic("conditional")
    fast = minimum_redundancy_picks(f_values(task), conditional.gram, conditional.means, 25)
    assert fast.tolist() == mrmr_step_by_step(f_values(task), X.astype(np.float64), 25)


def test_f_is_that_of_one_feature_at_a_time_and_0_of_a_constant():
    with_constant = X.copy()
    with_constant[:, 7] = 3.0
    found = f_values(dataclasses.replace(task_of("mrmr"), X=with_constant))
    expected = [f_oneway(*(with_constant[c == Y, j].astype(np.float64) for c in range(N_CLASSES)))[0] for j in range(7)]
    np.testing.assert_allclose(found[:7], expected, rtol=1e-9)
    assert found[7] == 0


def test_mrmr_passes_over_a_copy_that_a_filter_takes():
    gram = np.corrcoef(np.array([[1.0, 2, 3, 4, 5], [1, 2, 3, 4, 5.1], [2, 1, 5, 1, 2], [0, 0, 0, 0, 0.001]]))
    picks = minimum_redundancy_picks(np.array([9.0, 8.9, 3.0, 0.0]), gram, np.zeros(4), 2)
    assert picks.tolist() == [0, 2]


def test_greedy_forward_is_least_squares_one_by_one():
    from sklearn.linear_model import LinearRegression

    targets, picks = np.eye(N_CLASSES)[Y], []
    for _ in range(4):
        left = [j for j in range(P) if j not in picks]
        fits = {j: LinearRegression().fit(X[:, [*picks, j]], targets).predict(X[:, [*picks, j]]) for j in left}
        picks.append(min(left, key=lambda j: ((fits[j] - targets) ** 2).sum()))
    assert chosen("greedy-forward", size=4).indices.tolist() == sorted(picks)


def test_an_l1_svm_says_how_many_features_have_a_weight():
    about = chosen("select-from-model").about
    assert len(GOOD) <= about["features with a weight"] < P
    assert about["C"] > 0


def test_boruta_says_how_many_it_confirms_and_fills_up_by_rank():
    few, many = chosen("boruta", size=3), chosen("boruta", size=40)
    assert 5 <= few.about["confirmed"] <= 12
    assert few.about == many.about
    assert np.isin(few.indices, GOOD).all()
    assert set(GOOD) <= set(many.indices)


def test_rows_of_a_bank_serve_as_an_array_does():
    bank = Bank([X[:, :25].astype(np.float16), X[:, 25:].astype(np.float16)]).part(slice(None))
    for name in ("anova-f", "mrmr", "rfe", "select-from-model"):
        plain = task_of(name)
        from_bank = choose(SELECTORS[name], dataclasses.replace(plain, X=bank)).indices
        from_array = choose(SELECTORS[name], dataclasses.replace(plain, X=X.astype(np.float16))).indices
        np.testing.assert_array_equal(from_bank, from_array)


def test_the_callers_rows_stay_as_they_were():
    before = X.copy()
    for name in ("pca", "rfe", "select-from-model", "boruta"):
        chosen(name)
    np.testing.assert_array_equal(X, before)


@pytest.mark.parametrize("size", ["auto", "4:20"])
def test_an_exact_selector_asks_for_a_number(size):
    with pytest.raises(ConfigError, match="expected a number of features or a share"):
        k(task_of("mrmr", size=size))


def test_a_missing_package_is_named_with_its_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "boruta", None)
    with pytest.raises(MissingExtraError, match=r"Boruta.*acofer\[bench\]"):
        choose(SELECTORS["boruta"], task_of("boruta"))


def test_the_table_names_the_nearest():
    assert selector_named("mrmr") is SELECTORS["mrmr"]
    with pytest.raises(ConfigError, match="did you mean 'random-search'"):
        selector_named("random-serch")


def test_every_entry_of_the_table_is_whole():
    for name, selector in SELECTORS.items():
        assert selector.name == name
        assert selector.summary
        assert checked_knobs(selector, {}) == {knob: own.default for knob, own in selector.knobs.items()}
        for knob in selector.knobs.values():
            assert knob.accepts(knob.default)
            assert knob.kind == "choice" or knob.low < knob.high
            assert not knob.log or knob.low > 0


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"alpa": 1.0}, "did you mean 'alpha'"),
        ({"alpha": "1"}, "expected a number from 0 to 5; got '1'"),
        ({"alpha": float("nan")}, "expected a number from 0 to 5"),
        ({"ants": 2.0}, "expected a whole number from 1 to 200"),
        ({"ants": True}, "expected a whole number"),
        ({"variant": "acss"}, "expected one of auto, acs, mmas, as"),
    ],
)
def test_knobs_are_checked(given, told):
    with pytest.raises(ConfigError, match=told):
        checked_knobs(SELECTORS["colony"], given)


def test_who_has_no_knobs_says_so():
    with pytest.raises(ConfigError, match="it has none"):
        checked_knobs(SELECTORS["anova-f"], {"k": 3})
