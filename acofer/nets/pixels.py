"""Pictures as networks take them: float32 pixels of 0 to 255, in batches, with one-hot targets."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from acofer.pretrained.squares import prepare
from acofer.records import Pictures

# ITU-R BT.601 luma, by which Pillow makes grey of colour.
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)


@dataclass(frozen=True)
class PixelRows:
    """Some pictures of a data set, read and resized when a batch is asked for.

    Attributes
    ----------
    pictures : Pictures
    rows : ndarray of int64, shape (n,)
        Which of them.
    image_size : int
        Side of the squares in pixels.
    channels : int
        1 makes grey of colour, 3 repeats grey.
    """

    pictures: Pictures
    rows: NDArray[np.int64]
    image_size: int
    channels: int

    def __len__(self) -> int:
        return len(self.rows)

    def batch(self, places: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the pictures at these places of `rows`, ``(b, image_size, image_size, channels)``, 0 to 255."""
        squares = prepare(self.pictures.read(self.rows[places]), self.image_size)
        if self.channels == 3:
            return squares.astype(np.float32)
        is_grey = (squares[..., 0] == squares[..., 1]).all() and (squares[..., 0] == squares[..., 2]).all()
        return squares[..., :1].astype(np.float32) if is_grey else (squares @ _LUMA)[..., None]

    def batches(self, size: int) -> Iterator[NDArray[np.float32]]:
        """Yield all pictures in order, `size` at a time, the last batch shorter."""
        for first in range(0, len(self), size):
            yield self.batch(np.arange(first, min(first + size, len(self))))
