"""The fitted model on disk: skops' format, which names types instead of running code, and what is checked on top."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED

import numpy as np

from acofer.errors import DataError, MissingFileError

_TREE = "sklearn.tree._tree.Tree"
"""skops leaves this type to its users because scikit-learn follows a tree's node numbers without looking whether
they exist; `_is_sound_tree` looks, before anything follows them."""
_FOREST = "acofer.forest.forest.HistForestClassifier"
"""Holds nothing but plain arrays; its `is_sound` looks at them."""
_RIDGE = "acofer.scoring.ridge.MomentRidgeClassifier"
"""So does this one."""
_TRUSTED = (
    _TREE,
    _FOREST,
    _RIDGE,
    "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",  # plain numbers
    "sklearn.neural_network._stochastic_optimizers.SGDOptimizer",
)


def write_model(path: Path, model: Any) -> None:
    """Write a fitted estimator, compressed; warn where `read_model` will refuse it."""
    from skops.io import dump

    dump(model, path, compression=ZIP_DEFLATED, compresslevel=1)
    foreign = _foreign_types(path)
    if foreign:
        warnings.warn(
            f"{type(model).__name__} is kept, but acofer predict will not load it: "
            f"it holds {', '.join(foreign)}, which cannot be checked",
            stacklevel=2,
        )


def _foreign_types(path: Path) -> list[str]:
    from skops.io import get_untrusted_types

    return [name for name in get_untrusted_types(file=path) if name not in _TRUSTED]


def read_model(path: Path) -> Any:
    """Read a fitted estimator of the types that skops trusts, forests, whose trees are checked, and acofer's ridge.

    Raises
    ------
    MissingFileError, DataError
        If there is no such file, it is damaged, or it holds another type.
    """
    from skops.io import load

    if not path.is_file():
        raise MissingFileError(f"expected a model at {path}; there is none; make one with: acofer search")
    try:
        foreign = _foreign_types(path)
        model = None if foreign else load(path, trusted=list(_TRUSTED))
    except Exception as error:  # skops raises whatever the damaged part raises
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DataError(f"{path}: expected a model written by acofer search; {reason}; repeat the run") from None
    if foreign:
        raise DataError(f"{path}: expected types that are safe to load; it holds {', '.join(foreign)}; not loaded")
    n_features = getattr(model, "n_features_in_", 0)  # scikit-learn holds new rows against this number and no other
    for part in _own_parts(model):
        fault = _fault(part, n_features)
        if fault:
            raise DataError(f"{path}: expected {fault}; not loaded; repeat the run")
    return model


def _fault(part: Any, n_features: int) -> str:
    """Return what was expected of a part and what is wrong with it, or nothing."""
    from acofer.forest import forest
    from acofer.scoring import ridge

    kind = _kind(part)
    if kind == _RIDGE:
        return "" if ridge.is_sound(part) else "a sound ridge classifier; its arrays do not fit or are not finite"
    is_sound = forest.is_sound(part) if kind == _FOREST else _is_sound_tree(part, n_features)
    return "" if is_sound else "a sound tree; its nodes point astray"


def _own_parts(model: Any) -> Iterator[Any]:
    """Yield every tree within an estimator, and every classifier of acofer's own, wherever it is kept."""
    waiting, seen = [model], {}
    while waiting:
        part = waiting.pop()
        if id(part) in seen:
            continue
        seen[id(part)] = part  # keeps it alive, so that no other takes its id
        if _kind(part) in (_TREE, _FOREST, _RIDGE):
            yield part
        else:
            waiting.extend(_held_by(part))


def _kind(part: Any) -> str:
    return f"{type(part).__module__}.{type(part).__name__}"


def _held_by(part: Any) -> Iterable[Any]:
    if isinstance(part, np.ndarray):
        return part.ravel().tolist() if part.dtype == object else ()
    if isinstance(part, dict):
        return [*part.keys(), *part.values()]
    if isinstance(part, list | tuple | set | frozenset):
        return part
    return list(getattr(part, "__dict__", {}).values())


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
