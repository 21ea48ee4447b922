"""Small pictures, and weights files of networks that were never trained."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from acofer.data.pictures import ArrayPictures
from acofer.records import ImageSet


@pytest.fixture(scope="session")
def make_images() -> Callable[..., ImageSet]:
    def make(n: int = 7, size: int = 32, seed: int = 0) -> ImageSet:
        pixels = np.random.default_rng(seed).integers(0, 256, (n, size, size), dtype=np.uint8)
        return ImageSet("small", ArrayPictures(pixels), np.zeros(n, np.int16), ("one",), None, range(n), "memory")

    return make
