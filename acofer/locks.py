"""One writer at a time: locks on folders, which the system lets go of when their holder dies."""

from __future__ import annotations

import json
import os
import platform
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from acofer.errors import StoreError
from acofer.reading import read_json
from acofer.writing import written_beside

LOCK, HOLDER = ".lock", ".holder.json"
_ASK_AGAIN = 0.5
"""Seconds after which a waiting process asks again whether a lock is free."""


@contextmanager
def locked(folder: Path, name: str = "", *, on_wait: Callable[[str], None] | None = None) -> Iterator[None]:
    """Hold a folder, or what `name` means in it, alone among all processes that ask.

    Where the file system has no locks a warning says so, and nothing is held: files are whole even then, since they are
    written beside their place.

    Parameters
    ----------
    folder : Path
        It is there.
    name : str
        What is held in the folder, where that is not all of it; part of a file's name.
    on_wait : callable, optional
        Where another process holds it: told who, and it is waited for. Without, that is an error.

    Raises
    ------
    StoreError
        Where another process holds it, and nobody wants to wait.
    """
    lock, holder = folder / f"{LOCK}{name}", folder / f"{HOLDER}{name}"
    own = _acquired(lock, holder, on_wait)
    if own is None:
        yield
        return
    try:
        with suppress(StoreError), written_beside(holder, "who holds the lock") as beside:
            beside.write_text(json.dumps(_this_process()), encoding="utf-8")
        yield
    finally:
        for path in (holder, lock):  # while it is held: whoever comes next makes a file of his own
            with suppress(OSError):
                path.unlink()
        own.release()


def _acquired(lock: Path, holder: Path, on_wait: Callable[[str], None] | None) -> Any:
    """Return the library's lock, or None where the file system has none."""
    from filelock import FileLock, Timeout

    own = FileLock(str(lock))
    wait = 0.0
    while True:
        try:
            own.acquire(timeout=wait, poll_interval=_ASK_AGAIN)
        except Timeout:
            if on_wait is None:
                raise StoreError(
                    f"{lock.parent} is being written to by {_who(holder)}; wait until it is done, or name another "
                    "folder"
                ) from None
            on_wait(_who(holder))
            wait = -1.0
        except (OSError, NotImplementedError) as error:
            warnings.warn(f"{lock.parent} cannot be locked ({error}); let no second process write there", stacklevel=4)
            return None
        else:
            if lock.exists():
                return own
            own.release()  # it was let go of, and removed, between our opening and our locking it


def _this_process() -> dict[str, Any]:
    return {"process": os.getpid(), "host": platform.node(), "since": time.strftime("%Y-%m-%d %H:%M")}


def _who(holder: Path) -> str:
    """Say who holds a lock, as far as that is known."""
    try:
        known = read_json(holder)
        host, since = (_printable(str(known[name])[:99]) for name in ("host", "since"))
        return f"another acofer (process {known['process']:d} on {host}, since {since})"
    except (OSError, ValueError, KeyError, TypeError):
        return "another acofer"


def _printable(text: str) -> str:
    """Return a text without what no terminal takes, or takes for a command."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)
