"""`HistForestClassifier`: the forest on binned values as a scikit-learn classifier."""

from __future__ import annotations

import itertools
import math
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from joblib import Parallel, delayed
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import check_random_state
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, column_or_1d, validate_data

from acofer.errors import ConfigError, DataError, demand, nearest
from acofer.forest.binning import Bins, find_bins
from acofer.forest.grow import LEAF, WIDTHS
from acofer.forest.trees import UNLIMITED_DEPTH, Nursery, Tree, tree_seeds, votes_of
from acofer.forest.vote import add_votes

_ROWS_AT_ONCE = 8192
"""Rows, over trees, that make a thread's task: milliseconds of work, so that handing it out costs little."""
_WORTH_THREADS = 2**20
"""Rows times trees and columns from which on threads pay: a tenth of a second for one, where starting them for
each of binning, packing and growing takes 0.01 s."""


class HistForestClassifier(ClassifierMixin, BaseEstimator):
    """A Random Forest on binned values, for use in place of scikit-learn's ``RandomForestClassifier``.

    Parameters
    ----------
    n_estimators : int, default=100
        Trees. The first of them are the same however many there are.
    max_features : {"sqrt", "log2"}, int, float or None, default="sqrt"
        Features a node may choose from: a number, a share of all, or all of them (None).
    max_samples : int, float or None, default=None
        Rows drawn for a tree, with replacement: a number, a share of the rows, or as many as there are (None).
    min_samples_leaf : int or float, default=1
        Least number of draws in a leaf, or share of the rows. A row that was drawn twice counts twice.
    max_depth : int or None, default=None
        None lets trees grow until their leaves hold one class or equal rows.
    max_bins : int, default=128
        Bins of a feature, 2 to 256. A feature of no more distinct values loses nothing. On tables of few features
        32 bins cost up to 2 points of accuracy against exact cuts and 128 none; the time grows by half.
    class_weight : dict, "balanced" or None, default=None
        Weights of the classes, multiplied with `sample_weight`. ``"balanced"`` makes the weights of all
        classes add up to the same.
    oob_score : bool or callable, default=False
        Whether to score each row by the trees that have not drawn it: by accuracy, or by ``oob_score(y, predicted)``.
    n_jobs : int or None, default=None
        Threads, as in scikit-learn; the result does not depend on it.
    random_state : int, RandomState or None, default=None
        An int, 0 included, makes the result reproducible.

    Attributes
    ----------
    classes_ : ndarray, shape (n_classes_,)
        Class labels, sorted.
    n_classes_ : int
    n_features_in_ : int
    feature_names_in_ : ndarray of str, shape (n_features_in_,)
        Only where `X` has string column names.
    feature_importances_ : ndarray of float64, shape (n_features_in_,)
        Mean decrease of Gini impurity, summing to 1: the mean over the trees that have a split of each tree's own
        importances, which sum to 1.
    oob_score_ : float
        Score of the rows that some tree has not drawn; nan where there is none. Only with `oob_score`.
    oob_decision_function_ : ndarray of float64, shape (n_samples, n_classes_)
        Class shares by the trees that have not drawn the row; nan where all have, or where the row weighs nothing.
        Only with `oob_score`.
    bin_edges_ : ndarray of float32 or float64, shape (n_cuts, n_features_in_)
        See `acofer.forest.binning.Bins`.
    tree_starts_, share_starts_ : ndarray of int64, shape (n_estimators + 1,)
        Where the nodes of each tree start, and where its leaves' shares.
    node_features_ : ndarray of int32, shape (n_nodes,)
        Feature a node splits on; -1 at a leaf. The nodes of all trees, one tree after the other.
    node_thresholds_ : ndarray of uint8, shape (n_nodes,)
        Rows whose bin is at most this go left.
    node_children_ : ndarray of int32, shape (n_nodes,)
        The left child, counted from the tree's first node; the right one is the next node. At a leaf its class,
        or ``n_classes_`` plus its row of the tree's shares.
    leaf_shares_ : ndarray of float64, shape (n_mixed_leaves, n_classes_)
        Class shares of the leaves that hold more than one class.

    Notes
    -----
    This is Breiman's forest (Machine Learning 45, 2001) and differs from scikit-learn's in how it computes:

    * Values are replaced by quantile bins, found once. A split lies between two bins, half way between the highest
      bin on its left and the lowest on its right.
    * The columns are put into a random order once a forest and cut into blocks of up to 64. A node draws one
      block and its features within it (of the following blocks, too, where it may choose from more), so that
      columns of different blocks seldom compete for a node. Every column is as likely to be drawn as any other, but
      importances depend on who shares a block: average them over some ``random_state`` where that matters.
    * Weights act through the bootstrap, as in ranger's case weights (Wright and Ziegler, Journal of Statistical
      Software 77(1), 2017) and in scikit-learn from version 1.9 on: rows are drawn in proportion to their weight.
      So counts stay whole numbers, small enough for the bytes that the trees count in. A row of weight
      zero takes no part at all, and only the proportions of the weights matter.
    * `X` is read as float32 unless it is float64, and predictions are made in the kind that `fit` has met.

    Examples
    --------
    >>> from sklearn.datasets import load_wine
    >>> X, y = load_wine(return_X_y=True)
    >>> forest = HistForestClassifier(oob_score=True, random_state=0).fit(X, y)
    >>> forest.predict_proba(X[:2]).shape
    (2, 3)
    >>> forest.oob_score_ > 0.95
    True
    """

    def __init__(
        self,
        n_estimators: int = 100,
        *,
        max_features: Any = "sqrt",
        max_samples: float | None = None,
        min_samples_leaf: float = 1,
        max_depth: int | None = None,
        max_bins: int = 128,
        class_weight: Any = None,
        oob_score: Any = False,
        n_jobs: int | None = None,
        random_state: Any = None,
    ) -> None:
        self.n_estimators = n_estimators
        self.max_features = max_features
        self.max_samples = max_samples
        self.min_samples_leaf = min_samples_leaf
        self.max_depth = max_depth
        self.max_bins = max_bins
        self.class_weight = class_weight
        self.oob_score = oob_score
        self.n_jobs = n_jobs
        self.random_state = random_state

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> HistForestClassifier:
        """Grow the forest.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Finite numbers.
        y : array-like of shape (n_samples,)
            Class labels.
        sample_weight : array-like of shape (n_samples,), optional
            At least 0; rows are drawn in proportion to it.

        Returns
        -------
        self

        Raises
        ------
        ConfigError
            If a parameter is out of its range (a ValueError).
        DataError
            If a weight is (a ValueError).
        """
        self._forget()
        self.check_params()
        X, y = validate_data(self, X, y, dtype=[np.float32, np.float64])
        y, weight = self._targets(y, sample_weight)
        seed, drawable = seed_of(self.random_state), slice(None) if weight is None or weight.all() else weight > 0
        n_jobs = self._threads(*X.shape)
        bins = find_bins(X[drawable], self.max_bins, seed=seed, n_jobs=n_jobs)
        self.bin_edges_ = bins.edges
        return self._grow(bins.codes(X, n_jobs), y, np.arange(X.shape[1]), weight, seed)

    def fit_codes(
        self, bins: Bins, codes: NDArray[np.uint8], y: Any, columns: Any, sample_weight: Any = None
    ) -> HistForestClassifier:
        """Grow the forest from some columns of values that are binned already.

        The outcome is that of ``fit(X[:, columns], y)``, with `columns` sorted, where `fit` finds the same bins.

        Parameters
        ----------
        bins : Bins
            Of all columns; `max_bins` is left aside.
        codes : ndarray of uint8, shape (n_samples, n_all_features), C order
            ``bins.codes(X)``. Never written, nor copied as a whole.
        y, sample_weight : array-like of shape (n_samples,)
            As in `fit`.
        columns : array-like of int, shape (n_features,)
            Different columns of `codes`.

        Returns
        -------
        self
            It knows the columns by their positions in the sorted `columns`.

        Raises
        ------
        ConfigError, DataError
            If a parameter or a weight is out of its range, or shapes do not fit (ValueErrors).
        """
        self._forget()
        self.check_params()
        columns, y = _checked_columns(columns, bins, codes), column_or_1d(y)
        if len(y) != len(codes):
            raise DataError(f"y: expected a label for each of {len(codes)} rows; got {len(y)}")
        y, weight = self._targets(y, sample_weight)
        edges = bins.edges[:, columns]
        self.bin_edges_ = np.ascontiguousarray(edges[: _n_cuts(edges)])
        self.n_features_in_ = len(columns)
        return self._grow(codes, y, columns, weight, seed_of(self.random_state))

    def nursery(
        self,
        bins: Bins,
        codes: NDArray[np.uint8],
        y: NDArray,
        n_classes: int,
        columns: NDArray,
        sample_weight: Any = None,
        *,
        is_packed_later: bool = False,
    ) -> Nursery:
        """Return what this forest's trees grow from, for who grows them a few at a time.

        Tree ``i`` is that of ``fit_codes``, grown from stream ``tree_seeds(random_state, n)[i]``; ``random_state``
        must be an int.

        Parameters
        ----------
        bins, codes, columns, sample_weight
            As in `fit_codes`.
        y : ndarray of int, shape (n_samples,)
            Classes as numbers from 0 to ``n_classes - 1``.
        n_classes : int
        is_packed_later : bool
            See `Nursery`.
        """
        weight = _row_weights(sample_weight, self.class_weight, np.arange(n_classes), y)
        n_cuts, seed = _n_cuts(bins.edges[:, columns]), seed_of(self.random_state)
        return self._nursery(codes, y, n_classes, np.sort(columns), n_cuts, weight, seed, is_packed_later)

    def check_params(self) -> None:
        """Raise ConfigError if a parameter is out of its range; `fit` does so, too."""
        self._settings(1, 1)

    def predict(self, X: Any) -> NDArray:
        """Return the class of the largest share for each row, the first of equals; ndarray of shape (n_samples,)."""
        shares = self.predict_proba(X)
        return self.classes_[np.argmax(shares, axis=1)]

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Return the class shares, averaged over the trees.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features_in_)

        Returns
        -------
        ndarray of float64, shape (n_samples, n_classes_)
            In the order of `classes_`.
        """
        check_is_fitted(self)
        X = validate_data(self, X, dtype=self.bin_edges_.dtype, reset=False)
        trees, n_jobs = self._trees(), self._threads(*X.shape)
        return votes_of(trees, Bins(self.bin_edges_).codes(X, n_jobs), self.n_classes_, n_jobs) / len(trees)

    def predict_log_proba(self, X: Any) -> NDArray[np.float64]:
        """Return the logarithm of `predict_proba`, minus infinity where that is zero."""
        with np.errstate(divide="ignore"):
            return np.log(self.predict_proba(X))

    def _forget(self) -> None:
        """Drop what an earlier fit has learnt, so that nothing of it stays beside the new."""
        for name in [name for name in vars(self) if name.endswith("_")]:
            delattr(self, name)

    def _targets(self, y: NDArray, sample_weight: Any) -> tuple[NDArray[np.int64], NDArray[np.float64] | None]:
        """Learn the classes; return those of the rows as numbers, and the rows' weights."""
        check_classification_targets(y)
        self.classes_, y = np.unique(y, return_inverse=True)
        self.n_classes_ = len(self.classes_)
        return y, _row_weights(sample_weight, self.class_weight, self.classes_, y)

    def _settings(self, n_rows: int, n_columns: int) -> dict[str, Any]:
        """Check the parameters; return those of the trees."""
        demand("n_estimators", self.n_estimators, "a whole number of at least 1", _is_whole(self.n_estimators, 1))
        fits = _is_whole(self.max_bins, 2) and self.max_bins <= 256
        demand("max_bins", self.max_bins, "a whole number from 2 to 256", fits)
        fits = self.max_depth is None or _is_whole(self.max_depth, 1)
        demand("max_depth", self.max_depth, "a whole number of at least 1, or None", fits)
        fits = self.n_jobs is None or (_is_whole(self.n_jobs) and self.n_jobs != 0)
        demand("n_jobs", self.n_jobs, "a whole number other than 0, or None", fits)
        fits = isinstance(self.oob_score, bool | np.bool_) or callable(self.oob_score)
        demand("oob_score", self.oob_score, "True, False or a function of (y, predicted)", fits)
        fits = self.class_weight is None or isinstance(self.class_weight, dict) or self.class_weight == "balanced"
        demand("class_weight", self.class_weight, "a dict, 'balanced' or None", fits)
        n_draws = 1.0 if self.max_samples is None else self.max_samples
        return {
            "max_features": _n_features(self.max_features, n_columns),
            "n_draws": _n_of("max_samples", n_draws, n_rows, round),
            "min_samples_leaf": _n_of("min_samples_leaf", self.min_samples_leaf, n_rows, math.ceil),
            "max_depth": UNLIMITED_DEPTH if self.max_depth is None else min(self.max_depth, UNLIMITED_DEPTH),
        }

    def _threads(self, n_rows: int, n_columns: int) -> int | None:
        return self.n_jobs if n_rows * (n_columns + self.n_estimators) >= _WORTH_THREADS else 1

    def _nursery(
        self,
        codes: NDArray[np.uint8],
        y: NDArray,
        n_classes: int,
        columns: NDArray,
        n_cuts: int,
        weight: NDArray[np.float64] | None,
        seed: int,
        is_packed_later: bool = False,
    ) -> Nursery:
        return Nursery(
            codes,
            y,
            n_classes,
            columns,
            n_cuts=n_cuts,
            seed=seed,
            weight=weight,
            n_jobs=self._threads(len(y), len(columns)),
            is_packed_later=is_packed_later,
            **self._settings(len(y) if weight is None else int(np.count_nonzero(weight)), len(columns)),
        )

    def _grow(
        self, codes: NDArray[np.uint8], y: NDArray, columns: NDArray, weight: NDArray[np.float64] | None, seed: int
    ) -> HistForestClassifier:
        nursery = self._nursery(codes, y, self.n_classes_, columns, len(self.bin_edges_), weight, seed)
        streams, step = tree_seeds(seed, self.n_estimators), max(1, _ROWS_AT_ONCE // len(y))
        batches = Parallel(self._threads(len(y), len(columns)), backend="threading")(
            delayed(_grow_some)(nursery, streams[first : first + step]) for first in range(0, len(streams), step)
        )
        trees, importances = zip(*itertools.chain(*batches), strict=True)
        self.feature_importances_ = _mean_importances(importances)[np.argsort(nursery.columns)]
        if self.oob_score:
            self._score_out_of_bag(nursery, trees, streams, codes, y)
        self._keep(trees, columns)
        return self

    def _score_out_of_bag(
        self, nursery: Nursery, trees: Sequence[Tree], streams: NDArray[np.uint64], codes: NDArray[np.uint8], y: NDArray
    ) -> None:
        votes, n_votes = np.zeros((len(y), self.n_classes_)), np.zeros((len(y), 1))
        for tree, stream in zip(trees, streams, strict=True):
            rows = nursery.left_out(stream)
            add_votes(codes, rows, *tree, votes)
            n_votes[rows] += 1
        n_missing = np.count_nonzero(n_votes[nursery.rows] == 0)
        if n_missing:
            warnings.warn(
                f"{n_missing} of {len(y)} rows without an out-of-bag vote, because every tree has drawn them; "
                "oob_score_ leaves them out; grow more trees",
                stacklevel=4,
            )
        voted = n_votes[:, 0] > 0
        self.oob_decision_function_ = np.divide(votes, n_votes, out=np.full(votes.shape, np.nan), where=n_votes > 0)
        true, predicted = self.classes_[y[voted]], self.classes_[np.argmax(votes[voted], axis=1)]
        score = self.oob_score if callable(self.oob_score) else _accuracy
        self.oob_score_ = float(score(true, predicted)) if voted.any() else math.nan

    def _keep(self, trees: Sequence[Tree], columns: NDArray) -> None:
        """Keep the trees as plain arrays, which any format holds and `is_sound` can check."""
        self.tree_starts_ = _starts([len(tree.feature) for tree in trees])
        self.share_starts_ = _starts([len(tree.shares) for tree in trees])
        self.node_features_ = np.concatenate([tree.feature for tree in trees])
        inner = self.node_features_ != LEAF
        self.node_features_[inner] = np.searchsorted(columns, self.node_features_[inner])
        self.node_thresholds_ = np.concatenate([tree.threshold for tree in trees])
        self.node_children_ = np.concatenate([tree.child for tree in trees])
        self.leaf_shares_ = np.concatenate([tree.shares for tree in trees])

    def _trees(self) -> list[Tree]:
        nodes = [slice(*ends) for ends in itertools.pairwise(self.tree_starts_)]
        shares = [slice(*ends) for ends in itertools.pairwise(self.share_starts_)]
        return [
            Tree(
                self.node_features_[own], self.node_thresholds_[own], self.node_children_[own], self.leaf_shares_[mixed]
            )
            for own, mixed in zip(nodes, shares, strict=True)
        ]


def _n_cuts(edges: NDArray) -> int:
    """Return how many cuts any of these columns has, at least 1; what follows is infinite in all of them."""
    return max(1, int(np.isfinite(edges).any(axis=1).sum()))


def compile_kernels() -> None:
    """Compile what forests of float32 values run, or load it from numba's cache, so that no clock counts it later."""
    X, y = np.arange(4 * WIDTHS[-1], dtype=np.float32).reshape(4, -1), [0, 1, 0, 1]
    for width in WIDTHS:
        HistForestClassifier(1, max_features=width).fit(X, y).predict_proba(X)


def seed_of(random_state: Any) -> int:
    """Return scikit-learn's `random_state` as a seed: an int is the seed itself, anything else draws one."""
    if isinstance(random_state, int | np.integer) and random_state >= 0:
        return int(random_state)
    return int(check_random_state(random_state).randint(2**31 - 1))


def _row_weights(sample_weight: Any, class_weight: Any, classes: NDArray, y: NDArray) -> NDArray[np.float64] | None:
    """Return the product of the rows' and the classes' weights, None where all are equal."""
    if sample_weight is None and class_weight is None:
        return None
    weight = _scaled("sample_weight", 1.0 if sample_weight is None else sample_weight, len(y))
    if isinstance(class_weight, dict):
        try:
            by_class = compute_sample_weight(class_weight, classes[y])
        except ValueError as error:
            raise ConfigError(f"class_weight: expected a weight for each class of y; {error}") from None
        weight = weight * _scaled("class_weight", by_class, len(y))
    elif class_weight is not None:
        totals = np.bincount(y, weight)[y]
        weight = np.divide(weight, totals, out=np.zeros(len(y)), where=totals > 0)
    if not weight.any():
        raise DataError("sample_weight, class_weight: expected a row of positive weight; their product is zero")
    return None if weight.min() == weight.max() else weight


def _scaled(name: str, values: Any, n: int) -> NDArray[np.float64]:
    """Return `n` weights, the largest of them 1."""
    weight = np.asarray(values, dtype=np.float64)
    if weight.shape not in ((), (n,)):
        raise DataError(f"{name}: expected {n} numbers, one a row; got an array of shape {weight.shape}")
    if not (np.isfinite(weight).all() and weight.min() >= 0 and weight.max() > 0):
        got = f"{weight.min()} to {weight.max()}"
        raise DataError(f"{name}: expected finite weights of at least zero, and one above zero; got {got}")
    return np.broadcast_to(weight / weight.max(), n)


def _n_features(max_features: Any, n: int) -> int:
    named = {"sqrt": math.isqrt(n), "log2": int(math.log2(n))}
    if max_features is None:
        return n
    if isinstance(max_features, str):
        if max_features not in named:
            hint = nearest(max_features, named)
            raise ConfigError(
                f"max_features: expected 'sqrt', 'log2', a number, a share or None; got {max_features!r}; {hint}"
            )
        return max(1, named[max_features])
    return min(n, _n_of("max_features", max_features, n, int))


def _n_of(name: str, value: Any, n: int, rounded: Callable[[float], int]) -> int:
    """Return a number of something: as given, or a share of `n`."""
    if isinstance(value, float | np.floating) and 0 < value <= 1:
        return max(1, rounded(float(value) * n))
    demand(name, value, "a whole number of at least 1, or a share above 0 and at most 1", _is_whole(value, 1))
    return int(value)


def _is_whole(value: object, least: float = -math.inf) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool) and bool(value >= least)


