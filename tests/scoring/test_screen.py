"""Screening, with scorers that say what a test tells them to."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from acofer.errors import ConfigError
from acofer.scoring.protocol import subset_score
from acofer.scoring.race import hopeless
from acofer.scoring.screen import ScreenedScorer

N_FOLDS = 5


class Table:
    """A scorer that looks the fold values of a subset (its first feature) up, and remembers what it was asked."""

    def __init__(self, folds, greater_is_better=True):
        self.metric_name, self.greater_is_better = "made up", greater_is_better
        self.folds, self.asked, self.finished = np.asarray(folds, float), [], []

    def score(self, subsets, on_score=None):
        scores = []
        for position, subset in enumerate(subsets):
            self.asked.append(int(subset[0]))
            parts = self.folds[subset[0]]
            scores.append(subset_score(subset, float(parts.mean()), parts, self.greater_is_better, 1.0))
            if on_score is not None:
                on_score(position, scores[-1])
        return scores

    def finish(self, indices):
        self.finished.append(int(indices[0]))
        return self.score([indices])[0]


def subsets_of(numbers):
    return [np.array([number, 900 + number], np.int32) for number in numbers]


def noisy(means, noise, seed=0):
    return np.asarray(means)[:, None] + noise * np.random.default_rng(seed).normal(size=(len(means), N_FOLDS))


def test_only_the_promising_reach_the_dear_scorer():
    cheap = Table(noisy(np.linspace(0, 1, 40), 0.02))
    dear = Table(noisy(np.linspace(-3, 5, 40), 0.1, seed=1))
    scorer = ScreenedScorer(cheap, dear)
    scores = scorer.score(subsets_of(range(40)))
    hopeful = np.flatnonzero(~hopeless(cheap.folds))
    assert 1 <= len(hopeful) < 10
    assert dear.asked == hopeful.tolist()
    assert [i for i, score in enumerate(scores) if not score.is_estimate] == dear.asked
    assert [score.indices[0] for score in scores] == list(range(40))
    assert (scorer.tally.subsets, scorer.tally.spared, scorer.tally.finished) == (40, 40 - len(hopeful), 0)


def test_where_many_are_promising_a_share_goes_on_best_first():
    cheap = Table(noisy(np.linspace(0, 0.1, 40), 3.0))
    hopeful = np.flatnonzero(~hopeless(cheap.folds))
    assert len(hopeful) > 10
    dear = Table(np.zeros((40, N_FOLDS)))
    ScreenedScorer(cheap, dear).score(subsets_of(range(40)))
    assert dear.asked == sorted(hopeful[np.argsort(-cheap.folds[hopeful].mean(axis=1))[:10]].tolist())
    dear = Table(np.zeros((40, N_FOLDS)))
    ScreenedScorer(cheap, dear, share=0.1).score(subsets_of(range(40)))
    assert len(dear.asked) == 4


@pytest.mark.parametrize("n", [1, 2, 3])
def test_at_least_one_goes_on_even_behind_an_earlier_one(n):
    cheap, dear = Table(noisy([5.0, 0.2, 0.1, 0.0], 0.01)), Table(noisy([5.0, 0.2, 0.1, 0.0], 0.01))
    scorer = ScreenedScorer(cheap, dear)
    scorer.score(subsets_of([0]))
    scores = scorer.score(subsets_of(range(1, n + 1)))
    assert dear.asked == [0, 1]
    assert [score.is_estimate for score in scores] == [False] + [True] * (n - 1)


def test_a_batch_is_held_against_the_best_before_it():
    # By themselves both of the second batch are promising; behind the first batch's best neither is.
    folds = [[1, 1.01, 1.02, 1.01, 1], [0.5, 0.1, 0.3, 0.2, 0.4], [0.2, 0.4, 0.1, 0.3, 0.5]] + [[0.0] * 5] * 8
    alone, behind = Table(np.zeros((11, 5))), Table(np.zeros((11, 5)))
    ScreenedScorer(Table(folds), alone, share=1.0).score(subsets_of([1, 2]))
    assert alone.asked == [1, 2]
    scorer = ScreenedScorer(Table(folds), behind, share=1.0)
    scorer.score(subsets_of([0]))
    scorer.score(subsets_of([1, 2]))
    assert behind.asked in ([0, 1], [0, 2])


@given(st.integers(1, 30), st.floats(0.05, 1), st.booleans(), st.integers(0, 2**32), st.sampled_from([0.0, 0.01, 1.0]))
def test_estimates_keep_the_cheap_order_below_every_dear_score(n, share, greater_is_better, seed, noise):
    rng = np.random.default_rng(seed)
    cheap = Table(noisy(rng.normal(size=n).round(1), noise, seed))
    dear = Table(noisy(rng.normal(size=n), noise, seed + 1), greater_is_better)
    told = {}
    scores = ScreenedScorer(cheap, dear, share=share).score(subsets_of(range(n)), told.__setitem__)
    scored = [score for score in scores if not score.is_estimate]
    spared = [score for score in scores if score.is_estimate]
    assert 1 <= len(scored) <= max(1, share * n)
    worst = min(scored, key=lambda score: score.utility)
    for score in spared:
        assert score.utility < worst.utility
        assert score.value == (score.utility if greater_is_better else -score.utility)
        np.testing.assert_allclose(score.fold_utilities - worst.fold_utilities, score.utility - worst.utility)
        assert score.standard_error == worst.standard_error
    by_cheap = sorted(spared, key=lambda score: cheap.folds[score.indices[0]].mean())
    utilities = [score.utility for score in by_cheap]
    assert utilities == sorted(utilities)
    assert told == dict(enumerate(scores))


def test_an_estimate_is_in_the_dear_scorers_units():
    # The dear utility is ten times the cheap one plus seven; 30 go on, then one falls behind by .5 of the cheap scorer.
    means = np.random.default_rng(0).normal(size=30)
    folds = np.vstack([noisy(means, 0), np.full((1, N_FOLDS), means.max() - 0.5)])
    cheap, dear = Table(folds), Table(10 * folds + 7)
    scorer = ScreenedScorer(cheap, dear, share=1.0)
    for number in range(30):
        scorer.score(subsets_of([number]))
    best = int(np.argmax(means))
    _, spared = scorer.score(subsets_of([best, 30]))
    assert spared.is_estimate
    assert spared.utility == pytest.approx(10 * (means.max() - 0.5) + 7)


def test_finishing_is_dear_and_counts_what_is_new():
    cheap, dear = Table(noisy([1.0, 0.0, 0.5], 0.01)), Table(noisy([1.0, 0.0, 0.5], 0.01))
    scorer = ScreenedScorer(cheap, dear)
    scores = scorer.score(subsets_of([0, 1]))
    assert scores[1].is_estimate
    for number in (0, 1, 2, 2):
        finished = scorer.finish(subsets_of([number])[0])
        assert not finished.is_estimate
        np.testing.assert_array_equal(finished.fold_utilities, dear.folds[number])
    assert dear.finished == [0, 1, 2, 2]
    assert scorer.tally.finished == 2  # 1, that was spared, and 2, that is new
    assert 2 not in cheap.asked


def test_nothing_to_score_is_nothing():
    assert ScreenedScorer(Table([]), Table([])).score([]) == []


@pytest.mark.parametrize("share", [0, -0.1, 1.5, float("nan")])
def test_a_share_out_of_range_is_refused(share):
    with pytest.raises(ConfigError, match="share: expected a number above 0 and at most 1; got"):
        ScreenedScorer(Table([]), Table([]), share=share)
