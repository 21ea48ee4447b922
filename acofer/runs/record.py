"""What a run records of itself: every number that is printed or drawn, and what it was measured on."""

from __future__ import annotations

import dataclasses
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from acofer.colony.search import EVALUATIONS, ITERATIONS, AntRow, SearchTrace
from acofer.config.search import SearchConfig
from acofer.features.layers import place_of
from acofer.records import Embeddings, ImageSet, Split, SubsetScore
from acofer.runs.machine import machine, versions
from acofer.runs.material import Material
from acofer.runs.verdict import COLONY, Trial, search_score_numbers, verdict_sentence
from acofer.scoring.forest import ForestScorer, Tally
from acofer.scoring.metrics import METRICS, Metric, scorecard
from acofer.scoring.protocol import IndexArray, SubsetScorer, columns
from acofer.scoring.ridge import MomentRidgeClassifier, RidgeScorer, RidgeTally
from acofer.scoring.screen import ScreenedScorer, ScreenTally


@dataclass(frozen=True)
class Circumstances:
    """What a search was run on."""

    config: SearchConfig
    images: ImageSet
    split: Split
    embeddings: Embeddings
    material: Material
    n_training_rows: int
    tallies: Tallies
    sessions: int = 1


@dataclass(frozen=True)
class Tallies:
    """What scoring cost, by kind of scorer; None where there is none of that kind."""

    forest: Tally | None = None
    ridge: RidgeTally | None = None
    screen: ScreenTally | None = None


def tallies_of(scorer: SubsetScorer) -> Tallies:
    """Return what a scorer has counted."""
    if isinstance(scorer, ScreenedScorer):
        return dataclasses.replace(tallies_of(scorer.dear), screen=scorer.tally)
    if isinstance(scorer, ForestScorer):
        return Tallies(forest=scorer.tally)
    return Tallies(ridge=scorer.tally) if isinstance(scorer, RidgeScorer) else Tallies()


def run_numbers(on: Circumstances, trace: SearchTrace, chosen: SubsetScore, trial: Trial) -> dict[str, Any]:
    """Return the content of ``result.json``, but for the seconds: plain data that JSON can hold."""
    config, metric = on.config, METRICS[on.config.metric]
    on_test = _on_test(on, metric, chosen, trial)
    return {
        **_circumstances(on),
        "search": _search_numbers(on, trace, chosen, trial.model),
        "features": chosen_places(chosen.indices, on.embeddings.feature_names),
        **trial.numbers,
        "search score": search_score_numbers(
            metric, chosen.value, on_test, is_same_classifier=scorer_is_tested(config)
        ),
        "without copies": _without_copies(on, trial),
        "verdict": verdict_sentence(trial.numbers, on.embeddings.values.shape[1], config.protocol),
    }


def _on_test(on: Circumstances, metric: Metric, chosen: SubsetScore, trial: Trial) -> float:
    """Return the search's metric of the chosen subset on the test part."""
    model = trial.model
    if metric.name != "brier" or not isinstance(model, MomentRidgeClassifier):
        return float(trial.numbers["contenders"][COLONY][metric.entry]["value"])
    raw = model.decision_function(columns(on.material.X_test, chosen.indices))
    return raw_brier(raw, trial.labels, is_weighted=on.config.balance == "weights")


def raw_brier(raw: NDArray[np.floating], labels: NDArray[np.int64], *, is_weighted: bool) -> float:
    """Return the Brier score as subsets are scored in closed form: not clipped; with weights, classes count the same.

    Parameters
    ----------
    raw : ndarray, shape (n, n_classes)
        Ridge's scores.
    labels : ndarray of int64, shape (n,)
    is_weighted : bool
    """
    errors = ((raw - np.eye(raw.shape[1])[labels]) ** 2).sum(axis=1)
    if not is_weighted:
        return float(errors.mean())
    return float(np.mean([errors[labels == label].mean() for label in np.unique(labels)]))


def scorer_is_tested(config: SearchConfig) -> bool:
    """Whether the final classifier is the scorer's own: one that is named, but for trees, sees standardised columns."""
    is_forest = config.classifier == config.scorer and config.scorer in ("forest", "sklearn")
    return config.classifier in ("auto", "ridge") or (is_forest and config.classifier_params == config.scorer_params)


def _circumstances(on: Circumstances) -> dict[str, Any]:
    is_split = on.material.test_rows is not None  # the leaky protocols that resample first draw their own
    return {
        "acofer": versions()["acofer"],
        "finished": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "protocol": on.config.protocol,
        "seed": on.config.seed,
        "configuration": dataclasses.asdict(on.config),
        "data": data_numbers(on.images),
        "split": {
            "name": on.split.name if is_split else f"random 80/20 ({on.config.protocol})",
            "fingerprint": on.split.fingerprint if is_split else None,
            "train": on.material.n_train,
            "validation": len(on.material.y) - on.material.n_train,
            "test": len(on.material.sealed),
            "training rows after balancing": on.n_training_rows,
            "synthetic test rows": on.material.n_synthetic_test_rows,
            "test rows also in train or validation": len(on.split.copied_test_rows) if is_split else None,
        },
        "embeddings": {"key": on.embeddings.key, "features": on.embeddings.values.shape[1], **on.embeddings.about},
        "versions": versions(),
        "machine": machine(),
    }


