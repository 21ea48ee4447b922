"""What reaches a terminal: texts as they are, whatever they hold, and nothing that would steer the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

_LONGEST_LINE = 2_000


def plain_console(**options: Any) -> Console:
    """Return a console to which ``[red]`` and ``:smile:`` are texts: names of classes and files are anybody's."""
    from rich.console import Console

    return Console(highlight=False, markup=False, emoji=False, **options)


def printable(text: str) -> str:
    """Return a text with escapes for what cannot be printed, e.g. the sequences that set colours or titles."""
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)


def in_one_line(message: object) -> str:
    """Return a message as one printable line of bearable length."""
    line = printable(" ".join(str(message).split()))
    return line if len(line) <= _LONGEST_LINE else f"{line[:_LONGEST_LINE]}..."
