from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from acofer.errors import ConfigError, DataError, MissingExtraError
from acofer.pretrained.base import import_keras, load_base
from acofer.pretrained.squares import prepare
from acofer.pretrained.weights import Weights, resolve_weights

keras = pytest.importorskip("keras")
RANDOM = resolve_weights("random", "mobilenetv2", 32)


def test_weights_of_another_network(weights_file: Path) -> None:
    with pytest.raises(DataError, match="does not fit mobilenet without its top") as caught:
        load_base("mobilenet", 32, resolve_weights(weights_file, "mobilenet", 32))
    assert "\n" not in str(caught.value)


def test_pictures_become_rgb_squares() -> None:
    grey = np.random.default_rng(0).integers(0, 256, (8, 8), dtype=np.uint8)
    colour = np.zeros((8, 8, 3), np.uint8)
    colour[..., 1] = 100
    made = prepare([grey, colour, np.full((5, 9), 77, np.uint8), np.full((4, 4, 3), [1, 2, 3], np.uint8)], 8)
    np.testing.assert_array_equal(made[0], np.stack([grey] * 3, axis=-1))
    np.testing.assert_array_equal(made[1], colour)
    np.testing.assert_array_equal(made[2], 77)
    np.testing.assert_array_equal(made[3], np.broadcast_to([1, 2, 3], (8, 8, 3)))


def test_missing_keras_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "keras", None)
    with pytest.raises(MissingExtraError, match=r"acofer\[nets\]"):
        import_keras()


def test_keras_set_up_otherwise_is_refused() -> None:
    keras.config.set_image_data_format("channels_first")
    try:
        with pytest.raises(ConfigError, match="channels_last"):
            load_base("mobilenetv2", 32, RANDOM)
    finally:
        keras.config.set_image_data_format("channels_last")


def test_hdf5_without_a_network(tmp_path: Path) -> None:
    import h5py

    with h5py.File(tmp_path / "numbers.h5", "w") as file:
        file["numbers"] = np.arange(10)
    weights = Weights("file", tmp_path / "numbers.h5", "digest", "numbers")
    with pytest.raises(DataError, match="does not fit mobilenetv2"):
        load_base("mobilenetv2", 32, weights)


def test_file_that_holds_half_a_network(weights_file: Path, tmp_path: Path) -> None:
    """Keras would leave the other layers as they were drawn."""
    import shutil

    import h5py

    path = tmp_path / "half.weights.h5"
    shutil.copy(weights_file, path)
    with h5py.File(path, "r+") as file:
        file["layers/conv2d/vars/0"][...] = np.nan
    with pytest.raises(DataError, match="holds nothing for Conv1/kernel"):
        load_base("mobilenetv2", 32, resolve_weights(path, "mobilenetv2", 32))
