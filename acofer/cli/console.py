"""What reaches a terminal: texts as they are, whatever they hold, and nothing that would steer the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

_LONGEST_LINE = 2_000
_LOG_WIDTH = 140
"""Columns where there is no terminal that says how many it has: the longest names fit."""


def plain_console(**options: Any) -> Console:
    """Return a console to which ``[red]`` and ``:smile:`` are texts: names of classes and files are anybody's."""
    from rich.console import Console

    return Console(highlight=False, markup=False, emoji=False, **options)


def wide_console() -> Console:
    """Return a plain console for tables of many columns, which a log or a pipe need not break."""
    console = plain_console()
    return console if console.is_terminal else plain_console(width=_LOG_WIDTH)


def printable(text: str) -> str:
    """Return a text with escapes for what cannot be printed, e.g. the sequences that set colours or titles."""
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)


def in_one_line(message: object) -> str:
    """Return a message as one printable line of bearable length."""
    line = printable(" ".join(str(message).split()))
    return line if len(line) <= _LONGEST_LINE else f"{line[:_LONGEST_LINE]}..."
