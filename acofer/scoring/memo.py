"""Scores remembered on disk, across runs and processes: one SQLite file.

::

    scores(key, numbers, checksum)
      key       SHA-256 of the context, the chosen features and the trees
      numbers   little-endian float64: utility, value, standard error, seconds, trees (nan: None), fold utilities
      checksum  SHA-256 of key and numbers

A memo saves time and is never needed: where its file cannot be used, one warning says so and the run goes on.
"""

from __future__ import annotations

import hashlib
import sqlite3
import struct
import threading
import warnings
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from acofer.errors import StoreError
from acofer.records import SubsetScore
from acofer.scoring.protocol import IndexArray

VERSION = 1
"""Of the file's layout and of the keys (SQLite's ``user_version``)."""
TABLE = "CREATE TABLE scores (key BLOB PRIMARY KEY, numbers BLOB, checksum BLOB) WITHOUT ROWID"
EMPTY: tuple[int, list[Any]] = (0, [])
OURS: tuple[int, list[Any]] = (VERSION, [(TABLE.encode(),)])
FAULTS = (sqlite3.Error, OSError, ValueError)
"""Of files; ValueError where SQLite quotes bytes of a damaged file that are no text."""
N_SINGLE = 5
"""Numbers before the fold utilities."""
WAIT_SECONDS = 10.0
"""For a lock. A writer holds it for milliseconds; whoever holds it for longer will not soon let go."""
LOOK_SECONDS = 0.5
"""For a lock, of who only wants to know how the file is."""
CHUNK_BYTES = 1 << 24
"""Arrays are digested in pieces of this size, so that one in Fortran order is never copied whole."""

FOREIGN = "it is another program's, or another version's"
REMEDIES = {
    "SQLITE_BUSY": "close the program that holds it",
    "SQLITE_CORRUPT": "move it away, and a new one is made",
    "SQLITE_NOTADB": "move it away, and a new one is made",
    "SQLITE_FULL": "make room",
    "SQLITE_READONLY": "make it and its folder writable",
    "SQLITE_CANTOPEN": "name another file, or make its folder writable",
}


class ScoreMemo:
    """Scores of subsets, remembered in a file that several threads and processes may use at once.

    A file that is damaged, foreign, locked or of another version is left as it is: one warning, and every `get` is
    a miss. One that can only be read is read: one warning at the first `put`. Every process opens a memo of its own;
    sending one to another process (pickling) does that, forking does not.

    Parameters
    ----------
    path : path
        The file; made, with its folders, where it is missing.
    context : str
        Digest of everything else that a score depends on: data, folds, scorer, seeds, version; see `context_digest`.

    Attributes
    ----------
    hits, misses : int
        How many `get` found, and did not find.
    """

    def __init__(self, path: str | Path, context: str) -> None:
        self._path = Path(path)
        self._context = context
        self._lock = threading.Lock()  # one connection for all threads, one at a time
        self._connection: sqlite3.Connection | None = None
        self._writable = True
        self._warned = False
        self.hits = self.misses = 0
        try:
            self._connection = _opened(self._path)
        except FAULTS as error:
            self._warn(error)

    def __enter__(self) -> ScoreMemo:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __reduce__(self) -> tuple[type[ScoreMemo], tuple[Path, str]]:
        return ScoreMemo, (self._path, self._context)

    def get(self, indices: IndexArray, trees: int) -> SubsetScore | None:
        """Return the score of this subset with so many trees, bit by bit as it was put; None where there is none.

        Parameters
        ----------
        indices : ndarray of int32, shape (k,)
            Sorted.
        trees : int
        """
        key = self._key(indices, trees)
        with self._lock:
            try:
                numbers = None if self._connection is None else _read(self._connection, key)
            except FAULTS as error:
                numbers = None
                self._close()
                self._warn(error)
            self.hits += numbers is not None
            self.misses += numbers is None
        return None if numbers is None else _score(indices, numbers)

    def put(self, score: SubsetScore, trees: int) -> None:
        """Remember a score, but for an estimate, which hangs on other subsets, and for one that is not finite."""
        numbers = _numbers(score)
        if score.is_estimate or not _is_sound(numbers):
            return
        key, blob = self._key(score.indices, trees), numbers.tobytes()
        with self._lock:
            if self._connection is None or not self._writable:
                return
            try:
                row = (key, blob, _checksum(key, blob))
                self._connection.execute("INSERT OR REPLACE INTO scores VALUES (?, ?, ?)", row)
            except FAULTS as error:
                self._writable = False
                self._warn(error)

    def close(self) -> None:
        """Close the file; a closed memo finds and keeps nothing."""
        with self._lock:
            self._close()

    def _key(self, indices: IndexArray, trees: int) -> bytes:
        chosen = np.asarray(indices).astype("<i4", casting="same_kind")
        return bytes.fromhex(context_digest(context=self._context, chosen=chosen, trees=int(trees)))

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _warn(self, error: Exception) -> None:
        if self._warned:
            return
        self._warned = True
        reason, remedy = _told(error)
        warnings.warn(
            f"scores are not remembered in {self._path} ({reason}); the run goes on without; {remedy}", stacklevel=3
        )


