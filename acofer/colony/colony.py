"""The ant colony itself: ask it for subsets, tell it how good they were.

It knows no data, no estimator and no file. Whoever asks may score the subsets
in any order, in any process, on any machine: what the colony does next depends
on the utilities alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from acofer.colony.construct import construct
from acofer.colony.pheromone import VARIANTS, FloatArray, IndexArray, Pheromone, Variant
from acofer.colony.size import SizeLike, size_grid
from acofer.errors import ConfigError, nearest

_SMALLEST_WEIGHT = -690.0  # exp of it is still a normal double; the clock of such a feature rings last


@dataclass(frozen=True)
class ColonySettings:
    """The knobs of the colony; the defaults are those of the published system where it prints one.

    Attributes
    ----------
    n_ants : int
        Ants per iteration, at least 1.
    alpha, beta : float
        Exponents of pheromone and of heuristic information, at least 0.
    rho : float
        Evaporation rate, 0 < rho <= 1.
    q0 : float
        Probability of exploitation, 0 to 1. (Ant System and MAX-MIN Ant System
        as published have none: set 0.)
    variant : {"acs", "mmas", "as"}
        See `acofer.colony.pheromone`.
    size : int, float or str
        See `acofer.colony.size.size_grid`.
    """

    n_ants: int = 20
    alpha: float = 1.1
    beta: float = 1.5
    rho: float = 0.2
    q0: float = 0.9
    variant: Variant = "acs"
    size: SizeLike = "auto"

    def check(self) -> None:
        """Raise ConfigError unless every knob is within its range."""
        demand_count("ants", self.n_ants)
        _demand("alpha", self.alpha, "a number of at least 0", _is_number(self.alpha) and self.alpha >= 0)
        _demand("beta", self.beta, "a number of at least 0", _is_number(self.beta) and self.beta >= 0)
        _demand("rho", self.rho, "a number above 0 and at most 1", _is_number(self.rho) and 0 < self.rho <= 1)
        _demand("q0", self.q0, "a number from 0 to 1", _is_number(self.q0) and 0 <= self.q0 <= 1)
        if self.variant not in VARIANTS:
            hint = nearest(str(self.variant), VARIANTS)
            raise ConfigError(f"variant: expected one of {', '.join(VARIANTS)}; got {self.variant!r}; {hint}")


def demand_count(name: str, value: object) -> None:
    """Raise ConfigError unless `value` is a whole number of at least 1."""
    whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
    _demand(name, value, "a whole number of at least 1", whole and bool(value >= 1))  # type: ignore[operator]


def _is_number(value: object) -> bool:
    return isinstance(value, int | float | np.number) and not isinstance(value, bool) and bool(np.isfinite(value))


def _demand(name: str, value: object, expected: str, holds: bool) -> None:
    if not holds:
        raise ConfigError(f"{name}: expected {expected}; got {value!r}")


class AntColony:
    """An ant colony that chooses subsets of features.

    Parameters
    ----------
    heuristic : array_like of float, shape (n_features,)
        Heuristic information eta, positive and finite.
    settings : ColonySettings
    seed : int
        Ant ``a`` of iteration ``i`` draws from the stream ``(seed, i, a)``.

    Attributes
    ----------
    iteration : int
        Iterations told so far.
    pheromone : ndarray of float64, shape (n_features,)
    sizes : ndarray of int64
        The sizes an ant may take.
    best : ndarray of int32 or None
        The best subset so far, and `best_utility`, its utility.

    Examples
    --------
    >>> import numpy as np
    >>> colony = AntColony(np.ones(50), ColonySettings(n_ants=4, size=5), seed=0)
    >>> subsets = colony.ask()
    >>> [len(s) for s in subsets]
    [5, 5, 5, 5]
    >>> colony.tell([float((s < 10).sum()) for s in subsets])  # the first ten are good
    """

    def __init__(self, heuristic: FloatArray, settings: ColonySettings, seed: int = 0) -> None:
        settings.check()
        eta = np.asarray(heuristic, dtype=np.float64)
        if eta.ndim != 1 or not len(eta) or not np.isfinite(eta).all() or (eta <= 0).any():
            raise ConfigError("heuristic: expected one positive, finite number for each feature")
        self.settings = settings
        self.seed = seed
        self.sizes = size_grid(settings.size, len(eta))
        self._log_eta = np.log(eta)
        self._features = Pheromone(len(eta), float(self.sizes.mean()), settings.rho, settings.variant)
        self._size_levels = Pheromone(len(self.sizes), 1.0, settings.rho, settings.variant)
        self.iteration = 0
        self.best: IndexArray | None = None
        self.best_utility = -np.inf
        self._best_level = 0
        self._asked: list[IndexArray] = []
        self._levels: NDArray[np.int64] = np.empty(0, np.int64)

    @property
    def pheromone(self) -> FloatArray:
        return self._features.tau

    def ask(self) -> list[IndexArray]:
        """Return this iteration's subsets: one array of sorted, different int32 indices an ant."""
        if self._asked:
            return list(self._asked)
        self._levels = self._draw_levels()
        for ant, level in enumerate(self._levels):
            picks = construct(self._weights(), int(self.sizes[level]), self.settings.q0, self._stream(ant))
            subset = np.sort(picks).astype(np.int32)
            self._features.wear(subset)
            self._size_levels.wear(np.array([level], np.int32))
            self._asked.append(subset)
        return list(self._asked)

    def tell(self, utilities: list[float] | FloatArray) -> None:
        """Say how good the asked subsets were, in their order; larger is better.

        Raises
        ------
        ValueError
            If there is not one number a subset, or nothing was asked.
        """
        scores = np.asarray(utilities, dtype=np.float64)
        if not self._asked or scores.shape != (len(self._asked),) or np.isnan(scores).any():
            raise ValueError(f"tell: expected {len(self._asked)} numbers, one for each subset asked; got {utilities!r}")
        # Best first; among equals the smaller subset, then the earlier ant.
        order = sorted(range(len(scores)), key=lambda ant: (-scores[ant], len(self._asked[ant]), ant))
        self._remember(order[0], float(scores[order[0]]))
        assert self.best is not None  # noqa: S101 - for the type checker
        self._features.deposit([self._asked[ant] for ant in order], self.best)
        levels = [np.array([self._levels[ant]], np.int32) for ant in order]
        self._size_levels.deposit(levels, np.array([self._best_level], np.int32))
        self._asked = []
        self.iteration += 1

    def _remember(self, ant: int, utility: float) -> None:
        is_first = self.best is None
        if is_first or (utility, -len(self._asked[ant])) > (self.best_utility, -len(self.best)):  # type: ignore[arg-type]
            self.best, self.best_utility = self._asked[ant], utility
            self._best_level = int(self._levels[ant])

    def _stream(self, ant: int) -> NDArray[np.uint64]:
        sequence = np.random.SeedSequence(self.seed, spawn_key=(self.iteration, ant))
        return sequence.generate_state(1, np.uint64).astype(np.uint64)

    def _weights(self) -> FloatArray:
        log_weight = self.settings.alpha * np.log(self.pheromone) + self.settings.beta * self._log_eta
        return np.exp(np.maximum(log_weight - log_weight.max(), _SMALLEST_WEIGHT))

    def _draw_levels(self) -> NDArray[np.int64]:
        """Draw each ant's size in proportion to the pheromone on the sizes.

        Systematic resampling (Kitagawa 1996): each ant's chance is exactly
        proportional, and the sizes of one iteration cover the grid evenly.
        """
        rng = np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=(self.iteration, self.settings.n_ants)))
        weight = self._size_levels.tau**self.settings.alpha
        edges = np.cumsum(weight) / weight.sum()
        points = (rng.random() + np.arange(self.settings.n_ants)) / self.settings.n_ants
        levels = np.minimum(np.searchsorted(edges, points, side="right"), len(edges) - 1)
        return rng.permutation(levels)
