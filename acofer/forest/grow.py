"""How one tree grows: compiled kernels, arrays in, arrays out.

The forest is Breiman's (Machine Learning 45, 2001): each tree sees a bootstrap sample, each node a
random few of the features, and takes the split that lowers the Gini impurity most; trees grow full.
What is different is how the values lie and how they are counted.

Features are binned into bytes (`acofer.forest.binning`). The columns, in random order, are cut into
*blocks* of up to 32 or 64 (the *width*), and a block holds its bytes row after row. A node draws
one block, and within it the features it may split on. Its rows of that block then are one stretch of
memory each, so that a cache miss buys a whole block of features, and each is one vector of *lanes*:
all features of a block are counted at once, lane by lane, in registers.

A node is counted directly for every possible cut ("how much weight of this class lies at or below
it?") instead of through histograms: comparing a vector and adding under a mask is two instructions
for all features together, where a histogram scatters one increment a feature. Nodes of fewer rows
than there are cuts try their own rows' values instead, so that a node costs its rows, not its bins.

Rows are kept by class throughout (partitions are stable), so that a class is a range.
Bootstrap samples are multiplicities, at most 255 an entry.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from acofer.forest.lanes import (
    bytes_of,
    choose,
    first_lane,
    floats_of,
    largest,
    load,
    store,
    to_floats,
    to_ints,
    to_words,
    width_of,
    words_of,
    zeros_32,
    zeros_64,
)
from acofer.streams import next_uniform

WIDTHS = (32, 64)
_BYTE = 255  # the most a lane of bytes can count
LEAF = -1
_NO_SPLIT: Any = np.float32(-1.0)  # below any real score, which is a sum of squares
_CLASS_BITS, _WEIGHT_BITS = np.uint64(24), np.uint64(8)
_CLASS_MASK, _WEIGHT_MASK = np.uint64((1 << 24) - 1), np.uint64(_BYTE)


class Growth(NamedTuple):
    """What the trees of one forest grow from.

    Attributes
    ----------
    lines : ndarray of uint8, shape (n_blocks * n_rows * width,)
        The blocks, see `pack`.
    y : ndarray of int32, shape (n_rows,)
        Class of each packed row, ascending.
    cumulative_weight : ndarray of float64, shape (n_rows,) or (0,)
        Running sum of the rows' weights, by which the bootstrap draws; empty where all are equal.
    n_columns, n_classes : int
    n_cuts : int
        Cuts that a feature may have, one less than its bins, at most 255.
    n_draws : int
        Size of the bootstrap sample.
    max_features : int
        Features a node may choose from.
    min_samples_leaf : int
        Least weight of a leaf, in draws.
    max_depth : int
    """

    lines: NDArray[np.uint8]
    y: NDArray[np.int32]
    cumulative_weight: NDArray[np.float64]
    n_columns: int
    n_classes: int
    n_cuts: int
    n_draws: int
    max_features: int
    min_samples_leaf: int
    max_depth: int


class Bench(NamedTuple):
    """Room to work in, allocated once a tree.

    Attributes
    ----------
    values : ndarray of uint8, shape (n_entries * width,)
        A node's rows of one block.
    weights : ndarray of uint8, shape (n_entries,)
    scratch : ndarray of uint64, shape (n_entries,)
    starts, totals : ndarray of int64, shape (n_classes + 1,)
        Where each class that the node has starts, and what it weighs in all.
    counts : ndarray of uint32, shape (n_cuts * n_classes * width,)
    scores : ndarray of float32, shape (width,)
        Each lane's best score, -1 where it cannot split the node.
    cuts, allowed : ndarray of uint8, shape (width,)
        The cut with that score; whether the node may split on the lane.
    numbers : ndarray of uint8, shape (width,)
        0, 1, 2, ...
    """

    values: NDArray[np.uint8]
    weights: NDArray[np.uint8]
    scratch: NDArray[np.uint64]
    starts: NDArray[np.int64]
    totals: NDArray[np.int64]
    counts: NDArray[np.uint32]
    scores: NDArray[np.float32]
    cuts: NDArray[np.uint8]
    allowed: NDArray[np.uint8]
    numbers: NDArray[np.uint8]


@numba.njit(nogil=True)
def _bench(n_entries: int, n_classes: int, n_cuts: int, width: int) -> Bench:
    return Bench(
        np.empty(n_entries * width, np.uint8),
        np.empty(n_entries, np.uint8),
        np.empty(n_entries, np.uint64),
        np.empty(n_classes + 1, np.int64),
        np.empty(n_classes + 1, np.int64),
        np.empty(n_cuts * n_classes * width, np.uint32),
        np.empty(width, np.float32),
        np.empty(width, np.uint8),
        np.empty(width, np.uint8),
        np.arange(width).astype(np.uint8),
    )


@numba.njit(nogil=True)
def block_start(block: int, n_columns: int, n_blocks: int) -> int:
    """Return the first column of a block; columns are dealt so evenly that no block has two more than another."""
    return block * n_columns // n_blocks


@numba.njit(cache=True, nogil=True)
def pack(codes: NDArray, rows: NDArray, columns: NDArray, width: int, first: int, lines: NDArray) -> None:
    """Copy columns of some rows into blocks.

    Parameters
    ----------
    codes : ndarray of uint8, shape (n, n_features), C order
        Binned values.
    rows : ndarray of uint64, shape (m,)
        Rows to copy; row ``rows[i]`` becomes packed row ``first + i``.
    columns : ndarray of uint32, shape (n_columns,)
        Features to copy, in the order in which they are dealt to blocks. Ascending within a block is faster:
        the processor then sees what it will be asked for next.
    width : int
        Lanes of a block; those without a column are zero.
    first : int
    lines : ndarray of uint8, shape (n_blocks * n_rows * width,)
        Written: byte ``(block * n_rows + row) * width + lane``.
    """
    n_columns = len(columns)
    n_blocks = (n_columns + width - 1) // width
    n_rows = len(lines) // (n_blocks * width)
    for i in range(len(rows)):
        source = codes[rows[i]]
        for block in range(n_blocks):
            start, stop = block_start(block, n_columns, n_blocks), block_start(block + 1, n_columns, n_blocks)
            base = (block * n_rows + first + i) * width
            own, target = columns[start:stop], lines[base : base + width]
            fours = len(own) - len(own) % 4
            for j in range(0, fours, 4):  # four loads before four stores: a fifth faster
                a, b, c, d = source[own[j]], source[own[j + 1]], source[own[j + 2]], source[own[j + 3]]
                target[j], target[j + 1], target[j + 2], target[j + 3] = a, b, c, d
            for j in range(fours, len(own)):
                target[j] = source[own[j]]
            target[len(own) :] = 0


@numba.njit(cache=True, nogil=True)
def bootstrap_counts(n_rows: int, n_draws: int, cumulative_weight: NDArray, state: NDArray) -> NDArray:
    """Draw `n_draws` rows with replacement and return how often each was drawn, int64 of shape (n_rows,).

    Rows are drawn with equal probability, or in proportion to their weight, given its running sum.
    """
    counts = np.zeros(n_rows, np.int64)
    if len(cumulative_weight) == 0:
        for _ in range(n_draws):
            counts[int(next_uniform(state) * n_rows)] += 1
        return counts
    total = cumulative_weight[n_rows - 1]
    for _ in range(n_draws):
        row = np.searchsorted(cumulative_weight, next_uniform(state) * total, side="right")
        counts[min(row, n_rows - 1)] += 1
    return counts


@numba.njit(nogil=True)
def _entries_of(counts: NDArray, y: NDArray) -> NDArray:
    """Return one uint64 an entry: row, class and weight; a row drawn more than 255 times has several."""
    n_entries = 0
    for count in counts:
        n_entries += (count + _BYTE - 1) // _BYTE
    entries = np.empty(n_entries, np.uint64)
    n = 0
    for row in range(len(counts)):
        left = counts[row]
        while left > 0:
            weight = min(left, _BYTE)
            entries[n] = (
                (np.uint64(row) << (_CLASS_BITS + _WEIGHT_BITS))
                | (np.uint64(y[row]) << _WEIGHT_BITS)
                | np.uint64(weight)
            )
            n += 1
            left -= weight
    return entries


@numba.njit(nogil=True, inline="always")
def _row(entry: np.uint64) -> Any:
    return np.int64(entry >> (_CLASS_BITS + _WEIGHT_BITS))


@numba.njit(nogil=True, inline="always")
def _class(entry: np.uint64) -> Any:
    return np.int64((entry >> _WEIGHT_BITS) & _CLASS_MASK)


@numba.njit(nogil=True, inline="always")
def _weight(entry: np.uint64) -> Any:
    return np.int64(entry & _WEIGHT_MASK)


@numba.njit(nogil=True)
def _find_classes(entries: NDArray, bench: Bench) -> int:
    """Note each entry's weight, and where each class starts and what it weighs; return how many classes there are."""
    n_present, last = 0, -1
    for i in range(len(entries)):
        label, weight = _class(entries[i]), _weight(entries[i])
        if label != last:
            bench.starts[n_present] = i
            bench.totals[n_present] = 0
            n_present += 1
            last = label
        bench.weights[i] = weight
        bench.totals[n_present - 1] += weight
    bench.starts[n_present] = len(entries)
    return n_present


