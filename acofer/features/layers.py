"""Which layers of a network are taken, and what is made of their maps: all that is known before Keras is loaded.

A layer gives a map: (rows, columns, channels). Pooling makes features of it:

``flatten``
    every place of the map;
``avg``, ``max``
    one number a channel;
``grid:N``, ``maxgrid:N``
    the mean or the maximum of each of N x N cells, cut as adaptive average pooling cuts them. A map of fewer
    than N rows or columns keeps its own.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Sequence
from typing import Any

from acofer.errors import ConfigError, nearest
from acofer.pretrained.weights import architecture

WORDS = ("last", "bank", "all")
POOLINGS = ("flatten", "avg", "max", "grid:3", "maxgrid:3")
"""One of each kind; a grid's number is free."""
_GRID = re.compile("(max)?grid:([1-9][0-9]{0,2})")
_MOST_OF_BLOCK = 16
_ACTIVATED = re.compile("block_[0-9]+_expand_relu|block[0-9][a-d]_expand_activation|conv_pw_[0-9]+_relu")


def _mobilenetv2() -> Iterator[tuple[str, int]]:
    stride = 2
    yield from ((name, stride) for name in ("Conv1", "bn_Conv1", "Conv1_relu"))
    for block in range(17):
        prefix = f"block_{block}" if block else "expanded_conv"
        if block:
            yield from ((f"{prefix}_expand{part}", stride) for part in ("", "_BN", "_relu"))
        stride *= 2 if block in (1, 3, 6, 13) else 1
        yield from ((f"{prefix}_depthwise{part}", stride) for part in ("", "_BN", "_relu"))
        yield from ((f"{prefix}_project{part}", stride) for part in ("", "_BN"))
        if block not in (0, 1, 3, 6, 10, 13, 16):
            yield f"{prefix}_add", stride
    yield from ((name, stride) for name in ("Conv_1", "Conv_1_bn", "out_relu"))


def _efficientnetb0() -> Iterator[tuple[str, int]]:
    stride = 2
    yield from ((f"stem_{part}", stride) for part in ("conv", "bn", "activation"))
    for block in ("1a", "2a", "2b", "3a", "3b", "4a", "4b", "4c", "5a", "5b", "5c", "6a", "6b", "6c", "6d", "7a"):
        if block != "1a":
            yield from ((f"block{block}_expand_{part}", stride) for part in ("conv", "bn", "activation"))
        stride *= 2 if block in ("2a", "3a", "4a", "6a") else 1
        yield from ((f"block{block}_{part}", stride) for part in ("dwconv", "bn", "activation"))
        yield from ((f"block{block}_se_{part}", 0) for part in ("reshape", "reduce", "expand"))
        yield from ((f"block{block}_{part}", stride) for part in ("se_excite", "project_conv", "project_bn"))
        if block[1] != "a":
            yield from ((f"block{block}_{part}", stride) for part in ("drop", "add"))
    yield from ((f"top_{part}", stride) for part in ("conv", "bn", "activation"))


def _mobilenet() -> Iterator[tuple[str, int]]:
    stride = 2
    yield from ((f"conv1{part}", stride) for part in ("", "_bn", "_relu"))
    for block in range(1, 14):
        stride *= 2 if block in (2, 4, 6, 12) else 1
        yield from ((f"conv_{kind}_{block}{part}", stride) for kind in ("dw", "pw") for part in ("", "_bn", "_relu"))


LAYERS: dict[str, dict[str, int]] = {
    "mobilenetv2": dict(_mobilenetv2()),
    "efficientnetb0": dict(_efficientnetb0()),
    "mobilenet": dict(_mobilenet()),
}
"""By network, in its order: each layer from the first convolution on that gives a map, and its stride, the pixels
that lie between two places (0: the map has one place, whatever the size of the input). Padding is left out: it
repeats the layer before it."""

BANKS = {
    "mobilenetv2": ("block_6_expand_relu", "block_10_expand_relu", "block_13_expand_relu"),
    "efficientnetb0": ("block4a_expand_activation", "block5a_expand_activation", "block6a_expand_activation"),
    "mobilenet": ("conv_pw_5_relu", "conv_pw_8_relu", "conv_pw_11_relu"),
}
"""By network, what ``bank`` means: three wide, activated layers of its middle, where features are no longer edges
and not yet ImageNet's classes: the last one of stride 8, one within stride 16, and the last one of stride 16.

MobileNetV2 and EfficientNet-B0 are wide where a block expands, and the three are the expansions at the head of the
same three stages (to stride 16, to more channels, to stride 32). MobileNet expands nothing; its pointwise
convolutions are its widest, and the one within stride 16 is halfway between the last of stride 8 and of 16."""


def activated_layers(backbone: str) -> tuple[str, ...]:
    """Return what ``all`` means: every activated expansion (MobileNet: pointwise convolution), and the last layer."""
    last = architecture(backbone).layer
    return tuple(name for name in LAYERS[backbone] if _ACTIVATED.fullmatch(name) or name == last)


