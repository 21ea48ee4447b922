"""Everything that the page shows, as plain data, computed here and nowhere else."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from acofer import __version__
from acofer.errors import ConfigError, nearest
from acofer.report.audit import audit
from acofer.report.checks import checks
from acofer.report.chosen import chosen_features
from acofer.report.confusions import confusion_differences, per_class
from acofer.report.courses import archives, convergence, optimism
from acofer.report.entry import Entry
from acofer.report.groups import Gathered, Group, gather
from acofer.report.standing import (
    AXES,
    absent_rows,
    cost_points,
    differences_of,
    main_rows,
    reference_name,
    settings_of,
)
from acofer.report.summary import verdict

HOW = (
    "Values are means over seeds; sd is the standard deviation over them.",
    "Intervals are 95 % percentile bootstrap intervals over test rows; they do not cover seeds or training rows.",
    "Where a protocol splits anew with every seed, the interval is Student's, over seeds.",
    "Intervals of differences are paired, on the same rows, and widened (Bonferroni) for all rivals of a setting.",
    "p is McNemar's, exact and two-sided, of the first seed; Holm's method adjusts it for all rivals of a setting.",
    "Better or worse is said where both agree: the interval leaves out zero and the adjusted p is below .05.",
)
"""How the page's numbers are made, in sentences."""


def page_numbers(
    results: Sequence[dict[str, Any]],
    *,
    reference: str | None = None,
    title: str | None = None,
    now: float | None = None,
) -> dict[str, Any]:
    """Return every number of the page.

    Parameters
    ----------
    results : sequence of dict
        Contents of ``result.json`` of benches, or what `acofer.report.gathered.rows_of` makes of a folder.
    reference : str, optional
        The contender that others are compared with; else the one that a bench declares, the colony, or the first.
    title : str, optional
    now : float, optional
        Seconds since 1970, when the page is made.

    Returns
    -------
    dict
        Plain data that JSON can hold: ``title``, ``made``, ``how``, ``verdict``, ``settings``, ``main``, ``absent``,
        ``differences``, ``cost``, ``convergence``, ``archive``, ``features``, ``classes``, ``confusion differences``,
        ``audit``, ``optimism``, ``checks``, ``repeat``.

    Raises
    ------
    DataError
        If a result is damaged, or two contradict each other.
    ConfigError
        If the reference takes no part.
    """
    entries = [Entry(result, _where(result, place)) for place, result in enumerate(results)]
    gathered = gather(entries)
    _check_reference(gathered, reference)
    name = reference_name(gathered, reference, [entry.maybe_text("reference") for entry in entries])
    differences = differences_of(gathered, name)
    main = main_rows(gathered, name, differences)
    fooled = optimism(gathered)
    checked = checks(gathered, name, differences, fooled)
    return {
        "title": title or _title(list(dict.fromkeys(entry.text("name") for entry in entries))),
        "made": _made(entries, now),
        "how": list(HOW),
        "verdict": verdict(gathered, name, differences, checked),
        "settings": settings_of(gathered),
        "main": {"reference": name, "rows": main},
        "absent": absent_rows(gathered),
        "differences": [difference.numbers for difference in differences],
        "cost": {"axes": list(AXES), "points": cost_points(gathered, main)},
        "convergence": convergence(gathered),
        "archive": archives(gathered),
        "features": chosen_features(gathered),
        "classes": per_class(gathered),
        "confusion differences": confusion_differences(gathered, name),
        "audit": audit(gathered, name),
        "optimism": fooled,
        "checks": checked,
        "repeat": [_repeat(group) for group in gathered.groups],
    }


def _where(result: Any, place: int) -> str:
    """Say where a result comes from, for messages."""
    named = result.get("where") or result.get("name") if isinstance(result, dict) else None
    return str(named or f"result {place + 1}")


def _check_reference(gathered: Gathered, reference: str | None) -> None:
    known = sorted({row.contender for row in gathered.rows if not row.is_null})
    if reference is not None and reference not in known:
        raise ConfigError(f"reference: expected one of the contenders; got {reference!r}; {nearest(reference, known)}")


def _title(names: list[str]) -> str:
    first, *more = names
    return " and ".join(names) if len(more) <= 1 else f"{first} and {len(more)} more runs"


def _made(entries: Sequence[Entry], now: float | None) -> dict[str, Any]:
    commands = [entry.maybe_text("command") for entry in entries]
    return {
        "acofer": __version__,
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now)),
        "commands": list(dict.fromkeys(command for command in commands if command)),
    }


def _repeat(group: Group) -> dict[str, Any]:
    row = group.first
    return {
        "id": group.id,
        "command": row.command,
        "seeds": sorted({row.seed for row in group.rows}),
        "fingerprint": group.setting.fingerprint,
        "configuration": row.entry.plain("configuration"),
        "versions": row.entry.plain("versions"),
        "machine": row.entry.plain("machine"),
    }