@numba.njit(nogil=True)
def _total(bench: Bench, n_present: int) -> int:
    """Return the weight of a node."""
    total = 0
    for s in range(n_present):
        total += bench.totals[s]
    return total


@numba.njit(nogil=True)
def _allow(allowed: NDArray, n: int, wanted: int, state: NDArray) -> None:
    """Set `wanted` random ones of the first `n` lanes to 1, the others to 0."""
    few = min(wanted, n - wanted)
    rest = 0 if few == wanted else 1  # drawn are the few: those allowed, or those not
    allowed[:] = 0
    allowed[:n] = rest
    while few > 0:
        drawn = int(next_uniform(state) * n)
        if allowed[drawn] == rest:
            allowed[drawn] = 1 - rest
            few -= 1


@numba.njit(nogil=True)
def _gather(lines: NDArray, first: int, entries: NDArray, values: NDArray, like: Any) -> None:
    """Copy the entries' rows of one block side by side; a loop this small lets many cache misses overlap."""
    width = width_of(like)
    for i in range(len(entries)):
        store(values, i * width, load(lines, (first + _row(entries[i])) * width, like))


@numba.njit(nogil=True, forceinline=True)
def _score(left: Any, total: Any, squares: Any, others: Any, least: Any, like: Any) -> Any:
    """Return sum(L_c^2) / L + sum(R_c^2) / R over one denominator, in lanes; -1 where a side is too light.

    `squares` and `others` are the two sums. The score is largest where the weighted Gini impurity of the
    two sides is smallest. As one fraction of whole numbers it is rounded once in nodes of up to 255 draws.
    """
    right = total - left
    score = (squares * right + others * left) / (left * right)
    return choose((least <= left) & (least <= right), score, floats_of(_NO_SPLIT, like))


