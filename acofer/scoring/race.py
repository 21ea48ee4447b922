"""Racing: few trees for all subsets, more for those that may still win.

Successive halving (Jamieson and Talwalkar 2016, "Non-stochastic best arm identification and hyperparameter
optimization"), with the ratio of three of Hyperband (Li et al. 2018), says how many trees a rung has. Who stops after
it is not a fixed share but the outcome of a test, as in Hoeffding races (Maron and Moore 1994) and, paired over
common blocks, in F-races (Birattari et al. 2002, "A racing algorithm for configuring metaheuristics").
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from acofer.errors import ConfigError, InputError
from acofer.scoring.protocol import standard_error

FloatArray = NDArray[np.float64]


def rungs(trees: int, *, first: int = 10, ratio: int = 3) -> tuple[int, ...]:
    """Return how many trees each rung has, from few to all.

    Counted down from the top: `trees`, ``trees / ratio``, ``trees / ratio**2``, ..., rounded up, as long as they
    are not below `first`. 90 gives (10, 30, 90), 100 gives (12, 34, 100), and up to 27 trees are one rung.

    Raises
    ------
    ConfigError
        If `trees` or `first` is below 1, or `ratio` below 2.
    """
    if trees < 1 or first < 1 or ratio < 2:
        raise ConfigError(
            "rungs: expected at least 1 tree, a first rung of at least 1 and a ratio of at least 2; "
            f"got {trees}, {first} and {ratio}; use e.g. 90, 10 and 3"
        )
    counts = [trees]
    while counts[-1] > first and -(-counts[-1] // ratio) >= first:
        counts.append(-(-counts[-1] // ratio))
    return tuple(reversed(counts))


def hopeless(utilities: FloatArray, *, rival: FloatArray | None = None, alpha: float = 0.05) -> NDArray[np.bool_]:
    """Say which subsets stop at this rung: those further behind the best than the noise between blocks explains.

    Each subset is compared with the best present one (largest mean), or with `rival` where that is better, by a
    one-sided paired t-test over blocks with ``n_blocks - 1`` degrees of freedom. As in F-races there is no
    correction for the number of comparisons: what is wrongly stopped is one among equals of the best, and
    where the choice is to be within one standard error of the best, what falls 1.8 of them behind is none.

    Parameters
    ----------
    utilities : ndarray of float64, shape (n, n_blocks)
        Utility of each subset on each block; the same blocks, trees and seeds for all.
    rival : ndarray of float64, shape (n_blocks,), optional
        Utilities of the best earlier subset, at this very rung.
    alpha : float
        Above 0, at most 0.5.

    Returns
    -------
    ndarray of bool, shape (n,)
        The best present subset, and any that equals it on every block, never stops, not even behind `rival`, so that
        one always reaches the last rung.
        Nobody stops where there is one block, or any value is not finite.

    Raises
    ------
    InputError
        If the shapes do not fit, or `alpha` is out of range.

    Notes
    -----
    Against a subset named beforehand, an equal one stops with a probability of `alpha`. The best of many has
    been lucky, too: of eight equal subsets each stops with a probability of .19, of twenty .30 (simulated).

    The test covers the noise that differs from block to block: that of the validation rows, and of the trees as far
    as they err on other rows differently. It does not cover what all blocks have in common: with one validation
    part the training rows and the luck of this one forest. With k folds these vary, too, but the folds share
    training rows, so their differences are not independent and the test stops somewhat too many (Nadeau and Bengio
    2003, "Inference for the generalization error"). From the second rung on, those present are there because they
    did well on these very blocks, and the bound is approximate. Nor does the test say that the order
    after few trees is that after all: racing assumes it.
    """
    utilities, rival = _checked(utilities, rival, alpha)
    stops = np.zeros(len(utilities), dtype=bool)
    finite = np.isfinite(utilities).all() and (rival is None or np.isfinite(rival).all())
    if not finite or len(utilities) == 0 or utilities.shape[1] < 2:
        return stops
    best = _best(utilities)
    reference = utilities[best] if rival is None else max(utilities[best], rival, key=np.mean)
    critical = stdtrit(utilities.shape[1] - 1, alpha)  # negative: the lower tail
    for i, blocks in enumerate(utilities):
        difference, error = difference_to(reference, blocks)
        stops[i] = difference < critical * error
    stops[(utilities == utilities[best]).all(axis=1)] = False  # and its equals: which comes first is no matter
    return stops


def difference_to(best_blocks: FloatArray, blocks: FloatArray) -> tuple[float, float]:
    """Return by how much a subset is better than the best (negative: worse), and the standard error of that.

    Parameters
    ----------
    best_blocks, blocks : ndarray of float64, shape (n_blocks,)
        Utilities on the same blocks.

    Returns
    -------
    difference, standard_error : float
        Mean of the paired differences, in units of the utility, and its standard error over the blocks (nan where
        there is only one).
    """
    differences = blocks - best_blocks
    return float(differences.mean()), standard_error(differences)


def _best(utilities: FloatArray) -> int:
    """Return the row of largest mean; among equals that of larger first blocks, whatever the order of the rows."""
    return max(range(len(utilities)), key=lambda i: (utilities[i].mean(), tuple(utilities[i])))


def _checked(utilities: FloatArray, rival: FloatArray | None, alpha: float) -> tuple[FloatArray, FloatArray | None]:
    utilities = np.asarray(utilities, dtype=np.float64)
    rival = None if rival is None else np.asarray(rival, dtype=np.float64)
    if utilities.ndim != 2 or (rival is not None and rival.shape != utilities.shape[1:]):
        raise InputError(
            f"hopeless: expected utilities of shape (n, n_blocks) and a rival of (n_blocks,); got {utilities.shape} "
            f"and {None if rival is None else rival.shape}; score all of them on the same blocks"
        )
    if not 0 < alpha <= 0.5:
        raise InputError(f"hopeless: expected 0 < alpha <= 0.5; got {alpha}; use e.g. 0.05")
    return utilities, rival
