"""What guides ants: heuristic information as a configuration asks for it, and what it takes without any ant."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from acofer.colony.conditional import HEURISTIC_PENALTY, ConditionalHeuristic
from acofer.colony.construct import construct
from acofer.colony.exchange import exchange
from acofer.colony.heuristic import heuristic_information
from acofer.config.search import SearchConfig
from acofer.forest.forest import compile_kernels
from acofer.runs.material import Material, training_rows
from acofer.scoring.moments import FoldMoments
from acofer.scoring.protocol import IndexArray, stratified_folds

Heuristic = NDArray[np.float64] | ConditionalHeuristic


def compile_for(config: SearchConfig) -> None:
    """Compile what a search of a settled configuration will run, so that no clock counts it later."""
    construct(np.ones(2), 1, 0.5, np.zeros(1, np.uint64))
    if config.scorer == "forest" or config.heuristic == "importance":
        compile_kernels()
    if config.heuristic == "conditional" or "ridge" in (config.scorer, config.screen):
        rows, labels = np.eye(8)[:, :4], np.array([0, 0, 0, 0, 1, 1, 1, 1])
        moments = FoldMoments.of(rows, labels, stratified_folds(labels, 2, 0), 2)
        ConditionalHeuristic.of(moments, 1.0).construct(np.ones(4), 1.0, 0.5, 3, 4, np.zeros(1, np.uint64))
        exchange(moments, np.arange(2, dtype=np.int32), 1.0)


def heuristic_of(config: SearchConfig, material: Material, n_classes: int) -> Heuristic | None:
    """Return the heuristic information, from training rows; None where it comes with the judge's moments."""
    X, y = training_rows(material)
    if config.heuristic != "conditional":
        return heuristic_information(config.heuristic, X, y, seed=config.seed, n_jobs=config.n_jobs)
    if "ridge" in (config.scorer, config.screen):
        return None
    return ConditionalHeuristic.of(FoldMoments.whole(X, y, n_classes, config.seed), HEURISTIC_PENALTY)


def alone(heuristic: Heuristic, k: int) -> IndexArray:
    """Return the `k` features that the heuristic takes by itself, sorted, without pheromone and without chance."""
    if not isinstance(heuristic, ConditionalHeuristic):
        return np.sort(np.argsort(-heuristic, kind="stable")[:k]).astype(np.int32)
    p, nothing = heuristic.n_features, np.zeros(1, np.uint64)
    picks = heuristic.construct(np.ones(p), 1.0, 1.0, k, p, nothing)  # the list of candidates holds all
    return np.sort(picks).astype(np.int32)
