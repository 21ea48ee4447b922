"""Whether the fast forest ranks subsets of features as scikit-learn's forest does: all that a search asks of it.

    python benchmarks/ranking.py                 # all 50,505 training rows: about half an hour on two cores
    python benchmarks/ranking.py --rows 10000    # a stratified sample of them: about five minutes
    python benchmarks/ranking.py --quick         # ten seconds; too few rows, subsets and trees for a verdict

60 random subsets of FER2013's embeddings with SMOTE (see fer2013.py), of 16 to 5,120 features, evenly spaced on a log
scale. Both forests have 90 trees and one seed for all subsets, as in a search. Figures are Spearman's rank correlation
of their log-losses on the validation part. Between two seeds of scikit-learn's own forest it is below 1, too; every
fourth subset is scored by a second seed to see by how much. Sizes differ much in log-loss and so are easy to rank: the
correlation among the larger subsets alone is the harder test. One row is appended to benchmarks/results/ranking.csv.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from fer2013 import Parts, add_options, parts_of
from numpy.typing import NDArray
from results import Row, append, print_table
from scipy.stats import spearmanr
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import train_test_split

from acofer import HistForestClassifier
from acofer.forest.binning import find_bins
from acofer.forest.forest import compile_kernels
from acofer.scoring.estimator import EMBEDDING_BINS
from acofer.scoring.metrics import log_loss

SMALLEST, LARGE = 16, 512
AT_LEAST = 0.95
SECOND_EVERY = 4


@dataclass
class Scored:
    """The log-losses of one subset, and the seconds that each forest took."""

    size: int
    ours: float
    theirs: float
    their_second: float | None
    our_seconds: float
    their_seconds: float


def scored(parts: Parts, n_subsets: int, trees: int) -> list[Scored]:
    """Score random subsets with both forests."""
    X, y, n_features = parts.X_train, parts.y_train, parts.X_train.shape[1]
    compile_kernels()
    ours = HistForestClassifier(trees, max_bins=EMBEDDING_BINS, n_jobs=-1, random_state=0)
    bins = find_bins(X, ours.max_bins, n_jobs=-1)
    codes = bins.codes(X, n_jobs=-1)
    sizes = np.geomspace(SMALLEST, n_features, n_subsets).round().astype(int)
    rng, done = np.random.default_rng(0), []
    for i, size in enumerate(sizes):
        columns = np.sort(rng.choice(n_features, size, replace=False))
        X_validation = np.take(parts.X_validation, columns, axis=1)

        def loss(model: Any, held_out: NDArray = X_validation) -> float:
            return log_loss(parts.y_validation, model.predict_proba(held_out))

        start = time.perf_counter()
        our_loss = loss(ours.fit_codes(bins, codes, y, columns))
        between = time.perf_counter()
        their_loss = loss(_sklearn(X, y, columns, trees, seed=0))
        end = time.perf_counter()
        second = loss(_sklearn(X, y, columns, trees, seed=1)) if i % SECOND_EVERY == 0 else None
        done.append(Scored(int(size), our_loss, their_loss, second, between - start, end - between))
        print(f"{i + 1:3d} of {n_subsets}: {size:5,d} features, {our_loss:.4f} and {their_loss:.4f}", flush=True)
    return done


def _sklearn(X: NDArray, y: NDArray, columns: NDArray, trees: int, seed: int) -> RandomForestClassifier:
    return RandomForestClassifier(trees, n_jobs=-1, random_state=seed).fit(np.take(X, columns, axis=1), y)


def summary(subsets: list[Scored], n_rows: int, trees: int) -> Row:
    twice = [s for s in subsets if s.their_second is not None]
    return {
        "training rows": n_rows,
        "trees": trees,
        "subsets": len(subsets),
        "Spearman": _spearman([(s.ours, s.theirs) for s in subsets]),
        f"from {LARGE} features on": _spearman([(s.ours, s.theirs) for s in subsets if s.size >= LARGE]),
        "scored twice": len(twice),
        "Spearman of these": _spearman([(s.ours, s.theirs) for s in twice]),
        "two seeds of scikit-learn's": _spearman([(s.their_second, s.theirs) for s in twice]),
        "acofer seconds": f"{sum(s.our_seconds for s in subsets):.0f}",
        "scikit-learn seconds": f"{sum(s.their_seconds for s in subsets):.0f}",
    }


def _spearman(pairs: list[tuple[Any, float]]) -> str | None:
    return f"{spearmanr(*zip(*pairs, strict=True)).statistic:.4f}" if len(pairs) > 2 else None


def sampled(parts: Parts, n_rows: int) -> Parts:
    """Return the parts with so many training rows, each class with its share."""
    rows, _ = train_test_split(np.arange(len(parts.y_train)), train_size=n_rows, stratify=parts.y_train, random_state=0)
    return parts._replace(X_train=parts.X_train[np.sort(rows)], y_train=parts.y_train[np.sort(rows)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, metavar="N", help="training rows, 1,000 or more; default all")
    parser.add_argument("--subsets", type=int, default=60, metavar="N", help="12 or more (default 60)")
    parser.add_argument("--trees", type=int, default=90, metavar="N", help="default 90")
    parser.add_argument("--quick", action="store_true", help="2,000 rows, 12 subsets and 20 trees")
    add_options(parser)
    options = parser.parse_args()
    if options.quick:
        options.rows, options.subsets, options.trees = 2000, 12, 20
    if options.subsets < 12 or options.trees < 1 or (options.rows is not None and options.rows < 1000):
        parser.error("expected at least 1,000 rows, 12 subsets and 1 tree; got fewer")
    parts = parts_of(options)
    if options.rows is not None and options.rows < len(parts.y_train):
        parts = sampled(parts, options.rows)
    row = summary(scored(parts, options.subsets, options.trees), len(parts.y_train), options.trees)
    print()
    print_table([{"": name, "value": value} for name, value in row.items()])
    place = "at least" if float(row["Spearman"]) >= AT_LEAST else "NOT at least"
    print(f"\nThe rank correlation with scikit-learn's log-losses is {row['Spearman']}, {place} {AT_LEAST}.")
    print("row appended to", append("ranking", [row]))


if __name__ == "__main__":
    main()
