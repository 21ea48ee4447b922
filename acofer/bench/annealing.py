"""Simulated annealing on subsets of a fixed size.

Written here because no library that is kept up has it for subsets: mealpy 3.0.3 allows no numpy above 1.26.0, and its
annealing accepts nearly everything where utilities differ by hundredths (its temperatures start from 1 or more);
simanneal rests since 2019; scipy's dual annealing moves all coordinates of a vector at once, as often as there are.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from acofer.bench.budget import CountingScorer
from acofer.bench.subsets import ascending, drawn, exchanged

COLDEST = 0.01
"""The last temperature over the first."""


def annealing(
    scorer: CountingScorer, n_features: int, k: int, seed: int, *, start: int, step: float, acceptance: float
) -> Iterator[bool]:
    """Exchange some features for others, and go back from a worse subset the more surely the more is spent.

    Kirkpatrick, Gelatt and Vecchi (Science 220, 1983): a subset that is worse by d is accepted with probability
    ``exp(-d / T)``. The walk begins at the best of `start` random subsets. At first T is such that a worsening typical
    of one step is accepted with the probability `acceptance`. Typical is ``s sqrt(2 step)`` with s the standard
    deviation of the random subsets' utilities: what the difference would be if features counted for themselves.
    From there T falls geometrically to a hundredth of it when the budget is spent.

    Yields without end whether a step was accepted.

    Parameters
    ----------
    scorer : CountingScorer
    n_features, k, seed : int
    start : int
        At least 2.
    step : float
        Share of the features that one step exchanges, one at least.
    acceptance : float
        Above 0, below 1.
    """
    rng = np.random.default_rng(seed)
    subsets = [drawn(rng, n_features, k) for _ in range(start)]
    utilities = np.array(scorer.utilities(subsets))
    subset, utility = subsets[int(utilities.argmax())], float(utilities.max())
    n = max(1, round(step * k))
    hottest = float(utilities.std(ddof=1)) * math.sqrt(2 * n / k) / -math.log(acceptance)
    while True:
        neighbour = ascending(exchanged(rng, n_features, subset, n))
        (found,) = scorer.utilities([neighbour])
        temperature = hottest * COLDEST**scorer.spent
        worsening = utility - found
        accepted = worsening <= 0 or (temperature > 0 and rng.random() < math.exp(-worsening / temperature))
        if accepted:
            subset, utility = neighbour, found
        yield accepted