@numba.njit(nogil=True)
def _split_light(bench: Bench, n_present: int, n_cuts: int, least: int, like: Any) -> None:
    """Find each lane's best cut in a node of at most 255 draws; all sums fit into bytes and words.

    Everything stays in registers. Two cuts are tried at a time, to read each row once for both.
    """
    values, weights, starts, totals = bench.values, bench.weights, bench.starts, bench.totals
    width, n = width_of(like), starts[n_present]
    by_rows = n <= n_cuts
    n_tried = n if by_rows else n_cuts
    total, light, nothing = floats_of(_total(bench, n_present), like), floats_of(least, like), words_of(0, like)
    best, best_cut = floats_of(_NO_SPLIT, like), like
    for first in range(0, n_tried, 2):
        second = min(first + 1, n_tried - 1)
        cut_1 = load(values, first * width, like) if by_rows else bytes_of(first, like)
        cut_2 = load(values, second * width, like) if by_rows else bytes_of(second, like)
        left_1 = left_2 = like
        squares_1 = squares_2 = others_1 = others_2 = nothing
        for s in range(n_present):
            below_1 = below_2 = like
            for i in range(starts[s], starts[s + 1]):
                value = load(values, i * width, like)
                drawn = bytes_of(weights[i], like)
                below_1 = below_1 + choose(value <= cut_1, drawn, like)
                below_2 = below_2 + choose(value <= cut_2, drawn, like)
            of_class = words_of(totals[s], like)
            inside = to_words(below_1)
            outside = of_class - inside
            left_1 = left_1 + below_1
            squares_1 = squares_1 + inside * inside
            others_1 = others_1 + outside * outside
            inside = to_words(below_2)
            outside = of_class - inside
            left_2 = left_2 + below_2
            squares_2 = squares_2 + inside * inside
            others_2 = others_2 + outside * outside
        score = _score(to_floats(left_1), total, to_floats(squares_1), to_floats(others_1), light, like)
        better = score > best
        best = choose(better, score, best)
        best_cut = choose(better, cut_1, best_cut)
        score = _score(to_floats(left_2), total, to_floats(squares_2), to_floats(others_2), light, like)
        better = score > best
        best = choose(better, score, best)
        best_cut = choose(better, cut_2, best_cut)
    store(bench.scores, 0, best)
    store(bench.cuts, 0, best_cut)


