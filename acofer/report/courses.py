"""What searches did: their convergence, what they scored, and how far their search score was from the test part."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from acofer.report.groups import Gathered, Group
from acofer.report.rows import Row
from acofer.scoring.metrics import METRICS


def searchers(gathered: Gathered) -> Iterator[tuple[Group, str]]:
    """Yield every group that has a search score, with the name of its metric, the same for all its seeds."""
    for group in gathered.groups:
        metrics = {row.metric() for row in group.rows}
        if len(metrics) == 1 and None not in metrics:
            yield group, str(metrics.pop())


def _about(group: Group, metric: str) -> dict[str, Any]:
    return {
        "id": group.id,
        "setting": group.setting.key,
        "contender": group.label,
        "metric": metric,
        "greater is better": METRICS[metric].greater_is_better,
    }


def convergence(gathered: Gathered) -> list[dict[str, Any]]:
    """Return the best search score so far, by subset scores and by seconds, of every seed."""
    found = []
    for group, metric in searchers(gathered):
        curves = [_curve(row) for row in group.rows if row.entry.has("history")]
        if curves:
            found.append({**_about(group, metric), "curves": curves})
    return found


def _curve(row: Row) -> dict[str, Any]:
    steps = row.entry.numbers("history", 4, unknown=(1,))
    columns = [list(column) for column in zip(*steps, strict=True)] or [[], [], [], []]
    seconds = None if None in columns[1] else columns[1]
    return {"seed": row.seed, "evaluations": columns[0], "seconds": seconds, "value": columns[2]}


def archives(gathered: Gathered) -> list[dict[str, Any]]:
    """Return what the first seed of every searcher scored: the page need not hold thousands of dots a seed."""
    found = []
    for group, metric in searchers(gathered):
        row = next((row for row in group.rows if row.entry.has("scored")), None)
        if row is not None:
            found.append({**_about(group, metric), "seed": row.seed, **_archive(row, metric)})
    return found


def _archive(row: Row, metric: str) -> dict[str, Any]:
    scored = [[size, value, bool(estimate)] for size, value, estimate in row.entry.numbers("scored", 3)]
    chosen = row.entry.inner("search score").number("value")
    return {"scored": scored, "front": front_of(scored, metric), "chosen": [row.features, chosen]}


def front_of(scored: list[list[Any]], metric: str) -> list[list[float]]:
    """Return sizes and values of the subsets that are better than every smaller one, estimates left out."""
    utility = METRICS[metric].utility
    front: list[list[float]] = []
    full = [(size, value) for size, value, is_estimate in scored if not is_estimate]
    for size, value in sorted(full, key=lambda pair: (pair[0], -utility(pair[1]))):
        if not front or utility(value) > utility(front[-1][1]):
            front.append([size, value])
    return front


def optimism(gathered: Gathered) -> list[dict[str, Any]]:
    """Return how much better the search score was than the same metric on the test part, mean over seeds.

    Positive is optimistic, whatever the metric's direction. Searchers that were tested by another classifier than had
    scored have no such number and are left out.
    """
    found = []
    for group, metric in searchers(gathered):
        both = [(_search_value(row), _test_value(row)) for row in group.rows]
        pairs = [(search, test) for search, test in both if test is not None]
        if pairs and len(pairs) == len(both):
            search, test = (float(np.mean(values)) for values in zip(*pairs, strict=True))
            gap = METRICS[metric].utility(search) - METRICS[metric].utility(test)
            about = _about(group, metric)
            del about["greater is better"]
            seeds = len(pairs)
            found.append({**about, "search score": search, "on the test part": test, "optimism": gap, "seeds": seeds})
    return found


def _search_value(row: Row) -> float:
    return row.entry.inner("search score").number("value")


def _test_value(row: Row) -> float | None:
    return None if row.card is None else row.card.maybe_number("search metric")
