"""Frozen MobileNet, with skip connections and multi-head attention between its blocks (Gafsa, Sfax; IAJIT 2023).

The layers of MobileNet stay as ImageNet left them. All that is added to its maps
begins at zero, so that in the first step each frozen layer sees what it was
trained for and the three networks say the same of a picture (Zhang et al. 2019,
arXiv:1901.09321, and Bachlechner et al. 2020, arXiv:2003.04887, begin residual
branches so).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from acofer.nets.blocks import extractor, freeze, pixels, scaling_of, under_softmax
from acofer.pretrained.base import import_keras, load_base
from acofer.pretrained.weights import Weights

NAME = "mobilenet"
_LAST_OF_BLOCK = re.compile(r"(conv1|conv_pw_\d+)_relu")


def mobilenet(
    image_size: int,
    n_classes: int,
    *,
    weights: Mapping[str, Weights],
    trainable: str = "none",
    dropout: float = 0.0,
) -> Any:
    """Build MobileNet, its last map averaged, under a softmax.

    Parameters
    ----------
    image_size : int
        Side of the RGB pictures in pixels, at least 32; the paper's is 48.
    n_classes : int
    weights : mapping of str to Weights
        Of ``"mobilenet"``.
    trainable : {"none", "all"}
        Whether MobileNet itself is trained; the paper froze it.
    dropout : float
        Before the last layer; the paper has none.

    Returns
    -------
    keras.Model
    """
    inputs, scaled = pixels(image_size, 3, scaling_of(NAME))
    base = extractor(load_base(NAME, image_size, weights[NAME]), NAME, trainable=trainable == "all")
    return under_softmax(inputs, base(scaled), n_classes, dropout, "mobilenet")


def mobilenet_skip(
    image_size: int,
    n_classes: int,
    *,
    weights: Mapping[str, Weights],
    trainable: str = "none",
    zero_start: bool = True,
    dropout: float = 0.0,
) -> Any:
    """Build MobileNet with a trained skip connection around each of its 13 depthwise-separable blocks.

    Where a block keeps the shape of its map, its input is added with a trained weight a channel. Where it does not,
    a 1x1 convolution fits the channels, after averaging if the map is halved (He et al. 2019, arXiv:1812.01187): a
    stride would pass over three places in four, and round the side of 3, at 48 pixels, up where MobileNet rounds down.

    Parameters
    ----------
    image_size, n_classes, weights, trainable, dropout
        As `mobilenet`.
    zero_start : bool
        Whether what is added begins at zero; if not, as is usual where all layers are trained: kept shapes are added
        as they are, other kernels are drawn.

    Returns
    -------
    keras.Model
    """

    def branches(x: Any, y: Any, block: int) -> list[Any]:
        return [_skip(x, y, zero_start, f"skip{block}")]

    return _threaded(image_size, n_classes, weights, trainable, branches, dropout, "mobilenet-skip")


def mobilenet_skip_mha(
    image_size: int,
    n_classes: int,
    *,
    weights: Mapping[str, Weights],
    trainable: str = "none",
    heads: int = 8,
    units: int = 64,
    key_grid: int = 6,
    layer_norm: bool = True,
    zero_start: bool = True,
    dropout: float = 0.0,
) -> Any:
    """Build `mobilenet_skip` with multi-head self-attention on the output of each block, added to it.

    Every place of a map asks. What answers is the map averaged to `key_grid` places a side, as in Wang et al. (2021,
    arXiv:2102.12122), who reduce keys and values by a convolution, and (2022, arXiv:2106.13797), who average them.
    Were all places to answer, 576 in the first map, the attentions would, at 48 pixels, take 635 million multiply-adds
    a picture; so they take 221, and MobileNet itself 24.

    At 48 pixels the maps of the last two blocks have one place. It can only ask itself: there, attention is a linear
    map, and its queries and keys learn nothing.

    Parameters
    ----------
    image_size, n_classes, weights, trainable, dropout
        As `mobilenet`.
    heads : int
    units : int
        Of each head's queries, keys and values.
    key_grid : int
        Places a side that answer, at most. The paper speaks of no reduction: half of `image_size` is none.
    layer_norm : bool
        Whether attention sees its map normalised, place by place (Xiong et al. 2020, arXiv:2002.04745). The paper does
        not say so, but without it Adam at the paper's rate of 1e-3 did not learn 64 faces on random frozen layers: the
        loss rose from 2 to 15 within four steps.
    zero_start : bool
        As `mobilenet_skip`; in attention it is the last projection that begins at zero.

    Returns
    -------
    keras.Model
    """

    def branches(x: Any, y: Any, block: int) -> list[Any]:
        attended = _attended(y, heads, units, key_grid, layer_norm, zero_start, f"attention{block}")
        return [attended, _skip(x, y, zero_start, f"skip{block}")]

    return _threaded(image_size, n_classes, weights, trainable, branches, dropout, "mobilenet-skip-mha")


def _threaded(
    image_size: int,
    n_classes: int,
    weights: Mapping[str, Weights],
    trainable: str,
    branches: Callable[[Any, Any, int], list[Any]],
    dropout: float,
    name: str,
) -> Any:
    """Thread the layers of MobileNet; to the output y of each block, the `branches` that begin at x or y are added."""
    add = import_keras().layers.Add
    inputs, x = pixels(image_size, 3, scaling_of(NAME))
    base = load_base(NAME, image_size, weights[NAME])
    freeze(base, trainable=trainable == "all")
    stem, *blocks = _blocks(base)
    x = _through(stem, x)
    for i, block in enumerate(blocks, start=1):
        y = _through(block, x)
        x = add(name=f"add{i}")([y, *branches(x, y, i)])
    return under_softmax(inputs, x, n_classes, dropout, name)


def _blocks(base: Any) -> list[list[Any]]:
    """Return the layers of the first convolution, then those of each depthwise-separable block."""
    blocks: list[list[Any]] = [[]]
    for layer in base.layers[1:]:
        blocks[-1].append(layer)
        if _LAST_OF_BLOCK.fullmatch(layer.name):
            blocks.append([])
    return blocks[:-1]


def _through(layers: list[Any], x: Any) -> Any:
    for layer in layers:
        x = layer(x)
    return x


def _skip(x: Any, y: Any, zero_start: bool, name: str) -> Any:
    """Return `x` in the shape of `y`."""
    layers = import_keras().layers
    if x.shape == y.shape:
        start = "zeros" if zero_start else "ones"
        return layers.DepthwiseConv2D(1, depthwise_initializer=start, use_bias=False, name=name)(x)
    if x.shape[1] != y.shape[1]:
        x = _averaged(x, y.shape[1], f"{name}_mean")
    start = "zeros" if zero_start else "glorot_uniform"
    return layers.Conv2D(y.shape[-1], 1, kernel_initializer=start, use_bias=False, name=name)(x)


def _averaged(x: Any, places: int, name: str) -> Any:
    """Average a map to `places` a side, in windows that overlap where they must to see all of it without padding."""
    side = x.shape[1]
    stride = side // places
    return import_keras().layers.AveragePooling2D(side - (places - 1) * stride, stride, name=name)(x)


def _attended(x: Any, heads: int, units: int, key_grid: int, layer_norm: bool, zero_start: bool, name: str) -> Any:
    """Return what the places of a map ``(b, side, side, channels)`` are answered by the same map, made coarser."""
    layers = import_keras().layers
    side, channels = x.shape[1], x.shape[-1]
    if layer_norm:
        x = layers.LayerNormalization(name=f"{name}_norm")(x)
    coarse = _averaged(x, key_grid, f"{name}_mean") if side > key_grid else x
    asking = layers.Reshape((side * side, channels), name=f"{name}_queries")(x)
    answering = layers.Reshape((-1, channels), name=f"{name}_keys")(coarse)
    attention = layers.MultiHeadAttention(heads, units, value_dim=units, name=name)
    answers = attention(asking, answering)
    if zero_start:
        kernel = attention.output_dense.kernel
        kernel.assign(np.zeros(kernel.shape))
    return layers.Reshape((side, side, channels), name=f"{name}_map")(answers)
