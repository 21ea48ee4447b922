"""One trial: the same folds, seeds and budget as all others, and what it is worth at every step."""

from __future__ import annotations

import copy
import math
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import Any

import numpy as np

from acofer.bench.budget import Budget, CountingScorer
from acofer.bench.selector import Selector
from acofer.config.tune import TuneConfig
from acofer.tune.folds import SCORER_KNOBS, OuterFold, Search
from acofer.tune.space import fixed_knobs
from acofer.tune.study import Study, Trial, steps_of_fold
from acofer.workers.crew import Crew

OnStep = Callable[[int], None]
"""Called with the steps that a trial has done."""
Tell = Callable[["Seen"], None]
"""Called after each step of a trial; what it raises ends the trial."""


class _Pruned(Exception):  # noqa: N818 - it is not an error
    """Ends a trial that falls behind."""


@dataclass
class Seen:
    """What a trial has seen so far, kept with it in the study.

    Attributes
    ----------
    curves : list of list of float
        For each fold that was begun, the value on its held-out rows after each step; the last one of a fold that has
        ended is that of its choice. A step that a batch leapt over has the value before it.
    features : list of int
        Of the choice of each fold that has ended.
    evaluations, asked : list of int
        Subsets scored in each fold that was begun, and those asked for until the last new one was scored, known ones
        included.
    seconds : float
    """

    curves: list[list[float]]
    features: list[int]
    evaluations: list[int]
    asked: list[int]
    seconds: float = 0.0

    @property
    def folds(self) -> list[float]:
        """The values of the folds that have ended."""
        return [curve[-1] for curve in self.curves[: len(self.features)]]


class Trials:
    """Runs the trials of a study.

    The outer folds are searched one after the other. At every step (the default colony's iteration, or as many scored
    subsets by another searcher) the best subset so far is scored on the fold's held-out rows. What the study is told
    then is a mean over all folds: of this one the defaults' value and the trial's difference from the defaults at the
    same step, of those not yet searched the defaults' value. So the values of different steps can be compared, and
    trials at the same step have seen the same folds and scored as many subsets. Nobody is pruned before the first
    fold has ended. Of a budget in seconds looking takes a part, with every searcher.

    Parameters
    ----------
    config : TuneConfig
        Settled.
    selector : Selector
    folds : list of OuterFold
    """

    def __init__(self, config: TuneConfig, selector: Selector, folds: Sequence[OuterFold]) -> None:
        self._config, self._selector, self._folds = config, selector, folds
        self._fixed = fixed_knobs(config, selector)
        self._evaluations, self._seconds = config.limits
        self._n_steps = steps_of_fold(config)

    @property
    def n_steps(self) -> int:
        """Steps of a whole trial."""
        return self._n_steps * len(self._folds)

    def run(self, study: Study, on_step: OnStep) -> Trial:
        """Run the study's next trial, and return it.

        Whatever interrupts it, it does not stay open in the study.
        """
        trial, knobs = study.ask()
        with _Ending(study, trial) as ending:
            ending.seen = seen = Seen([], [], [], [])
            self._play(knobs, seen, _Teller(study, trial, _reference(study), self._n_steps, on_step))
        return trial

    def run_together(self, study: Study, crew: Crew, n_trials: int, on_step: OnStep) -> list[Trial]:
        """Run the study's next trials at once, each by a worker, and return them.

        They are asked for together and told in their order, step by step, when all have ended. So what the study
        comes to depends on how many they are, and not on who is done first; whoever is pruned then has spared no time.
        """
        asked = [study.ask() for _ in range(n_trials)]
        played: dict[int, list[Seen] | Exception] = {}
        try:
            with closing(crew.run(played_by, ((knobs,) for _, knobs in asked))) as outcomes:
                for position, outcome in outcomes:
                    played[position] = outcome
                    on_step(len(played) * self.n_steps)
        finally:
            faults = [self._told(study, trial, played.get(place)) for place, (trial, _) in enumerate(asked)]
        for fault in filter(None, faults):
            raise fault
        return [trial for trial, _ in asked]

    def _told(self, study: Study, trial: Trial, played: list[Seen] | Exception | None) -> Exception | None:
        """Tell the study what a worker has seen, as if it were seen now; return what failed."""
        with suppress(_Interrupted), _Ending(study, trial) as ending:
            if not isinstance(played, list):
                raise _Interrupted
            tell = _Teller(study, trial, _reference(study), self._n_steps, lambda _: None)
            for seen in played:
                ending.seen = seen
                tell(seen)
        return played if isinstance(played, Exception) else None

    def played(self, knobs: Mapping[str, Any]) -> list[Seen]:
        """Return what a trial has seen after each of its steps; nobody prunes it."""
        steps: list[Seen] = []
        self._play(knobs, Seen([], [], [], []), lambda seen: steps.append(copy.deepcopy(seen)))
        return steps

    def _play(self, knobs: Mapping[str, Any], seen: Seen, tell: Tell) -> None:
        start = time.perf_counter()

        def tell_in_time(seen: Seen) -> None:
            seen.seconds = round(time.perf_counter() - start, 3)
            tell(seen)

        for number in range(len(self._folds)):
            self._search(number, knobs, seen, tell_in_time)

    def _search(self, number: int, knobs: Mapping[str, Any], seen: Seen, tell: Tell) -> None:
        fold, curve = self._folds[number], list[float]()
        seen.curves.append(curve)
        seen.evaluations.append(0)
        seen.asked.append(0)

        def look(counting: CountingScorer) -> None:
            if counting.evaluations > seen.evaluations[-1]:
                seen.evaluations[-1], seen.asked[-1] = counting.evaluations, counting.asked
            passed = self._passed(counting)
            if self._config.pruner == "off" or passed <= len(curve):
                return
            _reach(curve, passed, fold.value(counting.archive.best.indices))
            tell(seen)

        indices = fold.choose(self._searched(knobs), look)
        _reach(curve, self._n_steps, fold.value(indices))
        seen.features.append(len(indices))
        tell(seen)

    def _passed(self, counting: CountingScorer) -> int:
        """Return how many steps a search has passed; the last one ends with its choice."""
        if self._evaluations is not None:
            passed = counting.evaluations // self._config.ants
        else:
            assert self._seconds is not None  # noqa: S101 - one of them limits the search
            passed = math.floor(self._n_steps * counting.seconds / self._seconds)
        return min(passed, self._n_steps - 1)

    def _searched(self, knobs: Mapping[str, Any]) -> Search:
        own = {name: value for name, value in knobs.items() if name in self._selector.knobs}
        return Search(
            selector=self._selector,
            knobs={**self._fixed, **own},
            size=knobs.get("size", self._config.size),
            scorer={name: knobs[name] for name in SCORER_KNOBS if name in knobs},
            budget=Budget(self._evaluations, self._seconds),
        )


