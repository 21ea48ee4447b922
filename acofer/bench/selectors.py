"""The table of selectors, and how one of them is asked."""

from __future__ import annotations

from contextlib import suppress

from acofer.bench.budget import BudgetSpent, CountingScorer
from acofer.bench.filters import FILTERS
from acofer.bench.searchers import SEARCHERS
from acofer.bench.selector import Knob, Selector, checked_knobs
from acofer.bench.task import Choice, Task
from acofer.bench.wrappers import WRAPPERS
from acofer.colony.search import SearchTrace, settle
from acofer.colony.size import size_grid
from acofer.errors import ConfigError, nearest

__all__ = ["SELECTORS", "Knob", "Selector", "checked_knobs", "choose", "selector_named"]

SELECTORS: dict[str, Selector] = {selector.name: selector for selector in (*FILTERS, *WRAPPERS, *SEARCHERS)}


def selector_named(name: str) -> Selector:
    """Return the selector of this name.

    Raises
    ------
    ConfigError
        If there is none.
    """
    if name not in SELECTORS:
        raise ConfigError(f"selector: there is no {name!r}; {nearest(name, SELECTORS)}")
    return SELECTORS[name]


def choose(selector: Selector, task: Task) -> Choice:
    """Let a selector choose.

    Where it searches, the choice is the best subset of the scorer's archive; of several sizes the smallest that is
    within one standard error of the best. It is scored in full, and the scorer's clock stopped.

    Raises
    ------
    ConfigError
        If the selector does not take the size, it searches and there is no scorer, or the budget was spent before
        anything was scored.
    MissingExtraError
        If it needs a package that is not installed.
    """
    if not selector.searches:
        choice = selector.function(task)
        assert choice is not None  # noqa: S101 - for the type checker
        return choice
    if task.scorer is None:
        raise ConfigError(f"{selector.name}: it searches; give a scorer and a budget")
    with suppress(BudgetSpent):
        selector.function(task)
    return _best(selector, task, task.scorer)


def _best(selector: Selector, task: Task, scorer: CountingScorer) -> Choice:
    if not len(scorer.archive):
        raise ConfigError(f"{selector.name}: the budget was spent before a subset was scored; give it more seconds")
    rule = "best" if len(size_grid(task.size, task.n_features)) == 1 else "1se"
    chosen = settle(SearchTrace(archive=scorer.archive), scorer, rule)
    scorer.end()
    return Choice(chosen.indices, about={"pick": rule})
