"""The store of embeddings: one folder a key, the values beside a small JSON.

::

    <folder>/<key>/about.json    what the values are, and checksums of their blocks
    <folder>/<key>/values.npy    float16, memory-mapped when opened

The key is a digest of everything that the values depend on (`entry.key_of`); each
layer of a network has an entry of its own. An entry is written row by row to a
folder beside and renamed when it is whole. When it is opened, its size, its header
and its checksums must be right.

The package brings entries of its own, compressed and read only
(`acofer.features.shipped`); the user's folder is looked up first.
"""

from __future__ import annotations

import contextlib
import datetime
import os
import shutil
import time
import uuid
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from acofer.errors import ConfigError, StoreError, nearest
from acofer.features import shipped as packaged
from acofer.features.entry import (
    ABOUT,
    VALUES,
    BlockChecksums,
    DamagedEntryError,
    Entry,
    check_blocks,
    describe,
    entry_places,
    key_of,
    map_values,
    npy_header,
    read_about,
    without_checksums,
    write_about,
)
from acofer.locks import locked

FULL_CHECK = 1 << 30
"""Up to this size every byte is checked when an entry is opened, above it a spread sample of blocks.

On one core, CRC-32 took .15 s for the 367 MB of FER2013 (SHA-256 .21 s with, more without the CPU's help)."""
STALE_SECONDS = 900
"""A writer that has not written for so long was killed; no batch takes that long."""
WRITING = ".writing-"


@dataclass(frozen=True)
class Listing:
    """One line of the list of entries.

    Attributes
    ----------
    key : str
        Its key.
    about : dict
        What the JSON says, without the checksums; empty where it cannot be read.
    bytes : int
        What it takes on disk.
    last_used : datetime
        When it was last opened or written (UTC).
    shipped : bool
        Whether it came with the package.
    """

    key: str
    about: dict[str, Any]
    bytes: int
    last_used: datetime.datetime
    shipped: bool = False


