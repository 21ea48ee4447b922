"""The closed form says what scikit-learn says after fitting and predicting row by row."""

import numpy as np
import pytest
from reference import ridge_scores
from sklearn.base import clone
from sklearn.datasets import make_classification
from sklearn.linear_model import Ridge, RidgeClassifier
from sklearn.model_selection import cross_val_score
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_info

from acofer.colony.colony import AntColony, ColonySettings
from acofer.colony.search import search_subsets, settle
from acofer.errors import ConfigError, DataError
from acofer.scoring.metrics import METRICS, Metric
from acofer.scoring.moments import FoldMoments
from acofer.scoring.protocol import stratified_folds
from acofer.scoring.ridge import PENALTIES, RidgeScorer, RidgeTally, fit_ridge

N, P, C = 700, 40, 4
PENALTY = 1e-2
SUBSETS = [np.arange(3), np.array([39]), np.arange(0, P, 2), np.arange(P)]
CLOSE = 5e-7
"""What float32 Gram matrices cost in scores and errors of the order of 1: their entries are good to about 2e-7 of N.
With twelve other seeds the worst error of a fold was 7e-8 off, where condition numbers were below six."""


@pytest.fixture(scope="module")
def data():
    X, y = make_classification(
        N, P, n_informative=8, n_redundant=0, n_classes=C, weights=[0.5, 0.3, 0.1], shuffle=False, random_state=0
    )
    return X * np.linspace(0.1, 30, P) + np.linspace(-50, 50, P), y


@pytest.fixture(scope="module")
def folds(data):
    return stratified_folds(data[1], 5, 0)


@pytest.fixture(scope="module")
def moments(data, folds):
    return FoldMoments.of(*data, folds, C)


def synthetic_rows(data, folds):
    """Return, for each fold, training rows mixed in pairs of one class, as SMOTE makes them."""
    X, y = data
    rng, made = np.random.default_rng(1), []
    for train, _ in folds:
        pairs = [rng.choice(train[y[train] == label], (50, 2)) for label in range(1, C)]
        labels = np.repeat(np.arange(1, C), 50)
        first, second = np.concatenate(pairs).T
        made.append((X[first] + rng.random((len(labels), 1)) * (X[second] - X[first]), labels))
    return made


@pytest.mark.parametrize("kind", ["plain", "class_weight", "synthetic"])
@pytest.mark.parametrize("penalty", [1e-4, 1e-2, 1.0])
def test_errors_are_those_of_scikit_learns_ridge(data, folds, kind, penalty):
    X, y = data
    options = {"class_weight": {"class_weight": True}, "synthetic": {"synthetic": synthetic_rows(data, folds)}}
    chosen = options.get(kind, {})
    moments = FoldMoments.of(X, y, folds, C, **chosen)
    scores = RidgeScorer(moments, penalty=penalty).score(SUBSETS)
    explained = RidgeScorer(moments, penalty=penalty, metric="explained-variance").score(SUBSETS)
    for subset, brier, variance in zip(SUBSETS, scores, explained, strict=True):
        if kind == "synthetic":
            chosen = {"synthetic": [(rows[:, subset], labels) for rows, labels in options["synthetic"]["synthetic"]]}
        slow = ridge_scores(X[:, subset], y, folds, C, penalty, **chosen)
        np.testing.assert_allclose(-brier.fold_utilities, [error for _, error, _ in slow], atol=CLOSE)
        np.testing.assert_allclose(variance.fold_utilities, [share for _, _, share in slow], atol=CLOSE)
        assert brier.value == -brier.utility == pytest.approx(np.mean(-brier.fold_utilities))
        assert variance.value == variance.utility
        assert brier.standard_error == pytest.approx(brier.fold_utilities.std(ddof=1) / np.sqrt(5))


def test_probabilities_of_validation_rows_are_scikit_learns_scores_clipped(data, folds, moments):
    X, y = data
    seen = []
    watcher = Metric("watcher", "watcher", True, lambda true, proba: seen.append((true, proba)) or 0.5)
    RidgeScorer(moments, penalty=PENALTY, metric=watcher, rows=(X, y, folds)).score([SUBSETS[2]])
    slow = ridge_scores(X[:, SUBSETS[2]], y, folds, C, PENALTY)
    for (true, proba), (scores, *_), (_, validation) in zip(seen, slow, folds, strict=True):
        np.testing.assert_array_equal(true, y[validation])
        clipped = np.maximum(scores, 0)
        np.testing.assert_allclose(proba, clipped / clipped.sum(axis=1, keepdims=True), atol=CLOSE)
        assert (scores < 0).any()


