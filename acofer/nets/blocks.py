"""What several architectures begin and end with.

Every network takes pixels as they are, 0 to 255, and scales them itself: a saved
one needs no recipe beside it.
"""

from __future__ import annotations

from typing import Any

from acofer.pretrained.base import import_keras
from acofer.pretrained.weights import architecture

SYMMETRIC = (1 / 127.5, -1.0)
"""Scale and offset that take 0..255 to [-1, 1]."""


def pixels(image_size: int, channels: int, scaling: tuple[float, float] = SYMMETRIC) -> tuple[Any, Any]:
    """Return the input, float32 ``(b, image_size, image_size, channels)`` of 0 to 255, and the same scaled."""
    keras = import_keras()
    inputs = keras.Input((image_size, image_size, channels), name="pixels")
    scale, offset = scaling
    return inputs, keras.layers.Rescaling(scale, offset, name="scaling")(inputs)


def scaling_of(backbone: str) -> tuple[float, float]:
    """Return scale and offset of a network of `keras.applications`; see `acofer.pretrained.weights.Architecture`."""
    net = architecture(backbone)
    return net.scale, net.offset


def extractor(base: Any, name: str, *, trainable: bool) -> Any:
    """Return a network without its top as one layer of another; see `freeze`."""
    whole = import_keras().Model(base.input, base.output, name=name)
    freeze(whole, trainable=trainable)
    return whole


def freeze(base: Any, *, trainable: bool) -> None:
    """Freeze a network, or, where it is to be trained, its batch normalisation alone.

    The statistics of ImageNet stay, since those of a batch of 32 are worse ones; with them stay scale and offset. A
    frozen network drops nothing either: it says the same of a picture each time. To call it with ``training=False``
    is not enough: in training, Keras 3 tells every layer of a model so, whatever it was called with.
    """
    layers = import_keras().layers
    base.trainable = trainable
    for layer in base.layers:
        if isinstance(layer, layers.BatchNormalization):
            layer.trainable = False
        if isinstance(layer, layers.Dropout) and not trainable:
            layer.rate = 0.0


def predictions(features: Any, n_classes: int, activation: str = "softmax") -> Any:
    """Return the last layer; it computes in float32 also where the rest is in mixed precision."""
    layers = import_keras().layers
    return layers.Dense(n_classes, activation=activation, name="predictions", dtype="float32")(features)


def under_softmax(inputs: Any, features: Any, n_classes: int, dropout: float, name: str) -> Any:
    """Return a network that averages the last map over its places and predicts from that."""
    keras = import_keras()
    x = keras.layers.GlobalAveragePooling2D(name="mean")(features)
    x = keras.layers.Dropout(dropout, name="dropout")(x)
    return keras.Model(inputs, predictions(x, n_classes), name=name)
