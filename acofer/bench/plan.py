"""A plan: settings x contenders x splits x seeds x budgets, read from a TOML file.

::

    name = "quick"                # default: the file's name
    seeds = [0, 1]
    reference = "colony"          # whom all others are compared with; default: the first contender
    timeout = 600                 # seconds a cell; 0: none
    null_test = true              # every selector once more, on shuffled labels
    budget = { evaluations = 60 } # of those that search; or seconds, or both

    [[setting]]
    name = "last layer"
    data = "demo"                 # and any other option of acofer search: pictures, embeddings, balancing, scoring
    image_size = [48, 96]         # two settings, "last layer, 48" and "last layer, 96"; "last layer" stands for both
    split_seeds = [0]

    [[contender]]
    selector = ["colony", "random-search"]   # or net = [...]; see: acofer bench --contenders
    size = [64, 256]
    classifier = ["forest", "LogisticRegression"]
    protocol = ["clean", "leaky-smote-first"]
    settings = ["last layer"]                # default: all

    [[contender]]
    name = "ten ants"
    selector = "colony"
    size = 64
    set = { ants = 10 }                      # the contender's own knobs; of a network: options of acofer train

A list stands for each of its values in turn. A contender may have its own seeds, budget, timeout and null_test.
"""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from acofer.bench.budget import Budget
from acofer.bench.selectors import SELECTORS, Selector, checked_knobs
from acofer.colony.size import size_grid
from acofer.config.common import PictureOptions
from acofer.config.options import options_of, table_names
from acofer.config.search import NOT_OF_THE_OUTCOME, PROTOCOLS, SearchConfig
from acofer.config.train import TrainConfig
from acofer.data.load import NAMED
from acofer.errors import ConfigError, MissingFileError, demand, nearest, shown
from acofer.nets.table import net_named
from acofer.pretrained.weights import KEYWORDS
from acofer.reading import UnreadableError, read_toml
from acofer.runs.judge import check_classifiers
from acofer.runs.material import check_protocol
from acofer.runs.places import absolute

CLEAN, FIVE, BINARY = "clean", "five-classes", "binary-accuracy"
ALL_PROTOCOLS = (*PROTOCOLS, FIVE, BINARY)
FIVE_CLASSES = "Angry,Disgust,Happy,Neutral,Surprise"
"""Those of a five-layer CNN against MobileNetV2; Duhok, QZJ 2024."""
_SETTING_SECTIONS = ("data", "features", "balance", "scoring", "scorer_params", "classifier_params")
_OF_SELECTORS = ("size", "classifier", "budget")
_SAID_ELSEWHERE = ("split_seed", "classifier", "memo")
"""Options of those sections that the plan decides: by split_seeds, by contenders, and scores are never remembered."""
_PLAN_KEYS = ("name", "seeds", "reference", "timeout", "null_test", "budget", "setting", "contender", "workers")
_CONTENDER_KEYS = (
    "name",
    "selector",
    "net",
    "size",
    "classifier",
    "protocol",
    "settings",
    "set",
    "seeds",
    "budget",
    "timeout",
    "null_test",
)
_NOT_IN_KEYS = (*NOT_OF_THE_OUTCOME, "data", "ferplus")
"""Wherever pictures lie: the split's fingerprint says whether they are the same."""
_NOT_SET = {"out", "name", "net", "seed"}
"""Options of networks that the plan decides, as it does the pictures."""
_MANY = 2**30
"""Features of which any size can be asked for: how many there are is not known yet."""
TIMEOUT = 3600.0
_LONGEST_TIMEOUT = 1e9
"""Thirty years."""
MOST = {"settings": 1_000, "cells": 10_000}


