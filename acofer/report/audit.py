"""What other protocols add to the figure, beside what papers print."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import numpy as np

from acofer.bench.stats import t_interval
from acofer.nets.table import NETS
from acofer.report.groups import Gathered, Group
from acofer.report.problem import Problem
from acofer.report.rows import interval_of
from acofer.report.standing import is_reference, shown_as, twin_setting

WHAT = {
    "clean": "parts are split first, and only training rows are resampled; all test rows are real",
    "leaky-smote-first": "SMOTE on all rows, then a random 80/20 split: test rows are mixed from training rows",
    "leaky-smote-test": "a random 80/20 split, then SMOTE on the test part, too: many test rows were made up",
    "validation-as-test": "the part that decided which candidate to keep also gives the figure",
    "five-classes": "five of the classes only, so that there are fewer to be mistaken for each other",
}
"""What each protocol does, in a sentence."""

_COLONY_PAPER = '"Optimizing Facial Expression Recognition Features with Pre-trained CNNs" (Cairo University)'
_COLONY_PRINTS = "accuracy .350 without SMOTE, .497 with it"
"""Figures of the published system that `acofer search` repeats by default."""
_PRINTED_KINDS = ("likely binary accuracy", "binary accuracy", "recall", "accuracy")


def audit(gathered: Gathered, reference: str) -> dict[str, Any]:
    """Return the figures by protocol, binary accuracies under their own name, and what the papers print.

    Parameters
    ----------
    gathered : Gathered
    reference : str
        The contender whose clean binary accuracy is shown; networks always show theirs.

    Returns
    -------
    dict
        ``rows`` and ``printed``.
    """
    return {"rows": [*_protocol_rows(gathered), *_binary_rows(gathered, reference)], "printed": printed()}


def _protocol_rows(gathered: Gathered) -> Iterator[dict[str, Any]]:
    """Yield each contender of a leaky protocol, after its clean twin; where it splits anew with every seed, once."""
    told: set[int] = set()
    for groups in _by_protocol(gathered.audited):
        group = groups[0]
        twin = twin_of(group, gathered)
        if twin is not None and id(twin) not in told:
            told.add(id(twin))
            yield _row([twin], twin.setting, None)
        yield _row(groups, shown_as(group.setting, gathered), twin)


def _by_protocol(audited: list[Group]) -> list[list[Group]]:
    """Put together what differs in its split alone."""
    found: dict[tuple[Any, ...], list[Group]] = {}
    for group in audited:
        found.setdefault((group.setting.name, group.setting.protocol, *_who(group)), []).append(group)
    return list(found.values())


def _who(group: Group) -> tuple[Any, ...]:
    row = group.first
    return (row.kind, group.name, row.classifier, row.size, row.budget)


def _row(groups: list[Group], setting: Problem, twin: Group | None) -> dict[str, Any]:
    """Return the row of one contender and protocol, on one split or on several."""
    first, value = groups[0], float(np.mean([group.accuracy for group in groups]))
    interval = first.rates()["accuracy"]["interval"]
    if len(groups) > 1:
        interval = list(t_interval([group.accuracy for group in groups])[1:])
    return {
        **_about(first, setting, WHAT[first.setting.protocol]),
        "measure": "accuracy",
        "value": value,
        "interval": interval,
        "seeds": sum(len(group.rows) for group in groups),
        "adds": None if twin is None else value - twin.accuracy,
        "synthetic test rows": first.setting.synthetic,
    }


def _about(group: Group, setting: Problem, what: str) -> dict[str, Any]:
    return {"setting": setting.key, "protocol": group.setting.protocol, "contender": group.label, "what": what}


def _binary_rows(gathered: Gathered, reference: str) -> Iterator[dict[str, Any]]:
    """Yield the clean binary accuracy of the reference and of networks, in the first setting that they stand in."""
    told: set[int] = set()
    for group in gathered.groups:
        binary = group.score("binary accuracy")
        is_shown = group.kind == "network" or is_reference(group, reference)
        if binary is None or not is_shown or id(group.first) in told:
            continue
        told.add(id(group.first))
        yield {
            **_about(group, group.setting, binary_sentence(len(group.setting.classes))),
            "measure": "binary accuracy",
            "value": binary,
            "interval": _binary_interval(group),
            "seeds": len(group.rows),
            "adds": binary - group.accuracy,
            "synthetic test rows": 0,
        }


def binary_sentence(n_classes: int) -> str:
    """Say what binary accuracy is, and why papers print numbers near .96."""
    return (
        f"one yes or no for each class of each picture, of which {1 - 1 / n_classes:.3f} are right where the answer is "
        "always no: where papers print numbers near .96, this is likely what they print"
    )


def _binary_interval(group: Group) -> list[float] | None:
    """Return the interval of a single seed's; that of a mean over seeds would need more than is kept."""
    return interval_of(group.first.card, "binary accuracy") if len(group.rows) == 1 else None


def twin_of(group: Group, gathered: Gathered) -> Group | None:
    """Return the same contender under the clean protocol."""
    setting = twin_setting(group.setting, gathered)
    if setting is None:
        return None
    return next((other for other in gathered.of(setting) if _who(other) == _who(group)), None)


def printed() -> list[dict[str, Any]]:
    """Return what papers print, figure by figure: its words, its value, and what kind of figure it is."""
    rows = [("ant colony on frozen MobileNetV2", _COLONY_PAPER, _COLONY_PRINTS)]
    rows += [(net.name, net.paper, net.printed) for net in NETS.values()]
    return [{"system": system, "paper": paper, **figure} for system, paper, words in rows for figure in _figures(words)]


def _figures(words: str) -> Iterator[dict[str, Any]]:
    """Yield each figure of a list of them; one without a name is of the kind of the one before."""
    kind = "accuracy"
    for part in re.split(r", (?=[^,]*\.\d)", words):
        kind = next((known for known in _PRINTED_KINDS if known in part), kind)
        yield {"figure": part, "value": float(re.findall(r"\.\d+", part)[0]), "kind": kind}
