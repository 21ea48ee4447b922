"""Searchers under a budget, with a scorer that knows which features are good."""

import itertools
import random
import sys

import numpy as np
import pytest
from planted import GOOD, N_CLASSES, P, Worth, X, Y, task_of, worth

from acofer.bench.annealing import annealing
from acofer.bench.budget import ASKED_PER_EVALUATION, Budget, CountingScorer
from acofer.bench.genetic import evolution
from acofer.bench.searchers import settings
from acofer.bench.selectors import SELECTORS, choose
from acofer.bench.subsets import top
from acofer.colony.colony import AntColony
from acofer.colony.search import search_subsets, settle
from acofer.colony.size import size_grid
from acofer.config.search import SearchConfig
from acofer.errors import ConfigError, MissingExtraError
from acofer.forest.forest import HistForestClassifier
from acofer.scoring.forest import BinnedFold, ForestScorer
from acofer.scoring.metrics import METRICS
from acofer.scoring.moments import FoldMoments
from acofer.scoring.protocol import ResampledFold, stratified_folds
from acofer.scoring.ridge import RidgeScorer

SEARCHERS = tuple(name for name, selector in SELECTORS.items() if selector.searches)
COLONIES = ("colony", "heuristic-alone", "pheromone-alone")
N_EVALUATIONS = 150


def searched(name, scorer=None, **options):
    """Return the choice and the task, whose scorer has the archive."""
    for module in SELECTORS[name].needs:
        pytest.importorskip(module)
    options.setdefault("budget", Budget(evaluations=N_EVALUATIONS))
    task = task_of(name, scorer=scorer or Worth(), **options)
    return choose(SELECTORS[name], task), task


def key(archive):
    return [(s.indices.tobytes(), s.utility, s.fold_utilities.tobytes()) for s in archive]


def upwards(indices):
    """Exchange the first bad feature for the first good one that is not there."""
    bad, missing = np.setdiff1d(indices, GOOD), np.setdiff1d(GOOD, indices)
    if not len(bad) or not len(missing):
        return indices
    return np.sort(np.append(np.setdiff1d(indices, bad[:1]), missing[0])).astype(np.int32)


@pytest.mark.parametrize("name", SEARCHERS)
@pytest.mark.parametrize("is_loss", [False, True])
def test_a_searcher_spends_its_budget_and_no_more_and_returns_its_best(name, is_loss):
    inner = Worth(is_loss)
    choice, task = searched(name, inner)
    assert sum(inner.batches) == task.scorer.evaluations == len(task.scorer.archive) == N_EVALUATIONS
    assert all(len(s.indices) == len(GOOD) for s in task.scorer.archive)
    assert all((np.diff(s.indices) > 0).all() and s.indices.dtype == np.int32 for s in task.scorer.archive)
    assert worth(choice.indices) == max(worth(s.indices) for s in task.scorer.archive)
    last = task.scorer.history[-1]
    assert last[0] == N_EVALUATIONS
    assert last[2] == pytest.approx((-1 if is_loss else 1) * worth(choice.indices))


@pytest.mark.parametrize("name", sorted({*SEARCHERS} - {"random-search", "heuristic-alone"}))
def test_who_learns_from_scores_finds_more_than_random_search(name):
    """The heuristic says nothing here: only what was scored can help."""
    nothing = {"informs": lambda _: np.ones(P)}
    seeds, budget = range(3), Budget(evaluations=400)
    own = [worth(searched(name, seed=seed, budget=budget, **nothing)[0].indices) for seed in seeds]
    chance = [worth(searched("random-search", seed=seed, budget=budget)[0].indices) for seed in seeds]
    assert np.mean(own) > np.mean(chance) + 0.05


def test_the_heuristic_alone_finds_what_it_points_at():
    choice, _ = searched("heuristic-alone")
    assert worth(choice.indices) >= 0.9


@pytest.mark.parametrize("name", SEARCHERS)
def test_the_seed_decides_and_nobodys_random_state_is_touched(name):
    random.seed(5)
    np.random.seed(5)  # noqa: NPY002
    before = random.getstate(), np.random.get_state()[1].tolist()  # noqa: NPY002
    first, again, other = (searched(name, seed=seed)[1].scorer.archive for seed in (1, 1, 2))
    assert key(first) == key(again)
    assert key(first) != key(other)
    assert (random.getstate(), np.random.get_state()[1].tolist()) == before  # noqa: NPY002


