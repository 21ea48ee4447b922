"""How long an ant takes to build its subset, beside the obvious ways to do the same.

    python benchmarks/construction.py

Every way draws by the same pseudo-random proportional rule (q0 = 0.9) over 5,120 features; the
step-by-step loop is the slow twin of the tests. All are timed in one run; the ratios are what counts.
Rows are appended to benchmarks/results/construction.csv.
"""

from __future__ import annotations

import csv
import platform
import statistics
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))
from reference import construct_step_by_step

from acofer.colony.colony import AntColony, ColonySettings
from acofer.colony.construct import construct
from acofer.runs.machine import machine, versions

N_FEATURES, N_ANTS, Q0 = 5120, 20, 0.9
RESULTS = Path(__file__).parent / "results" / "construction.csv"


def shrinking_numpy(weight, k, rng):
    """Take one feature a step with numpy: argmax, or `choice` over what is left."""
    left = weight.copy()
    picks = np.empty(k, np.int64)
    for step in range(k):
        pick = left.argmax() if rng.random() < Q0 else rng.choice(len(left), p=left / left.sum())
        left[pick] = 0.0
        picks[step] = pick
    return picks


def milliseconds(call, repeats):
    call()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        times.append(1e3 * (time.perf_counter() - start))
    return statistics.median(times)


def main():
    rng = np.random.default_rng(0)
    weight = rng.random(N_FEATURES) ** 1.5 + 1e-6
    state = np.zeros(1, np.uint64)
    rows = []
    for k in (64, 512, 2560):
        kernel = milliseconds(lambda k=k: construct(weight, k, Q0, state), 50)
        numpy_loop = milliseconds(lambda k=k: shrinking_numpy(weight, k, rng), 5)
        plain_loop = (
            milliseconds(lambda k=k: construct_step_by_step(weight.tolist(), k, Q0, rng), 1) if k == 64 else None
        )
        colony = AntColony(weight, ColonySettings(n_ants=N_ANTS, size=k), seed=0)
        start = time.perf_counter()
        colony.ask()
        whole = 1e3 * (time.perf_counter() - start)
        rows.append(
            {
                "features": N_FEATURES,
                "picks": k,
                "kernel ms an ant": f"{kernel:.3f}",
                "numpy loop / kernel": f"{numpy_loop / kernel:.0f}",
                "plain loop / kernel": "" if plain_loop is None else f"{plain_loop / kernel:.0f}",
                f"colony of {N_ANTS} ms": f"{whole:.1f}",
                "processor": machine()["processor"],
                "python": platform.python_version(),
                "numba": versions()["numba"],
                "date": time.strftime("%Y-%m-%d"),
            }
        )
        print({name: value for name, value in rows[-1].items() if name not in ("processor", "python", "numba", "date")})
    append(rows)


def append(rows):
    fresh = not RESULTS.exists()
    RESULTS.parent.mkdir(exist_ok=True)
    with RESULTS.open("a", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, fieldnames=list(rows[0]))
        if fresh:
            writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main()