@dataclass(frozen=True)
class Cell:
    """One run of one contender: a row of the table.

    Attributes
    ----------
    setting, contender : str
        Names for tables.
    selector, net : str or None
        One of them.
    knobs : dict
        The selector's, all of them.
    size : int, float, str or None
        Features to choose; None where it takes no size.
    is_seeded : bool
        Whether its choice depends on the seed.
    protocol : str
    is_null : bool
        On shuffled training labels.
    budget : Budget or None
        Of those that search.
    timeout : float
        Seconds; 0: none.
    config : SearchConfig or TrainConfig
        What it is measured on, the seed and the classifier; or the network's whole configuration.
    """

    setting: str
    contender: str
    selector: str | None
    net: str | None
    knobs: dict[str, Any]
    size: int | float | str | None
    is_seeded: bool
    protocol: str
    is_null: bool
    budget: Budget | None
    timeout: float
    config: SearchConfig | TrainConfig

    @cached_property
    def key(self) -> str:
        """What tells it from all other cells: 12 hexadecimal digits."""
        own = (self.contender, self.selector, self.knobs, self._spent())
        return _digest(self.setting, self.protocol, self._outcome(), self.is_null, *own)

    @cached_property
    def problem(self) -> str:
        """What tells the rows and the scorer that it meets from those of others."""
        own = {"classifier", "classifier_params", "size", "net"}
        outcome = {k: v for k, v in self._outcome().items() if k not in own}
        return _digest(self.setting, self.protocol, outcome, self.is_null)

    @cached_property
    def selection(self) -> str:
        """What tells its choice of features from others': cells that differ in the classifier alone share it."""
        own = {"classifier", "classifier_params"}
        if not self.is_seeded and "leaky" not in self.protocol and not self.is_null:  # else rows differ by seed
            own.add("seed")
        outcome = {k: v for k, v in self._outcome().items() if k not in own}
        return _digest(self.setting, self.protocol, outcome, self.is_null, self.selector, self.knobs, self._spent())

    @property
    def classifier(self) -> str | None:
        """Who is fitted on the chosen features; None of networks."""
        if not isinstance(self.config, SearchConfig):
            return None
        return self.config.scorer if self.config.classifier == "auto" else self.config.classifier

    def _outcome(self) -> dict[str, Any]:
        outcome = {k: v for k, v in dataclasses.asdict(self.config).items() if k not in _NOT_IN_KEYS}
        return outcome | {"weights": Path(outcome["weights"]).name}  # wherever they lie

    def _spent(self) -> Any:
        return None if self.budget is None else dataclasses.asdict(self.budget)


@dataclass(frozen=True)
class Plan:
    """What is to be run.

    Attributes
    ----------
    name, reference : str
    cells : tuple of Cell
        In the order in which they run: those of one problem side by side, networks last.
    text : str
        The file that it was read from.
    """

    name: str
    reference: str
    cells: tuple[Cell, ...]
    text: str


def read_plan(path: str | Path, selectors: Mapping[str, Selector] = SELECTORS) -> Plan:
    """Read a plan.

    Parameters
    ----------
    path : path
    selectors : mapping of str to Selector
        Those that it may name.

    Raises
    ------
    MissingFileError, ConfigError
        If there is no such file, or something in it is unknown or does not go together.
    """
    path = Path(path)
    try:
        content, text = read_toml(path)
    except OSError as error:
        raise MissingFileError(f"expected a plan at {path}; {error.strerror}; see: acofer bench --help") from None
    except UnreadableError as error:
        raise ConfigError(f"{path}: expected a TOML file; {error}") from None
    try:
        return plan_of(content, path.stem, text, selectors)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None