@numba.njit(nogil=True, forceinline=True)
def _put(counts: NDArray, offset: int, below: Any, fresh: bool, like: Any) -> None:
    if fresh:
        store(counts, offset, to_ints(below))
    else:
        store(counts, offset, load(counts, offset, like) + to_ints(below))


@numba.njit(nogil=True)
def _count_heavy(bench: Bench, n_present: int, n_cuts: int, like: Any) -> None:
    """Count, for each cut and class, the weight at or below the cut, in lanes: ``counts[cut, class, lane]``.

    Rows go by in runs of at most 255 draws, so that bytes can count them, and each run meets four cuts at a time.
    """
    values, weights, starts, counts = bench.values, bench.weights, bench.starts, bench.counts
    width = width_of(like)
    step = n_present * width
    for s in range(n_present):
        start, stop, fresh = starts[s], starts[s + 1], True
        while start < stop:
            end, drawn = start, 0
            while end < stop and drawn + weights[end] <= _BYTE:
                drawn += weights[end]
                end += 1
            cut = 0
            while cut + 4 <= n_cuts:
                below_1 = below_2 = below_3 = below_4 = like
                cut_1 = bytes_of(cut, like)
                cut_2 = bytes_of(cut + 1, like)
                cut_3 = bytes_of(cut + 2, like)
                cut_4 = bytes_of(cut + 3, like)
                for i in range(start, end):
                    value = load(values, i * width, like)
                    weight = bytes_of(weights[i], like)
                    below_1 = below_1 + choose(value <= cut_1, weight, like)
                    below_2 = below_2 + choose(value <= cut_2, weight, like)
                    below_3 = below_3 + choose(value <= cut_3, weight, like)
                    below_4 = below_4 + choose(value <= cut_4, weight, like)
                offset = cut * step + s * width
                _put(counts, offset, below_1, fresh, like)
                _put(counts, offset + step, below_2, fresh, like)
                _put(counts, offset + 2 * step, below_3, fresh, like)
                _put(counts, offset + 3 * step, below_4, fresh, like)
                cut += 4
            while cut < n_cuts:
                below = like
                cut_1 = bytes_of(cut, like)
                for i in range(start, end):
                    below = below + choose(load(values, i * width, like) <= cut_1, bytes_of(weights[i], like), like)
                _put(counts, cut * step + s * width, below, fresh, like)
                cut += 1
            start, fresh = end, False


@numba.njit(nogil=True)
def _split_heavy(bench: Bench, n_present: int, n_cuts: int, least: int, like: Any) -> None:
    """Find each lane's best cut from the counts of `_count_heavy`."""
    width, counts, totals = width_of(like), bench.counts, bench.totals
    total, light, nothing = floats_of(_total(bench, n_present), like), floats_of(least, like), floats_of(0.0, like)
    best, best_cut = floats_of(_NO_SPLIT, like), like
    for cut in range(n_cuts):
        left = squares = others = nothing
        for s in range(n_present):
            inside = to_floats(load(counts, (cut * n_present + s) * width, like))
            outside = floats_of(totals[s], like) - inside
            left = left + inside
            squares = squares + inside * inside
            others = others + outside * outside
        score = _score(left, total, squares, others, light, like)
        better = score > best
        best = choose(better, score, best)
        best_cut = choose(better, bytes_of(cut, like), best_cut)
    store(bench.scores, 0, best)
    store(bench.cuts, 0, best_cut)


@numba.njit(nogil=True)
def _best_lane(bench: Bench, first: int, like: Any) -> tuple[float, int]:
    """Return the best score among the allowed lanes, and the lane that has it, the next one from `first` on of equals.

    Small nodes have many perfect splits; were the first lane always taken, it would win in every tree.
    """
    kept = choose(load(bench.allowed, 0, like) > like, load(bench.scores, 0, like), floats_of(_NO_SPLIT, like))
    top = largest(kept)
    tied = kept == floats_of(top, like)
    at = first_lane(tied & (bytes_of(first, like) <= load(bench.numbers, 0, like)))
    return top, at if at < width_of(like) else first_lane(tied)


