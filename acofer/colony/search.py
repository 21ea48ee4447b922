"""The loop: the colony proposes, the scorer scores, local search improves the best, the archive keeps.

It may end early, in the middle of an iteration, and be gone on with in another process: the subsets that follow are
those of a search that never stopped, to the last bit.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from acofer.colony.archive import Archive
from acofer.colony.colony import AntColony, checked_subset
from acofer.colony.pheromone import IndexArray
from acofer.records import SubsetScore
from acofer.scoring.protocol import ResumableScorer, SubsetScorer
from acofer.scoring.race import difference_to
from acofer.stopping import Stop, Stopped

ITERATIONS, EVALUATIONS = "iterations", "evaluations"
_ROW_FIELDS: dict[str, Callable[[Any], Any]] = {
    **dict.fromkeys(("iteration", "ant", "exchanged"), int),
    **dict.fromkeys(("best_utility", "difference", "difference_error"), float),
    "is_repeat": bool,
}
_ITERATION_FIELDS: dict[str, Callable[[Any], Any]] = {
    "iteration": int,
    **dict.fromkeys(("best_utility", "entropy", "branching"), float),
    "is_restart": bool,
}


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
    """What a search did: every ant in order, every iteration, and the archive of subsets.

    Attributes
    ----------
    rows : list of AntRow
    iterations : list of ColonyRow
        Of whole iterations; an iteration that was cut short has rows of its own, and none here.
    archive : Archive
    ended : str
        ``"iterations"`` where all were done, ``"evaluations"`` where no more subsets might be scored, else the reason
        of a `acofer.stopping.Stop`.
    planned : int
        Ants that all iterations would have had.
    """

    rows: list[AntRow] = field(default_factory=list)
    iterations: list[ColonyRow] = field(default_factory=list)
    archive: Archive = field(default_factory=Archive)
    ended: str = ITERATIONS
    planned: int = 0

    def state(self) -> dict[str, Any]:
        """Return all of it as plain data and scores."""
        columns = {name: [getattr(row, name) for row in self.rows] for name in _ROW_FIELDS}
        return {
            "rows": {**columns, "score": [row.score for row in self.rows]},
            "iterations": [dataclasses.asdict(row) for row in self.iterations],
            "archive": list(self.archive),
        }

    @classmethod
    def of_state(cls, state: dict[str, Any]) -> SearchTrace:
        """Return the trace that `state` was taken of.

        Raises
        ------
        ValueError, KeyError, TypeError
            Where it is none.
        """
        columns = {name: map(kind, state["rows"][name]) for name, kind in _ROW_FIELDS.items()}
        rows = zip(*columns.values(), state["rows"]["score"], strict=True)
        trace = cls([AntRow(**dict(zip([*columns, "score"], row, strict=True))) for row in rows])
        trace.iterations += [
            ColonyRow(**{name: kind(row[name]) for name, kind in _ITERATION_FIELDS.items()})
            for row in state["iterations"]
        ]
        for score in state["archive"]:
            trace.archive.add(score)
        return trace


OnAnt = Callable[[int, int, SubsetScore], None]
"""Called as ``on_ant(ants done so far, ants in all, score)``."""

LocalSearch = Callable[[IndexArray], IndexArray]
"""Returns a better subset of the same size, sorted, or the same one."""

Keep = Callable[[Callable[[], dict[str, Any]]], None]
"""Called as ``keep(state)`` whenever there is something new to keep; it calls ``state()`` where it does keep it."""


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
    return SearchPath([colony], scorer, n_iterations, improve=improve, on_ant=on_ant).run()


class SearchPath:
    """Several colonies, e.g. one a size, each for some iterations, one after the other, into one trace.

    Parameters
    ----------
    colonies : sequence of AntColony
    scorer : SubsetScorer
    n_iterations : int
        Of each colony, at least 1.
    improve : callable, optional
        Local search on the best subset of every iteration.
    on_ant : callable, optional
        For progress.
    stop : Stop, optional
        Asked after every score.
    evaluations : int, optional
        Subsets that may be scored in all.
    keep : callable, optional
        Given the state after every iteration, and after every score that stands by itself; the scorer is a
        `ResumableScorer` then.

    Attributes
    ----------
    trace : SearchTrace
        So far.
    """

    def __init__(
        self,
        colonies: Sequence[AntColony],
        scorer: SubsetScorer,
        n_iterations: int,
        *,
        improve: LocalSearch | None = None,
        on_ant: OnAnt | None = None,
        stop: Stop | None = None,
        evaluations: int | None = None,
        keep: Keep | None = None,
    ) -> None:
        self.trace = SearchTrace()
        self._colonies, self._scorer, self._n_iterations = list(colonies), scorer, n_iterations
        self._improve, self._on_ant, self._keep = improve, on_ant, keep
        self._stop = stop or Stop()
        self._evaluations = evaluations
        self._total = n_iterations * sum(colony.settings.n_ants for colony in colonies)
        self._pending: dict[bytes, SubsetScore] = {}  # scored in an iteration that is not done

    def run(self) -> SearchTrace:
        """Search on until all iterations are done, or there is a reason to stop."""
        self.trace.planned = self._total
        try:
            for colony in self._colonies[len(self.trace.iterations) // self._n_iterations :]:
                self._run(colony)
        except Stopped as stopped:
            self.trace.ended = stopped.reason
        if not len(self.trace.archive):
            self._score_one()
        return self.trace

    def state(self) -> dict[str, Any]:
        """Return all that another process needs to go on after the iterations that are done."""
        return self._state_with(self._colony_after(len(self.trace.iterations)).state(), [])

    def restore(self, state: dict[str, Any], n_features: int) -> None:
        """Go on from where `state` was taken, by colonies and a scorer of the same settings, seeds and rows.

        Raises
        ------
        ValueError, KeyError, TypeError
            Where the state is another search's, or none.
        """
        self.trace = SearchTrace.of_state(state["trace"])
        for score in (*self.trace.archive, *state["pending"], *(row.score for row in self.trace.rows)):
            if not isinstance(score, SubsetScore):
                raise TypeError(f"expected a score; got {type(score).__name__}")
            checked_subset(score.indices, n_features)
        done = len(self.trace.iterations)
        colony = self._colony_after(done)
        colony.restore(state["colony"])
        if self._n_iterations * self._colonies.index(colony) + colony.iteration != done:
            raise ValueError("expected the state of the colony whose turn it is")
        if colony.best is not None and self.trace.archive.get(colony.best) is None:
            raise ValueError("expected the best subset among those that were scored")
        self._pending = {score.indices.tobytes(): score for score in state["pending"]}
        self._resumable.restore(state["scorer"])

    def _state_with(self, colony: dict[str, Any], pending: list[SubsetScore]) -> dict[str, Any]:
        scorer = self._resumable.state()
        return {"colony": colony, "trace": self.trace.state(), "scorer": scorer, "pending": pending}

    @property
    def _resumable(self) -> ResumableScorer:
        return self._scorer  # type: ignore[return-value]

    def _colony_after(self, n_iterations: int) -> AntColony:
        """Return whose turn it is after so many iterations of all colonies; in the end, the last one."""
        return self._colonies[min(n_iterations // self._n_iterations, len(self._colonies) - 1)]

    def _run(self, colony: AntColony) -> None:
        while colony.iteration < self._n_iterations:
            self._stop.check()
            self._iterate(colony)
            if self._keep is not None:
                self._keep(self.state)

    def _score_one(self) -> None:
        """Score the first ant's subset, whatever it is: stopped before anything was known, there is an answer still."""
        subset = self._colonies[0].ask()[0]
        score = self._scorer.finish(subset)
        self.trace.archive.add(score)
        self._note([subset], [False], {0: score}, score)

    def _left(self) -> int | None:
        """Return how many subsets may still be scored; None where nobody counts."""
        return None if self._evaluations is None else max(0, self._evaluations - len(self.trace.archive))

    def _iterate(self, colony: AntColony) -> None:
        before = colony.state()
        subsets = colony.ask()
        repeats = [self.trace.archive.get(subset) is not None for subset in subsets]
        try:
            self._score_new(subsets, repeats, before)
        except Stopped:
            known = {ant: self.trace.archive.get(subset) for ant, subset in enumerate(subsets)}
            scores = {ant: score for ant, score in known.items() if score is not None}
            if scores:
                self._note(subsets, repeats, scores, self.trace.archive.best)
            raise
        final = [_known(self.trace.archive, subset) for subset in subsets]
        improved: dict[int, IndexArray] = {}
        if self._improve is not None:
            ant = best_ant(final)
            final[ant] = self._improved(final[ant], self._improve)
            improved[ant] = final[ant].indices
        is_restart = colony.tell([score.utility for score in final], improved)
        assert colony.best is not None  # noqa: S101 - for the type checker
        self._note(subsets, repeats, dict(enumerate(final)), _known(self.trace.archive, colony.best))
        self.trace.iterations.append(
            ColonyRow(len(self.trace.iterations), colony.best_utility, colony.entropy, colony.branching, is_restart)
        )
        self._pending = {}

    def _score_new(self, subsets: list[IndexArray], repeats: list[bool], before: dict[str, Any]) -> None:
        """Score what the archive does not know yet, as far as it may be."""
        fresh = _without_repeats(subsets, repeats)
        allowed = list(fresh)[: self._left()]
        told = {key: self._pending[key] for key in allowed if key in self._pending}
        missing = [fresh[key] for key in allowed if key not in told]
        try:
            if missing:
                self._score(missing, told, sum(repeats), before)
        finally:  # in the order in which they were asked for, whoever was told first
            for key in allowed:
                if key in told:
                    self.trace.archive.add(told[key])
        if len(allowed) < len(fresh):
            raise Stopped(EVALUATIONS)

    def _score(
        self, subsets: list[IndexArray], told: dict[bytes, SubsetScore], n_repeats: int, before: dict[str, Any]
    ) -> None:
        """Score subsets and put their scores among those `told`; where it is cut short, those that will stand."""
        done = len(self.trace.rows) + n_repeats + len(told)

        def tell(position: int, score: SubsetScore) -> None:
            nonlocal done
            done += 1
            if not score.is_estimate:
                told[subsets[position].tobytes()] = score
            if self._on_ant is not None:
                self._on_ant(done, self._total, score)
            if self._keep is not None and self._resumable.is_final_when_told:
                self._keep(lambda: self._state_with(before, list(told.values())))
            self._stop.check()

        for subset, score in zip(subsets, self._scorer.score(subsets, tell), strict=True):
            told[subset.tobytes()] = score

    def _note(
        self, subsets: list[IndexArray], repeats: list[bool], scores: dict[int, SubsetScore], best: SubsetScore
    ) -> None:
        """Write an iteration's ants into the trace."""
        for ant, score in scores.items():
            self.trace.rows.append(
                AntRow(
                    len(self.trace.iterations),
                    ant,
                    score,
                    repeats[ant],
                    best.utility,
                    *difference_to(best.fold_utilities, score.fold_utilities),
                    exchanged=len(np.setdiff1d(score.indices, subsets[ant])),
                )
            )

    def _improved(self, score: SubsetScore, improve: LocalSearch) -> SubsetScore:
        """Return the score of what local search makes of a subset, or its own where the scorer thinks it no better."""
        indices, archive = improve(score.indices), self.trace.archive
        known = archive.get(indices)
        if known is None or known.is_estimate:
            archive.add(self._scorer.finish(indices))
        found = _known(archive, indices)
        return found if found.utility > score.utility else score


