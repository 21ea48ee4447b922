"""Frozen Keras networks that turn pictures into features.

Keras is loaded when a network is, not before: names, sizes and weights are
known without it (see `acofer.pretrained.weights`). Only Keras' layers are used,
so any backend of Keras will do.

Preprocessing, version 1: a picture of another size is resized by Pillow's
bilinear filter to a square (uint8, not keeping the aspect), grey is repeated to
three channels, colour stays as it is, and the values are scaled as the
network's ``preprocess_input`` does.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from acofer.errors import ConfigError, DataError
from acofer.features.layers import check_pooling, chosen_layers, describe_layer, grid_cells, grid_of, name_features
from acofer.pretrained.base import backend_versions, import_keras, load_base
from acofer.pretrained.squares import prepare
from acofer.pretrained.weights import Architecture, Weights, architecture

PREPROCESSING = 1
"""Version of what happens to a picture before the network; part of every key. Change one, change the other."""

MIRRORS = ("off", "average")


class Backbone:
    """A frozen network with the layers and the pooling whose numbers are taken.

    Made by `load_backbone`.

    Attributes
    ----------
    layers : list of dict
        What is recorded of each layer taken; see `layers.describe_layer`.
    feature_names : tuple of str
        See `layers.name_features`.
    weights : Weights
        The weights it was loaded with.
    """

    def __init__(self, model: Any, net: Architecture, weights: Weights, layers: list[dict[str, Any]], pooling: str):
        self._model = model
        self._net = net
        self._rows = 0
        self.weights = weights
        self.layers = layers
        self.feature_names = name_features(layers, pooling)

    def features(self, batch: Sequence[NDArray[np.uint8]]) -> NDArray[np.float16]:
        """Compute the features of some pictures.

        Parameters
        ----------
        batch : sequence of b arrays of uint8
            Pictures of any size, grey ``(height, width)`` or RGB ``(height, width, 3)``.

        Returns
        -------
        ndarray of float16, shape (b, n_features)
            Layer after layer.

        Raises
        ------
        DataError
            Where a feature is not finite in float16.
        """
        squares = prepare(batch, self._model.input_shape[1])
        # The network is compiled for one number of rows: a shorter last batch is filled up, not compiled again.
        self._rows = max(self._rows, len(squares))
        pixels = np.zeros((self._rows, *squares.shape[1:]), np.float32)
        pixels[: len(squares)] = squares * np.float32(self._net.scale) + np.float32(self._net.offset)
        with np.errstate(over="ignore"):
            values = np.asarray(self._model.predict_on_batch(pixels))[: len(squares)].astype(np.float16)
        if not np.isfinite(values).all():
            raise DataError(
                f"{self._net.name} gave features that are not finite, or too large for float16, with weights "
                f"{self.weights.label}; the weights are damaged or do not belong to this network"
            )
        return values

    @property
    def versions(self) -> dict[str, str]:
        """Versions of Keras and of its backend."""
        return backend_versions()


def load_backbone(
    name: str,
    image_size: int,
    weights: Weights,
    pooling: str = "flatten",
    *,
    layers: str = "last",
    mirror: str = "off",
) -> Backbone:
    """Build a frozen network, up to the deepest of its layers that are wanted, and give it its weights.

    Parameters
    ----------
    name : str
        ``"mobilenetv2"``, ``"efficientnetb0"`` or ``"mobilenet"``.
    image_size : int
        Input size in pixels a side, at least 32.
    weights : Weights
        From `resolve_weights`; ImageNet weights must have been downloaded.
    pooling : str
        ``"flatten"``, ``"avg"``, ``"max"``, ``"grid:N"`` or ``"maxgrid:N"``; see `acofer.features.layers`.
    layers : str
        ``"last"``, ``"bank"``, ``"all"``, or names with commas between them.
    mirror : str
        ``"average"``: each map is the mean, before pooling, of the picture's and of its mirror image's turned back.

    Returns
    -------
    Backbone

    Raises
    ------
    ConfigError
        Where a name or the size is wrong, or Keras is set up for another layout or precision.
    DataError
        Where the weights do not fit the network.
    MissingExtraError
        Where Keras or its backend is not installed.
    """
    check_options(name, image_size, pooling, layers, mirror)
    net = architecture(name)
    base = load_base(name, image_size, weights)
    keras = import_keras()
    base.trainable = False
    names = chosen_layers(layers, name)
    maps = [base.get_layer(layer).output for layer in names]
    described = [describe_layer(layer, map_.shape[1:], pooling) for layer, map_ in zip(names, maps, strict=True)]
    if mirror == "average":
        maps = _mirrored(keras, base, maps)
    pooled = [_pool(keras, map_, pooling) for map_ in maps]
    output = pooled[0] if len(pooled) == 1 else keras.layers.Concatenate()(pooled)
    return Backbone(keras.Model(base.input, output), net, weights, described, pooling)


def check_options(name: str, image_size: int, pooling: str, layers: str = "last", mirror: str = "off") -> None:
    """Check a network's options without loading Keras.

    Raises
    ------
    ConfigError
        Where one is wrong.
    """
    smallest = architecture(name).minimum_size
    if isinstance(image_size, bool) or not isinstance(image_size, int | np.integer) or image_size < smallest:
        raise ConfigError(f"image size must be a whole number of pixels from {smallest} up, but came as {image_size!r}")
    check_pooling(pooling)
    chosen_layers(layers, name)
    if mirror not in MIRRORS:
        raise ConfigError(f"mirror must be one of {', '.join(MIRRORS)}, but came as {mirror!r}")


def _mirrored(keras: Any, base: Any, maps: list[Any]) -> list[Any]:
    """Return the means of maps and of the mirror image's maps, turned back."""
    turned = keras.Model(base.input, maps)(keras.ops.flip(base.input, axis=2))
    turned = turned if isinstance(turned, list | tuple) else [turned]
    return [(map_ + keras.ops.flip(other, axis=2)) / 2 for map_, other in zip(maps, turned, strict=True)]


def _pool(keras: Any, output: Any, pooling: str) -> Any:
    if pooling == "avg":
        return keras.layers.GlobalAveragePooling2D()(output)
    if pooling == "max":
        return keras.layers.GlobalMaxPooling2D()(output)
    grid = grid_of(pooling)
    if grid is not None:
        output = _gridded(keras, output, grid, keras.ops.max if pooling.startswith("max") else keras.ops.mean)
    return keras.layers.Flatten()(output)


def _gridded(keras: Any, output: Any, n: int, reduce: Any) -> Any:
    """Reduce a map to n x n cells; a cell is a rectangle, so first its rows are reduced and then its columns."""
    rows, columns = output.shape[1:3]
    if rows > n:
        strips = [reduce(output[:, start:stop], axis=1, keepdims=True) for start, stop in grid_cells(rows, n)]
        output = keras.ops.concatenate(strips, axis=1)
    if columns > n:
        strips = [reduce(output[:, :, start:stop], axis=2, keepdims=True) for start, stop in grid_cells(columns, n)]
        output = keras.ops.concatenate(strips, axis=2)
    return output
