"""FER+: ten people's votes on each picture of FER2013, made into labels.

Barsoum, Zhang, Canton Ferrer & Zhang (2016), "Training deep networks for facial
expression recognition with crowd-sourced label distribution". The file has one
row for each row of `fer2013.csv`, in the same order. Its file names are empty
for pictures without a face and must not be used for pairing.

The label is the emotion with the most votes. A row is dropped where "unknown"
or "NF" (no face) has the most, or where the most votes are shared: such a row
has no majority, and any label would be ours, not the voters'.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from os import PathLike

import numpy as np
from numpy.typing import NDArray

from acofer.data.csv_lines import Line, csv_lines, fails_at, fields_of, header_of, shown
from acofer.errors import DataError, nearest

FERPLUS_CLASSES = ("Angry", "Disgust", "Fear", "Happy", "Sad", "Surprise", "Neutral", "Contempt")
EMOTION_COLUMNS = ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral", "contempt")
OTHER_COLUMNS = ("unknown", "nf")
VOTE_COLUMNS = EMOTION_COLUMNS + OTHER_COLUMNS
DROPPED = -1

USAGES = ("Training", "PublicTest", "PrivateTest")
_PART_OF = {usage.encode(): part for part, usage in enumerate(USAGES)}


def part_of(usage: bytes, fail: Callable[[str], DataError]) -> int:
    """Return the part that a Usage field names, in FER2013's file and in FER+'s; `fail` makes the line's error."""
    part = _PART_OF.get(usage)
    if part is None:
        hint = nearest(usage.decode("latin-1"), USAGES)
        raise fail(f"Usage must be Training, PublicTest or PrivateTest, found {shown(usage)}; {hint}")
    return part


@dataclass(frozen=True)
class Votes:
    """Labels by majority, one a row of FER2013.

    Attributes
    ----------
    path : str
        The file they came from.
    labels : ndarray of int8, shape (n,)
        Index into `FERPLUS_CLASSES`, or -1 where the row is to be dropped.
    parts : ndarray of uint8, shape (n,)
        0 Training, 1 PublicTest, 2 PrivateTest.
    warnings : tuple of str
        How many rows are dropped, and why.
    """

    path: str
    labels: NDArray[np.int8]
    parts: NDArray[np.uint8]
    warnings: tuple[str, ...]

    def label_of(self, row: int, part: int, fail: Callable[[str], DataError]) -> int:
        """Return the label of a row, after making sure that both files mean the same row.

        Parameters
        ----------
        row : int
            Number of the row, the first after the header is 0.
        part : int
            The part that FER2013 names for it.
        fail : callable
            Makes the error of the line in FER2013's file.
        """
        if row >= len(self.labels):
            raise fail(f"{self.path} has only {len(self.labels)} rows; it needs one for each row of the data")
        if self.parts[row] != part:
            raise fail(
                f"{self.path} names another Usage in its row {row + 1}; both files must be whole and in the same order"
            )
        return int(self.labels[row])


def read_votes(path: str | PathLike[str]) -> Votes:
    """Read the votes of FER+ (`fer2013new.csv`), plain, gzipped or in a zip.

    Parameters
    ----------
    path : path
        A CSV with the columns Usage, neutral, happiness, surprise, sadness,
        anger, disgust, fear, contempt, unknown and NF, in any order.

    Returns
    -------
    Votes

    Raises
    ------
    MissingFileError
        Where there is no such file.
    DataError
        Where a line is not as it should be; the message names it.
    """
    counts, parts = bytearray(), bytearray()
    with closing(csv_lines(path)) as lines:
        columns = header_of(next(lines, None), path, ("usage", *VOTE_COLUMNS))
        for line in lines:
            if line.text.strip():
                part, votes = _read_row(line, path, columns)
                parts.append(part)
                counts += votes
    if not parts:
        raise DataError(f"{path} has a header but no rows; expected the votes on one picture in each")
    table = np.frombuffer(counts, np.uint8).reshape(-1, len(VOTE_COLUMNS))
    return Votes(str(path), majority(table), np.frombuffer(parts, np.uint8), _warnings(table))


def majority(votes: NDArray[np.uint8]) -> NDArray[np.int8]:
    """Return the emotion with the most votes in each row, -1 where there is none.

    Parameters
    ----------
    votes : ndarray of uint8, shape (n, 10)
        In the order of `VOTE_COLUMNS`: eight emotions, unknown, NF.
    """
    is_tied, is_other = _without_majority(votes)
    return np.where(is_tied | is_other, DROPPED, votes.argmax(axis=1)).astype(np.int8)


def _without_majority(votes: NDArray[np.uint8]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Say for each row whether the most votes are shared, and whether only "unknown" or "NF" has the most."""
    is_most = votes == votes.max(axis=1, keepdims=True)
    is_tied = is_most.sum(axis=1) > 1
    return is_tied, ~is_tied & is_most[:, len(EMOTION_COLUMNS) :].any(axis=1)


def _read_row(line: Line, path: str | PathLike[str], columns: dict[str, int]) -> tuple[int, bytes]:
    fail = fails_at(path, line)
    fields = fields_of(line.text)
    if len(fields) != len(columns):
        raise fail(f"expected {len(columns)} fields, found {len(fields)}")
    part = part_of(fields[columns["usage"]], fail)
    votes = [fields[columns[name]] for name in VOTE_COLUMNS]
    for name, vote in zip(VOTE_COLUMNS, votes, strict=True):
        if not (vote.isdigit() and len(vote) <= 9 and int(vote) <= 255):
            raise fail(f"the votes for {name} must be an integer 0..255, found {shown(vote)}")
    return part, bytes(map(int, votes))


def _warnings(votes: NDArray[np.uint8]) -> tuple[str, ...]:
    is_tied, is_other = _without_majority(votes)
    dropped = int(is_tied.sum() + is_other.sum())
    if not dropped:
        return ()
    return (
        f"FER+: {dropped:,} of {len(votes):,} rows were dropped, {int(is_tied.sum()):,} because the most votes "
        f"are shared, {int(is_other.sum()):,} because most voted for 'unknown' or 'no face'",
    )
