"""How much a search may cost, who counts it, and when it is over."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from acofer.colony.archive import Archive
from acofer.errors import ConfigError
from acofer.records import SubsetScore
from acofer.scoring.protocol import IndexArray, OnScore, SubsetScorer

ASKED_PER_EVALUATION = 50
"""A searcher that has asked for so many times the subsets it may have scored repeats itself, and is ended."""


@dataclass(frozen=True)
class Budget:
    """What a search may cost; where both are given, what is spent first ends it.

    Attributes
    ----------
    evaluations : int or None
        Different subsets that are scored, at least 1.
    seconds : float or None
        Wall seconds, above 0; a batch that has begun is ended.

    Raises
    ------
    ConfigError
        If neither is given, or one is out of its range.
    """

    evaluations: int | None = None
    seconds: float | None = None

    def __post_init__(self) -> None:
        if self.evaluations is None and self.seconds is None:
            raise ConfigError("budget: expected evaluations, seconds or both; got neither; set e.g. evaluations = 60")
        if self.evaluations is not None and not (_is_number(self.evaluations, int) and self.evaluations >= 1):
            raise ConfigError(f"budget: evaluations: expected a whole number of at least 1; got {self.evaluations!r}")
        if self.seconds is not None and not (_is_number(self.seconds, int | float) and 0 < self.seconds < float("inf")):
            raise ConfigError(f"budget: seconds: expected a number above 0; got {self.seconds!r}")


def _is_number(value: object, kind: type | object) -> bool:
    return isinstance(value, kind) and not isinstance(value, bool)  # type: ignore[arg-type]


class BudgetSpent(Exception):  # noqa: N818 - it is not an error
    """Ends a search: its budget is spent. What was scored is in the scorer's archive."""


class CountingScorer:
    """A `SubsetScorer` that asks another one, remembers its scores, counts them, and ends the search.

    Known subsets come from the archive and cost nothing. A batch whose new subsets do not fit in the evaluations
    that are left is cut, scored, and then the search is over.

    Parameters
    ----------
    scorer : SubsetScorer
    budget : Budget
    on_score : callable, optional
        Called with this scorer after every batch, for progress.

    Attributes
    ----------
    metric_name, greater_is_better
        Those of the scorer.
    archive : Archive
        Every scored subset.
    evaluations : int
        Different subsets scored.
    asked : int
        Subsets asked for, known ones included.
    history : list of (evaluations, seconds, value, features)
        The value and size of the best subset so far, racing's estimates left out: a point where it improves, and one
        at the end.
    """

    def __init__(
        self, scorer: SubsetScorer, budget: Budget, *, on_score: Callable[[CountingScorer], None] | None = None
    ) -> None:
        self.metric_name, self.greater_is_better = scorer.metric_name, scorer.greater_is_better
        self.archive = Archive()
        self.evaluations = self.asked = 0
        self.history: list[tuple[int, float, float, int]] = []
        self._scorer, self._budget, self._on_score = scorer, budget, on_score
        self._best: SubsetScore | None = None
        self._started: float | None = None
        self._ended: float | None = None

    @property
    def seconds(self) -> float:
        """Wall seconds from the start to now, or to the end."""
        if self._started is None:
            return 0.0
        return (time.perf_counter() if self._ended is None else self._ended) - self._started

    @property
    def spent(self) -> float:
        """Share of the budget that is spent, 0 to 1: of the evaluations or the seconds, whichever is more."""
        limits = (self.evaluations, self._budget.evaluations), (self.seconds, self._budget.seconds)
        return min(1.0, max(used / limit for used, limit in limits if limit is not None))

    def start(self) -> None:
        """Start the clock, unless it runs; the first subset asked for starts it, too."""
        if self._started is None:
            self._started = time.perf_counter()

    def end(self) -> None:
        """Stop the clock and close the history; once."""
        if self._ended is None:
            self.start()
            self._ended = time.perf_counter()
            self._note()

    def score(self, subsets: Sequence[IndexArray], on_score: OnScore | None = None) -> list[SubsetScore]:
        """Score the subsets; see `acofer.scoring.protocol.SubsetScorer`.

        Raises
        ------
        BudgetSpent
            If the seconds are over, if not all new subsets fitted in what was left of the evaluations, or if known
            ones were asked for too often (`ASKED_PER_EVALUATION`).
        """
        self._ask(len(subsets))
        fresh = {subset.tobytes(): place for place, subset in reversed(list(enumerate(subsets)))}  # first places
        places = sorted(place for place in fresh.values() if self.archive.get(subsets[place]) is None)
        fits = places if self._left is None else places[: self._left]
        tell = on_score or _tell_nobody
        if fits:
            own = self._scorer.score([subsets[place] for place in fits], lambda i, score: tell(fits[i], score))
            self._book(own, len(fits))
        if len(fits) < len(places):
            raise BudgetSpent
        scores = [self._known(subset) for subset in subsets]
        for place in sorted(set(range(len(subsets))) - set(places)):
            tell(place, scores[place])
        return scores

    def finish(self, indices: IndexArray) -> SubsetScore:
        """Score one subset in full; one that is new counts as an evaluation, the estimate of a known one does not.

        Raises
        ------
        BudgetSpent
            As `score` does, but never for a known subset: what was scored can be settled when all is spent.
        """
        known = self.archive.get(indices)
        if known is None:
            self._ask(1)
            if self._left == 0:
                raise BudgetSpent
        else:
            self.asked += 1
        if known is None or known.is_estimate:
            self._book([self._scorer.finish(indices)], int(known is None))
        return self._known(indices)

    def utilities(self, subsets: Sequence[IndexArray]) -> list[float]:
        """Score the subsets and return their utilities: larger is better, whatever the metric."""
        return [score.utility for score in self.score(subsets)]

    @property
    def _left(self) -> int | None:
        """Evaluations that are left; None where they are not limited."""
        return None if self._budget.evaluations is None else self._budget.evaluations - self.evaluations

    def _ask(self, n: int) -> None:
        """Count `n` subsets that are asked for, unless it is over."""
        self.start()
        self.asked += n
        evaluations, seconds = self._budget.evaluations, self._budget.seconds
        is_late = seconds is not None and self.seconds >= seconds
        if is_late or (evaluations is not None and self.asked > ASKED_PER_EVALUATION * evaluations):
            raise BudgetSpent

    def _book(self, scores: Sequence[SubsetScore], n_new: int) -> None:
        self.evaluations += n_new
        for score in scores:
            self.archive.add(score)
        best = max((score for score in scores if not score.is_estimate), key=_order, default=None)
        if best is not None and (self._best is None or _order(best) > _order(self._best)):
            self._best = best
            self._note()
        if self._on_score is not None:
            self._on_score(self)

    def _note(self) -> None:
        if self._best is not None:
            self.history.append((self.evaluations, self.seconds, self._best.value, self._best.size))

    def _known(self, indices: IndexArray) -> SubsetScore:
        score = self.archive.get(indices)
        if score is None:
            raise RuntimeError("the scorer returned no score for a subset it was given")
        return score


def _order(score: SubsetScore) -> tuple[float, int]:
    """Order as the archive does: by utility; of equals the smaller subset is better."""
    return score.utility, -score.size


def _tell_nobody(_position: int, _score: SubsetScore) -> None:
    """For who does not want to know."""
