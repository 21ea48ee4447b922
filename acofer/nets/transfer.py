"""MobileNetV2 under a new softmax (Duhok; QALAAI ZANIST Journal 2024)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from acofer.nets.blocks import extractor, pixels, scaling_of, under_softmax
from acofer.pretrained.base import load_base
from acofer.pretrained.weights import Weights


def mobilenetv2_transfer(
    image_size: int,
    n_classes: int,
    *,
    weights: Mapping[str, Weights],
    trainable: str = "none",
    dropout: float = 0.0,
) -> Any:
    """Build MobileNetV2, its last map averaged, under a softmax.

    Parameters
    ----------
    image_size : int
        Side of the RGB pictures in pixels, at least 32; the paper's is 180.
    n_classes : int
    weights : mapping of str to Weights
        Of ``"mobilenetv2"``.
    trainable : {"none", "all"}
        Whether MobileNetV2 itself is trained. The paper speaks of transfer learning with a new last layer: frozen.
    dropout : float
        Before the last layer; the paper has none.

    Returns
    -------
    keras.Model
    """
    inputs, scaled = pixels(image_size, 3, scaling_of("mobilenetv2"))
    base = extractor(
        load_base("mobilenetv2", image_size, weights["mobilenetv2"]), "mobilenetv2", trainable=trainable == "all"
    )
    return under_softmax(inputs, base(scaled), n_classes, dropout, "mobilenetv2-transfer")
