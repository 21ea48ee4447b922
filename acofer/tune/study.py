"""The study: where it is kept, whether it is about the same problem, who samples and who prunes. Optuna's only host."""

from __future__ import annotations

import contextlib
import json
import math
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from acofer.bench.selector import Knob
from acofer.config.tune import TuneConfig
from acofer.errors import AcoferError, ConfigError, MissingExtraError, StoreError
from acofer.tune.soundness import check_trial
from acofer.tune.space import Space, defaults_of

_PROBLEM, _DEFAULTS = "problem", "defaults"
_CREATION_SECONDS = 10.0
"""How long a study that another process is making may be without its problem."""
_STEPS = 5
"""Steps of a search whose budget is in seconds."""
_LEAST_TRIALS = 10
"""Of fewer, importances are those of the draws; the sampler draws as many at random, too."""
_DAMAGES = (OSError, ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RuntimeError, AssertionError)
"""What Optuna raises on a journal that somebody has changed: it plays one without a check."""
Trial = Any
"""An `optuna.trial.FrozenTrial`, or a `Trial` that runs."""


class Study:
    """An Optuna study of one problem, which several processes may share.

    The default knobs are its first trial. A trial that has ended keeps what it saw in its user attributes.

    Parameters
    ----------
    config : TuneConfig
        Settled.
    name : str
    place : Path
        The journal, where no storage is named.
    space : dict of str to Knob
    problem : mapping
        What makes two studies the same problem, as plain data.
    greater_is_better : bool

    Raises
    ------
    MissingExtraError
        If Optuna is absent.
    StoreError
        If the storage cannot be read or written.
    ConfigError
        If the study there is about another problem.
    """

    def __init__(
        self,
        config: TuneConfig,
        name: str,
        place: Path,
        space: Space,
        problem: Mapping[str, Any],
        *,
        greater_is_better: bool,
    ) -> None:
        self._optuna = import_optuna()
        self._seed, self.space, self.greater_is_better = config.seed, space, greater_is_better
        self._n_steps, self._n_folds = steps_of_fold(config), config.outer_folds
        self.name, self.where = name, config.storage or place.name
        with _quiet(), self._storing():
            self._study, is_new = self._opened(name, self._storage(config.storage, place), self._pruner(config.pruner))
            if is_new:
                self._study.set_user_attr(_PROBLEM, dict(problem))
                self._study.enqueue_trial(defaults_of(space))
        if not is_new:
            self._demand_same(json.loads(json.dumps(problem)))

    def ask(self) -> tuple[Trial, dict[str, Any]]:
        """Begin a trial and return it with its knobs.

        Every trial samples from a stream of its own, by its number: a study that was interrupted goes on as it would
        have gone on, and processes that share one do not try the same knobs.
        """
        with _quiet(), self._storing():
            trial = self._study.ask()
            sequence = np.random.SeedSequence(self._seed, spawn_key=(trial.number,))
            self._study.sampler = self._optuna.samplers.TPESampler(seed=int(sequence.generate_state(1)[0]))
            return trial, {name: _suggested(trial, name, knob) for name, knob in self.space.items()}

    def report(self, trial: Trial, value: float, step: int) -> bool:
        """Tell what a trial has reached at a step, and return whether it is to end."""
        with _quiet(), self._storing():
            trial.report(value, step)
            return bool(trial.should_prune())

    def tell(self, trial: Trial, state: str, value: float | None, seen: Mapping[str, Any]) -> None:
        """End a trial as "complete", "pruned" or "fail", and keep what it saw."""
        with _quiet(), self._storing():
            for name, content in seen.items():
                trial.set_user_attr(name, content)
            self._study.tell(trial, value, state=self._optuna.trial.TrialState[state.upper()])

    def trials(self) -> list[Trial]:
        """Return all trials that have begun, by number."""
        with self._storing():
            waiting = self._optuna.trial.TrialState.WAITING
            begun = [trial for trial in self._study.get_trials(deepcopy=False) if trial.state != waiting]
            for trial in begun:
                check_trial(trial, self.space, self._n_folds, self._n_steps)
            return begun

    def defaults(self, trials: Sequence[Trial] | None = None) -> Trial | None:
        """Return the trial of the defaults, once it is complete."""
        default = defaults_of(self.space)
        complete = _complete(self.trials() if trials is None else trials)
        return next((trial for trial in complete if trial.params == default), None)

    def best(self, trials: Sequence[Trial]) -> Trial | None:
        """Return the best complete trial, of equals the first."""
        sign = -1 if self.greater_is_better else 1
        return min(_complete(trials), key=lambda trial: sign * trial.value, default=None)

    def add_defaults(self) -> None:
        """Have the defaults tried next: who had begun them never ended."""
        with _quiet(), self._storing():
            self._study.enqueue_trial(defaults_of(self.space))

    def importances(self) -> dict[str, float] | None:
        """Return every knob's share in the spread of the complete trials' values; None of fewer than ten, or all alike.

        Functional ANOVA on a random forest: Hutter, Hoos and Leyton-Brown, "An Efficient Approach for Assessing
        Hyperparameter Importance", ICML 2014.
        """
        if len(_complete(self.trials())) < _LEAST_TRIALS:
            return None
        evaluator = self._optuna.importance.FanovaImportanceEvaluator(seed=self._seed)
        try:
            with _quiet(), np.errstate(all="ignore"):
                found = self._optuna.importance.get_param_importances(self._study, evaluator=evaluator)
        except (ValueError, RuntimeError):  # all of them alike
            return None
        shares = {name: float(share) for name, share in found.items()}
        return shares if shares and all(map(math.isfinite, shares.values())) and any(shares.values()) else None

    def _storage(self, named: str | None, place: Path) -> Any:
        storages = self._optuna.storages
        if named is not None and "://" in named:
            return storages.RDBStorage(named)
        path = place if named is None else Path(named)
        path.parent.mkdir(parents=True, exist_ok=True)
        return storages.JournalStorage(storages.journal.JournalFileBackend(str(path)))

    def _opened(self, name: str, storage: Any, pruner: Any) -> tuple[Any, bool]:
        """Return the study, and whether it is new: of several processes, who makes it also says what it is about."""
        direction = "maximize" if self.greater_is_better else "minimize"
        create = self._optuna.create_study
        try:
            return create(study_name=name, storage=storage, pruner=pruner, direction=direction), True
        except self._optuna.exceptions.DuplicatedStudyError:
            return self._optuna.load_study(study_name=name, storage=storage, pruner=pruner), False

    def _pruner(self, name: str) -> Any:
        pruners = self._optuna.pruners
        if name == "off":
            return pruners.NopPruner()
        if name == "halving":
            return pruners.SuccessiveHalvingPruner(min_resource=self._n_steps, reduction_factor=2)
        return pruners.MedianPruner(n_warmup_steps=self._n_steps)

    def _demand_same(self, problem: dict[str, Any]) -> None:
        kept = self._problem()
        others = [name for name in {**problem, **kept} if problem.get(name) != kept.get(name)]
        if others:
            name = others[0]
            raise ConfigError(
                f"storage: the study {self.name!r} in {self.where} is about another problem: its {name} "
                f"is {_short(kept.get(name))}, not {_short(problem.get(name))}; take another --storage or --name"
            )

    def _problem(self) -> dict[str, Any]:
        end = time.monotonic() + _CREATION_SECONDS
        while True:
            with self._storing():
                kept = self._study.user_attrs.get(_PROBLEM)
            if isinstance(kept, dict):
                return kept
            if kept is not None or time.monotonic() > end:
                raise ConfigError(
                    f"storage: the study {self.name!r} in {self.where} was not made by acofer tune; take "
                    "another --storage or --name"
                )
            time.sleep(0.1)

    @contextlib.contextmanager
    def _storing(self) -> Iterator[None]:
        """Turn what a storage has to complain about into one line."""
        try:
            yield
        except AcoferError:
            raise
        except (*_DAMAGES, self._optuna.exceptions.OptunaError) as error:
            raise self._store_error(error) from None
        except Exception as error:  # of the database's driver, which is not imported here
            if type(error).__module__.partition(".")[0] not in ("sqlalchemy", "sqlite3"):
                raise
            raise self._store_error(error) from None

    def _store_error(self, error: Exception) -> StoreError:
        what = " ".join(str(getattr(error, "strerror", None) or error).split())[:200]
        return StoreError(
            f"storage: expected a journal or database that can be read and written at {self.where}; {what}; take "
            "another --storage"
        )


def steps_of_fold(config: TuneConfig) -> int:
    """Return into how many steps the search of an outer fold is cut: the default colony's iterations."""
    evaluations, _ = config.limits
    return _STEPS if evaluations is None else max(1, math.ceil(evaluations / config.ants))


def _complete(trials: Sequence[Trial]) -> list[Trial]:
    return [trial for trial in trials if trial.state.name == "COMPLETE"]


def _suggested(trial: Trial, name: str, knob: Knob) -> Any:
    if knob.kind == "choice":
        return trial.suggest_categorical(name, list(knob.choices))
    suggest = trial.suggest_int if knob.kind == "int" else trial.suggest_float
    return suggest(name, knob.low, knob.high, log=knob.log)


def _short(value: Any) -> str:
    return "not there" if value is None else json.dumps(value)


def import_optuna() -> Any:
    """Return Optuna.

    Raises
    ------
    MissingExtraError
        If it is not installed.
    """
    try:
        import optuna
    except ImportError as error:
        raise MissingExtraError.of("Optuna", "tune", "tuning") from error
    return optuna


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep Optuna's log and its warnings, e.g. of what is experimental there, from the user."""
    import optuna

    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        optuna.logging.set_verbosity(level)
