"""What happens to each class, and where two contenders differ in it."""

from __future__ import annotations

from typing import Any

import numpy as np

from acofer.report.groups import Gathered, Group
from acofer.report.standing import is_reference


def per_class(gathered: Gathered) -> list[dict[str, Any]]:
    """Return precision, recall and F1 of each class, means over seeds, and where its rows went."""
    return [
        {
            "id": group.id,
            "setting": group.setting.key,
            "contender": group.label,
            "per class": _rates_by_class(group),
            "confusion": group.shares.tolist(),
        }
        for group in gathered.groups
    ]


def _rates_by_class(group: Group) -> list[dict[str, Any]]:
    """Return rates by class; a class that is never predicted has precision and F1 zero, as in scikit-learn."""
    counts = np.stack([row.confusion for row in group.rows])
    hits, true, predicted = np.diagonal(counts, axis1=1, axis2=2), counts.sum(axis=2), counts.sum(axis=1)
    by_rate = {
        "precision": hits / np.maximum(predicted, 1),
        "recall": hits / np.maximum(true, 1),
        "F1": 2 * hits / np.maximum(true + predicted, 1),
    }
    means = {name: values.mean(axis=0).tolist() for name, values in by_rate.items()}
    rows = true[0].tolist()
    return [
        {"class": name, "rows": rows[c], **{rate: values[c] for rate, values in means.items()}}
        for c, name in enumerate(group.setting.classes)
    ]


def confusion_differences(gathered: Gathered, reference: str) -> list[dict[str, Any]]:
    """Return where the reference's shares differ from those of the rivals that tell most.

    These are the most accurate rival, all features, and the most accurate network, as far as they are there.
    """
    found = []
    for setting in gathered.settings:
        groups = gathered.of(setting)
        own = next((group for group in groups if is_reference(group, reference)), None)
        rivals = [group for group in groups if not is_reference(group, reference)]
        for rival in _telling(rivals) if own else ():
            found.append(_difference(own, rival))  # type: ignore[arg-type]
    return found


def _telling(rivals: list[Group]) -> list[Group]:
    """Return the rivals that tell most, each once."""
    kinds = (rivals, [g for g in rivals if g.first.selector == "all"], [g for g in rivals if g.kind == "network"])
    best = [max(group, key=lambda one: one.accuracy) for group in kinds if group]
    return list({id(group): group for group in best}.values())


def _difference(own: Group, rival: Group) -> dict[str, Any]:
    cells = (own.shares - rival.shares).tolist()
    return {"setting": own.setting.key, "of": own.id, "minus": rival.id, "cells": cells}
