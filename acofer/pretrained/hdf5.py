"""What is looked at in a file of weights before Keras reads it: where its numbers lie, and how many there are."""

from __future__ import annotations

from pathlib import Path
from typing import IO, Any

from acofer.reading import UnreadableError

_HEADERS = 1 << 20
"""Bytes by which numbers may outgrow their file: nothing that acofer or Keras writes does."""


def check_datasets(file: Path | IO[bytes], size: int) -> None:
    """Refuse HDF5 whose numbers lie in other files, or are said to be more than fit into `size` bytes.

    Keras would follow a link to any file, and would ask for the memory of whatever size a dataset claims to have.

    Raises
    ------
    UnreadableError
        The message says where, within the file.
    OSError, RuntimeError, KeyError, ValueError
        By h5py, where the file is damaged.
    """
    import h5py

    with h5py.File(file, "r") as root:
        waiting, seen, n_bytes = [root], set(), 0
        while waiting:
            group = waiting.pop()
            place = h5py.h5o.get_info(group.id).addr
            if place in seen:
                continue
            seen.add(place)
            for name in group:
                part = _within(group, name)
                if isinstance(part, h5py.Group):
                    waiting.append(part)
                n_bytes += getattr(part, "nbytes", 0)
        if n_bytes > size + _HEADERS:
            raise UnreadableError(f"its numbers are said to take {n_bytes:,} bytes, and the file has {size:,}")


def _within(group: Any, name: str) -> Any:
    """Return a group's part, which must lie in the same file."""
    import h5py

    if not isinstance(group.get(name, getlink=True), h5py.HardLink):
        raise UnreadableError(f"{group.name}/{name} is a link")
    part = group[name]
    if isinstance(part, h5py.Dataset) and (part.external or part.is_virtual):
        raise UnreadableError(f"the numbers of {part.name} lie in another file")
    return part
