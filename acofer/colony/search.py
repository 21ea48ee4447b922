"""The loop: the colony proposes, the scorer scores, local search improves the best, the archive keeps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from acofer.colony.archive import Archive
from acofer.colony.colony import AntColony
from acofer.colony.pheromone import IndexArray
from acofer.records import SubsetScore
from acofer.scoring.protocol import SubsetScorer
from acofer.scoring.race import difference_to


@dataclass(frozen=True)
class AntRow:
    """One ant of one iteration: a line of the trace.

    Attributes
    ----------
    iteration, ant : int
        From 0.
    score : SubsetScore
        After local search, where there was one.
    is_repeat : bool
        The subset had been scored before; the score was remembered.
    best_utility : float
        The colony's best utility so far, this iteration included.
    difference, difference_error : float
        By how much its utility differs from that best one's (0 or below, but for the folds' weights), paired over the
        folds, and the standard error of that.
    exchanged : int
        Features that local search exchanged for others.
    """

    iteration: int
    ant: int
    score: SubsetScore
    is_repeat: bool
    best_utility: float
    difference: float
    difference_error: float
    exchanged: int = 0


@dataclass(frozen=True)
class ColonyRow:
    """The colony after one iteration.

    Attributes
    ----------
    iteration : int
        From 0; a path of sizes goes on counting from one size to the next.
    best_utility : float
        So far.
    entropy, branching : float
        Of the pheromone, before the colony started anew; see `acofer.colony.pheromone.Pheromone`.
    is_restart : bool
        Whether it started anew.
    """

    iteration: int
    best_utility: float
    entropy: float
    branching: float
    is_restart: bool


@dataclass
class SearchTrace:
    """What a search did: every ant in order, every iteration, and the archive of subsets."""

    rows: list[AntRow] = field(default_factory=list)
    iterations: list[ColonyRow] = field(default_factory=list)
    archive: Archive = field(default_factory=Archive)


OnAnt = Callable[[int, int, SubsetScore], None]
"""Called as ``on_ant(ants done so far, ants in all, score)``."""

LocalSearch = Callable[[IndexArray], IndexArray]
"""Returns a better subset of the same size, sorted, or the same one."""


def search_subsets(
    colony: AntColony,
    scorer: SubsetScorer,
    n_iterations: int,
    *,
    improve: LocalSearch | None = None,
    on_ant: OnAnt | None = None,
) -> SearchTrace:
    """Run the colony for `n_iterations` and return its trace.

    Parameters
    ----------
    colony : AntColony
    scorer : SubsetScorer
    n_iterations : int
        At least 1.
    improve : callable, optional
        Local search on the best subset of every iteration.
    on_ant : callable, optional
        For progress.
    """
    return search_path([colony], scorer, n_iterations, improve=improve, on_ant=on_ant)


def search_path(
    colonies: Sequence[AntColony],
    scorer: SubsetScorer,
    n_iterations: int,
    *,
    improve: LocalSearch | None = None,
    on_ant: OnAnt | None = None,
) -> SearchTrace:
    """Run several colonies, e.g. one a size, each for `n_iterations`, one after the other, into one trace."""
    trace = SearchTrace()
    total = n_iterations * sum(colony.settings.n_ants for colony in colonies)
    for colony in colonies:
        for _ in range(n_iterations):
            _iterate(colony, scorer, trace, total, improve, on_ant)
    return trace


def _iterate(
    colony: AntColony,
    scorer: SubsetScorer,
    trace: SearchTrace,
    total: int,
    improve: LocalSearch | None,
    on_ant: OnAnt | None,
) -> None:
    subsets = colony.ask()
    repeats = _score_new(subsets, scorer, trace.archive, len(trace.rows), total, on_ant)
    scores = [_known(trace.archive, subset) for subset in subsets]
    exchanged = np.zeros(len(scores), np.int64)
    improved: dict[int, IndexArray] = {}
    if improve is not None:
        ant = best_ant(scores)
        better = _improved(scores[ant], improve, scorer, trace.archive)
        exchanged[ant] = len(np.setdiff1d(better.indices, subsets[ant]))
        scores[ant], improved[ant] = better, better.indices
    is_restart = colony.tell([score.utility for score in scores], improved)
    iteration = len(trace.iterations)
    trace.iterations.append(ColonyRow(iteration, colony.best_utility, colony.entropy, colony.branching, is_restart))
    assert colony.best is not None  # noqa: S101 - for the type checker
    best = _known(trace.archive, colony.best).fold_utilities
    trace.rows += [
        AntRow(
            iteration,
            ant,
            score,
            repeats[ant],
            colony.best_utility,
            *difference_to(best, score.fold_utilities),
            exchanged=int(exchanged[ant]),
        )
        for ant, score in enumerate(scores)
    ]


def best_ant(scores: Sequence[SubsetScore]) -> int:
    """Return the ant whose subset local search improves: of equals the smaller one's, then the earlier."""
    return max(range(len(scores)), key=lambda ant: (scores[ant].utility, -scores[ant].size, -ant))


def _improved(score: SubsetScore, improve: LocalSearch, scorer: SubsetScorer, archive: Archive) -> SubsetScore:
    """Return the score of what local search makes of a subset, or its own where the scorer does not think it better."""
    indices = improve(score.indices)
    known = archive.get(indices)
    if known is None or known.is_estimate:
        archive.add(scorer.finish(indices))
    found = _known(archive, indices)
    return found if found.utility > score.utility else score


def settle(trace: SearchTrace, scorer: SubsetScorer, rule: str | int) -> SubsetScore:
    """Return the subset that a rule picks from the archive, scored in full.

    Racing leaves estimates; where the rule picks one, it is scored in full and the rule asked again.
    """
    chosen = trace.archive.pick(rule)
    while chosen.is_estimate:
        trace.archive.add(scorer.finish(chosen.indices))
        chosen = trace.archive.pick(rule)
    return chosen


def _score_new(
    subsets: list[IndexArray], scorer: SubsetScorer, archive: Archive, n_done: int, total: int, on_ant: OnAnt | None
) -> list[bool]:
    """Score what the archive does not know yet; return for each subset whether it was known."""
    fresh: dict[bytes, IndexArray] = {}
    repeats = []
    for subset in subsets:
        key = subset.tobytes()
        repeats.append(archive.get(subset) is not None or key in fresh)
        if not repeats[-1]:
            fresh[key] = subset
    done = n_done + sum(repeats)

    def count(_position: int, score: SubsetScore) -> None:
        nonlocal done
        done += 1
        if on_ant is not None:
            on_ant(done, total, score)

    for score in scorer.score(list(fresh.values()), count) if fresh else []:
        archive.add(score)
    return repeats


def _known(archive: Archive, subset: IndexArray) -> SubsetScore:
    score = archive.get(subset)
    if score is None:
        raise RuntimeError("the scorer returned no score for a subset it was given")
    return score
