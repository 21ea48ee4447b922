"""The run folder: what a search leaves behind, written beside its place and renamed.

::

    config.toml     repeats the run: acofer search --config config.toml
    result.json     every number that was printed, and what it was measured on
    trace.jsonl     one line an ant
    subset.json     the chosen features: indices and names
    front.json      the Pareto front of score against size
    model.skops     the fitted classifier, in a format that runs no code when loaded
    figures/        convergence, score against size, confusion, per class (SVG and PNG)
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

from acofer.errors import ConfigError, DataError, MissingFileError, StoreError

CONFIG, RESULT, TRACE, SUBSET, FRONT, MODEL, FIGURES = (
    "config.toml",
    "result.json",
    "trace.jsonl",
    "subset.json",
    "front.json",
    "model.skops",
    "figures",
)


class RunFolder:
    """A run folder in the making: filled under a temporary name, then renamed.

    Parameters
    ----------
    out : str or None
        Where it is to stand; None for ``runs/<time>-<name>`` in the working directory.
    name : str

    Raises
    ------
    ConfigError
        If something is there already.
    StoreError
        If the place cannot be written to; noticed at once, not after hours.
    """

    def __init__(self, out: str | None, name: str) -> None:
        self.place = Path(out) if out else Path("runs") / f"{time.strftime('%Y%m%d-%H%M%S')}-{name}"
        if self.place.exists() and not _is_empty_folder(self.place):
            raise ConfigError(f"out: {self.place} exists already; name a new folder with --out, or remove it")
        try:
            self.place.parent.mkdir(parents=True, exist_ok=True)
            self._draft = Path(tempfile.mkdtemp(prefix=f".{self.place.name}-", dir=self.place.parent))
            self._draft.chmod(0o755)  # mkdtemp keeps others out; a result is to be read
        except OSError as error:
            raise StoreError(
                f"expected a folder that can be written to at {self.place.parent}; {error.strerror}; "
                "choose another with --out"
            ) from None

    def path(self, name: str) -> Path:
        """Return where to write a file of this name."""
        target = self._draft / name
        target.parent.mkdir(exist_ok=True)
        return target

    def write_text(self, name: str, text: str) -> None:
        self.path(name).write_text(text, encoding="utf-8")

    def write_json(self, name: str, content: Any) -> None:
        self.write_text(name, json.dumps(content, indent=1, allow_nan=False) + "\n")

    def finish(self) -> Path:
        """Put the folder in its place and return it."""
        if self.place.exists():
            self.place.rmdir()
        os.replace(self._draft, self.place)  # noqa: PTH105 - says what is meant better than Path.rename
        return self.place

    def discard(self) -> None:
        """Leave nothing behind."""
        shutil.rmtree(self._draft, ignore_errors=True)


def _is_empty_folder(path: Path) -> bool:
    return path.is_dir() and not any(path.iterdir())


def read_json(folder: Path, name: str) -> Any:
    """Read one of a run folder's JSON files.

    Raises
    ------
    MissingFileError, DataError
        If `folder` is not a run folder, or the file is damaged.
    """
    try:
        return json.loads((folder / name).read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        raise MissingFileError(
            f"expected a run folder with {name} at {folder}; there is none; make one with: acofer search"
        ) from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise DataError(f"{folder / name}: expected JSON; {error}; repeat the run") from None
