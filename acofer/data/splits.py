"""Which rows train, validate and test; and a fingerprint of that.

`official` keeps the parts that the source names. `stratified` deals the rows
anew: classes keep their shares, and pixel-identical pictures stay on one side,
since a test picture that was also trained on measures memory, not skill.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from acofer.data.duplicates import rows_also_in
from acofer.errors import ConfigError, DataError, nearest
from acofer.records import PART_NAMES, TEST, TRAIN, VALIDATION, ImageSet, Split

SPLIT_KINDS = ("official", "stratified")
FEWEST = {TRAIN: 2, VALIDATION: 1, TEST: 1}
"""Pictures of a class that a part needs; two in train, because one cannot be both learnt from and checked."""


def make_split(
    images: ImageSet,
    kind: str = "official",
    *,
    seed: int = 0,
    validation_share: float = 0.1,
    test_share: float = 0.1,
) -> Split:
    """Divide the rows of a data set into train, validation and test.

    Parameters
    ----------
    images : ImageSet
        The data set, ``n`` rows.
    kind : {"official", "stratified"}
        ``"official"`` takes `images.parts`; where it has no validation rows,
        these are cut from train as ``"stratified"`` would, and the name says
        so. ``"stratified"`` deals all rows anew.
    seed : int
        Decides what is dealt where; the same seed gives the same split.
    validation_share, test_share : float
        Share of the rows of each class, as near as whole groups of copies allow.

    Returns
    -------
    Split
        Its `copied_test_rows` are the test rows whose exact pixels also stand
        in train or validation; with ``"stratified"`` there are none.

    Raises
    ------
    DataError
        Where there is no official split or it has no test rows, or where a
        class has fewer than two pictures in train, or (``"stratified"``) none
        in validation or test.
    ConfigError
        Where `kind`, `seed` or a share is not as described.
    """
    _check(kind, seed, validation_share, test_share)
    if kind == "stratified":
        name = f"stratified-seed{seed}"
        parts = _dealt(images, np.arange(len(images)), {VALIDATION: validation_share, TEST: test_share}, seed)
        _require(images, parts, FEWEST)
    else:
        name, parts = _official(images, seed, validation_share)
    train, validation, test = (np.flatnonzero(parts == part) for part in (TRAIN, VALIDATION, TEST))
    copied = rows_also_in(images.pictures.digests, test, np.concatenate([train, validation]))
    return Split(name, train, validation, test, fingerprint(images, parts), copied)


def fingerprint(images: ImageSet, parts: NDArray[np.uint8]) -> str:
    """Return 16 hexadecimal digits that change with any pixel, label, class name or part.

    SHA-256 over the digest of the pictures, the labels (int16, little endian),
    the class names and the part of each row.
    """
    digest = hashlib.sha256(images.digest.encode())
    digest.update(images.labels.astype("<i2").tobytes())
    for name in images.class_names:
        # With its length, so that ("ab", "c") and ("a", "bc") differ.
        digest.update(f"{len(name.encode())}:{name}".encode())
    digest.update(parts.astype(np.uint8).tobytes())
    return digest.hexdigest()[:16]


def _check(kind: str, seed: int, validation_share: float, test_share: float) -> None:
    if kind not in SPLIT_KINDS:
        raise ConfigError(
            f"the split must be 'official' or 'stratified', but is {kind!r}; {nearest(kind, SPLIT_KINDS)}"
        )
    if seed < 0:
        raise ConfigError(f"the seed must be 0 or larger, but is {seed}")
    for name, share in (("validation", validation_share), ("test", test_share)):
        if not 0 < share < 1:
            raise ConfigError(f"the {name} share must lie between 0 and 1, but is {share}")
    if validation_share + test_share >= 1:
        raise ConfigError(
            f"validation and test share ({validation_share} and {test_share}) must leave something for train; "
            "their sum must be below 1"
        )


def _official(images: ImageSet, seed: int, validation_share: float) -> tuple[str, NDArray[np.uint8]]:
    if images.parts is None:
        raise DataError(f"{images.name} has no official split; use --split stratified")
    parts = images.parts.copy()
    for part in (TRAIN, TEST):
        if not (parts == part).any():
            raise DataError(f"{images.name} has no official {PART_NAMES[part]} rows; use --split stratified")
    if (parts == VALIDATION).any():
        _require(images, parts, {TRAIN: FEWEST[TRAIN]})
        return "official", parts
    train = np.flatnonzero(parts == TRAIN)
    parts[train] = _dealt(images, train, {VALIDATION: validation_share}, seed)
    _require(images, parts, {part: FEWEST[part] for part in (TRAIN, VALIDATION)})
    return f"official-validation-cut-seed{seed}", parts


def _dealt(images: ImageSet, rows: NDArray[np.int64], shares: dict[int, float], seed: int) -> NDArray[np.uint8]:
    """Deal `rows` into train and the parts of `shares`; return the part of each.

    Groups of identical pictures are dealt whole, each with the class that most
    of its copies carry.
    """
    numbers = np.unique(images.pictures.digests[rows], return_inverse=True)[1].reshape(-1)
    sizes = np.bincount(numbers)
    homes = _homes(numbers, images.labels[rows], images.n_classes)
    part_of_group = np.full(len(sizes), TRAIN, np.uint8)
    for label in range(images.n_classes):
        # A stream for each class: a new picture in one does not reshuffle the others.
        groups = np.random.default_rng([seed, label]).permutation(np.flatnonzero(homes == label))
        quotas = _quotas(int(sizes[groups].sum()), shares)
        part_of_group[groups] = _fill(sizes[groups].tolist(), quotas)
    return part_of_group[numbers]


def _homes(numbers: NDArray[np.int64], labels: NDArray[np.int16], n_classes: int) -> NDArray[np.int64]:
    """Return the most frequent label of each group; of equally frequent ones the first."""
    pairs, counts = np.unique(numbers * n_classes + labels, return_counts=True)
    # Stable sort by group, then falling count: the first of each group wins.
    order = np.lexsort((-counts, pairs // n_classes))
    _, firsts = np.unique((pairs // n_classes)[order], return_index=True)
    return (pairs % n_classes)[order][firsts]


def _quotas(total: int, shares: dict[int, float]) -> dict[int, int]:
    """Return how many of a class's `total` rows go where; in a tiny class train comes first."""
    quotas = {part: max(1, round(share * total)) for part, share in shares.items()}
    while sum(quotas.values()) > total - FEWEST[TRAIN] and max(quotas.values()) > 1:
        quotas[max(quotas, key=quotas.__getitem__)] -= 1
    return quotas