def _checked_columns(columns: Any, bins: Bins, codes: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Return the columns, sorted."""
    shape = f"(n, {bins.edges.shape[1]})"
    if codes.dtype != np.uint8 or codes.ndim != 2 or codes.shape[1:] != bins.edges.shape[1:] or len(codes) == 0:
        raise DataError(f"codes: expected uint8 of shape {shape}, as bins.codes gives; got {codes.dtype} {codes.shape}")
    given = np.asarray(columns)
    own = np.unique(given)
    whole = given.ndim == 1 and given.dtype.kind in "iu" and len(given) == len(own) > 0
    if not whole or own[0] < 0 or own[-1] >= codes.shape[1]:
        raise DataError(f"columns: expected different numbers from 0 to {codes.shape[1] - 1}; got {columns!r}")
    return own.astype(np.int64)


def _grow_some(nursery: Nursery, streams: NDArray[np.uint64]) -> list[tuple[Tree, NDArray[np.float64]]]:
    return [nursery.grow(stream) for stream in streams]


def _mean_importances(importances: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Return scikit-learn's mean: each tree's sum to 1, trees without any are left out, and so does the result."""
    own = [tree / tree.sum() for tree in importances if tree.any()]
    mean = np.mean(own, axis=0) if own else np.zeros_like(importances[0])
    return mean / (mean.sum() or 1.0)


def _accuracy(true: NDArray, predicted: NDArray) -> float:
    return float(np.mean(true == predicted))


def _starts(lengths: list[int]) -> NDArray[np.int64]:
    return np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)


