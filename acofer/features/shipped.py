"""The embeddings that come with the package: read only, and compressed.

An entry is ``<key>/about.json`` and ``<key>/values.npz``. After a rectified
layer most values are zero, and the two bytes of a float16 have little in
common; so the values, feature by feature, lie in three arrays of uint8 that
compress well apart:

``nonzero``
    one bit a value, packed along the pictures, ``(n_features, ceil(n / 8))``;
``high``, ``low``
    the high bytes (sign, exponent, first two bits) and the low bytes of the
    values that are not zero, ``(n_nonzero,)``.

Nothing is lost. For the embedded pictures (3,500 x 5,120, 36 MB) that took
7.9 MB; the two bytes of all values in two planes took 12.2 MB.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from acofer.archives import read_arrays
from acofer.features.entry import (
    FURTHER_KEY_FIELDS,
    KEY_FIELDS,
    DamagedEntryError,
    Entry,
    block_checksums,
    check_sound,
    describe,
    entry_places,
    key_of,
    read_about,
    without_checksums,
    write_about,
)

SHIPPED_FOLDER = Path(__file__).parents[1] / "data" / "embedded" / "embeddings"
PLANES = "values.npz"
_HEADERS = 1 << 10


def shipped_places() -> list[Path]:
    """Return the folders of the shipped entries."""
    return entry_places(SHIPPED_FOLDER)


def open_shipped(key: str) -> Entry | None:
    """Open a shipped entry in memory; None where there is none.

    Raises
    ------
    DamagedEntryError
        Where it is damaged: the package must be installed again.
    """
    place = SHIPPED_FOLDER / key
    if not place.is_dir():
        return None
    about = _read_about(place)
    try:
        values = _join(place / PLANES, tuple(about["values"]["shape"]))
        check_sound(values, about["values"])
    except (OSError, KeyError, ValueError, TypeError, IndexError, DamagedEntryError) as error:
        raise DamagedEntryError(f"{place / PLANES} is damaged ({error}); install acofer again") from error
    return Entry(key, values, without_checksums(about))


def open_stand_in(stands_for: str, fields: Mapping[str, Any]) -> Entry | None:
    """Open the shipped entry that stands for some weights.

    Parameters
    ----------
    stands_for : str
        What the entry says that its weights stand for, e.g. ``"imagenet"``.
    fields : mapping
        The fields of the key, less the digest of the weights; all must agree.

    Returns
    -------
    Entry or None
    """
    names = [name for name in (*KEY_FIELDS, *FURTHER_KEY_FIELDS) if name != "weights_digest"]
    for place in shipped_places():
        about = _read_about(place)
        if about.get("stands_for") == stands_for and all(about.get(name) == fields.get(name) for name in names):
            return open_shipped(place.name)
    return None


def write_shipped(values: NDArray[np.float16], about: Mapping[str, Any], folder: Path) -> Path:
    """Write a shipped entry; a maker's tool, not used at run time.

    Parameters
    ----------
    values : ndarray of float16, shape (n, n_features)
    about : mapping
        With the `KEY_FIELDS`.
    folder : path
        The folder of shipped entries.

    Returns
    -------
    Path
        The entry's folder.
    """
    import shutil
    import tempfile

    key = key_of(about)
    plain = np.ascontiguousarray(values, dtype="<f2")
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".writing-") as beside:
        place = Path(beside) / key
        place.mkdir()
        np.savez_compressed(place / PLANES, **_split(plain))  # type: ignore[arg-type]
        write_about(place, key, dict(about, values=describe(plain.shape, block_checksums(plain))))
        shutil.rmtree(folder / key, ignore_errors=True)
        place.rename(folder / key)
    return folder / key


def _read_about(place: Path) -> dict[str, Any]:
    try:
        return read_about(place, place.name)
    except DamagedEntryError as error:
        raise DamagedEntryError(f"{place} is damaged ({error}); install acofer again") from error


def _split(values: NDArray[np.float16]) -> dict[str, NDArray[np.uint8]]:
    raw = np.ascontiguousarray(values.T, dtype="<f2").view("<u2")
    used = raw[raw != 0]
    return {
        "nonzero": np.packbits(raw != 0, axis=1),
        "high": (used >> 8).astype(np.uint8),
        "low": (used & 0xFF).astype(np.uint8),
    }


def _join(path: Path, shape: tuple[int, int]) -> NDArray[np.float16]:
    planes = read_arrays(path, unpacked=3 * shape[0] * shape[1] + _HEADERS)
    nonzero = np.unpackbits(planes["nonzero"], axis=1, count=shape[0]).view(bool)
    used = planes["high"].astype("<u2") << 8 | planes["low"]
    raw = np.zeros((shape[1], shape[0]), "<u2")
    raw[nonzero] = used
    values = np.ascontiguousarray(raw.T).view("<f2")
    values.flags.writeable = False
    return values
