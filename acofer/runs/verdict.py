"""The test part, opened once: the chosen subset, its nulls, and what came of it in words."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from acofer.scoring.estimator import class_probabilities
from acofer.scoring.metrics import RATES, Metric, paired_difference, scorecard
from acofer.scoring.protocol import IndexArray, SealedLabels, columns

COLONY, ALL, TOP, FORWARD, RANDOM = "colony", "all features", "top by heuristic", "greedy forward", "random"
_ROWS_AT_ONCE = 1024


@dataclass(frozen=True)
class Trial:
    """What the test part saw.

    Attributes
    ----------
    model : estimator
        Fitted on the chosen features.
    numbers : dict
        Scorecards, differences and the verdict, as plain data.
    outputs : dict of str to ndarray of float64, shape (n_test, n_classes)
        Class probabilities, by contender.
    labels : ndarray of int64, shape (n_test,)
    """

    model: Any
    numbers: dict[str, Any]
    outputs: dict[str, NDArray[np.float64]]
    labels: NDArray[np.int64]


def null_subsets(
    chosen: IndexArray, by_heuristic: dict[str, IndexArray], n_features: int, draws: int, seed: int
) -> dict[str, IndexArray]:
    """Return what the chosen subset must beat: all features, as many by the heuristic alone, and as many at random.

    `by_heuristic` names those by the heuristic alone: ``TOP`` where it is fixed, ``FORWARD`` where it is conditional.
    """
    nulls = {ALL: np.arange(n_features, dtype=np.int32), **by_heuristic}
    for draw in range(draws):
        rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(2, draw)))
        nulls[f"{RANDOM} {draw + 1}"] = np.sort(rng.choice(n_features, len(chosen), replace=False)).astype(np.int32)
    return nulls


def run_trial(
    fit: Callable[[IndexArray], Any],
    subsets: dict[str, IndexArray],
    X_test: Any,
    sealed: SealedLabels,
    n_classes: int,
    *,
    seed: int,
    on_fit: Callable[[int, int], None] | None = None,
) -> Trial:
    """Fit a model on each subset, predict, then open the labels, once.

    `fit` returns the same classifier with the same seed, fitted on the training part's columns;
    `subsets` holds the chosen subset under ``COLONY`` and its nulls.
    """
    classes = np.arange(n_classes)
    if isinstance(X_test, np.ndarray):
        X_test = np.asfortranarray(X_test)
    models, proba = {}, {}
    for done, (name, indices) in enumerate(subsets.items(), start=1):
        models[name] = fit(indices)
        proba[name] = predicted_by(models[name], X_test, indices, classes)
        if name != COLONY:
            del models[name]
        if on_fit is not None:
            on_fit(done, len(subsets))
    labels = sealed.open(proba)
    cards = {name: {"features": len(subsets[name]), **scorecard(labels, proba[name], seed=seed)} for name in subsets}
    predicted = {name: p.argmax(axis=1) for name, p in proba.items()}
    differences = _differences(labels, predicted, seed)
    numbers = {
        "contenders": cards,
        "random draws": _spread([card for name, card in cards.items() if name.startswith(RANDOM)]),
        "accuracy differences": differences,
        "outcome": {name: outcome(difference) for name, difference in differences.items()},
    }
    return Trial(models[COLONY], numbers, proba, labels)


def predicted_by(model: Any, X: Any, indices: IndexArray, classes: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return class probabilities; a bank's rows are read some at a time."""
    if isinstance(X, np.ndarray):
        return class_probabilities(model, columns(X, indices), classes)
    stretches = (slice(first, first + _ROWS_AT_ONCE) for first in range(0, len(X), _ROWS_AT_ONCE))
    return np.concatenate([class_probabilities(model, columns(X.part(rows), indices), classes) for rows in stretches])


