"""How long ants take to build their subsets, beside the obvious and the published ways to do the same.

    python benchmarks/construction.py

One run of about a minute. First over 5,120 features of fixed weight. The kernel, the numpy loop and the plain loop (the
slow twin of the tests) draw by the same pseudo-random proportional rule (q0 = 0.9). The construction loops of three
published ant colony feature selectors are written anew, with their own rules and at their own cost in Python. They are
timed one ant at a time, since a colony of twenty would take some of them minutes. Then over 10,000 drawn features of
seven classes, whose weight depends on what the ant carries: the conditional kernel on one core, beside its slow twin,
which solves the ridge system anew at each step by numpy, where that ends in seconds. Ratios are to the kernel at as
many picks, in this run. Rows are appended to benchmarks/results/construction.csv.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from results import Row, append, print_table
from threadpoolctl import threadpool_limits

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))
from reference import construct_conditional_step_by_step, construct_step_by_step

from acofer.colony.colony import AntColony, ColonySettings
from acofer.colony.conditional import ConditionalHeuristic, construct_conditional
from acofer.colony.construct import construct

N_FEATURES, N_ANTS, Q0 = 5120, 20, 0.9
PICKS = (64, 512, 2560)
N_COLONIES = 20
AT_MOST_MS = 20.0
"""What a whole colony may take."""

N_DRAWN, N_ROWS, N_CLASSES, N_CAUSES = 10_000, 4000, 7, 60
CONDITIONAL_PICKS = (32, 64, 256, 1024)
TWIN_PICKS = (32, 64)
PENALTY = 1e-3
AN_ANT_AT_MOST_MS, OF_PICKS = 100.0, 256
"""What a conditional ant of so many picks may take on one core."""

Floats = NDArray[np.float64]


def shrinking_numpy(weight: Floats, k: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Take one feature a step with numpy: argmax, or `choice` over what is left."""
    left = weight.copy()
    picks = np.empty(k, np.int64)
    for step in range(k):
        pick = left.argmax() if rng.random() < Q0 else rng.choice(len(left), p=left / left.sum())
        left[pick] = 0.0
        picks[step] = pick
    return picks


def jostar_ant(weight: Floats, k: int, rng: np.random.Generator) -> list[int]:
    """Walk from feature to feature by roulette, as jostar 0.0.4 does.

    https://github.com/amirhszd/jostar, jostar/algorithms/_aco.py, `_AntColony.generate`; MIT. Python's `sum` over
    an array, where most of the time goes, and the tour copied at each step are its own. Its two matrices (210 MB each
    at this size) are views of one row here, which can only help it.
    """
    n, alpha, beta = len(weight), 1, 2
    tau, eta = np.broadcast_to(weight, (n, n)), np.broadcast_to(np.ones(n), (n, n))
    tour = np.array([rng.integers(n)])
    while len(tour) < k:
        here = tour[-1]
        chance = np.power(np.power(np.power(tau[here], alpha), eta[here]), beta)
        chance[tour] = 0.0
        chance = chance / sum(chance)
        tour = np.hstack([tour, np.where(rng.random() <= np.cumsum(chance))[0][0]])
    return tour.tolist()


def pathfinder_ant(weight: Floats, k: int, rng: np.random.Generator) -> list[int]:
    """Weigh the features left one by one in Python before each draw, as Pathfinder 2.0 does.

    https://github.com/efficomp/Pathfinder, pathfinder/featureselector.py, `FeatureSelector.antBuildSubset`; GPL-3.0,
    so only its steps are followed: weigh each, divide each, draw, strike out, rescale the heuristic. It stores each
    weight by `np.put`, which is slower than the assignment here.
    """
    alpha, beta = 1, 1
    pheromone, eta = np.ones(len(weight)), weight / weight.sum()
    left, path = np.arange(len(weight)), []
    for _ in range(k):
        chance = np.zeros(len(left))
        for i, feature in enumerate(left):
            chance[i] = pheromone[feature] ** alpha * eta[feature] ** beta
        total = chance.sum()
        for i in range(len(left)):
            chance[i] /= total
        pick = rng.choice(left, p=chance)
        path.append(int(pick))
        left = np.delete(left, np.where(left == pick))
        share, eta[pick] = eta[pick], 0.0
        eta = eta / (1 - share)
    return path


def metaheuristicsfs_ant(weight: Floats, k: int, rng: np.random.Generator) -> list[int]:
    """Toss a coin for each feature in Python, as MetaHeuristicsFS 0.0.8 does.

    https://github.com/StatguyUser/MetaHeuristicsFS, src/MetaHeuristicsFS.py, `_constructAntSolution`; MIT. An ant has
    no size there: a feature is taken with half its pheromone as probability, set here so that `k` are expected. One
    pass that weighs no feature against another: another rule, and the cheapest of the published ones that we read.
    """
    pheromone = [2 * k / len(weight)] * len(weight)
    bits, picks = [], []
    for j in range(len(weight)):
        taken = rng.random() < pheromone[j] / 2.0
        bits.append(int(taken))
        if taken:
            picks.append(j)
    return picks


PUBLISHED: dict[str, Callable[[Floats, int, np.random.Generator], list[int]]] = {
    "jostar": jostar_ant,
    "Pathfinder": pathfinder_ant,
    "MetaHeuristicsFS": metaheuristicsfs_ant,
}


def milliseconds(call: Callable[[], object], repeats: int, *, warm: bool = True) -> list[float]:
    """Return the wall milliseconds of each of `repeats` calls, ascending, after one that is not counted if `warm`."""
    if warm:
        call()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        times.append(1e3 * (time.perf_counter() - start))
    return sorted(times)


