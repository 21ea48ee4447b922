"""Whether an estimator that was read from a file can be followed: compiled code does not look before it leaps."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

_TREE = "sklearn.tree._tree.Tree"
"""scikit-learn follows a tree's node numbers without looking whether they exist."""
_FOREST = "acofer.forest.forest.HistForestClassifier"
"""Holds nothing but plain arrays; its `is_sound` looks at them."""
_RIDGE = "acofer.scoring.ridge.MomentRidgeClassifier"
"""So does this one."""
_MACHINES = ("sklearn.svm._classes.SVC", "sklearn.svm._classes.NuSVC")
CHECKED = (_TREE, _FOREST, _RIDGE)
"""Types that a loader may trust because they are looked at here."""


def fault_of(model: Any) -> str:
    """Return what was expected of an estimator's parts and what is wrong with one, or nothing; its workers become one.

    Parameters
    ----------
    model : estimator
        Of types that run no code when they are loaded.
    """
    n_features = getattr(model, "n_features_in_", 0)  # scikit-learn holds new rows against this number and no other
    for part in parts_of(model):
        fault = _fault(part, n_features if type(n_features) is int else 0)
        if fault:
            return fault
        if "n_jobs" in getattr(part, "__dict__", {}):
            part.n_jobs = 1  # a file may ask for a million threads, and new pictures are few
    return ""


def _fault(part: Any, n_features: int) -> str:
    from acofer.forest import forest
    from acofer.scoring import ridge

    kind = kind_of(part)
    if kind == _RIDGE and not ridge.is_sound(part):
        return "a sound ridge classifier; its arrays do not fit or are not finite"
    if kind in (_FOREST, _TREE):
        is_sound = forest.is_sound(part) if kind == _FOREST else _is_sound_tree(part, n_features)
        return "" if is_sound else "a sound tree; its nodes point astray"
    if kind in _MACHINES and not _is_sound_machine(part):
        return "a sound support vector machine; its arrays do not fit"
    if isinstance(part, np.ndarray) and part.size and not part.dtype.itemsize:
        return "arrays that hold something; one claims values without room for them"
    return ""


def parts_of(model: Any) -> Iterator[Any]:
    """Yield everything within an estimator, wherever it is kept, and the estimator itself."""
    waiting, seen = [model], {}
    while waiting:
        part = waiting.pop()
        if id(part) in seen:
            continue
        seen[id(part)] = part  # keeps it alive, so that no other takes its id
        yield part
        waiting.extend(_held_by(part))


def kind_of(part: Any) -> str:
    """Return the full name of a part's type."""
    return f"{type(part).__module__}.{type(part).__name__}"


def _held_by(part: Any) -> Iterable[Any]:
    if isinstance(part, np.ndarray):
        return part.ravel().tolist() if part.dtype == object else ()
    if isinstance(part, dict):
        return [*part.keys(), *part.values()]
    if isinstance(part, list | tuple | set | frozenset):
        return part
    return list(getattr(part, "__dict__", {}).values())


def _is_sound_machine(machine: Any) -> bool:
    """Say whether the arrays of a support vector machine go together: libsvm reads as many numbers as it expects."""
    held = vars(machine)
    if not any(name.endswith("_") for name in held):  # not fitted, e.g. a part of another that fits copies of it
        return True
    support, vectors, counts = (held.get(name) for name in ("support_", "support_vectors_", "_n_support"))
    if not all(isinstance(array, np.ndarray) for array in (support, vectors, counts)) or counts.ndim != 1:
        return False
    n, k = len(support) if support.ndim else 0, len(counts)
    pairs = k * (k - 1) // 2
    wanted = {
        "support_": ((n,), np.int32),
        "support_vectors_": ((n, held.get("n_features_in_")), np.float64),
        "_n_support": ((k,), np.int32),
        "_dual_coef_": ((k - 1, n), np.float64),
        "_intercept_": ((pairs,), np.float64),
    }
    fits = all(_is_array(held.get(name), *kind) for name, kind in wanted.items())
    if not fits or k < 2 or (counts < 0).any() or counts.sum() != n or np.shape(held.get("classes_")) != (k,):
        return False
    # Empty where no probabilities were asked for; newer versions of scikit-learn have them no more.
    shares = [held.get(name, np.empty(0)) for name in ("_probA", "_probB")]
    are_shares = all(_is_array(one, (0,), np.float64) or _is_array(one, (pairs,), np.float64) for one in shares)
    return are_shares and held.get("_sparse") is False and isinstance(held.get("kernel"), str)


def _is_array(value: Any, shape: tuple[Any, ...], dtype: type) -> bool:
    return isinstance(value, np.ndarray) and value.shape == shape and value.dtype == dtype


def _is_sound_tree(tree: Any, n_features: int) -> bool:
    """Say whether all nodes of a tree point within it, never back, and only at features that it has."""
    nodes = np.arange(tree.node_count)
    left, right, feature = tree.children_left, tree.children_right, tree.feature
    inner = left != -1
    return bool(
        tree.n_features <= n_features
        and len(left) == tree.node_count > 0
        and ((right == -1) == ~inner).all()
        and (left[inner] > nodes[inner]).all()
        and (right[inner] > nodes[inner]).all()
        and (left < tree.node_count).all()
        and (right < tree.node_count).all()
        and ((feature[inner] >= 0) & (feature[inner] < tree.n_features)).all()
        and tree.value.shape[0] == tree.node_count
    )
