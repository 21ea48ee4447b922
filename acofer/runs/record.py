"""What a run records of itself: every number that is printed or drawn, and what it was measured on."""

from __future__ import annotations

import dataclasses
import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from acofer.colony.search import AntRow, SearchTrace
from acofer.config import SearchConfig
from acofer.records import Embeddings, ImageSet, Split, SubsetScore
from acofer.runs.machine import machine, versions
from acofer.runs.material import Material
from acofer.runs.verdict import COLONY, Trial, search_score_numbers, verdict_sentence
from acofer.scoring.forest import Tally
from acofer.scoring.metrics import METRICS, scorecard


@dataclass(frozen=True)
class Circumstances:
    """What a search was run on."""

    config: SearchConfig
    images: ImageSet
    split: Split
    embeddings: Embeddings
    material: Material
    n_training_rows: int
    tally: Tally | None


def run_numbers(on: Circumstances, trace: SearchTrace, chosen: SubsetScore, trial: Trial) -> dict[str, Any]:
    """Return the content of ``result.json``, but for the seconds: plain data that JSON can hold."""
    config, metric = on.config, METRICS[on.config.metric]
    on_test = float(trial.numbers["contenders"][COLONY][metric.entry]["value"])
    return {
        **_circumstances(on),
        "search": _search_numbers(on, trace, chosen),
        **trial.numbers,
        "search score": search_score_numbers(metric, chosen.value, on_test),
        "without copies": _without_copies(on, trial),
        "verdict": verdict_sentence(trial.numbers, on.embeddings.values.shape[1], config.protocol),
    }


def _circumstances(on: Circumstances) -> dict[str, Any]:
    return {
        "acofer": versions()["acofer"],
        "finished": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "protocol": on.config.protocol,
        "seed": on.config.seed,
        "configuration": dataclasses.asdict(on.config),
        "data": {
            "name": on.images.name,
            "source": on.images.source,
            "pictures": len(on.images),
            "classes": list(on.images.class_names),
            "digest": on.images.digest,
            "warnings": list(on.images.warnings),
        },
        "split": {
            "name": on.split.name if on.config.protocol == "clean" else f"random 80/20 ({on.config.protocol})",
            "fingerprint": on.split.fingerprint if on.config.protocol == "clean" else None,
            "train": on.material.n_train,
            "validation": len(on.material.y) - on.material.n_train,
            "test": len(on.material.sealed),
            "training rows after balancing": on.n_training_rows,
            "synthetic test rows": on.material.n_synthetic_test_rows,
            "test rows also in train or validation": len(on.split.copied_test_rows)
            if on.config.protocol == "clean"
            else None,
        },
        "embeddings": {"key": on.embeddings.key, "features": on.embeddings.values.shape[1], **on.embeddings.about},
        "versions": versions(),
        "machine": machine(),
    }


def _search_numbers(on: Circumstances, trace: SearchTrace, chosen: SubsetScore) -> dict[str, Any]:
    config, archive = on.config, trace.archive
    return {
        "metric": config.metric,
        "scored on": f"{config.folds} folds of the training part" if config.folds else "the validation part",
        "ants": len(trace.rows),
        "subsets scored": len(archive),
        "seconds scoring": sum(score.seconds for score in archive),
        "cost": _cost(on),
        "pick": config.pick,
        "chosen": score_numbers(chosen),
        "best": score_numbers(archive.best),
        "front": [score_numbers(score) for score in archive.front()],
        "scored": [score_numbers(row.score) | {"iteration": row.iteration} for row in trace.rows],
    }


def _cost(on: Circumstances) -> dict[str, int] | None:
    """Return what the fast forest's search cost in trees, and what racing and remembered scores spared."""
    if on.tally is None:
        return None
    trees_a_subset = on.config.trees * max(1, on.config.folds)
    in_full = on.tally.subsets * trees_a_subset
    return {
        "trees a subset": trees_a_subset,
        "trees in full": in_full,
        "trees grown": on.tally.grown,
        "trees remembered": on.tally.remembered,
        "trees spared by racing": in_full - on.tally.grown - on.tally.remembered,
        "subsets stopped by racing": on.tally.stopped,
    }


def score_numbers(score: SubsetScore) -> dict[str, Any]:
    """Return what the trace says of a score."""
    return {
        "features": score.size,
        "value": score.value,
        "standard error": _finite(score.standard_error),
        "trees": score.trees,
        "estimate": score.is_estimate,
    }


def _finite(number: float) -> float | None:
    return number if np.isfinite(number) else None


def _without_copies(on: Circumstances, trial: Trial) -> dict[str, Any] | None:
    """Return the colony's rates on the test rows that have no copy in train or validation."""
    if on.material.test_rows is None or not len(on.split.copied_test_rows):
        return None
    single = ~np.isin(on.material.test_rows, on.split.copied_test_rows)
    proba = np.eye(on.images.n_classes)[trial.predicted[COLONY][single]]
    card = scorecard(trial.labels[single], proba, seed=on.config.seed)
    return {name: card[name] for name in ("rows", "accuracy", "balanced accuracy", "macro F1")}


def trace_line(row: AntRow) -> dict[str, Any]:
    """Return one line of ``trace.jsonl``."""
    score = row.score
    return {
        "iteration": row.iteration,
        "ant": row.ant,
        **score_numbers(score),
        "folds": [float(value) for value in score.fold_utilities],
        "repeat": row.is_repeat,
        "best utility": row.best_utility,
        "difference to best": row.difference,
        "standard error of difference": _finite(row.difference_error),
        "seconds": round(score.seconds, 4),
        "indices": score.indices.tolist(),
    }


def subset_names(chosen: SubsetScore, embeddings: Embeddings) -> dict[str, Any]:
    """Return the content of ``subset.json``."""
    return {
        "features": chosen.size,
        "of": embeddings.values.shape[1],
        "indices": chosen.indices.tolist(),
        "names": [embeddings.feature_names[j] for j in chosen.indices],
        "embeddings": embeddings.key,
    }
