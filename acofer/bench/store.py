"""What a bench leaves behind, from the first cell on, so that it can be gone on with.

::

    plan.toml         the plan as it was given
    rows.jsonl        one line a cell, in the order in which they ended: all but test labels and what depends on them
    predictions/      of each cell, class probabilities of the test rows
    problems/         what the cells were measured on
    networks/         run folders of networks; see acofer.runs.training_folder
    result.json       all rows with their figures, and the labels; there once every cell has its row
    table.csv         the same, a line a row
"""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from acofer.archives import read_arrays
from acofer.errors import ConfigError, DataError, StoreError
from acofer.reading import UnreadableError, in_few_words, open_plain, parse_json
from acofer.runs.folder import RESULT, is_taken, read_json
from acofer.scoring.metrics import METRICS
from acofer.writing import written_beside

PLAN, ROWS, TABLE = "plan.toml", "rows.jsonl", "table.csv"
OK, FAILED, TIMED_OUT, SKIPPED, CAUGHT = "ok", "failed", "timed out", "skipped", "caught"
STATUSES = (OK, FAILED, TIMED_OUT, SKIPPED, CAUGHT)
Row = dict[str, Any]


class BenchFolder:
    """A bench's folder.

    Parameters
    ----------
    place : path
        Made where it is absent.

    Raises
    ------
    ConfigError
        If something else stands there.
    StoreError
        If it cannot be written to.
    """

    def __init__(self, place: str | Path) -> None:
        self.place = Path(place)
        if is_taken(self.place) and not (self.place / PLAN).exists():
            raise ConfigError(f"out: {self.place} exists and is no bench's folder; name another with --out")
        try:
            (self.place / "predictions").mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(
                f"expected a folder that can be written to at {self.place}; {error.strerror}; choose another with --out"
            ) from None

    def tidy(self) -> None:
        """Remove what one that was killed had begun to write; for who holds the folder alone."""
        for path in (*self.place.glob(".*.part"), *self.place.glob("p*s/.*.part")):
            path.unlink(missing_ok=True)

    def rows(self) -> dict[str, Row]:
        """Return the rows that are there, by cell; of two of one cell the later.

        A last line that was not written to its end is cut off: its cell runs again.

        Raises
        ------
        DataError
            If another line is damaged.
        """
        path = self.place / ROWS
        if not path.exists():
            return {}
        try:
            with open_plain(path) as file:
                content = file.read()
        except (OSError, UnreadableError) as error:
            raise StoreError(f"{path}: expected rows that can be read; {in_few_words(error)}") from None
        whole = content[: content.rfind(b"\n") + 1]
        if len(whole) < len(content):
            os.truncate(path, len(whole))
        rows = [self._row(line, number) for number, line in enumerate(whole.splitlines(), start=1)]
        return {row["cell"]: row for row in rows}

    def _row(self, line: bytes, number: int) -> Row:
        try:
            row = parse_json(line)
            if isinstance(row["cell"], str) and row["status"] in STATUSES and is_finite(row):
                return dict(row)
        except (UnreadableError, KeyError, TypeError):
            pass
        raise DataError(f"{self.place / ROWS}: line {number} is damaged; remove it, and its cell runs again")

    def keep(self, row: Row, outputs: dict[str, NDArray[Any]] | None = None) -> None:
        """Keep a cell's row, after its predictions: a row says that they are there.

        Raises
        ------
        StoreError
            If it cannot be written; then the cell has no row.
        """
        if outputs is not None:
            with written_beside(self._predictions(row["cell"]), "predictions") as beside, beside.open("wb") as file:
                np.savez(file, **outputs)  # type: ignore[arg-type]
        try:
            with (self.place / ROWS).open("ab") as file:
                file.write(json.dumps(row, allow_nan=False).encode() + b"\n")
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise StoreError(f"a row cannot be written to {self.place / ROWS}: {error.strerror}; make room") from None

    def outputs(self, cell: str) -> dict[str, NDArray[Any]]:
        """Return a cell's predictions: ``rows``, ``outputs``, and of ridge ``raw``.

        Raises
        ------
        DataError
            If they are absent or damaged.
        """
        path = self._predictions(cell)
        try:
            kept = read_arrays(path)
            if not _are_outputs(kept):
                raise UnreadableError("its arrays are not those of a cell")
            return kept
        except (OSError, UnreadableError) as error:
            raise DataError(
                f"{path}: expected predictions; {error}; remove the line of {cell} in {ROWS}, and its cell runs again"
            ) from None

    def _predictions(self, cell: str) -> Path:
        return self.place / "predictions" / f"{cell}.npz"

    def network(self, cell: str) -> Path:
        """Return the run folder of a network's cell."""
        return self.place / "networks" / cell

    def keep_problem(self, key: str, numbers: dict[str, Any]) -> None:
        """Keep what is to be known of a problem."""
        self._write(f"problems/{key}.json", json.dumps(numbers, allow_nan=False) + "\n")

    def problem(self, key: str) -> dict[str, Any] | None:
        """Return what was kept of a problem."""
        path = self.place / "problems" / f"{key}.json"
        if not path.exists():
            return None
        numbers = read_json(path.parent, path.name)
        if not isinstance(numbers, dict) or not is_finite(numbers):
            raise DataError(f"{path}: expected named values, and finite numbers; begin again in a new folder")
        return numbers

    def write_plan(self, text: str) -> None:
        self._write(PLAN, text)

    def opened(self) -> int:
        """Return how often the labels have been opened.

        Raises
        ------
        DataError
            If the result does not say it: then nobody can.
        """
        if not (self.place / RESULT).exists():
            return 0
        result = read_json(self.place, RESULT)
        opened = result.get("opened") if isinstance(result, dict) else None
        if type(opened) is not int or opened < 0:
            raise DataError(f"{self.place / RESULT}: expected how often the labels were opened; begin in a new folder")
        return opened

    def finish(self, result: dict[str, Any], columns: list[str], lines: Iterable[Row]) -> None:
        """Write the result and the table."""
        table = io.StringIO()
        writer = csv.DictWriter(table, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(lines)
        self._write(TABLE, table.getvalue())
        self._write(RESULT, json.dumps(result, allow_nan=False) + "\n")

    def _write(self, name: str, text: str) -> None:
        with written_beside(self.place / name, name) as beside:
            beside.write_text(text, encoding="utf-8")


def is_finite(content: Any) -> bool:
    """Whether JSON can hold something and give it back: no infinity, and nothing nested too deep."""
    try:
        json.dumps(content, allow_nan=False)
    except (ValueError, RecursionError):
        return False
    return True


def check_row(row: Row, place: Path) -> None:
    """Refuse the row of a cell that ended well where it lacks what is read of it when the labels are opened.

    Raises
    ------
    DataError
        The message names the cell, and what is wrong.
    """
    if row["status"] != OK:
        return
    seconds, score = row.get("seconds"), row.get("search score")
    faults = {
        "fingerprint": not isinstance(row.get("fingerprint"), str),
        "seconds": not isinstance(seconds, dict) or not all(one is None or _is_number(one) for one in seconds.values()),
        "classifier latency, ms": row["kind"] == "selector" and not _is_number(row.get("classifier latency, ms")),
        "indices": "indices" not in row or not isinstance(row["indices"], list | None),
        "search score": score is not None and not (isinstance(score, dict) and score.get("metric") in METRICS),
    }
    for name, is_wrong in faults.items():
        if is_wrong:
            raise DataError(
                f"{place / ROWS}: expected {name!r} in the row of {row['cell']} as acofer bench writes it; got "
                "something else; remove its line, and its cell runs again"
            )


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _are_outputs(kept: Mapping[str, NDArray[Any]]) -> bool:
    """Whether arrays are a cell's predictions: a matrix of numbers, the rows they are of, and maybe raw scores."""
    rows, outputs = kept.get("rows"), kept.get("outputs")
    if rows is None or outputs is None:
        return False
    raw = kept.get("raw", outputs)
    kinds = (rows.dtype.kind, outputs.dtype.kind, raw.dtype.kind)
    return kinds == ("i", "f", "f") and (rows.ndim, outputs.ndim) == (1, 2) and raw.shape == outputs.shape
