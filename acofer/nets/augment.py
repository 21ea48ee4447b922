"""Variation of training pictures, by Keras' own layers; in prediction they stand aside."""

from __future__ import annotations

from typing import Any

from acofer.nets.table import Augmentation
from acofer.pretrained.base import import_keras


def augmented(model: Any, augmentation: Augmentation) -> Any:
    """Return a network that varies its pictures before `model` sees them; the weights are those of `model`.

    What comes into view at a border repeats the border: black corners would tell the network how a picture was turned.

    Parameters
    ----------
    model : keras.Model
        From pixels to predictions.
    augmentation : Augmentation

    Returns
    -------
    keras.Model
    """
    keras = import_keras()
    layers = keras.layers
    x = inputs = keras.Input(model.input_shape[1:], name="pictures")
    if augmentation.flip:
        x = layers.RandomFlip("horizontal", name="flip")(x)
    if augmentation.shift:
        x = layers.RandomTranslation(augmentation.shift, augmentation.shift, fill_mode="nearest", name="shift")(x)
    if augmentation.rotate:
        x = layers.RandomRotation(augmentation.rotate / 360, fill_mode="nearest", name="rotate")(x)
    if augmentation.zoom:
        x = layers.RandomZoom(augmentation.zoom, fill_mode="nearest", name="zoom")(x)
    return keras.Model(inputs, model(x), name="training")
