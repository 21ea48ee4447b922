import warnings

import numpy as np
import pytest
from sklearn import metrics as sk

from acofer.errors import ConfigError
from acofer.scoring.metrics import (
    LOG_LOSS_FLOOR,
    METRICS,
    RATES,
    binary_accuracy,
    confusion,
    log_loss,
    metric_named,
    paired_difference,
    rates,
    scorecard,
)


@pytest.fixture
def guesses():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 5, 300)
    proba = rng.dirichlet(np.ones(7) * 0.7, 300)  # seven classes, of which two have no true row
    proba[np.arange(300), y] += 0.3
    return y, proba / proba.sum(axis=1, keepdims=True)


def test_rates_equal_scikit_learns(guesses):
    y, proba = guesses
    predicted = proba.argmax(axis=1)
    ours = rates(confusion(y, predicted, 7))
    present = np.unique(y)
    macro = {"labels": present, "average": "macro", "zero_division": 0}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scikit-learn remarks on predicted classes without true rows
        balanced = sk.balanced_accuracy_score(y, predicted)
    assert ours["accuracy"] == pytest.approx(sk.accuracy_score(y, predicted))
    assert ours["balanced accuracy"] == pytest.approx(balanced)
    assert ours["macro precision"] == pytest.approx(sk.precision_score(y, predicted, **macro))
    assert ours["macro recall"] == pytest.approx(sk.recall_score(y, predicted, **macro))
    assert ours["macro F1"] == pytest.approx(sk.f1_score(y, predicted, **macro))


def test_log_loss_equals_scikit_learns_on_floored_probabilities(guesses):
    y, proba = guesses
    floored = np.maximum(proba, LOG_LOSS_FLOOR)
    floored /= floored.sum(axis=1, keepdims=True)
    assert log_loss(y, proba) == pytest.approx(sk.log_loss(y, floored, labels=range(7)))
    certain_and_wrong = np.array([[1.0, 0.0]])
    assert log_loss(np.array([1]), certain_and_wrong) == pytest.approx(-np.log(LOG_LOSS_FLOOR / (1 + LOG_LOSS_FLOOR)))


def test_brier_score_as_it_is_written(guesses):
    y, proba = guesses
    slow = np.mean([sum((p - (c == own)) ** 2 for c, p in enumerate(row)) for own, row in zip(y, proba, strict=True)])
    assert METRICS["brier"].of(y, proba) == pytest.approx(slow)
    assert METRICS["brier"].of(np.array([1]), np.array([[1.0, 0.0]])) == 2.0
    two = proba[:, :2] / proba[:, :2].sum(axis=1, keepdims=True)  # of two classes it is twice the usual one
    assert METRICS["brier"].of(y % 2, two) == pytest.approx(2 * sk.brier_score_loss(y % 2, two[:, 1]))


def test_a_metric_that_must_be_minimised_has_its_sign_turned():
    losses = {"log-loss", "brier"}
    assert all(METRICS[name].utility(0.5) > METRICS[name].utility(0.9) for name in losses)
    assert all(METRICS[name].utility(0.9) > METRICS[name].utility(0.5) for name in METRICS.keys() - losses)


def test_unknown_metric_names_the_nearest():
    with pytest.raises(ConfigError, match="did you mean 'accuracy'"):
        metric_named("acuracy")


def test_interval_equals_that_of_resampled_rows(guesses):
    # Drawing the cells of the confusion matrix is the same as drawing rows: compare with drawing rows.
    y, proba = guesses
    predicted = proba.argmax(axis=1)
    rng = np.random.default_rng(1)
    slow = {"accuracy": [], "macro F1": []}
    for _ in range(2000):
        rows = rng.integers(0, len(y), len(y))
        drawn = rates(confusion(y[rows], predicted[rows], 7))
        for name in slow:
            slow[name].append(drawn[name])
    card = scorecard(y, proba)
    for name, draws in slow.items():
        np.testing.assert_allclose(card[name]["interval"], np.quantile(draws, [0.025, 0.975]), atol=0.012)


