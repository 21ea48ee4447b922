"""A tuning, whole: from pictures to the best knobs and their run folder."""

from __future__ import annotations

import dataclasses
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from acofer.bench.selector import Selector
from acofer.bench.selectors import selector_named
from acofer.config.common import seconds_of
from acofer.config.tune import TuneConfig
from acofer.records import Progress, silence
from acofer.runs import folder as files
from acofer.runs.folder import Draw, RunFolder
from acofer.runs.guidance import compile_for
from acofer.runs.judge import check_classifiers
from acofer.runs.machine import Stopwatch
from acofer.runs.pictures import (
    configured_classes,
    configured_embeddings,
    configured_pictures,
    configured_split,
    embeddings_of,
)
from acofer.runs.search import placed
from acofer.scoring.metrics import METRICS
from acofer.scoring.protocol import check_disjoint
from acofer.stopping import INTERRUPTED, TERMINATED, Stop, Terminated
from acofer.tune.folds import outer_folds
from acofer.tune.record import (
    TRIALS,
    Circumstances,
    best_files,
    problem_of,
    trial_news,
    trials_table,
    tuning_numbers,
)
from acofer.tune.space import check_contender, space_of
from acofer.tune.study import Study, import_optuna
from acofer.tune.trials import Trials
from acofer.workers.cluster import ClusterCrew
from acofer.workers.crew import DASK, check_cluster

JOURNAL = "study.journal"
ENOUGH, LATE, FAILED = "trials", "timeout", "failed"
OnTrial = Callable[[dict[str, Any]], None]
"""Called with every trial that has ended: its number, state, value and knobs, and the best value so far."""


@dataclass(frozen=True)
class TuneResult:
    """What came of a tuning.

    Attributes
    ----------
    folder : pathlib.Path
        The run folder.
    numbers : dict
        The content of ``result.json``: everything that is printed or drawn.
    """

    folder: Path
    numbers: dict[str, Any]


def run_tune(
    config: TuneConfig,
    *,
    progress: Progress | None = None,
    on_trial: OnTrial | None = None,
    draw: Draw | None = None,
    stop: Stop | None = None,
) -> TuneResult:
    """Tune a contender's knobs on training rows, and leave a run folder.

    Parameters
    ----------
    config : TuneConfig
    progress : callable, optional
        Told ``(stage, done, total)``.
    on_trial : callable, optional
        Told every trial that has ended.
    draw : callable, optional
        Called as ``draw(numbers, path)`` to write figures into the folder `path`.
    stop : Stop, optional
        Heeded between trials; what has been found is written, and ``numbers["ended"]`` is its reason. So it is when an
        interrupt ends a trial.

    Raises
    ------
    AcoferError
        For anything wrong with the options, the data, the storage or the folders; without a complete trial nothing is
        left behind.
    """
    import_optuna()
    selector = selector_named(config.contender)
    config = _placed(config.settled())
    check_cluster(config.backend, config.scheduler)
    check_contender(config, selector)
    check_classifiers(config)
    space_of(config, selector)  # what can be known before hours are spent is said before
    folder = RunFolder(config.out, config.name or f"tune-{selector.name}")
    try:
        return _Tuning(config, selector, folder, progress or silence, on_trial, draw).run(stop or Stop())
    except BaseException:
        folder.discard()
        raise


