"""A trained network out of its run folder, looked at before Keras reads it.

Keras' safe mode refuses functions that a file brings, but a configuration may name any class of any module: what that
may do changed from version to version (CVE-2025-1550, CVE-2025-8747, CVE-2025-12058). So only classes of which acofer's
networks are made are let through to it.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from acofer.archives import check_archive
from acofer.errors import DataError, MissingFileError, shown
from acofer.pretrained.base import import_keras
from acofer.pretrained.hdf5 import check_datasets
from acofer.reading import UnreadableError, in_few_words, open_plain, parse_json
from acofer.runs.training_folder import NETWORK

CONFIGURATION, WEIGHTS = "config.json", "model.weights.h5"
MEMBERS = (CONFIGURATION, WEIGHTS, "metadata.json")
CLASSES = {
    "keras": {"DTypePolicy"},
    "keras.initializers": {"GlorotUniform", "Ones", "VarianceScaling", "Zeros"},
    "keras.layers": {
        *("Activation", "Add", "AdditiveAttention", "Attention", "AveragePooling2D", "BatchNormalization"),
        *("Concatenate", "Conv2D", "Dense", "DepthwiseConv2D", "Dropout", "Flatten", "GlobalAveragePooling1D"),
        *("GlobalAveragePooling2D", "InputLayer", "LayerNormalization", "MaxPooling2D", "MultiHeadAttention"),
        *("Multiply", "Normalization", "ReLU", "Rescaling", "Reshape", "SeparableConv2D", "ZeroPadding2D"),
    },
    "keras.src.models.functional": {"Functional"},
    None: {"__keras_tensor__"},
}
"""By module, all of which acofer's networks are made."""


def read_network(run: str | Path) -> Any:
    """Load the network of a run; nothing that its file brings is run.

    Parameters
    ----------
    run : path
        Run folder of a training.

    Returns
    -------
    keras.Model

    Raises
    ------
    MissingFileError, DataError
        Where there is none, or it is damaged, or holds anything but what acofer's networks are made of.
    """
    path = Path(run) / NETWORK
    if not path.is_file():
        raise MissingFileError(f"expected the run folder of a finished training at {run}; it has no {NETWORK}")
    keras = import_keras()
    try:
        check_network(path)
        return keras.saving.load_model(path, compile=False, safe_mode=True)
    except Exception as error:  # Keras, zipfile and h5py raise many kinds on a damaged file
        reason = in_few_words(error)
        raise DataError(f"{path}: expected a network as acofer train leaves it; {reason}; train anew") from error


def check_network(path: Path) -> None:
    """Look at a network's file before Keras does.

    Raises
    ------
    UnreadableError
        Where it holds other files, names a class that acofer's networks do not have, or its weights lie elsewhere.
    OSError, RuntimeError, KeyError, ValueError
        Where it is damaged.
    """
    size = path.stat().st_size
    with open_plain(path) as file, zipfile.ZipFile(file) as archive:
        check_archive(archive, size)
        if sorted(archive.namelist()) != sorted(MEMBERS):
            raise UnreadableError(f"it must hold {', '.join(MEMBERS)}, and nothing else")
        broken = archive.testzip()  # by checksums, before HDF5's library meets bytes that were damaged
        if broken is not None:
            raise UnreadableError(f"its {broken} is damaged")
        configuration = parse_json(archive.read(CONFIGURATION))
        _check_classes(configuration)
        with archive.open(WEIGHTS) as weights:
            check_datasets(weights, archive.getinfo(WEIGHTS).file_size)


def _check_classes(configuration: Any) -> None:
    if not isinstance(configuration, dict) or configuration.get("class_name") != "Functional":
        raise UnreadableError("its configuration is none of a network")
    # That of its training is left aside by load_model.
    for named in _named_classes({**configuration, "compile_config": None}):
        module, name, registered = (named.get(key) for key in ("module", "class_name", "registered_name"))
        known = CLASSES.get(module, ()) if isinstance(module, str | None) else ()
        if not isinstance(name, str) or name not in known or registered not in (None, name):
            raise UnreadableError(f"acofer's networks are made of no {shown((module, name))}")


def _named_classes(configuration: Any) -> Iterator[dict[str, Any]]:
    """Yield whatever names a class, at any depth."""
    waiting = [configuration]
    while waiting:
        part = waiting.pop()
        if isinstance(part, dict):
            if "class_name" in part:
                yield part
            waiting.extend(part.values())
        elif isinstance(part, list):
            waiting.extend(part)