def plan_of(
    content: Mapping[str, Any], name: str, text: str = "", selectors: Mapping[str, Selector] = SELECTORS
) -> Plan:
    """Return the plan that a TOML file's content describes; see the module.

    Raises
    ------
    ConfigError
        If something is unknown or does not go together.
    """
    _check_keys("the plan", content, _PLAN_KEYS)
    settings = _few("settings", (one for table in _tables(content, "setting") for one in _settings(table)))
    _demand_apart("setting", [setting.name for setting in settings])
    tables = _tables(content, "contender")
    contenders = _few("cells", (c for table in tables for c in _contenders(table, content, settings, selectors)))
    _few("cells", range(sum(contender.n_cells for contender in contenders)))
    cells = {cell.key: cell for contender in contenders for cell in contender.cells()}  # a cell twice is one cell
    _demand_told_apart(cells.values())
    places = {setting.name: place for place, setting in enumerate(settings)}
    problems = {problem: place for place, problem in enumerate(dict.fromkeys(c.problem for c in cells.values()))}

    def turn(cell: Cell) -> tuple[bool, int, bool, int]:
        return cell.net is not None, places[cell.setting], cell.is_null, problems[cell.problem]

    ordered = sorted(cells.values(), key=turn)
    names = list(dict.fromkeys(cell.contender for cell in cells.values()))
    name, reference = _text("name", content.get("name", name)), content.get("reference", names[0])
    if reference not in names:
        raise ConfigError(f"reference: no contender is called {shown(reference)}; {nearest(str(reference), names)}")
    return Plan(name, reference, tuple(ordered), text)


@dataclass(frozen=True)
class _Setting:
    """Pictures, embeddings, balancing and scorer that contenders meet."""

    name: str
    family: str
    options: dict[str, Any]
    split_seeds: tuple[int, ...]

    @classmethod
    def of(cls, name: str, family: str, options: dict[str, Any], split_seeds: tuple[int, ...]) -> _Setting:
        config = SearchConfig(**options)
        options["data"] = absolute(config.data, NAMED)
        for file in ("ferplus", "weights"):
            if options.get(file):
                options[file] = absolute(str(options[file]), KEYWORDS)
        return cls(name, family, options, split_seeds)

    def search(self, **more: Any) -> SearchConfig:
        """Return the configuration of a search on it."""
        return SearchConfig(**{**self.options, "memo": "off", **more}).settled()

    def pictures(self) -> dict[str, Any]:
        """Return the options of its pictures, which networks are trained on."""
        own = {o.name for o in options_of(TrainConfig).values() if o.metadata["section"] == "data"}
        return {name: value for name, value in self.options.items() if name in own}


def _settings(table: Mapping[str, Any]) -> Iterator[_Setting]:
    """Yield one setting for each combination of the values in a table's lists, named after them."""
    known = [o.name for o in options_of(SearchConfig).values() if o.metadata["section"] in _SETTING_SECTIONS]
    _check_keys("[[setting]]", table, ["name", "split_seeds", *(k for k in known if k not in _SAID_ELSEWHERE)])
    family = _text("[[setting]] name", table.get("name"))
    split_seeds = tuple(_numbers("split_seeds", table.get("split_seeds", [0])))
    options = {key: value for key, value in table.items() if key not in ("name", "split_seeds")}
    axes = {key: value for key, value in options.items() if isinstance(value, list)}
    for axis, given in axes.items():
        demand(f"[[setting]] {axis}", given, "one value at least", bool(given))
    for values in itertools.product(*axes.values()):
        name = ", ".join([family, *map(str, values)])
        yield _Setting.of(name, family, {**options, **dict(zip(axes, values, strict=True))}, split_seeds)


