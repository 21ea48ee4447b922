"""Pictures of any kind become arrays of one size, as networks take them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def prepare(batch: Sequence[NDArray[np.uint8]], size: int) -> NDArray[np.uint8]:
    """Make RGB squares of some pictures (preprocessing before the scaling).

    Parameters
    ----------
    batch : sequence of b arrays of uint8
        Grey or RGB pictures of any size.
    size : int
        Side in pixels.

    Returns
    -------
    ndarray of uint8, shape (b, size, size, 3)
    """
    squares = np.empty((len(batch), size, size, 3), np.uint8)
    for row, picture in enumerate(batch):
        square = picture if picture.shape[:2] == (size, size) else _resized(picture, size)
        squares[row] = square if square.ndim == 3 else square[..., None]
    return squares


def _resized(picture: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    from PIL import Image

    image = Image.fromarray(np.ascontiguousarray(picture))
    return np.asarray(image.resize((size, size), Image.Resampling.BILINEAR))
