"""Moments are what the slow, obvious sums over rows say, whatever the rows are kept in and however they are cut."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import ridge_parts

from acofer.errors import ConfigError, DataError, LeakageError
from acofer.scoring.moments import FoldMoments
from acofer.scoring.protocol import stratified_folds

N, P, C = 300, 40, 3
SOME, OTHERS = np.array([0, 3, 4, 17, 39]), np.array([21, 2, 3])
CLOSE = {"rtol": 0, "atol": 1e-6 * N}
"""Entries are sums of N products of about 1 in float32, whose eps is 1.2e-7, and a training block is the difference of
two such sums; the worst entry of 60 problems was 2.4e-7 N off."""


def problem(seed=0, n=N, p=P, n_classes=C):
    rng = np.random.default_rng(seed)
    y = rng.permutation(np.arange(n) % n_classes)
    X = rng.normal(size=(n, p)) * rng.uniform(0.1, 10, p) + rng.uniform(-20, 20, p)
    X[:, : p // 4] += y[:, None]
    return X, y, stratified_folds(y, 4, seed)


@pytest.fixture(scope="module")
def made():
    return problem()


def drawn_rows(seed, X, n_folds=4, n=25):
    rng = np.random.default_rng(seed)
    return [(rng.normal(X.mean(axis=0), X.std(axis=0), (n, X.shape[1])), rng.integers(0, C, n)) for _ in range(n_folds)]


def centred_sums(rows, targets, weight, means, target_means):
    """Return Gram matrix, cross products and the targets' sum of squares about some means."""
    x, t = rows - means, targets - target_means
    return (x.T * weight) @ x, (x.T * weight) @ t, (weight[:, None] * t**2).sum()


