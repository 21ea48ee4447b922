"""Who stands where: the main table, the differences from the reference, and accuracy against cost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from acofer.bench.stats import holm, mcnemar, mean_difference, spread
from acofer.report.groups import Gathered, Group
from acofer.report.problem import Problem
from acofer.report.rows import Row

SIGNIFICANT = 0.05
"""The level of Holm's adjusted p, and of the intervals (together 95 %)."""
BETTER, WORSE, SAME, REFERENCE, UNCOMPARED = "better", "worse", "no difference", "reference", "not compared"
AXES = ("features", "multiply-adds", "latency, ms", "search seconds")
SEARCH_STAGES, FIT_STAGES = ("heuristic", "selection"), ("balancing", "fit", "training")


@dataclass(frozen=True)
class Difference:
    """One contender against the reference, on the same test rows.

    Attributes
    ----------
    rival, reference : Group
    numbers : dict
        As the page shows them. A difference is called one (``outcome``) where two looks at it agree: the interval of
        the mean over seeds, widened for all rivals of the setting, leaves out zero, and McNemar's exact p of the first
        seed, adjusted by Holm's method for the same rivals, is below `SIGNIFICANT`.
    """

    rival: Group
    reference: Group
    numbers: dict[str, Any]

    @property
    def outcome(self) -> str:
        return str(self.numbers["outcome"])

    @property
    def points(self) -> float:
        """By how many percentage points the rival is more accurate."""
        return 100 * float(self.numbers["difference"])


def reference_name(gathered: Gathered, asked: str | None, declared: Iterable[str | None]) -> str:
    """Return whom others are compared with: as asked for, else as a bench declares, else the colony, else the first.

    Who failed everywhere is no other for that: the page says that nothing could be compared.
    """
    present = dict.fromkeys(group.first.contender for group in gathered.groups or gathered.audited)
    known = {row.contender for row in gathered.rows if not row.is_null}
    wanted = [*(name for name in (asked, *declared) if name in known), *(("colony",) if "colony" in present else ())]
    return next(iter([*(name for name in wanted if name is not None), *present]), "colony")


def differences_of(gathered: Gathered, reference: str) -> list[Difference]:
    """Compare every contender with the reference, setting by setting."""
    return [difference for setting in gathered.settings for difference in _within(gathered.of(setting), reference)]


def _within(groups: list[Group], reference: str) -> list[Difference]:
    ours = [group for group in groups if is_reference(group, reference) and group.predictions is not None]
    rivals = [g for g in groups if not is_reference(g, reference) and g.predictions is not None]
    if not ours:
        return []
    pairs = [(rival, _counterpart(rival, ours)) for rival in rivals]
    found = [_compared(rival, own, len(pairs)) for rival, own in pairs]
    for numbers, adjusted in zip(found, holm([numbers["p McNemar"] for numbers in found]), strict=True):
        numbers["p Holm"] = adjusted
        numbers["outcome"] = _outcome(numbers)
    return [Difference(rival, own, numbers) for (rival, own), numbers in zip(pairs, found, strict=True)]


def is_reference(group: Group, reference: str) -> bool:
    """Whether a group is the reference; of runs with other settings by the same name each is."""
    return group.first.contender == reference


def _counterpart(rival: Group, ours: list[Group]) -> Group:
    """Return the reference most like a rival: in setting, classifier, size, budget, run, in that order."""

    def likeness(own: Group) -> tuple[bool, ...]:
        a, b = rival.first, own.first
        names = ("setting", "classifier", "size", "budget", "run")
        return tuple(getattr(a, name) == getattr(b, name) for name in names)

    return max(ours, key=likeness)


