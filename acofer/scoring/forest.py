"""Scoring subsets with the fast forest: binned once, all on one matrix of bytes, few trees for the hopeless.

All subsets meet the same folds, the same bootstrap samples and the same random streams, and climb the
same rungs, e.g. 10, 30 and 90 trees. After each rung those that the test of `acofer.scoring.race` finds
hopeless stop; whoever is best at the end has all trees. No result depends on the number of threads, or on what
a memo of earlier runs knows: it is asked rung by rung, and holds what would have been grown.
"""

from __future__ import annotations

import dataclasses
import itertools
import threading
import time
import weakref
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from joblib import Parallel, delayed
from numpy.typing import NDArray

from acofer.forest.binning import Bins, find_bins
from acofer.forest.forest import HistForestClassifier
from acofer.forest.trees import Nursery, tree_seeds, votes_of
from acofer.records import SubsetScore
from acofer.scoring.memo import ScoreMemo, context_digest
from acofer.scoring.metrics import LOG_LOSS_FLOOR, Metric
from acofer.scoring.protocol import (
    Fold,
    IndexArray,
    OnScore,
    restored_tally,
    standard_error,
    subset_score,
    validation_blocks,
)
from acofer.scoring.race import hopeless, rungs
from acofer.workers.crew import THREADING, Crew, as_far_as_wanted, crew_of

FloatArray = NDArray[np.float64]

_METHOD = "acofer forest 1"
"""Part of what remembered scores are found by; to be raised whenever the same trees would score otherwise."""
_TREES_A_TASK = 5
_UNSURE = 0.45
"""Votes that a class without votes is counted as having while few trees have grown. Half a vote is what
`acofer.scoring.metrics.LOG_LOSS_FLOOR` gives it at 90 trees; a fixed share would punish small forests."""


@dataclass(frozen=True)
class BinnedFold:
    """A fold as bytes.

    Attributes
    ----------
    bins : Bins
        Found on the training rows.
    train, validation : ndarray of uint8, shape (n, n_features), C order
    y_train, y_validation : ndarray of int64
        Classes as numbers from 0.
    weight : ndarray of float64 or None
        Of the training rows.
    """

    bins: Bins
    train: NDArray[np.uint8]
    y_train: NDArray[np.int64]
    validation: NDArray[np.uint8]
    y_validation: NDArray[np.int64]
    weight: NDArray[np.float64] | None = None

    @classmethod
    def of(cls, fold: Fold, classes: NDArray, max_bins: int, *, seed: int, n_jobs: int | None) -> BinnedFold:
        """Bin a fold; its matrices may be let go of afterwards."""
        every = np.arange(fold.n_features, dtype=np.int32)
        X, y, weight = fold.train(every)
        bins = find_bins(X, max_bins, seed=seed, n_jobs=n_jobs)
        return cls(
            bins=bins,
            train=bins.codes(X, n_jobs),
            y_train=np.searchsorted(classes, y),
            validation=bins.codes(fold.validation(every), n_jobs),
            y_validation=np.searchsorted(classes, fold.y_validation),
            weight=weight,
        )


@dataclass
class Tally:
    """What scoring cost, and what racing and the memo spared.

    Attributes
    ----------
    subsets, stopped : int
        Subsets scored, and how many of them racing stopped.
    grown, remembered : int
        Trees that were grown, and that a memo spared.
    """

    subsets: int = 0
    stopped: int = 0
    grown: int = 0
    remembered: int = 0


@dataclass(eq=False)
class _Runner:
    """One subset in the race."""

    position: int
    indices: IndexArray
    votes: list[FloatArray | float]  # a fold each: class shares summed over `n_trees` trees
    n_trees: int = 0
    seconds: float = 0.0
    scores: list[SubsetScore] = field(default_factory=list)  # a rung each


class _Bed:
    """The trees that one runner grows on one fold to reach a rung, in spans."""

    def __init__(self, runner: _Runner, fold: int, spans: list[slice]) -> None:
        self.runner, self.fold, self.spans = runner, fold, spans
        self.grown: dict[int, FloatArray] = {}


class _PackedBed(_Bed):
    """A bed that threads pack before they grow its trees."""

    def __init__(self, runner: _Runner, fold: int, spans: list[slice], nursery: Nursery) -> None:
        super().__init__(runner, fold, spans)
        self._nursery = nursery
        self._parts = list(nursery.packing())
        self._unpacked = len(self._parts)
        self._lock = threading.Lock()
        self._packed = threading.Event()

    def packing(self) -> Iterator[Callable[[], None]]:
        return (partial(self._pack, part) for part in self._parts)

    def _pack(self, part: Callable[[], None]) -> None:
        try:
            part()
        finally:  # also where it failed, or the others would wait for ever; the failure ends the run
            with self._lock:
                self._unpacked -= 1
                if not self._unpacked:
                    self._packed.set()

    def nursery(self) -> Nursery:
        """Wait until all is packed."""
        self._packed.wait()
        return self._nursery


