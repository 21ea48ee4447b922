"""The lines of a CSV file, plain or compressed, each with its number.

`csv_lines` reads one line at a time, so that a file of any size needs the
memory of one line, and turns whatever goes wrong below it (a cut archive, a
file that is no text) into one error that says how far the reading came.
"""

from __future__ import annotations

import csv
import gzip
import zipfile
from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack, suppress
from os import PathLike
from pathlib import Path, PurePosixPath
from typing import IO, NamedTuple

from acofer.archives import DAMAGES, check_archive
from acofer.errors import DataError, MissingFileError
from acofer.reading import UnreadableError, in_few_words, open_plain
from acofer.records import Progress

LONGEST_LINE = 1 << 20  # bytes; a line of 2,304 pixels has under 10,000
LINES_A_REPORT = 1_000
MOST_EMPTY = 1_000
"""Lines. Ten gigabytes of them are ten megabytes when packed, and an hour to go through."""
MOST_UNPACKED = 100
"""Times its size that a file may unpack to, and 16 MiB whatever its size. FER2013 unpacks to three times its own."""
_ALWAYS_UNPACKED = 1 << 24


class Line(NamedTuple):
    """One line of a file: its number (the first is 1), its bytes without the line end, and whether it had one."""

    number: int
    text: bytes
    is_ended: bool


def csv_lines(
    path: str | PathLike[str], *, members: Sequence[str] = (), progress: Progress | None = None
) -> Generator[Line, None, None]:
    """Yield the lines of a CSV file that is plain, gzipped, or inside a zip.

    The kind is told from the first bytes of the file, not from its name.

    Parameters
    ----------
    path : path
        The file.
    members : sequence of str
        Names by which the CSV is chosen where a zip holds several.
    progress : Progress, optional
        Called with the bytes of the file read so far and its size.

    Yields
    ------
    Line

    Raises
    ------
    MissingFileError
        Where there is no such file.
    DataError
        Where the file cannot be read, is damaged, has a line of more than 1 MiB or more than 1,000 empty ones, or
        unpacks to a multiple of its size that no text unpacks to.
    """
    path = Path(path)
    number = 0
    try:
        for number, (text, done) in enumerate(_raw_lines(path, members), 1):
            if len(text) > LONGEST_LINE:
                raise DataError(f"{path}, line {number}: it has more than {LONGEST_LINE} bytes; is this a CSV file?")
            yield Line(number, text.rstrip(b"\r\n"), text.endswith((b"\n", b"\r")))
            if progress and number % LINES_A_REPORT == 0:
                progress(f"reading {path.name}", min(done, _size(path)), _size(path))
        if progress:
            progress(f"reading {path.name}", _size(path), _size(path))
    except FileNotFoundError as error:
        raise MissingFileError(f"there is no file {str(path)!r}; check the path") from error
    except UnreadableError as error:
        raise DataError(f"{path} cannot be read: {error}; is it a CSV file? if it is packed, unpack it first") from None
    except DataError:
        raise
    except (*DAMAGES, gzip.BadGzipFile) as error:
        where = f"after line {number}" if number else "at its beginning"
        raise DataError(
            f"{path} is damaged or cut {where} ({in_few_words(error)}); copy or download it again"
        ) from error
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error}") from error


def fields_of(text: bytes) -> list[bytes]:
    """Split a line at its commas and strip blanks and quotes; a quoted field may hold commas.

    A line that `csv` refuses (a carriage return outside quotes, a field of 128 KiB) is no row of ours: its fields come
    with their quotes, and whoever wants a label or pixels of them says what is wrong.
    """
    if b'"' in text:
        with suppress(csv.Error):
            row = next(csv.reader([text.decode("latin-1")], skipinitialspace=True), [])
            return [field.strip().encode("latin-1") for field in row]
    return [field.strip() for field in text.split(b",")]


