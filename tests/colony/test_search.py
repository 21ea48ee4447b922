"""The loop, with a scorer that knows which features are good."""

import numpy as np
import pytest

from acofer.colony.colony import AntColony, ColonySettings
from acofer.colony.search import SearchTrace, search_path, search_subsets, settle
from acofer.scoring.protocol import subset_score

P = 30
WORTH = np.linspace(0, 1, P)


class Worth:
    """The utility of a subset is the mean worth of its features, a bit different on each of three folds."""

    metric_name, greater_is_better = "worth", True

    def __init__(self):
        self.scored, self.finished = [], []

    def score(self, subsets, on_score=None):
        scores = []
        for position, subset in enumerate(subsets):
            self.scored.append(subset.tobytes())
            parts = WORTH[subset].mean() + np.array([-0.01, 0.0, 0.01])
            scores.append(subset_score(subset, float(parts.mean()), parts, True, 0.0))
            if on_score is not None:
                on_score(position, scores[-1])
        return scores

    def finish(self, indices):
        self.finished.append(indices.tobytes())
        return self.score([indices])[0]


class Half(Worth):
    """Also says half as much of whatever holds the best feature, so that local search may be wrong."""

    def score(self, subsets, on_score=None):
        return [
            subset_score(s.indices, s.value / 2, s.fold_utilities / 2, True, 0.0) if P - 1 in s.indices else s
            for s in super().score(subsets, on_score)
        ]


def colony_of(size=5, seed=0, **settings):
    return AntColony(np.ones(P), ColonySettings(n_ants=4, size=size, **settings), seed)


def upwards(indices):
    """Exchange the worst feature for the best that is not there."""
    outside = np.setdiff1d(np.arange(P), indices)
    return np.sort(np.append(indices[1:], outside[-1])).astype(np.int32)


def key(trace):
    return [(row.iteration, row.ant, row.score.indices.tolist(), row.exchanged) for row in trace.rows]


def test_a_path_is_its_colonies_one_after_the_other():
    path = search_path([colony_of(3), colony_of(6)], Worth(), 3)
    alone = [search_subsets(colony_of(size), Worth(), 3) for size in (3, 6)]
    assert [row.score.size for row in path.rows] == [3] * 12 + [6] * 12
    assert [row.iteration for row in path.rows] == np.repeat(range(6), 4).tolist()
    assert [row.iteration for row in path.iterations] == list(range(6))
    assert key(path)[:12] == key(alone[0])
    assert [entry[1:] for entry in key(path)[12:]] == [entry[1:] for entry in key(alone[1])]
    # Each colony speaks of its own best, not of that of another size.
    assert [row.best_utility for row in path.iterations] == [
        row.best_utility for trace in alone for row in trace.iterations
    ]
    assert {score.size for score in path.archive} == {3, 6}


def test_progress_counts_the_ants_of_all_colonies():
    told = []
    trace = search_path([colony_of(3), colony_of(6)], Worth(), 2, on_ant=lambda *event: told.append(event[:2]))
    assert {total for _, total in told} == {16}
    fresh = [number for number, row in enumerate(trace.rows, start=1) if not row.is_repeat]
    assert len(told) == len(fresh)
    assert all(done >= number for (done, _), number in zip(told, fresh, strict=True))  # repeats are done first
    assert [done for done, _ in told] == sorted(done for done, _ in told)


def test_iterations_report_what_the_colony_is():
    colony = colony_of(variant="mmas", patience=1, rho=1.0, q0=1.0)
    trace = search_subsets(colony, Worth(), 12)
    assert trace.iterations[-1].best_utility == colony.best_utility == max(row.score.utility for row in trace.rows)
    assert (trace.iterations[-1].branching, trace.iterations[-1].entropy) == (colony.branching, colony.entropy)
    assert sum(row.is_restart for row in trace.iterations) == colony.restarts
    best = np.maximum.accumulate([max(r.score.utility for r in trace.rows if r.iteration == i) for i in range(12)])
    assert [row.best_utility for row in trace.iterations] == best.tolist()


def test_local_search_takes_the_place_of_each_iterations_best():
    plain, better = search_subsets(colony_of(), Worth(), 1), search_subsets(colony_of(), Worth(), 1, improve=upwards)
    start = max(plain.rows, key=lambda row: row.score.utility)
    assert [row.exchanged for row in plain.rows] == [0] * 4
    assert [row.exchanged for row in better.rows] == [int(row.ant == start.ant) for row in plain.rows]
    improved = better.rows[start.ant].score
    assert improved.indices.tolist() == upwards(start.score.indices).tolist()
    assert improved.utility > start.score.utility
    assert better.iterations[0].best_utility == improved.utility
    assert len(better.archive) == len(plain.archive) + 1  # what it was before is known, too


def test_the_colony_learns_what_local_search_made():
    colony = colony_of(variant="mmas")
    trace = search_subsets(colony, Worth(), 1, improve=upwards)
    best = max(trace.rows, key=lambda row: row.score.utility).score.indices
    assert colony.best.tolist() == best.tolist()
    marked = np.flatnonzero(colony.pheromone == colony.pheromone.max())
    assert marked.tolist() == best.tolist()


def test_what_the_scorer_does_not_think_better_is_not_taken():
    scorer = Half()
    trace = search_subsets(colony_of(size=3, seed=1), scorer, 4, improve=upwards)
    for row in trace.rows:
        if P - 1 in row.score.indices:
            assert row.exchanged == 0  # an ant's own choice
    utilities = [row.best_utility for row in trace.iterations]
    assert utilities == sorted(utilities)
    assert any(np.frombuffer(done, np.int32)[-1] == P - 1 for done in scorer.finished)  # it was tried


def test_local_search_that_changes_nothing_costs_nothing():
    scorer = Worth()
    trace = search_subsets(colony_of(), scorer, 3, improve=lambda indices: indices)
    assert scorer.finished == []
    assert {row.exchanged for row in trace.rows} == {0}
    assert key(trace) == key(search_subsets(colony_of(), Worth(), 3))


def test_no_subset_is_scored_twice():
    scorer = Worth()
    search_path([colony_of(3), colony_of(3, seed=1)], scorer, 8, improve=upwards)
    assert len(scorer.scored) == len(set(scorer.scored))


def test_an_estimate_that_is_picked_is_finished_first():
    import dataclasses

    scorer, trace = Worth(), SearchTrace()
    sound, flattered = scorer.score([np.array([1, 2], np.int32), np.array([0, 1], np.int32)])
    trace.archive.add(sound)
    trace.archive.add(dataclasses.replace(flattered, utility=9.0, is_estimate=True))
    assert settle(trace, scorer, "best").indices.tolist() == [1, 2]
    assert scorer.finished == [flattered.indices.tobytes()]


@pytest.mark.parametrize("n_jobs", [None, 2])
def test_a_search_is_the_same_again(n_jobs):
    def run():
        colony = AntColony(np.ones(P), ColonySettings(n_ants=4, size=5), 0, n_jobs)
        return search_subsets(colony, Worth(), 5, improve=upwards)

    assert key(run()) == key(run())