@pytest.mark.parametrize("scoring", ["accuracy", "f1_macro", "balanced_accuracy"])
def test_rates_equal_cross_val_score_of_ridge_classifier(data, folds, moments, scoring):
    X, y = data
    names = {"f1_macro": "macro-f1", "balanced_accuracy": "balanced-accuracy"}
    metric = names.get(scoring, scoring)
    scorer = RidgeScorer(moments, penalty=PENALTY, metric=metric, rows=(X, y, folds))
    assert (scorer.metric_name, scorer.greater_is_better) == (metric, True)
    Z = StandardScaler().fit_transform(X)
    for subset, score in zip(SUBSETS, scorer.score(SUBSETS), strict=True):
        for fold, value in zip(folds, score.fold_utilities, strict=True):
            model = RidgeClassifier(alpha=PENALTY * len(fold[0]))
            assert value == pytest.approx(cross_val_score(model, Z[:, subset], y, cv=[fold], scoring=scoring)[0])


class Bank:
    """A matrix that gives blocks, but is no array."""

    def __init__(self, X):
        self.X, self.shape, self.dtype = X, X.shape, X.dtype

    def __getitem__(self, rows):
        return self.X[rows]


class TakingBank(Bank):
    def take(self, rows, columns):
        return self.X[np.ix_(rows, columns)]


@pytest.mark.parametrize("kind", [Bank, TakingBank])
def test_rows_may_come_from_what_is_no_array(data, folds, kind):
    X, y = data[0].astype(np.float16), data[1]
    moments = FoldMoments.of(kind(X), y, folds, C)
    (score,) = RidgeScorer(moments, metric="log-loss", penalty=0.1, rows=(kind(X), y, folds)).score([SUBSETS[2]])
    (same,) = RidgeScorer(moments, metric="log-loss", penalty=0.1, rows=(X, y, folds)).score([SUBSETS[2]])
    np.testing.assert_array_equal(score.fold_utilities, same.fold_utilities)
    assert score.utility == -score.value


@pytest.mark.parametrize("metric", ["brier", "accuracy"])
def test_scores_do_not_depend_on_workers(data, folds, moments, metric):
    rng = np.random.default_rng(2)
    subsets = [np.sort(rng.choice(P, rng.integers(1, P), replace=False)).astype(np.int32) for _ in range(30)]
    rows = (*data, folds)
    alone = RidgeScorer(moments, metric=metric, rows=rows, n_jobs=1).score(subsets)
    many = RidgeScorer(moments, metric=metric, rows=rows, n_jobs=2)
    told = {}
    together = many.score(subsets, lambda position, score: told.setdefault(position, score))
    assert [told[i] for i in range(30)] == together
    assert many.tally == RidgeTally(subsets=30, repaired=0)
    for a, b in zip(alone, together, strict=True):
        np.testing.assert_array_equal(a.fold_utilities, b.fold_utilities)
        assert a.value == b.value
    np.testing.assert_array_equal(many.finish(subsets[3]).fold_utilities, alone[3].fold_utilities)


