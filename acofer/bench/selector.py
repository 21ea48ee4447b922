"""What a selector is, and what its knobs may be."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from acofer.bench.task import Choice, Task
from acofer.errors import ConfigError, nearest

Kind = Literal["float", "int", "choice"]


@dataclass(frozen=True)
class Knob:
    """One setting of a selector: what it may be, which is also the space in which it is tuned.

    Attributes
    ----------
    kind : {"float", "int", "choice"}
    default : float, int or str
    low, high : float or None
        Of numbers; both are allowed values.
    choices : tuple of str
        Of a choice.
    log : bool
        Whether its size matters rather than its difference; `low` is above 0 then.
    """

    kind: Kind
    default: Any
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()
    log: bool = False

    @property
    def expected(self) -> str:
        """What it may be, in words."""
        if self.kind == "choice":
            return f"one of {', '.join(self.choices)}"
        return f"a {'whole ' if self.kind == 'int' else ''}number from {self.low:g} to {self.high:g}"

    def accepts(self, value: object) -> bool:
        """Say whether it may be `value`; a whole number is also a float."""
        if self.kind == "choice":
            return value in self.choices
        kinds = int | np.integer if self.kind == "int" else int | float | np.number
        if not isinstance(value, kinds) or isinstance(value, bool):
            return False
        assert self.low is not None  # noqa: S101 - for the type checker
        assert self.high is not None  # noqa: S101
        return bool(self.low <= value <= self.high)


@dataclass(frozen=True)
class Selector:
    """A way to choose features.

    Attributes
    ----------
    name : str
        As a plan writes it.
    summary : str
        One line for tables.
    function : callable
        Takes a `Task` and returns a `Choice`, or None where it searches: then the best of the scorer's archive counts.
    searches : bool
        Whether it asks the scorer, until the budget is spent.
    is_seeded : bool
        Whether its choice depends on the seed.
    takes_size : {"exact", "any", "none"}
        A number of features; also a range or "auto"; or no size at all.
    knobs : dict
        Its settings by name.
    needs : tuple of str
        Modules of the extra ``bench`` that it imports.
    """

    name: str
    summary: str
    function: Callable[[Task], Choice | None]
    searches: bool = False
    is_seeded: bool = False
    takes_size: Literal["exact", "any", "none"] = "exact"
    knobs: dict[str, Knob] = field(default_factory=dict)
    needs: tuple[str, ...] = ()


def checked_knobs(selector: Selector, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return all knobs of a selector, those that are not given at their defaults.

    Raises
    ------
    ConfigError
        If it has no such knob, or a value is of the wrong kind or out of its range.
    """
    for name, value in given.items():
        if name not in selector.knobs:
            hint = nearest(name, selector.knobs) if selector.knobs else "it has none"
            raise ConfigError(f"{selector.name}: there is no setting {name!r}; {hint}")
        if not selector.knobs[name].accepts(value):
            raise ConfigError(f"{selector.name}: {name}: expected {selector.knobs[name].expected}; got {value!r}")
    return {name: given.get(name, knob.default) for name, knob in selector.knobs.items()}
