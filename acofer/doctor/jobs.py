"""A little of what the core and each extra are for, done through acofer's own doors; run by `acofer.doctor.worker`.

A package may be imported and yet be of no use: a wheel for another processor, a backend without its device. Each job
returns what is worth telling; what it raises is the finding.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np


def core() -> dict[str, Any]:
    """Let a small colony, its kernels compiled for it, find the one feature of eight that matters."""
    from sklearn.naive_bayes import GaussianNB

    from acofer.colony.selector import AntColonySelector

    X = np.random.default_rng(0).standard_normal((60, 8), dtype=np.float32)
    y = (X[:, 5] > 0).astype(int)
    found = AntColonySelector(GaussianNB(), size=1, heuristic="uniform", q0=0.0, n_ants=20, random_state=0).fit(X, y)
    _demand(found.get_support(indices=True).tolist() == [5], "a small search chose a wrong feature")
    return {"said": "a small search found what it should"}


def nets() -> dict[str, Any]:
    """Send a picture through a small network."""
    from acofer.nets.device import device
    from acofer.pretrained.base import backend_versions, import_keras

    keras = import_keras()
    layers = [keras.Input((8, 8, 3)), keras.layers.Conv2D(4, 3), keras.layers.GlobalAveragePooling2D()]
    output = keras.Sequential(layers).predict(np.ones((2, 8, 8, 3), np.float32), verbose=0)
    _demand(output.shape == (2, 4) and np.isfinite(output).all(), "a small network gave a wrong output")
    on = device()
    named = on["kind"] if on["name"] == on["kind"] else f"{on['kind']} ({on['name']})"
    return {"said": f"networks run on {on['backend']}, {named}", "device": on, "versions": backend_versions()}


def tune() -> dict[str, Any]:
    """Ask a study for a trial and tell it a value."""
    from acofer.tune.study import import_optuna

    optuna = import_optuna()
    optuna.logging.set_verbosity(optuna.logging.CRITICAL)
    study = optuna.create_study(direction="maximize")
    trial = study.ask()
    study.tell(trial, trial.suggest_float("x", 0.0, 1.0))
    _demand(len(study.trials) == 1, "a study lost its trial")
    return {"said": "a study in memory works"}


def bench() -> dict[str, Any]:
    """Let the libraries' searchers make a generation, and import what the other selectors need."""
    from importlib import import_module

    from acofer.bench.genetic import evolution
    from acofer.bench.selectors import SELECTORS
    from acofer.bench.swarm import swarm

    for module in sorted({needed for selector in SELECTORS.values() for needed in selector.needs}):
        import_module(module)
    scorer: Any = SimpleNamespace(utilities=lambda subsets: [float(subset.sum()) for subset in subsets])
    people = evolution(scorer.utilities, 8, 2, 0, population=6, tournament=2, crossover=0.5, mutation=0.5, mutated=1)
    for generations in (people, swarm(scorer, 8, 2, 0, particles=6)):
        _demand([next(generations) for _ in range(2)] == [0, 1], "a searcher made no generation")
    return {"said": "genetic algorithm, particle swarm and Boruta can begin"}


def faces() -> dict[str, Any]:
    """Look for a face where there is none, and for landmarks all the same."""
    from acofer.data.landmarks import N_LANDMARKS, DlibModel

    model, blank = DlibModel(), np.full((120, 120), 128, np.uint8)
    _demand(model.boxes(blank) == [], "a face was found in a blank picture")
    _demand(model.landmarks(blank, (20, 20, 100, 100)).shape == (N_LANDMARKS, 2), "landmarks are not as they should be")
    return {"said": "detector and landmark model work"}


def _demand(holds: bool, else_said: str) -> None:
    if not holds:
        raise RuntimeError(else_said)
