"""What a search may cost: counted by the scorer that it asks."""

import dataclasses

import numpy as np
import pytest
from planted import Worth, subset

from acofer.bench import budget as budgets
from acofer.bench.budget import ASKED_PER_EVALUATION, Budget, BudgetSpent, CountingScorer
from acofer.errors import ConfigError

A, B, C, D = (subset(i, i + 1) for i in (1, 4, 7, 9))  # feature 5, in B, is good


class Clock:
    """Stands in for the time module; every batch takes `step` seconds."""

    now = 0.0

    def perf_counter(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    monkeypatch.setattr(budgets, "time", Clock())
    return budgets.time


class Slow(Worth):
    def __init__(self, clock, step):
        super().__init__()
        self.clock, self.step = clock, step

    def score(self, subsets, on_score=None):
        self.clock.now += self.step
        return super().score(subsets, on_score)


class Racing(Worth):
    """All but the first of a batch come back as estimates, which look better than they are."""

    def score(self, subsets, on_score=None):
        first, *others = super().score(subsets, on_score)
        return [first, *(dataclasses.replace(s, utility=s.utility + 9, is_estimate=True) for s in others)]


@pytest.mark.parametrize(
    "given",
    [{}, {"evaluations": 0}, {"evaluations": 2.5}, {"evaluations": True}, {"seconds": 0}, {"seconds": float("nan")}],
)
def test_a_budget_says_what_is_wrong_with_it(given):
    with pytest.raises(ConfigError, match="budget: "):
        Budget(**given)


def test_known_subsets_cost_nothing():
    inner = Worth()
    scorer = CountingScorer(inner, Budget(evaluations=3))
    told = []
    scores = scorer.score([A, B, A], lambda place, score: told.append((place, score.indices.tobytes())))
    assert inner.batches == [2]
    assert sorted(told) == [(0, A.tobytes()), (1, B.tobytes()), (2, A.tobytes())]
    again = scorer.score([B, A])
    assert inner.batches == [2]
    assert again[0] is scores[1]
    assert again[1] is scores[0] is scores[2]
    assert (scorer.evaluations, scorer.asked, len(scorer.archive)) == (2, 5, 2)


def test_a_batch_that_does_not_fit_is_cut_and_scored():
    inner = Worth()
    scorer = CountingScorer(inner, Budget(evaluations=3))
    scorer.score([A])
    with pytest.raises(BudgetSpent):
        scorer.score([A, B, C, D])
    assert inner.batches == [1, 2]
    assert scorer.evaluations == 3
    assert scorer.archive.get(C) is not None
    assert scorer.archive.get(D) is None
    assert [s.indices.tobytes() for s in scorer.score([C, A])] == [C.tobytes(), A.tobytes()]  # still known
    with pytest.raises(BudgetSpent):
        scorer.score([D])
    assert inner.batches == [1, 2]


def test_a_batch_that_just_fits_is_returned():
    scorer = CountingScorer(Worth(), Budget(evaluations=2))
    assert len(scorer.score([A, B])) == 2
    assert scorer.spent == 1.0


def test_seconds_end_a_search_after_the_batch_that_has_begun(clock):
    inner = Slow(clock, 4.0)
    scorer = CountingScorer(inner, Budget(seconds=10.0))
    clock.now = 100.0  # nothing runs before the first subset is asked for
    for one in (A, B, C):
        scorer.score([one])
    assert scorer.seconds == 12.0
    assert scorer.spent == 1.0
    with pytest.raises(BudgetSpent):
        scorer.score([A])  # known ones neither
    assert inner.batches == [1, 1, 1]


def test_the_clock_starts_when_it_is_told_and_stops_at_the_end(clock):
    scorer = CountingScorer(Slow(clock, 1.0), Budget(seconds=10.0))
    scorer.start()
    clock.now += 5.0
    scorer.start()
    scorer.score([A])
    assert (scorer.seconds, scorer.spent) == (6.0, 0.6)
    scorer.end()
    clock.now += 50.0
    assert scorer.seconds == 6.0


def test_who_repeats_himself_is_ended():
    scorer = CountingScorer(Worth(), Budget(evaluations=2))
    for _ in range(2 * ASKED_PER_EVALUATION):
        scorer.score([A])
    with pytest.raises(BudgetSpent):
        scorer.score([A])
    assert scorer.evaluations == 1


def test_finishing_counts_what_is_new_and_settles_what_is_known():
    inner = Racing()
    scorer = CountingScorer(inner, Budget(evaluations=3))
    scorer.score([A, B])
    assert scorer.archive.get(B).is_estimate
    assert not scorer.finish(B).is_estimate
    assert scorer.evaluations == 2
    scorer.finish(C)
    assert scorer.evaluations == 3
    batches = len(inner.batches)
    scorer.finish(C)
    assert len(inner.batches) == batches
    with pytest.raises(BudgetSpent):
        scorer.finish(D)
    scorer = CountingScorer(Racing(), Budget(evaluations=2))
    scorer.score([A, B])
    assert not scorer.finish(B).is_estimate  # also when all is spent


@pytest.mark.parametrize("is_loss", [False, True])
def test_the_history_is_that_of_the_best_whatever_the_sign_of_the_metric(is_loss):
    scorer = CountingScorer(Worth(is_loss), Budget(evaluations=10))
    for batch in ([A], [B, subset(2, 3)], [subset(0, 1)], [subset(5, 11)]):
        scorer.utilities(batch)
    scorer.end()
    scorer.end()
    sign = -1 if is_loss else 1
    assert [(n, round(sign * value, 1), size) for n, _, value, size in scorer.history] == [
        (1, 0.0, 2),
        (3, 0.5, 2),
        (5, 1.0, 2),
        (5, 1.0, 2),
    ]
    assert scorer.archive.best.indices.tolist() == [5, 11]
    assert scorer.utilities([A])[0] == pytest.approx(0.0, abs=0.01)


def test_estimates_do_not_make_history():
    scorer = CountingScorer(Racing(), Budget(evaluations=10))
    scorer.score([A, B])
    assert [value for *_, value, _ in scorer.history] == [scorer.archive.get(A).value]
    assert scorer.history[0][2] < 1


def test_progress_is_told_after_every_batch():
    told = []
    scorer = CountingScorer(Worth(), Budget(evaluations=10), on_score=lambda s: told.append(s.evaluations))
    scorer.score([A, B])
    scorer.score([A])
    scorer.finish(C)
    assert told == [2, 3]


def test_archive_keeps_what_the_scorer_said():
    inner = Worth()
    scorer = CountingScorer(inner, Budget(evaluations=10))
    (score,) = scorer.score([B])
    np.testing.assert_array_equal(score.fold_utilities, inner.finish(B).fold_utilities)