def test_interval_covers_the_truth_as_often_as_it_says():
    rng, truth, covered = np.random.default_rng(2), 0.6, 0
    for trial in range(200):
        y = rng.integers(0, 2, 300)
        predicted = np.where(rng.random(300) < truth, y, 1 - y)
        low, high = scorecard(y, np.eye(2)[predicted], seed=trial)["accuracy"]["interval"]
        covered += low <= truth <= high
    assert 180 <= covered <= 198


def test_scorecard_adds_up(guesses):
    y, proba = guesses
    card = scorecard(y, proba)
    assert tuple(rates(np.array(card["confusion"]))) == RATES
    for metric in METRICS.values():
        assert card[metric.entry]["value"] == pytest.approx(metric.of(y, proba))
    assert np.sum(card["confusion"]) == card["rows"] == 300
    assert [row["rows"] for row in card["per class"]] == np.bincount(y, minlength=7).tolist()
    assert card["per class"][0]["recall"] == pytest.approx(sk.recall_score(y == 0, proba.argmax(1) == 0))


def test_paired_difference_is_paired_and_signed():
    rng = np.random.default_rng(3)
    y = rng.integers(0, 7, 1000)
    worse = np.where(rng.random(1000) < 0.5, y, (y + 1) % 7)
    better = worse.copy()
    wrong = np.flatnonzero(worse != y)[:20]
    better[wrong] = y[wrong]  # right on 20 more rows, else the same: a small but certain gain
    found = paired_difference(y, better, [worse])
    assert found["difference"] == pytest.approx(0.02)
    assert 0 < found["interval"][0] < 0.02 < found["interval"][1]
    mirrored = paired_difference(y, worse, [better])
    assert mirrored["interval"][1] < 0
    same = paired_difference(y, worse, [worse, worse])
    assert same == {"difference": 0.0, "interval": [0.0, 0.0]}


def test_more_comparisons_widen_the_interval():
    rng = np.random.default_rng(4)
    y = rng.integers(0, 3, 400)
    one, other = (np.where(rng.random(400) < 0.6, y, (y + 1) % 3) for _ in range(2))
    narrow = paired_difference(y, one, [other])["interval"]
    wide = paired_difference(y, one, [other], comparisons=3)["interval"]
    assert wide[0] < narrow[0] < narrow[1] < wide[1]


def test_binary_accuracy_counts_a_yes_or_no_for_each_class():
    rng = np.random.default_rng(3)
    outputs, y = rng.random((200, 5)), rng.integers(0, 5, 200)
    measured = binary_accuracy(y, outputs)
    right = sum((outputs[i, c] > 0.5) == (y[i] == c) for i in range(200) for c in range(5))
    assert measured["value"] == pytest.approx(right / 1000)
    low, high = measured["interval"]
    assert low < measured["value"] < high
    by_row = ((outputs > 0.5) == np.eye(5, dtype=bool)[y]).mean(axis=1)
    assert high - low == pytest.approx(2 * 1.96 * by_row.std() / np.sqrt(200), rel=0.1)
    assert binary_accuracy(np.arange(7), np.zeros((7, 7)))["value"] == pytest.approx(6 / 7)


def test_intervals_of_many_comparisons_rest_on_more_than_a_draw():
    """Of 2,000 draws one and a quarter lay beyond each end of an interval that was widened for forty."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 7, 3000)
    one, other = (np.where(rng.random(3000) < share, y, (y + 1) % 7) for share in (0.5, 0.45))
    by_row = (one == y).astype(float) - (other == y)
    error = by_row.std() / np.sqrt(3000)
    ends = [paired_difference(y, one, other, comparisons=40, seed=seed)["interval"][1] for seed in range(20)]
    assert np.mean(ends) == pytest.approx(by_row.mean() + 3.227 * error, rel=0.02)  # z of 0.05 / 40 / 2
    assert np.std(ends) < 0.04 * 3.227 * error
