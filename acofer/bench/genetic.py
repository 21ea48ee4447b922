"""A genetic algorithm on subsets of a fixed size, by DEAP."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from acofer.bench.subsets import drawn, exchanged
from acofer.bench.task import IndexArray
from acofer.errors import MissingExtraError

Utilities = Callable[[list[IndexArray]], list[float]]


def evolution(
    utilities: Utilities,
    n_features: int,
    k: int,
    seed: int,
    *,
    population: int,
    tournament: int,
    crossover: float,
    mutation: float,
    mutated: int,
) -> Iterator[int]:
    """Evolve subsets of `k` features; the best one always survives. Yields after each generation, without end.

    Python's own `random`, which DEAP draws from, is as the caller left it whenever it yields or asks.

    Parameters
    ----------
    utilities : callable
        Returns the utility of each subset: larger is better.
    n_features, k, seed : int
    population : int
        Subsets in a generation.
    tournament : int
        Subsets of which the best becomes a parent.
    crossover, mutation : float
        Chances that two children are crossed, and that one is changed.
    mutated : int
        Features that a change exchanges.

    Raises
    ------
    MissingExtraError
        If DEAP is not installed.
    """
    try:
        from deap import algorithms, base, tools
    except ImportError as error:
        raise MissingExtraError.of("DEAP", "bench", "the genetic algorithm") from error
    rng, chance, individual = np.random.default_rng(seed), _Chance(seed), _individual(base)
    toolbox = base.Toolbox()
    toolbox.register("clone", lambda one: individual(one, one.fitness.values))
    toolbox.register("mate", _cross, rng)
    toolbox.register("mutate", _mutate, rng, n_features, mutated)
    people = [individual(drawn(rng, n_features, k).tolist()) for _ in range(population)]
    generation = 0
    while True:
        fresh = [one for one in people if not one.fitness.valid]
        for one, utility in zip(fresh, utilities([np.sort(np.array(one, np.int32)) for one in fresh]), strict=True):
            one.fitness.values = (utility,)
        yield generation
        generation += 1
        with chance.drawn_from():
            parents = tools.selTournament(people, population - 1, tournament)
            people = tools.selBest(people, 1) + algorithms.varAnd(parents, toolbox, crossover, mutation)


class _Chance:
    """A state of Python's `random` of its own, put in place for as long as somebody draws from it."""

    def __init__(self, seed: int) -> None:
        self._state = random.Random(seed).getstate()  # noqa: S311 - for a search

    @contextmanager
    def drawn_from(self) -> Iterator[None]:
        others = random.getstate()
        random.setstate(self._state)
        try:
            yield
        finally:
            self._state = random.getstate()
            random.setstate(others)


def _individual(base: Any) -> Any:
    class Fitness(base.Fitness):
        weights = (1.0,)

    class Individual(list[int]):
        def __init__(self, features: Sequence[int], fitness: tuple[float, ...] = ()) -> None:
            super().__init__(features)
            self.fitness = Fitness(fitness)

    return Individual


def _cross(rng: np.random.Generator, one: list[int], other: list[int]) -> tuple[list[int], list[int]]:
    """Give both children what the parents share, and each half of what they do not."""
    shared = set(one) & set(other)
    apart = rng.permutation(sorted(set(one) ^ set(other))).tolist()
    one[:], other[:] = [*shared, *apart[::2]], [*shared, *apart[1::2]]
    return one, other


def _mutate(rng: np.random.Generator, n_features: int, mutated: int, one: list[int]) -> tuple[list[int]]:
    """Put features from outside in the places of some."""
    one[:] = exchanged(rng, n_features, np.array(one), mutated).tolist()
    return (one,)
