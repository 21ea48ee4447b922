"""When every cell has its row: the labels of the test parts are opened, once, and the figures computed."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from acofer.bench.costs import backbone_cost
from acofer.bench.guards import (
    FALSE_ALARM,
    can_alarm,
    check_copies,
    check_outputs,
    check_parts,
    check_same_split,
    null_test,
)
from acofer.bench.plan import Cell, Plan
from acofer.bench.problem import Problem
from acofer.bench.store import CAUGHT, OK, BenchFolder, Row
from acofer.config.search import SearchConfig
from acofer.config.train import TrainConfig
from acofer.errors import AcoferError, DataError, LeakageError
from acofer.nets.training import as_probabilities
from acofer.records import ImageSet, Progress, silence
from acofer.runs.machine import versions
from acofer.runs.pictures import configured_classes, configured_pictures, configured_split
from acofer.runs.record import data_numbers, raw_brier, scorer_is_tested
from acofer.scoring.metrics import METRICS, RATES, binary_accuracy, scorecard
from acofer.scoring.protocol import SealedLabels

PicturesOf = Callable[[SearchConfig | TrainConfig], ImageSet]
LEAKY = ("leaky-smote-first", "leaky-smote-test")
_COLUMNS = (
    *("setting", "protocol", "contender", "classifier", "size", "seed", "split seed", "status", "reason"),
    *("features", "parameters", "multiply-adds", "latency, ms", "accuracy", "balanced accuracy", "macro F1"),
    *("binary accuracy", "accuracy without copies", "evaluations", "search score", "selection seconds"),
    *("fit seconds", "training seconds", "peak memory, GB"),
)


@dataclasses.dataclass(frozen=True)
class _Part:
    """A test part: its labels, sealed until all predictions of it are there."""

    numbers: dict[str, Any]
    rows: NDArray[np.int64]
    n_classes: int
    sealed: SealedLabels


def open_labels(
    plan: Plan, folder: BenchFolder, rows: Mapping[str, Row], progress: Progress = silence
) -> dict[str, Any]:
    """Open the labels in exchange for all predictions of a plan, and write its result.

    Parameters
    ----------
    plan : Plan
        Every cell has its row.
    folder : BenchFolder
    rows : mapping of str to dict
    progress : callable, optional
        Told ``(stage, done, total)``.

    Returns
    -------
    dict
        The content of ``result.json``: see `acofer.bench.store`.

    Raises
    ------
    LeakageError
        If rows of one test part were measured on different ones.
    """
    by_part: dict[str, list[Cell]] = {}
    for cell in plan.cells:
        by_part.setdefault(_part_name(cell), []).append(cell)
    problems: dict[str, dict[str, Any]] = {}
    scored: dict[str, Row] = {}
    pictures_of = _pictures_read_once()
    for name, cells in by_part.items():
        progress("labels", len(scored), len(plan.cells))
        part_rows, problems[name] = _opened(name, cells, folder, rows, pictures_of)
        scored |= part_rows
    progress("labels", len(scored), len(plan.cells))
    _catch(scored)
    result: dict[str, Any] = {
        "kind": "bench",
        "name": plan.name,
        "acofer": versions()["acofer"],
        "finished": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "opened": folder.opened() + 1,
        "reference": plan.reference,
        "problems": problems,
        "rows": [scored[cell.key] for cell in plan.cells],
    }
    folder.finish(result, list(_COLUMNS), (_line(row) for row in result["rows"] if not row["is null"]))
    return result


def _part_name(cell: Cell) -> str:
    """Return what cells share that are measured on the same test rows."""
    config = cell.config
    split = "official or one" if config.split != "stratified" else "stratified"
    seed = f", seed {config.seed}" if cell.protocol in LEAKY else ""
    return f"{cell.setting}; {cell.protocol}; {split}, split seed {config.split_seed}{seed}"


def _pictures_read_once() -> PicturesOf:
    """Return a reader of pictures that keeps those it has read last: most parts of a plan have the same."""
    kept: dict[tuple[Any, ...], ImageSet] = {}

    def pictures_of(config: SearchConfig | TrainConfig) -> ImageSet:
        key = config.data, config.ferplus, config.on_broken
        if key not in kept:
            kept.clear()
            kept[key] = configured_pictures(config)
        return kept[key]

    return pictures_of


def _opened(
    name: str, cells: list[Cell], folder: BenchFolder, rows: Mapping[str, Row], pictures_of: PicturesOf
) -> tuple[dict[str, Row], dict[str, Any]]:
    """Return the rows of one test part with their figures, and what is to be known of it."""
    own = {cell.key: {**rows[cell.key], "problem": name} for cell in cells}
    ended_well = [key for key, row in own.items() if row["status"] == OK]
    kept = next((kept for cell in cells if cell.net is None and (kept := folder.problem(cell.problem))), None)
    if not ended_well:
        return own, {**(kept or {}), "setting": cells[0].setting, "protocol": cells[0].protocol, "labels": []}
    part = _part(cells, kept, pictures_of)
    outputs = {key: folder.outputs(key) for key in ended_well}
    for key in ended_well:
        row = own[key]
        check_same_split(part.numbers["fingerprint"], row["fingerprint"], f"{row['contender']}, seed {row['seed']}")
        check_outputs(outputs[key]["outputs"], outputs[key]["rows"], part.rows, part.n_classes)
    labels = part.sealed.open({key: outputs[key]["outputs"] for key in ended_well})
    copied = _copied(part.numbers.get("copied"), len(labels), name)
    configurations = {cell.key: cell.config for cell in cells}
    for key in ended_well:
        own[key] |= _figures(own[key], configurations[key], labels, outputs[key], copied)
    cost = _cost(part.numbers.get("backbone"), folder)
    for row in own.values():
        if row["kind"] == "selector" and row["status"] == OK:
            row |= _with_backbone(row, cost)
    return own, {**part.numbers, "setting": cells[0].setting, "backbone cost": cost, "labels": labels.tolist()}


def _part(cells: list[Cell], kept: dict[str, Any] | None, pictures_of: PicturesOf) -> _Part:
    """Return the test part that cells were measured on."""
    cell = next((cell for cell in cells if cell.net is None), cells[0])
    if cell.protocol in LEAKY:
        problem = Problem(dataclasses.replace(cell, is_null=False))
        return _Part(problem.numbers(), problem.test_rows, problem.n_classes, problem.material.sealed)
    images = configured_classes(cell.config, pictures_of(cell.config))
    split = configured_split(cell.config, images)
    check_parts(split)
    check_copies(split)
    numbers = kept or {
        "protocol": cell.protocol,
        "split": split.name,
        "data": data_numbers(images),
        "train": len(split.train),
        "validation": len(split.validation),
        "test": len(split.test),
        "synthetic test rows": 0,
        "features": None,
        "feature names": None,
        "backbone": None,
        "copied": np.flatnonzero(np.isin(split.test, split.copied_test_rows)).tolist(),
    }
    numbers = {**numbers, "fingerprint": split.fingerprint}
    return _Part(numbers, split.test, images.n_classes, SealedLabels(images.labels[split.test].astype(np.int64)))


def _copied(places: Any, n_rows: int, name: str) -> NDArray[np.int64]:
    """Return the places of the test rows that have copies elsewhere, as they are kept."""
    is_list = isinstance(places, list) and all(type(place) is int and 0 <= place < n_rows for place in places)
    if not is_list:
        raise DataError(
            f"what is kept of {name!r}: expected the places of copied rows, below {n_rows}; got something else; remove "
            "the folder problems, and all cells run again"
        )
    return np.array(places, np.int64)


def _figures(
    row: Row,
    config: SearchConfig | TrainConfig,
    labels: NDArray[np.int64],
    kept: dict[str, NDArray[Any]],
    copied: NDArray[np.int64],
) -> dict[str, Any]:
    """Return what a row is told once the labels are open."""
    outputs = kept["outputs"].astype(np.float64)
    predicted = outputs.argmax(axis=1)
    if row["is null"]:
        found = null_test(labels, predicted, outputs.shape[1], row["seed"])
        return {"null test": found if can_alarm(outputs.shape[1]) else None}
    card = scorecard(labels, as_probabilities(outputs), seed=row["seed"])
    card["binary accuracy"] = binary_accuracy(labels, outputs, seed=row["seed"])
    score = row.get("search score")
    # The classifier that is tested is the one that had scored; else there is no optimism to speak of.
    if score is not None and isinstance(config, SearchConfig) and scorer_is_tested(config):
        card["search metric"] = _search_metric(config, score["metric"], labels, kept)
    single = np.setdiff1d(np.arange(len(labels)), copied)
    without = scorecard(labels[single], as_probabilities(outputs[single]), seed=row["seed"]) if len(copied) else None
    names = ("rows", "accuracy", "balanced accuracy", "macro F1")
    return {
        "predicted": predicted.tolist(),
        "test": card,
        "without copies": without and {name: without[name] for name in names},
    }


def _search_metric(
    config: SearchConfig, metric: str, labels: NDArray[np.int64], kept: dict[str, NDArray[Any]]
) -> float:
    if metric == "brier" and "raw" in kept:
        return raw_brier(kept["raw"], labels, is_weighted=config.balance == "weights")
    return METRICS[metric].of(labels, kept["outputs"].astype(np.float64))


def _catch(rows: dict[str, Row]) -> None:
    """Mark whoever is better than chance on shuffled labels: nothing of theirs is a figure."""
    for null in [row for row in rows.values() if row["is null"] and row.get("null test")]:
        same = [row for row in rows.values() if _who(row) == _who(null) and row["status"] == OK]
        found = null["null test"]
        for row in same:
            row["null test"] = found
            if found["p"] < FALSE_ALARM:
                error = LeakageError(
                    f"on shuffled training labels {found['hits']} test rows were right, where chance gives "
                    f"{found['expected']:.0f} (p = {found['p']:.4f}): it knows the test labels"
                )
                row |= {"status": CAUGHT, "reason": str(error), "predicted": None, "test": None, "without copies": None}


def _who(row: Row) -> tuple[Any, ...]:
    names = ("setting", "protocol", "contender", "classifier", "split seed")
    return (*(row[name] for name in names), str(row["size"]), str(row["budget"]))


def _cost(about: Any, folder: BenchFolder) -> dict[str, Any] | None:
    """Return what the backbone costs a picture, measured once a folder."""
    if not isinstance(about, dict):
        return None
    try:
        return backbone_cost(about, folder)
    except AcoferError as error:  # e.g. Keras is not installed
        return {"reason": " ".join(str(error).split())}


def _with_backbone(row: Row, cost: dict[str, Any] | None) -> dict[str, Any]:
    """Add what the network costs that makes the features: choosing among its numbers makes it no cheaper."""
    latency = None if not cost else cost.get("latency, ms")
    return {
        "multiply-adds": None if not cost else cost.get("multiply-adds"),
        "latency, ms": None if latency is None else round(latency + row["classifier latency, ms"], 3),
    }


def _line(row: Row) -> Row:
    """Return a row's line of the table."""
    test, seconds, without = row.get("test") or {}, row.get("seconds") or {}, row.get("without copies") or {}
    score = row.get("search score") or {}
    return {
        **{name: row.get(name) for name in _COLUMNS},
        **{name: _value(test, name) for name in (*RATES, "binary accuracy") if name in _COLUMNS},
        "accuracy without copies": _value(without, "accuracy"),
        "search score": score.get("value"),
        **{f"{stage} seconds": seconds.get(stage) for stage in ("selection", "fit", "training")},
    }


def _value(card: Mapping[str, Any], name: str) -> float | None:
    return card[name]["value"] if name in card else None