def is_sound(forest: HistForestClassifier) -> bool:
    """Say whether a forest that was read from a file can be followed: its kernels do not look before they leap.

    True where nothing was learnt. Otherwise every array must have its kind and shape, every node lead to a later
    node of its tree, or to a class or shares that exist, and edges and shares be what they should.
    """
    learnt = {name: value for name, value in vars(forest).items() if name.endswith("_")}
    return not learnt or (_has_sound_arrays(learnt) and _has_sound_starts(learnt) and _has_sound_nodes(learnt))


def _has_sound_arrays(learnt: dict[str, Any]) -> bool:
    n_features, n_classes = learnt.get("n_features_in_"), learnt.get("n_classes_")
    if type(n_features) is not int or type(n_classes) is not int:
        return False
    arrays = (
        _is_array(learnt.get("classes_"), (n_classes,))
        and _is_array(learnt.get("bin_edges_"), (None, n_features), np.float32, np.float64)
        and _is_array(learnt.get("tree_starts_"), (None,), np.int64)
        and _is_array(learnt.get("share_starts_"), (None,), np.int64)
        and _is_array(learnt.get("node_features_"), (None,), np.int32)
        and _is_array(learnt.get("node_thresholds_"), (None,), np.uint8)
        and _is_array(learnt.get("node_children_"), (None,), np.int32)
        and _is_array(learnt.get("leaf_shares_"), (None, n_classes), np.float64)
    )
    if not arrays:
        return False
    edges, shares = learnt["bin_edges_"], learnt["leaf_shares_"]
    return bool(
        1 <= len(edges) <= 255
        and not np.isnan(edges).any()
        and (edges[1:] >= edges[:-1]).all()
        and (shares >= 0).all()
        and (np.abs(shares.sum(axis=1) - 1) < 1e-6).all()
    )


