"""The fitted model on disk: skops' format, which names types instead of running code, and what is checked on top."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile

from acofer.archives import check_archive
from acofer.errors import DataError, MissingFileError
from acofer.reading import in_few_words, open_plain
from acofer.runs.soundness import CHECKED, fault_of

_MOST_UNPACKED, _ALWAYS_UNPACKED = 200, 1 << 26
"""Times its size that a model may unpack to, and bytes whatever its size; forests unpack to 10 to 30 times theirs."""
_TRUSTED = (
    *CHECKED,
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
        with open_plain(path) as file, ZipFile(file) as archive:
            check_archive(archive, max(_MOST_UNPACKED * path.stat().st_size, _ALWAYS_UNPACKED))
        foreign = _foreign_types(path)
        model = None if foreign else load(path, trusted=list(_TRUSTED))
    except Exception as error:  # skops raises whatever the damaged part raises
        reason = in_few_words(error)
        raise DataError(f"{path}: expected a model written by acofer search; {reason}; repeat the run") from None
    if foreign:
        raise DataError(f"{path}: expected types that are safe to load; it holds {', '.join(foreign)}; not loaded")
    fault = fault_of(model)
    if fault:
        raise DataError(f"{path}: expected {fault}; not loaded; repeat the run")
    return model
