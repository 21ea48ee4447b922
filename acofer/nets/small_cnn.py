"""Five convolutions and a dense layer (Duhok; QALAAI ZANIST Journal 2024)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from acofer.nets.blocks import pixels, predictions
from acofer.pretrained.base import import_keras


def small_cnn(
    image_size: int,
    n_classes: int,
    *,
    filters: Sequence[int] = (8, 16, 32, 64, 128),
    kernel_size: int = 5,
    units: int = 128,
    dropout: float = 0.5,
    output: str = "sigmoid",
) -> Any:
    """Build the small network.

    Parameters
    ----------
    image_size : int
        Side of the RGB pictures in pixels; the paper's is 180.
    n_classes : int
    filters : sequence of int
        One convolution each, every one followed by 2x2 max pooling.
    kernel_size : int
        Side of the convolutions.
    units : int
        Of the dense layer.
    dropout : float
        Share of the dense layer's outputs that is dropped.
    output : {"sigmoid", "softmax"}
        The paper has a sigmoid a class, trained by binary cross-entropy.

    Returns
    -------
    keras.Model
    """
    keras = import_keras()
    layers = keras.layers
    inputs, x = pixels(image_size, 3)
    for i, n in enumerate(filters, start=1):
        x = layers.Conv2D(n, kernel_size, padding="same", activation="relu", name=f"conv{i}")(x)
        x = layers.MaxPooling2D(name=f"pool{i}")(x)
    x = layers.Flatten(name="flat")(x)
    x = layers.Dense(units, activation="relu", name="dense")(x)
    x = layers.Dropout(dropout, name="dropout")(x)
    return keras.Model(inputs, predictions(x, n_classes, output), name="small-cnn")