def data_numbers(images: ImageSet) -> dict[str, Any]:
    """Return what a result says of its pictures."""
    return {
        "name": images.name,
        "source": images.source,
        "pictures": len(images),
        "classes": list(images.class_names),
        "digest": images.digest,
        "warnings": list(images.warnings),
    }


def _search_numbers(on: Circumstances, trace: SearchTrace, chosen: SubsetScore, model: Any) -> dict[str, Any]:
    config, archive = on.config, trace.archive
    penalty = model.penalty if isinstance(model, MomentRidgeClassifier) else config.penalty
    return {
        "metric": config.metric,
        "scored on": _scored_on(config),
        "ended": trace.ended,
        "sessions": on.sessions,
        "ants": len(trace.rows),
        "ants planned": trace.planned,
        "subsets scored": len(archive),
        "seconds scoring": sum(score.seconds for score in archive),
        "cost": _cost(on.tallies, config, trace),
        "ridge": on.tallies.ridge and {**dataclasses.asdict(on.tallies.ridge), "penalty": penalty},
        "screen": on.tallies.screen and {**dataclasses.asdict(on.tallies.screen), "by": config.screen},
        "pick": config.pick,
        "chosen": score_numbers(chosen),
        "best": score_numbers(archive.best),
        "front": [score_numbers(score) for score in archive.front()],
        "scored": [
            score_numbers(row.score) | {"iteration": row.iteration, "exchanged": row.exchanged} for row in trace.rows
        ],
        "colony": [dataclasses.asdict(row) for row in trace.iterations],
    }


def _scored_on(config: SearchConfig) -> str:
    if not config.folds:
        return "the validation part"
    return f"{config.folds} folds of the training part{' joined by the validation part' * (config.join == 'on')}"


def _cost(tallies: Tallies, config: SearchConfig, trace: SearchTrace) -> dict[str, int | None] | None:
    """Return what the fast forest's search cost in trees, and what racing and remembered scores spared.

    Of a race that was cut short nobody knows what it would have spared.
    """
    forest, screen = tallies.forest, tallies.screen
    if forest is None:
        return None
    is_whole = trace.ended in (ITERATIONS, EVALUATIONS)
    subsets = forest.subsets + (0 if screen is None else screen.finished)
    trees_a_subset = config.trees * max(1, config.folds)
    in_full = subsets * trees_a_subset
    return {
        "subsets": subsets,
        "trees a subset": trees_a_subset,
        "trees in full": in_full if is_whole else None,
        "trees grown": forest.grown,
        "trees remembered": forest.remembered,
        "trees spared by racing": in_full - forest.grown - forest.remembered if is_whole else None,
        "subsets stopped by racing": forest.stopped,
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
    card = scorecard(trial.labels[single], trial.outputs[COLONY][single], seed=on.config.seed)
    return {name: card[name] for name in ("rows", "accuracy", "balanced accuracy", "macro F1")}


def chosen_places(indices: IndexArray, names: Sequence[str]) -> list[dict[str, Any]]:
    """Return where the chosen features lie.

    Parameters
    ----------
    indices : ndarray of int, shape (k,)
        The chosen features.
    names : sequence of str
        The names of all features; see `acofer.features.layers.name_features`.

    Returns
    -------
    list of dict
        One a layer, in order: its name, how many features it has and how many of them are chosen, and ``places``, the
        chosen ones of each place: rows of counts, from the top of the picture down.
    """
    picked = set(indices.tolist())
    totals: Counter[str] = Counter()
    counts: dict[str, Counter[tuple[int, int]]] = {}
    for j, name in enumerate(names):
        layer, row, column = place_of(name)
        totals[layer] += 1
        counts.setdefault(layer, Counter())[row, column] += j in picked
    return [
        {"layer": layer, "of": totals[layer], "chosen": places.total(), "places": _as_rows(places)}
        for layer, places in counts.items()
    ]


def _as_rows(places: Counter[tuple[int, int]]) -> list[list[int]]:
    rows, columns = (max(side) + 1 for side in zip(*places, strict=True))
    return [[places[row, column] for column in range(columns)] for row in range(rows)]


def trace_line(row: AntRow) -> dict[str, Any]:
    """Return one line of ``trace.jsonl``."""
    score = row.score
    return {
        "iteration": row.iteration,
        "ant": row.ant,
        **score_numbers(score),
        "folds": [float(value) for value in score.fold_utilities],
        "repeat": row.is_repeat,
        "exchanged": row.exchanged,
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
