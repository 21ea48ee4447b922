"""One entry of the store as it lies on disk: its JSON, its values, and the checks of both."""

from __future__ import annotations

import hashlib
import io
import json
import re
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from acofer.archives import ArrayHeader
from acofer.errors import StoreError
from acofer.reading import in_few_words, open_plain, read_json

KEY_FIELDS = ("pictures_digest", "weights_digest", "backbone", "image_size", "pooling", "preprocessing")
FURTHER_KEY_FIELDS = ("layer", "mirror")
"""They stand in the JSON, and count, only where they are not as ever: another layer than the network's last, and
another treatment than none. So keys are what they were before there was a choice."""
KEY_PATTERN = re.compile("[0-9a-f]{32}")
ABOUT, VALUES = "about.json", "values.npy"
FORMAT = 1
BLOCK = 4 << 20
"""Bytes a checksum stands for."""
_LONGEST_HEADER = 1 << 10
SAMPLED_BLOCKS = 64
"""How many blocks, evenly spread, are checked where not all are."""


class DamagedEntryError(StoreError):
    """An entry is half-written, cut or altered; it must be made again."""


def key_of(about: Mapping[str, Any]) -> str:
    """Return the key of an entry: the first 32 hexadecimal digits of SHA-256 of the canonical JSON of its key fields.

    They are the `KEY_FIELDS`, and those of the `FURTHER_KEY_FIELDS` that there are.
    """
    fields = {name: about[name] for name in KEY_FIELDS}
    fields |= {name: about[name] for name in FURTHER_KEY_FIELDS if name in about}
    return _digest(json.dumps(fields, sort_keys=True, separators=(",", ":")))


def joint_key(keys: Sequence[str]) -> str:
    """Return one key for several entries side by side; of one entry, its own."""
    return keys[0] if len(keys) == 1 else _digest(",".join(keys))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def entry_places(folder: Path) -> list[Path]:
    """Return the folders of the entries in a store.

    Only names that look like a key count: whoever points the store at a
    folder of his own must not find it emptied after pruning.
    """
    if not folder.is_dir():
        return []
    return sorted(place for place in folder.iterdir() if KEY_PATTERN.fullmatch(place.name) and place.is_dir())


@dataclass(frozen=True)
class Entry:
    """One entry that was opened.

    Attributes
    ----------
    key : str
        Its key.
    values : ndarray of float16, shape (n, n_features)
        Read only; memory-mapped where it lies in the user's folder.
    about : dict
        What the JSON says, without the checksums.
    """

    key: str
    values: NDArray[np.float16]
    about: dict[str, Any]


class BlockChecksums:
    """CRC-32 of each block of `BLOCK` bytes in a stream of bytes."""

    def __init__(self) -> None:
        self._done: list[int] = []
        self._current, self._filled = 0, 0

    def add(self, data: memoryview) -> None:
        start = 0
        while start < len(data):
            piece = data[start : start + BLOCK - self._filled]
            self._current = zlib.crc32(piece, self._current)
            self._filled += len(piece)
            start += len(piece)
            if self._filled == BLOCK:
                self._done.append(self._current)
                self._current, self._filled = 0, 0

    def finish(self) -> list[int]:
        return [*self._done, self._current] if self._filled else list(self._done)


def block_checksums(values: NDArray[np.float16]) -> list[int]:
    """Return the CRC-32 of each block of `BLOCK` bytes of a C-ordered array."""
    checksums = BlockChecksums()
    checksums.add(_bytes_of(values))
    return checksums.finish()


def _bytes_of(values: NDArray[np.float16]) -> memoryview:
    # Buffers know no little-endian float16 on every platform; they all know bytes.
    return memoryview(values.reshape(-1).view(np.uint8).data)


def describe(shape: tuple[int, int], crc32: list[int]) -> dict[str, Any]:
    """Return what the JSON says of the values themselves."""
    return {"shape": list(shape), "dtype": "<f2", "bytes": shape[0] * shape[1] * 2, "block": BLOCK, "crc32": crc32}


def write_about(place: Path, key: str, about: Mapping[str, Any]) -> None:
    """Write the JSON of an entry."""
    text = json.dumps({"format": FORMAT, "key": key, **about}, indent=1, sort_keys=True, ensure_ascii=False)
    (place / ABOUT).write_text(text + "\n", encoding="utf-8")


def read_about(place: Path, key: str) -> dict[str, Any]:
    """Read the JSON of an entry and check that it belongs to the key.

    Raises
    ------
    DamagedEntryError
        Where it cannot be read or speaks of something else.
    """
    try:
        about = read_json(place / ABOUT)
        belongs = about["format"] == FORMAT and key_of(about) == key and about["values"]["block"] == BLOCK
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DamagedEntryError(f"{ABOUT} cannot be read: {in_few_words(error)}") from error
    if not belongs:
        raise DamagedEntryError(f"{ABOUT} belongs to another key or format")
    return about


def without_checksums(about: Mapping[str, Any]) -> dict[str, Any]:
    """Return what an entry is and its shape, less what only the store needs."""
    kept = {name: value for name, value in about.items() if name not in ("values", "format")}
    return kept | {"shape": about.get("values", {}).get("shape")}


def check_sound(values: NDArray[np.float16], described: Mapping[str, Any]) -> None:
    """Check an array in memory against its description, whole.

    Raises
    ------
    DamagedEntryError
        Where they differ.
    """
    if list(values.shape) != described["shape"] or block_checksums(values) != described["crc32"]:
        raise DamagedEntryError("the values are not those that were written")


def npy_header(shape: tuple[int, int]) -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {"descr": "<f2", "fortran_order": False, "shape": shape})
    return buffer.getvalue()


def map_values(path: Path, described: Mapping[str, Any]) -> NDArray[np.float16]:
    with open_plain(path) as file:
        header = ArrayHeader.read(file.read(_LONGEST_HEADER))
    if list(header.shape) != described["shape"] or header.dtype != np.dtype("<f2") or header.order != "C":
        raise DamagedEntryError(f"{VALUES} holds {header.dtype} of shape {header.shape}")
    size, expected = path.stat().st_size, header.length + header.nbytes
    if size != expected:
        raise DamagedEntryError(f"{VALUES} has {size:,} of {expected:,} bytes")
    return np.memmap(path, header.dtype, "r", header.length, header.shape)


def check_blocks(values: NDArray[np.float16], crc32: list[int], *, everything: bool) -> None:
    data = _bytes_of(values)
    n_blocks = -(-len(data) // BLOCK)
    if n_blocks != len(crc32):
        raise DamagedEntryError(f"{len(crc32)} checksums for {n_blocks} blocks")
    wanted = n_blocks if everything else min(n_blocks, SAMPLED_BLOCKS)
    for block in np.unique(np.linspace(0, n_blocks - 1, wanted).round().astype(int)):
        if zlib.crc32(data[block * BLOCK : (block + 1) * BLOCK]) != crc32[block]:
            raise DamagedEntryError(f"block {block} of {VALUES} is not what was written")
