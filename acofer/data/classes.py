"""A data set with some of its classes only."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from acofer.errors import ConfigError, nearest
from acofer.records import ImageSet, Pictures


@dataclasses.dataclass(frozen=True)
class SomePictures:
    """Some rows of other pictures."""

    pictures: Pictures
    rows: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.rows)

    def read(self, rows: NDArray[np.int64]) -> list[NDArray[np.uint8]]:
        """Return the pictures of these rows, in this order."""
        return self.pictures.read(self.rows[rows])

    @property
    def digests(self) -> NDArray[np.bytes_]:
        """Digest of each picture, ``(n,)`` of ``S32``."""
        return self.pictures.digests[self.rows]


def only_classes(images: ImageSet, names: Sequence[str]) -> ImageSet:
    """Return the pictures of these classes alone; the classes keep the order of the data set.

    Parameters
    ----------
    images : ImageSet
    names : sequence of str
        At least two of its classes; upper and lower case are the same.

    Raises
    ------
    ConfigError
        Where a name is unknown or stands twice, or there are fewer than two.
    """
    known = {name.lower(): label for label, name in enumerate(images.class_names)}
    for name in names:
        if name.lower() not in known:
            raise ConfigError(f"classes: {images.name} has no class {name!r}; {nearest(name, images.class_names)}")
    labels = sorted({known[name.lower()] for name in names})
    if len(labels) != len(names) or len(labels) < 2:
        raise ConfigError(f"classes: expected at least two names, each once; got {', '.join(names)}")
    some = some_rows(images, np.flatnonzero(np.isin(images.labels, labels)))
    return dataclasses.replace(
        some,
        labels=np.searchsorted(labels, some.labels).astype(np.int16),
        class_names=tuple(images.class_names[label] for label in labels),
    )


def some_rows(images: ImageSet, rows: NDArray[np.int64], pictures: Pictures | None = None) -> ImageSet:
    """Return some rows of a data set, or what `pictures` were made of them."""
    return dataclasses.replace(
        images,
        pictures=SomePictures(images.pictures, rows) if pictures is None else pictures,
        labels=images.labels[rows],
        parts=None if images.parts is None else images.parts[rows],
        row_names=[images.row_names[row] for row in rows.tolist()],
    )
