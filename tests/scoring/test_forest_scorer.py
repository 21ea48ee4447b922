"""The fast forest's scorer: what it scores is what the classifier would, however it is spared work."""

import numpy as np
import pytest
from sklearn.datasets import make_classification

from acofer.colony.colony import AntColony, ColonySettings
from acofer.colony.search import search_subsets, settle
from acofer.forest.forest import HistForestClassifier
from acofer.scoring import forest as module
from acofer.scoring.forest import BinnedFold, ForestScorer
from acofer.scoring.metrics import METRICS
from acofer.scoring.protocol import ResampledFold, RowFold, validation_blocks

CLASSES = np.arange(3)
TREES = 30


@pytest.fixture(scope="module")
def problem():
    return make_classification(
        600, 40, n_informative=8, n_redundant=0, n_classes=3, shuffle=False, random_state=0, flip_y=0.1
    )


@pytest.fixture(scope="module")
def fold(problem):
    X, y = problem
    rng = np.random.default_rng(0)
    train, validation = np.split(rng.permutation(len(y)), [400])
    return ResampledFold(X[train], y[train], X[validation], y[validation])


@pytest.fixture(scope="module")
def binned(fold):
    return BinnedFold.of(fold, CLASSES, 32, seed=0, n_jobs=1)


@pytest.fixture(scope="module")
def subsets():
    """Some with informative features (the first eight), some without."""
    rng = np.random.default_rng(1)
    good = [np.sort(np.append(np.arange(8), rng.choice(np.arange(8, 40), 4, replace=False))) for _ in range(3)]
    poor = [np.sort(rng.choice(np.arange(8, 40), 6, replace=False)) for _ in range(5)]
    return [subset.astype(np.int32) for subset in [*poor, *good]]


def scorer_of(binned, *, trees=TREES, metric="log-loss", **options):
    folds = binned if isinstance(binned, list) else [binned]
    return ForestScorer(HistForestClassifier(trees, random_state=3), folds, METRICS[metric], n_classes=3, **options)


def as_numbers(scores):
    return [
        (s.indices.tolist(), s.utility, s.value, s.fold_utilities.tolist(), s.standard_error, s.trees, s.is_estimate)
        for s in scores
    ]


@pytest.mark.parametrize("metric", list(METRICS))
def test_a_full_score_is_that_of_the_fitted_classifier(fold, binned, subsets, metric):
    model = HistForestClassifier(TREES, random_state=3)
    blocks = validation_blocks(fold.y_validation, 0)
    for score in scorer_of(binned, metric=metric, is_race=False).score(subsets):
        model.fit_codes(binned.bins, binned.train, binned.y_train, score.indices)
        proba = model.predict_proba(fold.X_validation[:, score.indices])
        assert score.value == pytest.approx(METRICS[metric].of(fold.y_validation, proba), rel=1e-12)
        parts = [METRICS[metric].of(fold.y_validation[block], proba[block]) for block in blocks]
        np.testing.assert_allclose(np.abs(score.fold_utilities), parts, rtol=1e-12)
        assert score.utility == METRICS[metric].utility(score.value)
        assert score.trees == TREES


def test_with_folds_a_score_is_their_mean(problem, subsets):
    X, y = problem
    rows = np.random.default_rng(0).permutation(len(y))
    parts = np.array_split(rows, 3)
    folds = [RowFold(np.asfortranarray(X), y, np.setdiff1d(rows, part), part) for part in parts]
    binned = [BinnedFold.of(fold, CLASSES, 32, seed=0, n_jobs=1) for fold in folds]
    (score,) = scorer_of(binned, is_race=False).score(subsets[:1])
    alone = [scorer_of(fold, is_race=False).score(subsets[:1])[0].value for fold in binned]
    np.testing.assert_allclose(-score.fold_utilities, alone, rtol=1e-12)
    assert score.value == pytest.approx(np.mean(alone))


@pytest.mark.parametrize("is_race", [True, False])
def test_scores_do_not_depend_on_threads_or_company(binned, subsets, is_race):
    alone = scorer_of(binned, is_race=is_race, n_jobs=1).score(subsets)
    for n_jobs in (2, 5):
        assert as_numbers(scorer_of(binned, is_race=is_race, n_jobs=n_jobs).score(subsets)) == as_numbers(alone)
    backwards = scorer_of(binned, is_race=is_race).score(subsets[::-1])
    assert as_numbers(backwards[::-1]) == as_numbers(alone)


def loss_after(fold, binned, indices, trees):
    """Log-loss of the first trees, a class without votes counting as .45 of a vote."""
    model = HistForestClassifier(trees, random_state=3).fit_codes(binned.bins, binned.train, binned.y_train, indices)
    votes = np.maximum(trees * model.predict_proba(fold.X_validation[:, indices]), 0.45)
    return METRICS["log-loss"].of(fold.y_validation, votes / votes.sum(axis=1, keepdims=True))


def test_racing_stops_the_poor_and_scores_the_best_in_full(fold, binned, subsets):
    raced, full = scorer_of(binned, trees=90), scorer_of(binned, trees=90, is_race=False)
    scores, in_full = raced.score(subsets), full.score(subsets)
    assert [s.is_estimate for s in scores[:5]] == [True] * 5
    best = max(scores, key=lambda s: s.utility)
    assert not best.is_estimate
    assert best.trees == 90
    for score, whole in zip(scores, in_full, strict=True):
        if not score.is_estimate:
            assert as_numbers([score]) == as_numbers([whole])
            continue
        assert score.utility < best.utility
        behind = loss_after(fold, binned, best.indices, score.trees) - loss_after(
            fold, binned, score.indices, score.trees
        )
        assert score.utility == pytest.approx(best.utility + behind)
    assert raced.tally.stopped == sum(s.is_estimate for s in scores)
    assert raced.tally.grown == sum(s.trees for s in scores)
    assert full.tally.grown == 90 * len(subsets)


