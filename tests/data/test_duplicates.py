import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from acofer.data.duplicates import (
    close_pairs,
    contradictory_groups,
    copies_across,
    difference_hash,
    exact_groups,
    near_groups,
    rows_also_in,
    shrunk,
)
from acofer.data.pictures import ArrayPictures
from acofer.errors import ConfigError


def lists(groups):
    return [group.tolist() for group in groups]


def smooth_faces(n, seed=0):
    """Return random smooth 48x48 pictures: different enough to be told apart, not noise."""
    coarse = np.random.default_rng(seed).uniform(30, 220, (n, 6, 6))
    ramp = np.array([np.interp(np.linspace(0, 5, 48), np.arange(6), np.eye(6)[i]) for i in range(6)])
    return np.rint(np.einsum("iy,nij,jx->nyx", ramp, coarse, ramp)).astype(np.uint8)


def slow_pairs(hashes, max_distance):
    """Compare every hash with every other."""
    return {
        (i, j)
        for i in range(len(hashes))
        for j in range(i + 1, len(hashes))
        if bin(int(hashes[i]) ^ int(hashes[j])).count("1") <= max_distance
    }


def slow_shrunk(image, height, width):
    """Blow the picture up until every cell has whole pixels, then average them."""
    big = image.astype(float).repeat(height, 0).repeat(width, 1)
    return big.reshape(height, image.shape[0], width, image.shape[1]).mean(axis=(1, 3))


def test_exact_groups_are_sorted_by_their_first_row():
    digests = np.array([b"z", b"a", b"m", b"a", b"z", b"z"], dtype="S32")
    assert lists(exact_groups(digests)) == [[0, 4, 5], [1, 3]]


def test_copies_across_counts_pictures_of_the_later_part():
    groups = [np.array([0, 1, 2]), np.array([3, 4]), np.array([5, 6, 7])]
    parts = np.array([0, 1, 1, 1, 2, 0, 2, 2], np.uint8)
    assert copies_across(groups, parts) == {
        ("validation", "train"): 2,
        ("test", "train"): 2,
        ("test", "validation"): 1,
    }


def test_rows_also_in_keeps_the_order():
    digests = np.array([b"a", b"b", b"a", b"c"], dtype="S32")
    assert rows_also_in(digests, np.array([3, 2, 1]), np.array([0])).tolist() == [2]


def test_contradictory_groups():
    groups = [np.array([0, 1]), np.array([2, 3])]
    assert lists(contradictory_groups(groups, np.array([1, 1, 0, 4], np.int16))) == [[2, 3]]


@given(st.integers(0, 2**32), st.integers(0, 12), st.integers(2, 60))
def test_close_pairs_agree_with_comparing_all(seed, max_distance, n):
    rng = np.random.default_rng(seed)
    # Few centres with flipped bits, so that close pairs exist at every distance.
    hashes = rng.choice(rng.integers(0, 2**64, 4, dtype=np.uint64), n)
    for _ in range(8):
        flips = np.uint64(1) << rng.integers(0, 64, n, dtype=np.uint64)
        hashes ^= np.where(rng.random(n) < 0.4, flips, np.uint64(0))
    found = {tuple(sorted(pair)) for block in close_pairs(hashes, max_distance) for pair in block.tolist()}
    assert found == slow_pairs(hashes, max_distance)


@pytest.mark.parametrize("shape", [(48, 48), (5, 7), (1, 1), (9, 200)])
def test_shrunk_averages_areas(shape):
    image = np.random.default_rng(1).integers(0, 256, shape, dtype=np.uint8)
    np.testing.assert_allclose(shrunk(image, 8, 9), slow_shrunk(image, 8, 9), atol=1 / 1024)


def test_colour_and_grey_of_the_same_picture_look_alike():
    grey = smooth_faces(1)[0]
    np.testing.assert_allclose(shrunk(grey[..., None].repeat(3, 2), 8, 9), shrunk(grey, 8, 9), atol=1 / 512)


def test_difference_hash_reads_from_left_to_right():
    ramp = np.arange(72, dtype=np.uint8).reshape(8, 9)
    assert difference_hash(ramp) == 2**64 - 1
    assert difference_hash(ramp[:, ::-1]) == 0
    one = np.zeros((8, 9), np.uint8)
    one[0, 1] = 9  # only the very first cell is darker than its neighbour
    assert difference_hash(one) == 1 << 63


def test_near_groups_find_changed_copies_and_no_others():
    faces = smooth_faces(200)
    rng = np.random.default_rng(3)
    darker = (faces[10] * 0.7 + 20).astype(np.uint8)
    noisy = np.clip(faces[20] + rng.normal(0, 4, (48, 48)), 0, 255).astype(np.uint8)
    marked = faces[30].copy()
    marked[30:34, 10:30] = marked[30:34, 10:30] * 0.8 + 51  # a watermark
    images = np.concatenate([faces, [darker, noisy, marked, faces[40]]])
    calls = []
    groups = near_groups(ArrayPictures(images), progress=lambda *call: calls.append(call))
    assert lists(groups) == [[10, 200], [20, 201], [30, 202], [40, 203]]
    assert calls[-1] == ("looking for near copies", 203, 203)


def test_near_copies_of_near_copies_join():
    face = smooth_faces(1)[0].astype(float)
    steps = np.stack([face * scale for scale in (1, 0.9, 0.8, 0.7)]).astype(np.uint8)
    assert lists(near_groups(ArrayPictures(steps))) == [[0, 1, 2, 3]]


def test_a_constant_picture_resembles_only_its_exact_copies():
    flat = np.zeros((4, 8, 8), np.uint8)
    flat[2:] = 9
    assert lists(near_groups(ArrayPictures(flat))) == [[0, 1], [2, 3]]


@pytest.mark.parametrize("options", [{"max_distance": -1}, {"max_distance": 16}, {"min_correlation": 0}])
def test_near_groups_check_their_options(options):
    with pytest.raises(ConfigError, match=next(iter(options))):
        near_groups(ArrayPictures(np.zeros((1, 2, 2), np.uint8)), **options)
