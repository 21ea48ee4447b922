"""EfficientNetB0, MobileNetV2, and both under one head (Kufa; IJEEI 2021)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from acofer.nets.blocks import extractor, pixels, predictions, scaling_of
from acofer.pretrained.base import import_keras, load_base
from acofer.pretrained.weights import Weights


def efficientnetb0(
    image_size: int,
    n_classes: int,
    *,
    weights: Mapping[str, Weights],
    trainable: str = "all",
    units: Sequence[int] = (4096, 1024),
    dropout: float = 0.2,
) -> Any:
    """Build EfficientNetB0 under the head of the hybrid; parameters as `hybrid`."""
    return _under_head(("efficientnetb0",), image_size, n_classes, weights, trainable, units, dropout)


def mobilenetv2(
    image_size: int,
    n_classes: int,
    *,
    weights: Mapping[str, Weights],
    trainable: str = "all",
    units: Sequence[int] = (4096, 1024),
    dropout: float = 0.2,
) -> Any:
    """Build MobileNetV2 under the head of the hybrid; parameters as `hybrid`."""
    return _under_head(("mobilenetv2",), image_size, n_classes, weights, trainable, units, dropout)


def hybrid(
    image_size: int,
    n_classes: int,
    *,
    weights: Mapping[str, Weights],
    trainable: str = "all",
    units: Sequence[int] = (4096, 1024),
    dropout: float = 0.2,
) -> Any:
    """Build both extractors side by side under one head.

    The last map of each is averaged over its places before they are joined: flattened, at 200x200 pixels, the two
    would give the first dense layer half a billion weights. The paper does not say which.

    Parameters
    ----------
    image_size : int
        Side of the RGB pictures in pixels, at least 32; the paper's is 200.
    n_classes : int
    weights : mapping of str to Weights
        Of each extractor, by its name.
    trainable : {"all", "none"}
        Whether the extractors are fine-tuned (the paper's TT) or frozen (FF). Frozen on what they learnt from the
        same data before, by starting from two runs, they are the paper's third and best way.
    units : sequence of int
        Of the dense layers between the features and the predictions.
    dropout : float
        After each of those.

    Returns
    -------
    keras.Model
    """
    names = ("efficientnetb0", "mobilenetv2")
    return _under_head(names, image_size, n_classes, weights, trainable, units, dropout)


def _under_head(
    names: Sequence[str],
    image_size: int,
    n_classes: int,
    weights: Mapping[str, Weights],
    trainable: str,
    units: Sequence[int],
    dropout: float,
) -> Any:
    keras = import_keras()
    layers = keras.layers
    # Each extractor scales for itself: one wants [-1, 1], the other 0 to 255.
    inputs, unscaled = pixels(image_size, 3, (1.0, 0.0))
    pooled = []
    for name in names:
        scale, offset = scaling_of(name)
        scaled = layers.Rescaling(scale, offset, name=f"{name}_scaling")(unscaled)
        base = extractor(load_base(name, image_size, weights[name]), name, trainable=trainable == "all")
        pooled.append(layers.GlobalAveragePooling2D(name=f"{name}_mean")(base(scaled)))
    x = pooled[0] if len(pooled) == 1 else layers.Concatenate(name="joined")(pooled)
    for i, n in enumerate(units, start=1):
        x = layers.Dense(n, activation="relu", name=f"dense{i}")(x)
        x = layers.Dropout(dropout, name=f"dropout{i}")(x)
    return keras.Model(inputs, predictions(x, n_classes), name="hybrid" if len(names) > 1 else names[0])
