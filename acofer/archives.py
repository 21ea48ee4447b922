"""Zips that anybody may have packed, and the arrays in them.

No archive unpacks to more than it may, no array claims more than its archive holds, and nothing that is read can run:
arrays are read without NumPy's own reader, which evaluates headers and knows pickles.
"""

from __future__ import annotations

import math
import os
import re
import struct
import zipfile
import zlib
from dataclasses import dataclass
from os import PathLike
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from acofer.reading import UnreadableError, in_few_words, open_plain

DAMAGES = (
    *(zipfile.BadZipFile, zlib.error, struct.error, EOFError, ValueError, OverflowError, MemoryError),
    *(RuntimeError, LookupError),  # NotImplementedError and RecursionError, KeyError and IndexError
)
"""What `zipfile` and others raise on damaged bytes, beside OSError."""
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_ENCRYPTED = 1
_MAGIC = b"\x93NUMPY\x01\x00"
_HEADER = re.compile(
    rb"\{'descr': '([<>|=][biufU]\d{1,9})', 'fortran_order': (True|False), "
    rb"'shape': \(((?:\d{1,18}, ?){0,64}(?:\d{1,18})?)\), \} *\n"
)
"""What NumPy writes of arrays of numbers and of texts; objects, records and dates are nothing that acofer keeps."""


@dataclass(frozen=True)
class ArrayHeader:
    """What the header of an array in NumPy's format says.

    Attributes
    ----------
    dtype : numpy.dtype
    shape : tuple of int
    order : {"C", "F"}
    length : int
        Bytes of the header.
    """

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    order: Literal["C", "F"]
    length: int

    @classmethod
    def read(cls, content: bytes) -> ArrayHeader:
        """Read the header at the beginning of some bytes.

        Raises
        ------
        UnreadableError
            Where it is none, or the array holds anything but numbers or texts.
        """
        start = len(_MAGIC) + 2
        length = start + int.from_bytes(content[len(_MAGIC) : start], "little")
        said = _HEADER.fullmatch(content[start:length]) if content.startswith(_MAGIC) else None
        if said is None:
            raise UnreadableError("it holds something else than plain arrays of numbers or texts")
        descr, is_fortran, shape = (part.decode() for part in said.groups())
        try:
            dtype = np.dtype(descr)
        except TypeError:
            raise UnreadableError(f"NumPy knows no values of kind {descr}") from None
        sides = tuple(int(side) for side in shape.split(",") if side.strip())
        return cls(dtype, sides, "F" if is_fortran == "True" else "C", length)

    @property
    def nbytes(self) -> int:
        """Bytes of the array."""
        return math.prod(self.shape) * self.dtype.itemsize

    @property
    def is_endless(self) -> bool:
        """Whether its values take no room, as texts of no letters: any number of them would fit."""
        return not self.dtype.itemsize and bool(math.prod(self.shape))


def read_arrays(path: str | PathLike[str], *, unpacked: int | None = None) -> dict[str, NDArray[Any]]:
    """Read the arrays of a file that `numpy.savez` wrote; they are read only.

    Parameters
    ----------
    path : path
    unpacked : int, optional
        Bytes that it may unpack to. By default those of the file: `numpy.savez` packs nothing.

    Raises
    ------
    OSError
        Where there is no such file, or it may not be read.
    UnreadableError
        Where it is damaged, or holds anything but plain arrays.
    """
    with open_plain(path) as file:
        size = os.fstat(file.fileno()).st_size
        try:
            with zipfile.ZipFile(file) as archive:
                check_archive(archive, size if unpacked is None else unpacked)
                return {info.filename.removesuffix(".npy"): _array(archive.read(info)) for info in archive.infolist()}
        except UnreadableError:
            raise
        except (*DAMAGES, OSError) as error:  # OSError where a member is said to begin before the file does
            raise UnreadableError(in_few_words(error)) from None


def check_archive(archive: zipfile.ZipFile, at_most: int) -> None:
    """Refuse a zip that unpacks to more than so many bytes, or is packed as acofer packs none.

    Raises
    ------
    UnreadableError
    """
    members = archive.infolist()
    if any(info.compress_type not in _METHODS or info.flag_bits & _ENCRYPTED for info in members):
        raise UnreadableError("it is packed by another method, or has a password")
    size = sum(info.file_size for info in members)
    if size > at_most:
        raise UnreadableError(f"it unpacks to {size:,} bytes, more than {at_most:,}")


def _array(content: bytes) -> NDArray[Any]:
    header = ArrayHeader.read(content)
    if header.is_endless or header.nbytes != len(content) - header.length:
        raise UnreadableError("an array has other bytes than its header says")
    return np.ndarray(header.shape, header.dtype, content, header.length, order=header.order)
