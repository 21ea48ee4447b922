import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reference import pareto_front

from acofer.colony.archive import Archive, is_within_one_standard_error
from acofer.errors import ConfigError
from acofer.records import SubsetScore


def score(size, folds, offset=0):
    folds = np.asarray(folds, dtype=float)
    return SubsetScore(np.arange(offset, offset + size, dtype=np.int32), folds.mean(), folds.mean(), folds, 0.0, 0.0)


def archive_of(*scores):
    archive = Archive()
    for each in scores:
        archive.add(each)
    return archive


def test_one_standard_error_is_that_of_the_paired_differences():
    # Worked by hand: differences 1, 2, 3, 2 -> mean 2, standard deviation sqrt(2/3), standard error .408: not within.
    best = score(10, [11, 12, 13, 12])
    assert not is_within_one_standard_error(score(3, [10, 10, 10, 10]), best)
    # Differences 1, -1, 1, 0 -> mean .25, standard deviation .957, standard error .479: within.
    assert is_within_one_standard_error(score(4, [10, 13, 12, 12]), best)


def test_the_rules_pick_what_they_say():
    best, close, far = score(10, [11, 12, 13, 12]), score(4, [10, 13, 12, 12]), score(2, [5, 5, 5, 5])
    archive = archive_of(best, close, far)
    assert archive.pick("best") is best
    assert archive.pick("1se") is close
    assert archive.pick(3) is far
    assert archive.pick("9") is close


def test_folds_that_agree_leave_no_room():
    # Every difference is the same: the standard error is 0 and nothing but the best is within it.
    best, other = score(10, [2, 3, 4]), score(2, [1, 2, 3])
    assert archive_of(best, other).pick("1se") is best


def test_one_fold_has_no_standard_error():
    best, other = score(10, [2.0]), score(2, [1.9])
    assert archive_of(best, other).pick("1se") is best


def test_pick_refuses_what_it_cannot_do():
    archive = archive_of(score(5, [1, 2]))
    with pytest.raises(ConfigError, match="the smallest has 5"):
        archive.pick(4)
    with pytest.raises(ConfigError, match="did you mean 'best'"):
        archive.pick("bst")


def test_a_subset_stands_once():
    first, again = score(3, [1, 2]), score(3, [5, 6])
    archive = archive_of(first, again)
    assert len(archive) == 1
    assert archive.get(first.indices) is first


@given(st.lists(st.tuples(st.integers(1, 12), st.integers(0, 6)), min_size=1, max_size=40))
def test_front_equals_its_slow_twin(pairs):
    scores = [score(size, [utility, utility], offset=100 * i) for i, (size, utility) in enumerate(pairs)]
    front = archive_of(*scores).front()
    assert [(s.size, s.utility) for s in front] == pareto_front(scores)
