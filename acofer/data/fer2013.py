"""FER2013 as its users have it: `fer2013.csv` or `icml_face_data.csv`, plain, .gz or .zip.

The data set (Goodfellow et al. 2013, "Challenges in Representation Learning")
has one row a picture: a label 0..6, 48x48 grey values as text, and the part.
It is read in one pass; only the pixels (uint8) are kept. Every complaint names
the line of the file, counted from 1 with the header.
"""

from __future__ import annotations

from contextlib import closing
from os import PathLike

import numpy as np
from numpy.typing import NDArray

from acofer.data.csv_lines import Line, csv_lines, fails_at, fields_of, header_of, shown
from acofer.data.ferplus import DROPPED, FERPLUS_CLASSES, USAGES, Votes, part_of, read_votes
from acofer.data.pictures import ArrayPictures
from acofer.errors import DataError
from acofer.records import TRAIN, ImageSet, Progress

CLASSES = ("Angry", "Disgust", "Fear", "Happy", "Sad", "Surprise", "Neutral")
OFFICIAL_SIZES = (28_709, 3_589, 3_589)
SIDE = 48
PIXELS = SIDE * SIDE
COLUMNS = ("emotion", "pixels", "usage")
FILE_NAMES = ("fer2013.csv", "icml_face_data.csv")

_LABEL_OF = {str(label).encode(): label for label in range(len(CLASSES))}


def read_fer2013(
    path: str | PathLike[str], *, ferplus: str | PathLike[str] | None = None, progress: Progress | None = None
) -> ImageSet:
    """Read FER2013 from its CSV file.

    Parameters
    ----------
    path : path
        `fer2013.csv` or `icml_face_data.csv` (other column order, blanks in
        the header), plain, gzipped, or in a zip.
    ferplus : path, optional
        The votes of FER+; see `acofer.data.ferplus`. Its row i belongs to row
        i of the data, whatever its file names say. The labels become the
        majority of the votes, Contempt is an eighth class, and rows without a
        majority for an emotion are dropped; a warning tells how many.
    progress : Progress, optional
        Called with the bytes read so far and the size of the file.

    Returns
    -------
    ImageSet
        ``n`` pictures of 48x48 uint8; parts 0 Training, 1 PublicTest, 2
        PrivateTest; `row_names` are ``"line 2"``, ... of the file. Its
        `warnings` tell where the parts have not 28,709 / 3,589 / 3,589 rows.

    Raises
    ------
    MissingFileError
        Where a file does not exist.
    DataError
        Where a line or file is not as it should be, or a class has no picture
        in Training.
    """
    votes = read_votes(ferplus) if ferplus is not None else None
    table = _read_table(path, votes, progress)
    classes = FERPLUS_CLASSES if votes else CLASSES
    labels, parts = np.frombuffer(table.labels, np.int8).astype(np.int16), np.frombuffer(table.parts, np.uint8)
    _check_training(path, labels[parts == TRAIN], classes)
    return ImageSet(
        name="ferplus" if votes else "fer2013",
        pictures=ArrayPictures(np.frombuffer(table.pixels, np.uint8).reshape(-1, SIDE, SIDE)),
        labels=labels,
        class_names=classes,
        parts=parts,
        row_names=tuple(f"line {number}" for number in table.lines),
        source=str(path),
        warnings=_size_warnings(table.sizes) + (votes.warnings if votes else ()),
    )


class _Table:
    """What has been read so far. Byte arrays grow in place; lists of rows would need many times the memory."""

    def __init__(self) -> None:
        self.labels, self.parts, self.pixels = bytearray(), bytearray(), bytearray()
        self.lines: list[int] = []
        self.sizes = [0] * len(USAGES)

    def add(self, line: int, label: int, part: int, pixels: bytes) -> None:
        self.lines.append(line)
        self.labels.append(label)
        self.parts.append(part)
        self.pixels += pixels