class _Tuning:
    def __init__(
        self,
        config: TuneConfig,
        selector: Selector,
        folder: RunFolder,
        progress: Progress,
        on_trial: OnTrial | None,
        draw: Draw | None,
    ) -> None:
        self._config, self._folder, self._watch = config, folder, Stopwatch()
        self._progress, self._on_trial, self._draw = progress, on_trial, draw
        self._on = self._circumstances(selector)
        self._study = Study(
            config,
            config.name or f"acofer-{selector.name}",
            folder.path(JOURNAL),
            self._on.space,
            problem_of(self._on),
            greater_is_better=METRICS[config.final_metric].greater_is_better,
        )

    def _circumstances(self, selector: Selector) -> Circumstances:
        config, watch = self._config, self._watch
        with watch.stage("reading"):
            everything = configured_pictures(config, self._progress)
            images = configured_classes(config, everything)
            split = configured_split(config, images)
        check_disjoint(train=split.train, validation=split.validation, test=split.test)
        with watch.stage("embedding"):
            embeddings = embeddings_of(images, configured_embeddings(config, everything, self._progress))
        space = space_of(config, selector, embeddings.values.shape[1])
        return Circumstances(config, selector, images, split, embeddings, space)

    def run(self, stop: Stop) -> TuneResult:
        on = self._on
        with self._watch.stage("folds"):
            for heuristic in {on.config.heuristic, *(on.space["heuristic"].choices if "heuristic" in on.space else ())}:
                compile_for(dataclasses.replace(on.config, heuristic=heuristic))
            folds = outer_folds(on.config, on.embeddings.values, on.images.labels, on.split.train, on.images.n_classes)
        trials = Trials(on.config, on.selector, folds)
        crew = self._crew(trials)
        ended, fault = FAILED, None
        with self._watch.stage("trials"):
            try:
                with stop.heeded():
                    ended = self._run_trials(trials, crew, stop)
            except BaseException as error:
                if self._study.best(self._study.trials()) is None:
                    raise
                if isinstance(error, KeyboardInterrupt):
                    ended = TERMINATED if isinstance(error, Terminated) else INTERRUPTED
                else:
                    fault = error
            finally:
                if crew is not None:
                    crew.close()
        result = self._written(ended)
        if fault is not None:
            warnings.warn(f"a trial failed; what was found before is kept in {result.folder}", stacklevel=2)
            raise fault
        return result

    def _crew(self, trials: Trials) -> ClusterCrew | None:
        """Return who runs trials at once, where that is a cluster."""
        if self._config.backend != DASK:
            return None
        assert self._config.scheduler is not None  # noqa: S101 - for the type checker
        return ClusterCrew(self._config.scheduler, trials, is_alone=True)

    def _run_trials(self, trials: Trials, crew: ClusterCrew | None, stop: Stop) -> str:
        """Run trials until there are enough, and return why no more are begun."""
        timeout = None if self._config.timeout is None else seconds_of(self._config.timeout)
        start, before, done = time.monotonic(), _finished(self._study), 0
        at_once = 1 if crew is None else self._config.workers or crew.size  # also where workers die, or come
        while stop.reason is None:
            if timeout is not None and time.monotonic() - start >= timeout:
                return LATE
            left = self._config.trials - _finished(self._study)
            if left <= 0:
                if self._study.defaults() is not None:
                    return ENOUGH
                self._study.add_defaults()
            total = max(self._config.trials - before, done + 1) * trials.n_steps
            tell = partial(self._tell, done * trials.n_steps, total)
            if crew is None:
                ended = [trials.run(self._study, tell)]
            else:
                ended = trials.run_together(self._study, crew, max(1, min(left, at_once)), tell)
            done += len(ended)
            self._progress("tuning", done * trials.n_steps, total)
            if self._on_trial is not None:
                for trial in ended:
                    self._on_trial(trial_news(self._study, trial.number))
        return stop.reason

    def _tell(self, before: int, total: int, step: int) -> None:
        self._progress("tuning", before + step, total)

    def _written(self, ended: str) -> TuneResult:
        on, folder = self._on, self._folder
        numbers = tuning_numbers(on, self._study, ended)
        numbers["seconds"] = {stage: round(seconds, 3) for stage, seconds in self._watch.seconds.items()}
        with folder.writing():
            folder.write_text(files.CONFIG, dataclasses.replace(on.config, out=None).to_toml())
            folder.write_text(TRIALS, trials_table(numbers))
            for name, text in best_files(on, numbers["best"]).items():
                folder.write_text(name, text)
            if self._draw is not None:
                folder.draw(self._draw, numbers)
            folder.write_json(files.RESULT, numbers)
            return TuneResult(folder.finish(), numbers)


def _finished(study: Study) -> int:
    return sum(trial.state.name in ("COMPLETE", "PRUNED") for trial in study.trials())


def _placed(config: TuneConfig) -> TuneConfig:
    """Name files and folders so that the tuning can be repeated, and gone on with, from anywhere."""
    storage = config.storage
    if storage is not None and "://" not in storage:
        storage = str(Path(storage).expanduser().resolve())
    return dataclasses.replace(placed(config), storage=storage)
