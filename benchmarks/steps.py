"""What each step from scikit-learn's tree builder to the fast forest has bought, side by side in one run.

    python benchmarks/steps.py            # about two minutes on one core
    python benchmarks/steps.py --quick    # half a minute: two trees

A few trees on 2,560 random columns of FER2013's embeddings with SMOTE (see fer2013.py), by one thread but for the last
row. "seconds a tree" is growing alone; "once" is what a forest pays before its first tree (values to bytes for (b), (c)
and (d), and copying them into place). Log-loss and accuracy are those of these few trees on the test part, to see that
a step has lost nothing beyond what a second seed of scikit-learn's loses.

The steps (b) and (c) are written anew here, in plain numba, and live nowhere else. Rows are appended to
benchmarks/results/steps.csv.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any
from unittest import mock

import numba
import numpy as np
from fer2013 import Parts, add_options, parts_of
from numpy.typing import NDArray
from results import Row, append, print_table
from sklearn.ensemble import RandomForestClassifier

from acofer import HistForestClassifier
from acofer.forest import trees as acofer_trees
from acofer.forest.binning import Bins, find_bins
from acofer.forest.forest import compile_kernels
from acofer.forest.trees import Tree, tree_seeds, votes_of
from acofer.scoring.metrics import log_loss

N_COLUMNS, N_CLASSES, BINS = 2560, 7, 32
LEAF = -1


# (b) and (c): one kernel for blocks of any width. A block of one feature is a column of uint8, and a node draws sqrt(k)
# of them, as scikit-learn's does. A block of 64 is a row of a cache line, and a node draws one: the idea that
# a cache miss should buy 64 features.


@numba.njit(nogil=True)
def _by_histogram(counts: NDArray, totals: NDArray, n: int, squares: int, left: NDArray) -> tuple[float, int]:
    """Return the best score and cut of one feature from its class histogram, shape (bins, classes)."""
    left[:] = 0
    best, best_cut, n_left, of_left, of_right = -1.0, 0, 0, 0, squares
    for cut in range(len(counts) - 1):
        before = n_left
        for label in range(len(totals)):
            weight = counts[cut, label]
            if weight:
                of_left += weight * (2 * left[label] + weight)
                of_right += weight * (weight - 2 * (totals[label] - left[label]))
                left[label] += weight
                n_left += weight
        if before < n_left < n:
            score = of_left / n_left + of_right / (n - n_left)
            if score > best:
                best, best_cut = score, cut
    return best, best_cut


@numba.njit(nogil=True)
def _by_sorting(
    keys: NDArray, labels: NDArray, weights: NDArray, totals: NDArray, n: int, squares: int, left: NDArray
) -> tuple[float, int]:
    """Return the same from the few rows of a small node, sorted by their value: it costs its rows, not its bins."""
    for i in range(1, len(keys)):
        key, at = keys[i], i
        while at > 0 and keys[at - 1] > key:
            keys[at] = keys[at - 1]
            at -= 1
        keys[at] = key
    left[:] = 0
    best, best_cut, n_left, of_left, of_right = -1.0, 0, 0, 0, squares
    for position in range(len(keys) - 1):
        cut, i = keys[position] >> 32, keys[position] & 0xFFFFFFFF
        label, weight = labels[i], weights[i]
        of_left += weight * (2 * left[label] + weight)
        of_right += weight * (weight - 2 * (totals[label] - left[label]))
        left[label] += weight
        n_left += weight
        if keys[position + 1] >> 32 > cut:
            score = of_left / n_left + of_right / (n - n_left)
            if score > best:
                best, best_cut = score, cut
    return best, best_cut


@numba.njit(nogil=True)
def _search_block(
    block: NDArray, rows: NDArray, labels: NDArray, weights: NDArray, totals: NDArray, sums: Any, small: int, room: Any
) -> tuple[float, int, int]:
    """Return the best score, lane and cut of a block, -1 where it cannot split the node."""
    histogram, keys, left = room
    (n, squares), m, width = sums, len(rows), block.shape[1]
    if m > small:
        histogram[:] = 0
        for i in range(m):
            for lane in range(width):
                histogram[lane, block[rows[i], lane], labels[i]] += weights[i]
    else:
        for i in range(m):
            for lane in range(width):
                keys[lane, i] = (np.int64(block[rows[i], lane]) << 32) | i
    best, best_lane, best_cut = -1.0, 0, 0
    for lane in range(width):
        if m > small:
            score, cut = _by_histogram(histogram[lane], totals, n, squares, left)
        else:
            score, cut = _by_sorting(keys[lane, :m], labels, weights, totals, n, squares, left)
        if score > best:
            best, best_lane, best_cut = score, lane, cut
    return best, best_lane, best_cut


@numba.njit(nogil=True)
def grow_plainly(
    blocks: NDArray, y: NDArray, n_classes: int, n_bins: int, drawn: int, small: int, seed: int
) -> tuple[NDArray, NDArray, NDArray, NDArray]:
    """Grow one tree from blocks, uint8 of shape (n_blocks, n_rows, width); a node searches `drawn` of them.

    Nodes of at most `small` rows are sorted, the others counted. The tree is returned as
    `acofer.forest.trees.Tree` holds it.
    """
    np.random.seed(seed)  # noqa: NPY002 - numba's own generator, inside its kernels
    n_blocks, n, width = blocks.shape
    counts = np.zeros(n, np.int64)
    for _ in range(n):
        counts[np.random.randint(n)] += 1  # noqa: NPY002
    rows = np.flatnonzero(counts)
    labels, weights = y[rows], counts[rows]
    room = (
        np.empty((width, n_bins, n_classes), np.int32),
        np.empty((width, small), np.int64),
        np.empty(n_classes, np.int64),
    )
    feature, threshold = np.full(2 * n, LEAF, np.int32), np.zeros(2 * n, np.uint8)
    child, shares = np.zeros(2 * n, np.int32), np.zeros((n, n_classes))
    order, waiting = np.arange(n_blocks), [(0, 0, len(rows))]
    n_nodes, n_mixed = 1, 0
    while waiting:
        node, begin, end = waiting.pop()
        own = rows[begin:end], labels[begin:end], weights[begin:end]
        totals = np.zeros(n_classes, np.int64)
        for i in range(begin, end):
            totals[labels[i]] += weights[i]
        sums = totals.sum(), (totals * totals).sum()
        best, at, lane, cut = -1.0, 0, 0, 0
        for step in range(0 if totals.max() == sums[0] else n_blocks):
            swap = step + np.random.randint(n_blocks - step)  # noqa: NPY002
            order[step], order[swap] = order[swap], order[step]
            found = _search_block(blocks[order[step]], own[0], own[1], own[2], totals, sums, small, room)
            if found[0] > best:
                best, lane, cut = found
                at = order[step]
            if step + 1 >= drawn and best >= 0:
                break
        if best < 0:
            child[node] = totals.argmax()
            if totals.max() < sums[0]:
                child[node] = n_classes + n_mixed
                shares[n_mixed] = totals / sums[0]
                n_mixed += 1
            continue
        goes_left = blocks[at, :, lane][own[0]] <= cut
        middle = goes_left.sum()
        for array in own:
            array[:middle], array[middle:] = array[goes_left], array[~goes_left]
        feature[node], threshold[node], child[node] = at * width + lane, cut, n_nodes
        waiting.append((n_nodes + 1, begin + middle, end))
        waiting.append((n_nodes, begin, begin + middle))
        n_nodes += 2
    return feature[:n_nodes], threshold[:n_nodes], child[:n_nodes], shares[:n_mixed]


@dataclass(frozen=True)
class Material:
    """The columns as floats, in C order, and what all steps share."""

    X: NDArray[np.float32]
    y: NDArray[np.int64]
    X_test: NDArray[np.float32]
    y_test: NDArray[np.int64]
    trees: int

    @classmethod
    def of(cls, parts: Parts, trees: int) -> Material:
        columns = np.sort(np.random.default_rng(0).choice(parts.X_train.shape[1], N_COLUMNS, replace=False))
        X, X_test = (np.take(part, columns, axis=1) for part in (parts.X_train, parts.X_test))
        return cls(X, np.array(parts.y_train), X_test, np.array(parts.y_test), trees)

    def row(self, step: str, proba: NDArray, seconds: float, once: float | None = None) -> Row:
        return {
            "step": step,
            "trees": self.trees,
            "seconds a tree": f"{seconds / self.trees:.3f}",
            "once": None if once is None else f"{once:.2f}",
            "accuracy": f"{(proba.argmax(axis=1) == self.y_test).mean():.4f}",
            "log-loss": f"{log_loss(self.y_test, proba):.4f}",
        }


def timed(call: Callable[[], Any]) -> tuple[Any, float]:
    start = time.perf_counter()
    return call(), time.perf_counter() - start


def sklearn_row(material: Material, step: str, seed: int) -> Row:
    """(a) Exact splits: each feature's values are sorted anew in each node."""
    forest = RandomForestClassifier(material.trees, random_state=seed)
    _, seconds = timed(lambda: forest.fit(material.X, material.y))
    return material.row(step, forest.predict_proba(material.X_test), seconds)


