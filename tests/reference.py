"""The slow, obvious twins of what is compiled or vectorised. When they disagree, these are right."""

from __future__ import annotations

import itertools
from collections import Counter

import numpy as np


def pick_sequence_probabilities(weight, k, q0):
    """Return {sequence of picks: probability} under the pseudo-random proportional rule, by enumeration."""
    probabilities = {}
    for sequence in itertools.permutations(range(len(weight)), k):
        probability, left = 1.0, list(range(len(weight)))
        for pick in sequence:
            heaviest = max(weight[j] for j in left)
            ties = [j for j in left if weight[j] == heaviest]
            exploit = q0 / len(ties) if pick in ties else 0.0
            explore = (1 - q0) * weight[pick] / sum(weight[j] for j in left)
            probability *= exploit + explore
            left.remove(pick)
        probabilities[sequence] = probability
    return probabilities


def construct_step_by_step(weight, k, q0, rng):
    """Build one ant's picks as the rule is written: one step after the other, from a shrinking pool."""
    left, picks = list(range(len(weight))), []
    for _ in range(k):
        if rng.random() < q0:
            heaviest = max(weight[j] for j in left)
            pick = rng.choice([j for j in left if weight[j] == heaviest])
        else:
            share = np.array([weight[j] for j in left])
            pick = left[rng.choice(len(left), p=share / share.sum())]
        left.remove(pick)
        picks.append(int(pick))
    return picks


def pareto_front(scores):
    """Return the (size, utility) pairs that no other pair of at most the size reaches or beats."""
    return sorted(
        {
            (s.size, s.utility)
            for s in scores
            if not any(
                (o.size <= s.size and o.utility > s.utility) or (o.size < s.size and o.utility >= s.utility)
                for o in scores
            )
        }
    )


class SplitMix:
    """SplitMix64 in Python's whole numbers, as in figure 16 of Steele, Lea and Flood 2014."""

    def __init__(self, state):
        self.state = int(state)

    def uniform(self):
        self.state = (self.state + 0x9E3779B97F4A7C15) % 2**64
        z = self.state
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB % 2**64
        z = z ^ (z >> 31)
        return min(((z >> 11) + 0.5) / 2**53, 1 - 2**-53)


def bin_edges(values, max_bins):
    """Return the edges of one feature: a bin is closed when it holds its share of the rows that no closed bin holds."""
    distinct, counts = np.unique(values, return_counts=True)
    edges, in_bin, rows_left = [], 0, len(values)
    two = values.dtype.type(2)  # with a plain 2, numpy before 2.0 goes on in float64
    for (low, high), count in zip(itertools.pairwise(distinct), counts, strict=False):
        in_bin, bins_left = in_bin + count, max_bins - len(edges)
        if bins_left > 1 and (len(distinct) <= max_bins or in_bin >= rows_left / bins_left):
            middle = low / two + high / two
            edges.append(middle if low <= middle < high else low)
            in_bin, rows_left = 0, rows_left - in_bin
    return np.array(edges, dtype=values.dtype)


def draw_rows(rows, n_draws, weight, rng):
    """Return the drawn ones of `rows`, with replacement, in proportion to their weight where there is any."""
    if weight is None:
        return [rows[int(rng.uniform() * len(rows))] for _ in range(n_draws)]
    running = list(itertools.accumulate(float(weight[i]) for i in rows))
    drawn = []
    for _ in range(n_draws):
        mark = rng.uniform() * running[-1]
        drawn.append(next(i for i, reached in zip(rows, running, strict=True) if reached > mark))
    return drawn


def draw_some(n, wanted, rng):
    """Return `wanted` different ones of 0 to n - 1, by drawing them or, where that is less work, the others."""
    few = set()
    while len(few) < min(wanted, n - wanted):
        few.add(int(rng.uniform() * n))
    return few if len(few) == wanted else set(range(n)) - few


def split_score(inside, totals, least):
    """Return sum(L_c^2) / L + sum(R_c^2) / R, -1 where a side is too light; float32, one operation after the other."""
    f32 = np.float32
    left = squares = others = f32(0)
    for a, total in zip(inside, totals, strict=True):
        a, b = f32(a), f32(total) - f32(a)
        left, squares, others = left + a, squares + a * a, others + b * b
    right = f32(sum(totals)) - left
    if left < least or right < least:
        return f32(-1)
    return (squares * right + others * left) / (left * right)


