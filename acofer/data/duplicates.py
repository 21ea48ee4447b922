"""Exact and near copies among pictures.

An exact copy has the same digest: the same shape and pixels. A near copy looks
the same: its difference hash is close *and* its thumbnail correlates. The hash
alone is a net with wide meshes, because aligned faces resemble each other in
their coarse structure; the thumbnail confirms what the hash proposes.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from itertools import combinations, count

import numpy as np
from numpy.typing import NDArray

from acofer.errors import ConfigError
from acofer.records import PART_NAMES, Pictures, Progress

Groups = list[NDArray[np.int64]]
"""Each group is an array of at least two row numbers, sorted; groups are ordered by their first row."""

HASH_HEIGHT, HASH_WIDTH = 8, 9
THUMBNAIL = 16
LARGEST_DISTANCE = 15
READ_AT_ONCE = 256


def exact_groups(digests: NDArray[np.bytes_]) -> Groups:
    """Group the rows whose pictures are pixel-identical.

    Parameters
    ----------
    digests : ndarray of S32, shape (n,)
        `Pictures.digests`.

    Returns
    -------
    list of ndarray of int64
        Groups of at least two rows, sorted, ordered by their first row.
    """
    return _groups_of(_numbered(digests)[1])


def copies_across(groups: Groups, parts: NDArray[np.uint8]) -> dict[tuple[str, str], int]:
    """Count the pictures of each part that also stand in an earlier part.

    Parameters
    ----------
    groups : list of ndarray of int64
        From `exact_groups` or `near_groups`.
    parts : ndarray of uint8, shape (n,)
        Part of each row: 0 train, 1 validation, 2 test.

    Returns
    -------
    dict
        ``{("validation", "train"): 280, ...}``: 280 validation pictures also
        stand in train. A pair of parts without copies has the count 0.
    """
    pairs = list(combinations(range(len(PART_NAMES)), 2))
    counts = {(PART_NAMES[late], PART_NAMES[early]): 0 for early, late in pairs}
    for group in groups:
        sizes = np.bincount(parts[group], minlength=len(PART_NAMES))
        for early, late in pairs:
            if sizes[early]:
                counts[PART_NAMES[late], PART_NAMES[early]] += int(sizes[late])
    return counts


def rows_also_in(digests: NDArray[np.bytes_], rows: NDArray[np.int64], others: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return those of `rows` whose exact pixels also stand in `others`; row numbers, in the given order."""
    return rows[np.isin(digests[rows], digests[others])]


def contradictory_groups(groups: Groups, labels: NDArray[np.int16]) -> Groups:
    """Return the groups whose copies carry different labels."""
    return [group for group in groups if (labels[group] != labels[group[0]]).any()]


def near_groups(
    pictures: Pictures,
    *,
    max_distance: int = 6,
    min_correlation: float = 0.96,
    progress: Progress | None = None,
) -> Groups:
    """Group the rows whose pictures look the same.

    Two pictures are near copies where their 64-bit difference hashes differ
    in at most `max_distance` bits and their 16x16 thumbnails correlate by at
    least `min_correlation`. Near copies of near copies join the same group,
    and so do exact copies; a constant picture has no others.

    The defaults were chosen by eye on FER2013: pairs above .96 are the same
    photograph with another crop, contrast or watermark; between .90 and .95
    there are pairs of different people.

    Parameters
    ----------
    pictures : Pictures
        Read once, a few hundred at a time. What is kept of each takes 1 KiB.
    max_distance : int
        Bits, 0 to 15. Hashes are looked up by ``max_distance + 1`` bands of
        bits, one of which must agree (multi-index hashing, Norouzi, Punjani &
        Fleet 2012): the narrower the bands, the more pairs are compared.
    min_correlation : float
        Pearson correlation of the thumbnails, above 0 and at most 1.
    progress : Progress, optional
        Called with the number of different pictures that were read.

    Returns
    -------
    list of ndarray of int64
        Groups of at least two rows, sorted, ordered by their first row.

    Raises
    ------
    ConfigError
        Where `max_distance` or `min_correlation` is out of bounds.
    """
    if not 0 <= max_distance <= LARGEST_DISTANCE:
        raise ConfigError(f"max_distance must be 0..{LARGEST_DISTANCE} bits, but is {max_distance}")
    if not 0 < min_correlation <= 1:
        raise ConfigError(f"min_correlation must be above 0 and at most 1, but is {min_correlation}")
    firsts, numbers = _numbered(pictures.digests)
    hashes, thumbnails = _looks(pictures, firsts, progress)
    families = _Families(len(firsts))
    for pairs in close_pairs(hashes, max_distance):
        left, right = thumbnails[pairs[:, 0]], thumbnails[pairs[:, 1]]
        # The tolerance lets a picture correlate with its own brightened twin by "1".
        alike = np.einsum("ij,ij->i", left, right) >= min_correlation - 1e-5
        families.join(pairs[alike])
    return _groups_of(families.labels()[numbers])


def difference_hash(image: NDArray[np.uint8]) -> int:
    """Return the 64-bit difference hash: is a cell of the 8x9 thumbnail darker than its right neighbour?

    The "dHash" of N. Krawetz (2013), after which pictures that differ only in
    brightness or contrast are alike.
    """
    small = shrunk(image, HASH_HEIGHT, HASH_WIDTH)
    return int.from_bytes(np.packbits(small[:, :-1] < small[:, 1:]).tobytes(), "big")


