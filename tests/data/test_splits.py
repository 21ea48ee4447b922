from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from acofer.data.splits import fingerprint, make_split
from acofer.errors import ConfigError, DataError


def parts_of(split, n):
    """Return the part of each row, and fail where a row is in none or in two."""
    parts = np.full(n, -1)
    for code, rows in enumerate((split.train, split.validation, split.test)):
        assert (parts[rows] == -1).all(), "a row is in two parts"
        assert (np.diff(rows) > 0).all()
        parts[rows] = code
    assert (parts >= 0).all(), "a row is in no part"
    return parts


def test_official_takes_the_parts_as_they_are(image_set):
    images = image_set([0, 1] * 4, parts=[0, 0, 0, 0, 1, 1, 2, 2])
    split = make_split(images)
    assert split.name == "official"
    assert parts_of(split, 8).tolist() == [0, 0, 0, 0, 1, 1, 2, 2]
    assert make_split(images, seed=5).fingerprint == split.fingerprint


def test_official_names_copied_test_rows_and_keeps_them(image_set):
    images = image_set([0, 1] * 4, codes=[0, 1, 2, 3, 4, 5, 0, 4], parts=[0, 0, 0, 0, 1, 1, 2, 2])
    split = make_split(images)
    assert split.copied_test_rows.tolist() == [6, 7]
    assert split.test.tolist() == [6, 7]


def test_official_cuts_a_missing_validation_part_from_train(image_set):
    labels = np.tile([0, 1], 60)
    parts = np.repeat([0, 2], [100, 20])
    images = image_set(labels, codes=np.r_[np.arange(100) // 4, np.arange(20) + 1000], parts=parts)
    split = make_split(images, seed=3)
    assert split.name == "official-validation-cut-seed3"
    assert split.test.tolist() == list(range(100, 120))
    assert 8 <= len(split.validation) <= 12
    groups = images.pictures.digests
    assert not np.isin(groups[split.validation], groups[split.train]).any()
    assert images.parts.tolist() == parts.tolist(), "the caller's parts must stay as they were"


def test_official_needs_official_parts(image_set):
    with pytest.raises(DataError, match="use --split stratified"):
        make_split(image_set([0, 1] * 4))
    with pytest.raises(DataError, match="no official test rows"):
        make_split(image_set([0, 1] * 4, parts=[0] * 8))
    with pytest.raises(DataError, match="no official train rows"):
        make_split(image_set([0, 1] * 4, parts=[2] * 8))


def test_stratified_keeps_the_shares_of_the_classes(image_set):
    labels = np.repeat([0, 1, 2], [1000, 300, 40])
    split = make_split(image_set(labels), "stratified", seed=1, validation_share=0.2, test_share=0.1)
    assert split.name == "stratified-seed1"
    assert np.bincount(labels[split.validation]).tolist() == [200, 60, 8]
    assert np.bincount(labels[split.test]).tolist() == [100, 30, 4]


def test_stratified_depends_on_the_seed_alone(image_set):
    images = image_set(np.repeat([0, 1], 100))
    one, same, other = (make_split(images, "stratified", seed=seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(one.test, same.test)
    assert one.fingerprint == same.fingerprint
    assert one.fingerprint != other.fingerprint
    assert one.test.tolist() != list(range(10)), "rows must be shuffled"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])  # the fixture is a pure function
@given(data=st.data(), seed=st.integers(0, 5), validation_share=st.floats(0.05, 0.4), test_share=st.floats(0.05, 0.4))
def test_stratified_is_a_partition_that_no_copy_crosses(image_set, data, seed, validation_share, test_share):
    rows = data.draw(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 15)), min_size=6, max_size=90))
    labels, codes = np.array(rows).T
    if not data.draw(st.booleans(), label="copies may have two labels"):
        codes = codes + 100 * labels
    assume(set(labels) == {0, 1, 2})
    images = image_set(labels, codes=codes)
    shares = {"validation_share": validation_share, "test_share": test_share}
    pictures = [set(codes[labels == label]) for label in range(3)]
    if any(len(own) < 4 for own in pictures) or any(a & b for a, b in combinations(pictures, 2)):
        # Too small, or copies with two labels, which may leave a class empty somewhere: it may refuse.
        try:
            split = make_split(images, "stratified", seed=seed, **shares)
        except DataError:
            return
    else:
        split = make_split(images, "stratified", seed=seed, **shares)
    parts = parts_of(split, len(labels))
    for code in set(codes):
        assert len(set(parts[codes == code])) == 1, "copies lie on two sides"
    counts = [np.bincount(labels[parts == part], minlength=3) for part in range(3)]
    assert counts[0].min() >= 2
    assert min(counts[1].min(), counts[2].min()) >= 1
    assert len(split.copied_test_rows) == 0