def chosen_layers(layers: str, backbone: str) -> tuple[str, ...]:
    """Return the layers that an option means, in the order of the network, each once.

    Parameters
    ----------
    layers : str
        ``"last"``, ``"bank"``, ``"all"``, the names of layers, or several of these with commas between them.
    backbone : str
        Name of the network.

    Returns
    -------
    tuple of str

    Raises
    ------
    ConfigError
        Where the network or a layer is unknown; it names the nearest one.
    """
    words = {"last": (architecture(backbone).layer,), "bank": BANKS[backbone], "all": activated_layers(backbone)}
    wanted: set[str] = set()
    for item in layers.split(","):
        name = item.strip()
        if name not in words and name not in LAYERS[backbone]:
            raise ConfigError(f"layer {name!r} is unknown in {backbone}; {_nearest_layer(name, backbone)}")
        wanted.update(words.get(name, (name,)))
    return tuple(name for name in LAYERS[backbone] if name in wanted)


def _nearest_layer(name: str, backbone: str) -> str:
    """Name the layers of a block or the nearest one; else those of ``all``, since the network has some 200."""
    of_block = [layer for layer in LAYERS[backbone] if layer.startswith(f"{name}_")]
    if 0 < len(of_block) <= _MOST_OF_BLOCK:
        return f"did you mean one of {', '.join(of_block)}?"
    known = (*WORDS, *LAYERS[backbone])
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    if near:
        return nearest(name, near)
    return f"known: {', '.join((*WORDS, *activated_layers(backbone)))}, and the layers between"


def chosen_pooling(pooling: str, layers: str) -> str:
    """Return the pooling that an option means: of ``auto``, ``flatten`` for the last layer and ``grid:3`` otherwise.

    Raises
    ------
    ConfigError
        Where it is unknown.
    """
    if pooling == "auto":
        return "flatten" if layers == "last" else "grid:3"
    check_pooling(pooling)
    return pooling


def check_pooling(pooling: str) -> None:
    """Raise ConfigError where `pooling` is not flatten, avg, max, grid:N or maxgrid:N."""
    if pooling not in POOLINGS and not _GRID.fullmatch(str(pooling)):
        raise ConfigError(f"pooling {pooling!r} is unknown; {nearest(pooling, POOLINGS)}")


def grid_of(pooling: str) -> int | None:
    """Return the N of ``grid:N`` and ``maxgrid:N``, None of other poolings."""
    match = _GRID.fullmatch(pooling)
    return int(match[2]) if match else None


def grid_cells(side: int, n: int) -> list[tuple[int, int]]:
    """Return where the cells of one side of a map begin and end (exclusive).

    Cell i of n reaches from floor(i side / n) to ceil((i + 1) side / n), as adaptive average pooling has it: where
    n does not divide the side, neighbours share a line. A side shorter than n is cut into its own places.
    """
    n = min(n, side)
    return [(i * side // n, -(-(i + 1) * side // n)) for i in range(n)]


def describe_layer(name: str, shape: Sequence[int], pooling: str) -> dict[str, Any]:
    """Return what is recorded of a layer.

    Parameters
    ----------
    name : str
    shape : sequence of int
        Rows, columns and channels of its map, before pooling.
    pooling : str

    Returns
    -------
    dict
        ``name``; ``shape``, that of the pooled map (rows, columns, channels); ``rows`` and ``columns`` before pooling.
    """
    rows, columns, channels = (int(side) for side in shape)
    grid = 1 if pooling in ("avg", "max") else grid_of(pooling) or max(rows, columns)
    pooled = [min(grid, rows), min(grid, columns), channels]
    return {"name": name, "shape": pooled, "rows": rows, "columns": columns}


def name_features(layers: Sequence[dict[str, Any]], pooling: str) -> tuple[str, ...]:
    """Name each feature after its layer, channel and place.

    Parameters
    ----------
    layers : sequence of dict
        From `describe_layer`.
    pooling : str

    Returns
    -------
    tuple of str
        ``"out_relu/c0017"`` where a channel gives one number (``avg``, ``max``), else ``"out_relu/c0017/r1c0"``,
        layer after layer, in the order of Keras' ``Flatten``: row, column, channel.
    """
    names: list[str] = []
    for layer in layers:
        rows, columns, channels = layer["shape"]
        places = [f"/r{row}c{column}" for row in range(rows) for column in range(columns)]
        if pooling in ("avg", "max"):
            places = [""]
        names += [f"{layer['name']}/c{channel:04d}{place}" for place in places for channel in range(channels)]
    return tuple(names)


def place_of(feature: str) -> tuple[str, int, int]:
    """Return the layer, row and column of a feature by its name; row and column 0 where a channel gives one number."""
    layer, _, *place = feature.split("/")
    row, column = place[0].removeprefix("r").split("c") if place else ("0", "0")
    return layer, int(row), int(column)
