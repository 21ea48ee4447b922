"""The page's tables as rows of text, and as CSV, Markdown and LaTeX."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from typing import Any

Rows = list[list[str]]
Table = tuple[list[str], Rows]

_RATES = ("accuracy", "balanced accuracy", "macro F1")
_FORMULAS = ("=", "+", "-", "@", "\t", "\r")
"""What a text begins with that spreadsheets take for a formula (OWASP, CSV injection)."""
_LATEX = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "`": r"\textasciigrave{}",
    "-": "{-}",  # two in a row are no dash
    "[": "{[}",  # after a line's end it would be an option
    "]": "{]}",
}
_MARKDOWN = "\\`*_{}[]()<>#+-.!|~&$"


def tables(numbers: dict[str, Any]) -> dict[str, Table]:
    """Return the page's tables, those without rows left out.

    Parameters
    ----------
    numbers : dict
        What `acofer.report.numbers.page_numbers` returns.

    Returns
    -------
    dict of str to (columns, rows)
        By name: column heads, and rows of as many texts. Numbers are written in full, as few digits as tell them from
        all others; what is not known is an empty text.
    """
    makers: dict[str, Callable[[dict[str, Any]], Table]] = {
        "main": _main,
        "differences": _differences,
        "absent": _absent,
        "features": _features,
        "classes": _classes,
        "confusion": _confusion,
        "audit": _audit,
        "printed": _printed,
        "optimism": _optimism,
        "checks": _checks,
        "repeat": _repeat,
    }
    made = {name: make(numbers) for name, make in makers.items()}
    return {name: (columns, rows) for name, (columns, rows) in made.items() if rows}


def _said(value: Any) -> str:
    """Write a value: a float in as few digits as tell it from all others."""
    if value is None:
        return ""
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
    return "; ".join(map(_said, value)) if isinstance(value, list) else str(value)


def _table(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> Table:
    return list(columns), [[_said(value) for value in row] for row in rows]


def _names(numbers: dict[str, Any]) -> dict[str, str]:
    """Return the names of settings by key."""
    return {setting["key"]: setting["name"] for setting in numbers["settings"]}


def _picked(entries: list[dict[str, Any]], columns: dict[str, str], numbers: dict[str, Any]) -> Table:
    """Return a table of entries' values: `columns` by name in the entry, with their heads."""
    names = _names(numbers)
    rows = [[names[entry[name]] if name == "setting" else entry[name] for name in columns] for entry in entries]
    return _table(list(columns.values()), rows)


def _alike(*names: str) -> dict[str, str]:
    return {name: name for name in names}


def _ends(interval: list[float] | None) -> list[float | None]:
    return [None, None] if interval is None else list(interval)


def _main(numbers: dict[str, Any]) -> Table:
    about = ("setting", "contender", "kind", "classifier", "size", "budget", "seeds")
    costs = ("multiply-adds", "latency, ms", "training seconds", "search seconds", "peak memory, GB", "evaluations")
    rates = [f"{rate}{what}" for rate in _RATES for what in ("", ", sd", ", from", ", to")]
    names = _names(numbers)
    rows = []
    for row in numbers["main"]["rows"]:
        cells = [names[row["setting"]], *(row[name] for name in about[1:])]
        cells += [value for rate in _RATES for value in _rate(row[rate])]
        cells += [
            row[name] and row[name][what] for name, what in (("without copies", "accuracy"), ("features", "mean"))
        ]
        cells += [row["of"], row["parameters"], *(row[name] for name in costs)]
        cells += [row[name] and row[name]["mean"] for name in ("binary accuracy", "log-loss")]
        rows.append([*cells, row["outcome"]])
    heads = [*about, *rates, "accuracy without copies", "features", "of", "parameters", *costs, "binary accuracy"]
    return _table([*heads, "log-loss", "against the reference"], rows)


def _rate(rate: dict[str, Any]) -> list[Any]:
    return [rate["mean"], rate["sd"], *_ends(rate["interval"])]


def _differences(numbers: dict[str, Any]) -> Table:
    names = _names(numbers)
    columns = ["setting", "contender", "reference", "difference of accuracy", "from", "to", "p McNemar", "p Holm"]
    columns += ["only it is right", "only the reference is right", "seed of p", "seeds", "outcome"]
    rows = [
        [
            *(names[d["setting"]], d["contender"], d["reference"], d["difference"], *d["interval"], d["p McNemar"]),
            *(d["p Holm"], *d["discordant"], d["seed"], d["seeds"], d["outcome"]),
        ]
        for d in numbers["differences"]
    ]
    return _table(columns, rows)


def _absent(numbers: dict[str, Any]) -> Table:
    return _picked(numbers["absent"], _alike("setting", "contender", "status", "reason", "cells"), numbers)