class Store:
    """Embeddings kept on disk.

    Parameters
    ----------
    folder : path, optional
        Default: ``ACOFER_CACHE_DIR``, else ``embeddings`` in the user's cache folder.
    shipped : bool
        Whether to look into the entries that came with the package, too.
    """

    def __init__(self, folder: str | os.PathLike[str] | None = None, *, shipped: bool = True) -> None:
        self.folder = Path(folder).expanduser() if folder is not None else default_folder()
        self._use_shipped = shipped

    def find(self, key: str) -> Entry | None:
        """Open an entry; None where there is none, or where it is damaged (which is said by a warning)."""
        try:
            entry = self._open_own(key)
        except DamagedEntryError as error:
            warnings.warn(f"embeddings {key[:8]} in {self.folder} are damaged ({error}) and left aside", stacklevel=2)
            entry = None
        if entry is None and self._use_shipped:
            entry = packaged.open_shipped(key)
        return entry

    def find_stand_in(self, stands_for: str, fields: Mapping[str, Any]) -> Entry | None:
        """Open the shipped entry that stands for such weights ("imagenet"), if there is one with these key fields."""
        return packaged.open_stand_in(stands_for, fields) if self._use_shipped else None

    def _open_own(self, key: str) -> Entry | None:
        place = self.folder / key
        if not place.is_dir():
            return None
        about = read_about(place, key)
        with _as_damage():
            values = map_values(place / VALUES, about["values"])
            check_blocks(values, about["values"]["crc32"], everything=values.nbytes <= FULL_CHECK)
            _touch(place / ABOUT)
        return Entry(key, values, without_checksums(about))

    def verify(self, key: str) -> None:
        """Check every byte of an entry in the user's folder.

        Raises
        ------
        ConfigError
            Where there is no such entry.
        DamagedEntryError
            Where it is half-written, cut or altered.
        """
        entry = self._open_own(key)
        if entry is None:
            raise self._unknown(key)
        check_blocks(entry.values, read_about(self.folder / key, key)["values"]["crc32"], everything=True)

    def damage(self, key: str, *, everything: bool = False) -> str | None:
        """Return what is wrong with an entry of the user's folder, None where nothing is.

        Who asks does not use it: when it was last used stays as it is.

        Parameters
        ----------
        key : str
            One of `entries`.
        everything : bool
            Whether to read and check every byte, not only the JSON and the size of the values.
        """
        place = self.folder / key
        try:
            about = read_about(place, key)
            with _as_damage():
                values = map_values(place / VALUES, about["values"])
                if everything:
                    check_blocks(values, about["values"]["crc32"], everything=True)
        except DamagedEntryError as error:
            return str(error)
        return None

    def entries(self) -> list[Listing]:
        """List the entries of the user's folder, newest use first, then the shipped ones."""
        own = sorted(
            (_list(place) for place in entry_places(self.folder)), key=lambda line: line.last_used, reverse=True
        )
        if not self._use_shipped:
            return own
        return own + [_list(place, shipped=True) for place in packaged.shipped_places()]

    def prune(
        self, keys: Iterable[str] = (), *, older_than_days: float | None = None, everything: bool = False
    ) -> list[Listing]:
        """Remove entries from the user's folder, and what killed writers left behind.

        Parameters
        ----------
        keys : iterable of str
            Entries to remove.
        older_than_days : float, optional
            Remove entries that have not been used for so many days.
        everything : bool
            Remove all entries.

        Returns
        -------
        list of Listing
            What was removed.

        Raises
        ------
        ConfigError
            Where a key is unknown; nothing is removed then.
        StoreError
            Where an entry cannot be removed.
        """
        named = set(keys)
        found = {place.name: _list(place) for place in entry_places(self.folder)}
        for key in sorted(named - found.keys()):
            raise self._unknown(key)
        now = datetime.datetime.now(datetime.UTC)
        age = datetime.timedelta(days=older_than_days) if older_than_days is not None else datetime.timedelta.max
        gone = [line for line in found.values() if everything or line.key in named or now - line.last_used > age]
        for place in [self.folder / line.key for line in gone] + self.leftovers():
            _remove(place)
        return gone

    def writer(self, key: str, n_rows: int) -> Writer:
        """Open a writer of a new entry of `n_rows` rows, to be used in a ``with`` statement.

        Raises
        ------
        StoreError
            Where the folder cannot be written.
        """
        return Writer(self, key, n_rows)

    @contextlib.contextmanager
    def alone(self, what: str, on_wait: Callable[[str], None]) -> Iterator[None]:
        """Let no other process make what is of this name meanwhile, and wait for one that does.

        Parameters
        ----------
        what : str
            Part of a file's name.
        on_wait : callable
            Told who is waited for.

        Raises
        ------
        StoreError
            Where the folder cannot be written.
        """
        with _as_store_error(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
        with locked(self.folder, f"-{what}", on_wait=on_wait):
            yield

    def leftovers(self) -> list[Path]:
        """Return the folders that killed writers left behind."""
        if not self.folder.is_dir():
            return []
        begun = sorted(self.folder.glob(f"{WRITING}{'[0-9a-f]' * 32}-*"))
        return [place for place in begun if time.time() - _last_change(place) > STALE_SECONDS]

    def _unknown(self, key: str) -> ConfigError:
        known = [place.name for place in entry_places(self.folder)]
        hint = nearest(key, known) if known else "the store is empty"
        return ConfigError(f"there are no embeddings with key {key!r} in {self.folder}; {hint}")


class Writer:
    """Writes one entry, batch by batch, beside its place; `commit` renames it.

    Left without a commit (an error, Ctrl-C), it removes what it wrote. Who writes several entries together calls
    `complete` of each and then `place` of each: what can fail for want of room has happened before the first is placed.
    """

    def __init__(self, store: Store, key: str, n_rows: int) -> None:
        self._store, self._key, self._n_rows = store, key, n_rows
        self._written = 0
        self._columns: int | None = None
        self._checksums = BlockChecksums()
        self._is_complete = False
        with _as_store_error(store.folder):
            store.folder.mkdir(parents=True, exist_ok=True)
            # Not tempfile.mkdtemp: its folders are closed to others, and a cache may be shared.
            self._place = store.folder / f"{WRITING}{key}-{uuid.uuid4().hex}"
            self._place.mkdir()
            self._stream = (self._place / VALUES).open("wb")

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, *_: object) -> None:
        # Closing flushes and may fail on a full disk; what is not committed is removed anyway.
        try:
            self._stream.close()
        except OSError:
            pass
        finally:
            shutil.rmtree(self._place, ignore_errors=True)

    def append(self, values: NDArray[np.float16]) -> None:
        """Write some rows.

        Parameters
        ----------
        values : ndarray of float16, shape (b, n_features)

        Raises
        ------
        StoreError
            Where they cannot be written (a full disk).
        """
        rows = np.ascontiguousarray(values, dtype="<f2")
        with _as_store_error(self._store.folder):
            if self._columns is None:
                self._columns = rows.shape[1]
                self._stream.write(npy_header((self._n_rows, self._columns)))
            if rows.shape[1] != self._columns or self._written + len(rows) > self._n_rows:
                raise ValueError(f"{rows.shape} after {self._written} rows of ({self._n_rows}, {self._columns})")
            self._stream.write(rows.data)
        self._checksums.add(rows.data.cast("B"))
        self._written += len(rows)

    def commit(self, about: Mapping[str, Any]) -> None:
        """Complete the entry and give it its place; arguments and errors as `complete`."""
        self.complete(about)
        self.place()

    def complete(self, about: Mapping[str, Any]) -> None:
        """Write what is left to be written, still beside the entry's place.

        Parameters
        ----------
        about : mapping
            What the values are; it holds the fields of the key.

        Raises
        ------
        StoreError
            Where it cannot be written.
        """
        if self._written != self._n_rows or key_of(about) != self._key:
            raise ValueError(f"{self._written} of {self._n_rows} rows written under {self._key}")
        with _as_store_error(self._store.folder):
            self._stream.close()
            described = dict(about, values=describe((self._n_rows, self._columns or 0), self._checksums.finish()))
            write_about(self._place, self._key, described)
        self._is_complete = True

    def place(self) -> None:
        """Give the entry its place; where another process was faster, its entry stays.

        Raises
        ------
        StoreError
            Where the folder cannot be written.
        """
        if not self._is_complete:
            raise ValueError(f"{self._key} is placed before it is complete")
        with _as_store_error(self._store.folder):
            self._rename()

    def _rename(self) -> None:
        final = self._store.folder / self._key
        for _ in range(5):
            try:
                self._place.rename(final)
            except OSError:
                if not final.is_dir():
                    raise
            else:
                return
            try:
                self._store._open_own(self._key)
            except DamagedEntryError:
                # Moved away first, so that nobody sees a folder half removed.
                away = self._store.folder / f"{WRITING}{self._key}-{uuid.uuid4().hex}"
                if _rename_if_there(final, away):
                    shutil.rmtree(away, ignore_errors=True)
            else:
                return
        raise OSError(f"{final} is being written by too many others")


