"""What a folder on disk has for the page: a bench as it is; a training or a search turned into rows like a bench's."""

from __future__ import annotations

import json
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from acofer.archives import read_arrays
from acofer.bench.store import ROWS
from acofer.errors import DataError, MissingFileError
from acofer.features.layers import name_features
from acofer.reading import UnreadableError
from acofer.report.entry import Entry
from acofer.report.problem import CLEAN
from acofer.runs.folder import PREDICTIONS, RESULT, SUBSET, read_json
from acofer.runs.training_folder import CHECKPOINT
from acofer.runs.verdict import ALL, COLONY, FORWARD, RANDOM, TOP
from acofer.scoring.metrics import METRICS, confusion

_TIE = 1e-6
"""Outputs are kept in single precision, by which two that were not quite the same may become so."""
_NOT_OF_THE_OUTCOME = (
    *("seed", "split_seed", "out", "name", "workers", "backend", "scheduler", "cache_dir", "memo", "null_draws"),
)
_OF_THE_CLASSIFIER = ("balance", "scorer", "classifier", "trees", "penalty", "scorer_params", "classifier_params")
_RANKINGS = {"importance": "forest-importance", "f": "anova-f", "mi": "mutual-information"}
_POOLED = {"flatten": "flattened", "avg": "averaged"}
_FIVE = 5
_LONGEST = 10_000
"""Places a side of a layer's map beyond which it is none."""
_MOST_UNPACKED = 16
"""Times its size that a file of predictions may unpack to: those of earlier runs are packed."""


def rows_of(folder: Path) -> dict[str, Any]:
    """Return the content of a bench's result, or of a training's or a search's in the same shape.

    Parameters
    ----------
    folder : Path
        What ``acofer bench``, ``acofer train`` or ``acofer search`` left behind.

    Returns
    -------
    dict
        ``kind`` ("bench", "training" or "search"), ``name``, ``acofer``, ``command``, ``opened``, ``reference``,
        ``where``, ``problems`` and ``rows``. Values are as they stand on disk: `acofer.report.numbers.page_numbers`
        checks those that it uses. Runs of before predictions were kept have numbers, and no paired differences.

    Raises
    ------
    MissingFileError, DataError, StoreError
        If it is no such folder, or a file of it is damaged or cannot be read.
    """
    folder = Path(folder)
    _check_finished(folder)
    result = Entry(read_json(folder, RESULT), str(folder / RESULT))
    common = {"name": folder.name or "run", "where": str(folder / RESULT)}
    if result.content.get("kind") == "bench":
        return {**common, "command": f"acofer bench {folder / 'plan.toml'}", **result.content, "where": common["where"]}
    if result.has("net") and result.has("training"):
        kind, command, make = "training", "train", _training
    elif result.has("contenders") and result.has("search"):
        kind, command, make = "search", "search", _search
    else:
        raise DataError(
            f"{result.where}: expected the result of acofer bench, search or train; got another; name their folders"
        )
    problem, rows = make(folder, result)
    shared = {name: result.content.get(name) for name in ("versions", "machine", "configuration")}
    rows = [{"problem": common["name"], "status": "ok", "seed": result.whole("seed"), **shared, **row} for row in rows]
    return {
        **common,
        "kind": kind,
        "acofer": result.maybe_text("acofer"),
        "command": f"acofer {command} --config {folder / 'config.toml'}",
        "opened": 1,  # such runs exchange their labels for predictions once, and end
        "reference": None,
        "problems": {common["name"]: problem},
        "rows": rows,
    }


def _check_finished(folder: Path) -> None:
    """Say how to go on, where a run has not come to its result."""
    if (folder / RESULT).exists():
        return
    if (folder / ROWS).exists():
        raise MissingFileError(f"the bench at {folder} is not finished; go on with the command that began it")
    if (folder / CHECKPOINT).exists():
        raise MissingFileError(f"the training at {folder} is not finished; go on with: acofer train --resume {folder}")


def _problem(result: Entry, labels: NDArray[np.int64] | None) -> dict[str, Any]:
    """Return what trainings and searches say of their problem alike."""
    split = result.inner("split")
    return {
        "protocol": result.maybe_text("protocol") or CLEAN,
        "split": split.text("name"),
        "fingerprint": split.maybe_text("fingerprint"),
        "data": result.inner("data").content,
        **{part: split.content.get(part) for part in ("train", "validation", "test")},
        "copies": split.maybe_whole("test rows also in train or validation"),
        "labels": None if labels is None else labels.tolist(),
    }


