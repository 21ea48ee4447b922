"""The ant colony itself: ask it for subsets, tell it how good they were.

It knows no data, no estimator and no file. Whoever asks may score the subsets
in any order, in any process, on any machine: what the colony does next depends
on the utilities alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from joblib import Parallel, delayed
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from acofer.colony.conditional import ConditionalHeuristic
from acofer.colony.construct import construct
from acofer.colony.pheromone import VARIANTS, FloatArray, IndexArray, Pheromone, Variant
from acofer.colony.size import SizeLike, size_grid
from acofer.errors import ConfigError, demand, nearest

CONVERGED = 1.2
"""Branching factor at which the pheromone counts as converged: it marks a fifth more features than an ant takes."""
_PLAIN_STATE: dict[str, Callable[[Any], Any]] = {
    **dict.fromkeys(("iteration", "restarts", "_leader_level", "_leads_since"), int),
    **dict.fromkeys(("best_utility", "_leader_utility", "branching", "entropy"), float),
}
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
    n_candidates : int
        Length of the candidate list of ants with a `ConditionalHeuristic`; the others look at all features.
    patience : int
        The colony starts anew when its pheromone has converged and the best subset since its start has stood for
        so many iterations. 0 never.
    """

    n_ants: int = 20
    alpha: float = 1.1
    beta: float = 1.5
    rho: float = 0.2
    q0: float = 0.9
    variant: Variant = "acs"
    size: SizeLike = "auto"
    n_candidates: int = 300
    patience: int = 10

    def check(self) -> None:
        """Raise ConfigError unless every knob is within its range."""
        demand_count("ants", self.n_ants)
        demand("alpha", self.alpha, "a number of at least 0", _is_number(self.alpha) and self.alpha >= 0)
        demand("beta", self.beta, "a number of at least 0", _is_number(self.beta) and self.beta >= 0)
        demand("rho", self.rho, "a number above 0 and at most 1", _is_number(self.rho) and 0 < self.rho <= 1)
        demand("q0", self.q0, "a number from 0 to 1", _is_number(self.q0) and 0 <= self.q0 <= 1)
        demand_count("n_candidates", self.n_candidates)
        demand("patience", self.patience, "a whole number of at least 0", _is_whole(self.patience, 0))
        if self.variant not in VARIANTS:
            hint = nearest(self.variant, VARIANTS)
            raise ConfigError(f"variant: expected one of {', '.join(VARIANTS)}; got {self.variant!r}; {hint}")


def demand_count(name: str, value: object) -> None:
    """Raise ConfigError unless `value` is a whole number of at least 1."""
    demand(name, value, "a whole number of at least 1", _is_whole(value, 1))


def _is_whole(value: object, least: int) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool) and bool(value >= least)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float | np.number) and not isinstance(value, bool) and bool(np.isfinite(value))


