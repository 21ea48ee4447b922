"""FER2013 as a search meets it, for the benchmarks: embeddings of every face, with SMOTE on the training rows.

    from fer2013 import add_options, parts_of

    add_options(parser)
    parts = parts_of(parser.parse_args())

48x48, frozen MobileNetV2, flattened to 5,120 features, official split, seed 0; made by the functions that the search
uses, so that the embeddings come from its cache where they are there. Without ``--data`` the pictures and the weights
are looked for in ``../shared`` beside the checkout, as the tests do. Reading and SMOTE take half a minute; ``--arrays
FOLDER`` keeps the outcome as six .npy files, 1.2 GB, for the next benchmark.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from acofer.config.search import SearchConfig
from acofer.data.splits import make_split
from acofer.errors import AcoferError, DataError, MissingFileError
from acofer.features.balance import balance
from acofer.runs.pictures import configured_embeddings, configured_pictures

_SHARED = Path(__file__).resolve().parents[2] / "shared"
_SCRIPT = _SHARED / "data" / "fer2013" / "to_csv.py"
_WEIGHTS = _SHARED / "weights" / "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224_no_top.h5"
_FILES = ("Xb", "yb", "Xval", "yval", "Xtest", "ytest")


class Parts(NamedTuple):
    """The three parts of the official split.

    Attributes
    ----------
    X_train : ndarray of float32, shape (50505, 5120), C order
        28,709 real rows, then SMOTE's.
    X_validation, X_test : ndarray of float32, shape (3589, 5120), C order
    y_train, y_validation, y_test : ndarray of int64
        Classes 0 to 6.
    """

    X_train: NDArray[np.float32]
    y_train: NDArray[np.int64]
    X_validation: NDArray[np.float32]
    y_validation: NDArray[np.int64]
    X_test: NDArray[np.float32]
    y_test: NDArray[np.int64]


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that say where FER2013 is."""
    parser.add_argument("--data", help="FER2013's CSV; by default made from ../shared/data/fer2013")
    parser.add_argument("--weights", help="MobileNetV2's weights file; by default the one in ../shared/weights")
    parser.add_argument("--arrays", type=Path, help=argparse.SUPPRESS)


def parts_of(options: argparse.Namespace) -> Parts:
    """Return the parts, as read-only memory maps if they come from ``--arrays``; or say in a line why not, and exit."""
    try:
        if options.arrays is None:
            return _made(options.data, options.weights)
        if not options.arrays.exists():
            _write(_made(options.data, options.weights), options.arrays)
        return _read(options.arrays)
    except AcoferError as error:
        print(error, file=sys.stderr)
        sys.exit(2)


def _made(data: str | None, weights: str | None) -> Parts:
    weights = weights or str(_WEIGHTS if _WEIGHTS.is_file() else "imagenet")
    if data is not None:
        return _balanced(SearchConfig(data=data, weights=weights))
    if not _SCRIPT.is_file():
        raise MissingFileError(f"expected FER2013 in {_SCRIPT.parent}; it is not there; name its CSV with --data")
    with tempfile.TemporaryDirectory() as folder:
        table = Path(folder) / "fer2013.csv"
        subprocess.run([sys.executable, _SCRIPT, table], check=True, capture_output=True)
        return _balanced(SearchConfig(data=str(table), weights=weights))


def _balanced(config: SearchConfig) -> Parts:
    images = configured_pictures(config)
    split = make_split(images, "official", seed=config.seed)
    values, y = configured_embeddings(config, images).values, images.labels.astype(np.int64)
    training = balance(values[split.train], y[split.train], config.balance, seed=config.seed)
    held_out = [(np.asarray(values[rows], np.float32), y[rows]) for rows in (split.validation, split.test)]
    return Parts(training.X, training.y, *held_out[0], *held_out[1])


def _write(parts: Parts, folder: Path) -> None:
    beside = folder.with_name(f".{folder.name}.{os.getpid()}")  # an interrupted run leaves no half folder
    beside.mkdir(parents=True)
    for name, array in zip(_FILES, parts, strict=True):
        np.save(beside / f"{name}.npy", np.asarray(array))
    beside.replace(folder)


def _read(folder: Path) -> Parts:
    try:
        return Parts(*(np.load(folder / f"{name}.npy", mmap_mode="r") for name in _FILES))
    except (OSError, ValueError) as error:
        raise DataError(f"{folder}: expected the arrays that --arrays writes; {error}; remove the folder") from None
