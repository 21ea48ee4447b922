"""The errors that acofer raises on purpose.

Each is also a builtin kind, so that callers may catch either. A message says
what was expected, what came, and what to do.

::

    AcoferError
    ├── InputError (ValueError)           what the user gave cannot be used
    │   ├── DataError                     pictures, labels, splits
    │   └── ConfigError                   options, configuration files
    ├── MissingFileError (FileNotFoundError)
    ├── MissingExtraError (ImportError)   an optional dependency is absent
    ├── StoreError (OSError)              a folder or file cannot be written or read
    ├── WorkerError (RuntimeError)        workers died, or there are none
    └── LeakageError (RuntimeError)       rows would cross from test or validation into training
"""

from __future__ import annotations

import difflib
import reprlib
from collections.abc import Iterable


class AcoferError(Exception):
    """Base of every error that acofer raises on purpose."""


class InputError(AcoferError, ValueError):
    """What the user gave cannot be used."""


class DataError(InputError):
    """Pictures, labels or splits are not what they should be."""


class ConfigError(InputError):
    """An option or a configuration file is wrong."""


class MissingFileError(AcoferError, FileNotFoundError):
    """A file or folder that was named does not exist."""


class MissingExtraError(AcoferError, ImportError):
    """An optional dependency is not installed."""

    @classmethod
    def of(cls, package: str, extra: str, purpose: str) -> MissingExtraError:
        """Say which extra brings `package`, and what it is needed for."""
        return cls(f"{purpose} needs {package}, which is not installed; install it with: pip install 'acofer[{extra}]'")


class StoreError(AcoferError, OSError):
    """A folder or file cannot be written or read."""


class WorkerError(AcoferError, RuntimeError):
    """Workers died again and again, or there are none."""


class LeakageError(AcoferError, RuntimeError):
    """Rows would cross from the test or validation part into training."""


_LONGEST_NAME = 200
"""Letters of a name that others are compared with: comparing takes time with the square of them."""
_SHORT = reprlib.Repr()
_SHORT.maxlevel, _SHORT.maxlist, _SHORT.maxdict, _SHORT.maxtuple = 3, 12, 6, 12
_SHORT.maxstring = _SHORT.maxlong = _SHORT.maxother = 100


def shown(value: object) -> str:
    """Return a value as messages show it: its `repr`, cut where it is long."""
    try:
        return _SHORT.repr(value)
    except ValueError:  # a number of more digits than Python writes
        return f"a {type(value).__name__} of too many digits"


def demand(name: str, value: object, expected: str, holds: bool) -> None:
    """Raise ConfigError, with what was expected and what came, unless it `holds`."""
    if not holds:
        raise ConfigError(f"{name}: expected {expected}; got {shown(value)}")


def nearest(name: object, known: Iterable[str]) -> str:
    """Return a hint that names the known word nearest to `name`, whatever that is, or lists them all."""
    words = sorted(known)
    word = name if isinstance(name, str) else shown(name)
    close = difflib.get_close_matches(word[:_LONGEST_NAME], words, n=1, cutoff=0.5)
    return f"did you mean {close[0]!r}?" if close else f"known: {', '.join(words)}"
