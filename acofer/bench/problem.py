"""What contenders meet: rows, a scorer and a seal, laid out once for all cells of one problem."""

from __future__ import annotations

import dataclasses
import time
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from acofer.bench.budget import CountingScorer
from acofer.bench.guards import check_copies, check_parts, check_real
from acofer.bench.plan import Cell
from acofer.bench.task import Heuristic, Task
from acofer.colony.conditional import ConditionalHeuristic
from acofer.config.search import SearchConfig
from acofer.records import Embeddings, ImageSet, Progress, Split
from acofer.runs.guidance import compile_for, heuristic_of
from acofer.runs.judge import Judge, judge_of
from acofer.runs.machine import Stopwatch
from acofer.runs.material import Material, material_of, training_rows
from acofer.runs.pictures import (
    configured_classes,
    configured_embeddings,
    configured_pictures,
    configured_split,
    embeddings_of,
)
from acofer.runs.record import data_numbers
from acofer.scoring.protocol import SealedLabels

_SHUFFLE = 3
"""Spawn key of the stream that shuffles labels for the null test; ants, trees and null subsets have others."""


class Problem:
    """The rows of one setting under one protocol, split and seed, and who scores on them.

    Parameters
    ----------
    cell : Cell
        Any one of the problem's.
    progress : callable, optional

    Attributes
    ----------
    config : SearchConfig
        Without a classifier of its own: the scorer's.
    material : Material
        The test rows' labels are sealed in it.
    watch : Stopwatch
    """

    def __init__(self, cell: Cell, progress: Progress | None = None) -> None:
        assert isinstance(cell.config, SearchConfig)  # noqa: S101 - networks bring their own rows
        self.config = dataclasses.replace(cell.config, classifier="auto", classifier_params={}, size="auto")
        self.watch, self._progress = Stopwatch(), progress
        self._images, self.split, self._embeddings = self._laid_out()
        self.protocol = cell.protocol
        self.material = self._material(cell.is_null)

    def _laid_out(self) -> tuple[ImageSet, Split, Embeddings]:
        with self.watch.stage("reading"):
            everything = configured_pictures(self.config, self._progress)
            images = configured_classes(self.config, everything)
            split = configured_split(self.config, images)
        check_parts(split)
        check_copies(split)
        with self.watch.stage("embedding"):
            embeddings = embeddings_of(images, configured_embeddings(self.config, everything, self._progress))
        return images, split, embeddings

    def _material(self, is_null: bool) -> Material:
        values, labels = self._embeddings.values, self._images.labels
        with self.watch.stage("laying out"):
            material = material_of(self.config, values, labels, self.split)
        check_real(material, values, self.split, self.protocol)
        if isinstance(material.X_test, np.ndarray):
            material = dataclasses.replace(material, X_test=np.asfortranarray(material.X_test))
        if not is_null:
            return material
        rng = np.random.default_rng(np.random.SeedSequence(self.config.seed, spawn_key=(_SHUFFLE,)))
        return dataclasses.replace(material, y=rng.permutation(material.y))

    @property
    def n_classes(self) -> int:
        return self._images.n_classes

    @property
    def n_features(self) -> int:
        return int(self._embeddings.values.shape[1])

    @property
    def embedding_seconds(self) -> float | None:
        """What the embeddings took when they were made."""
        return self._embeddings.about.get("seconds")

    @property
    def test_rows(self) -> NDArray[np.int64]:
        """The test rows' numbers; where some are synthetic, their places."""
        rows = self.material.test_rows
        return np.arange(len(self.material.sealed)) if rows is None else rows

    @cached_property
    def judge(self) -> Judge:
        """Who scores subsets, and fits the final classifier."""
        compile_for(self.config)
        with self.watch.stage("balancing"):
            return judge_of(self.config, self.material, self.n_classes, None, self._progress)

    @cached_property
    def guide(self) -> Guide:
        """Who makes heuristic information."""
        return Guide(self.config, self.material, self.n_classes, self.judge.heuristic)

    def task(self, cell: Cell, scorer: CountingScorer | None) -> Task:
        """Return what a selector is given: training rows and no other."""
        X, y = training_rows(self.material)
        return Task(
            X=X,
            y=y,
            n_classes=self.n_classes,
            size=cell.size or "auto",
            seed=self.config.seed,
            n_jobs=self.config.n_jobs,
            knobs=cell.knobs,
            scorer=scorer,
            heuristic=self.guide,
            improve=None if scorer is None else self.judge.improve,
        )

    def numbers(self) -> dict[str, Any]:
        """Return what a result says of the problem, without the labels."""
        is_split = self.material.test_rows is not None
        return {
            "protocol": self.protocol,
            "split": self.split.name if is_split else f"random 80/20 ({self.protocol})",
            "fingerprint": self.fingerprint,
            "data": data_numbers(self._images),
            "train": self.material.n_train,
            "validation": len(self.material.y) - self.material.n_train,
            "test": len(self.material.sealed),
            "synthetic test rows": self.material.n_synthetic_test_rows,
            "features": self.n_features,
            "feature names": list(self._embeddings.feature_names),
            "backbone": self._embeddings.about,
            "copied": self.copied,
        }

    @property
    def fingerprint(self) -> str:
        """The split's, with the protocol where that draws rows of its own."""
        if self.material.test_rows is not None:
            return self.split.fingerprint
        return f"{self.split.fingerprint}-{self.protocol}-{self.config.seed}"

    @property
    def copied(self) -> list[int]:
        """Places of the test rows whose pixels also stand in train or validation."""
        rows = self.material.test_rows
        return [] if rows is None else np.flatnonzero(np.isin(rows, self.split.copied_test_rows)).tolist()


