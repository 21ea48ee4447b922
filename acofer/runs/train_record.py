"""What a training records of itself: every number that is printed or drawn, and what it was measured on."""

from __future__ import annotations

import dataclasses
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from acofer.config.train import TrainConfig
from acofer.nets.count import multiply_adds, parameters
from acofer.nets.device import device
from acofer.nets.table import Net
from acofer.nets.timing import timing
from acofer.nets.training import Course, as_probabilities
from acofer.pretrained.base import backend_versions
from acofer.pretrained.weights import Weights
from acofer.records import ImageSet, Split
from acofer.runs.machine import machine, peak_memory, versions
from acofer.runs.record import data_numbers
from acofer.scoring.metrics import binary_accuracy, scorecard

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Trained:
    """A trained network and what it was trained on."""

    config: TrainConfig
    net: Net
    images: ImageSet
    split: Split
    n_training_rows: int
    course: Course
    weights: dict[str, Weights]
    started_from: list[dict[str, Any]]
    model: Any
    n_bytes: int


def training_numbers(on: Trained, labels: NDArray[np.int64], outputs: FloatArray) -> dict[str, Any]:
    """Return the content of ``result.json``, but for the seconds: plain data that JSON can hold.

    Parameters
    ----------
    on : Trained
    labels : ndarray of int64, shape (n,)
        True classes of the test part.
    outputs : ndarray of float, shape (n, n_classes)
        What the network says of it.
    """
    card = _card(labels, outputs, on.config.seed)
    single = ~np.isin(on.split.test, on.split.copied_test_rows)
    return {
        "acofer": versions()["acofer"],
        "finished": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "seed": on.config.seed,
        "configuration": dataclasses.asdict(on.config),
        "data": data_numbers(on.images),
        "split": {
            "name": on.split.name,
            "fingerprint": on.split.fingerprint,
            "train": len(on.split.train),
            "validation": len(on.split.validation),
            "test": len(on.split.test),
            "training pictures after balancing": on.n_training_rows,
            "test rows also in train or validation": len(on.split.copied_test_rows),
        },
        "net": _net_numbers(on),
        "training": _course_numbers(on),
        "test": card,
        "without copies": None if single.all() else _card(labels[single], outputs[single], on.config.seed),
        "verdict": verdict(on.net, card, on.course.best_epoch),
        "versions": {**versions(), **backend_versions()},
        "machine": {**machine(), "device": device()},
        "peak memory, GB": peak_memory(),
    }


def _card(labels: NDArray[np.int64], outputs: FloatArray, seed: int) -> dict[str, Any]:
    card = scorecard(labels, as_probabilities(outputs), seed=seed)
    return {**card, "binary accuracy": binary_accuracy(labels, outputs, seed=seed)}


def _net_numbers(on: Trained) -> dict[str, Any]:
    return {
        "name": on.net.name,
        "paper": on.net.paper,
        "paper prints": on.net.printed,
        "parameters": parameters(on.model),
        "multiply-adds": multiply_adds(on.model),
        "bytes on disk": on.n_bytes,
        "weights": {name: {"label": kept.label, "sha256": kept.digest} for name, kept in on.weights.items()},
        "started from": on.started_from,
        "timing": timing(on.model),
    }


def _course_numbers(on: Trained) -> dict[str, Any]:
    rows = on.course.rows
    return {
        "epochs": len(rows),
        "best epoch": on.course.best_epoch,
        "seconds": sum(row.seconds for row in rows),
        "history": [dataclasses.asdict(row) for row in rows],
    }


def verdict(net: Net, card: dict[str, Any], best_epoch: int) -> str:
    """Say in three sentences what the network reaches, what binary accuracy is, and what the paper prints."""
    accuracy, binary = card["accuracy"], card["binary accuracy"]
    n_classes = len(card["per class"])
    low, high = accuracy["interval"]
    return (
        f"On {card['rows']:,} test rows {net.name}, as it was after epoch {best_epoch}, reaches accuracy "
        f"{accuracy['value']:.3f} ({low:.3f} to {high:.3f}), balanced accuracy "
        f"{card['balanced accuracy']['value']:.3f}. "
        f"Its binary accuracy is {binary['value']:.3f}: one yes or no a class and row, of which "
        f"{1 - 1 / n_classes:.3f} are right where the answer is always no; "
        "figures near .96 in papers are of this kind. "
        f"Its paper ({net.paper}) prints: {net.printed}."
    )
