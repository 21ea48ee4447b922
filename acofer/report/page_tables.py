"""The tables of a page, as cells of text; nothing is computed here but how a number is written."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from acofer.report.numerals import (
    UNKNOWN,
    count,
    large,
    measure,
    percent,
    probability,
    rate,
    rate_range,
    signed,
    signed_range,
)

OUTCOMES = {
    "reference": ("★", "reference"),
    "better": ("▲", "better"),
    "worse": ("▼", "worse"),
    "no difference": ("≈", "not told apart"),
    "not compared": ("–", "not compared"),
}
"""Sign and words of how a contender stands beside the reference."""
STATUSES = {"pass": ("✓", "pass"), "warn": ("!", "warn"), "fail": ("✗", "fail"), "unknown": ("?", "unknown")}
"""Sign and word of what a check found."""
_OF_A_CLASS = ("precision", "recall", "F1")
_MOST_CONFUSED = 20
"""Classes up to which a contender's confusion stands in the page; those of more stand in its JSON."""
RATES = ("accuracy", "balanced accuracy", "macro F1")


@dataclass(frozen=True)
class Column:
    """A column: its title, what stands below it in small print, whether it holds numbers and can be sorted by."""

    title: str
    note: str = ""
    is_number: bool = True
    is_sortable: bool = True


@dataclass(frozen=True)
class Cell:
    """A cell.

    Attributes
    ----------
    text, below : str
        What it says, and in small print below.
    sort : float, str or None
        What it is sorted by; None stands last.
    sign, tone : str
        A sign before the text, and the style's class of both.
    ink : float or None
        Share of the darkest ground; None: none.
    """

    text: str
    below: str = ""
    sort: float | str | None = None
    sign: str = ""
    tone: str = ""
    ink: float | None = None


@dataclass(frozen=True)
class PageTable:
    """A table: groups of rows, each with a heading or none; the first cell of a row is its heading."""

    name: str
    caption: str
    columns: list[Column]
    groups: list[tuple[str, list[list[Cell]]]]
    is_sortable: bool = False
    sorted_by: str = ""
    """Title of the column that rows stand in the order of, largest first."""

    @property
    def is_empty(self) -> bool:
        return not any(rows for _, rows in self.groups)


def tables_of(numbers: dict[str, Any]) -> dict[str, PageTable]:
    """Return the tables of a page by name.

    Parameters
    ----------
    numbers : dict
        What `acofer.report.numbers.page_numbers` returns.
    """
    makers = (_main, _more, _absent, _differences, _fronts, _optimism, _stability, _f1, _audit, _printed, _settings)
    tables = [make(numbers) for make in makers]
    return {table.name: table for table in tables}


def _text(text: Any, below: str = "") -> Cell:
    return Cell(UNKNOWN if text is None else str(text), below, None if text is None else str(text))


def _number(words: Callable[[Any], str], value: float | None, below: str = "") -> Cell:
    return Cell(words(value), below, value)


def _outcome(outcome: str) -> Cell:
    sign, words = OUTCOMES[outcome]
    return Cell(words, "", list(OUTCOMES).index(outcome), sign, outcome.replace(" ", "-"))


def _groups(
    numbers: dict[str, Any], entries: Iterable[dict[str, Any]], cells: Callable[[dict[str, Any]], list[Cell]]
) -> list[tuple[str, list[list[Cell]]]]:
    """Return rows by setting; a heading only where there are several."""
    settings = numbers["settings"]
    entries = list(entries)
    return [
        (setting["name"] if len(settings) > 1 else "", [cells(e) for e in entries if e["setting"] == setting["key"]])
        for setting in settings
        if any(entry["setting"] == setting["key"] for entry in entries)
    ]


def _main(numbers: dict[str, Any]) -> PageTable:
    columns = [
        Column("Contender", is_number=False),
        Column("Against the reference", is_number=False),
        *(Column(name.capitalize() if name != "macro F1" else "Macro F1", "95 % interval") for name in RATES),
        Column("Features"),
        Column("Parameters"),
        Column("Multiply-adds", "a picture"),
        Column("Latency", "ms, one picture"),
        Column("Training", "seconds"),
        Column("Search", "seconds"),
    ]

    def cells(row: dict[str, Any]) -> list[Cell]:
        return [
            _text(row["contender"], about_row(row)),
            _outcome(row["outcome"]),
            *(_number(rate, row[name]["mean"], rate_range(row[name]["interval"])) for name in RATES),
            _features(row),
            _number(large, row["parameters"]),
            _number(large, row["multiply-adds"]),
            *(_number(measure, row[name]) for name in ("latency, ms", "training seconds", "search seconds")),
        ]

    caption = "Clean protocol, the same test rows for all, means over seeds, the most accurate first"
    groups = _groups(numbers, _most_accurate_first(numbers), cells)
    return PageTable("main", caption, columns, groups, True, "Accuracy")


def _most_accurate_first(numbers: dict[str, Any]) -> list[dict[str, Any]]:
    return sorted(numbers["main"]["rows"], key=lambda row: -row["accuracy"]["mean"])


