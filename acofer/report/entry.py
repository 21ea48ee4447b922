"""A mapping of a result file, read value by value: files on disk are anybody's, so nothing is used unchecked."""

from __future__ import annotations

import math
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from acofer.errors import DataError

IntArray = NDArray[np.int64]
_LONGEST_SHOWN = 60
_LARGEST = 2**53
"""Whole numbers up to it are floats, too, and keep their last digit in JavaScript."""
_DEEPEST = 50
"""Levels down to which configurations are kept."""


class Entry:
    """Named values, each of which is checked when it is read.

    Parameters
    ----------
    content : object
        What should be a mapping.
    where : str
        What it is, for messages, e.g. ``"runs/a/result.json: row 3"``.

    Raises
    ------
    DataError
        Here, if `content` is no mapping; by every method, if the value is absent or not of its kind. A method whose
        name begins with ``maybe`` returns None where the value is absent or null.
    """

    def __init__(self, content: object, where: str) -> None:
        self.where = where
        if not isinstance(content, dict):
            self._complain(None, "named values", content)
        self.content: dict[str, Any] = content

    def _complain(self, name: str | None, expected: str, got: object) -> NoReturn:
        shown = repr(got) if isinstance(got, str | int | float | None) else f"another {type(got).__name__}"
        shown = shown if len(shown) <= _LONGEST_SHOWN else f"{shown[:_LONGEST_SHOWN]}..."
        place = self.where if name is None else f"{self.where}: {name}"
        raise DataError(f"{place}: expected {expected}; got {shown}; the file is damaged or foreign, repeat the run")

    def has(self, name: str) -> bool:
        """Whether there is such a value, and it is not null."""
        return self.content.get(name) is not None

    def text(self, name: str) -> str:
        value = self.content.get(name)
        if not isinstance(value, str):
            self._complain(name, "a text", value)
        return value

    def maybe_text(self, name: str) -> str | None:
        return self.text(name) if self.has(name) else None

    def word(self, name: str, known: tuple[str, ...]) -> str:
        """Return a text that is one of those `known`."""
        value = self.text(name)
        if value not in known:
            self._complain(name, f"one of {', '.join(known)}", value)
        return value

    def whole(self, name: str, least: int = 0) -> int:
        """Return a whole number of at least `least`."""
        value = self.content.get(name)
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= _LARGEST:
            self._complain(name, f"a whole number of at least {least}", value)
        return value

    def maybe_whole(self, name: str, least: int = 0) -> int | None:
        return self.whole(name, least) if self.has(name) else None

    def number(self, name: str, least: float = -math.inf, most: float = math.inf) -> float:
        """Return a finite number from `least` to `most`."""
        value = self.content.get(name)
        if not _is_number(value) or not least <= value <= most:  # type: ignore[operator]
            between = "" if (least, most) == (-math.inf, math.inf) else f" from {least:g} to {most:g}"
            self._complain(name, f"a number{between}", value)
        return float(value)  # type: ignore[arg-type]

    def maybe_number(self, name: str, least: float = -math.inf, most: float = math.inf) -> float | None:
        return self.number(name, least, most) if self.has(name) else None

    def inner(self, name: str) -> Entry:
        """Return the named values within."""
        return Entry(self.content.get(name), f"{self.where}: {name}")

    def maybe_inner(self, name: str) -> Entry | None:
        return self.inner(name) if self.has(name) else None

    def inners(self, name: str) -> list[Entry]:
        """Return a list of named values."""
        return [Entry(one, f"{self.where}: {name} {place}") for place, one in enumerate(self._list(name))]

    def texts(self, name: str) -> list[str]:
        """Return a list of texts."""
        values = self._list(name)
        if not all(isinstance(value, str) for value in values):
            self._complain(name, "a list of texts", values)
        return values

    def wholes(self, name: str, below: int, shape: tuple[int, ...] | None = None) -> IntArray:
        """Return whole numbers from 0 to ``below - 1``, in a list or in lists of lists."""
        found = self._list(name)
        try:
            values = np.asarray(found)
        except (ValueError, OverflowError):
            self._complain(name, "lists of the same length", found)
        if values.size == 0:
            values = values.astype(np.int64)
        is_right = values.dtype.kind in "iu" and (shape or values.shape[:1]) == values.shape
        if not is_right or (values.size and not 0 <= values.min() <= values.max() < below):
            of = "" if shape is None else f" of shape {shape}"
            self._complain(name, f"whole numbers{of} from 0 to {below - 1}", found)
        return values.astype(np.int64)

    def numbers(self, name: str, width: int, unknown: tuple[int, ...] = ()) -> list[list[Any]]:
        """Return rows of `width` numbers or truth values; those at places that may be `unknown` may be null."""
        rows = self._list(name)
        for row in rows:
            is_row = isinstance(row, list) and len(row) == width
            if not is_row or not all(_is_entry(v, place in unknown) for place, v in enumerate(row)):
                self._complain(name, f"rows of {width} numbers", rows)
        return rows

    def plain(self, name: str) -> dict[str, Any]:
        """Return named values as they are, with None for what JSON does not know; none where they are absent."""
        return _plain(self.inner(name).content) if self.has(name) else {}

    def _list(self, name: str) -> list[Any]:
        value = self.content.get(name)
        if not isinstance(value, list):
            self._complain(name, "a list", value)
        return value


def _is_entry(value: object, may_be_unknown: bool) -> bool:
    return isinstance(value, bool) or _is_number(value) or (may_be_unknown and value is None)


def _is_number(value: object) -> bool:
    try:
        return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    except OverflowError:  # a whole number beyond any float
        return False


def _plain(value: Any, depth: int = 0) -> Any:
    if depth > _DEEPEST:
        return None
    if isinstance(value, dict):
        return {str(name): _plain(one, depth + 1) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one, depth + 1) for one in value]
    if isinstance(value, str | bool) or _is_number(value):
        return value
    return None
