"""Screening: a cheap scorer looks at every subset, a dear one only at those that may be the best.

As in racing (`acofer.scoring.race`) a paired test over the folds says who is hopeless; here the early rungs are another
classifier's. Who is spared the dear scorer gets an estimate in its units, so that an archive and a colony can
go on; nothing that is picked in the end rests on one.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from acofer.errors import ConfigError
from acofer.records import SubsetScore
from acofer.scoring.protocol import IndexArray, OnScore, ResumableScorer, restored_tally
from acofer.scoring.race import hopeless

SHARE = 0.25
_SMALLEST_GAP = 1e-9


@dataclass
class ScreenTally:
    """What was screened.

    Attributes
    ----------
    subsets, spared : int
        Subsets the cheap scorer has seen, and how many of them the dear one was spared.
    finished : int
        Subsets that the dear scorer first saw when they were to be finished.
    """

    subsets: int = 0
    spared: int = 0
    finished: int = 0


class ScreenedScorer:
    """Scores all subsets by a cheap scorer and the best of them by a dear one.

    Of each batch those go on that are not hopeless behind the batch's best, or behind the best of the batches before,
    by the paired test of `acofer.scoring.race.hopeless` on the cheap scorer's folds; at most `share` of the batch, best
    first, and at least one. The others get an estimate, marked as such: the utility of the worst that went on, less the
    distance to the batch's best by the cheap scorer, in the dear one's units. One unit is the ratio of the standard
    deviations of both scorers' utilities over all subsets that both have seen (1 while these are fewer than two, or
    alike). All folds are shifted alike. So an estimate is below every dear score of its batch, and estimates
    keep the cheap scorer's order.

    Parameters
    ----------
    cheap, dear : ResumableScorer
        The cheap one must score every subset on the same folds, at least two, and in full.
    share : float
        Above 0, at most 1.

    Attributes
    ----------
    metric_name, greater_is_better
        Those of the dear scorer.
    dear : ResumableScorer
    tally : ScreenTally

    Raises
    ------
    ConfigError
        If the share is out of its range.
    """

    is_final_when_told = False

    def __init__(self, cheap: ResumableScorer, dear: ResumableScorer, *, share: float = SHARE) -> None:
        if not 0 < share <= 1:
            raise ConfigError(f"share: expected a number above 0 and at most 1; got {share!r}; use e.g. {SHARE}")
        self.metric_name, self.greater_is_better = dear.metric_name, dear.greater_is_better
        self.dear = dear
        self.tally = ScreenTally()
        self._cheap = cheap
        self._share = share
        self._best: SubsetScore | None = None  # by the cheap scorer
        self._both: list[tuple[float, float]] = []  # utilities of subsets that both have seen
        self._seen: set[bytes] = set()  # by the dear scorer

    def score(self, subsets: Sequence[IndexArray], on_score: OnScore | None = None) -> list[SubsetScore]:
        """Score the subsets; see `acofer.scoring.protocol.SubsetScorer`."""
        if not subsets:
            return []
        cheap = self._cheap.score(subsets)
        going = self._promising(cheap)
        tell = on_score or _tell_nobody
        found = self.dear.score([subsets[i] for i in going], lambda i, score: tell(going[i], score))
        self._seen |= {subsets[i].tobytes() for i in going}
        self._both += [(cheap[i].utility, score.utility) for i, score in zip(going, found, strict=True)]
        dear = dict(zip(going, found, strict=True))
        worst, best = min(found, key=lambda score: score.utility), max(score.utility for score in cheap)
        scores = [
            dear[i] if i in dear else self._estimate(own, worst, best - own.utility) for i, own in enumerate(cheap)
        ]
        for i in sorted(set(range(len(cheap))) - dear.keys()):
            tell(i, scores[i])
        self._best = max(cheap if self._best is None else [self._best, *cheap], key=lambda score: score.utility)
        self.tally.subsets += len(cheap)
        self.tally.spared += len(cheap) - len(going)
        return scores

    def finish(self, indices: IndexArray) -> SubsetScore:
        """Score one subset by the dear scorer, in full."""
        self.tally.finished += indices.tobytes() not in self._seen
        self._seen.add(indices.tobytes())
        return self.dear.finish(indices)

    def state(self) -> dict[str, Any]:
        """Return what later estimates depend on; see `acofer.scoring.protocol.ResumableScorer`."""
        return {
            "tally": dataclasses.asdict(self.tally),
            "best": self._best,
            "both": np.array(self._both, np.float64).reshape(-1, 2),
            "seen": [np.frombuffer(indices, np.int32) for indices in sorted(self._seen)],
            "cheap": self._cheap.state(),
            "dear": self.dear.state(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from where `state` was taken; see `acofer.scoring.protocol.ResumableScorer`."""
        self.tally = restored_tally(ScreenTally, state["tally"])
        self._best = state["best"]
        self._both = [(float(cheap), float(dear)) for cheap, dear in state["both"]]
        self._seen = {indices.tobytes() for indices in state["seen"]}
        self._cheap.restore(state["cheap"])
        self.dear.restore(state["dear"])

    def _promising(self, cheap: list[SubsetScore]) -> list[int]:
        """Return who goes on, in the order of the batch."""
        rival = None if self._best is None else self._best.fold_utilities
        stops = hopeless(np.stack([score.fold_utilities for score in cheap]), rival=rival)
        best_first = sorted(np.flatnonzero(~stops).tolist(), key=lambda i: (-cheap[i].utility, cheap[i].size, i))
        return sorted(best_first[: max(1, int(self._share * len(cheap)))])

    def _estimate(self, cheap: SubsetScore, worst: SubsetScore, distance: float) -> SubsetScore:
        least = _SMALLEST_GAP * max(1.0, abs(worst.utility))
        gap = max(distance * _unit(np.array(self._both)), least)
        utility = worst.utility - gap
        return dataclasses.replace(
            worst,
            indices=cheap.indices,
            utility=utility,
            value=utility if self.greater_is_better else -utility,
            fold_utilities=worst.fold_utilities - gap,
            seconds=cheap.seconds,
            trees=None,
            is_estimate=True,
        )


def _unit(both: NDArray[np.float64]) -> float:
    """Return how much of the dear utility goes with one of the cheap."""
    cheap, dear = both.std(axis=0)
    return float(dear / cheap) if cheap > 0 and dear > 0 else 1.0


def _tell_nobody(_position: int, _score: SubsetScore) -> None:
    """For who does not want to know."""
