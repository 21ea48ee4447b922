"""What is in a data set, as plain data: counts, sizes, blanks and copies."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from acofer.data.duplicates import Groups, contradictory_groups, copies_across, exact_groups, near_groups
from acofer.records import PART_NAMES, ImageSet, Progress

BLANK_RANGE = 4  # grey levels; JPEG leaves this much in an empty picture (FER2013 has one of 127..130)
READ_AT_ONCE = 256
ROWS_SHOWN = 20


def describe(images: ImageSet, *, near: bool = False, progress: Progress | None = None) -> dict[str, Any]:
    """Count what a data set holds.

    Parameters
    ----------
    images : ImageSet
        The data set; every picture is read once, twice with `near`.
    near : bool
        Whether to look for near copies too.
    progress : Progress, optional
        Called with the number of pictures read.

    Returns
    -------
    dict
        Plain data that JSON can hold:

        ``name``, ``source``, ``digest``, ``warnings``, ``n_pictures``, ``n_classes``
            as in `ImageSet`.
        ``parts``
            Pictures by part, ``{"train": 28709, ...}``; ``{"all": n}`` where
            the source has no official split.
        ``classes``
            One ``{"name", "n", <part>: n, ...}`` a class.
        ``sizes``
            ``{"height", "width", "channels", "n"}``, the most frequent first.
        ``blank``
            ``{"n", "rows"}``: pictures whose values differ by at most 4 of
            255, and the names of the first 20.
        ``exact_copies``
            ``{"groups", "extra", "across", "contradictory_groups"}``: groups
            of identical pictures, pictures beyond the first of each group,
            ``{"part", "also_in", "n"}`` for each pair of parts, and groups
            with more than one label.
        ``near_copies``
            The same for groups with at least two different pictures (their
            exact copies included); None without `near`.
    """
    blank, sizes = _looked_through(images, progress)
    return {
        "name": images.name,
        "source": images.source,
        "digest": images.digest,
        "warnings": list(images.warnings),
        "n_pictures": len(images),
        "n_classes": images.n_classes,
        "parts": _part_counts(images, np.ones(len(images), bool)),
        "classes": _class_counts(images),
        "sizes": sizes,
        "blank": {"n": len(blank), "rows": [images.row_names[row] for row in blank[:ROWS_SHOWN]]},
        "exact_copies": _copies(images, exact_groups(images.pictures.digests)),
        "near_copies": _copies(images, _different(images, progress)) if near else None,
    }


def _looked_through(images: ImageSet, progress: Progress | None) -> tuple[list[int], list[dict[str, int]]]:
    """Return the rows of blank pictures and the sizes seen."""
    blank: list[int] = []
    shapes: Counter[tuple[int, ...]] = Counter()
    for start in range(0, len(images), READ_AT_ONCE):
        rows = np.arange(start, min(start + READ_AT_ONCE, len(images)))
        for row, image in zip(rows.tolist(), images.pictures.read(rows), strict=True):
            shapes[image.shape] += 1
            if is_blank(image):
                blank.append(row)
        if progress:
            progress("looking at pictures", int(rows[-1]) + 1, len(images))
    sizes = [
        {"height": shape[0], "width": shape[1], "channels": shape[2] if len(shape) == 3 else 1, "n": n}
        for shape, n in sorted(shapes.items(), key=lambda item: (-item[1], item[0]))
    ]
    return blank, sizes


def is_blank(image: NDArray[np.uint8]) -> bool:
    """Say whether a picture, uint8 ``(h, w)`` or ``(h, w, 3)``, shows nothing: no channel spans more than 4 levels."""
    spans = image.max(axis=(0, 1)).astype(int) - image.min(axis=(0, 1))
    return bool(np.all(spans <= BLANK_RANGE))


def _part_counts(images: ImageSet, chosen: NDArray[np.bool_]) -> dict[str, int]:
    if images.parts is None:
        return {"all": int(chosen.sum())}
    counts = np.bincount(images.parts[chosen], minlength=len(PART_NAMES))
    return dict(zip(PART_NAMES, counts.tolist(), strict=True))


def _class_counts(images: ImageSet) -> list[dict[str, Any]]:
    rows = []
    for label, name in enumerate(images.class_names):
        chosen = images.labels == label
        parts = {} if images.parts is None else _part_counts(images, chosen)
        rows.append({"name": name, "n": int(chosen.sum()), **parts})
    return rows


def _copies(images: ImageSet, groups: Groups) -> dict[str, Any]:
    across = {} if images.parts is None else copies_across(groups, images.parts)
    return {
        "groups": len(groups),
        "extra": sum(len(group) - 1 for group in groups),
        "across": [{"part": part, "also_in": other, "n": n} for (part, other), n in across.items()],
        "contradictory_groups": len(contradictory_groups(groups, images.labels)),
    }


def _different(images: ImageSet, progress: Progress | None) -> Groups:
    """Return the groups of near copies that are more than exact copies."""
    digests = images.pictures.digests
    groups = near_groups(images.pictures, progress=progress)
    return [group for group in groups if (digests[group] != digests[group[0]]).any()]