def class_totals(own, y, n_classes):
    totals = [0] * n_classes
    for row, drawn in own:
        totals[y[row]] += drawn
    return totals


def best_cut(column, own, y, totals, n_cuts, least):
    """Return the best score of one column and its cut; of equals the one that was tried first.

    Tried are all cuts, or, in nodes of up to 255 draws and at most as many rows as cuts, the rows' values.
    """
    light = sum(totals) <= 255 and len(own) <= n_cuts
    best = (np.float32(-1), 0)
    for cut in [column[row] for row, _ in own] if light else range(n_cuts):
        inside = class_totals([(row, drawn) for row, drawn in own if column[row] <= cut], y, len(totals))
        score = split_score(inside, totals, least)
        if score > best[0]:
            best = (score, cut)
    return best


def find_split(codes, own, y, totals, rng, *, width, n_cuts, max_features, least):
    """Return (score, column, cut) of the best split among the features that the node draws; score -1: there is none."""
    n_columns = codes.shape[1]
    n_blocks = -(-n_columns // width)
    blocks = [range(b * n_columns // n_blocks, (b + 1) * n_columns // n_blocks) for b in range(n_blocks)]
    first_column, wanted = int(rng.uniform() * n_columns), max_features
    first = next(b for b in range(n_blocks) if first_column in blocks[b])
    best = (np.float32(-1), 0, 0)

    def look_at(columns):
        nonlocal best
        for j in columns:
            score, cut = best_cut(codes[:, j], own, y, totals, n_cuts, least)
            if score > best[0]:
                best = (score, j, cut)

    for block in blocks[first:] + blocks[:first]:
        allowed = draw_some(len(block), min(wanted, len(block)) if wanted > 0 else len(block), rng)
        wanted -= len(allowed)
        first_lane = int(rng.uniform() * len(block))  # where several are best, the next one from here on
        around = [*range(first_lane, len(block)), *range(first_lane)]
        look_at(block[lane] for lane in around if lane in allowed)
        if wanted <= 0 and best[0] < 0:
            look_at(block[lane] for lane in around)
        if wanted <= 0 and best[0] >= 0:
            break
    return best


def grow_tree(
    codes, y, n_classes, stream, *, width, n_cuts, max_features, n_draws, weight=None, least=1, max_depth=None
):
    """Grow one tree from `codes`, whose columns stand in the order in which they are dealt to blocks.

    Returns
    -------
    nodes : list of (feature, threshold, left child, class shares)
        A leaf has no feature, threshold and child (-1, 0 and -1); an inner node has no shares (None).
    importances : ndarray of float64, shape (n_columns,)
    """
    rng = SplitMix(stream)
    rows = sorted((i for i in range(len(y)) if weight is None or weight[i] > 0), key=lambda i: y[i])
    counts = Counter(draw_rows(rows, n_draws, weight, rng))
    nodes, importances = [None], np.zeros(codes.shape[1])
    waiting = [(0, [(i, counts[i]) for i in rows if i in counts], 0)]
    while waiting:
        node, own, depth = waiting.pop()
        totals = class_totals(own, y, n_classes)
        score = np.float32(-1)
        if max(totals) < sum(totals) and depth != max_depth and sum(totals) >= 2 * least:
            score, column, cut = find_split(
                codes, own, y, totals, rng, width=width, n_cuts=n_cuts, max_features=max_features, least=least
            )
        if score < 0:
            nodes[node] = (-1, 0, -1, [total / sum(totals) for total in totals])
            continue
        left = [(i, n) for i, n in own if codes[i, column] <= cut]
        right = [(i, n) for i, n in own if codes[i, column] > cut]
        threshold = (max(int(codes[i, column]) for i, _ in left) + min(int(codes[i, column]) for i, _ in right)) // 2
        nodes[node] = (column, threshold, len(nodes), None)
        importances[column] += max(0.0, float(score) - sum(total**2 for total in totals) / sum(totals))
        waiting += [(len(nodes) + 1, right, depth + 1), (len(nodes), left, depth + 1)]
        nodes += [None, None]
    return nodes, importances


def nodes_of(tree, n_classes):
    """Return the nodes, as `grow_tree` has them, of a tree that the kernels have grown."""
    outcomes = [*np.eye(n_classes), *tree.shares]
    return [
        (feature, threshold, child, None) if feature >= 0 else (-1, 0, -1, outcomes[child])
        for feature, threshold, child in zip(*tree[:3], strict=True)
    ]


def leaf_shares(nodes, codes):
    """Return the class shares of the leaf that one row of binned values comes to."""
    feature, threshold, child, shares = nodes[0]
    while shares is None:
        feature, threshold, child, shares = nodes[child + int(codes[feature] > threshold)]
    return shares


def grid_members(side, n, i):
    """Return the lines of a side that cell i of n touches; each line is one unit wide, each cell side / n."""
    return [line for line in range(side) if i * side < (line + 1) * n and line * n < (i + 1) * side]


def pool_grid(values, n, reduce):
    """Return the n x n pooled map of one map (rows, columns, channels), which keeps a side shorter than n as it is."""
    rows, columns, channels = values.shape
    down, across = min(n, rows), min(n, columns)
    pooled = np.empty((down, across, channels))
    for i, j in itertools.product(range(down), range(across)):
        cell = values[np.ix_(grid_members(rows, down, i), grid_members(columns, across, j))]
        pooled[i, j] = reduce(cell.astype(np.float64), axis=(0, 1))
    return pooled


def ridge_parts(X, y, folds, n_classes, *, class_weight=False, synthetic=None):
    """Yield (X, one-hot y, weight) of each fold's training rows, then of its validation rows.

    Columns are standardised by all real rows together; synthetic rows join the training part of their fold.
    """
    mean, scale = X.mean(axis=0, dtype=float), X.std(axis=0, dtype=float)
    scale[scale == 0] = 1
    every = np.bincount(y, minlength=n_classes)
    weight = len(y) / (n_classes * every[y]) if class_weight else np.ones(len(y))
    X, targets = (X - mean) / scale, np.eye(n_classes)
    for number, (train, validation) in enumerate(folds):
        parts = [X[train], targets[y[train]], weight[train]]
        if synthetic is not None:
            more, labels = synthetic[number]
            added = [(more - mean) / scale, targets[labels], np.ones(len(labels))]
            parts = [np.concatenate(both) for both in zip(parts, added, strict=True)]
        yield parts, [X[validation], targets[y[validation]], weight[validation]]


def ridge_scores(X, y, folds, n_classes, penalty, **options):
    """Return each fold's (scores, Brier score, explained variance) of its validation rows, by scikit-learn's Ridge."""
    from sklearn.linear_model import Ridge

    results = []
    for (rows, targets, weight), (unseen, truth, own) in ridge_parts(X, y, folds, n_classes, **options):
        model = Ridge(alpha=penalty * weight.sum(), solver="svd").fit(rows, targets, sample_weight=weight)
        scores, shares = model.predict(unseen), np.average(targets, axis=0, weights=weight)
        error = np.average(((scores - truth) ** 2).sum(axis=1), weights=own)
        results.append((scores, error, 1 - error / np.average(((shares - truth) ** 2).sum(axis=1), weights=own)))
    return results


def conditional_gains(gram, means, cross, penalty, carried):
    """Return by how much the penalised squared error falls as each feature joins those carried, in float64."""
    rows = gram[carried].astype(float) - np.outer(means[carried].astype(float), means)
    solved = np.linalg.solve(rows[:, carried] + penalty * np.eye(len(carried)), rows)
    left = np.diagonal(gram).astype(float) - means.astype(float) ** 2 + penalty - (rows * solved).sum(axis=0)
    rest = cross.astype(float) - solved.T @ cross[carried]
    return (rest**2).sum(axis=1) / left


def construct_conditional_step_by_step(gram, means, cross, penalty, attraction, beta, q0, k, stream, n_candidates=None):
    """Build one ant's picks as the rule is written, solving the ridge system anew at each step.

    With `n_candidates` it looks at the heaviest ones only, of a list that serves a quarter as many picks as it carries.
    """
    rng, picks, until = SplitMix(stream), [], 0
    while len(picks) < k:
        weight = attraction * (conditional_gains(gram, means, cross, penalty, picks) + 1e-9) ** beta
        weight[picks] = 0.0
        if len(picks) == until:
            stretch = min(max(1, until // 4), 16)
            until, longest = until + stretch, max(n_candidates or len(weight), stretch)
            listed = np.argsort(-weight, kind="stable")[:longest]
        weight[np.setdiff1d(np.arange(len(weight)), listed)] = 0.0
        if rng.uniform() < q0:
            picks.append(int(weight.argmax()))
        else:
            picks.append(int(np.argmax(np.cumsum(weight) > rng.uniform() * weight.sum())))
    return picks