@pytest.mark.parametrize("name", SEARCHERS)
def test_who_can_only_repeat_himself_is_ended(name):
    """All features: there is one subset."""
    choice, task = searched(name, size=P, budget=Budget(evaluations=8))
    assert task.scorer.evaluations == 1
    assert task.scorer.asked > 8 * ASKED_PER_EVALUATION
    np.testing.assert_array_equal(choice.indices, np.arange(P))


@pytest.mark.parametrize("name", SEARCHERS)
def test_seconds_are_kept_within_a_batch(name):
    choice, task = searched(name, budget=Budget(seconds=0.2))
    assert len(choice.indices) == len(GOOD)
    assert 0.2 <= task.scorer.seconds < 5.0  # a batch takes milliseconds
    assert task.scorer.evaluations >= 1


@pytest.mark.parametrize("name", SEARCHERS)
def test_a_share_is_the_number_that_the_colony_takes(name):
    choice, _ = searched(name, size=0.1, budget=Budget(evaluations=30))
    assert len(choice.indices) == size_grid(0.1, P)[0] == 6


@pytest.mark.parametrize("name", sorted({*SEARCHERS} - {*COLONIES}))
def test_other_searchers_ask_for_a_number_of_features(name):
    with pytest.raises(ConfigError, match="expected a number of features or a share"):
        searched(name, size="5:20")


@pytest.mark.parametrize("name", COLONIES)
@pytest.mark.parametrize("size", ["5:20", "auto"])
def test_colonies_take_a_range_and_the_smallest_within_one_standard_error(name, size):
    choice, task = searched(name, size=size)
    archive = task.scorer.archive
    assert {s.size for s in archive} <= set(size_grid(size, P).tolist())
    assert len({s.size for s in archive}) > 1
    assert choice.about == {"pick": "1se"}
    assert choice.indices.tolist() == archive.pick("1se").indices.tolist()


@pytest.mark.parametrize("improve", [None, upwards])
@pytest.mark.parametrize("size", [10, "5:20"])
def test_the_colony_is_that_of_the_main_job(improve, size):
    """Through the counting scorer, bit by bit the archive of `search_subsets` after as many iterations."""
    nothing = {"informs": lambda _: np.ones(P)}  # so that local search has something to improve
    alone = task_of("colony", size=size, seed=4, improve=improve, **nothing)
    ants = AntColony(alone.heuristic("auto"), settings(alone), 4, 1)
    trace = search_subsets(ants, Worth(), 6, improve=improve)
    budget = Budget(evaluations=len(trace.archive))
    _, task = searched("colony", size=size, seed=4, improve=improve, budget=budget, **nothing)
    assert key(task.scorer.archive) == key(trace.archive)


def test_the_colony_is_that_of_the_main_job_where_a_race_leaves_estimates():
    def racing():
        part = ResampledFold(X[:250], Y[:250], X[250:], Y[250:])
        fold = BinnedFold.of(part, np.arange(N_CLASSES), 32, seed=0, n_jobs=1)
        forest = HistForestClassifier(30, random_state=0)
        return ForestScorer(forest, [fold], METRICS["log-loss"], n_classes=N_CLASSES, n_jobs=1, seed=0, is_race=True)

    alone = task_of("colony", seed=1)
    trace = search_subsets(AntColony(alone.heuristic("auto"), settings(alone), 1, 1), racing(), 3)
    assert any(score.is_estimate for score in trace.archive)
    budget = Budget(evaluations=len(trace.archive))
    choice, task = searched("colony", racing(), seed=1, budget=budget)
    settled = settle(trace, racing(), "best")
    assert choice.indices.tolist() == settled.indices.tolist()
    assert key(task.scorer.archive) == key(trace.archive)
    assert task.scorer.history[-1][2] == settled.value


def test_the_colony_is_that_of_the_main_job_by_ridge():
    folds = stratified_folds(Y, 3, 0)
    moments = FoldMoments.of(X, Y, folds, N_CLASSES)
    alone = task_of("colony", heuristic="conditional")
    ants = AntColony(alone.heuristic("conditional"), settings(alone), 0, 1)
    trace = search_subsets(ants, RidgeScorer(moments), 3)
    budget = Budget(evaluations=len(trace.archive))
    _, task = searched("colony", RidgeScorer(moments), budget=budget, heuristic="conditional")
    assert key(task.scorer.archive) == key(trace.archive)


