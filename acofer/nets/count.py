"""What a network costs by counting: parameters, and multiply-adds of one prediction."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from acofer.errors import InputError

# They add, scale, compare or move numbers; Keras' names.
_NOT_COUNTED = frozenset(
    (
        "Activation",
        "Add",
        "AveragePooling2D",
        "BatchNormalization",
        "Concatenate",
        "Dropout",
        "Flatten",
        "GlobalAveragePooling1D",
        "GlobalAveragePooling2D",
        "InputLayer",
        "LayerNormalization",
        "MaxPooling2D",
        "Multiply",
        "Normalization",
        "ReLU",
        "Rescaling",
        "Reshape",
        "ZeroPadding2D",
    )
)


def parameters(model: Any) -> dict[str, int]:
    """Return how many numbers of a network are ``"trainable"``, and how many ``"frozen"``.

    Frozen is what no gradient moves: frozen layers, and the statistics of batch normalisation.
    """
    return {"trainable": _size(model.trainable_weights), "frozen": _size(model.non_trainable_weights)}


def multiply_adds(model: Any) -> int:
    """Return how many multiplications, each with its addition counted as one, a network takes for one picture.

    As the papers of MobileNet and EfficientNet count: convolutions, dense layers and the matrix products of attention,
    padding included; no biases, activations, normalisation, pooling or sums. A layer counts once, as it was first
    called.

    Parameters
    ----------
    model : keras.Model
        Of Keras' own layers, for pictures of a fixed size.

    Raises
    ------
    InputError
        Where a layer is of a kind that is not counted here: nothing counts as nothing in silence.
    """
    return sum(multiply_adds(layer) if getattr(layer, "layers", None) else _of_layer(layer) for layer in model.layers)


def _size(weights: Iterable[Any]) -> int:
    return sum(math.prod(weight.shape) for weight in weights)


def _of_layer(layer: Any) -> int:
    kind = type(layer).__name__
    if kind in _NOT_COUNTED:
        return 0
    if kind not in _COUNTED:
        known = ", ".join(sorted(_COUNTED))
        raise InputError(f"layer {layer.name}: expected one whose multiply-adds are known ({known}); got {kind}")
    return int(_COUNTED[kind](layer))


def _of_kernels(layer: Any) -> int:
    """Each place of the output takes every weight of every kernel once; of grouped ones, shapes say so."""
    places = math.prod(layer.output.shape[1:-1])
    return places * sum(math.prod(weight.shape) for weight in layer.weights if weight.name.endswith("kernel"))


def _of_attention(layer: Any) -> int:
    """Scores are of queries and keys, each `d` long; additive ones take `d` products with the scale."""
    query, value, *key = layer.input
    pairs = query.shape[1] * value.shape[1]
    return pairs * ((key or [value])[0].shape[-1] + value.shape[-1])


def _of_heads(layer: Any) -> int:
    """Projections of queries, keys, values and answers, scores, and values weighted by them."""
    query, value, *key = layer.input
    asking, answering = query.shape[1], value.shape[1]
    key_channels, all_heads = (key or [value])[0].shape[-1], layer.num_heads
    projections = asking * layer.key_dim * query.shape[-1] + asking * layer.value_dim * layer.output.shape[-1]
    projections += answering * layer.key_dim * key_channels + answering * layer.value_dim * value.shape[-1]
    return all_heads * (projections + asking * answering * (layer.key_dim + layer.value_dim))


_COUNTED = {
    "AdditiveAttention": _of_attention,
    "Attention": _of_attention,
    "Conv2D": _of_kernels,
    "Dense": _of_kernels,
    "DepthwiseConv2D": _of_kernels,
    "MultiHeadAttention": _of_heads,
    "SeparableConv2D": _of_kernels,
}
