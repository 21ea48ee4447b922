"""A trained network out of its run folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from acofer.errors import DataError, MissingFileError
from acofer.pretrained.base import import_keras
from acofer.runs.training_folder import NETWORK


def read_network(run: str | Path) -> Any:
    """Load the network of a run; Keras' safe mode runs no code that a file brings.

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
        Where there is none, or it is damaged.
    """
    path = Path(run) / NETWORK
    if not path.is_file():
        raise MissingFileError(f"expected the run folder of a finished training at {run}; it has no {NETWORK}")
    keras = import_keras()
    try:
        return keras.saving.load_model(path, compile=False, safe_mode=True)
    except Exception as error:  # Keras, zipfile and h5py raise many kinds on a damaged file
        reason = " ".join(str(error).split())[:160]
        raise DataError(f"{path}: expected a network as acofer train leaves it; {reason}; train anew") from error
