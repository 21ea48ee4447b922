"""Files are read as if a stranger had written them: no pipe is waited for, nothing nests without end."""

from __future__ import annotations

import json
import os
import stat
import tomllib
from os import PathLike
from pathlib import Path
from typing import IO, Any

from acofer.errors import DataError

LONGEST_TOML = 1 << 18
"""Bytes. Configurations have 5,000, plans 3,000."""
MOST_DOTS = 500
"""In a line of TOML. Python's parser takes time with the square of a key's dots: 24 s for 32,000."""
_LONGEST_REASON = 160


class UnreadableError(DataError):
    """Why a file cannot be read, in a few words; who asked for it says what was expected and what to do."""


def open_plain(path: str | PathLike[str]) -> IO[bytes]:
    """Open a file; one that is a pipe, a device or a socket would let its reader wait for ever.

    Raises
    ------
    OSError
        Where there is none, or it may not be read.
    UnreadableError
        Where it is no plain file.
    """
    mode = os.stat(path).st_mode  # noqa: PTH116 - of any path, and links are followed
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):  # of a folder, open itself complains
        raise UnreadableError("it is no plain file but a pipe, a device or a socket")
    return Path(path).open("rb")


def read_json(path: str | PathLike[str]) -> Any:
    """Read a JSON file.

    Raises
    ------
    OSError, UnreadableError
    """
    with open_plain(path) as file:
        content = file.read()
    return parse_json(content)


def parse_json(content: bytes) -> Any:
    """Parse JSON; it may hold infinities and NaN, as Python writes them.

    Raises
    ------
    UnreadableError
    """
    try:
        return json.loads(content.decode("utf-8"))
    except RecursionError:
        raise UnreadableError("it is nested too deep") from None
    except ValueError as error:  # JSONDecodeError, bytes that are no text, and numbers of more digits than Python reads
        raise UnreadableError(in_few_words(error)) from None


def read_toml(path: str | PathLike[str]) -> tuple[dict[str, Any], str]:
    """Return what a TOML file says, and its text; it may be a pipe, since the user has named it.

    Raises
    ------
    OSError, UnreadableError
    """
    with Path(path).open("rb") as file:
        content = file.read(LONGEST_TOML + 1)
    if len(content) > LONGEST_TOML:
        raise UnreadableError(f"it has more than {LONGEST_TOML:,} bytes")
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise UnreadableError(in_few_words(error)) from None
    return parse_toml(text), text


def parse_toml(text: str) -> dict[str, Any]:
    """Parse TOML.

    Raises
    ------
    UnreadableError
    """
    if any(line.count(".") > MOST_DOTS for line in text.split("\n")):
        raise UnreadableError(f"a line has more than {MOST_DOTS} dots")
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise UnreadableError("it is nested too deep") from None
    except ValueError as error:  # TOMLDecodeError, impossible dates, and numbers of more digits than Python reads
        raise UnreadableError(in_few_words(error)) from None


def in_few_words(error: BaseException) -> str:
    """Return what an error says as one short line."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= _LONGEST_REASON else f"{text[:_LONGEST_REASON]}..."