def _compared(rival: Group, own: Group, comparisons: int) -> dict[str, Any]:
    y, theirs, ours = rival.setting.labels, rival.predictions, own.predictions
    assert y is not None  # noqa: S101 - both have predictions; for the type checker
    assert theirs is not None  # noqa: S101
    assert ours is not None  # noqa: S101
    a, b = _same_seed(rival, own)
    test = mcnemar(y, theirs[a], ours[b])
    gap = mean_difference(y, theirs, ours, comparisons=comparisons)
    return {
        "setting": rival.setting.key,
        "id": rival.id,
        "contender": rival.label,
        "reference": own.label,
        "difference": round(gap["difference"], 12),  # that of equals is 0, not 4e-18
        "interval": gap["interval"],
        "p McNemar": test["p"],
        "p Holm": None,
        "discordant": [test["only a right"], test["only b right"]],
        "seed": rival.rows[a].seed,
        "seeds": len(rival.rows),
        "outcome": None,
    }


def _same_seed(rival: Group, own: Group) -> tuple[int, int]:
    """Return the places of the first seed that both have; where they share none, the first of each."""
    seeds = [row.seed for row in own.rows]
    shared = [(place, seeds.index(row.seed)) for place, row in enumerate(rival.rows) if row.seed in seeds]
    return shared[0] if shared else (0, 0)


def _outcome(numbers: dict[str, Any]) -> str:
    low, high = numbers["interval"]
    if numbers["p Holm"] >= SIGNIFICANT or low <= 0 <= high:
        return SAME
    # The first seed may point the other way than all seeds do.
    first = np.sign(numbers["discordant"][0] - numbers["discordant"][1])
    return SAME if first != np.sign(numbers["difference"]) else BETTER if low > 0 else WORSE


def main_rows(gathered: Gathered, reference: str, differences: Sequence[Difference]) -> list[dict[str, Any]]:
    """Return the rows of the main table."""
    outcomes = {id(difference.rival): difference.outcome for difference in differences}
    rows = []
    for group in gathered.groups:
        outcome = REFERENCE if is_reference(group, reference) else outcomes.get(id(group), UNCOMPARED)
        rows.append({**_who(group), **_how_good(group), **_how_dear(group), "outcome": outcome})
    return rows


def _who(group: Group) -> dict[str, Any]:
    row = group.first
    return {
        "id": group.id,
        "setting": group.setting.key,
        "contender": group.name,
        "kind": group.kind,
        "classifier": row.classifier,
        "size": row.size,
        "budget": row.budget,
        "seeds": len(group.rows),
    }


def _how_good(group: Group) -> dict[str, Any]:
    rates = group.rates()
    binary, loss = group.score("binary accuracy"), group.score("log-loss")
    without = accuracy_without_copies(group)
    return {
        **{name: rates[name] for name in ("accuracy", "balanced accuracy", "macro F1")},
        "binary accuracy": None if binary is None else {"mean": binary},
        "log-loss": None if loss is None else {"mean": loss},
        "without copies": None if without is None else {"accuracy": without},
    }


def accuracy_without_copies(group: Group) -> float | None:
    """Return the mean accuracy on test rows without a copy in train or validation; None where there is no copy."""
    y, kept, copied = group.setting.labels, group.predictions, group.setting.copied
    if y is not None and kept is not None and copied is not None:
        single = np.setdiff1d(np.arange(len(y)), copied)
        if not len(copied) or not len(single):
            return None
        return float(np.mean([np.mean(one[single] == y[single]) for one in kept]))
    return group.mean(_written_without_copies)


def _written_without_copies(row: Row) -> float | None:
    card = row.entry.maybe_inner("without copies")
    return None if card is None else _value(card.content.get("accuracy"), card)


def _value(accuracy: Any, card: Any) -> float:
    """Return an accuracy that stands by itself, or with its interval."""
    return card.inner("accuracy").number("value", 0, 1) if isinstance(accuracy, dict) else card.number("accuracy", 0, 1)


def _how_dear(group: Group) -> dict[str, Any]:
    is_selector = group.kind == "selector"
    counts = [row.features for row in group.rows if row.features is not None]
    spreading = spread(counts) if is_selector and counts else None
    return {
        "features": spreading and {name: spreading[name] for name in ("mean", "least", "most")},
        "of": group.setting.features if is_selector else None,
        "parameters": group.whole("parameters"),
        "multiply-adds": group.whole("multiply-adds"),
        "latency, ms": group.number("latency, ms"),
        "training seconds": group.seconds(*FIT_STAGES),
        "search seconds": group.seconds(*SEARCH_STAGES) if is_selector else None,
        "peak memory, GB": group.number("peak memory, GB"),
        "evaluations": group.whole("evaluations"),
    }