def default_folder() -> Path:
    """Return the user's folder of embeddings."""
    named = os.environ.get("ACOFER_CACHE_DIR")
    if named:
        return Path(named).expanduser()
    import platformdirs

    return Path(platformdirs.user_cache_dir("acofer")) / "embeddings"


def _list(place: Path, *, shipped: bool = False) -> Listing:
    try:
        about = without_checksums(read_about(place, place.name))
    except DamagedEntryError:
        about = {}
    size = sum(_size_and_time(file)[0] for file in _files(place))
    changed = datetime.datetime.fromtimestamp(_last_change(place), datetime.UTC)
    return Listing(place.name, about, size, changed, shipped)


def _last_change(place: Path) -> float:
    return max(_size_and_time(path)[1] for path in [place, *_files(place)])


def _files(place: Path) -> list[Path]:
    try:
        return list(place.iterdir())
    except OSError:  # removed by another process meanwhile
        return []


def _size_and_time(path: Path) -> tuple[int, float]:
    try:
        status = path.stat()
    except OSError:
        return 0, 0.0
    return status.st_size, status.st_mtime


def _touch(path: Path) -> None:
    """Remember that an entry was used; a store that is read only does not mind."""
    try:
        os.utime(path)
    except OSError:
        return


def _remove(place: Path) -> None:
    try:
        shutil.rmtree(place)
    except FileNotFoundError:
        return
    except OSError as error:
        raise StoreError(f"{place} cannot be removed ({error.strerror or error}); check its permissions") from error


def _rename_if_there(place: Path, to: Path) -> bool:
    try:
        place.rename(to)
    except FileNotFoundError:
        return False
    return True


@contextlib.contextmanager
def _as_damage() -> Iterator[None]:
    """Turn whatever a file that is not as it should be makes of reading it into one kind of error."""
    try:
        yield
    except DamagedEntryError:
        raise
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise DamagedEntryError(f"{VALUES} or its description cannot be read: {error}") from error


@contextlib.contextmanager
def _as_store_error(folder: Path) -> Iterator[None]:
    """Turn the operating system's errors into one line that says what to do."""
    try:
        yield
    except StoreError:
        raise
    except OSError as error:
        raise StoreError(
            f"embeddings cannot be kept in {folder} ({error.strerror or error}); "
            "set ACOFER_CACHE_DIR or --cache-dir to a folder with room that can be written"
        ) from error
