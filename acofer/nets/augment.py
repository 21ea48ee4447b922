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
    x = inputs = keras.Input(model.input_shape[1:], name="pictures")
    for layer in _layers(keras.layers, augmentation):
        if keras.backend.backend() == "jax":
            # Keras says no because TensorFlow's XLA cannot warp pictures. JAX can; told no, it would go through the
            # whole network operation by operation: on a GPU not done with 300 steps when the compiled ones took 2 s.
            layer.supports_jit = True
        x = layer(x)
    return keras.Model(inputs, model(x), name="training")


def _layers(layers: Any, augmentation: Augmentation) -> list[Any]:
    own = augmentation
    wanted = (
        (own.flip, lambda: layers.RandomFlip("horizontal", name="flip")),
        (own.shift, lambda: layers.RandomTranslation(own.shift, own.shift, fill_mode="nearest", name="shift")),
        (own.rotate, lambda: layers.RandomRotation(own.rotate / 360, fill_mode="nearest", name="rotate")),
        (own.zoom, lambda: layers.RandomZoom(own.zoom, fill_mode="nearest", name="zoom")),
    )
    return [make() for amount, make in wanted if amount]