def _read_table(path: str | PathLike[str], votes: Votes | None, progress: Progress | None) -> _Table:
    table = _Table()
    with closing(csv_lines(path, members=FILE_NAMES, progress=progress)) as lines:
        columns = header_of(next(lines, None), path, COLUMNS)
        for line in lines:
            if line.text.strip():
                _read_row(line, path, columns, table, votes)
    rows = sum(table.sizes)
    if not rows:
        raise DataError(f"{path} has a header but no rows; expected one row a picture")
    if votes and len(votes.labels) != rows:
        raise DataError(
            f"{votes.path} must have one row for each row of {path}: it has {len(votes.labels)}, the data {rows}"
        )
    return table


def _read_row(
    line: Line, path: str | PathLike[str], columns: dict[str, int], table: _Table, votes: Votes | None
) -> None:
    fail = fails_at(path, line)
    fields = fields_of(line.text)
    if len(fields) != len(columns):
        raise fail(f"expected {len(columns)} fields ({', '.join(columns)}), found {len(fields)}")
    emotion, pixels, usage = (fields[columns[name]] for name in COLUMNS)
    label = _LABEL_OF.get(emotion)
    if label is None:
        raise fail(f"the label must be an integer 0..{len(CLASSES) - 1}, found {shown(emotion)}")
    part = part_of(usage, fail)
    try:
        values = parse_pixels(pixels)
    except DataError as error:
        raise fail(str(error)) from None
    if votes:
        label = votes.label_of(sum(table.sizes), part, fail)
    table.sizes[part] += 1
    if label != DROPPED:
        table.add(line.number, label, part, values)


def parse_pixels(field: bytes) -> bytes:
    """Turn 2,304 grey values in decimal, separated by blanks, into as many bytes.

    Raises
    ------
    DataError
        Where there are more or fewer, or one is not an integer 0..255.
    """
    # Arrays take 60 us a picture, words 410 us: 2 s against 15 s for the whole of FER2013.
    values = _parse_usual(field)
    return _parse_any(field) if values is None else values


def _parse_usual(field: bytes) -> bytes | None:
    """Parse digits and blanks with arrays; None where anything is unusual, for `_parse_any` to judge."""
    text = np.frombuffer(b"   " + field + b" ", np.uint8)
    is_blank = text == ord(" ")
    digits = np.where(is_blank, np.uint8(0), text - np.uint8(ord("0")))
    ends = np.flatnonzero(is_blank[1:] & ~is_blank[:-1])
    if len(ends) != PIXELS or (digits > 9).any():
        return None
    has_tens = ~is_blank[ends - 1]
    has_hundreds = has_tens & ~is_blank[ends - 2]
    hundreds = has_hundreds * digits[ends - 2]
    rest = digits[ends] + has_tens * digits[ends - 1] * np.uint8(10)
    # Four digits, or more than 255: not for here.
    if (has_hundreds & ~is_blank[ends - 3]).any() or (hundreds > 2).any() or (rest[hundreds == 2] > 55).any():
        return None
    return bytes((hundreds * np.uint8(100) + rest).data)


def _parse_any(field: bytes) -> bytes:
    words = field.split()
    for at, word in enumerate(words, 1):
        if not (word.isdigit() and len(word) <= 9 and int(word) <= 255):
            raise DataError(f"pixel {at} must be an integer 0..255, found {shown(word)}")
    if len(words) != PIXELS:
        raise DataError(f"expected {PIXELS:,} pixels ({SIDE}x{SIDE}), found {len(words):,}")
    return bytes(map(int, words))


def _check_training(path: str | PathLike[str], labels: NDArray[np.int16], classes: tuple[str, ...]) -> None:
    if not len(labels):
        raise DataError(f"{path} has no Training rows; the class counts and the model need them")
    empty = [classes[label] for label in np.flatnonzero(np.bincount(labels, minlength=len(classes)) == 0)]
    if empty:
        raise DataError(f"{path} has no Training picture of {', '.join(empty)}; every class needs some")


def _size_warnings(sizes: list[int]) -> tuple[str, ...]:
    if tuple(sizes) == OFFICIAL_SIZES:
        return ()
    expected, found = (" / ".join(f"{size:,}" for size in row) for row in (OFFICIAL_SIZES, sizes))
    return (
        f"FER2013 has {expected} rows in {' / '.join(USAGES)}, this file {found}: "
        "results cannot be compared with published ones",
    )
