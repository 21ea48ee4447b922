"""The loop: the colony proposes, the scorer scores, the archive keeps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

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
    is_repeat : bool
        The subset had been scored before; the score was remembered.
    best_utility : float
        The best utility so far, this iteration included.
    difference, difference_error : float
        By how much its utility differs from that best one's (0 or below, but for the folds' weights), paired over the
        folds, and the standard error of that.
    """

    iteration: int
    ant: int
    score: SubsetScore
    is_repeat: bool
    best_utility: float
    difference: float
    difference_error: float


@dataclass
class SearchTrace:
    """What a search did: every ant in order, and the archive of subsets."""

    rows: list[AntRow] = field(default_factory=list)
    archive: Archive = field(default_factory=Archive)


OnAnt = Callable[[int, int, SubsetScore], None]
"""Called as ``on_ant(ants done so far, ants in all, score)``."""


def search_subsets(
    colony: AntColony, scorer: SubsetScorer, n_iterations: int, *, on_ant: OnAnt | None = None
) -> SearchTrace:
    """Run the colony for `n_iterations` and return its trace.

    Parameters
    ----------
    colony : AntColony
    scorer : SubsetScorer
    n_iterations : int
        At least 1.
    on_ant : callable, optional
        For progress.
    """
    trace = SearchTrace()
    total = n_iterations * colony.settings.n_ants
    for iteration in range(n_iterations):
        subsets = colony.ask()
        repeats = _score_new(subsets, scorer, trace.archive, iteration * len(subsets), total, on_ant)
        scores = [_known(trace.archive, subset) for subset in subsets]
        colony.tell([score.utility for score in scores])
        best = trace.archive.best.fold_utilities
        trace.rows += [
            AntRow(iteration, ant, score, repeats[ant], colony.best_utility, *difference_to(best, score.fold_utilities))
            for ant, score in enumerate(scores)
        ]
    return trace


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
