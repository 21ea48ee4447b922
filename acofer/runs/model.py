"""The fitted model on disk: skops' format, which names types instead of running code, and what is checked on top."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED

import numpy as np

from acofer.errors import DataError, MissingFileError

_TREE = "sklearn.tree._tree.Tree"
"""skops leaves this type to its users because scikit-learn follows a tree's node numbers without looking whether
they exist; `_check_tree` looks, before anything follows them."""


def write_model(path: Path, model: Any) -> None:
    """Write a fitted estimator, compressed."""
    from skops.io import dump

    dump(model, path, compression=ZIP_DEFLATED, compresslevel=1)


def read_model(path: Path) -> Any:
    """Read a fitted estimator of the types that skops trusts, and forests, whose trees are checked.

    Raises
    ------
    MissingFileError, DataError
        If there is no such file, it is damaged, or it holds another type.
    """
    from skops.io import get_untrusted_types, load

    if not path.is_file():
        raise MissingFileError(f"expected a model at {path}; there is none; make one with: acofer search")
    try:
        foreign = [name for name in get_untrusted_types(file=path) if name != _TREE]
        model = None if foreign else load(path, trusted=[_TREE])
    except Exception as error:  # skops raises whatever the damaged part raises
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DataError(f"{path}: expected a model written by acofer search; {reason}; repeat the run") from None
    if foreign:
        raise DataError(f"{path}: expected types that are safe to load; it holds {', '.join(foreign)}; not loaded")
    for tree in _trees(model):
        _check_tree(tree, path)
    return model


def _trees(model: Any) -> Iterator[Any]:
    """Yield every tree in an estimator, its own and those of the estimators it holds."""
    if type(model).__module__ + "." + type(model).__name__ == _TREE:
        yield model
    elif isinstance(model, np.ndarray) and model.dtype == object:
        yield from _trees(model.ravel().tolist())
    elif isinstance(model, list | tuple):
        for part in model:
            yield from _trees(part)
    elif isinstance(model, dict):
        yield from _trees(list(model.values()))
    elif hasattr(model, "get_params"):
        yield from _trees(vars(model))


def _check_tree(tree: Any, path: Path) -> None:
    """Refuse a tree whose nodes point outside of it, or back, or at features it does not have."""
    nodes = np.arange(tree.node_count)
    left, right, feature = tree.children_left, tree.children_right, tree.feature
    inner = left != -1
    sound = (
        len(left) == tree.node_count
        and ((right == -1) == ~inner).all()
        and (left[inner] > nodes[inner]).all()
        and (right[inner] > nodes[inner]).all()
        and (left < tree.node_count).all()
        and (right < tree.node_count).all()
        and ((feature[inner] >= 0) & (feature[inner] < tree.n_features)).all()
        and tree.value.shape[0] == tree.node_count
    )
    if not sound:
        raise DataError(f"{path}: expected a sound tree; its nodes point astray; not loaded; repeat the run")
