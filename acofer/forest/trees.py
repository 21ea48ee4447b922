"""Trees of one forest: the columns they grow from, packed; each grown from its own stream; and their votes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
from joblib import Parallel, delayed
from numpy.typing import NDArray

from acofer.forest.grow import LEAF, WIDTHS, Growth, block_start, bootstrap_counts, grow, pack
from acofer.forest.vote import add_votes

_ROWS_AT_ONCE = 4096
_CACHE_LINE = 64
UNLIMITED_DEPTH = 2**31 - 1


class Tree(NamedTuple):
    """One grown tree.

    Attributes
    ----------
    feature : ndarray of int32, shape (n_nodes,)
        Feature a node splits on, -1 at a leaf. Node 0 is the root.
    threshold : ndarray of uint8, shape (n_nodes,)
        Rows whose bin is at most this go left.
    child : ndarray of int32, shape (n_nodes,)
        The left child; the right one is the next node. At a leaf its class, or ``n_classes`` plus its row of `shares`.
    shares : ndarray of float64, shape (n_mixed, n_classes)
        Class shares of the leaves with more than one class.
    """

    feature: NDArray[np.int32]
    threshold: NDArray[np.uint8]
    child: NDArray[np.int32]
    shares: NDArray[np.float64]


def tree_seeds(seed: int, n_trees: int) -> NDArray[np.uint64]:
    """Return the stream of each tree; the first trees have the same ones however many there are."""
    return np.random.SeedSequence(seed).generate_state(n_trees, np.uint64).astype(np.uint64)


class Nursery:
    """The columns of one subset, packed, and the settings its trees grow by.

    Parameters
    ----------
    codes : ndarray of uint8, shape (n, n_features), C order
        Binned values of all features; shared, never written.
    y : ndarray of int, shape (n,)
        Classes, 0 to ``n_classes - 1``.
    n_classes : int
    columns : ndarray of int, shape (k,)
        Features to use, different ones.
    n_cuts : int
        Cuts a feature may have, 1 to 255.
    max_features : int
        Features a node may choose from, 1 to k.
    seed : int
        Of the columns' order: which of them share a block.
    n_draws : int, optional
        Size of the bootstrap samples; default as many as rows of positive weight.
    min_samples_leaf : int
        Least number of draws in a leaf.
    max_depth : int
    weight : ndarray of float64, shape (n,), optional
        Rows are drawn in proportion to it; those of weight zero are left aside.
    n_jobs : int, optional
        Threads that pack, as in scikit-learn.
    is_packed_later : bool
        The caller runs every one of `packing` before the first tree grows.
    """

    def __init__(
        self,
        codes: NDArray[np.uint8],
        y: NDArray,
        n_classes: int,
        columns: NDArray,
        *,
        n_cuts: int,
        max_features: int,
        seed: int,
        n_draws: int | None = None,
        min_samples_leaf: int = 1,
        max_depth: int = UNLIMITED_DEPTH,
        weight: NDArray[np.float64] | None = None,
        n_jobs: int | None = None,
        is_packed_later: bool = False,
    ) -> None:
        self._codes = codes
        by_class = np.argsort(y, kind="stable")
        self.rows = by_class if weight is None else by_class[weight[by_class] > 0]
        self._width = next(w for w in WIDTHS if w >= min(max_features, WIDTHS[-1]))
        self.columns = _dealt(columns, self._width, seed)
        self._growth = Growth(
            lines=_lines(-(-len(columns) // self._width) * len(self.rows) * self._width),
            y=y[self.rows].astype(np.int32),
            cumulative_weight=np.cumsum(np.empty(0) if weight is None else weight[self.rows]),
            n_columns=len(columns),
            n_classes=n_classes,
            n_cuts=n_cuts,
            n_draws=len(self.rows) if n_draws is None else n_draws,
            max_features=max_features,
            min_samples_leaf=min_samples_leaf,
            max_depth=max_depth,
        )
        if not is_packed_later:
            Parallel(n_jobs, backend="threading")(delayed(part)() for part in self.packing())

    def packing(self) -> Iterator[Callable[[], None]]:
        """Yield the parts of the packing, for threads to run."""
        rows, columns = self.rows.astype(np.uint64), self.columns.astype(np.uint32)  # spares a test for negative ones
        for first in range(0, len(rows), _ROWS_AT_ONCE):
            own = rows[first : first + _ROWS_AT_ONCE]
            yield partial(pack, self._codes, own, columns, self._width, first, self._growth.lines)

    def grow(self, stream: np.uint64) -> tuple[Tree, NDArray[np.float64]]:
        """Grow one tree; threads may call this at the same time.

        Returns
        -------
        tree : Tree
        importances : ndarray of float64, shape (k,)
            Each column's decrease of Gini impurity times weight, summed over its nodes; in the order of `columns`
            of this object.
        """
        feature, threshold, child, shares, importances = grow(self._growth, self._width, stream)
        inner = feature != LEAF
        feature[inner] = self.columns[feature[inner]]
        return Tree(feature, threshold, child, shares), importances

    def left_out(self, stream: np.uint64) -> NDArray[np.int64]:
        """Return the rows of positive weight that the tree of this stream did not draw."""
        growth = self._growth
        counts = bootstrap_counts(
            len(growth.y), growth.n_draws, growth.cumulative_weight, np.array([stream], np.uint64)
        )
        return np.sort(self.rows[counts == 0])


def _dealt(columns: NDArray, width: int, seed: int) -> NDArray:
    """Deal the columns to blocks at random; within a block they ascend."""
    dealt = np.random.default_rng(seed).permutation(columns)
    n_blocks = -(-len(columns) // width)
    for block in range(n_blocks):
        dealt[block_start(block, len(dealt), n_blocks) : block_start(block + 1, len(dealt), n_blocks)].sort()
    return dealt


def _lines(size: int) -> NDArray[np.uint8]:
    room = np.empty(size + _CACHE_LINE, np.uint8)
    start = -room.ctypes.data % _CACHE_LINE  # so that a line of 64 lanes is one cache line, not two
    return room[start : start + size]


def votes_of(
    trees: Sequence[Tree], codes: NDArray[np.uint8], n_classes: int, n_jobs: int | None = None
) -> NDArray[np.float64]:
    """Return the class shares of every row, summed over the trees in their order, float64 of shape (n, n_classes)."""
    votes = np.zeros((len(codes), n_classes))

    def count(rows: NDArray[np.int64]) -> None:
        for tree in trees:
            add_votes(codes, rows, *tree, votes)

    Parallel(n_jobs, backend="threading")(
        delayed(count)(np.arange(first, min(first + _ROWS_AT_ONCE, len(codes))))
        for first in range(0, len(codes), _ROWS_AT_ONCE)
    )
    return votes
