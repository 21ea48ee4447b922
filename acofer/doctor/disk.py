"""Whether a folder can be written, and how much room is left there."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import zipfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from acofer.reading import open_plain


@dataclass(frozen=True)
class Place:
    """A folder on a disk.

    Attributes
    ----------
    folder : Path
    exists : bool
    fault : str or None
        Why it cannot be written, or not be made.
    free : int or None
        Bytes that are left on its disk.
    """

    folder: Path
    exists: bool
    fault: str | None
    free: int | None

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain data."""
        return asdict(self) | {"folder": str(self.folder)}


def place_at(folder: Path) -> Place:
    """Try to write a temporary file to a folder, or to what stands where it would be made; nothing is left there."""
    above = (folder, *folder.absolute().parents)
    # Path.exists raises where a folder may not be looked into.
    ground = next((place for place in above if os.path.exists(place)), folder)  # noqa: PTH110
    try:
        # On Linux the file never has a name, so that not even a killed process leaves it behind.
        with tempfile.TemporaryFile(dir=ground) as file:
            file.write(b"acofer")
            file.flush()
        fault = None
    except OSError as error:
        fault = error.strerror or str(error)
    try:
        free = shutil.disk_usage(ground).free
    except OSError:
        free = None
    return Place(folder, folder.is_dir(), fault, free)


def sizes_of(paths: list[Path]) -> int:
    """Return the bytes of files, of folders those of all files in them; what goes meanwhile counts nothing."""
    total = 0
    for path in paths:
        try:
            total += sizes_of(list(path.iterdir())) if path.is_dir() else path.stat().st_size
        except OSError:
            continue
    return total


def is_sound_zip(path: Path, *, everything: bool) -> bool:
    """Whether a zip file (``.npz``, too) is there and was written to its end; with `everything`, byte by byte."""
    from acofer.archives import DAMAGES, check_archive  # needs numpy, which may be what is missing

    try:
        with open_plain(path) as file, zipfile.ZipFile(file) as archive:
            check_archive(archive, sys.maxsize)  # what acofer would not read is not sound
            return not everything or archive.testzip() is None
    except (*DAMAGES, OSError):  # UnreadableError, of a pipe, is one of them
        return False
