import numpy as np
import pytest
from sklearn.datasets import make_classification
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.metrics import get_scorer, make_scorer
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.naive_bayes import MultinomialNB

from acofer.errors import ConfigError, DataError
from acofer.scoring.estimator import EstimatorScorer, class_probabilities, classifier_named
from acofer.scoring.metrics import METRICS, log_loss
from acofer.scoring.protocol import ResampledFold, RowFold

SUBSETS = [np.array([0, 1, 2], np.int32), np.array([5], np.int32), np.arange(12, dtype=np.int32)]


@pytest.fixture(scope="module")
def data():
    X, y = make_classification(240, 12, n_informative=4, n_classes=3, random_state=0)
    return np.asfortranarray(X), y


@pytest.fixture(scope="module")
def row_folds(data):
    X, y = data
    cuts = StratifiedKFold(4, shuffle=True, random_state=0).split(X, y)
    return [RowFold(X, y, train, validation) for train, validation in cuts]


def test_k_fold_scores_equal_cross_val_score(data, row_folds):
    X, y = data
    model = LogisticRegression()
    scorer = EstimatorScorer(model, row_folds, get_scorer("f1_macro"))
    for subset, score in zip(SUBSETS, scorer.score(SUBSETS), strict=True):
        cuts = [(fold.train_rows, fold.validation_rows) for fold in row_folds]
        expected = cross_val_score(model, X[:, subset], y, cv=cuts, scoring="f1_macro")
        np.testing.assert_allclose(score.fold_utilities, expected)
        assert score.utility == pytest.approx(expected.mean())
        assert score.standard_error == pytest.approx(expected.std(ddof=1) / 2)


def test_our_metrics_agree_with_scikit_learns_names(data, row_folds):
    y = data[1]
    ours = EstimatorScorer(LogisticRegression(), row_folds, METRICS["accuracy"], classes=np.unique(y)).score(SUBSETS)
    theirs = EstimatorScorer(LogisticRegression(), row_folds, get_scorer("accuracy")).score(SUBSETS)
    assert [s.utility for s in ours] == pytest.approx([s.utility for s in theirs])


def test_one_validation_part_gets_its_error_from_blocks(data):
    X, y = data
    fold = RowFold(X, y, np.arange(160), np.arange(160, 240))
    scorer = EstimatorScorer(LogisticRegression(), [fold], METRICS["log-loss"], classes=np.unique(y))
    (score,) = scorer.score([SUBSETS[0]])
    model = LogisticRegression().fit(X[:160][:, SUBSETS[0]], y[:160])
    assert score.value == pytest.approx(log_loss(y[160:], model.predict_proba(X[160:][:, SUBSETS[0]])))
    assert score.utility == -score.value
    assert len(score.fold_utilities) == 10
    assert 0 < score.standard_error < 0.2


def test_an_error_that_must_be_minimised_is_minimised(data, row_folds):
    def mistakes(y, predicted):
        return (y != predicted).sum()

    scorer = EstimatorScorer(LogisticRegression(), row_folds, make_scorer(mistakes, greater_is_better=False))
    good, poor = scorer.score([SUBSETS[2], SUBSETS[1]])
    assert good.utility > poor.utility
    loss = EstimatorScorer(LogisticRegression(), row_folds, METRICS["log-loss"], classes=np.unique(data[1]))
    good, poor = loss.score([SUBSETS[2], SUBSETS[1]])
    assert good.value < poor.value
    assert good.utility > poor.utility


@pytest.mark.parametrize(("n_jobs", "backend"), [(2, "threading"), (2, "loky")])
def test_scores_do_not_depend_on_workers(data, row_folds, n_jobs, backend):
    y = data[1]
    model = RandomForestClassifier(7, random_state=0)
    alone = EstimatorScorer(model, row_folds, METRICS["log-loss"], classes=np.unique(y)).score(SUBSETS)
    many = EstimatorScorer(
        model, row_folds, METRICS["log-loss"], classes=np.unique(y), n_jobs=n_jobs, backend=backend
    ).score(SUBSETS)
    for a, b in zip(alone, many, strict=True):
        np.testing.assert_array_equal(a.indices, b.indices)
        np.testing.assert_array_equal(a.fold_utilities, b.fold_utilities)


def test_on_score_tells_every_subset_once(row_folds, data):
    told = {}
    scorer = EstimatorScorer(LogisticRegression(), row_folds, get_scorer("accuracy"))
    scores = scorer.score(SUBSETS, lambda position, score: told.setdefault(position, score))
    assert [told[i] for i in range(3)] == scores


def test_resampled_fold_trains_on_its_own_rows(data):
    X, y = data
    fold = ResampledFold(X[:50], y[:50], np.asfortranarray(X[50:]), y[50:])
    scorer = EstimatorScorer(LogisticRegression(), [fold], METRICS["accuracy"], classes=np.unique(y))
    expected = LogisticRegression().fit(X[:50][:, SUBSETS[0]], y[:50]).score(X[50:][:, SUBSETS[0]], y[50:])
    assert scorer.score([SUBSETS[0]])[0].value == pytest.approx(expected)


def test_probabilities_cover_classes_the_model_never_saw(data):
    X, y = data
    seen = y != 1
    model = LogisticRegression().fit(X[seen], y[seen])
    proba = class_probabilities(model, X, np.arange(3))
    np.testing.assert_array_equal(proba[:, 1], 0)
    np.testing.assert_allclose(proba.sum(axis=1), 1)
    ridge = RidgeClassifier().fit(X[seen], y[seen])
    np.testing.assert_array_equal(class_probabilities(ridge, X, np.arange(3)).argmax(1), ridge.predict(X))


def test_classifiers_by_name():
    forest = classifier_named("forest", trees=12, seed=3)
    assert (forest.n_estimators, forest.random_state) == (12, 3)
    assert classifier_named("LogisticRegression", params={"C": 0.5}).C == 0.5
    with pytest.raises(ConfigError, match="did you mean 'LogisticRegression'"):
        classifier_named("LogisticRegresion")
    with pytest.raises(ConfigError, match="scorer_params"):
        classifier_named("LogisticRegression", params={"no_such": 1})
    with pytest.raises(ConfigError, match="scorer_params"):
        classifier_named("LogisticRegression", params={"C": -1.0})


def test_an_estimator_that_cannot_be_fitted_says_so(data):
    X, y = data
    fold = RowFold(X - 10, y, np.arange(160), np.arange(160, 240))
    with pytest.raises(DataError, match="MultinomialNB cannot be fitted on"):
        EstimatorScorer(MultinomialNB(), [fold], METRICS["accuracy"], classes=np.unique(y)).score([SUBSETS[0]])


def test_unknown_backend(row_folds):
    with pytest.raises(ConfigError, match="did you mean 'threading'"):
        EstimatorScorer(LogisticRegression(), row_folds, get_scorer("accuracy"), backend="thread")