def shrunk(image: NDArray[np.uint8], height: int, width: int) -> NDArray[np.float64]:
    """Resize a picture to ``(height, width)`` grey values by exact area averaging.

    Colours become grey by the luma of ITU-R BT.601. Values lie in 0..255 and
    are rounded to 1/1024, so that what is equal also compares as equal.
    """
    grey = image @ np.array([0.299, 0.587, 0.114]) if image.ndim == 3 else image.astype(np.float64)
    small = _area_weights(grey.shape[0], height) @ grey @ _area_weights(grey.shape[1], width).T
    return np.rint(small * 1024) / 1024


def close_pairs(hashes: NDArray[np.uint64], max_distance: int) -> Iterator[NDArray[np.int64]]:
    """Yield every pair of rows whose hashes differ in at most `max_distance` bits.

    Blocks have the shape ``(m, 2)`` with m at most ``len(hashes)``, so the
    memory stays linear; a pair comes once for each band on which it agrees.
    """
    edges = np.linspace(0, 64, max_distance + 2).astype(int)
    for low, high in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
        bands = (hashes >> np.uint64(low)) & np.uint64((1 << (high - low)) - 1)
        order = np.argsort(bands, kind="stable")
        for first, second in _equal_neighbours(bands[order]):
            left, right = order[first], order[second]
            close = _bit_counts(hashes[left] ^ hashes[right]) <= max_distance
            if close.any():
                yield np.stack([left[close], right[close]], axis=1)


def _equal_neighbours(keys: NDArray[np.uint64]) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Yield all pairs of positions with equal keys in a sorted array: neighbours first, then one apart, and so on."""
    first = np.arange(len(keys))
    for step in count(1):
        first = first[: np.searchsorted(first, len(keys) - step)]
        first = first[keys[first] == keys[first + step]]
        if not len(first):
            return
        yield first, first + step


def _bit_counts(words: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Count the set bits of each word by adding neighbours in parallel (numpy before 2.0 has no ``bitwise_count``)."""
    one, two, four = (np.uint64(shift) for shift in (1, 2, 4))
    pairs = words - ((words >> one) & np.uint64(0x5555555555555555))
    nibbles = (pairs & np.uint64(0x3333333333333333)) + ((pairs >> two) & np.uint64(0x3333333333333333))
    octets = (nibbles + (nibbles >> four)) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return (octets * np.uint64(0x0101010101010101)) >> np.uint64(56)


def _looks(
    pictures: Pictures, rows: NDArray[np.int64], progress: Progress | None
) -> tuple[NDArray[np.uint64], NDArray[np.float32]]:
    """Return the hash and the thumbnail (mean 0, length 1; zeros where constant) of each row."""
    hashes = np.empty(len(rows), np.uint64)
    thumbnails = np.empty((len(rows), THUMBNAIL * THUMBNAIL), np.float32)
    for start in range(0, len(rows), READ_AT_ONCE):
        for at, image in enumerate(pictures.read(rows[start : start + READ_AT_ONCE]), start):
            hashes[at] = difference_hash(image)
            thumbnail = shrunk(image, THUMBNAIL, THUMBNAIL).ravel()
            thumbnail -= thumbnail.mean()
            thumbnails[at] = thumbnail / max(float(np.linalg.norm(thumbnail)), 1e-9)
        if progress:
            progress("looking for near copies", min(start + READ_AT_ONCE, len(rows)), len(rows))
    return hashes, thumbnails


@lru_cache(maxsize=256)
def _area_weights(old: int, new: int) -> NDArray[np.float64]:
    """Return the ``(new, old)`` matrix that averages `old` cells over `new` cells of equal size."""
    edges = np.linspace(0, old, new + 1)
    cells = np.arange(old)
    covered = np.minimum(edges[1:, None], cells + 1) - np.maximum(edges[:-1, None], cells)
    weights: NDArray[np.float64] = np.clip(covered, 0, None)
    return weights / weights.sum(axis=1, keepdims=True)


def _numbered(digests: NDArray[np.bytes_]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the first row of each different picture and, for every row, the number of its picture."""
    _, firsts, numbers = np.unique(digests, return_index=True, return_inverse=True)
    return firsts, numbers.reshape(-1)


def _groups_of(numbers: NDArray[np.int64]) -> Groups:
    order = np.argsort(numbers, kind="stable")
    cuts = np.flatnonzero(np.diff(numbers[order])) + 1
    groups = [group for group in np.split(order, cuts) if len(group) > 1]
    return sorted(groups, key=lambda group: int(group[0]))


class _Families:
    """Union-find with path halving: who is linked, however indirectly, shares a label."""

    def __init__(self, n: int) -> None:
        self.parent = list(range(n))

    def join(self, pairs: NDArray[np.int64]) -> None:
        for left, right in pairs.tolist():
            a, b = self._root(left), self._root(right)
            self.parent[max(a, b)] = min(a, b)

    def labels(self) -> NDArray[np.int64]:
        return np.array([self._root(i) for i in range(len(self.parent))], dtype=np.int64)

    def _root(self, i: int) -> int:
        while self.parent[i] != i:
            self.parent[i] = self.parent[self.parent[i]]
            i = self.parent[i]
        return i
