"""What the benchmarks measured: rows in results/NAME.csv, each with the machine and the versions it ran on.

from results import append, print_table

print_table(rows)
append("forest", rows)
"""

from __future__ import annotations

import csv
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from acofer.runs.machine import machine, versions

FOLDER = Path(__file__).resolve().parent / "results"

Row = dict[str, Any]


def append(name: str, rows: Sequence[Row]) -> Path:
    """Add rows to ``benchmarks/results/NAME.csv`` and return its path.

    Parameters
    ----------
    name : str
        The file's name without ``.csv``.
    rows : list of dict
        Column to value, None for an empty cell. Each row also gets the processor, its cores, the versions of Python
        and of every package that can move a figure, and the date, unless it brings its own (a run on another
        machine). A column new to the file is added to it and stays empty in the older rows.
    """
    path = FOLDER / f"{name}.csv"
    kept = _read(path)
    here = {name: value for name, value in machine().items() if name != "system"} | versions()
    today = {"date": time.strftime("%Y-%m-%d")}
    kept += [{**row, **({} if "processor" in row else here), **today} for row in rows]
    columns = list(dict.fromkeys(column for row in kept for column in row))
    FOLDER.mkdir(exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}")  # an interrupted run leaves the old file whole
    with beside.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(kept)
    beside.replace(path)
    return path


def _read(path: Path) -> list[Row]:
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def print_table(rows: Sequence[Row]) -> None:
    """Print rows as aligned columns, in the order of the first row's keys; numbers to the right."""
    columns = list(rows[0])
    cells = [columns] + [["" if row.get(c) is None else str(row[c]) for c in columns] for row in rows]
    widths = [max(len(line[i]) for line in cells) for i in range(len(columns))]
    is_text = [any(isinstance(row.get(c), str) and not _is_numeral(row[c]) for row in rows) for c in columns]
    for line in cells:
        padded = [cell.ljust(w) if text else cell.rjust(w) for cell, w, text in zip(line, widths, is_text, strict=True)]
        print("  ".join(padded).rstrip())


def _is_numeral(text: str) -> bool:
    return not any(letter.isalpha() for letter in text)
