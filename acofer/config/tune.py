"""The options of ``acofer tune``."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, ClassVar, cast

from acofer.config.common import is_list, time_option
from acofer.config.options import choice, option
from acofer.config.search import SearchConfig
from acofer.errors import ConfigError
from acofer.workers.crew import DASK, THREADING

EVALUATIONS = 60
"""Subsets a search may score where nothing is said: 20 ants for 3 iterations, as in the published system."""


@dataclass(frozen=True)
class TuneConfig(SearchConfig):
    """Everything that decides the outcome of ``acofer tune``: a search's options, and how its knobs are tuned.

    Raises
    ------
    ConfigError
        If a value is of the wrong kind or out of its range.
    """

    command: ClassVar[str] = "tune"

    contender: str = option("tune", "colony", "whose knobs are tuned: the colony, or another selector of acofer bench")
    space: str = option(
        "tune",
        "auto",
        "knobs, with commas between them; NAME=LOW:HIGH or NAME=A|B narrows one; auto: alpha, beta, rho, q0, ants, "
        "variant and heuristic of the colony, all of another contender; on request size, and penalty or trees of who "
        "scores",
        "names of knobs, with commas between",
        is_list,
    )
    trials: int = option("tune", 50, "trials that the study is to have in all", "at least 1", lambda v: v >= 1)
    timeout: str | None = time_option("tune", "no trial begins after this time")
    evaluations: int | None = option(
        "tune",
        None,
        f"subsets that a search may score in each outer fold; default {EVALUATIONS}, or as many as --seconds allow",
        "a whole number of at least 1",
        lambda v: v >= 1,
    )
    seconds: float | None = option(
        "tune", None, "seconds that a search may take in each outer fold", "a number above 0", lambda v: v > 0
    )
    outer_folds: int = option(
        "tune", 3, "parts of the training rows, each held out once from the search", "at least 2", lambda v: v >= 2
    )
    objective: str = choice(
        "tune",
        "auto",
        "what final classifiers are compared by on held-out rows; auto: what subsets are compared by",
        ("auto", "log-loss", "brier", "accuracy", "balanced-accuracy", "macro-f1"),
    )
    pruner: str = choice(
        "tune", "median", "who ends trials early: median rule, successive halving, nobody", ("median", "halving", "off")
    )
    storage: str | None = option(
        "tune",
        None,
        "where the study is kept, to go on with it and to share it among processes: FILE.journal, or the URL of a "
        "database (sqlite:///FILE); default in the run folder",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.protocol != "clean":
            raise ConfigError(f"protocol: expected clean, for tuning looks at no other rows; got {self.protocol}")

    def settled(self) -> TuneConfig:
        """Return the same with every "auto" that other options decide replaced by what it means."""
        return cast(TuneConfig, super().settled())

    @property
    def final_metric(self) -> str:
        """What trials are compared by; settled options say it."""
        return self.metric if self.objective == "auto" else self.objective

    @property
    def limits(self) -> tuple[int | None, float | None]:
        """Evaluations and seconds of one search; None where they are not limited."""
        unsaid = EVALUATIONS if self.seconds is None else None
        return self.evaluations or unsaid, self.seconds

    def search(self, **changes: Any) -> SearchConfig:
        """Return the options of the search alone, some of them changed; its budget is the tuning's to count."""
        own = {field.name: getattr(self, field.name) for field in dataclasses.fields(SearchConfig)}
        if self.backend == DASK:  # whose workers have a trial each
            own |= {"backend": THREADING, "scheduler": None, "workers": 0}
        return SearchConfig(**{**own, "evaluations": None, "time_budget": None, **changes})