@numba.njit(nogil=True)
def _score_block(growth: Growth, bench: Bench, entries: NDArray, block: int, n_present: int, like: Any) -> None:
    """Find the best cut of every feature of a block."""
    _gather(growth.lines, block * len(growth.y), entries, bench.values, like)
    if _total(bench, n_present) <= _BYTE:
        _split_light(bench, n_present, growth.n_cuts, growth.min_samples_leaf, like)
    else:
        _count_heavy(bench, n_present, growth.n_cuts, like)
        _split_heavy(bench, n_present, growth.n_cuts, growth.min_samples_leaf, like)


@numba.njit(nogil=True)
def _find_split(
    growth: Growth, bench: Bench, entries: NDArray, n_present: int, state: NDArray, like: Any
) -> tuple[Any, int, int, Any]:
    """Draw features and return the best split among them: score (-1: none), block, lane and cut.

    A block is drawn in proportion to its features, then features within it; where more are wanted than a
    block has, the next blocks follow. If none of them can split the node, further features are
    tried, as in scikit-learn, until one can: the rest of the block, then the next blocks.
    The values of the chosen block are left in the bench.
    """
    n_columns = growth.n_columns
    n_blocks = (n_columns + width_of(like) - 1) // width_of(like)
    block = ((int(next_uniform(state) * n_columns) + 1) * n_blocks - 1) // n_columns  # the one that holds this column
    wanted, current = growth.max_features, block
    best, chosen, lane = _NO_SPLIT, -1, 0
    cut = np.uint8(0)
    for step in range(n_blocks):
        current = (block + step) % n_blocks
        _score_block(growth, bench, entries, current, n_present, like)
        n_here = block_start(current + 1, n_columns, n_blocks) - block_start(current, n_columns, n_blocks)
        n_allowed = min(wanted, n_here) if wanted > 0 else n_here
        wanted -= n_allowed
        _allow(bench.allowed, n_here, n_allowed, state)
        first = int(next_uniform(state) * n_here)
        top, at = _best_lane(bench, first, like)
        if wanted <= 0 and top < 0 and best < 0:
            bench.allowed[:n_here] = 1
            top, at = _best_lane(bench, first, like)
        if top > best:
            best, chosen, lane, cut = top, current, at, bench.cuts[at]
        if wanted <= 0 and best >= 0:
            break
    if chosen >= 0 and chosen != current:
        _gather(growth.lines, chosen * len(growth.y), entries, bench.values, like)
    return best, chosen, lane, np.int64(cut)


@numba.njit(nogil=True)
def _part(entries: NDArray, values: NDArray, lane: int, width: int, cut: int, scratch: NDArray) -> tuple[int, np.int64]:
    """Move the entries at or below the cut to the front, all keeping their order.

    Returns
    -------
    n_left : int
    threshold : int
        Half way, in bins, between the highest value on the left and the lowest on the right.
    """
    highest, lowest = np.int64(0), np.int64(_BYTE)
    n_left = n_right = 0
    for i in range(len(entries)):
        value, entry = np.int64(values[i * width + lane]), entries[i]
        entries[n_left] = entry  # written to both places and kept in one: no branch to mispredict
        scratch[n_right] = entry
        if value <= cut:
            n_left += 1
            highest = max(highest, value)
        else:
            n_right += 1
            lowest = min(lowest, value)
    entries[n_left : n_left + n_right] = scratch[:n_right]
    return n_left, (highest + lowest) // 2


@numba.njit(nogil=True)
def _with_mixed_leaf(shares: NDArray, n_mixed: int, entries: NDArray, bench: Bench, n_present: int) -> NDArray:
    """Write the class shares of a leaf into row `n_mixed`, of a longer copy where there is no room."""
    if n_mixed == len(shares):
        longer = np.zeros((2 * n_mixed + 8, shares.shape[1]), np.float64)
        longer[:n_mixed] = shares
        shares = longer
    total = _total(bench, n_present)
    for s in range(n_present):
        shares[n_mixed, _class(entries[bench.starts[s]])] = bench.totals[s] / total
    return shares


@numba.njit(nogil=True)
def _purity(totals: NDArray, n_present: int) -> float:
    """Return the score of a node left whole: the sum of squared class weights over the weight."""
    squares = 0.0
    for s in range(n_present):
        squares += np.float64(totals[s]) * np.float64(totals[s])
    return squares / totals[:n_present].sum()