def _predictions(folder: Path, n_rows: int, n_classes: int) -> tuple[dict[str, NDArray[Any]], NDArray[np.int64] | None]:
    """Return the outputs, ``(n, classes)``, by contender ("" of a training), and the labels, as far as they are kept.

    Raises
    ------
    DataError
        If the file is damaged.
    """
    place = folder / PREDICTIONS
    try:
        kept = read_arrays(place, unpacked=_MOST_UNPACKED * place.stat().st_size)
        outputs, labels, named = kept["outputs"], kept.get("labels"), kept.get("names", np.array([""]))
    except FileNotFoundError:
        return {}, None
    except (OSError, UnreadableError, KeyError) as error:
        raise DataError(f"{place}: expected predictions in NumPy's format; {error}; repeat the run") from None
    names = [str(name) for name in named.ravel()]
    outputs = outputs[None] if outputs.ndim == 2 else outputs
    if outputs.dtype.kind != "f" or outputs.shape != (len(names), n_rows, n_classes) or not np.isfinite(outputs).all():
        shape = (len(names), n_rows, n_classes)
        raise DataError(f"{place}: expected finite outputs of shape {shape}; got {outputs.shape}; repeat the run")
    if labels is not None:
        in_range = labels.shape == (n_rows,) and labels.dtype.kind in "iu" and np.isin(labels, range(n_classes)).all()
        if not in_range:
            raise DataError(f"{place}: expected {n_rows} labels from 0 to {n_classes - 1}; repeat the run")
        labels = labels.astype(np.int64)
    return dict(zip(names, outputs, strict=True)), labels


def _answers(card: Entry, outputs: NDArray[Any] | None, labels: NDArray[np.int64] | None) -> dict[str, Any]:
    """Return the scorecard and the predicted classes; ties within single precision are told as they are kept."""
    if outputs is None:
        return {"test": card.content, "predicted": None}
    predicted = outputs.argmax(axis=1)
    answers = {"test": card.content, "predicted": predicted.tolist()}
    n_classes = outputs.shape[1]
    if labels is None or "confusion" not in card.content:
        return answers
    written = card.wholes("confusion", len(labels) + 1, (n_classes, n_classes))
    counts = confusion(labels, predicted, n_classes)
    top = np.sort(outputs, axis=1)
    ties = int(np.sum(top[:, -1] - top[:, -2] <= _TIE))
    if 0 < np.abs(written - counts).sum() <= 2 * ties:
        own = {"value": float(np.trace(counts) / len(labels))}
        answers["test"] = {**card.content, "confusion": counts.tolist(), "accuracy": own}
    return answers


def _training(folder: Path, result: Entry) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return the problem and the row of a training."""
    net, configuration, card = result.inner("net"), result.inner("configuration"), result.inner("test")
    classes = result.inner("data").texts("classes")
    outputs, labels = _predictions(folder, result.inner("split").whole("test", 1), len(classes))
    problem = {**_problem(result, labels), "setting": f"{result.inner('data').text('name')}, networks"}
    if configuration.has("classes") and len(classes) == _FIVE:
        problem["protocol"] = "five-classes"
    weights, timing, name = net.inner("parameters"), net.inner("timing"), net.text("name")
    row = {
        "kind": "network",
        "contender": name,
        "net": name,
        "settings": _settings(configuration, [one for one in configuration.content if one not in _NOT_OF_THE_OUTCOME]),
        "parameters": weights.whole("trainable") + weights.whole("frozen"),
        "multiply-adds": net.content.get("multiply-adds"),
        "latency, ms": timing.content.get("latency of one picture, ms"),
        "seconds": {
            "training": result.inner("training").number("seconds", 0),
            "predict": result.inner("seconds").maybe_number("test", 0),
        },
        "peak memory, GB": result.content.get("peak memory, GB"),
        "without copies": result.content.get("without copies"),
        **_answers(card, outputs.get(""), labels),
    }
    return problem, [row]


def _settings(configuration: Entry, names: list[str]) -> str:
    """Return as one text what decides an outcome: runs that differ in it are no two seeds of one contender."""
    return json.dumps({name: configuration.content.get(name) for name in sorted(names)}, sort_keys=True, default=str)


def _search(folder: Path, result: Entry) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return the problem and the rows of a search: the colony, and what it was to beat."""
    embeddings, cards = result.inner("embeddings"), result.inner("contenders")
    classes = result.inner("data").texts("classes")
    outputs, labels = _predictions(folder, result.inner("split").whole("test", 1), len(classes))
    features = embeddings.whole("features", 1)
    problem = {
        **_problem(result, labels),
        "setting": _setting_name(result.inner("data"), embeddings),
        "synthetic test rows": result.inner("split").content.get("synthetic test rows"),
        "features": features,
        "feature names": _feature_names(embeddings, features),
        "backbone": embeddings.content,
    }
    rows = []
    for name in cards.content:
        card = cards.inner(name)
        about = _colony(folder, result, features) if name == COLONY else _null(name, result, card)
        rows.append({"kind": "selector", **about, **_answers(_card(name, result, card), outputs.get(name), labels)})
    return problem, rows