def test_later_subsets_race_against_the_best_so_far(binned, subsets):
    scorer = scorer_of(binned, trees=90)
    scorer.score(subsets[5:])
    (lone, _) = scorer.score([subsets[0], subsets[5]])
    assert lone.is_estimate


def test_a_stopped_subset_that_may_be_the_best_is_scored_in_full_after_all(binned, subsets, monkeypatch):
    def all_but_the_first(utilities, rival=None):
        return np.arange(len(utilities)) > 0  # a test gone wrong: it keeps a poor subset

    monkeypatch.setattr(module, "hopeless", all_but_the_first)
    scores = scorer_of(binned, trees=90).score(subsets)
    best = max(scores, key=lambda s: s.utility)
    assert not best.is_estimate
    assert set(range(8)) <= set(best.indices.tolist())


def test_a_subset_picked_for_its_size_is_scored_in_full(binned):
    scorer = scorer_of(binned, trees=90)
    trace = search_subsets(AntColony(np.ones(40), ColonySettings(n_ants=8, size="2:20"), 0), scorer, 2)
    small = [s for s in trace.archive if s.size <= 4]
    assert any(s.is_estimate for s in small)
    chosen = settle(trace, scorer, 4)
    assert chosen.size <= 4
    assert chosen.trees == 90
    assert not chosen.is_estimate
    assert trace.archive.pick(4) is chosen


def test_rows_of_the_trace_say_how_far_behind_the_best_they_are(binned):
    trace = search_subsets(AntColony(np.ones(40), ColonySettings(n_ants=6, size=5), 0), scorer_of(binned), 2)
    best = trace.archive.best
    for row in trace.rows[6:]:
        gaps = row.score.fold_utilities - best.fold_utilities
        assert row.difference == pytest.approx(gaps.mean())
        assert row.difference_error == pytest.approx(gaps.std(ddof=1) / np.sqrt(len(gaps)))


@pytest.mark.parametrize("is_race", [True, False])
def test_a_memo_spares_all_trees_and_changes_nothing(binned, subsets, tmp_path, is_race):
    options = {"trees": 90, "is_race": is_race}
    fresh = scorer_of(binned, **options).score(subsets)
    first = scorer_of(binned, memo=tmp_path / "scores", **options)
    assert as_numbers(first.score(subsets)) == as_numbers(fresh)
    again = scorer_of(binned, memo=tmp_path / "scores", **options)
    assert as_numbers(again.score(subsets)) == as_numbers(fresh)
    assert again.tally.grown == 0
    assert again.tally.remembered == first.tally.grown > 0


def test_a_memo_of_a_race_serves_one_with_other_rivals(binned, subsets, tmp_path):
    """The poor race among themselves here: some live that stopped before, on trees that the memo lacks."""
    scorer_of(binned, trees=90, memo=tmp_path / "scores").score(subsets)
    alone = scorer_of(binned, trees=90).score(subsets[:5])
    remembered = scorer_of(binned, trees=90, memo=tmp_path / "scores")
    assert as_numbers(remembered.score(subsets[:5])) == as_numbers(alone)
    assert remembered.tally.grown > 0
    assert remembered.tally.remembered > 0


@pytest.mark.parametrize("change", ["seed", "metric", "row", "blocks"])
def test_another_question_is_not_answered_from_the_memo(binned, fold, subsets, tmp_path, change):
    scorer_of(binned, memo=tmp_path / "scores").score(subsets[:2])
    options = {"memo": tmp_path / "scores"}
    if change == "metric":
        options["metric"] = "accuracy"
    if change == "blocks":
        options["seed"] = 1
    if change == "row":
        X = fold.X_train.copy()
        X[0, 0] += 9
        binned = BinnedFold.of(
            ResampledFold(X, fold.y_train, fold.X_validation, fold.y_validation), CLASSES, 32, seed=0, n_jobs=1
        )
    other = scorer_of(binned, **options)
    if change == "seed":
        forest = HistForestClassifier(TREES, random_state=4)
        other = ForestScorer(forest, [binned], METRICS["log-loss"], n_classes=3, memo=tmp_path / "scores")
    other.score(subsets[:2])
    assert other.tally.remembered == 0


def test_a_failure_in_a_thread_ends_the_run_and_does_not_hang(binned, subsets, monkeypatch):
    def fail(*_):
        raise MemoryError("no room")

    monkeypatch.setattr("acofer.forest.trees.pack", fail)
    with pytest.raises(MemoryError, match="no room"):
        scorer_of(binned, n_jobs=2).score(subsets)


def test_progress_is_told_once_for_each_subset(binned, subsets):
    told = []
    scorer_of(binned, trees=90).score(subsets, lambda position, score: told.append(position))
    assert sorted(told) == list(range(len(subsets)))


def test_weights_of_a_fold_reach_the_trees(problem):
    X, y = problem
    weight = np.where(y == 0, 1.0, 0.0)  # rows of class 0 only: nothing else can be predicted
    fold = RowFold(np.asfortranarray(X), y, np.arange(400), np.arange(400, 600), weight)
    (score,) = scorer_of(BinnedFold.of(fold, CLASSES, 32, seed=0, n_jobs=1), metric="accuracy").score(
        [np.arange(5, dtype=np.int32)]
    )
    assert score.value == pytest.approx((y[400:] == 0).mean())
