"""Every network, small but whole: its shapes and numbers, what learns and what must not, saved and loaded."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from small_nets import CLASSES, SIDE, SMALLER, Learnt, build, faces, leaves, moved, names, settle, values

from acofer.errors import ConfigError, DataError
from acofer.nets.build import build_net
from acofer.nets.table import NETS
from acofer.pretrained.weights import resolve_weights
from acofer.runs.network import read_network
from acofer.runs.training_folder import NETWORK

keras = pytest.importorskip("keras")
Known = Callable[[str], Learnt]

WITH_BACKBONES = [p for p in names() if NETS[p.values[0]].backbones]
# Without their tops; with 1000 classes keras.io gives 4,253,864, 3,538,984 and 5,330,571.
BASES = {"mobilenet": 3_228_864, "mobilenetv2": 2_257_984, "efficientnetb0": 4_049_571}
MAPS = {"mobilenet": 1024, "mobilenetv2": 1280, "efficientnetb0": 1280}
# Channels into and out of MobileNet's 13 depthwise-separable blocks (Howard et al. 2017, arXiv:1704.04861, table 1).
BLOCKS = [(32, 64), (64, 128), (128, 128), (128, 256), (256, 256), (256, 512), *[(512, 512)] * 5, (512, 1024)]
BLOCKS += [(1024, 1024)]


def dense(*sizes: int) -> int:
    return sum((a + 1) * b for a, b in pairwise(sizes))


def small_cnn(kernel: int) -> int:
    filters = [3, 8, 16, 32, 64, 128]
    convolutions = sum((kernel**2 * a + 1) * b for a, b in pairwise(filters))
    return convolutions + dense((SIDE // 32) ** 2 * 128, 128, CLASSES)


def separable(filters: list[int]) -> int:
    total = 0
    for a, b in zip([1, *filters], filters, strict=False):
        total += 9 * a + a * b + 4 * b + a * b  # depthwise, pointwise, normalisation, shortcut
        total += 9 * b * b + 4 * b + b * b
    return total + filters[-1] + 1 + dense(2 * filters[-1], 128, CLASSES)  # with the scales of both attentions


def skips() -> int:
    return sum(a if a == b else a * b for a, b in BLOCKS)


def attentions(width: int) -> int:
    """Normalisation, queries, keys and values, and the way back to the channels of the map."""
    return sum(2 * b + 3 * (b + 1) * width + (width + 1) * b for _, b in BLOCKS)


def parameters_by_hand(name: str) -> int:
    changes, backbones = SMALLER.get(name, {}), NETS[name].backbones
    joined, units = sum(MAPS[b] for b in backbones), changes.get("units", [])
    extracting = sum(BASES[b] for b in backbones)
    return {
        "small-cnn": lambda: small_cnn(changes["kernel_size"]),
        "separable-attention": lambda: separable(changes["filters"]),
        "mobilenet-skip": lambda: extracting + skips() + dense(joined, CLASSES),
        "mobilenet-skip-mha": lambda: (
            extracting + skips() + attentions(changes["heads"] * units) + dense(1024, CLASSES)
        ),
    }.get(name, lambda: extracting + dense(joined, *units, CLASSES))()


@pytest.mark.parametrize("name", names())
def test_every_parameter_is_accounted_for(name: str, learnt: Known) -> None:
    model = learnt(name).model
    assert model.count_params() == parameters_by_hand(name)
    frozen = sum(BASES[backbone] for backbone in NETS[name].backbones)
    if frozen:
        assert sum(w.size for w in learnt(name).frozen.values()) == frozen


@pytest.mark.parametrize("name", names())
def test_pixels_become_probabilities(name: str, learnt: Known) -> None:
    model, pixels = learnt(name).model, faces(name)
    assert model.input_shape == (None, SIDE, SIDE, NETS[name].channels)
    outputs = model.predict_on_batch(pixels)
    assert outputs.shape == (len(pixels), CLASSES)
    assert outputs.dtype == np.float32
    assert ((outputs >= 0) & (outputs <= 1)).all()
    if name != "small-cnn":  # which has a sigmoid a class
        np.testing.assert_allclose(outputs.sum(axis=1), 1, rtol=1e-5)


@pytest.mark.parametrize("name", names())
def test_sixty_four_faces_are_learnt_by_heart(name: str, learnt: Known) -> None:
    assert learnt(name).accuracy > 0.95


@pytest.mark.parametrize("name", names())
def test_gradients_reach_all_that_is_to_learn_and_nothing_else(name: str, learnt: Known) -> None:
    known = learnt(name)
    still = known.trainable.keys() - moved(known.trainable, known.model.trainable_weights)
    assert without_key_biases(still) == places_alone(name)
    frozen = moved(known.frozen, known.model.non_trainable_weights)
    # Only a network with nothing frozen in it may learn statistics.
    assert frozen == (set() if NETS[name].backbones else known.frozen.keys())


@pytest.mark.parametrize("name", WITH_BACKBONES)
def test_fine_tuning_moves_all_but_normalisation(name: str) -> None:
    """Keras passes training=True of fit over training=False of a call: only frozen layers keep their statistics."""
    pixels = faces(name, n=8)
    parameters = {**SMALLER.get(name, {}), "trainable": "all"}
    model = settle(build(name, parameters=parameters), pixels)
    before = values(model.trainable_weights), values(model.non_trainable_weights)
    model.compile(keras.optimizers.Adam(1e-3), "categorical_crossentropy", run_eagerly=True)
    for _ in range(3):  # what begins at zero hides what is behind it
        model.train_on_batch(pixels, np.eye(CLASSES)[np.arange(8) % CLASSES])
    still = before[0].keys() - moved(before[0], model.trainable_weights)
    assert without_key_biases(still) == places_alone(name)
    normalising = (keras.layers.BatchNormalization, keras.layers.Normalization)
    frozen = {w.path for layer in leaves(model) if isinstance(layer, normalising) for w in layer.weights}
    assert before[1].keys() == frozen
    assert moved(before[1], model.non_trainable_weights) == set()


@pytest.mark.parametrize("name", WITH_BACKBONES)
def test_what_is_frozen_says_the_same_of_a_picture_in_training(name: str) -> None:
    """Keras' EfficientNet drops whole branches in training, also where its weights are frozen."""
    parameters = {**SMALLER.get(name, {}), "trainable": "none", "dropout": 0.0}
    model, pixels = build(name, parameters=parameters), faces(name, n=4)
    settle(model, faces(name))
    outputs = [keras.ops.convert_to_numpy(model(pixels, training=training)) for training in (False, True)]
    np.testing.assert_array_equal(*outputs)