def header_of(line: Line | None, path: str | PathLike[str], wanted: Sequence[str]) -> dict[str, int]:
    """Find the columns of a CSV by its first line, whatever their order, case and blanks.

    Parameters
    ----------
    line : Line or None
        The first line; None where the file is empty.
    path : path
        For messages.
    wanted : sequence of str
        The columns that must be there, in lower case.

    Returns
    -------
    dict
        Column number of every column, by its name in lower case.

    Raises
    ------
    DataError
        Where the file is empty, is not text, lacks a column or has one twice.
    """
    if line is None:
        raise DataError(f"{path} is empty; expected a CSV file whose first line names {', '.join(wanted)}")
    try:
        names = [field.decode("utf-8-sig").strip().lower() for field in fields_of(line.text)]
    except UnicodeDecodeError:
        names = ["\0"]
    if any("\0" in name for name in names):
        raise DataError(f"{path}, line 1: this is not text; expected a CSV file with the columns {', '.join(wanted)}")
    missing = [name for name in wanted if name not in names]
    if missing:
        came = ", ".join(names)[:100]
        raise DataError(
            f"{path}, line 1: expected the columns {', '.join(wanted)}, but {', '.join(missing)} "
            f"is missing; found: {came or 'an empty line'}"
        )
    columns = {name: column for column, name in enumerate(names)}
    if len(columns) < len(names):
        twice = next(name for column, name in enumerate(names) if columns[name] != column)
        raise DataError(f"{path}, line 1: the column {twice[:100]!r} stands there more than once; remove one of them")
    return columns


def fails_at(path: str | PathLike[str], line: Line) -> Callable[[str], DataError]:
    """Return a function that makes the error for one line; it adds what the end of the file tells."""
    cut = (
        "" if line.is_ended else "; the file ends inside this line, so it may have been cut: copy or download it again"
    )
    return lambda problem: DataError(f"{path}, line {line.number}: {problem}{cut}")


def shown(text: bytes) -> str:
    """Show a field in a message: quoted, at most 24 characters."""
    return repr(text[:24].decode("latin-1")) + ("..." if len(text) > 24 else "")


def _raw_lines(path: Path, members: Sequence[str]) -> Generator[tuple[bytes, int], None, None]:
    """Yield the lines as they lie there, and how many bytes of the file were read for them."""
    limit, unpacked, n_empty = _limit(path), 0, 0
    with ExitStack() as stack:
        raw = stack.enter_context(open_plain(path))
        stream = _unpacked(raw, path, members, stack)
        while text := stream.readline(LONGEST_LINE + 1):
            unpacked += len(text)
            n_empty += text.isspace()
            if unpacked > limit:
                raise UnreadableError(f"it unpacks to more than {limit:,} bytes")
            if n_empty > MOST_EMPTY:
                raise UnreadableError(f"it has more than {MOST_EMPTY:,} empty lines")
            yield text, raw.tell()


def _unpacked(raw: IO[bytes], path: Path, members: Sequence[str], stack: ExitStack) -> IO[bytes] | gzip.GzipFile:
    start = raw.read(4)
    raw.seek(0)
    if start.startswith(b"\x1f\x8b"):
        _refuse_tar(path)
        return stack.enter_context(gzip.open(raw, "rb"))
    if start.startswith(b"PK") or path.suffix.lower() == ".zip":
        archive = stack.enter_context(zipfile.ZipFile(raw))
        check_archive(archive, _limit(path))
        return stack.enter_context(archive.open(_member(archive, path, members)))
    if path.suffix.lower() == ".gz" and start:
        raise gzip.BadGzipFile("it does not begin like a gzip file")
    return raw


def _refuse_tar(path: Path) -> None:
    if path.name.lower().endswith((".tar.gz", ".tgz")):
        raise DataError(f"{path} is a tar archive; unpack it (tar xzf) and name the CSV file inside")


def _member(archive: zipfile.ZipFile, path: Path, members: Sequence[str]) -> str:
    """Choose the CSV in a zip: the only one, or the one of a known name."""
    names = [name for name in archive.namelist() if name.lower().endswith(".csv") and "__MACOSX" not in name]
    known = [name for name in names if PurePosixPath(name).name.lower() in members]
    for choice in (known, names):
        if len(choice) == 1:
            return choice[0]
    found = ", ".join(names) if names else "none"
    raise DataError(
        f"{path} must hold one CSV file{' or one named ' + ' or '.join(members) if members else ''}; "
        f"CSV files found: {found}; unpack it and name the file"
    )


def _limit(path: Path) -> int:
    """Return the bytes that a file may unpack to."""
    return max(MOST_UNPACKED * _size(path), _ALWAYS_UNPACKED)


def _size(path: Path) -> int:
    return path.stat().st_size