def _is_array(value: Any, shape: tuple[int | None, ...], *kinds: type) -> bool:
    return (
        type(value) is np.ndarray
        and len(value.shape) == len(shape)
        and all(wanted is None or have == wanted for have, wanted in zip(value.shape, shape, strict=True))
        and (not kinds or value.dtype in kinds)
        and value.flags.c_contiguous
    )


def _has_sound_starts(learnt: dict[str, Any]) -> bool:
    nodes, shares = learnt["tree_starts_"], learnt["share_starts_"]
    n_nodes = len(learnt["node_features_"])
    return bool(
        len(nodes) == len(shares) >= 2
        and len(learnt["node_thresholds_"]) == len(learnt["node_children_"]) == n_nodes
        and (nodes[0], nodes[-1], shares[0], shares[-1]) == (0, n_nodes, 0, len(learnt["leaf_shares_"]))
        and (nodes[1:] > nodes[:-1]).all()
        and (shares[1:] >= shares[:-1]).all()
    )


def _has_sound_nodes(learnt: dict[str, Any]) -> bool:
    feature, child, starts = learnt["node_features_"], learnt["node_children_"], learnt["tree_starts_"]
    sizes = np.diff(starts)
    position, size = np.arange(len(feature)) - np.repeat(starts[:-1], sizes), np.repeat(sizes, sizes)
    n_outcomes = learnt["n_classes_"] + np.repeat(np.diff(learnt["share_starts_"]), sizes)
    leads_on = (child > position) & (child < size - 1) & (feature >= 0) & (feature < learnt["n_features_in_"])
    ends = (feature == LEAF) & (child >= 0) & (child < n_outcomes)
    return bool((leads_on | ends).all())
