"""What was found: one thing, how it is, and what to do about it."""

from __future__ import annotations

import shlex
import shutil
import sys
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

OK, WARN, MISSING, TOO_OLD, BROKEN = MARKS = ("ok", "warn", "missing", "too old", "broken")


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes
    ----------
    name : str
        Of the thing, in a word or two.
    mark : str
        One of `MARKS`.
    said : str
        How it is, in one line.
    advice : str or None
        What to do, in words.
    command : str or None
        What to do, as lines to copy.
    is_vital : bool
        Whether acofer's core needs it.
    facts : dict
        The same for machines.
    """

    name: str
    mark: str
    said: str
    advice: str | None = None
    command: str | None = None
    is_vital: bool = False
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def stops_the_core(self) -> bool:
        """Whether the core cannot work for this."""
        return self.is_vital and self.mark not in (OK, WARN)


@dataclass(frozen=True)
class Section:
    """Findings that stand together."""

    title: str
    findings: tuple[Finding, ...]
    is_own_fault: bool = False
    """Whether looking failed for a reason of acofer's."""

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain data."""
        return asdict(self)


def works(sections: Iterable[Section]) -> bool:
    """Whether acofer's core works, by what was found."""
    return not any(finding.stops_the_core for section in sections for finding in section.findings)


def pip_line(*arguments: str) -> str:
    """Return the line that has pip install these into the environment that runs acofer, whichever is active."""
    names = ("python", Path(sys.executable).name)
    python = next((name for name in names if shutil.which(name) == sys.executable), shlex.quote(sys.executable))
    # Environments that uv makes hold no pip.
    pip = f"{python} -m pip install" if find_spec("pip") else f"uv pip install --python {python}"
    return " ".join([pip, *map(shlex.quote, arguments)])


def one_line(error: BaseException, longest: int = 200) -> str:
    """Return an error's first cause in one line: those above say only that something could not be imported."""
    while error.__cause__ is not None:
        error = error.__cause__
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}"[:longest] if text else type(error).__name__


def size_text(n_bytes: int) -> str:
    """Return a number of bytes for people."""
    return f"{n_bytes / 1e9:,.1f} GB" if n_bytes >= 1e9 else f"{n_bytes / 1e6:,.1f} MB"


def count_text(n: int, thing: str, things: str | None = None) -> str:
    """Return ``1 entry`` or ``2 entries``."""
    return f"{n:,} {thing if n == 1 else things or thing + 's'}"
