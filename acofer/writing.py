"""Files are written beside their place and renamed: what stands there is whole, whatever happens."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from acofer.errors import StoreError

_PART = ".part"


@contextmanager
def written_beside(place: Path, what: str) -> Iterator[Path]:
    """Yield a path beside `place` to write to; it takes its place when the block ends well, else it is removed.

    Parameters
    ----------
    place : Path
        Its folder is made where it is absent.
    what : str
        What is written, for the message.

    Raises
    ------
    StoreError
        Where it cannot be written, e.g. because the disk is full.
    """
    beside = place.with_name(f".{place.name}.{os.getpid()}{_PART}")
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        yield beside
        sync(beside)
        beside.replace(place)
        sync(place.parent)
    except OSError as error:
        raise StoreError(
            f"{what} cannot be written to {str(place)!r}: {error.strerror or error}; "
            "make room, or choose another folder"
        ) from error
    finally:
        with suppress(OSError):  # gone already where all went well
            beside.unlink()


def remove_parts(folder: Path) -> None:
    """Remove what killed writers have left in a folder, and in those below it, to which nobody else writes now."""
    for part in folder.rglob(f".*{_PART}"):
        with suppress(OSError):
            part.unlink()


def sync(place: Path) -> None:
    """Bring a file, or a folder's list of names, to the disk: a rename may outlive a power cut, its content not.

    Where a system has no such thing (folders on Windows, some network disks) nothing is done.
    """
    with suppress(PermissionError, NotImplementedError):
        descriptor = os.open(place, os.O_RDONLY)
        try:
            with suppress(OSError):
                os.fsync(descriptor)
        finally:
            os.close(descriptor)