class Guide:
    """Makes heuristic information from training rows, each kind once.

    It stands apart from the problem because selectors hold it: no test row and no sealed label is to be had from it.

    Parameters
    ----------
    config : SearchConfig
    material : Material
        Only its training rows are kept.
    n_classes : int
    from_moments : ConditionalHeuristic or None
        What the moments of the folds bring.
    """

    def __init__(
        self, config: SearchConfig, material: Material, n_classes: int, from_moments: ConditionalHeuristic | None
    ) -> None:
        self._config, self._n_classes, self._from_moments = config, n_classes, from_moments
        X, y = training_rows(material)
        nothing, no_labels = np.empty((0, X.shape[1]), np.float32), SealedLabels(np.empty(0, np.int64))
        self._training = dataclasses.replace(
            material, X=X, y=y, n_train=len(y), X_test=nothing, sealed=no_labels, test_rows=None
        )
        self._made: dict[str, tuple[Heuristic, float]] = {}
        self._asked: set[str] = set()
        self._told: set[str] = set()

    def __call__(self, name: str) -> Heuristic:
        """Return heuristic information by its name; see `acofer.bench.task.Task`."""
        name = self._config.heuristic if name == "auto" else name
        self._asked.add(name)
        if name not in self._made:
            started = time.perf_counter()
            found = self._new(name)
            self._made[name] = found, time.perf_counter() - started
        return self._made[name][0]

    def seconds(self) -> tuple[float, float]:
        """Return how long the information took that was asked for since last time, and what of it was new.

        Whoever comes first waits for it; all that use it are said to have paid for it.
        """
        asked = sum(self._made[name][1] for name in self._asked)
        new = sum(self._made[name][1] for name in self._asked - self._told)
        self._told |= self._asked
        self._asked = set()
        return asked, new

    def _new(self, name: str) -> Heuristic:
        found = heuristic_of(dataclasses.replace(self._config, heuristic=name), self._training, self._n_classes)
        found = self._from_moments if found is None else found
        assert found is not None  # noqa: S101 - for the type checker: moments of the folds bring one
        return found
