"""Each operation on lanes against numpy's, which does the same on arrays."""

import numba
import numpy as np
import pytest

from acofer.forest import lanes
from acofer.forest.lanes import choose, first_lane, largest, load, store, width_of, zeros_16, zeros_32, zeros_64

ZEROS = {16: zeros_16, 32: zeros_32, 64: zeros_64}
KINDS = ("uint8", "uint16", "uint32", "float32", "float64")


def numbers(kind, n, seed):
    rng = np.random.default_rng(seed)
    if kind.startswith("float"):
        return rng.normal(scale=1e3, size=n).astype(kind)
    return rng.integers(0, 2 ** (8 * np.dtype(kind).itemsize), n, dtype=kind)


@pytest.mark.parametrize("kind", KINDS)
def test_arithmetic_and_comparisons_are_numpys(kind):
    @numba.njit
    def kernel(a, b, out, masks, one):
        like = zeros_16()
        x, y = load(a, 3, like), load(b, 3, like)  # from an odd place: no alignment is needed
        store(out, 0, x + y)
        store(out, 16, x - y)
        store(out, 32, x * y)
        yes, no = load(one, 0, like), load(one, 16, like)
        store(masks, 0, choose(x <= y, yes, no))
        store(masks, 16, choose(x > y, yes, no))
        store(masks, 32, choose(x == y, yes, no))
        store(masks, 48, choose((x <= y) & (y <= x), yes, no))
        return width_of(x)

    a, b = numbers(kind, 20, 0), numbers(kind, 20, 1)
    b[5:9] = a[5:9]
    out, masks = np.zeros(48, kind), np.full(64, 9, np.uint8)
    assert kernel(a, b, out, masks, np.repeat([1, 0], 16).astype(np.uint8)) == 16
    x, y = a[3:19], b[3:19]
    np.testing.assert_array_equal(out.reshape(3, 16), [x + y, x - y, x * y])
    np.testing.assert_array_equal(masks.reshape(4, 16), [x <= y, x > y, x == y, x == y])


@pytest.mark.parametrize("width", ZEROS)
def test_bytes_are_filled_widened_and_searched(width):
    zeros = ZEROS[width]

    @numba.njit
    def kernel(a, number, words, ints, floats, filled):
        like = zeros()
        x = load(a, 0, like)
        store(words, 0, lanes.to_words(x))
        store(ints, 0, lanes.to_ints(lanes.to_words(x)))
        store(floats, 0, lanes.to_floats(x))
        store(floats, width, lanes.floats_of(number, like) / lanes.to_floats(lanes.to_ints(x)))
        store(filled, 0, lanes.bytes_of(number, like))
        store(words, width, lanes.words_of(number, like))
        top = largest(lanes.to_floats(x))
        return top, first_lane(lanes.to_floats(x) == lanes.floats_of(top, like)), first_lane(like > x)

    rng = np.random.default_rng(width)
    for _ in range(20):
        a = rng.integers(1, rng.choice([3, 20, 256]), width, dtype=np.uint8)
        words, ints, floats = np.zeros(2 * width, "u2"), np.zeros(width, "u4"), np.zeros(2 * width, "f4")
        filled = np.zeros(width, "u1")
        top, first, none = kernel(a, 70_000, words, ints, floats, filled)
        assert (top, first, none) == (a.max(), a.argmax(), width)
        np.testing.assert_array_equal(words, [*a, *np.full(width, 70_000 % 2**16)])
        np.testing.assert_array_equal(ints, a)
        np.testing.assert_array_equal(floats, [*a.astype("f4"), *(np.float32(70_000) / a.astype("f4"))])
        np.testing.assert_array_equal(filled, np.full(width, 70_000 % 2**8))


def test_floats_are_rounded_after_every_operation():
    # A fused multiply-add would give 2**-24 instead of 0, and other splits than the slow twin's.
    @numba.njit
    def kernel(a, b, c, out):
        like = zeros_16()
        store(out, 0, load(a, 0, like) * load(b, 0, like) - load(c, 0, like))

    a = np.full(16, 1 + 2.0**-12, np.float32)
    out = np.ones(16, np.float32)
    kernel(a, a, a * a, out)
    assert not out.any()
