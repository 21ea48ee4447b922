"""Random streams that fit into a compiled kernel: one uint64 of state, handed in and advanced in place."""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

UintArray = NDArray[np.uint64]

_GOLDEN_GAMMA = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)
_S30, _S27, _S31, _S11 = np.uint64(30), np.uint64(27), np.uint64(31), np.uint64(11)
_BELOW_ONE = 1.0 - 2.0**-53


@numba.njit(cache=True, nogil=True)
def next_uniform(state: UintArray) -> float:
    """Advance the SplitMix64 `state`, uint64 of shape (1,), and return a float64 in the open interval (0, 1).

    Generator: Steele, Lea and Flood, "Fast splittable pseudorandom number
    generators", OOPSLA 2014, figure 16.
    """
    state[0] += _GOLDEN_GAMMA
    z = state[0]
    z = (z ^ (z >> _S30)) * _MIX_1
    z = (z ^ (z >> _S27)) * _MIX_2
    z = z ^ (z >> _S31)
    uniform = (np.float64(z >> _S11) + 0.5) * (1.0 / 9007199254740992.0)  # 53 bits, centred: never 0
    return min(uniform, _BELOW_ONE)  # the last of the 2**53 would be rounded to 1, which is no index
