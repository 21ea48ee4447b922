"""What a tuning records of itself: its trials, the best of them, and what they gain over the defaults."""

from __future__ import annotations

import csv
import dataclasses
import io
import time
from dataclasses import dataclass
from importlib import metadata
from typing import Any

import numpy as np

from acofer.bench.selector import Selector
from acofer.config.search import NOT_OF_THE_OUTCOME, SearchConfig
from acofer.config.tune import TuneConfig
from acofer.records import Embeddings, ImageSet, Split
from acofer.runs.machine import machine, versions
from acofer.runs.record import data_numbers
from acofer.scoring.metrics import METRICS
from acofer.scoring.protocol import standard_error
from acofer.tune.folds import SCORER_KNOBS
from acofer.tune.space import COLONY, Space, range_of
from acofer.tune.study import Study, Trial

TRIALS, BEST, CONTENDER = "trials.csv", "tune-best.toml", "tune-best-contender.toml"
_NOT_OF_THE_PROBLEM = (
    *("data", "ferplus", "weights"),  # wherever they lie: the split and the embeddings say whether they are the same
    *NOT_OF_THE_OUTCOME,
    *("iterations", "space", "trials", "timeout", "pruner", "storage", "evaluations", "seconds"),
)


@dataclass(frozen=True)
class Circumstances:
    """What a tuning was run on."""

    config: TuneConfig
    selector: Selector
    images: ImageSet
    split: Split
    embeddings: Embeddings
    space: Space


def problem_of(on: Circumstances) -> dict[str, Any]:
    """Return what makes two studies the same: data, rows, space, budget, and every option that moves a value."""
    evaluations, seconds = on.config.limits
    options = {k: v for k, v in dataclasses.asdict(on.config).items() if k not in _NOT_OF_THE_PROBLEM}
    return {
        "data fingerprint": on.split.fingerprint,
        "embeddings": on.embeddings.key,
        "space": {name: range_of(knob) for name, knob in on.space.items()},
        "evaluations": evaluations,
        "seconds": seconds,
        **options,
    }


def tuning_numbers(on: Circumstances, study: Study, ended: str) -> dict[str, Any]:
    """Return the content of ``result.json``, but for the seconds: plain data that JSON can hold.

    Parameters
    ----------
    on : Circumstances
    study : Study
        With one complete trial at least.
    ended : str
        Why no more trials were begun.
    """
    trials = study.trials()
    default, best = study.defaults(trials), study.best(trials)
    gain = None if default is None or best is None else gain_over(default, best, study.greater_is_better)
    states = [trial.state.name.lower() for trial in trials]
    counts = {state: states.count(state) for state in ("complete", "pruned", "fail", "running")}
    evaluations, seconds = on.config.limits
    numbers: dict[str, Any] = {
        "kind": "tune",
        "acofer": versions()["acofer"],
        "finished": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "ended": ended,
        "contender": on.selector.name,
        "seed": on.config.seed,
        "configuration": dataclasses.asdict(on.config),
        "data": data_numbers(on.images),
        "split": {"name": on.split.name, "fingerprint": on.split.fingerprint, "train": len(on.split.train)},
        "embeddings": {"key": on.embeddings.key, "features": on.embeddings.values.shape[1], **on.embeddings.about},
        "objective": {"metric": METRICS[on.config.final_metric].name, "greater is better": study.greater_is_better},
        "outer folds": on.config.outer_folds,
        "budget": {"evaluations": evaluations, "seconds": seconds},
        "space": {name: dataclasses.asdict(knob) for name, knob in on.space.items()},
        "study": {"name": study.name, "storage": study.where},
        "trials": counts,
        "history": [_trial_numbers(trial) for trial in trials],
        "default": default and _trial_numbers(default),
        "best": best and _trial_numbers(best),
        "gain": gain,
        "importances": study.importances(),
        "versions": versions() | {"optuna": metadata.version("optuna")},
        "machine": machine(),
    }
    return numbers | {"verdict": verdict(numbers)}


def trial_news(study: Study, number: int) -> dict[str, Any]:
    """Return what there is to tell of a trial that has ended."""
    trials = study.trials()
    best = study.best(trials)
    told = next(_trial_numbers(trial) for trial in trials if trial.number == number)
    return told | {"best": best and best.number, "best value": best and best.value}


def gain_over(default: Trial, best: Trial, greater_is_better: bool) -> dict[str, Any]:
    """Return by how much one trial is better than another, paired by outer folds; above 0: better."""
    sign = 1.0 if greater_is_better else -1.0
    values = (np.array(trial.user_attrs["folds"]) for trial in (best, default))
    differences = np.subtract(*(sign * own for own in values))
    return {
        "value": float(differences.mean()),
        "standard error": standard_error(differences),
        "folds": differences.tolist(),
    }