@dataclass(frozen=True)
class Binned:
    """A material as bytes."""

    material: Material
    bins: Bins
    codes: NDArray[np.uint8]
    test_codes: NDArray[np.uint8]
    seconds: float

    @classmethod
    def of(cls, material: Material, max_bins: int) -> Binned:
        def to_bytes() -> tuple[Bins, NDArray[np.uint8]]:
            bins = find_bins(material.X, max_bins)
            return bins, bins.codes(material.X)

        (bins, codes), seconds = timed(to_bytes)
        return cls(material, bins, codes, bins.codes(material.X_test), seconds)

    def plain_row(self, step: str, width: int, drawn: int, small: int) -> Row:
        """(b) and (c)"""
        material = self.material
        columns = np.random.default_rng(0).permutation(N_COLUMNS)
        blocks, packing = timed(
            lambda: np.ascontiguousarray(self.codes[:, columns].reshape(len(self.codes), -1, width).swapaxes(0, 1))
        )
        grow_one = partial(grow_plainly, blocks, material.y, N_CLASSES, BINS, drawn, small)
        grown, seconds = timed(lambda: [Tree(*grow_one(seed)) for seed in range(material.trees)])
        for tree in grown:
            inner = tree.feature != LEAF
            tree.feature[inner] = columns[tree.feature[inner]]
        return material.row(step, self._proba(grown), seconds, self.seconds + packing)

    def lanes_row(self, step: str, **parameters: Any) -> Row:
        """(d) Rows of bytes as vectors that stay in registers, compared with every cut: see acofer/forest/grow.py."""
        material = self.material
        forest = HistForestClassifier(random_state=0, **parameters)
        nursery, packing = timed(
            lambda: forest.nursery(self.bins, self.codes, material.y, N_CLASSES, np.arange(N_COLUMNS))
        )
        grown, seconds = timed(lambda: [nursery.grow(stream)[0] for stream in tree_seeds(0, material.trees)])
        return material.row(step, self._proba(grown), seconds, self.seconds + packing)

    def fit_row(self, step: str, n_jobs: int) -> Row:
        """(e) A whole fit from bytes, packing included: the trees are shared out to threads."""
        material = self.material
        forest = HistForestClassifier(material.trees, n_jobs=n_jobs, random_state=0)
        _, seconds = timed(lambda: forest.fit_codes(self.bins, self.codes, material.y, np.arange(N_COLUMNS)))
        return material.row(step, forest.predict_proba(material.X_test), seconds)

    def _proba(self, grown: list[Tree]) -> NDArray:
        return votes_of(grown, self.test_codes, N_CLASSES) / len(grown)


