"""Separable convolutions and two kinds of attention (Zanjan; IJICTR 2023)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from acofer.nets.blocks import pixels, predictions
from acofer.pretrained.base import import_keras


def separable_attention(
    image_size: int,
    n_classes: int,
    *,
    filters: Sequence[int] = (24, 48, 96),
    kernel_size: int = 3,
    units: Sequence[int] = (128,),
    dropout: float = 0.2,
) -> Any:
    """Build the network of six residual blocks, additive and dot-product attention.

    Three blocks of separable convolution alternate with three of convolution and pooling; each adds a shortcut to
    what it computes. The positions of the last block ask (queries) and those of the block before it, four times as
    many, answer (keys and values), once by additive attention (Bahdanau et al. 2015, arXiv:1409.0473) and once by
    dot products (Luong et al. 2015, arXiv:1508.04025). Both answers are averaged over the positions and joined.

    Parameters
    ----------
    image_size : int
        Side of the grey pictures in pixels, at least 16.
    n_classes : int
    filters : sequence of int
        One for each pair of blocks. The paper gives none. Twice as many at half the size keep the cost of the pairs
        equal. With these the network has a fifteenth of MobileNetV2's weights and, at 48x48, two and a half times
        its multiply-adds: half as many filters would make it as fast, since that is quadratic.
    kernel_size : int
        Side of the convolutions; not in the paper.
    units : sequence of int
        Of the multilayer perceptron's hidden layers; not in the paper.
    dropout : float
        Before each dense layer. The paper tried 0.1, 0.2 and 0.3 and does not say which won.

    Returns
    -------
    keras.Model
    """
    keras = import_keras()
    layers = keras.layers
    inputs, x = pixels(image_size, 1)
    for i, n in enumerate(filters):
        answers = _separable_block(x, n, kernel_size, f"block{2 * i + 1}")
        x = _pooling_block(answers, n, kernel_size, f"block{2 * i + 2}")
    queries = layers.Reshape((-1, filters[-1]), name="queries")(x)
    values = layers.Reshape((-1, filters[-1]), name="values")(answers)
    additive = layers.AdditiveAttention(name="additive_attention")([queries, values])
    dot_product = layers.Attention(use_scale=True, name="dot_product_attention")([queries, values])
    means = [
        layers.GlobalAveragePooling1D(name=f"{name}_mean")(answer)
        for name, answer in (("additive", additive), ("dot_product", dot_product))
    ]
    x = layers.Concatenate(name="merge")(means)
    for i, n in enumerate(units, start=1):
        x = layers.Dropout(dropout, name=f"dropout{i}")(x)
        x = layers.Dense(n, activation="relu", name=f"dense{i}")(x)
    x = layers.Dropout(dropout, name="dropout")(x)
    return keras.Model(inputs, predictions(x, n_classes), name="separable-attention")


def _separable_block(x: Any, filters: int, kernel_size: int, name: str) -> Any:
    layers = import_keras().layers
    conv = layers.SeparableConv2D
    y = conv(filters, kernel_size, padding="same", use_bias=False, name=f"{name}_separable")(x)
    y = layers.BatchNormalization(name=f"{name}_bn")(y)
    y = layers.ReLU(name=f"{name}_relu")(y)
    return layers.Add(name=f"{name}_add")([y, _shortcut(x, filters, 1, name)])


def _pooling_block(x: Any, filters: int, kernel_size: int, name: str) -> Any:
    layers = import_keras().layers
    y = layers.Conv2D(filters, kernel_size, padding="same", use_bias=False, name=f"{name}_conv")(x)
    y = layers.BatchNormalization(name=f"{name}_bn")(y)
    y = layers.ReLU(name=f"{name}_relu")(y)
    y = layers.MaxPooling2D(3, 2, padding="same", name=f"{name}_pool")(y)
    return layers.Add(name=f"{name}_add")([y, _shortcut(x, filters, 2, name)])


def _shortcut(x: Any, filters: int, stride: int, name: str) -> Any:
    """Return `x` as it is where its shape fits, else through a 1x1 convolution (He et al. 2015, arXiv:1512.03385)."""
    if stride == 1 and x.shape[-1] == filters:
        return x
    conv = import_keras().layers.Conv2D
    return conv(filters, 1, stride, padding="same", use_bias=False, name=f"{name}_shortcut")(x)