def verdict(numbers: dict[str, Any]) -> str:
    """Say what the best knobs gain, and why that is too much."""
    n, folds = numbers["trials"]["complete"] + numbers["trials"]["pruned"], numbers["outer folds"]
    gain, name, metric = numbers["gain"], numbers["contender"], numbers["objective"]["metric"]
    if gain is None:
        return f"The defaults of {name} have not been tried: there is nothing to compare the best of {n} trials with."
    if numbers["best"]["knobs"] == numbers["default"]["knobs"]:
        return f"Of {n} trials none was better than the defaults of {name}."
    doubt = "; less than two of them, so it may be chance" if gain["value"] < 2 * gain["standard error"] else ""
    return (
        f"The best of {n} trials of {name} is better than its defaults by {gain['value']:.4f} in {metric} on held-out "
        f"training rows (standard error {gain['standard error']:.4f}, paired over {folds} outer folds{doubt}). It was "
        f"picked among {n} on these same rows, so its value and the gain are both optimistic; rows that no trial has "
        "seen tell what is left of it."
    )


def trials_table(numbers: dict[str, Any]) -> str:
    """Return the trials as CSV, one line each."""
    knobs, folds = list(numbers["space"]), range(numbers["outer folds"])
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    names = [f"fold {fold + 1}" for fold in folds]
    table.writerow(["trial", "state", "value", *knobs, *names, "features", "evaluations", "seconds"])
    for row in numbers["history"]:
        of_folds = [row["folds"][fold] if fold < len(row["folds"]) else "" for fold in folds]
        own = [row["knobs"].get(name, "") for name in knobs]
        each = (" ".join(map(str, row[name])) for name in ("features", "evaluations"))
        table.writerow(
            [row["trial"], row["state"], _blank(row["value"]), *own, *of_folds, *each, _blank(row["seconds"])]
        )
    return text.getvalue()


def best_files(on: Circumstances, best: dict[str, Any]) -> dict[str, str]:
    """Return the files that use the best knobs: the options of ``acofer search``, a contender of ``acofer bench``."""
    contender = _contender(on, best["knobs"])
    if on.selector.name != COLONY:
        return {BEST: contender}
    # What was tuned: one colony that learns its size, for as many iterations.
    meant = {"iterations": _iterations(on.config.search(**best["knobs"]), best["asked"]), "path": "off"}
    return {BEST: on.config.search(**best["knobs"], **meant, out=None, name=None).to_toml(), CONTENDER: contender}


def _iterations(config: SearchConfig, asked: list[int]) -> int:
    """Return how many iterations a colony did that asked for so many subsets; local search asks for one, too."""
    has_local_search = config.local_search == "on" and "ridge" in (config.scorer, config.screen)
    return max(1, round(float(np.mean(asked)) / (config.ants + has_local_search)))


def _contender(on: Circumstances, knobs: dict[str, Any]) -> str:
    """Return a contender of a plan; what it needs of its setting stands above it."""
    import tomli_w

    own = {name: value for name, value in knobs.items() if name in on.selector.knobs}
    of_setting = {name: value for name, value in knobs.items() if name in SCORER_KNOBS}
    size = (
        {} if on.selector.takes_size == "none" else {"size": SearchConfig(size=knobs.get("size", on.config.size)).size}
    )
    lines = ["# A contender of a plan: acofer bench PLAN.toml"]
    if of_setting:
        lines += ["# In its [[setting]]:"] + [f"# {line}" for line in tomli_w.dumps(of_setting).splitlines()]
    table = tomli_w.dumps({"selector": on.selector.name, **size, "set": own}).replace("[set]", "[contender.set]")
    return "\n".join(lines) + f"\n\n[[contender]]\n{table}"


def _trial_numbers(trial: Trial) -> dict[str, Any]:
    seen = trial.user_attrs
    return {
        "trial": trial.number,
        "state": trial.state.name.lower(),
        "value": trial.value if trial.state.name == "COMPLETE" else None,
        "knobs": dict(trial.params),
        "folds": seen.get("folds", []),
        "curves": seen.get("curves", []),
        "features": seen.get("features", []),
        "evaluations": seen.get("evaluations", []),
        "asked": seen.get("asked", []),
        "seconds": seen.get("seconds"),
    }


def _blank(value: Any) -> Any:
    return "" if value is None else value