def _features(numbers: dict[str, Any]) -> Table:
    names = _names(numbers)
    columns = ["setting", "contender", "features", "of", "seeds", "stability", "from", "to", "chosen by layer"]
    rows = []
    for entry in numbers["features"]:
        stability = entry["stability"] or {"value": None, "interval": None}
        layers = [f"{layer['layer']} {_said(layer['chosen'])} of {layer['of']}" for layer in entry["layers"]]
        cells = [names[entry["setting"]], *(entry[name] for name in ("contender", "k", "of", "seeds"))]
        rows.append([*cells, stability["value"], *_ends(stability["interval"]), layers])
    return _table(columns, rows)


def _classes(numbers: dict[str, Any]) -> Table:
    names = _names(numbers)
    rates = ("class", "rows", "precision", "recall", "F1")
    rows = [
        [names[entry["setting"]], entry["contender"], *(one[rate] for rate in rates)]
        for entry in numbers["classes"]
        for one in entry["per class"]
    ]
    return _table(["setting", "contender", *rates], rows)


def _confusion(numbers: dict[str, Any]) -> Table:
    names = _names(numbers)
    rows = []
    for entry in numbers["classes"]:
        classes = [one["class"] for one in entry["per class"]]
        about = [names[entry["setting"]], entry["contender"]]
        for true, shares in zip(classes, entry["confusion"], strict=True):
            rows += [[*about, true, said, share] for said, share in zip(classes, shares, strict=True)]
    return _table(["setting", "contender", "true class", "predicted class", "share"], rows)


def _audit(numbers: dict[str, Any]) -> Table:
    names = _names(numbers)
    columns = ["setting", "protocol", "contender", "measure", "value", "from", "to", "seeds"]
    columns += ["adds to the clean accuracy", "synthetic test rows", "what"]
    rows = []
    for row in numbers["audit"]["rows"]:
        cells = [names[row["setting"]], *(row[name] for name in ("protocol", "contender", "measure", "value"))]
        cells += [*_ends(row["interval"]), *(row[name] for name in ("seeds", "adds", "synthetic test rows", "what"))]
        rows.append(cells)
    return _table(columns, rows)


def _printed(numbers: dict[str, Any]) -> Table:
    return _picked(numbers["audit"]["printed"], _alike("system", "paper", "figure", "kind"), numbers)


def _optimism(numbers: dict[str, Any]) -> Table:
    names = ("setting", "contender", "metric", "search score", "on the test part", "optimism", "seeds")
    return _picked(numbers["optimism"], _alike(*names), numbers)


def _checks(numbers: dict[str, Any]) -> Table:
    return _picked(numbers["checks"], _alike("number", "name", "status", "finding", "to do"), numbers)


def _repeat(numbers: dict[str, Any]) -> Table:
    return _picked(numbers["repeat"], _alike("id", "command", "seeds", "fingerprint"), numbers)


def as_csv(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table as CSV (RFC 4180); texts that a spreadsheet would take for a formula begin with an apostrophe."""
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(map(_defused, columns))
    writer.writerows([_defused(cell) for cell in row] for row in rows)
    return out.getvalue()


def _defused(text: str) -> str:
    return f"'{text}" if text.startswith(_FORMULAS) and not _is_number(text) else text


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def as_markdown(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table in GitHub's Markdown, numbers aligned to the right."""
    marks = ["---:" if is_right else "---" for is_right in _are_numbers(columns, rows)]
    lines = [map(_in_markdown, columns), marks, *(map(_in_markdown, row) for row in rows)]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def _in_markdown(text: str) -> str:
    if _is_number(text):
        return text
    return "".join(f"\\{c}" if c in _MARKDOWN else c for c in _in_one_line(text))


def as_latex(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    r"""Return a table in LaTeX, with the rules of the package booktabs; it needs ``\usepackage[T1]{fontenc}``, too."""
    kinds = "".join("r" if is_right else "l" for is_right in _are_numbers(columns, rows))
    head, *body = [" & ".join(map(_in_latex, cells)) + r" \\" for cells in (columns, *rows)]
    parts = [rf"\begin{{tabular}}{{{kinds}}}", r"\toprule", head, r"\midrule", *body, r"\bottomrule", r"\end{tabular}"]
    return "\n".join(parts) + "\n"


def _in_latex(text: str) -> str:
    if _is_number(text):
        return f"${text}$" if text.startswith("-") else text
    return "".join(_LATEX.get(c, c) for c in _in_one_line(text))


def _in_one_line(text: str) -> str:
    """Return a text without line ends and control characters."""
    return " ".join("".join(c if c.isprintable() or c.isspace() else " " for c in text).split())


def _are_numbers(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[bool]:
    """Whether each column holds numbers, or nothing."""
    return [all(not row[place] or _is_number(row[place]) for row in rows) for place in range(len(columns))]
