import numpy as np
import reference

from acofer.streams import next_uniform


def test_the_stream_is_the_twins():
    state, twin = np.array([2**64 - 5], np.uint64), reference.SplitMix(2**64 - 5)
    assert [next_uniform(state) for _ in range(1000)] == [twin.uniform() for _ in range(1000)]


def unshifted(z, shift):
    """Undo ``z ^ (z >> shift)``."""
    x = z
    for _ in range(64 // shift):
        x = z ^ (x >> shift)
    return x


def test_the_very_last_number_is_below_one():
    # It was 1, so that int(u * n) was n: an index behind the end of an array, once in 2**53 draws.
    z = unshifted(2**64 - 1, 31) * pow(0x94D049BB133111EB, -1, 2**64) % 2**64
    z = unshifted(z, 27) * pow(0xBF58476D1CE4E5B9, -1, 2**64) % 2**64
    state = np.array([(unshifted(z, 30) - 0x9E3779B97F4A7C15) % 2**64], np.uint64)
    assert next_uniform(state) == 1 - 2**-53
