"""The run folder: what a search leaves behind, written beside its place and renamed.

::

    config.toml     repeats the run: acofer search --config config.toml
    result.json     every number that was printed, and what it was measured on
    trace.jsonl     one line an ant
    subset.json     the chosen features: indices and names
    front.json      the Pareto front of score against size
    model.skops     the fitted classifier, in a format that runs no code when loaded
    predictions.npz the test rows' labels, and class probabilities of the choice and of what it stands beside
    figures/        convergence, score against size, confusion, per class (SVG and PNG)
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from acofer import reading
from acofer.errors import ConfigError, DataError, MissingFileError, StoreError
from acofer.reading import UnreadableError
from acofer.writing import sync

CONFIG, RESULT, TRACE, SUBSET, FRONT, MODEL, PREDICTIONS, FIGURES = (
    "config.toml",
    "result.json",
    "trace.jsonl",
    "subset.json",
    "front.json",
    "model.skops",
    "predictions.npz",
    "figures",
)
Draw = Callable[[dict[str, Any], Path], None]
"""Called as ``draw(numbers, path)`` to write figures into the folder `path`."""
_TAKEN = (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR)
_MOST_BESIDE = 100


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
        self.place = place_of_run(out, name)
        self._made: list[Path] = []
        self._draft: Path | None = None
        try:
            if is_taken(self.place):
                raise ConfigError(f"out: {self.place} exists already; name a new folder with --out, or remove it")
            self._made = made_parents(self.place)
            self._new_draft().rmdir()  # one that is made now would outlive a process that is killed before it writes
        except OSError as error:
            remove_empty(self._made)
            raise StoreError(
                f"expected a folder that can be written to at {self.place.parent}; {error.strerror}; "
                "choose another with --out"
            ) from None

    def _new_draft(self) -> Path:
        """Make the folder that is filled before it is put in its place."""
        self.place.parent.mkdir(parents=True, exist_ok=True)  # another run that failed may have taken it away
        draft = Path(tempfile.mkdtemp(prefix=f".{self.place.name}-", dir=self.place.parent))
        draft.chmod(0o755)  # mkdtemp keeps others out; a result is to be read
        return draft

    @property
    def draft(self) -> Path:
        """The folder as it is filled."""
        if self._draft is None:
            self._draft = self._new_draft()
        return self._draft

    def path(self, name: str) -> Path:
        """Return where to write a file of this name."""
        target = self.draft / name
        target.parent.mkdir(exist_ok=True)
        return target

    def write_text(self, name: str, text: str) -> None:
        self.path(name).write_text(text, encoding="utf-8")

    def write_json(self, name: str, content: Any) -> None:
        self.write_text(name, json.dumps(content, indent=1, allow_nan=False) + "\n")

    def draw(self, draw: Draw, numbers: dict[str, Any]) -> None:
        """Draw the figures; numbers that took hours are not thrown away because a figure failed."""
        try:
            draw(numbers, self.path(FIGURES))
        except OSError:
            raise
        except Exception as error:
            warnings.warn(f"the figures could not be drawn ({error}); all else is kept", stacklevel=2)

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Turn what the disk has to complain about into one line.

        Raises
        ------
        StoreError
            If a file cannot be written, e.g. because the disk is full.
        """
        try:
            yield
        except OSError as error:
            raise StoreError(
                f"expected to write the run to {self.place.parent}; {error.strerror or error}; "
                "make room, or choose another folder with --out"
            ) from None

    def finish(self) -> Path:
        """Put the folder in its place and return it; beside it, should somebody have taken the place meanwhile."""
        self._sync_draft()
        self._take(lambda place: os.replace(self.draft, place))  # noqa: PTH105 - says what is meant better than rename
        sync(self.place.parent)
        return self.place

    def _sync_draft(self) -> None:
        for path in [*self.draft.rglob("*"), self.draft]:
            sync(path)

    def _take(self, take: Callable[[Path], None]) -> None:
        """Take the place, or one beside it, should somebody have taken it meanwhile."""
        place = self.place
        for number in range(2, _MOST_BESIDE):
            if _is_taken_by(take, place):
                break
            place = self.place.with_name(f"{self.place.name}-{number}")
        else:
            raise StoreError(
                f"expected to put the run at {self.place}, which was taken while it lasted, as were others"
            )
        if place != self.place:
            warnings.warn(f"{self.place} was taken while the run lasted; it is kept in {place}", stacklevel=3)
        self.place = place

    def discard(self) -> None:
        """Leave nothing behind."""
        if self._draft is not None:
            shutil.rmtree(self._draft, ignore_errors=True)
        remove_empty(self._made)


def _is_taken_by(take: Callable[[Path], None], place: Path) -> bool:
    """Take a place, if it is free or an empty folder, and say whether that went well."""
    try:
        if place.exists():
            place.rmdir()
        take(place)
    except OSError as error:
        if error.errno not in _TAKEN:
            raise
        return False
    return True


def place_of_run(out: str | None, name: str) -> Path:
    """Return where a run is to stand: `out`, else ``runs/<time>-<name>`` in the working directory."""
    return Path(out) if out else Path("runs") / f"{time.strftime('%Y%m%d-%H%M%S')}-{name}"


def made_parents(place: Path) -> list[Path]:
    """Make the folders above a place, and return them, so that a failed run can take them away again."""
    absent = [parent for parent in reversed(place.parents) if not parent.exists()]
    place.parent.mkdir(parents=True, exist_ok=True)
    return absent


def remove_empty(folders: list[Path]) -> None:
    """Remove the folders, the innermost first, that nobody has put anything into by now."""
    for folder in reversed(folders):
        with suppress(OSError):
            folder.rmdir()


def is_taken(place: Path) -> bool:
    """Whether something stands at a place already; an empty folder does not count."""
    return place.exists() and not (place.is_dir() and not any(place.iterdir()))


def read_json(folder: Path, name: str) -> Any:
    """Read one of a run folder's JSON files.

    Raises
    ------
    MissingFileError, DataError, StoreError
        If `folder` is not a run folder, or the file is damaged or cannot be read.
    """
    try:
        return reading.read_json(folder / name)
    except (FileNotFoundError, NotADirectoryError):
        raise MissingFileError(
            f"expected a run folder with {name} at {folder}; there is none; make one with: acofer search"
        ) from None
    except UnreadableError as error:
        raise DataError(f"{folder / name}: expected JSON; {error}; repeat the run") from None
    except OSError as error:
        raise StoreError(f"{folder / name}: expected a file that can be read; {error.strerror}") from None