def without_key_biases(paths: set[str]) -> set[str]:
    """A key's bias adds the same to all scores of a query, which the softmax does not see."""
    return {path for path in paths if not path.endswith("/key/bias")}


def places_alone(name: str) -> set[str]:
    """At 32 pixels the maps of blocks 12 and 13 have one place, and what it attends to is no question."""
    if name != "mobilenet-skip-mha":
        return set()
    parts = ("query/kernel", "query/bias", "key/kernel")
    return {f"attention{block}/{part}" for block in (12, 13) for part in parts}


@pytest.mark.parametrize("name", names())
def test_a_saved_network_predicts_the_same_to_the_bit(name: str, learnt: Known, tmp_path: Path) -> None:
    model, pixels = learnt(name).model, faces(name, n=16)
    model.save(tmp_path / NETWORK)
    loaded = read_network(tmp_path)
    np.testing.assert_array_equal(loaded.predict_on_batch(pixels), model.predict_on_batch(pixels))
    assert [weight.path for weight in loaded.trainable_weights] == [weight.path for weight in model.trainable_weights]


def test_a_saved_network_needs_keras_alone(tmp_path: Path) -> None:
    model, pixels = build("mobilenet-skip-mha"), faces("mobilenet-skip-mha", n=16)
    model.save(tmp_path / "net.keras")
    np.save(tmp_path / "pixels.npy", pixels)
    code = (
        "import keras, numpy, sys; model = keras.saving.load_model('net.keras', compile=False, safe_mode=True); "
        "numpy.save('outputs.npy', model.predict_on_batch(numpy.load('pixels.npy'))); "
        "assert 'acofer' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True, capture_output=True)
    np.testing.assert_array_equal(np.load(tmp_path / "outputs.npy"), model.predict_on_batch(pixels))


@pytest.mark.parametrize("name", names())
def test_same_seed_same_names_and_weights(name: str) -> None:
    random.seed(5)
    np.random.seed(5)  # noqa: NPY002 - the generator that others may rely on
    before = random.getstate(), str(np.random.get_state())  # noqa: NPY002
    first, again = build(name, seed=3), build(name, seed=3)
    assert (random.getstate(), str(np.random.get_state())) == before  # noqa: NPY002
    assert layer_names(first) == layer_names(again)
    for mine, theirs in zip(first.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, theirs)
    assert first.name == name
    assert first.layers[-1].name == "predictions"
    extractors = {layer.name for layer in first.layers if getattr(layer, "layers", None)}
    assert extractors == (set() if "skip" in name else set(NETS[name].backbones))


def layer_names(model: Any) -> list[str]:
    """Return the names of all layers, but for those that keras.applications leaves to Keras to number."""
    numbered = (keras.layers.InputLayer, keras.layers.Normalization, keras.layers.Rescaling)
    inner = [layer.name for layer in leaves(model) if not isinstance(layer, numbered)]
    return [layer.name for layer in model.layers] + inner


@pytest.mark.parametrize("name", ["mobilenet-skip", "small-cnn"])
def test_another_seed_draws_other_weights(name: str) -> None:
    kernels = [
        [weight.numpy() for weight in build(name, seed=seed).weights if weight.path.endswith("kernel")]
        for seed in (0, 1)
    ]
    same = [np.array_equal(a, b) for a, b in zip(*kernels, strict=True) if a.any()]
    assert len(same) > 4
    assert not any(same)


@pytest.mark.parametrize("name", names())
def test_other_sizes_and_classes(name: str) -> None:
    model = build(name, 65, n_classes=5)
    outputs = model.predict_on_batch(faces(name, 65, n=2))
    assert outputs.shape == (2, 5)
    assert np.isfinite(outputs).all()


@pytest.mark.parametrize("name", names())
def test_mixed_precision_predicts_in_float32(name: str) -> None:
    model = build(name, precision="bfloat16")
    assert {weight.dtype for weight in model.weights if "float" in weight.dtype} == {"float32"}
    assert "bfloat16" in {layer.compute_dtype for layer in leaves(model)}
    outputs = model.predict_on_batch(faces(name, n=2))
    assert outputs.dtype == np.float32
    assert np.isfinite(outputs).all()
    assert keras.config.dtype_policy().name == "float32", "the caller's layers compute as before"


def of_three(changes: dict[str, Any], pixels: NDArray[np.float32]) -> list[NDArray[np.float32]]:
    """Return what the three MobileNets say of pictures under the same last layer."""
    outputs, last = [], None
    for name in ("mobilenet", "mobilenet-skip", "mobilenet-skip-mha"):
        model = build(name, 48, parameters=changes if "skip" in name else {})
        last = last or model.get_layer("predictions").get_weights()
        model.get_layer("predictions").set_weights(last)
        outputs.append(model.predict_on_batch(pixels))
    return outputs


def test_skips_and_attention_begin_as_if_they_were_not_there() -> None:
    pixels = faces("mobilenet", 48, n=4)
    plain, skip, attention = of_three({}, pixels)
    np.testing.assert_array_equal(skip, plain)
    np.testing.assert_array_equal(attention, plain)
    plain, skip, attention = of_three({"zero_start": False}, pixels)
    assert np.abs(skip - plain).max() > 1e-3
    assert np.abs(attention - skip).max() > 1e-3


def test_skips_and_attention_add_what_they_should() -> None:
    """Blocks 2 and 3 of a net at 50 pixels, whose first map has 25 places a side, by the formulas in numpy."""
    net = build("mobilenet-skip-mha", 50, parameters={"heads": 2, "units": 4, "zero_start": False})
    settle(net, faces("mobilenet", 50, n=8))
    layers = [net.get_layer(f"add{block}") for block in (1, 2, 3)]
    tensors = [tensor for layer in layers for tensor in (layer.input[0], layer.output)]
    maps = keras.Model(net.input, tensors).predict_on_batch(faces("mobilenet", 50, n=2))
    _, x1, y2, x2, y3, x3 = (np.asarray(m, np.float64) for m in maps)
    assert (x1.shape[1], x2.shape[1]) == (25, 12)
    projected = averaged(x1, 12) @ weights_of(net, "skip2")[0][0, 0]
    np.testing.assert_allclose(x2, y2 + attended(net, "attention2", y2) + projected, rtol=1e-3, atol=1e-3)
    weighted = x2 * weights_of(net, "skip3")[0][0, 0, :, 0]
    np.testing.assert_allclose(x3, y3 + attended(net, "attention3", y3) + weighted, rtol=1e-3, atol=1e-3)


def weights_of(net: Any, layer: str) -> list[NDArray[np.float64]]:
    return [np.asarray(w, np.float64) for w in net.get_layer(layer).get_weights()]


def averaged(x: NDArray[np.float64], places: int) -> NDArray[np.float64]:
    """Average to `places` a side, cell by cell: each as wide as the last, the first and the last at the borders."""
    side = x.shape[1]
    starts = [i * (side // places) for i in range(places)]
    width = side - starts[-1]
    rows = [[x[:, r : r + width, c : c + width].mean(axis=(1, 2)) for c in starts] for r in starts]
    return np.moveaxis(np.array(rows), 2, 0)


def attended(net: Any, name: str, y: NDArray[np.float64]) -> NDArray[np.float64]:
    """Multi-head attention of the whole map to its 6x6 means, head by head."""
    gamma, beta = weights_of(net, f"{name}_norm")
    y = (y - y.mean(axis=-1, keepdims=True)) / np.sqrt(y.var(axis=-1, keepdims=True) + 1e-3) * gamma + beta
    coarse = averaged(y, 6).reshape(len(y), 36, -1)
    wq, bq, wk, bk, wv, bv, wo, bo = weights_of(net, name)
    answer = np.zeros_like(y) + bo
    for head in range(2):
        q, k, v = (s @ w[:, head] + b[head] for s, w, b in ((y, wq, bq), (coarse, wk, bk), (coarse, wv, bv)))
        scores = np.exp(np.einsum("bijd,bsd->bijs", q, k) / np.sqrt(4))
        answer += np.einsum("bijs,bsd->bijd", scores / scores.sum(axis=-1, keepdims=True), v) @ wo[head]
    return answer


@pytest.mark.parametrize(
    ("name", "size", "classes", "options", "message"),
    [
        ("mobilenett", 48, 7, {}, "net 'mobilenett' is unknown; did you mean 'mobilenet'?"),
        ("small-cnn", 48, 7, {"parameters": {"unit": 3}}, "no parameter 'unit'; did you mean 'units'?"),
        ("mobilenet-skip-mha", 48, 7, {"parameters": {"heads": 0}}, "heads: expected a whole number from 1 up; got 0"),
        ("mobilenet-skip", 48, 7, {"parameters": {"zero_start": 1}}, "zero_start: expected true or false; got 1"),
        ("hybrid", 48, 7, {"parameters": {"units": []}}, "units: expected a list of whole numbers"),
        ("mobilenet", 48, 7, {"parameters": {"trainable": "some"}}, "trainable: expected all or none; got 'some'"),
        ("mobilenet", 48, 7, {"parameters": {"dropout": 1}}, "dropout: expected a number from 0 to below 1; got 1"),
        ("mobilenet", 31, 7, {}, "image_size: expected at least 32 pixels a side for mobilenet; got 31"),
        ("separable-attention", 48, 1, {}, "classes: expected at least 2 classes; got 1"),
        (
            "small-cnn",
            48,
            7,
            {"precision": "float8"},
            "precision: expected float32 or bfloat16 or float16; got 'float8'",
        ),
    ],
)
def test_what_cannot_be_built_is_said_in_one_line(
    name: str, size: int, classes: int, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        build_net(name, size, classes, **options)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_weights_of_another_network_do_not_fit(weights_file: Path) -> None:
    with pytest.raises(DataError, match="does not fit mobilenet without its top") as caught:
        build("mobilenet-skip", weights={"mobilenet": resolve_weights(weights_file, "mobilenet", 32)})
    assert "\n" not in str(caught.value)
