"""Pheromone: what the colony remembers, and the three ways it forgets and learns.

Pheromone lies on the features themselves (node pheromone), as is usual for
subset problems, where the order of the picks means nothing (Kashef and
Nezamabadi-pour, "An advanced ACO algorithm for feature subset selection",
Neurocomputing 147, 2015).

Amounts live in the hyper-cube framework (Blum and Dorigo, IEEE Transactions on
Systems, Man and Cybernetics B 34(2), 2004): every update is a weighted mean of
the present pheromone and a 0/1 vector of what the depositing ants carried, so
that pheromone stays within [0, 1] whatever the metric's sign and scale. A
better subset gets a larger share of the deposit by its *rank*, so that any
monotone change of the metric leaves the colony's behaviour as it is.

=========  =============================================================================
``as``     Ant System (Dorigo, Maniezzo, Colorni 1996): all ants deposit, by rank
           (Bullnheimer, Hartl, Strauss 1999).
``acs``    Ant Colony System (Dorigo and Gambardella 1997): the best subset so far
           deposits (equation 4); each ant wears down what it picks (equation 5).
``mmas``   MAX-MIN Ant System (Stuetzle and Hoos 2000): the iteration's best deposits,
           within ``[tau_min, tau_max]``, starting from ``tau_max``.
=========  =============================================================================
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IndexArray = NDArray[np.int32]

Variant = Literal["acs", "mmas", "as"]
VARIANTS: tuple[Variant, ...] = ("acs", "mmas", "as")

INITIAL = 0.02
"""Initial pheromone of ``acs`` and ``as``: one fiftieth of a full deposit.

In the travelling-salesman colony the ratio is one
to the number of cities (1997, section III-B), some fifty where its parameters were tuned. On planted features (10
of 200, 600 subsets, ten seeds, published q0 and rho) .5, .1, .02 and .005 found 6.6, 6.3, 6.8 and 5.8 of them."""

P_BEST = 0.05
"""Probability that a converged MAX-MIN colony builds its best subset again (Stuetzle and Hoos 2000, section 4.2)."""

BRANCHING_SHARE = 0.05
"""Lambda of the branching factor, as in Stuetzle and Hoos (2000), section 5.2."""

FLOOR = 1e-6
"""Pheromone never falls below this in ``as``, so that no feature is lost for ever by rounding."""

_ROUNDING = 1e-9
"""How far amounts may lie beyond their bounds: weighted means round."""


class Pheromone:
    """Pheromone on `n` nodes, of which an ant visits about `n_visited`.

    Parameters
    ----------
    n : int
        Number of nodes (features, or sizes).
    n_visited : float
        Typical number of nodes an ant visits; sets the lower bound of ``mmas``.
    rho : float
        Evaporation rate, 0 < rho <= 1; also the rate of the local update.
    variant : {"acs", "mmas", "as"}

    Attributes
    ----------
    tau : ndarray of float64, shape (n,)
        The pheromone.
    """

    def __init__(self, n: int, n_visited: float, rho: float, variant: Variant) -> None:
        self.rho = rho
        self.variant = variant
        self.lower, self.upper, start = self._limits(n, n_visited)
        self.tau: FloatArray = np.full(n, start)

    def _limits(self, n: int, n_visited: float) -> tuple[float, float, float]:
        if self.variant == "mmas":
            return mmas_lower_bound(n, n_visited), 1.0, 1.0
        return (INITIAL if self.variant == "acs" else FLOOR), 1.0, INITIAL

    def restore(self, tau: FloatArray) -> None:
        """Lay pheromone as it was.

        Raises
        ------
        ValueError
            Where these amounts cannot be: of another number of nodes, or beyond the bounds.
        """
        within = (tau >= self.lower - _ROUNDING) & (tau <= self.upper + _ROUNDING)
        if tau.shape != self.tau.shape or tau.dtype != self.tau.dtype or not within.all():
            raise ValueError(f"expected pheromone of {len(self.tau)} nodes, from {self.lower:g} to {self.upper:g}")
        self.tau = tau.copy()

    def wear(self, visited: IndexArray) -> None:
        """Local update: an ant passing makes its nodes less desirable to the next (``acs`` only; 1997, equation 5)."""
        if self.variant == "acs":
            self.tau[visited] += self.rho * (INITIAL - self.tau[visited])

    def deposit(self, ranked: list[IndexArray], best_so_far: IndexArray) -> None:
        """Global update at the end of an iteration.

        Parameters
        ----------
        ranked : list of ndarray
            The nodes each ant of the iteration visited, best ant first.
        best_so_far : ndarray
            The nodes of the best ant since the start.
        """
        if self.variant == "acs":
            # Only the best tour's edges evaporate and receive (1997, equation 4).
            self.tau[best_so_far] += self.rho * (1.0 - self.tau[best_so_far])
            return
        share = np.zeros_like(self.tau)
        if self.variant == "mmas":
            share[ranked[0]] = 1.0
        else:
            weights = np.arange(len(ranked), 0, -1, dtype=np.float64)
            for weight, visited in zip(weights / weights.sum(), ranked, strict=True):
                share[visited] += weight
        self.tau += self.rho * (share - self.tau)
        np.clip(self.tau, self.lower, self.upper, out=self.tau)

    def branching(self, n_visited: float) -> float:
        """Return the branching factor: nodes with a good deal of pheromone, over `n_visited`; about 1 when converged.

        As in Gambardella and Dorigo (Ant-Q, 1995), a node counts whose pheromone is above the least by more than
        `BRANCHING_SHARE` of the distance from the least to the most; these are the bounds, not what nodes have at the
        moment, or an ant's first deposit on even pheromone would look like convergence. Where none counts, all do.
        """
        counted = np.count_nonzero(self.tau >= self.lower + BRANCHING_SHARE * (self.upper - self.lower))
        return float((counted or len(self.tau)) / n_visited)

    def entropy(self) -> float:
        """Return the entropy of the pheromone's shares over that of equal shares: 1 at the start, falling."""
        share = self.tau / self.tau.sum()
        return float(-(share * np.log(share)).sum() / np.log(len(share))) if len(share) > 1 else 0.0


def mmas_lower_bound(n: int, n_visited: float, p_best: float = P_BEST) -> float:
    """Return tau_min for tau_max = 1 (Stuetzle and Hoos, Future Generation Computer Systems 16(8), 2000, equation 11).

    ``tau_min = tau_max (1 - p_dec) / ((avg - 1) p_dec)``, where ``p_dec`` is
    the ``n_visited``-th root of `p_best` and ``avg`` the mean number of nodes an ant
    chooses among; here that is ``n - (n_visited - 1) / 2``.
    """
    average_choices = n - (n_visited - 1) / 2
    if average_choices <= 1:
        return 1.0
    p_decision = p_best ** (1 / n_visited)
    return float(min(1.0, (1 - p_decision) / ((average_choices - 1) * p_decision)))