def cost_points(gathered: Gathered, main: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return accuracy against every cost, and who is beaten by nothing that costs as little."""
    points = [_point(row, group) for row, group in zip(main, gathered.groups, strict=True)]
    for setting in gathered.settings:
        own = [point for point in points if point["setting"] == setting.key]
        for point in own:
            point["front"] = {axis: is_on_front(point, own, axis) for axis in AXES}
    return points


def _point(row: dict[str, Any], group: Group) -> dict[str, Any]:
    costs = {axis: row[axis] for axis in AXES} | {"features": row["features"] and row["features"]["mean"]}
    return {
        "id": row["id"],
        "setting": row["setting"],
        "contender": group.label,
        "kind": row["kind"],
        "x": costs,
        "accuracy": row["accuracy"]["mean"],
        "interval": row["accuracy"]["interval"],
        "front": {},
    }


def is_on_front(point: dict[str, Any], points: Sequence[dict[str, Any]], axis: str) -> bool:
    """Whether no point is as cheap and better, or cheaper and as good; one of unknown cost is on no front."""
    own = (point["x"][axis], -point["accuracy"])
    if own[0] is None:
        return False
    others = [(other["x"][axis], -other["accuracy"]) for other in points if other["x"][axis] is not None]
    return not any(cost <= own[0] and loss <= own[1] and (cost, loss) != own for cost, loss in others)


def settings_of(gathered: Gathered) -> list[dict[str, Any]]:
    """Return what the page says of its settings: clean ones, then what has no clean twin and is spoken of all the same.

    Those of one name are told apart by their splits.
    """
    solved = [group.setting for group in gathered.audited]
    others = [*solved, *(row.problem for row in gathered.rows if row.status != "ok")]
    shown = list(dict.fromkeys([*gathered.settings, *(shown_as(problem, gathered) for problem in others)]))
    names = Counter(problem.name for problem in shown)
    return [_setting(problem, is_alone=names[problem.name] == 1) for problem in shown]


def shown_as(problem: Problem, gathered: Gathered) -> Problem:
    """Return the setting under which a problem is spoken of: itself, or its clean twin."""
    return problem if problem in gathered.settings else twin_setting(problem, gathered) or problem


def _setting(problem: Problem, *, is_alone: bool) -> dict[str, Any]:
    return {
        "key": problem.key,
        "name": problem.name if is_alone else f"{problem.name}, {problem.split or problem.protocol}",
        "protocol": problem.protocol,
        "data": problem.data,
        "train": problem.train,
        "validation": problem.validation,
        "test": problem.test,
        "classes": problem.classes,
        "features": problem.features,
        "copies": problem.n_copies,
        "fingerprint": problem.fingerprint,
        "split": problem.split,
    }


def twin_setting(problem: Problem, gathered: Gathered) -> Problem | None:
    """Return the clean setting of the same name, or None."""
    return next((setting for setting in gathered.settings if setting.name == problem.name), None)


def absent_rows(gathered: Gathered) -> list[dict[str, Any]]:
    """Return who is missing from the tables, once a reason."""
    found = Counter(_absence(row, gathered) for row in gathered.rows if row.status != "ok")
    return [
        {"setting": setting, "contender": contender, "status": status, "reason": reason, "cells": cells}
        for (setting, contender, status, reason), cells in found.items()
    ]


def _absence(row: Row, gathered: Gathered) -> tuple[str, str, str, str]:
    problem = row.problem
    said = [*(() if problem.is_clean else (problem.protocol,)), *(("null test",) if row.is_null else ())]
    contender = f"{row.contender} ({', '.join(said)})" if said else row.contender
    return (
        shown_as(problem, gathered).key,
        contender,
        row.status,
        row.entry.maybe_text("reason") or "no reason was kept",
    )