def test_blas_has_its_threads_back_afterwards(moments):
    def threads():
        return [library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"]

    before, meanwhile = threads(), []
    RidgeScorer(moments).score(SUBSETS, lambda *_: meanwhile.append(threads()))
    assert threads() == before
    assert all(set(counts) == {1} for counts in meanwhile)
    assert len(meanwhile) == len(SUBSETS)


def test_the_penalty_is_the_best_of_the_grid_on_a_subset_of_that_size(data, folds):
    # As many columns as a power of two: the subset selected of that size is all of them.
    X, y = data[0][:, :32], data[1]
    noisy = X + np.random.default_rng(3).normal(size=X.shape) * 3 * X.std(axis=0)
    chosen = []
    for columns in (X, noisy):
        scorer = RidgeScorer(FoldMoments.of(columns, y, folds, C))
        slow = [np.mean([error for _, error, _ in ridge_scores(columns, y, folds, C, p)]) for p in PENALTIES]
        assert scorer.penalty(32) == PENALTIES[int(np.argmin(slow))]
        chosen.append(scorer.penalty(32))
    assert chosen[0] < chosen[1]  # so that the test is not about one end of the grid


def test_the_penalty_depends_on_size_only(moments):
    sizes = [1, 2, 3, 5, 8, 9, 16, 17, 33, 40]
    forth, back = RidgeScorer(moments), RidgeScorer(moments)
    expected = [forth.penalty(size) for size in sizes]
    assert [back.penalty(size) for size in reversed(sizes)] == expected[::-1]
    assert forth.penalty(9) == forth.penalty(16)
    assert forth.penalty(33) == forth.penalty(40)
    scorer = RidgeScorer(moments)
    scores = scorer.score(SUBSETS)
    for subset, score in zip(SUBSETS, scores, strict=True):
        (fixed,) = RidgeScorer(moments, penalty=forth.penalty(len(subset))).score([subset])
        assert fixed.value == score.value


def test_the_penalty_suits_subsets_that_are_searched_for():
    # On a subset drawn at random, which says nothing where few of many features say anything, the largest penalty is
    # the best; the good subsets of that size were then scored with it.
    rng = np.random.default_rng(0)
    y = rng.integers(0, C, 600)
    X = rng.normal(size=(600, 300))
    X[:, :8] += rng.normal(size=(C, 8))[y]
    moments = FoldMoments.of(X, y, stratified_folds(y, 4, seed=0), C)
    good = np.arange(8, dtype=np.int32)
    errors = [RidgeScorer(moments, penalty=p).finish(good).value for p in PENALTIES]
    assert RidgeScorer(moments).finish(good).value < min(errors) * 1.005
    assert max(errors) > min(errors) * 1.2  # so that the penalty matters


def test_gains_are_what_refitting_with_one_more_feature_gains(moments):
    subset, penalty = np.array([3, 11, 20]), 0.01
    weight = moments.training_weight(None)

    def explained(features):
        gram = moments.training(None, features) + penalty * weight * np.eye(len(features))
        cross = moments.training_cross(None, features)
        return np.sum(cross * np.linalg.solve(gram, cross)) / weight

    gains = moments.gains(subset, penalty)
    others = np.setdiff1d(np.arange(moments.n_features), subset)
    slow = [explained(np.append(subset, j)) - explained(subset) for j in others]
    np.testing.assert_allclose(gains[others], slow, rtol=2e-4, atol=1e-7)  # float32
    np.testing.assert_array_equal(gains[subset], -1)
    alone = moments.gains(np.empty(0, np.int64), penalty)
    np.testing.assert_allclose(
        alone, [explained(np.array([j])) for j in range(moments.n_features)], rtol=2e-4, atol=1e-7
    )


@pytest.mark.parametrize("change", ["a copy", "a constant", "a sum", "few rows"])
def test_what_has_no_unique_solution_is_repaired_and_counted(data, folds, change):
    X, y = data[0][:, :10].copy(), data[1]
    if change == "a copy":
        X[:, 9] = X[:, 4]
    elif change == "a constant":
        X[:, 9] = 7.0
    elif change == "a sum":
        X[:, 9] = X[:, :4].sum(axis=1)
    else:
        X = np.random.default_rng(5).normal(size=(N, 900)) + y[:, None]  # more features than rows
    scorer = RidgeScorer(FoldMoments.of(X, y, folds, C), penalty=0)
    (whole,) = scorer.score([np.arange(X.shape[1])])
    assert scorer.tally == RidgeTally(subsets=1, repaired=1)
    assert np.isfinite(whole.fold_utilities).all()
    if change != "few rows":  # the column that adds nothing changes nothing
        (without,) = scorer.score([np.arange(9)])
        assert scorer.tally == RidgeTally(subsets=2, repaired=1)
        np.testing.assert_allclose(whole.fold_utilities, without.fold_utilities, atol=1e-5)


def test_copies_and_constants_need_no_repair_under_the_least_penalty(data, folds):
    X, y = data[0][:, :10].copy(), data[1]
    X[:, 9], X[:, 8] = X[:, 4], 3.0
    scorer = RidgeScorer(FoldMoments.of(X, y, folds, C), penalty=PENALTIES[0])
    (score,) = scorer.score([np.arange(10)])
    assert scorer.tally == RidgeTally(subsets=1, repaired=0)
    slow = ridge_scores(X, y, folds, C, PENALTIES[0])
    np.testing.assert_allclose(-score.fold_utilities, [error for _, error, _ in slow], atol=CLOSE)


def test_moments_that_are_none_are_said(data, folds):
    moments = FoldMoments.of(*data, folds, C)
    moments.total.gram[:] = np.nan
    with pytest.raises(DataError, match="expected a Gram matrix; a block of 3 features is none"):
        RidgeScorer(moments, penalty=0.1).score([np.arange(3)])


def test_the_final_classifier_is_scikit_learns_on_all_rows(data, moments):
    X, y = data
    subset = np.array([31, 2, 7, 0], np.int32)  # the model's columns come in the order of the subset
    model = fit_ridge(moments, subset, PENALTY)
    Z = StandardScaler().fit_transform(X)[:, subset]
    ridge = Ridge(alpha=PENALTY * N).fit(Z, np.eye(C)[y])
    scores = model.decision_function(X[:, subset])
    np.testing.assert_allclose(scores, ridge.predict(Z), atol=CLOSE)
    np.testing.assert_allclose(scores.sum(axis=1), 1)
    classifier = RidgeClassifier(alpha=PENALTY * N).fit(Z, y)
    np.testing.assert_array_equal(model.predict(X[:, subset]), classifier.predict(Z))
    assert model.score(X[:, subset], y) == classifier.score(Z, y)
    proba = model.predict_proba(X[:, subset])
    assert proba.min() == 0
    np.testing.assert_allclose(proba.sum(axis=1), 1)
    np.testing.assert_array_equal(model.classes_, np.arange(C))
    with pytest.raises(ValueError, match="4 features"):
        model.predict(X)


def test_two_classes_have_two_scores(data):
    X, y = data[0], (data[1] > 0).astype(np.int64)
    folds = stratified_folds(y, 3, 0)
    model = fit_ridge(FoldMoments.of(X, y, folds, 2), SUBSETS[2], PENALTY)
    assert model.predict_proba(X[:, SUBSETS[2]]).shape == (N, 2)
    Z = StandardScaler().fit_transform(X)[:, SUBSETS[2]]
    classifier = RidgeClassifier(alpha=PENALTY * N).fit(Z, y)
    np.testing.assert_array_equal(model.predict(X[:, SUBSETS[2]]), classifier.predict(Z))


def test_a_colony_searches_by_it(moments):
    # The first eight features are informative.
    scorer = RidgeScorer(moments)
    trace = search_subsets(AntColony(np.ones(P), ColonySettings(n_ants=10, size=8), 0), scorer, 30)
    found = settle(trace, scorer, "best")
    assert len(np.intersect1d(found.indices, np.arange(8))) >= 6
    assert not found.is_estimate


def test_what_does_not_fit_is_refused(data, folds, moments):
    with pytest.raises(ConfigError, match=r"metric: expected one of .*; got 'briar'; did you mean 'brier'"):
        RidgeScorer(moments, metric="briar")
    with pytest.raises(ConfigError, match="metric accuracy needs rows; give rows="):
        RidgeScorer(moments, metric="accuracy")
    with pytest.raises(ConfigError, match="metric brier needs rows"):
        RidgeScorer(moments, metric=METRICS["brier"])
    with pytest.raises(ConfigError, match="expected those of the moments, 40 features in 5 folds; got 40 in 4"):
        RidgeScorer(moments, metric="accuracy", rows=(*data, folds[:4]))
    for penalty in (-1.0, np.nan, np.inf, "much"):
        with pytest.raises(ConfigError, match="penalty: expected 'auto' or a number from 0"):
            RidgeScorer(moments, penalty=penalty)
    assert clone(fit_ridge(moments, SUBSETS[0], 0.5)).penalty == 0.5
