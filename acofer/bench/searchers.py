"""Selectors that ask the scorer until the budget is spent: the colony, and other ways to search."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any, NoReturn

import numpy as np

from acofer.bench.annealing import annealing
from acofer.bench.budget import CountingScorer
from acofer.bench.genetic import evolution
from acofer.bench.selector import Knob, Selector
from acofer.bench.subsets import drawn
from acofer.bench.swarm import swarm
from acofer.bench.task import Task, k
from acofer.colony.colony import AntColony, ColonySettings
from acofer.colony.search import LocalSearch, best_ant
from acofer.config.options import options_of
from acofer.config.search import SearchConfig
from acofer.records import SubsetScore

_DEFAULTS, _OPTIONS = SearchConfig(), options_of(SearchConfig)


def colony(task: Task, **frozen: float) -> NoReturn:
    """Let the colony iterate as `acofer.colony.search.search_subsets` does; `frozen` replaces knobs."""
    scorer, improve = _scorer(task), task.improve if task.knobs["local_search"] == "on" else None
    ants = AntColony(task.heuristic(task.knobs["heuristic"]), settings(task, **frozen), task.seed, task.n_jobs)
    while True:
        iterate(ants, scorer, improve)


def settings(task: Task, **frozen: float) -> ColonySettings:
    """Return the colony's settings; a variant "auto" is the one that ``acofer search`` would take."""
    knobs: dict[str, Any] = {**task.knobs, **frozen}
    judge = "forest" if task.improve is None else "ridge"  # local search is there where ridge scores
    meant = SearchConfig(scorer=judge, variant=knobs["variant"], local_search=knobs["local_search"]).settled()
    return ColonySettings(
        n_ants=knobs["ants"],
        alpha=knobs["alpha"],
        beta=knobs["beta"],
        rho=knobs["rho"],
        q0=knobs["q0"],
        variant=meant.variant,  # type: ignore[arg-type]
        size=task.size,
        n_candidates=knobs["candidates"],
        patience=knobs["patience"],
    )


def iterate(ants: AntColony, scorer: CountingScorer, improve: LocalSearch | None) -> None:
    """Ask for subsets, known ones too so that they are counted, score them, improve the best and tell the colony."""
    scores = scorer.score(ants.ask())
    improved = {}
    if improve is not None:
        ant = best_ant(scores)
        scores[ant] = _improved(scores[ant], improve, scorer)
        improved[ant] = scores[ant].indices
    ants.tell([score.utility for score in scores], improved)


def _improved(score: SubsetScore, improve: LocalSearch, scorer: CountingScorer) -> SubsetScore:
    found = scorer.finish(improve(score.indices))
    return found if found.utility > score.utility else score


def random_search(task: Task) -> NoReturn:
    scorer, rng, n = _scorer(task), np.random.default_rng(task.seed), k(task)
    while True:
        scorer.score([drawn(rng, task.n_features, n) for _ in range(task.knobs["batch"])])


def genetic_algorithm(task: Task) -> None:
    scorer = _scorer(task)
    _exhaust(evolution(scorer.utilities, task.n_features, k(task), task.seed, **task.knobs))


def simulated_annealing(task: Task) -> None:
    _exhaust(annealing(_scorer(task), task.n_features, k(task), task.seed, **task.knobs))


def particle_swarm(task: Task) -> None:
    _exhaust(swarm(_scorer(task), task.n_features, k(task), task.seed, **task.knobs))


def _exhaust(steps: Iterator[object]) -> None:
    for _ in steps:
        pass


def _scorer(task: Task) -> CountingScorer:
    assert task.scorer is not None  # noqa: S101 - see acofer.bench.selectors.choose
    return task.scorer


def _chosen(name: str) -> Knob:
    """Return the knob of an option of ``acofer search`` that is one of a few words."""
    return Knob("choice", getattr(_DEFAULTS, name), choices=_OPTIONS[name].metadata["choices"])


_AS_MANY_AS_ANTS = Knob("int", _DEFAULTS.ants, 5, 200, log=True)
_KNOBS = {
    "ants": Knob("int", _DEFAULTS.ants, 1, 200, log=True),
    "alpha": Knob("float", _DEFAULTS.alpha, 0.0, 5.0),
    "beta": Knob("float", _DEFAULTS.beta, 0.0, 5.0),
    "rho": Knob("float", _DEFAULTS.rho, 0.01, 1.0, log=True),
    "q0": Knob("float", _DEFAULTS.q0, 0.0, 1.0),
    "variant": _chosen("variant"),
    "heuristic": _chosen("heuristic"),
    "candidates": Knob("int", _DEFAULTS.candidates, 10, 10_000, log=True),
    "patience": Knob("int", _DEFAULTS.patience, 0, 100),
    "local_search": _chosen("local_search"),
}


def _without(name: str) -> dict[str, Knob]:
    return {other: knob for other, knob in _KNOBS.items() if other != name}


def _searcher(name: str, summary: str, function: Any, knobs: dict[str, Knob], **more: Any) -> Selector:
    return Selector(name, summary, function, searches=True, is_seeded=True, knobs=knobs, **more)


SEARCHERS = (
    _searcher("colony", "the ant colony", colony, _KNOBS, takes_size="any"),
    _searcher(
        "heuristic-alone",
        "ants that heed no pheromone",
        partial(colony, alpha=0.0),
        _without("alpha"),
        takes_size="any",
    ),
    _searcher(
        "pheromone-alone",
        "ants that heed no heuristic information",
        partial(colony, beta=0.0),
        _without("beta"),
        takes_size="any",
    ),
    _searcher("random-search", "random subsets, the best kept", random_search, {"batch": _AS_MANY_AS_ANTS}),
    _searcher(
        "genetic-algorithm",
        "subsets that are crossed and changed; the best survives",
        genetic_algorithm,
        {
            "population": _AS_MANY_AS_ANTS,
            "tournament": Knob("int", 3, 2, 10),
            "crossover": Knob("float", 0.8, 0.0, 1.0),
            "mutation": Knob("float", 0.5, 0.01, 1.0),
            "mutated": Knob("int", 2, 1, 64, log=True),
        },
        needs=("deap",),
    ),
    _searcher(
        "simulated-annealing",
        "one subset, changed step by step, ever more strictly for the better",
        simulated_annealing,
        {
            "start": _AS_MANY_AS_ANTS,
            "step": Knob("float", 0.05, 0.001, 1.0, log=True),
            "acceptance": Knob("float", 0.5, 0.01, 0.99),
        },
    ),
    _searcher(
        "particle-swarm",
        "particles whose largest coordinates are the subset",
        particle_swarm,
        {"particles": _AS_MANY_AS_ANTS},
        needs=("pymoo",),
    ),
)