def _fill(sizes: Sequence[int], quotas: dict[int, int]) -> list[int]:
    """Give each group, in order, to the first part whose quota it does not exceed, else to train.

    A part that got nothing, because the groups were larger than its quota,
    gets the smallest group of the part that has the most groups.
    """
    filled = dict.fromkeys(quotas, 0)
    dealt = []
    for size in sizes:
        part = next((part for part, quota in quotas.items() if filled[part] + size <= quota), TRAIN)
        if part != TRAIN:
            filled[part] += size
        dealt.append(part)
    for empty in [part for part, count in filled.items() if not count]:
        # Where train has as many groups as another part, that part gives: train needs two rows.
        giver = max((*quotas, TRAIN), key=dealt.count)
        given = [i for i, part in enumerate(dealt) if part == giver]
        if len(given) > 1:
            dealt[min(given, key=sizes.__getitem__)] = empty
    return dealt


def _require(images: ImageSet, parts: NDArray[np.uint8], fewest: dict[int, int]) -> None:
    """Refuse a split in which a class is missing where it is needed."""
    for part, needed in fewest.items():
        counts = np.bincount(images.labels[parts == part], minlength=images.n_classes)
        for label in np.flatnonzero(counts < needed).tolist():
            total = int((images.labels == label).sum())
            raise DataError(
                f"the class {images.class_names[label]!r} needs at least {needed} picture(s) in {PART_NAMES[part]}, "
                f"but has {counts[label]} there and {total} in all (copies stay together); add pictures or remove it"
            )
