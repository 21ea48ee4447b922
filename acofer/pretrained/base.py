"""Networks of `keras.applications` without their top, and the one door to Keras.

Who embeds pictures and who fine-tunes takes them here, with the same weights
by the same code. Keras is loaded when a network is, not before.
"""

from __future__ import annotations

import contextlib
import math
import os
import sys
import warnings
from collections.abc import Iterator
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import numpy as np

from acofer.errors import ConfigError, DataError, MissingExtraError
from acofer.pretrained.weights import Architecture, Weights, architecture, download_imagenet, resolve_weights
from acofer.records import Progress

# Keras adds this division to EfficientNet, between its normalisation and its
# first convolution, when it loads the ImageNet file by itself, but not when the
# same file is named by its path (keras/src/applications/efficientnet.py).
EFFICIENTNET_DEVIATIONS = (0.229, 0.224, 0.225)
_POLICY = ContextVar("policy", default="float32")


def load_base(name: str, image_size: int, weights: Weights) -> Any:
    """Build a network without its top and give it its weights.

    Parameters
    ----------
    name : str
        See `acofer.pretrained.weights.ARCHITECTURES`.
    image_size : int
        Input size in pixels a side.
    weights : Weights
        From `resolve_weights`; ImageNet weights must have been downloaded.

    Returns
    -------
    keras.Model
        From pixels that are scaled as the architecture says, ``(b, image_size, image_size, 3)``, to its last map.

    Raises
    ------
    ConfigError
        Where Keras is set up for another layout or precision.
    DataError
        Where the weights do not fit the network.
    MissingExtraError
        Where Keras or its backend is not installed.
    """
    net = architecture(name)
    keras = import_keras()
    build = getattr(keras.applications, net.application)
    base = build(weights=None, include_top=False, input_shape=(image_size, image_size, 3))
    if weights.kind == "random":
        draw_weights(base, weights.seed)
    else:
        base = _with_imagenet_scale(keras, base)
        _load_weights(base, net, weights)
    return base


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
    layout, policy = keras.config.image_data_format(), keras.config.dtype_policy().name
    if (layout, policy) != ("channels_last", _POLICY.get()):
        raise ConfigError(
            f"Keras must be set to channels_last and float32, but is set to {layout} and {policy}; "
            "change it in keras.json or in the program"
        )
    return keras


def backend_versions() -> dict[str, str]:
    """Return the versions of Keras and of its backend."""
    keras = import_keras()
    backend = keras.backend.backend()
    return {"keras": keras.__version__, backend: str(getattr(sys.modules.get(backend), "__version__", "unknown"))}


@contextlib.contextmanager
def layers_compute_in(policy: str) -> Iterator[None]:
    """Let new layers compute in another precision than float32, e.g. ``"mixed_bfloat16"``."""
    keras = import_keras()
    outer = _POLICY.set(policy)
    keras.config.set_dtype_policy(policy)
    try:
        yield
    finally:
        _POLICY.reset(outer)
        keras.config.set_dtype_policy(_POLICY.get())


@contextlib.contextmanager
def _quiet_start() -> Iterator[None]:
    """Hide what TensorFlow's C++ part says of CPU flags and absent GPUs, unless TF_CPP_MIN_LOG_LEVEL is 0.

    TensorFlow 2.21 writes it while it is being imported, straight to file
    descriptor 2, before it reads the variable. Errors are exceptions and pass.
    It also sets the variable to 1, which processes inherit that are begun later.
    """
    if "tensorflow" in sys.modules or os.environ.get("TF_CPP_MIN_LOG_LEVEL") == "0":
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


def _with_imagenet_scale(keras: Any, base: Any) -> Any:
    """Divide by the root of the deviations after a normalisation layer, as Keras does with the ImageNet file."""

    def call(layer: Any, *args: Any, **kwargs: Any) -> Any:
        output = layer(*args, **kwargs)
        return scale(output) if isinstance(layer, keras.layers.Normalization) else output

    if not any(isinstance(layer, keras.layers.Normalization) for layer in base.layers):
        return base
    scale = keras.layers.Rescaling([1 / math.sqrt(deviation) for deviation in EFFICIENTNET_DEVIATIONS])
    return keras.models.clone_model(base, call_function=call)


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
