"""The whole search: against forests of scikit-learn, with racing and without, on one core and two, and its memory.

    python benchmarks/search.py              (about 25 minutes; --quick: 3, on fewer rows)

The published set-up on all of FER2013: SMOTE, 20 ants, 3 iterations, 90 trees, half of the 5,120 features an ant,
subsets compared by log-loss on the validation part. Binning and the ants' own work are within the clock,
compilation and SMOTE are not. Scikit-learn's time for the same 60 subsets is that of `--forests` of them, fitted
and scored in the same run on as many cores, times 60 over their number; the row says how many were timed.

Rows go to results/search.csv: one a seed with what racing spared and what it cost in validation log-loss.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from fer2013 import Parts, add_options, parts_of
from results import Row, append, print_table
from sklearn.ensemble import RandomForestClassifier

from acofer.colony.colony import AntColony, ColonySettings
from acofer.colony.heuristic import heuristic_information
from acofer.colony.search import SearchTrace, search_subsets
from acofer.forest.forest import HistForestClassifier, compile_kernels
from acofer.scoring.estimator import EMBEDDING_BINS
from acofer.scoring.forest import BinnedFold, ForestScorer
from acofer.scoring.metrics import METRICS
from acofer.scoring.protocol import ResampledFold

ANTS, ITERATIONS, TREES, CLASSES = 20, 3, 90, np.arange(7)
N_REAL = 28_709  # rows of FER2013's training part; SMOTE's come after them


def searched(
    parts: Parts, size: Any, seed: int, *, is_race: bool, n_jobs: int
) -> tuple[SearchTrace, ForestScorer, float]:
    """Run one search; return what it did, its scorer, and the seconds it took."""
    eta = heuristic_information("importance", parts.X_train[:N_REAL], parts.y_train[:N_REAL], seed=seed, n_jobs=n_jobs)
    start = time.perf_counter()
    fold = ResampledFold(parts.X_train, parts.y_train, parts.X_validation, parts.y_validation)
    binned = BinnedFold.of(fold, CLASSES, EMBEDDING_BINS, seed=seed, n_jobs=n_jobs)
    forest = HistForestClassifier(TREES, max_bins=EMBEDDING_BINS, random_state=seed)
    scorer = ForestScorer(forest, [binned], METRICS["log-loss"], n_classes=7, n_jobs=n_jobs, seed=seed, is_race=is_race)
    colony = AntColony(eta, ColonySettings(n_ants=ANTS, size=size), seed)
    trace = search_subsets(colony, scorer, ITERATIONS)
    return trace, scorer, time.perf_counter() - start


def scikit_learn_seconds(parts: Parts, trace: SearchTrace, n_timed: int, n_jobs: int) -> float:
    """Return what one forest of scikit-learn takes on the search's subsets, on average over some of them."""
    subsets = sorted((score.indices for score in trace.archive), key=len)
    timed = [subsets[i] for i in np.linspace(0, len(subsets) - 1, n_timed).astype(int)]
    seconds = []
    for indices in timed:
        X, X_validation = parts.X_train[:, indices], parts.X_validation[:, indices]
        start = time.perf_counter()
        forest = RandomForestClassifier(TREES, random_state=0, n_jobs=n_jobs).fit(X, parts.y_train)
        METRICS["log-loss"].of(parts.y_validation, forest.predict_proba(X_validation))
        seconds.append(time.perf_counter() - start)
    return float(np.mean(seconds))


def compared(parts: Parts, size: Any, seeds: int, n_timed: int) -> list[Row]:
    """Return a row a seed; the first also times scikit-learn and one core."""
    rows = []
    for seed in range(seeds):
        in_full, _, full_seconds = searched(parts, size, seed, is_race=False, n_jobs=2)
        raced, scorer, seconds = searched(parts, size, seed, is_race=True, n_jobs=2)
        best, best_raced = in_full.archive.best, raced.archive.best
        row: Row = {
            "size": str(size),
            "rows": len(parts.y_train),
            "seed": seed,
            "search s": round(full_seconds, 1),
            "raced s": round(seconds, 1),
            "trees raced": scorer.tally.grown,
            "of": scorer.tally.subsets * TREES,
            "best log-loss": round(best.value, 4),
            "best raced": round(best_raced.value, 4),
            "its s.e.": round(best.standard_error, 4),
        }
        if seed == 0:
            _, _, alone = searched(parts, size, seed, is_race=True, n_jobs=1)
            one = scikit_learn_seconds(parts, in_full, n_timed, n_jobs=2)
            row |= {
                "1 core / 2": round(alone / seconds, 2),
                "scikit-learn s a forest": round(one, 1),
                "forests timed": n_timed,
                "60 forests / search": round(60 * one / full_seconds, 1),
                "60 forests / raced": round(60 * one / seconds, 1),
            }
        rows.append(row)
        print_table([row])
    return rows


def verdict(rows: Sequence[Row]) -> str:
    gaps = np.array([row["best raced"] - row["best log-loss"] for row in rows])
    noise = np.mean([row["its s.e."] for row in rows])
    return (
        f"racing changes the best log-loss by {gaps.mean():+.4f} on average over {len(gaps)} seeds "
        f"({gaps.min():+.4f} to {gaps.max():+.4f}); the standard error of one score is {noise:.4f}"
    )


def peak_memory(options: argparse.Namespace, workers: int) -> Row:
    """Run ``acofer search`` whole, in a process of its own, and return its peak memory."""
    command = [
        str(Path(sys.executable).with_name("acofer")),
        "search",
        "--quiet",
        "--json",
        "--memo",
        "off",
        "--size",
        "0.5",
    ]
    command += ["--data", options.data, "--weights", options.weights, "--workers", str(workers), "--out", options.out]
    start = time.perf_counter()
    code = (  # a process in between, whose only child is the search
        "import resource, subprocess, sys; done = subprocess.run(sys.argv[1:], capture_output=True, text=True); "
        "print(done.stderr[-300:], file=sys.stderr); seconds = __import__('json').loads(done.stdout)['seconds']; "
        "print(__import__('json').dumps([resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, seconds]))"
    )
    done = subprocess.run([sys.executable, "-c", code, *command], capture_output=True, text=True, check=True)
    kilobytes, seconds = json.loads(done.stdout)
    return {
        "size": "whole command, 0.5",
        "workers": workers,
        "peak GB": round(kilobytes * 1024 / 1e9, 2),
        "search s": seconds["search"],
        "whole s": round(time.perf_counter() - start, 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_options(parser)
    parser.add_argument("--sizes", nargs="*", default=["0.5", "auto"], help="--size of the search")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--forests", type=int, default=4, help="forests of scikit-learn that are timed")
    parser.add_argument("--memory", metavar="OUT", dest="out", help="also run the whole command, into this folder")
    parser.add_argument("--quick", action="store_true", help="one seed, every sixth row")
    options = parser.parse_args()
    parts = parts_of(options)
    if options.quick:
        parts, options.seeds = Parts(*(array[::6] for array in parts)), 1
    compile_kernels()
    for size in options.sizes:
        rows = compared(parts, size if size == "auto" else float(size), options.seeds, options.forests)
        print(verdict(rows))
        append("search", rows)
    if options.out:
        rows = [peak_memory(options, workers) for workers in (1, 2)]
        print_table(rows)
        append("search_memory", rows)


if __name__ == "__main__":
    main()
