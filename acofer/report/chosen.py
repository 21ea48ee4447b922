"""Which features were chosen: where they lie, how often, and how stable the choice is over seeds."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from acofer.bench.stats import stability
from acofer.features.layers import place_of
from acofer.report.groups import Gathered, Group
from acofer.report.problem import Problem

_MOST_NAMED = 20
"""Features that are named, the most often chosen ones."""
_LARGEST_MAP = 64
"""Places a side of the largest map; what has more is no layer of ours."""

Layers = list[tuple[str, NDArray[np.int64], tuple[int, int]]]


def chosen_features(gathered: Gathered) -> list[dict[str, Any]]:
    """Return what every selector chose that chose less than everything."""
    return [_choice(group) for group in gathered.groups if is_choice(group)]


def is_choice(group: Group) -> bool:
    """Whether every seed chose some of the features and not all."""
    of = group.setting.features or 0
    return all(row.indices is not None and 0 < len(row.indices) < of for row in group.rows)


def stability_of(group: Group) -> dict[str, Any] | None:
    """Return Nogueira's stability over seeds; None of one seed."""
    subsets = [row.indices for row in group.rows if row.indices is not None]
    return stability(subsets, group.setting.features or 0)


def _choice(group: Group) -> dict[str, Any]:
    of = group.setting.features or 0
    times = np.zeros(of, np.int64)
    for row in group.rows:
        times[row.indices] += 1
    return {
        "id": group.id,
        "setting": group.setting.key,
        "contender": group.label,
        "k": float(times.sum() / len(group.rows)),
        "of": of,
        "seeds": len(group.rows),
        "stability": stability_of(group),
        "layers": _layers(group.setting, times, len(group.rows)),
        "picked": [int(np.sum(times == n)) for n in range(1, len(group.rows) + 1)],
        "top": _top(group.setting, times),
    }


def _top(setting: Problem, times: NDArray[np.int64]) -> list[dict[str, Any]]:
    names, most = setting.feature_names, np.argsort(-times, kind="stable")[:_MOST_NAMED]
    return [
        {"name": names[j] if names else f"feature {j}", "times": int(times[j])} for j in most.tolist() if times[j] > 0
    ]


def _layers(setting: Problem, times: NDArray[np.int64], seeds: int) -> list[dict[str, Any]]:
    """Return how many features of each layer, and of each place in it, were chosen on average; none without names."""
    found = []
    for layer, features, (rows, columns) in _places(setting):
        counts = np.zeros(rows * columns, np.int64)
        np.add.at(counts, features[:, 1], times[features[:, 0]])
        places = (counts / seeds).reshape(rows, columns).tolist()
        found.append({"layer": layer, "of": len(features), "chosen": float(counts.sum() / seeds), "places": places})
    return found


def _places(setting: Problem) -> Layers:
    """Return each layer with its features, (feature, place) one a row, and its rows and columns of places."""
    by_layer: dict[str, list[tuple[int, int, int]]] = {}
    try:
        for j, name in enumerate(setting.feature_names or ()):
            layer, row, column = place_of(name)
            by_layer.setdefault(layer, []).append((j, row, column))
    except ValueError:  # names of another kind than ours have no places
        return []
    layers: Layers = []
    for layer, members in by_layer.items():
        table = np.array(members)
        rows, columns = (table[:, 1:].max(axis=0) + 1).tolist()
        if table.min() < 0 or max(rows, columns) > _LARGEST_MAP:
            return []
        layers.append((layer, np.column_stack([table[:, 0], table[:, 1] * columns + table[:, 2]]), (rows, columns)))
    return layers
