"""Small pictures, and weights files of networks that were never trained."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

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


@pytest.fixture(scope="session")
def weights_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A weights file of MobileNetV2, drawn at random."""
    keras = pytest.importorskip("keras")
    path = tmp_path_factory.mktemp("weights") / "small.weights.h5"
    keras.applications.MobileNetV2(weights=None, include_top=False, input_shape=(32, 32, 3)).save_weights(path)
    return path


@pytest.fixture
def shared_weights() -> Path:
    """The ImageNet weights that lie beside the checkout on some machines; they are not part of the project."""
    name = "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224_no_top.h5"
    path = Path(__file__).resolve().parents[3] / "shared" / "weights" / name
    if not path.is_file():
        pytest.skip(f"{name} is not beside the checkout")
    return path
