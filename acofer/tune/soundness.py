"""Whether what a study's storage says of a trial can be: anybody may have written it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from acofer.bench.selector import Knob

_AMOUNTS = ("features", "evaluations", "asked")


def check_trial(trial: Any, space: Mapping[str, Knob], n_folds: int, n_steps: int) -> None:
    """Check what a trial that has begun has kept.

    Parameters
    ----------
    trial : optuna.trial.FrozenTrial
    space : mapping of str to Knob
    n_folds, n_steps : int
        What a trial has seen at its end: a curve of so many steps for each fold.

    Raises
    ------
    ValueError
        Where it cannot be what acofer kept.
    """
    seen, is_complete = trial.user_attrs, trial.state.name == "COMPLETE"
    folds, curves = seen.get("folds", []), seen.get("curves", [])
    holds = {
        "knobs": all(name in space and _is_within(value, space[name]) for name, value in trial.params.items()),
        "folds": _are(folds, _is_number) and len(folds) <= n_folds,
        "curves": _are(curves, lambda curve: _are(curve, _is_number)) and len(curves) <= n_folds,
        **{name: _are(seen.get(name, []), _is_amount) and len(seen.get(name, [])) <= n_folds for name in _AMOUNTS},
        "seconds": "seconds" not in seen or _is_number(seen["seconds"]),
    }
    if is_complete:
        holds["value"] = _is_number(trial.value) and trial.params.keys() == space.keys() and "seconds" in seen
        holds["folds"] = holds["folds"] and len(folds) == n_folds
        whole = (curves, *(seen.get(name, []) for name in _AMOUNTS))
        are_whole = all(len(one) == n_folds for one in whole) and all(len(curve) == n_steps for curve in curves)
        holds["curves"] = holds["curves"] and are_whole
    for name, is_so in holds.items():
        if not is_so:
            raise ValueError(f"the {name} of trial {trial.number} are none")


def _are(values: Any, is_one: Any) -> bool:
    return isinstance(values, list) and all(is_one(value) for value in values)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_amount(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 53


def _is_within(value: Any, knob: Knob) -> bool:
    if knob.kind == "choice":
        return value in knob.choices
    assert knob.low is not None  # noqa: S101 - for the type checker
    assert knob.high is not None  # noqa: S101
    return _is_number(value) and knob.low <= value <= knob.high and (knob.kind == "float" or value == int(value))