def test_defaults_are_those_of_the_main_job():
    with_ridge, with_forest = SearchConfig(scorer="ridge").settled(), SearchConfig().settled()
    for improve, meant in ((upwards, with_ridge), (None, with_forest)):
        own = settings(task_of("colony", improve=improve))
        assert own.variant == meant.variant
        assert (own.n_ants, own.alpha, own.beta, own.rho, own.q0) == (
            meant.ants,
            meant.alpha,
            meant.beta,
            meant.rho,
            meant.q0,
        )
        assert (own.n_candidates, own.patience) == (meant.candidates, meant.patience)


def test_local_search_can_be_left_out():
    called = []

    def spy(indices):
        called.append(1)
        return indices

    searched("colony", improve=spy, local_search="off")
    assert not called
    searched("colony", improve=spy)
    assert called


def test_pheromone_alone_heeds_no_heuristic():
    archives = [
        searched("pheromone-alone", informs=lambda _, eta=eta: eta)[1].scorer.archive
        for eta in (np.ones(P), np.linspace(0.1, 1, P))
    ]
    assert key(archives[0]) == key(archives[1])


def test_the_heuristic_alone_heeds_no_scores():
    """Told the opposite, ants of one fixed size go on as before."""

    class Opposite(Worth):
        def _score(self, subset):
            score = super()._score(subset)
            return type(score)(**{**vars(score), "utility": -score.utility})

    first, second = (searched("heuristic-alone", scorer)[1].scorer.archive for scorer in (Worth(), Opposite()))
    assert [s.indices.tobytes() for s in first] == [s.indices.tobytes() for s in second]
    learns = [searched("colony", scorer)[1].scorer.archive for scorer in (Worth(), Opposite())]
    assert [s.indices.tobytes() for s in learns[0]] != [s.indices.tobytes() for s in learns[1]]


def test_annealing_accepts_worse_subsets_at_first_and_hardly_any_at_the_end():
    accepted = np.zeros((3, 1000))
    for seed, row in enumerate(accepted):
        scorer = CountingScorer(Worth(), Budget(evaluations=1500))
        steps = annealing(scorer, P, 10, seed, start=20, step=0.1, acceptance=0.8)
        row[:] = list(itertools.islice(steps, 1000))
        assert scorer.spent < 1
    assert accepted[:, :200].mean() > 0.5
    assert accepted[:, 800:].mean() < 0.4


def test_a_particles_subset_are_its_largest_coordinates():
    assert top(np.array([0.1, 0.9, 0.5, 0.5]), 2).tolist() == [1, 2]


def test_the_best_of_a_generation_survives():
    pytest.importorskip("deap")
    best, asked = [], []

    def utilities(subsets):
        asked.append(len(subsets))
        return [worth(s) for s in subsets]

    seen = []
    generations = evolution(
        lambda subsets: seen.extend(found := utilities(subsets)) or found,
        P,
        10,
        0,
        population=12,
        tournament=3,
        crossover=0.8,
        mutation=0.5,
        mutated=2,
    )
    for _ in range(60):
        next(generations)
        best.append(max(seen))
    assert asked[0] == 12
    assert max(asked[1:]) <= 11  # the best is not asked for again
    assert best[-1] > best[0] + 0.2


@pytest.mark.parametrize(
    ("name", "module", "package"), [("genetic-algorithm", "deap", "DEAP"), ("particle-swarm", "pymoo.core", "pymoo")]
)
def test_a_missing_package_is_named_with_its_extra(monkeypatch, name, module, package):
    monkeypatch.setitem(sys.modules, module, None)
    for loaded in [m for m in sys.modules if m.startswith(module + ".")]:
        monkeypatch.delitem(sys.modules, loaded)
    with pytest.raises(MissingExtraError, match=rf"{package}.*acofer\[bench\]"):
        choose(SELECTORS[name], task_of(name, scorer=Worth()))


def test_who_searches_needs_a_scorer_and_a_subset_in_time():
    with pytest.raises(ConfigError, match="give a scorer and a budget"):
        choose(SELECTORS["random-search"], task_of("random-search"))
    task = task_of("random-search", scorer=Worth(), budget=Budget(seconds=1e-9))
    task.scorer.start()
    with pytest.raises(ConfigError, match="spent before a subset was scored"):
        choose(SELECTORS["random-search"], task)
