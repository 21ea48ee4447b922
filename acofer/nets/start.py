"""Training that begins with what another network has learnt."""

from __future__ import annotations

from typing import Any

from acofer.errors import DataError

LAST = "predictions"


def start_from(model: Any, other: Any, label: str) -> list[str]:
    """Give a network the weights of another, layer by layer.

    From a network of the same architecture every layer is taken, but for the last one where the classes are others;
    from another architecture the extractors that both have.

    Parameters
    ----------
    model, other : keras.Model
        From `acofer.nets.build.build_net`, or loaded from a run.
    label : str
        What messages call the other.

    Returns
    -------
    list of str
        The names of the layers that were taken.

    Raises
    ------
    DataError
        Where the two have no layer in common, or one that differs.
    """
    is_same = model.name == other.name
    theirs = {layer.name: layer for layer in other.layers if layer.weights and (is_same or _is_extractor(layer))}
    taken = []
    for layer in model.layers:
        if not layer.weights or layer.name not in theirs:
            continue
        own, given = _shapes(layer), _shapes(theirs[layer.name])
        if own == given:
            layer.set_weights(theirs[layer.name].get_weights())
            taken.append(layer.name)
        elif layer.name != LAST:
            raise DataError(
                f"{label}: its layer {layer.name} has other sizes than {model.name} is asked to have; "
                "build it with the same parameters (--set), or start from another run"
            )
    if not taken:
        raise DataError(f"{label} is a {other.name} and has nothing that {model.name} could start from")
    return taken


def extractor_names(model: Any) -> list[str]:
    """Return the names of the networks within a network."""
    return [layer.name for layer in model.layers if _is_extractor(layer)]


def _is_extractor(layer: Any) -> bool:
    return bool(getattr(layer, "layers", None))


def _shapes(layer: Any) -> list[tuple[int, ...]]:
    return [tuple(weight.shape) for weight in layer.weights]