def steps(material: Material) -> Iterator[Row]:
    """Yield a row for each step."""
    yield sklearn_row(material, "(a) scikit-learn's tree builder", seed=0)
    yield sklearn_row(material, "    a second seed of it", seed=1)
    binned = Binned.of(material, BINS)
    drawn = int(N_COLUMNS**0.5)
    yield binned.plain_row("(b) histograms of 32 bins, columns of uint8, sqrt(k) drawn", 1, drawn, small=32)
    yield binned.plain_row("(c) rows of uint8, one block of 64 drawn", 64, 1, small=0)
    yield binned.plain_row("    and nodes of up to 32 rows sorted", 64, 1, small=32)
    yield binned.lanes_row("(d) lanes in registers, 32 bins: acofer's forest")
    for max_bins in (16, 64, 128):
        yield Binned.of(material, max_bins).lanes_row(f"    {max_bins} bins")
    yield binned.lanes_row("    all of a block's 64 features allowed", max_features=64)
    yield from widths(binned)
    for n_jobs in (1, 2):
        yield binned.fit_row(f"(e) a whole fit from bytes by {n_jobs} thread{'s' * (n_jobs > 1)}", n_jobs)


def widths(binned: Binned) -> Iterator[Row]:
    """Yield as many features a node from narrow and from wide blocks; acofer takes the narrowest that holds them."""
    for max_features in (16, 32):
        for width in acofer_trees.WIDTHS:
            with mock.patch.object(acofer_trees, "WIDTHS", (width,)):
                step = f"    {max_features} features a node, from blocks of {width}"
                yield binned.lanes_row(step, max_features=max_features)


def compile_all(material: Material) -> None:
    """Compile every kernel for arrays of the same kinds, and start threads, off the clock."""
    compile_kernels()
    few = Material(material.X[::500], material.y[::500].copy(), material.X_test[:50], material.y_test[:50], 1)
    for _ in steps(few):
        pass


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--trees", type=int, default=10, metavar="N", help="default 10")
    parser.add_argument("--quick", action="store_true", help="two trees")
    add_options(parser)
    options = parser.parse_args()
    if options.trees < 1:
        parser.error(f"--trees: expected 1 or more; got {options.trees}")
    material = Material.of(parts_of(options), 2 if options.quick else options.trees)
    compile_all(material)
    rows = []
    for row in steps(material):
        rows.append(row)
        rows[-1]["times (a)"] = f"{float(rows[0]['seconds a tree']) / float(row['seconds a tree']):.1f}"
        print(f"  {row['step'].strip()}: {row['seconds a tree']} s", flush=True)
    print()
    print_table(rows)
    print("\nrows appended to", append("steps", rows))


if __name__ == "__main__":
    main()