def colony_milliseconds(weight: Floats, k: int) -> list[float]:
    """Return the wall milliseconds in which each of some fresh colonies builds all its ants, ascending."""
    settings = ColonySettings(n_ants=N_ANTS, size=k)
    colonies = iter([AntColony(weight, settings, seed=seed) for seed in range(N_COLONIES + 1)])
    return milliseconds(lambda: next(colonies).ask(), N_COLONIES)


def main() -> None:
    rng = np.random.default_rng(0)
    weight = rng.random(N_FEATURES) ** 1.5 + 1e-6
    rows = [measured(weight, k, rng) for k in PICKS]
    print(f"{N_FEATURES:,} features; milliseconds; one ant of the published loops")
    print_table([{"": name, **{f"{row['picks']:,} picks": row.get(name) for row in rows}} for name in rows[0]][2:])
    medians = [float(row[f"colony of {N_ANTS} ms"]) for row in rows]
    verdict = "within" if max(medians) <= AT_MOST_MS else "NOT within"
    print(f"\nA whole colony takes {max(medians)} ms at most (median), {verdict} {AT_MOST_MS:.0f} ms.")
    with threadpool_limits(limits=1, user_api="blas"):
        heuristic = drawn_heuristic(rng)
        conditional = [measured_conditional(heuristic, k) for k in CONDITIONAL_PICKS]
    print(f"\n{N_DRAWN:,} features whose weight depends on what the ant carries; one core")
    print_table(conditional)
    own = next(float(row["conditional ms an ant"]) for row in conditional if row["picks"] == OF_PICKS)
    verdict = "within" if own <= AN_ANT_AT_MOST_MS else "NOT within"
    print(f"\nAn ant of {OF_PICKS} picks takes {own} ms (median), {verdict} {AN_ANT_AT_MOST_MS:.0f} ms.")
    print("rows appended to", append("construction", rows + conditional))


def drawn_heuristic(rng: np.random.Generator) -> ConditionalHeuristic:
    """Draw features that overlap, mixtures of a few causes, which the class moves."""
    y = rng.integers(0, N_CLASSES, N_ROWS)
    causes = rng.normal(size=(N_ROWS, N_CAUSES)) + 0.3 * rng.normal(size=(N_CLASSES, N_CAUSES))[y]
    mixing = rng.normal(size=(N_CAUSES, N_DRAWN)) / np.sqrt(N_CAUSES)
    X = (causes @ mixing + rng.normal(size=(N_ROWS, N_DRAWN))).astype(np.float32)
    X -= X.mean(axis=0)
    X /= X.std(axis=0)
    targets = np.eye(N_CLASSES, dtype=np.float32)[y]
    means = X.sum(axis=0) / np.float32(np.sqrt(N_ROWS))
    return ConditionalHeuristic(X.T @ X, means, X.T @ (targets - targets.mean(axis=0)), PENALTY * N_ROWS)


def measured_conditional(heuristic: ConditionalHeuristic, k: int) -> Row:
    """Time a conditional ant of `k` picks, and where it ends in seconds its slow twin with the same stream."""
    settings, attraction = ColonySettings(), np.ones(N_DRAWN)
    parts = heuristic.gram, heuristic.means, heuristic.cross, heuristic.penalty, attraction, settings.beta, Q0, k

    def ant() -> NDArray[np.int64]:
        return construct_conditional(*parts, settings.n_candidates, np.zeros(1, np.uint64))

    kernel = statistics.median(milliseconds(ant, 9 if k <= OF_PICKS else 3))
    row: Row = {"features": N_DRAWN, "picks": k, "classes": N_CLASSES, "conditional ms an ant": f"{kernel:.1f}"}
    row |= {"slow twin ms an ant": None, "slow twin / conditional": None, "first picks as the twin's": None}
    if k in TWIN_PICKS:
        slow: list[int] = []
        plain = milliseconds(
            lambda: slow.extend(construct_conditional_step_by_step(*parts, 0, settings.n_candidates)), 1, warm=False
        )[0]
        as_fast = list(np.cumprod(ant() == slow)).count(1)
        row |= {"slow twin ms an ant": f"{plain:.0f}", "slow twin / conditional": f"{plain / kernel:.0f}"}
        row["first picks as the twin's"] = as_fast
    return row


def measured(weight: Floats, k: int, rng: np.random.Generator) -> Row:
    """Time every way to make `k` picks."""
    state = np.zeros(1, np.uint64)
    kernel = statistics.median(milliseconds(lambda: construct(weight, k, Q0, state), 50))
    numpy_loop = statistics.median(milliseconds(lambda: shrinking_numpy(weight, k, rng), 5))
    colonies = colony_milliseconds(weight, k)
    row: Row = {
        "features": N_FEATURES,
        "picks": k,
        "kernel ms an ant": f"{kernel:.3f}",
        "numpy loop / kernel": f"{numpy_loop / kernel:.0f}",
        "plain loop / kernel": None,
        f"colony of {N_ANTS} ms": f"{statistics.median(colonies):.1f}",
        f"worst of {N_COLONIES} colonies ms": f"{colonies[-1]:.1f}",
    }
    if k == PICKS[0]:  # it takes seconds for the others
        plain = milliseconds(lambda: construct_step_by_step(weight.tolist(), k, Q0, rng), 1)[0]
        row["plain loop / kernel"] = f"{plain / kernel:.0f}"
    for name, ant in PUBLISHED.items():
        theirs = statistics.median(milliseconds(lambda ant=ant: ant(weight, k, rng), 3, warm=False))  # type: ignore[misc]
        row |= {f"{name} ms an ant": f"{theirs:.1f}", f"{name} / kernel": f"{theirs / kernel:.0f}"}
    return row


if __name__ == "__main__":
    main()
