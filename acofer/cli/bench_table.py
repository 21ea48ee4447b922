"""What ``acofer bench`` prints: a line a contender, seeds together."""

from __future__ import annotations

from typing import Any

import numpy as np

from acofer.cli.console import wide_console
from acofer.cli.tables import plain_table

_KEYS = ("setting", "protocol", "contender", "size", "classifier", "budget")
_MEASURES = {"accuracy": "accuracy", "balanced": "balanced accuracy", "F1": "macro F1"}


def print_bench(result: dict[str, Any], folder: str) -> None:
    """Print means over seeds, and what did not end well."""
    console = wide_console()
    rows = [row for row in result["rows"] if not row["is null"]]
    for setting, protocol in dict.fromkeys((row["setting"], row["protocol"]) for row in rows):
        own = [row for row in rows if (row["setting"], row["protocol"]) == (setting, protocol)]
        console.print(_table(setting, protocol, own))
    for row in (row for row in result["rows"] if row["status"] != "ok"):
        console.print(f"{row['contender']}, seed {row['seed']}: {row['status']}: {row['reason']}", markup=False)
    opened = "once" if result["opened"] == 1 else f"{result['opened']} times"
    console.print(f"the test labels were opened {opened}; kept in {folder}", markup=False, soft_wrap=True)
    console.print(f"  one page of it: acofer report {folder}", markup=False, soft_wrap=True)


def _table(setting: str, protocol: str, rows: list[dict[str, Any]]) -> Any:
    under = "" if protocol == "clean" else f" [{protocol}]"
    table = plain_table(f"{setting}{under}: test part, means over seeds; search and fit in seconds")
    several = len({_budget(row) for row in rows} - {""}) > 1
    for column in ("contender", *["budget"] * several, "classifier"):
        table.add_column(column, overflow="fold")
    for column in ("features", "seeds", *_MEASURES, "search", "fit"):
        table.add_column(column, justify="right", no_wrap=True)  # a name may be broken, a number may not
    groups: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for row in rows:
        if row["status"] == "ok":
            groups.setdefault(tuple(str(row[key]) for key in _KEYS), []).append(row)
    for own in sorted(groups.values(), key=lambda own: -_mean(own, "accuracy")):
        table.add_row(own[0]["contender"], *[_budget(own[0])] * several, *_cells(own))
    return table


def _budget(row: dict[str, Any]) -> str:
    """Return a searcher's budget in words."""
    budget = row["budget"] or {}
    units = {"evaluations": "scores", "seconds": "s"}
    return " or ".join(f"{budget[name]:g} {unit}" for name, unit in units.items() if budget.get(name) is not None)


def _cells(own: list[dict[str, Any]]) -> list[str]:
    first = own[0]
    features = "" if first["features"] is None else f"{np.mean([row['features'] for row in own]):,.0f}"
    measures = [f"{_mean(own, measure):.3f}" for measure in _MEASURES.values()]
    stages = ("selection", "training") if first["kind"] == "network" else ("selection", "fit")
    seconds = [np.mean([row["seconds"].get(stage, 0) for row in own]) for stage in stages]
    return [
        first["classifier"] or "network",
        features,
        str(len(own)),
        *measures,
        *(f"{second:,.1f}" for second in seconds),
    ]


def _mean(rows: list[dict[str, Any]], measure: str) -> float:
    return float(np.mean([row["test"][measure]["value"] for row in rows]))