def outcome(difference: dict[str, Any]) -> str:
    """Say what an interval of a difference means: "beats", "loses to" or "cannot be told from"."""
    low, high = difference["interval"]
    if low > 0:
        return "beats"
    return "loses to" if high < 0 else "cannot be told from"


def search_score_numbers(
    metric: Metric, search_value: float, test_value: float, *, is_same_classifier: bool = True
) -> dict[str, Any]:
    """Return the search score beside the same metric on the test part, and the optimism of the first.

    Where another classifier was tested than had scored, there is none (None).
    """
    optimism = metric.utility(search_value) - metric.utility(test_value)
    return {
        "metric": metric.name,
        "search score": search_value,
        "same metric on the test part": test_value,
        "optimism": optimism if is_same_classifier else None,
    }


def verdict_sentence(numbers: dict[str, Any], n_features: int, protocol: str) -> str:
    """Say in one sentence whether the colony beat its nulls, and what it bought."""
    cards, differences = numbers["contenders"], numbers["accuracy differences"]
    k, rows = cards[COLONY]["features"], cards[COLONY]["rows"]
    named = {
        ALL: f"all {n_features:,} features",
        RANDOM: f"random {k:,}",
        TOP: f"the top {k:,} by heuristic",
        FORWARD: f"the {k:,} of greedy forward selection",
    }
    named = {name: words for name, words in named.items() if name in differences}
    clauses = []
    for said in ("beats", "cannot be told from", "loses to"):
        rivals = [f"{named[n]} ({_points(differences[n])})" for n in named if numbers["outcome"][n] == said]
        if rivals:
            clauses.append(f"{said} {_listed(rivals)}")
    under = "" if protocol == "clean" else f"[{protocol}: not an honest figure] "
    return (
        f"{under}On {rows:,} test rows the colony's {k:,} of {n_features:,} features reach accuracy "
        f"{cards[COLONY]['accuracy']['value']:.3f}, which {_listed(clauses)}; {_bought(numbers, k, n_features)}."
    )


def _listed(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def _differences(
    labels: NDArray[np.int64], predicted: dict[str, NDArray[np.int64]], seed: int
) -> dict[str, dict[str, Any]]:
    random = [p for name, p in predicted.items() if name.startswith(RANDOM)]
    rivals = {name: [predicted[name]] for name in (ALL, TOP, FORWARD) if name in predicted} | {RANDOM: random}
    return {
        name: paired_difference(labels, predicted[COLONY], others, comparisons=len(rivals), seed=seed)
        for name, others in rivals.items()
    }


def _spread(cards: list[dict[str, Any]]) -> dict[str, Any]:
    spread: dict[str, Any] = {"draws": len(cards)}
    for name in RATES:
        values = [card[name]["value"] for card in cards]
        spread[name] = {"mean": float(np.mean(values)), "lowest": min(values), "highest": max(values)}
    return spread


def _points(difference: dict[str, Any]) -> str:
    low, high = difference["interval"]
    return f"by {100 * difference['difference']:+.1f} points, {100 * low:+.1f} to {100 * high:+.1f}"


def _bought(numbers: dict[str, Any], k: int, n_features: int) -> str:
    outcomes = numbers["outcome"]
    if k == n_features:
        return "it kept every feature, so nothing was selected"
    fewer = f"{n_features / k:.1f} times fewer features"
    against_all = outcomes.get(ALL)
    if against_all == "loses to":
        return f"selection cost accuracy for {fewer}"
    smaller = {
        "beats": f"more accuracy from {fewer}",
        "cannot be told from": f"{fewer} at no measurable loss",
        None: f"{fewer} at a cost that was not measured",
    }[against_all]
    simpler = [outcome for name, outcome in outcomes.items() if name != ALL]
    if set(simpler) == {"beats"}:
        return f"selection bought {smaller}, and no simpler choice of as many does as well"
    if "loses to" in simpler:
        return f"selection bought {smaller}, but a simpler choice of as many does better"
    return f"selection bought {smaller}, but a simpler choice of as many does about as well"
