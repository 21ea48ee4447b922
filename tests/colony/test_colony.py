import numpy as np
import pytest
from scipy.stats import ttest_rel

from acofer.colony.colony import CONVERGED, AntColony, ColonySettings
from acofer.colony.conditional import ConditionalHeuristic
from acofer.colony.pheromone import INITIAL, VARIANTS, Pheromone
from acofer.colony.size import size_grid
from acofer.errors import ConfigError
from acofer.scoring.moments import FoldMoments
from acofer.scoring.protocol import stratified_folds


def overlap(subset, planted):
    return float(np.isin(subset, planted).sum())


def run(colony, value, iterations):
    for _ in range(iterations):
        colony.tell([value(subset) for subset in colony.ask()])
    return colony


@pytest.fixture(scope="module")
def conditional():
    """What each of eighty features adds, of which the first four tell three classes apart, the fourth as the third."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, 300)
    X = rng.normal(size=(300, 80))
    X[:, :3] += 2 * rng.normal(size=(3, 3))[y]
    X[:, 3] = X[:, 2] + 0.01 * rng.normal(size=300)
    return ConditionalHeuristic.of(FoldMoments.of(X, y, stratified_folds(y, 3, 0), 3), 1e-3)


PUBLISHED_Q0 = {"acs": 0.9, "mmas": 0.0, "as": 0.0}


@pytest.mark.parametrize("variant", VARIANTS)
def test_better_subsets_gain_pheromone(variant):
    # One public selector rewards worse subsets when maximising.
    planted = np.arange(5)
    colony = AntColony(np.ones(60), ColonySettings(n_ants=10, size=8, q0=0.3, variant=variant), seed=1)
    run(colony, lambda s: overlap(s, planted), 25)
    assert colony.pheromone[planted].mean() > 1.5 * np.delete(colony.pheromone, planted).mean()


@pytest.mark.parametrize("variant", VARIANTS)
def test_planted_features_are_found_over_ten_seeds_and_sooner_than_by_chance(variant):
    n, k, planted = 200, 10, np.arange(100, 110)
    ants, iterations = 20, 30
    settings = ColonySettings(n_ants=ants, size=k, q0=PUBLISHED_Q0[variant], variant=variant)
    found, by_chance = [], []
    for seed in range(10):
        colony = run(AntColony(np.ones(n), settings, seed), lambda s: overlap(s, planted), iterations)
        found.append(colony.best_utility)
        rng = np.random.default_rng(seed)
        draws = (rng.choice(n, k, replace=False) for _ in range(ants * iterations))
        by_chance.append(max(overlap(draw, planted) for draw in draws))
    assert ttest_rel(found, by_chance, alternative="greater").pvalue < 1e-4
    assert np.mean(found) >= 5.5


def test_auto_size_learns_the_size_that_pays():
    settings = ColonySettings(n_ants=20, size="auto", q0=0.5)
    grid = size_grid("auto", 5120)
    pays, near = grid[5], grid[4:7]
    shares = []
    for seed in range(5):
        colony = run(AntColony(np.ones(5120), settings, seed), lambda s: -abs(np.log(len(s) / pays)), 15)
        assert len(colony.best) == pays
        shares.append(np.mean([len(subset) in near for subset in colony.ask()]))
    assert np.mean(shares) > 2 * len(near) / len(grid)


def test_best_so_far_never_falls():
    rng = np.random.default_rng(0)
    colony, best = AntColony(np.ones(40), ColonySettings(n_ants=5, size=5)), -np.inf
    for _ in range(20):
        colony.tell(rng.normal(size=len(colony.ask())))
        assert colony.best_utility >= best
        best = colony.best_utility


def test_among_equals_the_smaller_subset_is_best():
    colony = AntColony(np.ones(64), ColonySettings(n_ants=12, size="2:32"))
    asked = colony.ask()
    colony.tell([0.5] * len(asked))
    assert len(colony.best) == min(len(subset) for subset in asked)


def test_ask_is_repeatable_until_told_and_streams_belong_to_seed_iteration_and_ant():
    make = lambda seed, ants: AntColony(np.ones(300), ColonySettings(n_ants=ants, size=20, variant="as"), seed)  # noqa: E731
    colony = make(0, 4)
    first = colony.ask()
    assert all(np.array_equal(a, b) for a, b in zip(first, colony.ask(), strict=True))
    more_ants = make(0, 9).ask()
    assert all(np.array_equal(a, b) for a, b in zip(first, more_ants, strict=False)), "an ant's stream is its own"
    assert not np.array_equal(first[0], make(1, 4).ask()[0])
    colony.tell([0.0] * 4)
    assert not np.array_equal(first[0], colony.ask()[0])


def test_subsets_are_sorted_different_and_of_the_asked_size():
    for subset in AntColony(np.ones(50), ColonySettings(n_ants=7, size=0.3)).ask():
        assert len(subset) == 15
        assert (np.diff(subset) > 0).all()


def test_heuristic_guides_the_first_ants():
    eta = np.full(100, 0.01)
    eta[:10] = 1.0
    for subset in AntColony(eta, ColonySettings(n_ants=3, size=10, q0=1.0)).ask():
        np.testing.assert_array_equal(subset, np.arange(10))


@pytest.mark.parametrize("variant", VARIANTS)
def test_conditional_ants_are_the_same_on_any_number_of_threads(conditional, variant):
    def traced(jobs):
        colony = AntColony(conditional, ColonySettings(6, q0=0.5, size="3:12", variant=variant), seed=4, n_jobs=jobs)
        asked = []
        for _ in range(3):
            asked += colony.ask()
            colony.tell([overlap(subset, np.arange(40)) for subset in asked[-6:]])
        return asked, colony.pheromone

    first, *others = (traced(jobs) for jobs in (None, 1, 2))
    for asked, pheromone in others:
        assert all(np.array_equal(a, b) for a, b in zip(first[0], asked, strict=True))
        np.testing.assert_array_equal(pheromone, first[1])


def test_conditional_ants_take_what_adds_to_what_they_carry(conditional):
    # By itself the fourth feature is worth as much as the third, of which it is nearly a copy.
    alone = np.argsort(-conditional.first_gains())[:4]
    np.testing.assert_array_equal(np.sort(alone), np.arange(4))
    (subset,) = AntColony(conditional, ColonySettings(n_ants=1, size=3, q0=1.0)).ask()
    assert {0, 1} < set(subset)
    assert len({2, 3} & set(subset)) == 1


def test_improved_subsets_get_the_deposit_and_are_remembered():
    for variant in VARIANTS:
        colony = AntColony(np.ones(60), ColonySettings(n_ants=4, size=5, variant=variant), seed=2)
        asked = colony.ask()
        better = np.setdiff1d(np.arange(60), np.concatenate(asked))[:5].astype(np.int32)
        colony.tell([0.1, 0.2, 0.9, 0.3], {2: better})
        np.testing.assert_array_equal(colony.best, better)
        assert colony.best_utility == 0.9
        replaced = np.setdiff1d(asked[2], np.concatenate([asked[ant] for ant in (0, 1, 3)]))
        assert len(replaced)
        assert colony.pheromone[better].min() > colony.pheromone[replaced].max()


def converged(patience, iterations=60):
    """Return a colony whose first iteration had its best subset, and what it said of starting anew in each."""
    settings = ColonySettings(n_ants=4, size=5, variant="acs", q0=0.5, patience=patience)
    colony, restarts = AntColony(np.ones(60), settings, seed=0), []
    for _ in range(iterations):
        colony.ask()
        restarts.append(colony.tell([0.0, 0.0, 0.0 if restarts else 1.0, 0.0]))
    return colony, restarts


def test_a_colony_that_has_converged_and_waited_starts_anew():
    colony, restarts = converged(patience=10, iterations=11)
    best, before = colony.best, colony.pheromone
    assert restarts == [False] * 10 + [True]
    assert colony.restarts == 1
    assert colony.branching <= CONVERGED, "as it was when it was told"
    np.testing.assert_array_equal(before, INITIAL)
    # The best is kept, but a new leader, worse than it, has the deposit now.
    asked = colony.ask()
    colony.tell([0.1, 0.2, 0.3, 0.4])
    np.testing.assert_array_equal(colony.best, best)
    assert colony.best_utility == 1.0
    assert colony.pheromone[asked[3]].min() > INITIAL
    assert colony.pheromone[np.setdiff1d(np.arange(60), asked[3])].max() == INITIAL


def test_a_colony_that_improves_or_has_not_converged_goes_on():
    settings = ColonySettings(n_ants=4, size=5, patience=3, q0=0.5)
    improving = AntColony(np.ones(60), settings, seed=0)
    for i in range(30):
        improving.ask()
        assert not improving.tell([i, -1, -1, -1], {0: np.arange(5, dtype=np.int32)})
    assert improving.branching <= CONVERGED
    spread = AntColony(np.ones(60), ColonySettings(n_ants=4, size=5, patience=3, variant="mmas", q0=0), seed=0)
    for _ in range(6):
        spread.ask()
        assert not spread.tell([0.0] * 4)
    assert spread.branching > CONVERGED


def test_without_patience_it_never_starts_anew():
    colony, restarts = converged(patience=0)
    assert not any(restarts)
    assert colony.restarts == 0


def test_branching_and_entropy_tell_convergence():
    colony = AntColony(np.ones(60), ColonySettings(n_ants=4, size=5), seed=0)
    assert (colony.branching, colony.entropy) == (12, 1)
    colony, _ = converged(patience=0)
    assert colony.branching == 1
    assert 0 < colony.entropy < 0.9


def test_branching_is_counted_in_the_leaders_features():
    # Counted in the mean size of the grid, a colony whose leader is larger never converged.
    colony = AntColony(np.ones(200), ColonySettings(n_ants=12, size="4:64", q0=0.5, patience=0), seed=1)
    run(colony, len, 60)
    assert len(colony.best) == 64
    assert colony.branching == 1


def test_local_update_spreads_the_ants(monkeypatch):
    def distinct_in_second_iteration():
        distinct = 0
        for seed in range(20):
            colony = AntColony(np.ones(100), ColonySettings(n_ants=20, size=10, q0=0.5), seed)
            first = colony.ask()
            colony.tell([overlap(subset, first[0]) for subset in first])
            distinct += len(np.unique(np.concatenate(colony.ask())))
        return distinct

    with_wear = distinct_in_second_iteration()
    monkeypatch.setattr(Pheromone, "wear", lambda self, visited: None)
    assert with_wear > 1.1 * distinct_in_second_iteration()


@pytest.mark.parametrize("told", [[1.0], [1.0, np.nan], []])
def test_tell_wants_one_number_a_subset(told):
    colony = AntColony(np.ones(10), ColonySettings(n_ants=2, size=2))
    with pytest.raises(ValueError, match="expected 0 numbers"):
        colony.tell([1.0, 2.0])
    colony.ask()
    with pytest.raises(ValueError, match="expected 2 numbers"):
        colony.tell(told)


@pytest.mark.parametrize(
    ("knob", "value"),
    [
        ("n_ants", 0), ("n_ants", 1.5), ("rho", 1.5), ("rho", 0), ("q0", -0.1),
        ("alpha", np.inf), ("beta", -1), ("variant", "asc"), ("n_candidates", 0), ("n_candidates", 2.5),
        ("patience", -1), ("patience", 1.5), ("patience", True),
    ],
)  # fmt: skip
def test_knobs_out_of_range_are_refused(knob, value):
    with pytest.raises(ConfigError, match=rf"^{knob.replace('n_ants', 'ants')}: expected .* got") as caught:
        AntColony(np.ones(10), ColonySettings(size=2, **{knob: value}))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("eta", [[1.0, 0.0], [1.0, np.nan], [[1.0]], []])
def test_heuristic_must_be_positive_and_finite(eta):
    with pytest.raises(ConfigError, match="heuristic"):
        AntColony(np.array(eta), ColonySettings(size=1))


@pytest.mark.parametrize(
    ("size", "n", "lowest", "highest"),
    [
        (7, 100, 7, 7), ("7", 100, 7, 7), (0.1, 5120, 512, 512), ("64:512", 5120, 64, 512), (100, 100, 100, 100),
        ("auto", 5120, 16, 640), ("auto", 300, 1, 64), ("auto", 30, 1, 15), ("auto", 1, 1, 1),
    ],
)  # fmt: skip
def test_sizes(size, n, lowest, highest):
    grid = size_grid(size, n)
    assert (grid[0], grid[-1]) == (lowest, highest)
    assert (np.diff(grid) > 0).all()


@pytest.mark.parametrize("size", [0, -1, 101, "many", "9:3", 1.5, None, True, "nan", "1:", ".5:1", float("inf")])
def test_sizes_that_make_no_sense(size):
    with pytest.raises(ConfigError, match=r"expected a number of features.*got"):
        size_grid(size, 100)
