"""How long the closed-form scorer takes a subset, beside scikit-learn's ridge classifier, cross-validated row by row.

    python benchmarks/ridge.py                    # on drawn data, a minute or so
    python benchmarks/ridge.py --arrays FOLDER    # on X.npy (rows, features) and y.npy (classes from 0)

Five folds, one core, the Brier score on the folds' validation rows. Random subsets are scored one after the other;
making the moments, once for all subsets and on all cores, is a column of its own. scikit-learn's `cross_val_score` of
a `RidgeClassifier` gets each subset's columns ready, in memory and standardised, off the clock. Ratios are to the
closed form at as many features, in this run. Rows are appended to benchmarks/results/ridge.csv.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from results import Row, append, print_table
from sklearn.linear_model import RidgeClassifier
from sklearn.model_selection import cross_val_score
from threadpoolctl import threadpool_limits

from acofer.scoring.moments import FoldMoments
from acofer.scoring.protocol import stratified_folds
from acofer.scoring.ridge import RidgeScorer

N_FOLDS, N_CLASSES = 5, 7
SIZES = (16, 32, 64, 128, 256, 512, 1024)
COMPARED = {64: 3, 256: 3, 1024: 1}
"""Sizes at which scikit-learn is timed too, and subsets of each."""
N_SUBSETS = 20
AT_MOST_MS, AT_SIZE = 15.0, 256
"""What a subset of so many features may take on one core."""
N_LATENT = 60

Folds = list[tuple[NDArray[np.int64], NDArray[np.int64]]]


def drawn(n_rows: int, n_features: int) -> tuple[NDArray[np.float16], NDArray[np.int64]]:
    """Draw features that overlap as a network's do: rectified mixtures of a few causes, which the class moves."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, N_CLASSES, n_rows)
    causes = rng.normal(size=(n_rows, N_LATENT)) + rng.normal(size=(N_CLASSES, N_LATENT))[y] * 0.3
    mixing = rng.normal(size=(N_LATENT, n_features)) / np.sqrt(N_LATENT)
    X = np.empty((n_rows, n_features), np.float16)
    for first in range(0, n_rows, 2000):
        some = slice(first, first + 2000)
        X[some] = np.maximum(causes[some] @ mixing + 0.5 * rng.normal(size=(len(X[some]), n_features)), 0)
    return X, y


def seconds(call: Callable[[], Any]) -> tuple[float, Any]:
    """Return the wall seconds of a call, and its result."""
    start = time.perf_counter()
    result = call()
    return time.perf_counter() - start, result


def sklearn_errors(Z: NDArray[np.float64], y: NDArray[np.int64], folds: Folds, penalty: float) -> list[float]:
    """Return each fold's Brier score of a ridge classifier, whose targets are -1 and 1."""

    def brier(model: RidgeClassifier, rows: NDArray, labels: NDArray[np.int64]) -> float:
        scores = (model.decision_function(rows) + 1) / 2
        return float(((scores - np.eye(scores.shape[1])[labels]) ** 2).sum(axis=1).mean())

    return [
        cross_val_score(RidgeClassifier(alpha=penalty * len(fold[0])), Z, y, cv=[fold], scoring=brier)[0]
        for fold in folds
    ]


def measured(X: NDArray, y: NDArray[np.int64], folds: Folds, moments: FoldMoments, scorer: RidgeScorer, k: int) -> Row:
    """Time subsets of `k` features, and the same ones by scikit-learn where it is compared."""
    rng = np.random.default_rng(k)
    subsets = [np.sort(rng.choice(X.shape[1], k, replace=False)).astype(np.int32) for _ in range(N_SUBSETS)]
    chosen_in, penalty = seconds(lambda: scorer.penalty(k))
    scorer.score(subsets[:1])
    ours = [seconds(lambda subset=subset: scorer.score([subset])[0]) for subset in subsets]  # type: ignore[misc]
    each = statistics.median(taken for taken, _ in ours)
    row: Row = {
        "features": k,
        "penalty": f"{penalty:.3g}",
        "choosing it s": f"{chosen_in:.2f}",
        "ms a subset": f"{1e3 * each:.2f}",
        "worst ms": f"{1e3 * max(taken for taken, _ in ours):.2f}",
        "subsets a second": f"{1 / each:.0f}",
        "scikit-learn ms": None,
        "scikit-learn / ours": None,
        "largest difference of a fold's Brier score": None,
    }
    theirs, differences = [], []
    for subset, (_, score) in list(zip(subsets, ours, strict=True))[: COMPARED.get(k, 0)]:
        Z = (X[:, subset].astype(np.float64) - moments.shift[subset]) / moments.scale[subset]
        with threadpool_limits(1):
            taken, errors = seconds(lambda Z=Z: sklearn_errors(Z, y, folds, penalty))  # type: ignore[misc]
        theirs.append(taken)
        differences.append(np.abs(errors + score.fold_utilities).max())
    if theirs:
        row["scikit-learn ms"] = f"{1e3 * statistics.median(theirs):.0f}"
        row["scikit-learn / ours"] = f"{statistics.median(theirs) / each:.0f}"
        row["largest difference of a fold's Brier score"] = f"{max(differences):.1e}"
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--arrays", type=Path, help="folder with X.npy and y.npy")
    parser.add_argument("--rows", type=int, default=20_000, help="rows to draw (default: %(default)s)")
    parser.add_argument("--features", type=int, default=5_120, help="features to draw (default: %(default)s)")
    options = parser.parse_args()
    if options.arrays is None:
        X, y = drawn(options.rows, options.features)
    else:
        X = np.load(options.arrays / "X.npy", mmap_mode="r")
        y = np.load(options.arrays / "y.npy").astype(np.int64)
    folds = stratified_folds(y, N_FOLDS, seed=0)
    making, moments = seconds(lambda: FoldMoments.of(X, y, folds, int(y.max()) + 1))
    scorer = RidgeScorer(moments, n_jobs=1)
    about = {"rows": len(y), "of features": X.shape[1], "moments s": f"{making:.1f}"}
    rows = [{**about, **measured(X, y, folds, moments, scorer, k)} for k in SIZES if k <= X.shape[1]]
    print(f"{len(y):,} rows, {X.shape[1]:,} features; the moments of {N_FOLDS} folds took {making:.1f} s")
    print_table([{name: value for name, value in row.items() if name not in about} for row in rows])
    for row in rows:
        if row["features"] == AT_SIZE:
            verdict = "within" if float(row["ms a subset"]) <= AT_MOST_MS else "NOT within"
            print(f"\n{AT_SIZE} features take {row['ms a subset']} ms (median), {verdict} {AT_MOST_MS:.0f} ms.")
    print("rows appended to", append("ridge", rows))


if __name__ == "__main__":
    main()
