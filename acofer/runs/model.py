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
"""Holds nothing but plain arrays; `is_sound` looks at them."""
_TRUSTED = (
    _TREE,
    _FOREST,
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
    """Read a fitted estimator of the types that skops trusts, and forests, whose trees are checked.

    Raises
    ------
    MissingFileError, DataError
        If there is no such file, it is damaged, or it holds another type.
    """
    from skops.io import load

    from acofer.forest.forest import is_sound

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
    for tree in _trees(model):
        if not (is_sound(tree) if _kind(tree) == _FOREST else _is_sound_tree(tree, n_features)):
            raise DataError(f"{path}: expected a sound tree; its nodes point astray; not loaded; repeat the run")
    return model


def _trees(model: Any) -> Iterator[Any]:
    """Yield every tree within an estimator, and every forest of acofer's own, wherever it is kept."""
    waiting, seen = [model], {}
    while waiting:
        part = waiting.pop()
        if id(part) in seen:
            continue
        seen[id(part)] = part  # keeps it alive, so that no other takes its id
        if _kind(part) in (_TREE, _FOREST):
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