@numba.njit(nogil=True)
def _grow(growth: Growth, state: NDArray, like: Any) -> tuple[NDArray, NDArray, NDArray, NDArray, NDArray]:
    width, n_columns = width_of(like), growth.n_columns
    n_blocks = (n_columns + width - 1) // width
    entries = _entries_of(bootstrap_counts(len(growth.y), growth.n_draws, growth.cumulative_weight, state), growth.y)
    n = len(entries)
    bench = _bench(n, growth.n_classes, growth.n_cuts, width)
    feature, threshold, child = np.empty(2 * n, np.int32), np.zeros(2 * n, np.uint8), np.empty(2 * n, np.int32)
    shares, n_mixed = np.zeros((0, growth.n_classes), np.float64), 0
    importances = np.zeros(n_columns, np.float64)
    waiting = np.empty((n + 1, 4), np.int64)  # node, first entry, end, depth
    waiting[0] = (0, 0, n, 0)
    n_waiting, n_nodes = 1, 1
    while n_waiting > 0:
        n_waiting -= 1
        node, depth = waiting[n_waiting, 0], waiting[n_waiting, 3]
        begin, end = waiting[n_waiting, 1], waiting[n_waiting, 2]
        own = entries[begin:end]
        feature[node], child[node] = LEAF, _class(own[0])
        if child[node] == _class(own[len(own) - 1]):  # entries stand by class: one class only
            continue
        n_present = _find_classes(own, bench)
        score, block, lane, cut = _NO_SPLIT, 0, 0, 0
        if depth < growth.max_depth and _total(bench, n_present) >= 2 * growth.min_samples_leaf:
            score, block, lane, cut = _find_split(growth, bench, own, n_present, state, like)
        if score < 0:
            shares = _with_mixed_leaf(shares, n_mixed, own, bench, n_present)
            child[node] = growth.n_classes + n_mixed
            n_mixed += 1
            continue
        n_left, threshold[node] = _part(own, bench.values, lane, width, cut, bench.scratch)
        feature[node] = block_start(block, n_columns, n_blocks) + lane
        child[node] = n_nodes
        importances[feature[node]] += max(0.0, score - _purity(bench.totals, n_present))
        waiting[n_waiting] = (n_nodes + 1, begin + n_left, end, depth + 1)
        waiting[n_waiting + 1] = (n_nodes, begin, begin + n_left, depth + 1)
        n_waiting += 2
        n_nodes += 2
    return (
        feature[:n_nodes].copy(),
        threshold[:n_nodes].copy(),
        child[:n_nodes].copy(),
        shares[:n_mixed].copy(),
        importances,
    )


# Only these are kept in numba's cache, and only they take plain arrays and numbers: a cache index
# names the classes of its arguments, and would break where one of them is renamed.
@numba.njit(cache=True, nogil=True)
def _grow_32(lines, y, running, n_columns, n_classes, n_cuts, n_draws, m, least, depth, state):  # type: ignore[no-untyped-def]
    return _grow(Growth(lines, y, running, n_columns, n_classes, n_cuts, n_draws, m, least, depth), state, zeros_32())


@numba.njit(cache=True, nogil=True)
def _grow_64(lines, y, running, n_columns, n_classes, n_cuts, n_draws, m, least, depth, state):  # type: ignore[no-untyped-def]
    return _grow(Growth(lines, y, running, n_columns, n_classes, n_cuts, n_draws, m, least, depth), state, zeros_64())


_KERNELS = {32: _grow_32, 64: _grow_64}


def grow(growth: Growth, width: int, stream: np.uint64) -> tuple[NDArray, NDArray, NDArray, NDArray, NDArray]:
    """Grow one tree from its own random stream; threads may do so at the same time.

        Returns
    -------
        feature : ndarray of int32, shape (n_nodes,)
            Column a node splits on; ``LEAF`` at a leaf. Node 0 is the root.
        threshold : ndarray of uint8, shape (n_nodes,)
            Rows whose bin is at most this go left.
        child : ndarray of int32, shape (n_nodes,)
            Left child; the right one is the next node. At a leaf: its class, or ``n_classes`` plus its row of `shares`.
        shares : ndarray of float64, shape (n_mixed, n_classes)
            Class shares of the leaves that hold more than one class.
        importances : ndarray of float64, shape (n_columns,)
            Each column's decrease of Gini impurity times weight, summed over its nodes.
    """
    return _KERNELS[width](*growth, np.array([stream], np.uint64))
