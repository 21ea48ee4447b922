"""What each part of the colony does: the same search without it, on the same seconds.

    python benchmarks/ablation.py --quick                                     # digits, half a minute
    python benchmarks/ablation.py --data arrays:FOLDER --keep FOLDER/kept     # ten minutes; can go on when stopped

The data, the score and the test part are those of bank.py, whose top says more. The full colony is MAX-MIN Ant System
with the conditional heuristic, whose best ant of each iteration is improved by exchanges. Beside it:

    no pheromone                  alpha = 0: every iteration starts from the heuristic alone
    no heuristic                  beta = 0: pheromone alone
    fixed: forest importance      ranks of importance, made within the seconds
    fixed: first gains            what each feature adds to none, as the first pick of a conditional ant sees it
    no local search               ants as they come
    ACS in place of MAX-MIN       Ant Colony System's pheromone

Means and 95 % t-intervals are over seeds. Differences are variant minus full, paired by seed: of the cross-validated
Brier score (above zero: worse) and of test accuracy (below zero: worse). They say how far a search can be relied on,
not how far other rows would say the same. Rows are appended to benchmarks/results/ablation.csv.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from typing import Any

import bed as beds
import numpy as np
from bed import Bed, Choice, Judged, Kept, note, t_interval
from numpy.typing import NDArray
from results import Row, append, print_table

from acofer.colony.heuristic import heuristic_information
from acofer.errors import ConfigError

Measure = Callable[[Judged], float]

SIZE, SECONDS = 256, 15.0
QUICK_SIZE, QUICK_SECONDS = 16, 1.0
FULL = "full colony"
VARIANTS = (
    FULL,
    "no pheromone",
    "no heuristic",
    "fixed: forest importance",
    "fixed: first gains",
    "no local search",
    "ACS in place of MAX-MIN",
)


def choose(bed: Bed, variant: str, k: int, seed: int, seconds: float) -> Choice:
    """Run one variant with one seed."""

    def importance() -> NDArray[np.float64]:
        return heuristic_information("importance", bed.data.X, bed.data.y, seed=seed, n_jobs=bed.n_jobs)

    changes: dict[str, dict[str, Any]] = {
        "no pheromone": {"alpha": 0.0},
        "no heuristic": {"beta": 0.0},
        "fixed: forest importance": {"heuristic": importance},
        "fixed: first gains": {"heuristic": lambda: bed.conditional(k).first_gains()},
        "no local search": {"improves": False},
        "ACS in place of MAX-MIN": {"variant": "acs"},
    }
    return beds.colony_choice(bed, k, seed, seconds, name=variant, **changes.get(variant, {}))


def chosen(bed: Bed, kept: Kept, k: int, seconds: float, seeds: int) -> list[Choice]:
    choices = []
    for seed in range(seeds):
        for variant in VARIANTS:
            choice = kept.find(variant, k, seed, seconds)
            choices.append(choice or kept.keep(choose(bed, variant, k, seed, seconds)))
            note(f"  seed {seed}, {variant}: {choices[-1].seconds:.1f} s, {choices[-1].evaluations:,} subsets scored")
    return choices


def summary(all_judged: Sequence[Judged]) -> list[Row]:
    """Return a line a variant."""
    groups = {name: [one for one in all_judged if one.choice.contender == name] for name in VARIANTS}
    return [
        {
            "variant": name,
            "seconds": f"{np.mean([one.choice.seconds for one in own]):.1f}",
            "evaluations": f"{np.mean([one.choice.evaluations for one in own]):,.0f}",
            **_described("cv Brier", lambda one: one.score.value, own, groups[FULL]),
            **_described("test accuracy", lambda one: one.accuracy, own, groups[FULL]),
        }
        for name, own in groups.items()
    ]


def _described(name: str, measure: Measure, own: Sequence[Judged], full: Sequence[Judged]) -> Row:
    pairs = beds.paired_seeds(own, full)
    values = [measure(one) for one in own]
    differences = [measure(variant) - measure(colony) for variant, colony in pairs]
    return {
        name: _with_interval(values, ".4f"),
        f"{name} minus full": None if own is full else _with_interval(differences, "+.4f"),
    }


def _with_interval(values: Sequence[float], form: str) -> str:
    mean, low, high = t_interval(values)
    return f"{mean:{form}} ({low:{form}} to {high:{form}})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    beds.add_options(parser)
    parser.add_argument("--size", type=int, help="features to choose (default: 256)")
    parser.add_argument("--seconds", type=float, help="for each variant and seed (default: 15)")
    options = parser.parse_args()
    beds.told(lambda: run(options))


def run(options: argparse.Namespace) -> None:
    k = options.size or (QUICK_SIZE if options.quick else SIZE)
    seconds = options.seconds or (QUICK_SECONDS if options.quick else SECONDS)
    bed = beds.bed_of(options)
    if not 1 <= k < bed.n_features:
        raise ConfigError(f"size: expected 1 to {bed.n_features - 1} features; got {k}")
    beds.compile_kernels()
    kept = Kept(options.keep, bed.fingerprint)
    all_judged, _ = beds.judged(bed, chosen(bed, kept, k, seconds, beds.n_seeds(options)))
    print(f"\n{bed.data.name}, {k:,} of {bed.n_features:,} features, {seconds:g} s, means over seeds (95 % intervals)")
    print_table(summary(all_judged))
    name = "ablation-quick" if options.quick else "ablation"
    print("\nrows appended to", append(name, [beds.row_of(bed, own) for own in all_judged]))


if __name__ == "__main__":
    main()
