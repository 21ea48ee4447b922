"""What a frozen network costs a picture: counted multiply-adds, and its latency on this machine."""

from __future__ import annotations

from typing import Any

from acofer.bench.store import BenchFolder
from acofer.errors import ConfigError
from acofer.features.backbone import check_options
from acofer.nets.count import multiply_adds, parameters
from acofer.nets.timing import timing
from acofer.pretrained.base import import_keras, load_base
from acofer.pretrained.weights import resolve_weights

_OF_COST = ("backbone", "image_size", "pooling", "mirror")
_COSTS = ("multiply-adds", "parameters", "latency, ms")


def backbone_cost(about: dict[str, Any], folder: BenchFolder) -> dict[str, Any]:
    """Return a backbone's ``"multiply-adds"``, ``"parameters"`` and ``"latency, ms"`` of one picture.

    The network ends at the deepest layer that is taken; a mirror image is a second pass. Pooling is not counted.
    Its weights are random: what it costs does not depend on them.

    Parameters
    ----------
    about : dict
        What is recorded of embeddings.
    folder : BenchFolder
        Where it is kept, so that it is measured once.

    Raises
    ------
    MissingExtraError
        If Keras is not installed.
    ConfigError
        If there is no such network or layer.
    """
    layers = _layers(about)
    name = "-".join(str(about.get(part, "off")) for part in _OF_COST).replace(":", "") + f"-{len(about['layers'])}"
    kept = folder.problem(f"cost-{name}")
    if kept is not None and kept.get("layers") == layers and all(isinstance(kept.get(n), int | float) for n in _COSTS):
        return kept
    weights = resolve_weights("random", about["backbone"], about["image_size"])
    base = load_base(about["backbone"], about["image_size"], weights)
    ends = [base.get_layer(layer["name"]).output for layer in about["layers"]]
    net = import_keras().Model(base.input, ends)
    passes = 2 if about.get("mirror") == "average" else 1
    cost = {
        "layers": layers,
        "multiply-adds": passes * multiply_adds(net),
        "parameters": sum(parameters(net).values()),
        "latency, ms": round(passes * timing(net)["latency of one picture, ms"], 3),
    }
    folder.keep_problem(f"cost-{name}", cost)
    return cost


def _layers(about: dict[str, Any]) -> str:
    """Return the names of the layers that are taken, after making sure of all that becomes part of a file's name."""
    try:
        layers = ",".join(layer["name"] for layer in about["layers"])
        options = about["backbone"], about["image_size"], about["pooling"], layers, about.get("mirror", "off")
    except (KeyError, TypeError):
        raise ConfigError("embeddings: expected what acofer records of them; it was altered; begin anew") from None
    check_options(*options)
    return layers