@dataclass(frozen=True)
class MemoState:
    """How a memo's file is.

    Attributes
    ----------
    scores : int
        How many it holds, as far as it can be read.
    fault : str or None
        Why it cannot be used, or what of it is damaged.
    remedy : str or None
        What to do then.
    """

    scores: int
    fault: str | None = None
    remedy: str | None = None


def memo_state(path: Path, *, everything: bool = False) -> MemoState:
    """Look at a memo's file, which must be there, without writing to it.

    Parameters
    ----------
    path : Path
    everything : bool
        Whether to check the file page by page and every score by its checksum.
    """
    scores = 0
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", LOOK_SECONDS, uri=True)) as connection:
            connection.text_factory = bytes
            if (layout := _layout(connection)) != OURS:
                return MemoState(0) if layout == EMPTY else MemoState(0, *_told(StoreError(FOREIGN)))
            scores = connection.execute("SELECT count(*) FROM scores").fetchone()[0]
            damaged = _n_damaged(connection) if everything else 0
    except FAULTS as error:
        return MemoState(scores, *_told(error))
    if damaged:
        return MemoState(
            scores, f"{damaged:,} of its {scores:,} scores are damaged", "they are scored again; or move it"
        )
    return MemoState(scores)


def _n_damaged(connection: sqlite3.Connection) -> int:
    """Return how many scores are not those that were put; sqlite3.DatabaseError where the file's pages are damaged."""
    (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    if verdict != b"ok":
        raise sqlite3.DatabaseError(verdict.decode(errors="replace"))
    rows = connection.execute("SELECT key, numbers, checksum FROM scores")
    return sum(not isinstance(blob, bytes) or checksum != _checksum(key, blob) for key, blob, checksum in rows)


def _told(error: Exception) -> tuple[str, str]:
    """Return why a file cannot be used, and what to do."""
    reason = "".join(c if c.isprintable() else " " for c in str(error))  # SQLite quotes what is damaged
    return reason, REMEDIES.get(getattr(error, "sqlite_errorname", ""), "name another file")


def context_digest(**parts: Any) -> str:
    """Return a hexadecimal SHA-256 of named parts.

    Parameters
    ----------
    **parts : None, bool, int, float, str, ndarray, or list, tuple or dict of these
        Kinds are told apart (1, 1.0, "1" and True differ), but for lists and tuples, which are alike. The
        order of a dict's keys does not count. Arrays count by dtype, shape and values, not by their
        order in memory; they hold numbers, booleans, text or times.

    Raises
    ------
    TypeError
        For anything else.
    """
    digest = hashlib.sha256()
    for piece in _canonical(parts):
        digest.update(piece)
    return digest.hexdigest()


def _canonical(value: Any) -> Iterator[bytes]:
    """Yield bytes from which the value could be read back: each kind has its own first word, and says its length."""
    match value:
        case None | bool():
            yield f"{value};".encode()
        case int():
            yield f"int {int(value):x};".encode()
        case float():
            yield b"float " + struct.pack("<d", value)
        case str():
            text = value.encode("utf-8", "surrogatepass")
            yield b"str %d;" % len(text) + text
        case np.ndarray():
            yield from _canonical_array(value)
        case list() | tuple():
            yield b"list %d;" % len(value)
            for item in value:
                yield from _canonical(item)
        case dict():
            yield b"dict %d;" % len(value)
            keyed = {b"".join(_canonical(key)): item for key, item in value.items()}
            for key in sorted(keyed):
                yield key
                yield from _canonical(keyed[key])
        case _:
            raise _strange(type(value).__name__)


def _canonical_array(array: NDArray) -> Iterator[bytes]:
    # Objects and new-style strings are pointers, records and long doubles have padding, masks are not in the bytes.
    if array.dtype.kind not in "biufcSUMm" or array.dtype.char in "gG" or isinstance(array, np.ma.MaskedArray):
        raise _strange(f"{type(array).__name__} of {array.dtype}")
    yield f"array {array.dtype.str} {array.shape};".encode()
    rows = np.atleast_1d(array)
    step = max(1, CHUNK_BYTES * len(rows) // max(rows.nbytes, 1))
    for start in range(0, len(rows), step):
        yield rows[start : start + step].tobytes()


def _strange(name: str) -> TypeError:
    return TypeError(
        f"context_digest: expected None, bool, int, float, str, ndarray, or list, tuple or dict of these; got {name}; "
        "pass what it is made of"
    )


def _opened(path: Path) -> sqlite3.Connection:
    path.parent.mkdir(parents=True, exist_ok=True)
    # Each statement is a transaction of its own; the memo's lock keeps threads apart.
    connection = sqlite3.connect(path.absolute(), WAIT_SECONDS, isolation_level=None, check_same_thread=False)
    connection.text_factory = bytes  # text that is none does no harm
    try:
        if _layout(connection) == EMPTY:
            _lay_out(connection)
        if _layout(connection) != OURS:
            raise StoreError(FOREIGN)
    except BaseException:
        connection.close()
        raise
    return connection


def _layout(connection: sqlite3.Connection) -> tuple[int, list[Any]]:
    """Return version and schema. A file with more in it than our table (triggers, views) is not ours."""
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    return version, connection.execute("SELECT sql FROM sqlite_master").fetchall()


def _lay_out(connection: sqlite3.Connection) -> None:
    with connection:
        connection.execute("BEGIN IMMEDIATE")
        if _layout(connection) == EMPTY:  # nobody was faster
            connection.execute(TABLE)
            connection.execute(f"PRAGMA user_version = {VERSION}")


def _checksum(key: bytes, blob: bytes) -> bytes:
    return hashlib.sha256(key + blob).digest()


def _read(connection: sqlite3.Connection, key: bytes) -> NDArray[np.float64] | None:
    """Return the numbers under a key, or None where they are missing or damaged."""
    row = connection.execute("SELECT numbers, checksum FROM scores WHERE key = ?", (key,)).fetchone()
    if row is None or not isinstance(row[0], bytes) or row[1] != _checksum(key, row[0]) or len(row[0]) % 8:
        return None
    numbers = np.frombuffer(row[0], dtype="<f8").astype(np.float64)
    return numbers if _is_sound(numbers) else None


def _is_sound(numbers: NDArray[np.float64]) -> bool:
    """Whether utility, value and seconds are finite, the others finite or nan, and there is at least one fold."""
    if len(numbers) <= N_SINGLE or np.isinf(numbers).any():
        return False
    utility, value, error, seconds, trees = numbers[:N_SINGLE].tolist()
    if np.isnan([utility, value, seconds]).any() or error < 0 or seconds < 0:
        return False
    return bool(np.isnan(trees)) or (trees >= 1 and trees.is_integer())


def _numbers(score: SubsetScore) -> NDArray[np.float64]:
    trees = np.nan if score.trees is None else score.trees
    single = [score.utility, score.value, score.standard_error, score.seconds, trees]
    return np.array([*single, *score.fold_utilities], dtype="<f8")


def _score(indices: IndexArray, numbers: NDArray[np.float64]) -> SubsetScore:
    utility, value, error, seconds, trees = numbers[:N_SINGLE].tolist()
    return SubsetScore(
        indices=np.array(indices, dtype=np.int32),
        utility=utility,
        value=value,
        fold_utilities=numbers[N_SINGLE:],
        standard_error=error,
        seconds=seconds,
        trees=None if np.isnan(trees) else int(trees),
    )
