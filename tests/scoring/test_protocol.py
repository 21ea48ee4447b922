import numpy as np
import pytest

from acofer.errors import DataError, LeakageError
from acofer.scoring.protocol import (
    SealedLabels,
    check_disjoint,
    columns,
    standard_error,
    stratified_folds,
    validation_blocks,
)


def test_parts_that_share_a_row_are_refused():
    check_disjoint(train=np.array([0, 1]), test=np.array([2]))
    with pytest.raises(LeakageError, match="train and test share 1 rows"):
        check_disjoint(train=np.array([0, 1]), validation=np.array([3]), test=np.array([2, 1]))


def test_sealed_labels_open_once_and_only_after_predictions():
    sealed = SealedLabels(np.array([1, 2, 3]))
    assert len(sealed) == 3
    with pytest.raises(LeakageError, match="only after predictions"):
        sealed.open({})
    with pytest.raises(LeakageError, match="predicts 2 test rows, expected 3"):
        sealed.open({"cheater": np.zeros(2)})
    np.testing.assert_array_equal(sealed.open({"honest": np.zeros(3)}), [1, 2, 3])
    with pytest.raises(LeakageError, match="opened before"):
        sealed.open({"honest": np.zeros(3)})


def test_folds_are_stratified_disjoint_and_cover_all():
    y = np.repeat([0, 1, 2], [60, 30, 10])
    folds = stratified_folds(y, 5, seed=0)
    np.testing.assert_array_equal(np.sort(np.concatenate([v for _, v in folds])), np.arange(100))
    for train, validation in folds:
        check_disjoint(train=train, validation=validation)
        assert np.bincount(y[validation]).tolist() == [12, 6, 2]


def test_a_class_too_small_for_the_folds_is_named():
    with pytest.raises(DataError, match="class 1 has 2"):
        stratified_folds(np.array([0] * 10 + [1] * 2), 5, seed=0)


@pytest.mark.parametrize("counts", [[400, 200, 100], [50, 3], [1, 1, 1, 1], [1]])
def test_blocks_cut_all_rows_once(counts):
    y = np.repeat(np.arange(len(counts)), counts)
    blocks = validation_blocks(y, seed=0)
    np.testing.assert_array_equal(np.sort(np.concatenate(blocks)), np.arange(len(y)))
    assert len(blocks) == min(10, len(y))


def test_standard_error_by_hand():
    assert standard_error(np.array([1.0, 2.0, 3.0, 4.0])) == pytest.approx(np.sqrt(5 / 3) / 2)
    assert np.isnan(standard_error(np.array([1.0])))


def test_columns_keep_values_and_order():
    X = np.asfortranarray(np.random.default_rng(0).random((7, 9)))
    picked = columns(X, np.array([3, 8], dtype=np.int32))
    np.testing.assert_array_equal(picked, X[:, [3, 8]])
    assert picked.flags.f_contiguous
    np.testing.assert_array_equal(columns(X, np.arange(9, dtype=np.int32)), X)
