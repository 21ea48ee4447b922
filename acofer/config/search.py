"""The options of ``acofer search``."""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass
from typing import Any, ClassVar

from acofer.config.common import PictureOptions, name_option, out_option, seed_option, time_option
from acofer.config.options import choice, option, table
from acofer.workers.crew import BACKENDS, LOKY, THREADING

PROTOCOLS = ("clean", "leaky-smote-first", "leaky-smote-test", "validation-as-test")
NOT_OF_THE_OUTCOME = (
    *("out", "name", "workers", "backend", "scheduler", "cache_dir", "null_draws", "all_features", "memo"),
    *("time_budget", "evaluations"),
)
"""Options that choose no subset and move no score of one, or, the last two, only say when enough is scored."""
RIDGE_FOLDS = 5
"""Folds by which ridge scores where none are asked for; in closed form they cost next to nothing."""


def _is_size(value: Any) -> bool:
    return isinstance(value, int | float | str) and not isinstance(value, bool)


@dataclass(frozen=True)
class SearchConfig(PictureOptions):
    """Everything that decides the outcome of ``acofer search``, and how it is run.

    Raises
    ------
    ConfigError
        If a value is of the wrong kind or out of its range.
    """

    command: ClassVar[str] = "search"

    backbone: str = option("features", "mobilenetv2", "frozen network: mobilenetv2, efficientnetb0 or mobilenet")
    image_size: int = option(
        "features", 48, "side in pixels to which pictures are resized", "at least 32", lambda v: v >= 32
    )
    layers: str = option(
        "features", "last", "last; bank: three layers of the network's middle; all; or names, with commas between them"
    )
    pooling: str = option(
        "features", "auto", "what is made of a layer's map: flatten, avg, max, grid:N or maxgrid:N (mean or maximum of "
        "N x N cells), or auto: flatten of the last layer, else grid:3",
        "auto, flatten, avg, max, grid:N or maxgrid:N",
        re.compile("auto|flatten|avg|max|(max)?grid:[1-9][0-9]{0,2}").fullmatch,
    )  # fmt: skip
    mirror: str = choice(
        "features", "off", "average: of each picture's maps and its mirror image's, turned back", ("off", "average")
    )
    weights: str = option("features", "imagenet", "'imagenet', 'random' or the path of a weights file")
    cache_dir: str | None = option("features", None, "folder of cached embeddings")
    balance: str = choice(
        "balance",
        "auto",
        "of training rows only: resampling, or class weights; auto: smote, but none for ridge",
        ("auto", "none", "smote", "nearmiss", "nearmiss-smote", "weights"),
    )
    scorer: str = option(
        "scoring",
        "forest",
        "who scores subsets: forest (fast, on binned features), ridge (least squares in closed form, by folds), "
        "sklearn (scikit-learn's forest), or any classifier of scikit-learn by its class name",
    )
    classifier: str = option(
        "scoring",
        "auto",
        "what is fitted on the chosen features in the end, and tested: auto (what --scorer says), "
        "or forest, sklearn or a class name",
    )
    screen: str = choice(
        "scoring", "off", "ridge: it looks at all subsets, and --scorer at the best of them only", ("off", "ridge")
    )
    trees: int = option("scoring", 90, "trees of the forest", "at least 1", lambda v: v >= 1)
    metric: str = choice(
        "scoring",
        "auto",
        "what subsets are compared by; brier: squared error of the probabilities; auto: brier for ridge, else log-loss",
        ("auto", "log-loss", "brier", "accuracy", "balanced-accuracy", "macro-f1"),
    )
    penalty: int | float | str = option(
        "scoring", "auto", "ridge penalty, as a share of the rows; auto: chosen by the folds, one for each size",
        "auto, or a number of at least 0", lambda v: v == "auto" or 0 <= v < float("inf"),
    )  # fmt: skip
    race: str = choice("scoring", "on", "on: subsets of the fast forest that fall behind stop early", ("on", "off"))
    memo: str = choice("scoring", "on", "on: the fast forest's scores are remembered for later runs", ("on", "off"))
    folds: int = option(
        "scoring", 0, "0: score on the validation part (ridge: 5 folds); k: k folds of the training part",
        "0, or at least 2",
        lambda v: v == 0 or v >= 2,
    )  # fmt: skip
    join: str = choice(
        "scoring", "off", "on: where there are folds, the validation part joins the training part", ("off", "on")
    )
    ants: int = option("colony", 20, "ants, i.e. subsets, per iteration", "at least 1", lambda v: v >= 1)
    iterations: int = option("colony", 3, "iterations", "at least 1", lambda v: v >= 1, flag="--iters")
    alpha: float = option("colony", 1.1, "exponent of pheromone", "at least 0", lambda v: v >= 0)
    beta: float = option("colony", 1.5, "exponent of heuristic information", "at least 0", lambda v: v >= 0)
    rho: float = option("colony", 0.2, "evaporation rate", "above 0 and at most 1", lambda v: 0 < v <= 1)
    q0: float = option(
        "colony", 0.9, "probability that an ant takes the most desirable feature", "0 to 1", lambda v: 0 <= v <= 1
    )
    variant: str = choice(
        "colony",
        "auto",
        "ant colony system, MAX-MIN ant system, ant system; auto: mmas with local search, else acs",
        ("auto", "acs", "mmas", "as"),
    )
    heuristic: str = choice(
        "colony",
        "auto",
        "heuristic information, from training rows; conditional: what a feature adds to those an ant carries; "
        "auto: conditional where ridge scores or screens, else importance",
        ("auto", "conditional", "importance", "f", "mi", "uniform"),
    )
    candidates: int = option(
        "colony", 300, "candidate list of ants with the conditional heuristic", "at least 1", lambda v: v >= 1
    )
    local_search: str = choice(
        "colony",
        "on",
        "on: where ridge scores or screens, the best ant's features are exchanged while it pays",
        ("on", "off"),
    )
    patience: int = option(
        "colony", 10, "iterations without a better subset after which a converged colony starts anew; 0: never",
        "0 or more", lambda v: v >= 0,
    )  # fmt: skip
    path: str = choice(
        "colony",
        "auto",
        "on: a colony of its own for each size (a path of sizes); off: one colony that learns the size; "
        "auto: on for ridge",
        ("auto", "on", "off"),
    )
    size: int | float | str = option(
        "colony", "auto", "features per subset: a number, a share (0.1), a range (64:512), or auto: a range by how "
        "many features there are", "a number, share, range or auto",
        _is_size,
    )  # fmt: skip
    pick: str = option(
        "run", "1se", "1se: the smallest within one standard error of the best; best; N: the best of at most N",
        "best, 1se or a number", lambda v: v in ("best", "1se") or (v.isdecimal() and int(v) >= 1),
    )  # fmt: skip
    protocol: str = choice("run", "clean", "clean, or by name a leak that published figures contain", PROTOCOLS)
    null_draws: int = option("run", 5, "random subsets to compare with", "at least 1", lambda v: v >= 1)
    all_features: str = choice(
        "run", "on", "off: all features are no contender, where a slow --classifier would take hours", ("on", "off")
    )
    seed: int = seed_option()
    time_budget: str | None = time_option("run", "the search ends with the best so far after this time")
    evaluations: int | None = option(
        "run", None, "the search ends with the best so far when so many subsets are scored", "at least 1",
        lambda v: v >= 1,
    )  # fmt: skip
    workers: int = option("run", 0, "ants scored at once; 0: one a core", "0 or more", lambda v: v >= 0)
    backend: str = choice(
        "run",
        THREADING,
        "what workers are: threads (fastest on one machine), loky (processes), or dask (a cluster's, see --scheduler); "
        "ridge and local search always take threads",
        BACKENDS,
        aliases={"threads": THREADING, "processes": LOKY},  # as they were called in files that are kept
    )
    scheduler: str | None = option(
        "run", None, "the Dask cluster to work on: its scheduler's address (tcp://HOST:8786), or a scheduler file"
    )
    out: str | None = out_option()
    name: str | None = name_option("the data's name")
    scorer_params: dict[str, Any] = table("scorer_params")
    classifier_params: dict[str, Any] = table("classifier_params")

    @property
    def n_jobs(self) -> int:
        """The workers as joblib and scikit-learn count them: -1 is one a core."""
        return self.workers or -1

    def settled(self) -> SearchConfig:
        """Return the same with every "auto" that other options decide replaced by what it means."""
        is_ridge = self.scorer == "ridge"
        has_moments = is_ridge or self.screen == "ridge"
        meant: dict[str, Any] = {
            "balance": "none" if is_ridge else "smote",
            "metric": "brier" if is_ridge else "log-loss",
            "heuristic": "conditional" if has_moments else "importance",
            "variant": "mmas" if has_moments and self.local_search == "on" else "acs",
            "path": "on" if is_ridge else "off",
        }
        unsaid = {name: value for name, value in meant.items() if getattr(self, name) == "auto"}
        folds = RIDGE_FOLDS if is_ridge and not self.folds else self.folds
        return dataclasses.replace(self, **unsaid, folds=folds)