@dataclass(frozen=True)
class _Contender:
    """One contender in one setting, under one protocol, with one size and classifier."""

    name: str
    setting: _Setting
    selector: Selector | None
    net: str | None
    size: Any
    classifier: str
    protocol: str
    given: dict[str, Any]
    seeds: tuple[int, ...]
    budget: Budget | None
    timeout: float
    has_null: bool
    workers: int

    @property
    def n_cells(self) -> int:
        """At most."""
        return len(self.setting.split_seeds) * (len(self.seeds) + self.has_null)

    def cells(self) -> Iterator[Cell]:
        for split_seed in self.setting.split_seeds:
            for seed in self.seeds:
                yield self._cell(split_seed, seed, False)
            if self.has_null and self.selector is not None and self.protocol == CLEAN:
                yield self._cell(split_seed, self.seeds[0], True)

    def _cell(self, split_seed: int, seed: int, is_null: bool) -> Cell:
        common: dict[str, Any] = {"seed": seed, "split_seed": split_seed}
        if self.protocol == FIVE:
            common["classes"] = FIVE_CLASSES
        config: SearchConfig | TrainConfig = self._searched(common) if self.selector else self._trained(common)
        knobs = checked_knobs(self.selector, self.given) if self.selector else {}
        budget = self.budget if self.selector and self.selector.searches else None
        return Cell(
            self.setting.name,
            self.name,
            self.selector.name if self.selector else None,
            self.net,
            knobs,
            self.size,
            self.selector is not None and self.selector.is_seeded,
            self.protocol,
            is_null,
            budget,
            self.timeout,
            config,
        )

    def _searched(self, common: dict[str, Any]) -> SearchConfig:
        assert self.selector is not None  # noqa: S101 - for the type checker
        size = {} if self.size is None else {"size": self.size}
        protocol = CLEAN if self.protocol == FIVE else self.protocol
        config = self.setting.search(
            **common, **size, classifier=self.classifier, protocol=protocol, workers=self.workers
        )
        sizes = size_grid("auto" if self.size is None else self.size, _MANY)
        if self.selector.takes_size == "exact" and len(sizes) > 1:
            raise ConfigError(
                f"{self.name}: size: expected the number of features to choose; got {shown(self.size)}; "
                "set e.g. size = 64"
            )
        check_protocol(config)
        check_classifiers(config)
        return config

    def _trained(self, common: dict[str, Any]) -> TrainConfig:
        net = net_named(str(self.net))
        if self.protocol not in (CLEAN, FIVE):
            raise ConfigError(f"{self.name}: networks know the protocols clean and five-classes; got {self.protocol}")
        own = {name: value for name, value in self.given.items() if name in net.parameters}
        options = {name: value for name, value in self.given.items() if name not in own}
        known = options_of(TrainConfig).keys() - table_names(TrainConfig) - options_of(PictureOptions).keys() - _NOT_SET
        _check_keys(f"the set of {self.name}", options, [*known, *net.parameters])
        return TrainConfig(**{**self.setting.pictures(), **common, "net": net.name, "net_params": own, **options})


def _contenders(
    table: Mapping[str, Any],
    plan: Mapping[str, Any],
    settings: Sequence[_Setting],
    selectors: Mapping[str, Selector],
) -> Iterator[_Contender]:
    """Yield one contender for each combination of the values in a table's lists."""
    _check_keys("[[contender]]", table, _CONTENDER_KEYS)
    if ("selector" in table) == ("net" in table):
        raise ConfigError(f"[[contender]]: expected a selector or a net; got {shown(dict(table))}")
    for key in _OF_SELECTORS:
        if "net" in table and key in table:
            raise ConfigError(
                f"[[contender]]: {key} is of selectors, and {shown(table['net'])} is a network; remove it"
            )
    by_name = {setting.name: setting for setting in settings}
    families = {setting.family for setting in settings}
    axes = {
        "what": _listed(table.get("selector", table.get("net"))),
        "size": _listed(table.get("size")),
        "classifier": _listed(table.get("classifier", "auto")),
        "protocol": _listed(table.get("protocol", CLEAN)),
        "setting": _all_named(_listed(table.get("settings", list(by_name))), settings),
        "budget": _listed(table.get("budget", plan.get("budget"))),
    }
    for axis, given in axes.items():
        demand(f"[[contender]] {axis}", given, "one value at least", bool(given))
    given, workers = table.get("set", {}), plan.get("workers", 0)
    demand("set", given, "a table, e.g. { ants = 10 }", isinstance(given, dict))
    demand("workers", workers, "a whole number", type(workers) is int)
    for values in itertools.product(*axes.values()):
        each = dict(zip(axes, values, strict=True))
        _demand_known("settings", each["setting"], [*by_name, *families])
        _demand_known("protocol", each["protocol"], ALL_PROTOCOLS)
        selector = None
        if "selector" in table:
            _demand_known("selector", each["what"], selectors)
            selector = selectors[each["what"]]
        sizeless = selector is None or selector.takes_size == "none"
        yield _Contender(
            name=_text("[[contender]] name", table.get("name", each["what"])),
            setting=by_name[each["setting"]],
            selector=selector,
            net=None if selector else str(each["what"]),
            size=None if sizeless else each["size"],
            classifier=str(each["classifier"]),
            protocol=CLEAN if each["protocol"] == BINARY else each["protocol"],  # every row says both accuracies
            given=given,
            seeds=tuple(_numbers("seeds", table.get("seeds", plan.get("seeds", [0])))),
            budget=_budget(each["budget"], selector),
            timeout=_timeout(table.get("timeout", plan.get("timeout", TIMEOUT))),
            has_null=_switch("null_test", table.get("null_test", plan.get("null_test", True))),
            workers=workers,
        )