def _setting_name(data: Entry, embeddings: Entry) -> str:
    pooling, side = embeddings.text("pooling"), embeddings.whole("image_size")
    layers = embeddings.content.get("layers")
    several = f", {len(layers)} layers" if isinstance(layers, list) and len(layers) > 1 else ""
    return f"{data.text('name')} {side}x{side} {_POOLED.get(pooling, pooling)}{several}"


def _feature_names(embeddings: Entry, features: int) -> list[str] | None:
    """Return the names of all features, as layers and pooling make them; None where they are not said or do not fit."""
    if not isinstance(embeddings.content.get("layers"), list):
        return None
    layers = []
    for layer in embeddings.inners("layers"):
        layers.append({"name": layer.text("name"), "shape": layer.wholes("shape", _LONGEST, (3,)).tolist()})
    if sum(prod(layer["shape"]) for layer in layers) != features:
        return None
    return list(name_features(layers, embeddings.text("pooling")))


def _card(name: str, result: Entry, card: Entry) -> Entry:
    """Return a scorecard with the search's metric, where its classifier is the one that had scored."""
    score = result.inner("search score")
    if name != COLONY or score.maybe_number("optimism") is None:
        return card
    return Entry({**card.content, "search metric": score.number("same metric on the test part")}, card.where)


def _colony(folder: Path, result: Entry, features: int) -> dict[str, Any]:
    """Return what a search says of its colony, but for the test part."""
    search, configuration = result.inner("search"), result.inner("configuration")
    chosen, seconds = search.inner("chosen"), result.inner("seconds")
    names = [one for one in configuration.content if one not in _NOT_OF_THE_OUTCOME]
    metric = search.word("metric", tuple(METRICS))
    scored = _scored(search)
    return {
        "contender": COLONY,
        "selector": "colony",
        "classifier": configuration.maybe_text("classifier") or "auto",
        "size": configuration.content.get("size"),
        "settings": _settings(configuration, names),
        "features": chosen.whole("features"),
        "indices": _indices(folder, features),
        "seconds": {
            "balancing": seconds.maybe_number("balancing", 0),
            "heuristic": seconds.maybe_number("heuristic", 0),
            "selection": seconds.maybe_number("search", 0),
        },
        "evaluations": search.whole("subsets scored"),
        "asked": search.whole("ants"),
        "search score": {
            "metric": metric,
            "value": chosen.number("value"),
            "standard error": chosen.maybe_number("standard error", 0),
        },
        "history": _history(scored, metric),
        "scored": scored,
        "without copies": result.content.get("without copies"),
    }


def _scored(search: Entry) -> list[list[Any]]:
    """Return features, value and whether it is an estimate, of every ant's subset."""
    ants = search.inners("scored")
    return [[ant.whole("features"), ant.number("value"), ant.content.get("estimate") is True] for ant in ants]


def _history(scored: list[list[Any]], metric: str) -> list[list[Any]]:
    """Return the best so far by ants; when each was scored is not kept, and estimates are not the best of anything."""
    utility = METRICS[metric].utility
    history: list[list[Any]] = []
    for ants, (size, value, is_estimate) in enumerate(scored, start=1):
        if not is_estimate and (not history or utility(value) > utility(history[-1][2])):
            history.append([ants, None, value, size])
    return [*history, [len(scored), *history[-1][1:]]] if history else []


def _indices(folder: Path, features: int) -> list[int] | None:
    """Return the chosen features; None where they are not kept."""
    try:
        subset = Entry(read_json(folder, SUBSET), str(folder / SUBSET))
    except MissingFileError:
        return None
    return subset.wholes("indices", features).tolist()


def _null(name: str, result: Entry, card: Entry) -> dict[str, Any]:
    """Return what a search says of something that its colony was to beat, but for the test part."""
    configuration, k = result.inner("configuration"), card.whole("features")
    heuristic = configuration.maybe_text("heuristic") or ""
    is_random = name.startswith(f"{RANDOM} ")
    selectors = {ALL: "all", TOP: _RANKINGS.get(heuristic), FORWARD: "greedy-forward"}
    waited = result.inner("seconds").maybe_number("heuristic", 0) if name == TOP else None
    seconds = {"heuristic": waited} if name == TOP else {"selection": 0.0} if name == ALL or is_random else {}
    return {
        "contender": RANDOM if is_random else name,
        "selector": "random-subset" if is_random else selectors.get(name),
        "classifier": configuration.maybe_text("classifier") or "auto",
        "settings": f"{_settings(configuration, list(_OF_THE_CLASSIFIER))} {k} {heuristic if name == TOP else ''}",
        "draw": _draw(name) if is_random else 0,
        "features": k,
        "seconds": seconds,
    }


def _draw(name: str) -> int:
    number = name.removeprefix(f"{RANDOM} ")
    return int(number) if number.isascii() and number.isdecimal() and len(number) < 10 else 0