class AntColony:
    """An ant colony that chooses subsets of features.

    Parameters
    ----------
    heuristic : array_like of float, shape (n_features,), or ConditionalHeuristic
        Heuristic information eta, positive and finite; or what says how much each feature adds to an ant's subset.
    settings : ColonySettings
    seed : int
        Ant ``a`` of iteration ``i`` draws from the stream ``(seed, i, a)``.
    n_jobs : int, optional
        Threads that build ants with a `ConditionalHeuristic`; the subsets do not depend on it.

    Attributes
    ----------
    iteration : int
        Iterations told so far.
    pheromone : ndarray of float64, shape (n_features,)
    sizes : ndarray of int64
        The sizes an ant may take.
    best : ndarray of int32 or None
        The best subset so far, and `best_utility`, its utility.
    branching, entropy : float
        How far from convergence the pheromone was when it was last told; see `acofer.colony.pheromone.Pheromone`.
    restarts : int
        How often it has started anew.

    Examples
    --------
    >>> import numpy as np
    >>> colony = AntColony(np.ones(50), ColonySettings(n_ants=4, size=5), seed=0)
    >>> subsets = colony.ask()
    >>> [len(s) for s in subsets]
    [5, 5, 5, 5]
    >>> colony.tell([float((s < 10).sum()) for s in subsets])  # the first ten are good
    False
    """

    def __init__(
        self,
        heuristic: FloatArray | ConditionalHeuristic,
        settings: ColonySettings,
        seed: int = 0,
        n_jobs: int | None = None,
    ) -> None:
        settings.check()
        self.settings = settings
        self.seed = seed
        self._n_jobs = n_jobs
        self._conditional = heuristic if isinstance(heuristic, ConditionalHeuristic) else None
        self._log_eta = np.zeros(0) if isinstance(heuristic, ConditionalHeuristic) else _log_eta(heuristic)
        self._n_features = len(self._log_eta) if self._conditional is None else self._conditional.n_features
        self.sizes = size_grid(settings.size, self._n_features)
        self.iteration = 0
        self.restarts = 0
        self.best: IndexArray | None = None
        self.best_utility = -np.inf
        self.branching, self.entropy = self._n_features / float(self.sizes.mean()), 1.0
        self._asked: list[IndexArray] = []
        self._levels: NDArray[np.int64] = np.empty(0, np.int64)
        self._start()

    def _start(self) -> None:
        """Lay the initial pheromone and forget the leader: the best subset since then."""
        rho, variant = self.settings.rho, self.settings.variant
        self._features = Pheromone(self._n_features, float(self.sizes.mean()), rho, variant)
        self._size_levels = Pheromone(len(self.sizes), 1.0, rho, variant)
        self._leader: IndexArray | None = None
        self._leader_utility = -np.inf
        self._leader_level = 0
        self._leads_since = self.iteration

    @property
    def pheromone(self) -> FloatArray:
        return self._features.tau

    def ask(self) -> list[IndexArray]:
        """Return this iteration's subsets: one array of sorted, different int32 indices an ant."""
        if self._asked:
            return list(self._asked)
        self._levels = self._draw_levels()
        if self._conditional is None:
            self._asked = [self._sent(ant, self._chosen(ant)) for ant in range(len(self._levels))]
        else:
            with threadpool_limits(limits=1, user_api="blas"):
                chosen = Parallel(self._n_jobs, backend="threading")(
                    delayed(self._chosen_conditionally)(ant) for ant in range(len(self._levels))
                )
            self._asked = [self._sent(ant, picks) for ant, picks in enumerate(chosen)]
        return list(self._asked)

    def _chosen(self, ant: int) -> NDArray[np.int64]:
        return construct(self._weights(), self._size(ant), self.settings.q0, self._stream(ant))

    def _chosen_conditionally(self, ant: int) -> NDArray[np.int64]:
        assert self._conditional is not None  # noqa: S101 - for the type checker
        attraction, own = self.pheromone**self.settings.alpha, self.settings
        return self._conditional.construct(
            attraction, own.beta, own.q0, self._size(ant), own.n_candidates, self._stream(ant)
        )

    def _size(self, ant: int) -> int:
        return int(self.sizes[self._levels[ant]])

    def _sent(self, ant: int, picks: NDArray[np.int64]) -> IndexArray:
        """Let an ant pass: it wears down what it picked."""
        subset = np.sort(picks).astype(np.int32)
        self._features.wear(subset)
        self._size_levels.wear(self._levels[ant : ant + 1].astype(np.int32))
        return subset

    def tell(self, utilities: list[float] | FloatArray, improved: dict[int, IndexArray] | None = None) -> bool:
        """Say how good the asked subsets were, in their order; larger is better.

        Parameters
        ----------
        utilities : list of float
        improved : dict, optional
            By ant, what local search has put in place of its subset: as many features, sorted. Its utility is that of
            the improved subset.

        Returns
        -------
        bool
            Whether the colony has started anew.

        Raises
        ------
        ValueError
            If there is not one number a subset, or nothing was asked.
        """
        scores = np.asarray(utilities, dtype=np.float64)
        if not self._asked or scores.shape != (len(self._asked),) or np.isnan(scores).any():
            raise ValueError(f"tell: expected {len(self._asked)} numbers, one for each subset asked; got {utilities!r}")
        subsets = [(improved or {}).get(ant, subset) for ant, subset in enumerate(self._asked)]
        # Best first; among equals the smaller subset, then the earlier ant.
        order = sorted(range(len(scores)), key=lambda ant: (-scores[ant], len(subsets[ant]), ant))
        self._asked = []
        self.iteration += 1
        self._remember(subsets[order[0]], float(scores[order[0]]), int(self._levels[order[0]]))
        assert self._leader is not None  # noqa: S101 - for the type checker
        self._features.deposit([subsets[ant] for ant in order], self._leader)
        levels = [np.array([self._levels[ant]], np.int32) for ant in order]
        self._size_levels.deposit(levels, np.array([self._leader_level], np.int32))
        self.branching, self.entropy = self._features.branching(len(self._leader)), self._features.entropy()
        return self._restarted()

    def state(self) -> dict[str, Any]:
        """Return all that another process needs to go on: plain data and arrays.

        Raises
        ------
        ValueError
            Between `ask` and `tell`: what was asked for has worn the pheromone down.
        """
        if self._asked:
            raise ValueError("state: subsets were asked for, and their utilities are not told yet")
        plain = {name: getattr(self, name) for name in _PLAIN_STATE}
        return {
            **plain,
            "pheromone": self._features.tau.copy(),
            "size pheromone": self._size_levels.tau.copy(),
            "best": self.best,
            "leader": self._leader,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from where `state` was taken, by a colony of the same settings, seed and heuristic.

        Raises
        ------
        ValueError, KeyError, TypeError
            Where the state is another colony's, or none.
        """
        plain = {name: kind(state[name]) for name, kind in _PLAIN_STATE.items()}
        best, leader = (self._own_subset(state[name]) for name in ("best", "leader"))
        if not 0 <= plain["_leader_level"] < len(self.sizes) or plain["iteration"] < 0:
            raise ValueError("expected the state of a colony with these sizes")
        self._features.restore(state["pheromone"])
        self._size_levels.restore(state["size pheromone"])
        self.best, self._leader, self._asked = best, leader, []
        for name, value in plain.items():
            setattr(self, name, value)

    def _own_subset(self, indices: IndexArray | None) -> IndexArray | None:
        if indices is None:
            return None
        return checked_subset(indices, self._n_features)

    def _remember(self, subset: IndexArray, utility: float, level: int) -> None:
        if _is_better(utility, subset, self._leader_utility, self._leader):
            self._leader, self._leader_utility, self._leader_level = subset, utility, level
            self._leads_since = self.iteration
        if _is_better(utility, subset, self.best_utility, self.best):
            self.best, self.best_utility = subset, utility

    def _restarted(self) -> bool:
        """Start anew where the pheromone has converged and nothing better came of it (Stuetzle and Hoos 2000)."""
        stale = self.iteration - self._leads_since >= self.settings.patience > 0
        if not stale or self.branching > CONVERGED:
            return False
        self._start()
        self.restarts += 1
        return True

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


def checked_subset(indices: Any, n_features: int) -> IndexArray:
    """Return a subset that was read from a file: sorted, different features of so many.

    Raises
    ------
    ValueError
        Where it is none; kernels would follow it out of their arrays.
    """
    is_array = isinstance(indices, np.ndarray) and indices.dtype == np.int32 and indices.ndim == 1
    if not is_array or not len(indices) or indices[0] < 0 or indices[-1] >= n_features or (np.diff(indices) < 1).any():
        raise ValueError(f"expected a subset of {n_features} features, sorted")
    return indices


def _log_eta(heuristic: FloatArray) -> FloatArray:
    eta = np.asarray(heuristic, dtype=np.float64)
    if eta.ndim != 1 or not len(eta) or not np.isfinite(eta).all() or (eta <= 0).any():
        raise ConfigError("heuristic: expected one positive, finite number for each feature")
    return np.log(eta)


def _is_better(utility: float, subset: IndexArray, best_utility: float, best: IndexArray | None) -> bool:
    return best is None or (utility, -len(subset)) > (best_utility, -len(best))