def best_first(differences: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return differences in the order in which table and figure show them."""
    return sorted(differences, key=lambda entry: -entry["difference"])


def about_row(row: dict[str, Any]) -> str:
    """Return what a contender is, in few words."""
    seeds = None if row["seeds"] is None else f"{row['seeds']} seed{'s' if row['seeds'] != 1 else ''}"
    size = None if row["size"] is None else f"size {row['size']}"
    words = (row["kind"] if row["kind"] == "network" else None, row["classifier"], size, row["budget"], seeds)
    return " · ".join(word for word in words if word)


def _features(row: dict[str, Any]) -> Cell:
    features = row["features"]
    if features is None:
        return Cell(UNKNOWN)
    ranged = "" if features["least"] == features["most"] else f"{count(features['least'])}–{count(features['most'])} "
    return _number(count, features["mean"], f"{ranged}of {count(row['of'])}" if row["of"] else ranged)


def _more(numbers: dict[str, Any]) -> PageTable:
    columns = [
        Column("Contender", is_number=False),
        *(Column(name.capitalize() if name != "macro F1" else "Macro F1", "spread over seeds") for name in RATES),
        Column("Binary accuracy", "not accuracy"),
        Column("Log-loss"),
        Column("Accuracy", "without copies"),
        Column("Subsets scored"),
        Column("Peak memory, GB"),
    ]

    def cells(row: dict[str, Any]) -> list[Cell]:
        return [
            _text(row["contender"]),
            *(_number(rate, row[name]["sd"]) for name in RATES),
            *(_number(rate, (row[name] or {}).get("mean")) for name in ("binary accuracy", "log-loss")),
            _number(rate, (row["without copies"] or {}).get("accuracy")),
            _number(count, row["evaluations"]),
            _number(measure, row["peak memory, GB"]),
        ]

    groups = _groups(numbers, _most_accurate_first(numbers), cells)
    return PageTable("more", "More measures of the same rows", columns, groups, True)


def _absent(numbers: dict[str, Any]) -> PageTable:
    columns = [Column(title, "", title == "Cells", False) for title in ("Contender", "What happened", "Why", "Cells")]

    def cells(entry: dict[str, Any]) -> list[Cell]:
        return [
            _text(entry["contender"]),
            _text(entry["status"]),
            _text(entry["reason"]),
            _number(count, entry["cells"]),
        ]

    return PageTable("absent", "Who has no figure, and why", columns, _groups(numbers, numbers["absent"], cells))


def _differences(numbers: dict[str, Any]) -> PageTable:
    columns = [
        Column("Contender", is_number=False),
        Column("Outcome", is_number=False),
        Column("Difference of accuracy", "95 % interval over all rivals"),
        Column("p", "McNemar, exact"),
        Column("p, Holm", "over all rivals"),
        Column("Only one is right", "contender : reference", is_sortable=False),
        Column("Seeds"),
    ]

    def cells(entry: dict[str, Any]) -> list[Cell]:
        return [
            _text(entry["contender"]),
            _outcome(entry["outcome"]),
            _number(signed, entry["difference"], signed_range(entry["interval"])),
            _number(probability, entry["p McNemar"]),
            _number(probability, entry["p Holm"]),
            Cell(" : ".join(count(n) for n in entry["discordant"]) if entry["discordant"] else UNKNOWN),
            _number(count, entry["seeds"]),
        ]

    caption = "Each contender less the reference, on the same test rows"
    return PageTable("differences", caption, columns, _groups(numbers, best_first(numbers["differences"]), cells), True)


def _fronts(numbers: dict[str, Any]) -> PageTable:
    axes = numbers["cost"]["axes"]
    columns = [Column("Contender", is_number=False), Column("Accuracy"), *(Column(axis.capitalize()) for axis in axes)]

    def cells(point: dict[str, Any]) -> list[Cell]:
        on_front = [
            Cell(_axis(point, axis), "front" if point["front"].get(axis) else "", point["x"].get(axis)) for axis in axes
        ]
        return [_text(point["contender"]), _number(rate, point["accuracy"]), *on_front]

    caption = "What each contender costs; “front”: nothing cheaper is as accurate"
    return PageTable("cost", caption, columns, _groups(numbers, numbers["cost"]["points"], cells), True)


def _axis(point: dict[str, Any], axis: str) -> str:
    words = {"features": count, "multiply-adds": large}.get(axis, measure)
    return words(point["x"].get(axis))


def _optimism(numbers: dict[str, Any]) -> PageTable:
    columns = [
        Column("Contender", is_number=False),
        Column("Metric", is_number=False),
        Column("Search score"),
        Column("Same metric", "on the test part"),
        Column("Optimism"),
        Column("Seeds"),
    ]

    def cells(entry: dict[str, Any]) -> list[Cell]:
        return [
            _text(entry["contender"]),
            _text(entry["metric"]),
            _number(rate, entry["search score"]),
            _number(rate, entry["on the test part"]),
            _number(signed, entry["optimism"]),
            _number(count, entry["seeds"]),
        ]

    caption = "What each search believed, and what the test part said"
    return PageTable("optimism", caption, columns, _groups(numbers, numbers["optimism"], cells), True)


def _stability(numbers: dict[str, Any]) -> PageTable:
    most = max((len(entry["picked"]) for entry in numbers["features"]), default=0)
    columns = [
        Column("Contender", is_number=False),
        Column("Features"),
        Column("Stability", "95 % interval"),
        Column("Seeds"),
        *(Column(f"in {n}", "seed" if n == 1 else "seeds", is_sortable=False) for n in range(1, most + 1)),
    ]

    def cells(entry: dict[str, Any]) -> list[Cell]:
        stability = entry["stability"] or {"value": None, "interval": None}
        picked = [_number(count, n) for n in entry["picked"]]
        return [
            _text(entry["contender"]),
            _number(count, entry["k"], f"of {count(entry['of'])}"),
            _number(rate, stability["value"], signed_range(stability["interval"]).replace("+", "")),
            _number(count, entry["seeds"]),
            *picked,
            *[Cell(UNKNOWN)] * (most - len(picked)),
        ]

    caption = "How stable the choice is: how many features were picked by so many seeds"
    return PageTable("features", caption, columns, _groups(numbers, numbers["features"], cells), True)


def _f1(numbers: dict[str, Any]) -> PageTable:
    names = list(dict.fromkeys(row["class"] for entry in numbers["classes"] for row in entry["per class"]))
    columns = [Column("Contender", is_number=False), *(Column(name) for name in names)]

    def cells(entry: dict[str, Any]) -> list[Cell]:
        by_class = {row["class"]: row["F1"] for row in entry["per class"]}
        return [_text(entry["contender"]), *(_inked(rate, by_class.get(name)) for name in names)]

    return PageTable("classes", "F1 by class", columns, _groups(numbers, numbers["classes"], cells), True)


def _inked(words: Callable[[Any], str], value: float | None) -> Cell:
    return Cell(words(value), "", value, ink=value)


def class_tables(entry: dict[str, Any]) -> list[PageTable]:
    """Return precision, recall and F1 of each class, and the confusion where it is not endless, of one contender."""
    names = [row["class"] for row in entry["per class"]]
    rates = [
        [_text(row["class"]), _number(count, row["rows"]), *(_number(rate, row[m]) for m in _OF_A_CLASS)]
        for row in entry["per class"]
    ]
    columns = [Column("Class", "", False), Column("Rows"), *(Column(name.capitalize()) for name in _OF_A_CLASS)]
    by_class = PageTable("", "By class", columns, [("", rates)])
    if len(names) > _MOST_CONFUSED:
        return [by_class]
    shares = [
        [_text(name), *(_inked(percent, share) for share in row)]
        for name, row in zip(names, entry["confusion"], strict=True)
    ]
    columns = [Column("True", "", False), *(Column(name) for name in names)]
    return [by_class, PageTable("", "Where the pictures of each class went, %", columns, [("", shares)])]


def _audit(numbers: dict[str, Any]) -> PageTable:
    columns = [
        Column("Protocol", is_number=False),
        Column("Contender", is_number=False),
        Column("Measure", is_number=False),
        Column("Value", "95 % interval"),
        Column("Adds", "to clean accuracy"),
        Column("Made test rows"),
        Column("Seeds"),
    ]

    def cells(row: dict[str, Any]) -> list[Cell]:
        return [
            _text(row["protocol"], row["what"] or ""),
            _text(row["contender"]),
            _text(row["measure"]),
            _number(rate, row["value"], rate_range(row["interval"])),
            _number(signed, row["adds"]),
            _number(count, row["synthetic test rows"]),
            _number(count, row["seeds"]),
        ]

    caption = "What each protocol makes of the figure; only “clean” is an honest one"
    return PageTable("audit", caption, columns, _groups(numbers, numbers["audit"]["rows"], cells), True)


def _printed(numbers: dict[str, Any]) -> PageTable:
    columns = [Column(t, "", False, False) for t in ("System", "Paper", "What it prints", "Kind")]
    rows = [
        [
            _text(entry["system"]),
            _text(entry["paper"]),
            _text(entry["figure"]),
            _text(entry["kind"]),
        ]
        for entry in numbers["audit"]["printed"]
    ]
    return PageTable("printed", "What papers print", columns, [("", rows)])


def _settings(numbers: dict[str, Any]) -> PageTable:
    titles = ("Setting", "Data", "Split", "Training", "Validation", "Test", "Features", "Copies", "Fingerprint")
    words = ("Setting", "Data", "Split", "Fingerprint")
    rows = [
        [
            _text(setting["name"]),
            _text(setting["data"]),
            _text(setting["split"]),
            *(_number(count, setting[part]) for part in ("train", "validation", "test", "features", "copies")),
            _text(setting["fingerprint"]),
        ]
        for setting in numbers["settings"]
    ]
    columns = [Column(title, "", title not in words, False) for title in titles]
    return PageTable("settings", "What was compared on; rows of each part", columns, [("", rows)])


def plain(value: Any) -> str:
    """Return plain data as indented text."""
    return json.dumps(value, indent=1, ensure_ascii=False)