def search_path(
    colonies: Sequence[AntColony],
    scorer: SubsetScorer,
    n_iterations: int,
    *,
    improve: LocalSearch | None = None,
    on_ant: OnAnt | None = None,
) -> SearchTrace:
    """Run several colonies one after the other; see `SearchPath`."""
    return SearchPath(colonies, scorer, n_iterations, improve=improve, on_ant=on_ant).run()


def _without_repeats(subsets: list[IndexArray], repeats: list[bool]) -> dict[bytes, IndexArray]:
    """Return the subsets that nobody knows yet, and mark the second of two equal ones as a repeat."""
    fresh: dict[bytes, IndexArray] = {}
    for ant, subset in enumerate(subsets):
        repeats[ant] = repeats[ant] or subset.tobytes() in fresh
        if not repeats[ant]:
            fresh[subset.tobytes()] = subset
    return fresh


def best_ant(scores: Sequence[SubsetScore]) -> int:
    """Return the ant whose subset local search improves: of equals the smaller one's, then the earlier."""
    return max(range(len(scores)), key=lambda ant: (scores[ant].utility, -scores[ant].size, -ant))


def settle(trace: SearchTrace, scorer: SubsetScorer, rule: str | int) -> SubsetScore:
    """Return the subset that a rule picks from the archive, scored in full.

    Racing leaves estimates; where the rule picks one, it is scored in full and the rule asked again.
    """
    chosen = trace.archive.pick(rule)
    while chosen.is_estimate:
        trace.archive.add(scorer.finish(chosen.indices))
        chosen = trace.archive.pick(rule)
    return chosen


def _known(archive: Archive, subset: IndexArray) -> SubsetScore:
    score = archive.get(subset)
    if score is None:
        raise RuntimeError("the scorer returned no score for a subset it was given")
    return score
