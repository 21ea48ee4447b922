"""From a name and its parameters to a network, checked before anything is built."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterator, Mapping
from typing import Any

from acofer.errors import ConfigError, demand, nearest
from acofer.nets.table import Net, net_named
from acofer.pretrained.base import layers_compute_in, obtain_weights
from acofer.pretrained.weights import KEYWORDS, Weights
from acofer.records import Progress

POLICIES = {"float32": "float32", "bfloat16": "mixed_bfloat16", "float16": "mixed_float16"}
_ACTIVATIONS = ("sigmoid", "softmax")


def build_net(
    name: str,
    image_size: int,
    n_classes: int,
    *,
    parameters: Mapping[str, Any] | None = None,
    weights: Mapping[str, Weights] | None = None,
    seed: int = 0,
    precision: str = "float32",
) -> Any:
    """Build a network.

    Parameters
    ----------
    name : str
        See `acofer.nets.table.NETS`.
    image_size : int
        Side of its pictures in pixels.
    n_classes : int
        At least 2.
    parameters : mapping, optional
        The architecture's own; see `Net.parameters`.
    weights : mapping of str to Weights, optional
        Of each backbone; random of `seed` where there is none.
    seed : int
        Of all weights that are drawn, and of dropout. The caller's generators come back as they were.
    precision : {"float32", "bfloat16", "float16"}
        The latter two are mixed: weights stay in float32.

    Returns
    -------
    keras.Model
        From pixels of 0 to 255, ``(b, image_size, image_size, channels)``, to ``(b, n_classes)``; not compiled.

    Raises
    ------
    ConfigError
        Where the name, a parameter, the size, the number of classes or the precision is wrong.
    DataError
        Where weights do not fit.
    MissingExtraError
        Where Keras is not installed.
    """
    net = net_named(name)
    chosen = dict(parameters or {})
    check_net(net, image_size, n_classes, chosen)
    demand("precision", precision, " or ".join(POLICIES), precision in POLICIES)
    if net.backbones:
        drawn = {backbone: obtain_weights("random", backbone, image_size, seed) for backbone in net.backbones}
        chosen["weights"] = {**drawn, **(weights or {})}
    with layers_compute_in(POLICIES[precision]), _seeded(seed):
        return net.build(image_size, n_classes, **chosen)


def check_net(net: Net, image_size: int, n_classes: int, parameters: Mapping[str, Any]) -> None:
    """Check what a network is to be built with, without loading Keras.

    Raises
    ------
    ConfigError
        Where the size, the number of classes or a parameter is wrong.
    """
    demand(
        "image_size", image_size, f"at least {net.smallest} pixels a side for {net.name}", image_size >= net.smallest
    )
    demand("classes", n_classes, "at least 2 classes", n_classes >= 2)
    known = net.parameters
    for name, value in parameters.items():
        if name not in known:
            raise ConfigError(f"{net.name} has no parameter {name!r}; {nearest(name, known)}")
        _check_parameter(name, value, known[name])


def _check_parameter(name: str, value: Any, default: Any) -> None:
    """Check a value against the kind of its default; the ranges are the same in all architectures."""
    if name == "trainable":
        demand(name, value, "all or none", value in ("all", "none"))
    elif name == "output":
        demand(name, value, " or ".join(_ACTIVATIONS), value in _ACTIVATIONS)
    elif name == "dropout":
        demand(name, value, "a number from 0 to below 1", _is_number(value) and 0 <= value < 1)
    elif isinstance(default, bool):
        demand(name, value, "true or false", isinstance(value, bool))
    elif isinstance(default, tuple):
        numbers = isinstance(value, list | tuple) and all(_is_whole(v) for v in value)
        demand(name, value, "a list of whole numbers from 1 up, e.g. [64, 32]", numbers and len(value) > 0)
    else:
        demand(name, value, "a whole number from 1 up", _is_whole(value))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def weights_of(spec: str, net: Net, image_size: int, seed: int, progress: Progress | None = None) -> dict[str, Weights]:
    """Find, or download, the weights of a net's backbones; arguments and errors as `obtain_weights`.

    Raises
    ------
    ConfigError
        Where one file is named for several backbones, or any for a net that has none.
    """
    if spec not in KEYWORDS:
        expected = (
            f"imagenet or random for {net.name}, which has {len(net.backbones) or 'no'} networks that come trained"
        )
        demand("weights", spec, expected, len(net.backbones) == 1)
    return {name: obtain_weights(spec, name, image_size, seed, progress) for name in net.backbones}


@contextlib.contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Let Keras draw from `seed`: where a layer is given no seed, it takes one from Python's own generator."""
    before = random.getstate()
    random.seed(seed)
    try:
        yield
    finally:
        random.setstate(before)
