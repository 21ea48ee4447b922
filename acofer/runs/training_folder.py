"""The run folder of a training, which stands in its place from the first epoch on, so that it can be gone on with.

::

    config.toml      repeats the run: acofer train --config config.toml
    history.csv      one line an epoch
    checkpoint.npz   while it lasts: weights, the best ones, the optimizer's state, the course
    model.keras      the network with the weights of its best epoch; it needs Keras alone
    predictions.npz  the test rows' labels, and what it says of them
    result.json      every number that was printed, and what it was measured on; there when all is done
    figures/         curves, confusion, per class (SVG and PNG)
"""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from acofer.archives import read_arrays
from acofer.config.sources import read_toml
from acofer.config.train import TrainConfig
from acofer.errors import ConfigError, DataError, MissingFileError, StoreError
from acofer.locks import locked
from acofer.nets.training import EpochRow
from acofer.reading import UnreadableError
from acofer.runs.folder import CONFIG, FIGURES, RESULT, is_taken, made_parents, place_of_run, remove_empty
from acofer.writing import remove_parts, written_beside

CHECKPOINT, HISTORY, NETWORK = "checkpoint.npz", "history.csv", "model.keras"
_BYTES_A_WEIGHT = 4
_COPIES = 9
"""Of the weights, at one moment: a checkpoint has four (with the best ones and Adam's two), the one that replaces it
as many, and the network itself is one."""


class TrainingFolder:
    """A training's run folder.

    Parameters
    ----------
    place : Path
    """

    def __init__(self, place: Path) -> None:
        self.place = place
        self._made: list[Path] = []
        self._held = ExitStack()

    @classmethod
    def free(cls, out: str | None, name: str) -> TrainingFolder:
        """Return a folder for a new run, not yet made.

        Raises
        ------
        ConfigError
            If something is there already.
        """
        place = place_of_run(out, name)
        if is_taken(place):
            instead = f", or go on with --resume {place}" if (place / CHECKPOINT).exists() else ""
            raise ConfigError(f"out: {place} exists already; name a new folder with --out{instead}")
        return cls(place)

    @classmethod
    def unfinished(cls, place: str | Path) -> TrainingFolder:
        """Return the folder of a run that was interrupted.

        Raises
        ------
        MissingFileError, ConfigError
            If there is none, or the run is finished.
        """
        folder = cls(Path(place))
        if (folder.place / RESULT).exists():
            raise ConfigError(
                f"resume: {place} is finished; train on with: acofer train --config {place}/config.toml --from {place}"
            )
        if not (folder.place / CHECKPOINT).exists():
            anew = (
                f": it ended before its first epoch did; begin anew: acofer train --config {place}/{CONFIG} --out NEW"
                if (folder.place / CONFIG).exists()
                else ""
            )
            raise MissingFileError(
                f"expected the folder of an interrupted training at {place}; it has no {CHECKPOINT}{anew}"
            )
        folder.hold()
        remove_parts(folder.place)
        return folder

    def hold(self) -> None:
        """Let no other process write here until `release`; StoreError where one does."""
        self._held.enter_context(locked(self.place))

    def release(self) -> None:
        """Let others write here."""
        self._held.close()

    def config(self, epochs: int | None = None) -> TrainConfig:
        """Return the run's configuration, with other epochs where they are given."""
        kept = read_toml(self.place / CONFIG, TrainConfig)  # and no environment: a run goes on as it began
        changed: dict[str, Any] = (
            {"out": str(self.place)} if epochs is None else {"out": str(self.place), "epochs": epochs}
        )
        return TrainConfig(**{**kept, **changed})

    def make(self, config: TrainConfig, n_parameters: int) -> None:
        """Make the folder and keep the configuration in it.

        Raises
        ------
        StoreError
            If it cannot be written to, or the disk has no room for a network of so many parameters.
        """
        try:
            self._made = made_parents(self.place)
            self.place.mkdir(exist_ok=True)
            free = shutil.disk_usage(self.place).free
        except OSError as error:
            raise StoreError(
                f"expected a folder that can be written to at {self.place}; {error.strerror}; choose another with --out"
            ) from None
        needed = n_parameters * _BYTES_A_WEIGHT * _COPIES
        if free < needed:
            self.discard()
            raise StoreError(
                f"expected {needed / 1e6:,.0f} MB of room for checkpoints at {self.place}; there are "
                f"{free / 1e6:,.0f}; make room, or choose another folder with --out"
            )
        self.hold()
        self.write_config(config)

    def write_config(self, config: TrainConfig) -> None:
        self.write_text(CONFIG, dataclasses.replace(config, out=None).to_toml())

    def keep(self, state: dict[str, NDArray[Any]], rows: Sequence[EpochRow]) -> None:
        """Keep a checkpoint and the history so far."""
        with written_beside(self.place / CHECKPOINT, "the checkpoint") as beside, beside.open("wb") as file:
            np.savez(file, **state)  # type: ignore[arg-type]
        names = [field.name for field in dataclasses.fields(EpochRow)]
        lines = [",".join(str(getattr(row, name)) for name in names) for row in rows]
        self.write_text(HISTORY, "\n".join([",".join(names), *lines]) + "\n")

    def checkpoint(self) -> dict[str, NDArray[Any]]:
        """Return the state that was kept.

        Raises
        ------
        DataError
            If it is damaged.
        """
        path = self.place / CHECKPOINT
        try:
            return read_arrays(path)
        except (OSError, UnreadableError) as error:
            raise DataError(f"{path}: expected a checkpoint; it is damaged ({error}); train anew") from None

    def write_text(self, name: str, text: str) -> None:
        with written_beside(self.place / name, name) as beside:
            beside.write_text(text, encoding="utf-8")

    def finish(self, numbers: dict[str, Any]) -> None:
        """Write the result, which says that all is there, and remove the checkpoint."""
        self.write_text(RESULT, json.dumps(numbers, indent=1, allow_nan=False) + "\n")
        (self.place / CHECKPOINT).unlink(missing_ok=True)

    @property
    def figures(self) -> Path:
        """The folder of figures, made where it is absent."""
        path = self.place / FIGURES
        path.mkdir(exist_ok=True)
        return path

    def has_checkpoint(self) -> bool:
        return (self.place / CHECKPOINT).exists()

    def discard(self) -> None:
        """Leave nothing behind."""
        self.release()
        shutil.rmtree(self.place, ignore_errors=True)
        remove_empty(self._made)