def test_a_class_of_large_groups_reaches_every_part(image_set):
    codes = np.r_[np.arange(100), np.repeat([1000, 1001, 1002], 5)]
    labels = np.repeat([0, 1], [100, 15])
    split = make_split(image_set(labels, codes=codes), "stratified")
    assert np.bincount(labels[parts_of(split, 115) == 0])[1] == 5


@pytest.mark.parametrize("copies", [[1, 1, 1, 1], [1, 1, 1, 5], [2, 1, 1, 1]])
@pytest.mark.parametrize("share", [0.05, 0.4])
def test_four_pictures_of_a_class_are_enough(image_set, copies, share):
    codes = np.r_[np.arange(50), np.repeat([1000, 1001, 1002, 1003], copies)]
    labels = np.repeat([0, 1], [50, sum(copies)])
    for seed in range(10):
        images = image_set(labels, codes=codes)
        split = make_split(images, "stratified", seed=seed, validation_share=share, test_share=share)
        counts = np.bincount(parts_of(split, len(labels))[labels == 1], minlength=3)
        assert counts[0] >= 2
        assert counts[1:].min() >= 1


@pytest.mark.parametrize("n", [1, 2, 3])
def test_a_class_with_too_few_pictures_is_named(image_set, n):
    images = image_set(np.repeat([0, 1], [50, n]), class_names=("happy", "sad"))
    with pytest.raises(DataError, match=f"class 'sad' needs at least .* and {n} in all"):
        make_split(images, "stratified")


def test_a_class_of_copies_of_one_picture_is_named(image_set):
    images = image_set(np.repeat([0, 1], [50, 20]), codes=np.r_[np.arange(50), np.full(20, 99)])
    with pytest.raises(DataError, match=r"'class 1' needs at least 1 picture.s. in validation.*copies stay together"):
        make_split(images, "stratified")


def test_a_class_with_one_training_picture_is_named(image_set):
    images = image_set([0, 0, 1, 0, 1, 0, 1], parts=[0, 0, 0, 1, 1, 2, 2])
    with pytest.raises(DataError, match=r"'class 1' needs at least 2 picture.s. in train, but has 1"):
        make_split(images)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kind": "stratifed"}, "did you mean 'stratified'"),
        ({"seed": -1}, "seed must be 0 or larger"),
        ({"validation_share": 0.0}, "validation share must lie between 0 and 1"),
        ({"test_share": 1.5}, "test share must lie between 0 and 1"),
        ({"test_share": float("nan")}, "test share must lie between 0 and 1"),
        ({"validation_share": 0.5, "test_share": 0.5}, "leave something for train"),
    ],
)
def test_options_are_checked(image_set, options, message):
    with pytest.raises(ConfigError, match=message):
        make_split(image_set([0, 1] * 10), **{"kind": "stratified", **options})


def test_the_fingerprint_changes_with_everything_that_matters(image_set):
    parts = np.array([0, 0, 0, 0, 1, 1, 2, 2], np.uint8)
    images = image_set([0, 1] * 4, class_names=("ab", "c"))
    others = [
        fingerprint(image_set([0, 1] * 4, codes=[9, *range(1, 8)], class_names=("ab", "c")), parts),
        fingerprint(replace(images, labels=images.labels[::-1].copy()), parts),
        fingerprint(replace(images, class_names=("a", "bc")), parts),
        fingerprint(images, parts[::-1]),
        fingerprint(images, parts),
    ]
    assert len(set(others)) == 5
    assert fingerprint(replace(images, name="x", source="y"), parts) == others[-1]
    assert len(others[-1]) == 16
