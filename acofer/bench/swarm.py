"""Particle swarm optimization of random keys, by pymoo."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from acofer.bench.budget import CountingScorer
from acofer.bench.subsets import top
from acofer.errors import MissingExtraError


def swarm(scorer: CountingScorer, n_features: int, k: int, seed: int, *, particles: int) -> Iterator[int]:
    """Let particles fly through the unit cube of as many dimensions as there are features.

    A particle's subset are its `k` largest coordinates: random keys (Bean, "Genetic algorithms and random keys for
    sequencing and optimization", ORSA Journal on Computing 6(2), 1994). The swarm (Kennedy and Eberhart 1995) adapts
    its weights as Zhan, Zhang, Li and Chung (IEEE Transactions on Systems, Man, and Cybernetics B 39(6), 2009). Not
    mealpy's, which allows no numpy above 1.26.0 and whose particles stay where they are unless it gets better.

    Yields after each generation, without end.

    Raises
    ------
    MissingExtraError
        If pymoo is not installed.
    """
    try:
        from pymoo.algorithms.soo.nonconvex.pso import PSO
        from pymoo.core.problem import Problem
        from pymoo.core.termination import NoTermination
    except ImportError as error:
        raise MissingExtraError.of("pymoo", "bench", "the particle swarm") from error
    algorithm = PSO(pop_size=particles)
    cube = Problem(n_var=n_features, n_obj=1, xl=0.0, xu=1.0)
    algorithm.setup(cube, termination=NoTermination(), seed=seed, verbose=False)
    generation = 0
    while True:
        flown = algorithm.ask()
        utilities = scorer.utilities([top(keys, k) for keys in flown.get("X")])
        flown.set("F", -np.array(utilities)[:, None])  # pymoo minimises
        algorithm.tell(infills=flown)
        yield generation
        generation += 1
