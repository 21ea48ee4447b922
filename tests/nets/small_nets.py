"""Every network, small enough for one processor, and how tests look into it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from acofer.data.demo import load_demo
from acofer.nets.build import build_net
from acofer.nets.pixels import PixelRows
from acofer.nets.table import NETS

SIDE, CLASSES, N_FACES = 32, 7, 64
SMALLER: dict[str, dict[str, Any]] = {
    "mobilenet-skip-mha": {"heads": 2, "units": 16},
    "separable-attention": {"filters": [8, 16, 32], "dropout": 0.0},
    "small-cnn": {"kernel_size": 3, "dropout": 0.0},
    **{
        name: {"units": [32], "trainable": "none", "dropout": 0.0}
        for name in ("efficientnetb0", "mobilenetv2", "hybrid")
    },
}
"""Other parameters than the papers', for one processor's sake."""


OFTEN = ("separable-attention", "mobilenet-skip", "small-cnn")
"""Networks that are tried at every change: one of each kind; the others are tried by night."""


def names() -> list[Any]:
    """All networks; what is asked of one stays on one worker, which trains it once."""
    rare = {name: [] if name in OFTEN else [pytest.mark.nightly] for name in NETS}
    return [pytest.param(name, marks=[pytest.mark.xdist_group(name), *rare[name]]) for name in NETS]


def faces(name: str, side: int = SIDE, n: int = N_FACES) -> NDArray[np.float32]:
    """Return the first drawn faces as this network takes them."""
    rows = np.arange(n)
    return PixelRows(load_demo().pictures, rows, side, NETS[name].channels).batch(rows)


def expressions() -> NDArray[np.int16]:
    return load_demo().labels[:N_FACES]


def build(name: str, side: int = SIDE, **changes: Any) -> Any:
    """Build a network, smaller than its paper's."""
    options: dict[str, Any] = {"n_classes": CLASSES, "parameters": SMALLER.get(name, {}), **changes}
    return build_net(name, side, options.pop("n_classes"), **options)


def leaves(model: Any) -> list[Any]:
    """Return all layers, also those of networks within."""
    inner = [leaves(layer) if getattr(layer, "layers", None) else [layer] for layer in model.layers]
    return [layer for some in inner for layer in some]


def settle(model: Any, pixels: NDArray[np.float32]) -> Any:
    """Give batch normalisation the statistics of these pictures, as a trained network has them.

    On random kernels and Keras' statistics, 0 and 1, all pictures come out of a deep network almost alike.
    """
    import keras

    layers = [layer for layer in leaves(model) if isinstance(layer, keras.layers.BatchNormalization)]
    before = [(layer.trainable, layer.momentum) for layer in layers]
    for layer in layers:
        layer.trainable, layer.momentum = True, 0.0
    model(pixels, training=True)
    for layer, was in zip(layers, before, strict=True):
        layer.trainable, layer.momentum = was
    return model


def values(weights: list[Any]) -> dict[str, NDArray[Any]]:
    import keras

    return {weight.path: np.array(keras.ops.convert_to_numpy(weight)) for weight in weights}


def moved(before: dict[str, NDArray[Any]], weights: list[Any]) -> set[str]:
    """Return the paths of the weights that are no longer, to the bit, what they were."""
    now = values(weights)
    assert now.keys() == before.keys()
    return {path for path, array in before.items() if not np.array_equal(array, now[path])}


@dataclass(frozen=True)
class Learnt:
    """A network that was trained on 64 faces, and its weights before."""

    model: Any
    trainable: dict[str, NDArray[Any]]
    frozen: dict[str, NDArray[Any]]
    accuracy: float


def learn_by_heart(name: str) -> Learnt:
    import keras

    pixels, labels = faces(name), expressions()
    model = settle(build(name), pixels)
    before = values(model.trainable_weights), values(model.non_trainable_weights)
    loss = "binary_crossentropy" if name == "small-cnn" else "categorical_crossentropy"
    model.compile(keras.optimizers.Adam(1e-3 if "skip" in name else 3e-3), loss, jit_compile=False)
    accuracy = 0.0
    for _ in range(20):
        model.fit(pixels, np.eye(CLASSES)[labels], batch_size=16, epochs=5, verbose=0)
        accuracy = float((model.predict_on_batch(pixels).argmax(axis=1) == labels).mean())
        if accuracy > 0.95:
            break
    return Learnt(model, *before, accuracy)
