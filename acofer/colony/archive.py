"""Every subset that was scored, the front among them, and the rule that picks one."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from acofer.colony.pheromone import IndexArray
from acofer.errors import ConfigError, nearest
from acofer.records import SubsetScore
from acofer.scoring.protocol import standard_error

PICK_RULES = ("best", "1se")


class Archive:
    """All scored subsets, each once."""

    def __init__(self) -> None:
        self._scores: dict[bytes, SubsetScore] = {}

    def __len__(self) -> int:
        return len(self._scores)

    def __iter__(self) -> Iterator[SubsetScore]:
        return iter(self._scores.values())

    def add(self, score: SubsetScore) -> None:
        """Keep a score; where the subset has one, the first that is no estimate stays."""
        known = self.get(score.indices)
        if known is None or known.is_estimate:
            self._scores[score.indices.tobytes()] = score

    def get(self, indices: IndexArray) -> SubsetScore | None:
        """Return the score of this very subset, if it was scored before."""
        return self._scores.get(indices.tobytes())

    @property
    def best(self) -> SubsetScore:
        """The subset of largest utility; among equals the smaller one, then the earlier."""
        return max(self, key=lambda score: (score.utility, -score.size))

    def front(self) -> list[SubsetScore]:
        """Return the Pareto front of utility against size, by size: each is better than every smaller one.

        Estimates are left out.
        """
        front: list[SubsetScore] = []
        for score in sorted((s for s in self if not s.is_estimate), key=lambda s: (s.size, -s.utility)):
            if not front or score.utility > front[-1].utility:
                front.append(score)
        return front

    def pick(self, rule: str | int = "1se") -> SubsetScore:
        """Return the subset that a rule chooses; its score may be an estimate, see `acofer.colony.search.settle`.

        Parameters
        ----------
        rule : {"best", "1se"} or int
            ``"best"``: the largest utility. ``"1se"``: the smallest subset whose utility is within one
            standard error of the best one's (Breiman, Friedman, Olshen and Stone 1984,
            section 3.4.3), the standard error being that of the *paired* differences over
            the folds. A number: the best subset of at most so many features.

        Raises
        ------
        ConfigError
            If the rule is unknown, or no subset is that small.
        """
        if rule == "best":
            return self.best
        if rule == "1se":
            return self._within_one_standard_error()
        return self._at_most(rule)

    def _within_one_standard_error(self) -> SubsetScore:
        best = self.best
        close = [score for score in self if score is best or is_within_one_standard_error(score, best)]
        return min(close, key=lambda score: (score.size, -score.utility))

    def _at_most(self, rule: str | int) -> SubsetScore:
        if not str(rule).isdecimal():
            hint = nearest(rule, PICK_RULES)
            raise ConfigError(f"pick: expected 'best', '1se' or a number of features; got {rule!r}; {hint}")
        small = [score for score in self if score.size <= int(rule)]
        if not small:
            smallest = min(score.size for score in self)
            raise ConfigError(f"pick: no subset of at most {rule} features was scored; the smallest has {smallest}")
        return max(small, key=lambda score: (score.utility, -score.size))


def is_within_one_standard_error(score: SubsetScore, best: SubsetScore) -> bool:
    """Whether `score` falls behind `best` by no more than one standard error of their paired differences."""
    behind = best.fold_utilities - score.fold_utilities
    error = standard_error(behind)
    return bool(np.isfinite(error) and behind.mean() <= error)