def _reach(curve: list[float], step: int, value: float) -> None:
    """Lengthen a curve to a step; those it leapt over have the value before them."""
    before = curve[-1] if curve else value
    curve += [before] * (step - len(curve) - 1) + [value]


def _reference(study: Study) -> list[list[float]] | None:
    default = study.defaults()
    return None if default is None else default.user_attrs["curves"]


class _Interrupted(Exception):  # noqa: N818 - it is not an error
    """Ends a trial of which nothing came."""


class _Ending:
    """Ends a trial in the study, whatever ends it here: complete, pruned or failed, with what it has seen."""

    def __init__(self, study: Study, trial: Trial) -> None:
        self._study, self._trial = study, trial
        self.seen = Seen([], [], [], [])

    def __enter__(self) -> _Ending:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: Any) -> bool:
        seen, state, value = self.seen, "fail", None
        if kind is None:
            state, value = "complete", float(np.mean(seen.folds))
        elif kind is _Pruned:
            state = "pruned"
        kept = {"folds": seen.folds} | {name: getattr(seen, name) for name in Seen.__dataclass_fields__}
        self._study.tell(self._trial, state, value, kept)
        return kind is _Pruned


_alone = threading.Lock()


def played_by(trials: Trials, knobs: Mapping[str, Any]) -> list[Seen] | Exception:
    """Play a trial in a worker, one at a time; what fails is returned, for others are under way."""
    with _alone:
        try:
            return trials.played(knobs)
        except Exception as error:
            return error


@dataclass(frozen=True)
class _Teller:
    """Tells the study what a trial has reached, and ends it where the study says so."""

    study: Study
    trial: Trial
    reference: list[list[float]] | None
    n_steps: int
    on_step: OnStep

    def __call__(self, seen: Seen) -> None:
        done = (len(seen.curves) - 1) * self.n_steps + len(seen.curves[-1])
        self.on_step(done)
        if self.reference is None:
            return
        is_over = done == self.n_steps * len(self.reference)
        if self.study.report(self.trial, self._value(seen, self.reference), done) and not is_over:
            raise _Pruned

    def _value(self, seen: Seen, reference: list[list[float]]) -> float:
        """Return the mean over all folds that a trial has in prospect; see `Trials`."""
        leads = [curve[-1] - other[len(curve) - 1] for curve, other in zip(seen.curves, reference, strict=False)]
        return float((np.sum([curve[-1] for curve in reference]) + np.sum(leads)) / len(reference))