def _all_named(names: list[Any], settings: Sequence[_Setting]) -> list[Any]:
    """Return the settings that names stand for, those of a family for its name; what is unknown stays as it is."""
    return [own for name in names for own in [s.name for s in settings if name in (s.name, s.family)] or [name]]


def _budget(given: Any, selector: Selector | None) -> Budget | None:
    if selector is None or not selector.searches:
        return None
    if not isinstance(given, dict):
        raise ConfigError(
            f"budget: expected e.g. {{ evaluations = 60 }} for {selector.name}, which searches; got {shown(given)}"
        )
    _check_keys("the budget", given, [field.name for field in dataclasses.fields(Budget)])
    return Budget(**given)


def _timeout(given: Any) -> float:
    is_number = isinstance(given, int | float) and not isinstance(given, bool)
    demand("timeout", given, "seconds, 0 for none", is_number and 0 <= given <= _LONGEST_TIMEOUT)
    return float(given)


def _switch(name: str, given: Any) -> bool:
    demand(name, given, "true or false", isinstance(given, bool))
    return bool(given)


def _numbers(name: str, given: Any) -> list[int]:
    numbers = _listed(given)
    is_fine = numbers and all(isinstance(n, int) and not isinstance(n, bool) and n >= 0 for n in numbers)
    demand(name, given, "whole numbers of at least 0", bool(is_fine))
    return numbers


def _listed(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list) else [value]


def _tables(content: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    tables = content.get(name, [])
    is_fine = isinstance(tables, list) and tables and all(isinstance(table, dict) for table in tables)
    demand(name, tables, f"at least one table [[{name}]]", bool(is_fine))
    return tables


def _check_keys(where: str, given: Mapping[str, Any], known: Collection[str]) -> None:
    for key in given:
        if key not in known:
            raise ConfigError(f"unknown key {shown(key)} in {where}; {nearest(key, known)}")


def _text(name: str, given: Any) -> str:
    demand(name, given, "a text", isinstance(given, str) and bool(given.strip()))
    return str(given)


def _demand_known(name: str, value: Any, known: Any) -> None:
    if not isinstance(value, str) or value not in known:
        raise ConfigError(f"{name}: {shown(value)} is unknown; {nearest(str(value), known)}")


def _demand_told_apart(cells: Iterable[Cell]) -> None:
    """Refuse two that differ in what no table shows, e.g. in their knobs: their figures would be put together."""
    keys: dict[tuple[Any, ...], str] = {}
    for cell in cells:
        shown = cell.setting, cell.protocol, cell.contender, cell.classifier, cell.is_null, str(cell.size), cell.budget
        seeds = cell.config.seed, cell.config.split_seed
        if keys.setdefault((*shown, *seeds), cell.key) != cell.key:
            raise ConfigError(f"contender: two that differ are called {cell.contender!r}; give one another name")


def _few(what: str, made: Iterable[Any]) -> list[Any]:
    """Return what lists make together, unless it is too many: a slip of the hand in three lists makes millions."""
    few = list(itertools.islice(made, MOST[what] + 1))
    if len(few) > MOST[what]:
        raise ConfigError(f"the plan: expected at most {MOST[what]:,} {what}; got more; make several plans of it")
    return few


def _demand_apart(name: str, names: list[str]) -> None:
    for one in names:
        if names.count(one) > 1:
            raise ConfigError(f"{name}: expected different names; got {one!r} {names.count(one)} times")


def _digest(*parts: Any) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:12]