@pytest.mark.parametrize("kind", ["plain", "class_weight", "synthetic"])
def test_blocks_are_what_sums_over_rows_say(made, kind):
    X, y, folds = made
    y = np.where(np.arange(N) % 5 == 0, y, y // 2)  # unequal classes, so that weights differ
    options = {"class_weight": {"class_weight": True}, "synthetic": {"synthetic": drawn_rows(1, X)}}.get(kind, {})
    moments = FoldMoments.of(X, y, folds, C, **options)
    assert (moments.n_features, moments.n_classes, moments.n_folds) == (P, C, 4)
    for fold, (train, validation) in enumerate(ridge_parts(X, y, folds, C, **options)):
        rows, targets, weight = train
        means = np.average(rows, axis=0, weights=weight), np.average(targets, axis=0, weights=weight)
        gram, cross, _ = centred_sums(*train, *means)
        np.testing.assert_allclose(moments.training(fold, SOME), gram[np.ix_(SOME, SOME)], **CLOSE)
        np.testing.assert_allclose(moments.training(fold, SOME, OTHERS), gram[np.ix_(SOME, OTHERS)], **CLOSE)
        np.testing.assert_allclose(moments.training_cross(fold, SOME), cross[SOME], **CLOSE)
        assert moments.training_weight(fold) == pytest.approx(weight.sum())
        for ours, slow in zip(moments.training_means(fold, SOME), (means[0][SOME], means[1]), strict=True):
            np.testing.assert_allclose(ours, slow, atol=1e-6)
        gram, cross, squares = centred_sums(*validation, *means)
        np.testing.assert_allclose(moments.validation(fold, SOME), gram[np.ix_(SOME, SOME)], **CLOSE)
        np.testing.assert_allclose(moments.validation(fold, SOME, OTHERS), gram[np.ix_(SOME, OTHERS)], **CLOSE)
        np.testing.assert_allclose(moments.validation_cross(fold, SOME), cross[SOME], **CLOSE)
        assert moments.validation_squares(fold) == pytest.approx(squares)


def test_no_fold_means_all_real_rows(made):
    X, y, folds = made
    moments = FoldMoments.of(X, y, folds, C, synthetic=drawn_rows(2, X))
    Z, targets = (X - X.mean(axis=0)) / X.std(axis=0), np.eye(C)[y]
    gram, cross, _ = centred_sums(Z, targets, np.ones(N), Z.mean(axis=0), targets.mean(axis=0))
    np.testing.assert_allclose(moments.training(None, SOME), gram[np.ix_(SOME, SOME)], **CLOSE)
    np.testing.assert_allclose(moments.training_cross(None, SOME), cross[SOME], **CLOSE)
    assert moments.training_weight(None) == N
    np.testing.assert_allclose(moments.shift, X.mean(axis=0))
    np.testing.assert_allclose(moments.scale, X.std(axis=0))


def test_blocks_of_all_folds_are_those_of_each(made):
    X, y, folds = made
    for synthetic in (None, drawn_rows(3, X)):
        moments = FoldMoments.of(X, y, folds, C, synthetic=synthetic)
        blocks = list(moments.blocks(SOME))
        assert len(blocks) == 4
        for fold, own in enumerate(blocks):
            np.testing.assert_array_equal(own.gram, moments.training(fold, SOME))
            np.testing.assert_array_equal(own.cross, moments.training_cross(fold, SOME))
            np.testing.assert_array_equal(own.validation_gram, moments.validation(fold, SOME))
            np.testing.assert_array_equal(own.validation_cross, moments.validation_cross(fold, SOME))
            assert own.validation_squares == moments.validation_squares(fold)
            assert own.weight == moments.training_weight(fold)
            assert own.validation_weight == len(folds[fold][1])


@given(
    seed=st.integers(0, 1000),
    p=st.integers(1, 600),
    n_classes=st.integers(1, 4),
    rows_at_once=st.integers(1, 70),
    data=st.data(),
)
@settings(max_examples=25, deadline=None)
def test_any_block_of_any_shape(seed, p, n_classes, rows_at_once, data):
    # 600 columns are more than are mirrored at a time
    X, y, folds = problem(seed, n=60, p=p, n_classes=n_classes)
    moments = FoldMoments.of(X, y, folds, n_classes, rows_at_once=rows_at_once)
    Z = (X - X.mean(axis=0)) / X.std(axis=0)
    np.testing.assert_allclose(moments.total.gram, Z.T @ Z, atol=60 * 1e-6)
    np.testing.assert_array_equal(moments.total.gram, moments.total.gram.T)
    features = st.lists(st.integers(0, p - 1), max_size=8)
    rows, columns = (np.array(data.draw(features), dtype=np.int32) for _ in range(2))
    whole = moments.training(1, np.arange(p))
    np.testing.assert_allclose(moments.training(1, rows), whole[np.ix_(rows, rows)], atol=1e-9)
    np.testing.assert_allclose(moments.training(1, rows, columns), whole[np.ix_(rows, columns)], atol=1e-9)


def test_stretches_of_rows_add_up_to_all_at_once(made):
    X, y, folds = made
    once = FoldMoments.of(X, y, folds, C)
    often = FoldMoments.of(X, y, folds, C, rows_at_once=7)
    np.testing.assert_allclose(often.scale, once.scale)
    for a, b in zip(often.held_out, once.held_out, strict=True):
        np.testing.assert_allclose(a.gram, b.gram, **CLOSE)
        np.testing.assert_allclose(a.cross, b.cross, **CLOSE)


def test_half_precision_in_a_memory_map_is_as_good_as_the_same_numbers_in_memory(made, tmp_path):
    X, y, folds = made
    half = X.astype(np.float16)
    np.save(tmp_path / "X.npy", half)
    mapped = FoldMoments.of(np.load(tmp_path / "X.npy", mmap_mode="r"), y, folds, C)
    single = FoldMoments.of(half.astype(np.float32), y, folds, C)
    for ours, same in zip([mapped.total, *mapped.held_out], [single.total, *single.held_out], strict=True):
        np.testing.assert_array_equal(ours.gram, same.gram)
        np.testing.assert_array_equal(ours.cross, same.cross)
    double = FoldMoments.of(half.astype(np.float64), y, folds, C)
    np.testing.assert_allclose(mapped.training(0, SOME), double.training(0, SOME), **CLOSE)
    np.testing.assert_array_equal(np.load(tmp_path / "X.npy"), half)


class Watched:
    """A matrix that counts how many rows it is asked for at once."""

    def __init__(self, X):
        self.X, self.shape, self.dtype, self.most, self.read = X, X.shape, X.dtype, 0, 0

    def __getitem__(self, rows):
        assert isinstance(rows, np.ndarray)
        assert rows.dtype == np.int64
        self.most, self.read = max(self.most, len(rows)), self.read + len(rows)
        return self.X[rows]


def test_no_more_rows_than_allowed_are_held_and_all_are_told_of(made):
    X, y, folds = made
    watched, told = Watched(np.asfortranarray(X)), []
    before = X.copy()
    moments = FoldMoments.of(watched, y, folds, C, rows_at_once=32, on_rows=lambda *done: told.append(done))
    assert watched.most == 32
    assert watched.read == 2 * N
    assert told[-1] == (2 * N, 2 * N)
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    np.testing.assert_array_equal(X, before)
    np.testing.assert_array_equal(moments.total.gram, FoldMoments.of(X, y, folds, C, rows_at_once=32).total.gram)


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_columns_far_from_zero_lose_nothing_beyond_their_own_precision(made, kind):
    # Summing raw float32 squares would leave no digit of the variance of such columns.
    X, y, folds = made
    far = (X + 1e4).astype(kind)
    moments = FoldMoments.of(far, y, folds, C)
    train, _ = next(ridge_parts(far.astype(np.float64), y, folds, C))
    gram, *_ = centred_sums(*train, train[0].mean(axis=0), train[1].mean(axis=0))
    np.testing.assert_allclose(moments.training(0, SOME), gram[np.ix_(SOME, SOME)], **CLOSE)


@pytest.mark.parametrize("constant", [0.0, 0.1, 12345.678])
@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
def test_a_constant_column_is_zero_and_has_scale_1(made, constant, kind):
    X, y, folds = made
    X = X.astype(kind)
    X[:, 3] = constant
    moments = FoldMoments.of(X, y, folds, C, rows_at_once=64)
    assert moments.scale[3] == 1
    assert np.abs(moments.total.gram[3]).max() < 1e-6


def replaced(folds, number, **parts):
    train, validation = folds[number]
    return [*folds[:number], (parts.get("train", train), parts.get("validation", validation)), *folds[number + 1 :]]


def test_what_does_not_fit_is_refused(made):
    X, y, folds = made
    with pytest.raises(LeakageError, match="training and validation share 1 rows"):
        FoldMoments.of(X, y, replaced(folds, 1, train=np.append(folds[1][0], folds[1][1][0])), C)
    with pytest.raises(DataError, match="fold 2: expected to train on all rows but"):
        FoldMoments.of(X, y, replaced(folds, 2, train=folds[2][0][1:]), C)
    with pytest.raises(DataError, match="expected validation parts that hold every row once"):
        FoldMoments.of(X, y, folds[:3], C)
    with pytest.raises(DataError, match="expected validation parts that hold every row once"):
        FoldMoments.of(X, y, [*folds, (np.arange(N), np.arange(0))], C)
    with pytest.raises(DataError, match="expected validation parts that hold every row once"):
        FoldMoments.of(X, y, [], C)
    with pytest.raises(DataError, match="X: expected 299 rows of 40 features; got shape"):
        FoldMoments.of(X, y[:-1], folds, C)
    with pytest.raises(DataError, match="expected classes from 0 to 1; got 0 to 2"):
        FoldMoments.of(X, y, folds, 2)
    with pytest.raises(DataError, match="synthetic: expected rows for each of 4 folds; got 1"):
        FoldMoments.of(X, y, folds, C, synthetic=[(X, y)])
    with pytest.raises(DataError, match="synthetic: expected 300 rows of 40 features"):
        FoldMoments.of(X, y, folds, C, synthetic=[(X[:, :-1], y)] * 4)
    with pytest.raises(ConfigError, match="class weights and synthetic rows"):
        FoldMoments.of(X, y, folds, C, synthetic=[(X, y)] * 4, class_weight=True)
    with pytest.raises(ConfigError, match="rows_at_once: expected at least 1; got 0"):
        FoldMoments.of(X, y, folds, C, rows_at_once=0)


def test_a_class_with_one_row_is_named_before_anything_is_read(made):
    # The fold that validates on it would train without it.
    X, y, folds = made
    y = np.where(y == 2, 1, y)
    y[7] = 2
    with pytest.raises(DataError, match=r"expected training rows of every class; class 2 has none; use fewer folds"):
        FoldMoments.of(Watched(X[:, :0]), y, [(np.delete(np.arange(N), v), v) for _, v in folds], C)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_not_finite_is_refused_wherever_it_is(made, value):
    X, y, folds = made
    broken = X.copy()
    broken[250, 11] = value
    with pytest.raises(DataError, match="got NaN or infinity in column 11"):
        FoldMoments.of(broken, y, folds, C)
    with pytest.raises(DataError, match="got NaN or infinity in column 11"):
        FoldMoments.of(X, y, folds, C, synthetic=[(X, y)] * 3 + [(broken, y)])


@pytest.mark.parametrize("features", [[0, P], [-1, 2]])
def test_features_that_are_not_there_are_refused(made, features):
    X, y, folds = made
    moments = FoldMoments.of(X, y, folds, C)
    for ask in (
        lambda f: moments.training(0, f),
        lambda f: moments.training(0, SOME, f),
        lambda f: moments.validation(0, f),
        lambda f: moments.validation_cross(0, f),
        lambda f: list(moments.blocks(f)),
    ):
        with pytest.raises(DataError, match="features: expected numbers from 0 to 39"):
            ask(np.array(features))