_Votes = tuple[_Bed, int, FloatArray, float]
"""A bed, the first tree of one of its spans, that span's votes, and what they took."""


@dataclass(frozen=True)
class _Ground:
    """What trees grow on and by; every worker has one."""

    forest: HistForestClassifier
    folds: list[BinnedFold]
    streams: NDArray[np.uint64]
    n_classes: int

    def nursery(self, fold: int, indices: IndexArray) -> Nursery:
        """Return what a subset's trees grow from, to be packed."""
        own = self.folds[fold]
        return self.forest.nursery(
            own.bins, own.train, own.y_train, self.n_classes, indices, own.weight, is_packed_later=True
        )

    def votes(self, nursery: Nursery, fold: int, span: slice) -> FloatArray:
        """Grow a span of trees and return their votes."""
        trees = [nursery.grow(stream)[0] for stream in self.streams[span]]
        return votes_of(trees, self.folds[fold].validation, self.n_classes)


def _grown(ground: _Ground, fold: int, indices: IndexArray, spans: list[slice]) -> list[tuple[int, FloatArray, float]]:
    """Return of each span where it starts, its votes, and what they took; done by workers that are no threads."""
    nursery = ground.nursery(fold, indices)
    for pack in nursery.packing():
        pack()
    grown = []
    for span in spans:
        start = time.perf_counter()
        votes = ground.votes(nursery, fold, span)
        grown.append((span.start, votes, time.perf_counter() - start))
    return grown


