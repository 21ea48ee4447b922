"""Frozen Keras networks that turn pictures into features.

Keras is loaded when a network is, not before: names, sizes and weights are
known without it (see `acofer.features.weights`). Only Keras' layers are used,
so any backend of Keras will do.

Preprocessing, version 1: a picture of another size is resized by Pillow's
bilinear filter to a square (uint8, not keeping the aspect), grey is repeated to
three channels, colour stays as it is, and the values are scaled as the
network's ``preprocess_input`` does.
"""

from __future__ import annotations

import contextlib
import math
import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from acofer.errors import ConfigError, DataError, MissingExtraError
from acofer.features.layers import check_pooling, chosen_layers, describe_layer, grid_cells, grid_of, name_features
from acofer.features.weights import Architecture, Weights, architecture, download_imagenet, resolve_weights
from acofer.records import Progress

PREPROCESSING = 1
"""Version of what happens to a picture before the network; part of every key. Change one, change the other."""

MIRRORS = ("off", "average")

# Keras adds this division to EfficientNet, between its normalisation and its
# first convolution, when it loads the ImageNet file by itself, but not when the
# same file is named by its path (keras/src/applications/efficientnet.py).
EFFICIENTNET_DEVIATIONS = (0.229, 0.224, 0.225)


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
        keras = sys.modules["keras"]
        backend = keras.backend.backend()
        return {"keras": keras.__version__, backend: getattr(sys.modules.get(backend), "__version__", "unknown")}


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
    keras = import_keras()
    build = getattr(keras.applications, net.application)
    base = build(weights=None, include_top=False, input_shape=(image_size, image_size, 3))
    if weights.kind == "random":
        draw_weights(base, weights.seed)
    else:
        base = _with_imagenet_scale(keras, base)
        _load_weights(base, net, weights)
    base.trainable = False
    names = chosen_layers(layers, name)
    maps = [base.get_layer(layer).output for layer in names]
    described = [describe_layer(layer, map_.shape[1:], pooling) for layer, map_ in zip(names, maps, strict=True)]
    if mirror == "average":
        maps = _mirrored(keras, base, maps)
    pooled = [_pool(keras, map_, pooling) for map_ in maps]
    output = pooled[0] if len(pooled) == 1 else keras.layers.Concatenate()(pooled)
    return Backbone(keras.Model(base.input, output), net, weights, described, pooling)


def obtain_weights(
    spec: str | os.PathLike[str], backbone: str, image_size: int, seed: int = 0, progress: Progress | None = None
) -> Weights:
    """Resolve weights and download ImageNet's where they are not at hand; arguments and errors as `resolve_weights`.

    Raises
    ------
    MissingExtraError
        Where a download would be needed and Keras is not installed: nobody should download what cannot be used.
    MissingFileError
        Where the download fails.
    """
    weights = resolve_weights(spec, backbone, image_size, seed)
    if weights.digest is not None:
        return weights
    import_keras()
    return download_imagenet(backbone, image_size, progress)


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


def import_keras() -> Any:
    """Load Keras, quietly.

    Raises
    ------
    MissingExtraError
        Where Keras or its backend is not installed.
    ConfigError
        Where Keras is set up for channels first or another precision, which
        would change the order or the digits of the features.
    """
    try:
        with _quiet_start():
            import keras
    except ImportError as error:
        raise MissingExtraError.of("TensorFlow", "nets", "embedding pictures") from error
    layout, precision = keras.config.image_data_format(), keras.config.dtype_policy().name
    if (layout, precision) != ("channels_last", "float32"):
        raise ConfigError(
            f"Keras must be set to channels_last and float32, but is set to {layout} and {precision}; "
            "change it in keras.json or in the program"
        )
    return keras


@contextlib.contextmanager
def _quiet_start() -> Iterator[None]:
    """Hide what TensorFlow's C++ part says of CPU flags and absent GPUs, unless TF_CPP_MIN_LOG_LEVEL is set.

    TensorFlow 2.21 writes it while it is being imported, straight to file
    descriptor 2, before it reads the variable. Errors are exceptions and pass.
    """
    if "tensorflow" in sys.modules or "TF_CPP_MIN_LOG_LEVEL" in os.environ:
        yield
        return
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    try:
        kept = os.dup(2)
    except OSError:  # a program without a standard error has nothing to hide
        yield
        return
    try:
        with Path(os.devnull).open("wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


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


def _load_weights(base: Any, net: Architecture, weights: Weights) -> None:
    floats = [variable for variable in base.weights if "float" in str(variable.dtype)]
    # Keras passes over layers that some files do not hold, with a warning, and leaves them as they were drawn.
    for variable in floats:
        variable.assign(np.full(variable.shape, np.nan, np.float32))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            base.load_weights(str(weights.path))
            empty = [variable.path for variable in floats if np.isnan(variable.numpy()).any()]
        reason = f"it holds nothing for {empty[0]}" if empty else ""
    except Exception as error:  # Keras and h5py raise many kinds on a file of another network
        reason = " ".join(str(error).split())[:160]
    if reason:
        raise DataError(
            f"the weights file {str(weights.path)!r} does not fit {net.name} without its top ({reason}); "
            f"bring Keras' {net.file_name.format(rows=224)}"
        )


def _with_imagenet_scale(keras: Any, base: Any) -> Any:
    """Divide by the root of the deviations after a normalisation layer, as Keras does with the ImageNet file."""

    def call(layer: Any, *args: Any, **kwargs: Any) -> Any:
        output = layer(*args, **kwargs)
        return scale(output) if isinstance(layer, keras.layers.Normalization) else output

    if not any(isinstance(layer, keras.layers.Normalization) for layer in base.layers):
        return base
    scale = keras.layers.Rescaling([1 / math.sqrt(deviation) for deviation in EFFICIENTNET_DEVIATIONS])
    return keras.models.clone_model(base, call_function=call)


def draw_weights(base: Any, seed: int) -> None:
    """Draw all kernels anew: He's normal initialisation (He et al. 2015, arXiv:1502.01852), by numpy.

    Keras' own drawing depends on its backend, and seeding it would reseed the caller's generators.
    """
    generator = np.random.default_rng(seed)
    for layer in base.layers:
        kernel = getattr(layer, "kernel", None)
        if kernel is None:
            continue
        shape = tuple(kernel.shape)
        # A depthwise kernel (rows, columns, channels, 1) sees one channel.
        inputs = math.prod(shape[:2]) if type(layer).__name__ == "DepthwiseConv2D" else math.prod(shape[:-1])
        kernel.assign((generator.standard_normal(shape) * math.sqrt(2 / inputs)).astype(np.float32))
