"""Counting against published numbers, and against twins that compute each number one product at a time."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from acofer.errors import InputError
from acofer.nets import timing
from acofer.nets.build import build_net
from acofer.nets.count import multiply_adds, parameters

keras = pytest.importorskip("keras")
Floats = NDArray[np.float64]


@pytest.mark.parametrize(
    ("name", "millions", "digits", "n_parameters"),
    [
        ("MobileNet", 569, 0, 4_253_864),  # Howard et al. 2017, arXiv:1704.04861, table 8
        ("MobileNetV2", 300, -1, 3_538_984),  # Sandler et al. 2018, arXiv:1801.04381, table 4
        ("EfficientNetB0", 390, -1, 5_330_571),  # Tan and Le 2019, arXiv:1905.11946, table 2
    ],
)
def test_published_numbers(name: str, millions: int, digits: int, n_parameters: int) -> None:
    model = getattr(keras.applications, name)(weights=None)
    assert round(multiply_adds(model) / 1e6, digits) == millions
    assert sum(parameters(model).values()) == n_parameters


class Counter:
    """Sums of products, one after the other."""

    def __init__(self) -> None:
        self.count = 0

    def dot(self, a: Any, b: Any) -> float:
        total = 0.0
        for x, y in zip(np.ravel(a), np.ravel(b), strict=True):
            total += float(x) * float(y)
            self.count += 1
        return total

    def product(self, a: Floats, b: Floats) -> Floats:
        return np.array([[self.dot(row, column) for column in b.T] for row in a])

    def convolve(self, x: Floats, kernel: Floats, stride: int) -> Floats:
        """Convolve a map ``(rows, columns, channels)``, padded by zeros, where the padding is even on both sides."""
        size, pad = kernel.shape[0], (kernel.shape[0] - 1) // 2
        padded = np.pad(x, ((pad, pad), (pad, pad), (0, 0)))
        places = range(0, x.shape[0], stride)
        windows = [[padded[r : r + size, c : c + size] for c in places] for r in places]
        return np.array([[[self.dot(w, k) for k in np.moveaxis(kernel, -1, 0)] for w in row] for row in windows])

    def depthwise(self, x: Floats, kernel: Floats, stride: int) -> Floats:
        channels = [self.convolve(x[..., [c]], kernel[..., [c], :], stride) for c in range(x.shape[-1])]
        return np.concatenate(channels, axis=-1)

    def heads(self, query: Floats, value: Floats, weights: list[Floats]) -> Floats:
        wq, bq, wk, bk, wv, bv, wo, bo = weights
        answer = np.zeros((len(query), wo.shape[-1])) + bo
        for h in range(wq.shape[1]):
            q, k, v = (
                self.product(s, w[:, h]) + b[h] for s, w, b in ((query, wq, bq), (value, wk, bk), (value, wv, bv))
            )
            shares = softmax(self.product(q, k.T) / math.sqrt(q.shape[1]))
            answer = answer + self.product(self.product(shares, v), wo[h])
        return answer

    def additive(self, query: Floats, value: Floats, scale: Floats, key: Floats | None = None) -> Floats:
        scores = [[self.dot(np.tanh(q + k), scale) for k in (value if key is None else key)] for q in query]
        return self.product(softmax(np.array(scores)), value)


def softmax(scores: Floats) -> Floats:
    e = np.exp(scores - scores.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def separable(counter: Counter, x: Floats, depthwise: Floats, pointwise: Floats) -> Floats:
    return counter.convolve(counter.depthwise(x, depthwise, 1), pointwise, 1)


# Each a layer called with what has these shapes, and its twin.
LAYERS: dict[str, tuple[Callable[..., Any], list[tuple[int, ...]], Callable[..., Floats]]] = {
    "convolution": (
        lambda x: keras.layers.Conv2D(4, 3, padding="same", use_bias=False)(x),
        [(5, 5, 2)],
        lambda counter, x, kernel: counter.convolve(x, kernel, 1),
    ),
    "strided": (
        lambda x: keras.layers.Conv2D(3, 3, strides=2, padding="same", use_bias=False)(x),
        [(5, 5, 2)],
        lambda counter, x, kernel: counter.convolve(x, kernel, 2),
    ),
    "depthwise": (
        lambda x: keras.layers.DepthwiseConv2D(3, depth_multiplier=2, padding="same", use_bias=False)(x),
        [(4, 4, 3)],
        lambda counter, x, kernel: counter.depthwise(x, kernel, 1),
    ),
    "separable": (
        lambda x: keras.layers.SeparableConv2D(5, 3, padding="same", use_bias=False)(x),
        [(4, 4, 3)],
        separable,
    ),
    "dense": (
        lambda x: keras.layers.Dense(3, use_bias=False)(x),
        [(7,)],
        lambda counter, x, kernel: counter.product(x[None], kernel)[0],
    ),
    "dense on places": (
        lambda x: keras.layers.Dense(3, use_bias=False)(x),
        [(4, 7)],
        lambda counter, x, kernel: counter.product(x, kernel),
    ),
    "heads": (
        lambda query, value: keras.layers.MultiHeadAttention(2, 3, value_dim=4)(query, value),
        [(6, 5), (3, 7)],
        lambda counter, query, value, *weights: counter.heads(query, value, list(weights)),
    ),
    "dot products": (
        lambda query, value: keras.layers.Attention()([query, value]),
        [(6, 5), (3, 5)],
        lambda counter, query, value: counter.product(softmax(counter.product(query, value.T)), value),
    ),
    "additive": (
        lambda query, value: keras.layers.AdditiveAttention()([query, value]),
        [(6, 5), (3, 5)],
        lambda counter, query, value, scale: counter.additive(query, value, scale),
    ),
    "additive with keys": (
        lambda query, value, key: keras.layers.AdditiveAttention(use_scale=False)([query, value, key]),
        [(6, 5), (3, 2), (3, 5)],
        lambda counter, query, value, key: counter.additive(query, value, np.ones(5), key),
    ),
}


@pytest.mark.parametrize("kind", LAYERS)
def test_a_layer_takes_the_products_its_twin_takes(kind: str) -> None:
    call, shapes, twin = LAYERS[kind]
    rng, counter = np.random.default_rng(0), Counter()
    inputs = [keras.Input(shape) for shape in shapes]
    model = keras.Model(inputs, call(*inputs))
    model.set_weights([rng.normal(size=weight.shape) for weight in model.weights])
    given = [rng.normal(size=shape) for shape in shapes]
    expected = twin(counter, *given, *(np.asarray(weight, np.float64) for weight in model.get_weights()))
    outputs = model.predict_on_batch([x[None] for x in given])
    np.testing.assert_allclose(outputs[0], expected, rtol=1e-4, atol=1e-5)
    assert multiply_adds(model) == counter.count


def test_networks_within_networks_count() -> None:
    alone = build_net("mobilenetv2-transfer", 96, 7)
    whole = keras.applications.MobileNetV2(weights=None, input_shape=(96, 96, 3), classes=7)
    assert multiply_adds(alone) == multiply_adds(whole)
    assert parameters(alone)["trainable"] == 1281 * 7
    assert sum(parameters(alone).values()) == whole.count_params()


def test_of_grouped_convolutions_each_takes_its_own_channels() -> None:
    inputs = keras.Input((4, 4, 6))
    model = keras.Model(inputs, keras.layers.Conv2D(6, 3, padding="same", groups=3)(inputs))
    assert multiply_adds(model) == 4 * 4 * 3 * (3 * 3 * 2 * 2)


def test_what_is_not_known_is_not_nothing() -> None:
    inputs = keras.Input((8, 3))
    model = keras.Model(inputs, keras.layers.GRU(4, name="memory")(inputs))
    with pytest.raises(
        InputError, match=r"layer memory: expected one whose multiply-adds are known.*got GRU"
    ) as caught:
        multiply_adds(model)
    assert "\n" not in str(caught.value)


def test_answering_from_fewer_places_costs_less() -> None:
    """The numbers that the builder's docstring gives."""
    some, all_places = (
        build_net("mobilenet-skip-mha", 48, 7, parameters={"key_grid": key_grid}) for key_grid in (6, 24)
    )
    skip, plain = (build_net(name, 48, 7) for name in ("mobilenet-skip", "mobilenet"))
    costs = [multiply_adds(net) - multiply_adds(skip) for net in (some, all_places)]
    assert [round(n / 1e6) for n in (*costs, multiply_adds(plain))] == [221, 635, 24]


def test_timing_is_of_one_picture_and_of_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timing, "_SECONDS", 0.05)
    measured = timing.timing(build_net("small-cnn", 32, 7))
    latency, rate = measured["latency of one picture, ms"], measured["pictures a second"]
    assert 0 < latency < 1e4
    assert rate > 1000 / latency, "in batches, pictures are not slower than one by one"