class ForestScorer:
    """Scores subsets with the fast forest.

    Parameters
    ----------
    forest : HistForestClassifier
        Its parameters say how trees grow; ``random_state`` must be an int.
    folds : sequence of BinnedFold
        One fold (a validation part) or several. With one, standard errors come from blocks of its rows.
    metric : Metric
    n_classes : int
    n_jobs : int, optional
        Workers, as in scikit-learn; the scores do not depend on them.
    backend : {"threading", "loky", "dask"}
        What workers are: threads, which are fastest on one machine, processes, or those of a Dask cluster. One subset
        by itself is always grown by threads.
    scheduler : str, optional
        Of Dask: its address, or the path of its scheduler file.
    seed : int
        Of the blocks.
    is_race : bool
        Whether the hopeless stop early. Without, every subset gets all trees.
    memo : Path, optional
        File of scores, shared with earlier runs.
    on_work : callable, optional
        Called whenever a subset has come as far as its rung; what it raises ends the scoring.

    Attributes
    ----------
    tally : Tally
    """

    is_final_when_told = False

    def __init__(
        self,
        forest: HistForestClassifier,
        folds: Sequence[BinnedFold],
        metric: Metric,
        *,
        n_classes: int,
        n_jobs: int | None = None,
        backend: str = THREADING,
        scheduler: str | None = None,
        seed: int = 0,
        is_race: bool = True,
        memo: Path | None = None,
        on_work: Callable[[], None] | None = None,
    ) -> None:
        self.metric_name = metric.name
        self.greater_is_better = metric.greater_is_better
        self.tally = Tally()
        self._forest = forest
        self._folds = list(folds)
        self._metric = metric
        self._n_jobs = n_jobs
        self._rungs = rungs(forest.n_estimators)
        self._raced = self._rungs if is_race else self._rungs[-1:]
        streams = tree_seeds(forest.random_state, forest.n_estimators)
        self._ground = _Ground(forest, self._folds, streams, n_classes)
        self._crew = None if backend == THREADING else crew_of(backend, n_jobs, scheduler, self._ground)
        if self._crew is not None:
            weakref.finalize(self, self._crew.close)
        self._blocks = validation_blocks(folds[0].y_validation, seed) if len(folds) == 1 else None
        self._memo = None if memo is None else ScoreMemo(memo, self._context())
        if self._memo is not None:
            weakref.finalize(self, self._memo.close)
        self._on_work = on_work
        self._champion: _Runner | None = None

    def score(self, subsets: Sequence[IndexArray], on_score: OnScore | None = None) -> list[SubsetScore]:
        """Score the subsets; see `acofer.scoring.protocol.SubsetScorer`.

        Those that racing stopped have estimates, marked as such; no estimate is as good as the best.
        """
        tell = on_score or _tell_nobody
        runners = [self._runner(position, subset) for position, subset in enumerate(subsets)]
        running, last = runners, len(self._raced) - 1
        for rung in range(last + 1):
            self._climb(running, rung, tell if rung == last else _tell_nobody)
            stopping = self._stopping(running, rung) if rung < last else []
            for runner in stopping:
                tell(runner.position, dataclasses.replace(runner.scores[rung], is_estimate=True))
            running = [runner for runner in running if runner not in stopping]
        self._crown(runners)
        self._revive(runners)
        self.tally.subsets += len(runners)
        self.tally.stopped += sum(len(runner.scores) <= last for runner in runners)
        return [self._settled(runner) for runner in runners]

    def finish(self, indices: IndexArray) -> SubsetScore:
        """Score one subset with all trees, whatever its prospects."""
        runner = self._runner(0, indices)
        self._climb_on(runner)
        return runner.scores[-1]

    def state(self) -> dict[str, Any]:
        """Return whom later subsets race against, and the tally; see `acofer.scoring.protocol.ResumableScorer`."""
        return {
            "tally": dataclasses.asdict(self.tally),
            "champion": [] if self._champion is None else list(self._champion.scores),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from where `state` was taken; see `acofer.scoring.protocol.ResumableScorer`."""
        scores = state["champion"]
        if scores and len(scores) != len(self._raced):
            raise ValueError(f"expected scores of {len(self._raced)} rungs")
        self.tally = restored_tally(Tally, state["tally"])
        self._champion = self._runner(0, scores[-1].indices) if scores else None
        if self._champion is not None:
            self._champion.scores = list(scores)

    def _runner(self, position: int, indices: IndexArray) -> _Runner:
        return _Runner(position, indices, [0.0] * len(self._folds))

    def _stopping(self, running: list[_Runner], rung: int) -> list[_Runner]:
        utilities = np.stack([runner.scores[rung].fold_utilities for runner in running])
        rival = None if self._champion is None else self._champion.scores[rung].fold_utilities
        stops = hopeless(utilities, rival=rival)
        return [runner for runner, stop in zip(running, stops, strict=True) if stop]

    def _crown(self, runners: list[_Runner]) -> None:
        """Remember the best subset with all trees, among these and all before them."""
        finished = [runner for runner in runners if len(runner.scores) == len(self._raced)]
        rivals = finished if self._champion is None else [self._champion, *finished]
        self._champion = max(rivals, key=lambda runner: (runner.scores[-1].utility, -len(runner.indices)), default=None)

    def _revive(self, runners: list[_Runner]) -> None:
        """Give all trees to any stopped subset whose estimate is as good as the best: it may be the best."""
        while self._champion is not None:
            best = self._champion.scores[-1].utility
            hopeful = [r for r in runners if self._settled(r).is_estimate and self._settled(r).utility >= best]
            if not hopeful:
                return
            self._climb_on(hopeful[0])
            self._crown(runners)

    def _settled(self, runner: _Runner) -> SubsetScore:
        """Return the score with all trees, or its estimate: the best one's, less what was missing on the same trees."""
        own = runner.scores[-1]
        if len(runner.scores) == len(self._raced) or self._champion is None:
            return own
        best, then = self._champion.scores[-1], self._champion.scores[len(runner.scores) - 1]
        parts = best.fold_utilities + own.fold_utilities - then.fold_utilities
        utility = best.utility + own.utility - then.utility
        return dataclasses.replace(
            own,
            utility=utility,
            value=utility if self.greater_is_better else -utility,
            fold_utilities=parts,
            standard_error=standard_error(parts),
            is_estimate=True,
        )

    def _climb_on(self, runner: _Runner) -> None:
        """Bring one runner to the last rung."""
        for rung in range(len(runner.scores), len(self._raced)):
            self._climb([runner], rung, _tell_nobody)

    def _climb(self, runners: list[_Runner], rung: int, tell: OnScore) -> None:
        """Bring runners to a rung, each from where it stands, and score them there."""
        trees = self._raced[rung]
        reached = self._raced[rung - 1] if rung else 0
        growing = []
        for runner in runners:
            known = None if self._memo is None else self._memo.get(runner.indices, trees)
            if known is None:
                growing.append(runner)
                continue
            runner.scores.append(known)
            self.tally.remembered += (trees - reached) * len(self._folds)
            tell(runner.position, runner.scores[-1])
        with closing(self._grown(growing, trees)) as grown:
            for runner in grown:
                runner.scores.append(self._scored(runner, trees))
                if self._memo is not None:
                    self._memo.put(runner.scores[-1], trees)
                tell(runner.position, runner.scores[-1])

    def _grown(self, runners: list[_Runner], trees: int) -> Generator[_Runner]:
        """Grow the runners' trees up to so many, and yield each runner as it is done."""
        crew = self._crew if len(runners) > 1 else None  # one by itself is done before others have heard of it
        grown = self._in_threads(runners, trees) if crew is None else self._by_crew(crew, runners, trees)
        beds_left = {id(runner): len(self._folds) for runner in runners}
        with closing(grown):
            for bed, first, votes, seconds in grown:
                bed.grown[first] = votes
                bed.runner.seconds += seconds
                if len(bed.grown) < len(bed.spans):
                    continue
                for span in bed.spans:  # always in this order: sums of class shares round
                    bed.runner.votes[bed.fold] = bed.runner.votes[bed.fold] + bed.grown[span.start]
                    self.tally.grown += span.stop - span.start
                beds_left[id(bed.runner)] -= 1
                if not beds_left[id(bed.runner)]:
                    bed.runner.n_trees = trees
                    yield bed.runner
                    if self._on_work is not None:
                        self._on_work()

    def _in_threads(self, runners: list[_Runner], trees: int) -> Generator[_Votes]:
        pool = Parallel(self._n_jobs, backend="threading", return_as="generator_unordered", batch_size=1)
        yield from filter(None, as_far_as_wanted(pool(self._tasks(runners, trees))))

    def _by_crew(self, crew: Crew, runners: list[_Runner], trees: int) -> Generator[_Votes]:
        """Have a crew grow them, a bed a task; where there are fewer beds than workers, a part of one."""
        beds = [
            _Bed(runner, fold, self._spans(runner.n_trees, trees))
            for runner in runners
            for fold in range(len(self._folds))
        ]
        n_parts = max(1, crew.size // len(beds))
        parts = [(bed, spans) for bed in beds for spans in _cut(bed.spans, n_parts)]
        with closing(crew.run(_grown, ((bed.fold, bed.runner.indices, spans) for bed, spans in parts))) as grown:
            for position, votes in grown:
                yield from ((parts[position][0], *own) for own in votes)

    def _tasks(self, runners: list[_Runner], trees: int) -> Iterator[Any]:
        """Yield what threads do, in order: each bed is packed while the one before it grows.

        So a bed has been packed, or is being packed, when its trees start, and no more matrices are held than
        threads are busy with.
        """
        waiting: _PackedBed | None = None
        for runner in runners:
            for fold in range(len(self._folds)):
                nursery = self._ground.nursery(fold, runner.indices)
                bed = _PackedBed(runner, fold, self._spans(runner.n_trees, trees), nursery)
                yield from (delayed(part)() for part in bed.packing())
                yield from self._growing(waiting)
                waiting = bed
        yield from self._growing(waiting)

    def _growing(self, bed: _PackedBed | None) -> Iterator[Any]:
        return (delayed(self._grow)(bed, span) for span in ([] if bed is None else bed.spans))

    def _grow(self, bed: _PackedBed, span: slice) -> _Votes:
        nursery = bed.nursery()
        start = time.perf_counter()
        votes = self._ground.votes(nursery, bed.fold, span)
        return bed, span.start, votes, time.perf_counter() - start

    def _spans(self, first: int, last: int) -> list[slice]:
        """Cut the trees from `first` to `last` into tasks; the cuts do not depend on where a runner starts."""
        stops = {0, *self._rungs}
        for low, high in itertools.pairwise(sorted(stops)):
            stops.update(range(low, high, _TREES_A_TASK))
        return [slice(a, b) for a, b in itertools.pairwise(sorted(stops)) if first <= a < last]

    def _scored(self, runner: _Runner, trees: int) -> SubsetScore:
        floor = _UNSURE / trees if trees < self._rungs[-1] else 0.0
        shares = [np.maximum(votes / trees, floor) for votes in runner.votes]
        proba = [share / share.sum(axis=1, keepdims=True) for share in shares]
        truth = [fold.y_validation for fold in self._folds]
        if self._blocks is None:
            parts = np.array([self._metric.of(y, p) for y, p in zip(truth, proba, strict=True)])
            value = float(parts.mean())
        else:
            parts = np.array([self._metric.of(truth[0][block], proba[0][block]) for block in self._blocks])
            value = self._metric.of(truth[0], proba[0])
        return dataclasses.replace(
            subset_score(runner.indices, value, parts, self._metric.greater_is_better, runner.seconds), trees=trees
        )

    def _context(self) -> str:
        """Digest of all that a score depends on but the subset and the number of trees."""
        parameters = {k: v for k, v in self._forest.get_params().items() if k not in ("n_jobs", "oob_score")}
        return context_digest(
            method=_METHOD,
            forest=parameters,
            folds=[[f.bins.edges, f.train, f.y_train, f.validation, f.y_validation, f.weight] for f in self._folds],
            metric=[self.metric_name, LOG_LOSS_FLOOR],
            blocks=self._blocks,
        )


def _cut(spans: list[slice], n_parts: int) -> list[list[slice]]:
    """Cut spans into so many parts, or as many as there are spans, of about the same number of spans."""
    ends = np.linspace(0, len(spans), min(n_parts, len(spans)) + 1).astype(int).tolist()
    return [spans[a:b] for a, b in itertools.pairwise(ends)]


def _tell_nobody(_position: int, _score: SubsetScore) -> None:
    """For who does not want to know."""
