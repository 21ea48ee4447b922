"""What is tuned: a contender's knobs, and on request the size of subsets and what scores them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from importlib.util import find_spec
from typing import Any

from acofer.bench.selector import Knob, Selector
from acofer.bench.selectors import SELECTORS
from acofer.colony.size import size_grid
from acofer.config.common import listed
from acofer.config.options import options_of
from acofer.config.search import SearchConfig
from acofer.config.tune import TuneConfig
from acofer.errors import ConfigError, MissingExtraError, demand, nearest
from acofer.scoring.ridge import PENALTIES

COLONY = "colony"
_USUAL = {COLONY: ("alpha", "beta", "rho", "q0", "ants", "variant", "heuristic")}
_FORESTS = ("forest", "sklearn")
_TREES = (10, 300)
_SIZES = 4
"""A size that is one number is tuned from so many times fewer to so many times more features."""

Space = dict[str, Knob]


def check_contender(config: TuneConfig, selector: Selector) -> None:
    """Raise ConfigError where there is nothing to tune or the size is none, MissingExtraError where it cannot run."""
    if not selector.knobs:
        others = ", ".join(sorted(name for name, other in SELECTORS.items() if other.knobs))
        raise ConfigError(f"contender: {selector.name} has no knobs to tune; those that have some: {others}")
    if selector.takes_size == "exact" and (config.size == "auto" or ":" in str(config.size)):
        raise ConfigError(
            f"size: expected a number of features, or a share (0.1), for {selector.name}; got {config.size!r}; "
            "set e.g. --size 64"
        )
    for package in selector.needs:
        if find_spec(package) is None:
            raise MissingExtraError.of(package, "bench", selector.name)


def space_of(config: TuneConfig, selector: Selector, n_features: int | None = None) -> Space:
    """Return the knobs to tune, each with its range and its default: the value it has without tuning.

    Parameters
    ----------
    config : TuneConfig
        Settled.
    selector : Selector
    n_features : int, optional
        How many there are to choose from; None where that is not known yet, for a check of all else.

    Raises
    ------
    ConfigError
        If a knob is unknown, or its range is none or leaves its default out.
    """
    own = _own_knobs(config, selector)
    usual = _USUAL.get(selector.name, tuple(own))
    known = {**own, **_problem_knobs(config, n_features)}
    space: Space = {}
    for entry in listed(config.space):
        name, equals, values = (part.strip() for part in entry.partition("="))
        if name == "auto" and not equals:
            space |= {each: known[each] for each in usual}
            continue
        if name not in known:
            raise ConfigError(f"space: {selector.name} has no knob {name!r}; {nearest(name, ['auto', *known])}")
        space[name] = _narrowed(name, known[name], values) if equals else known[name]
        _demand_default(name, space[name])
    return space


def defaults_of(space: Mapping[str, Knob]) -> dict[str, Any]:
    """Return every knob's default."""
    return {name: knob.default for name, knob in space.items()}


def range_of(knob: Knob) -> list[Any]:
    """Return a knob's range as plain data: low and high, or its choices."""
    return list(knob.choices) if knob.kind == "choice" else [knob.low, knob.high]


def fixed_knobs(config: TuneConfig, selector: Selector) -> dict[str, Any]:
    """Return all knobs of a contender as they are without tuning: what the search's options name is as they say."""
    return defaults_of(_own_knobs(config, selector))


def _own_knobs(config: TuneConfig, selector: Selector) -> Space:
    options = options_of(SearchConfig)
    knobs = {
        name: dataclasses.replace(knob, default=getattr(config, name)) if name in options else knob
        for name, knob in selector.knobs.items()
    }
    return {name: _reasonable(name, knob, config) for name, knob in knobs.items()}


def _reasonable(name: str, knob: Knob, config: TuneConfig) -> Knob:
    """Leave out "auto", which is one of the others, and more ants than may ever be scored."""
    if knob.kind == "choice":
        kept = (choice for choice in knob.choices if choice != "auto" or choice == knob.default)
        return dataclasses.replace(knob, choices=tuple(kept))
    evaluations, _ = config.limits
    if name == "ants" and evaluations is not None and knob.high is not None:
        return dataclasses.replace(knob, high=max(knob.default, min(knob.high, evaluations)))
    return knob


def _problem_knobs(config: TuneConfig, n_features: int | None) -> Space:
    knobs = {"size": _size_knob(config.size, n_features)}
    if "ridge" in (config.scorer, config.screen):
        knobs["penalty"] = _choice(config.penalty, ("auto", *(f"{penalty:.3g}" for penalty in PENALTIES)))
    if config.scorer in _FORESTS or config.classifier in _FORESTS:
        low, high = min(_TREES[0], config.trees), max(_TREES[1], config.trees)
        knobs["trees"] = Knob(kind="int", default=config.trees, low=low, high=high, log=True)
    return knobs


def _size_knob(size: Any, n_features: int | None) -> Knob:
    """Return whole numbers about a size; where the colony learns it, that or one of the sizes it learns from."""
    p = n_features or 1 << 20
    grid = size_grid(size, p).tolist()
    if len(grid) > 1:
        return _choice(size, grid)
    low, high = max(1, grid[0] // _SIZES), min(p, grid[0] * _SIZES)
    return Knob(kind="int", default=grid[0], low=low, high=high, log=True)


def _choice(default: Any, others: Iterable[Any]) -> Knob:
    """Return a choice among texts; the options that they are for read text as the number that it is."""
    return Knob(kind="choice", default=str(default), choices=tuple(dict.fromkeys(map(str, (default, *others)))))


def _narrowed(name: str, knob: Knob, text: str) -> Knob:
    """Return a knob with the range that ``LOW:HIGH`` or ``A|B`` says."""
    if knob.kind == "choice":
        words = [word.strip() for word in text.split("|")]
        for word in words:
            demand(f"space: {name}", word, f"some of {'|'.join(knob.choices)}", knob.accepts(word))
        return dataclasses.replace(knob, choices=tuple(dict.fromkeys(words)))
    kind = int if knob.kind == "int" else float
    try:
        low, high = (kind(end) for end in text.split(":"))
    except ValueError:
        raise ConfigError(f"space: {name}: expected two numbers, LOW:HIGH; got {text!r}") from None
    is_range = knob.accepts(low) and knob.accepts(high) and low <= high
    demand(f"space: {name}", text, f"LOW:HIGH within {knob.low:g}:{knob.high:g}", is_range)
    return dataclasses.replace(knob, low=low, high=high)


def _demand_default(name: str, knob: Knob) -> None:
    """Refuse a range without the default: the first trial is the defaults."""
    if not knob.accepts(knob.default):
        known = options_of(SearchConfig)
        flag = f", or set another default with --{name.replace('_', '-')}" if name in known else ""
        raise ConfigError(
            f"space: {name}: expected a range with the default, {knob.default}, in it, for that is the first trial; "
            f"got {range_of(knob)}; widen it{flag}"
        )
