import numpy as np
import pytest

from acofer.config.search import SearchConfig
from acofer.errors import ConfigError, DataError, LeakageError
from acofer.features.balance import METHODS
from acofer.records import Split
from acofer.runs.material import check_protocol, material_of, search_folds, training_matrix

N, FEATURES = 400, 6


@pytest.fixture
def values():
    return np.random.default_rng(1).normal(size=(N, FEATURES)).astype(np.float16)


@pytest.fixture
def labels():
    return np.random.default_rng(2).choice(3, N, p=(0.6, 0.3, 0.1)).astype(np.int16)


@pytest.fixture
def split():
    rows = np.random.default_rng(3).permutation(N)
    return Split("made", np.sort(rows[:280]), np.sort(rows[280:340]), np.sort(rows[340:]), "f" * 16)


def rows_of(X):
    return [row.tobytes() for row in np.ascontiguousarray(X, dtype=np.float32)]


def labelled(X, y):
    return list(zip(rows_of(X), y.tolist(), strict=True))


def laid_out(values, labels, split, **options):
    config = SearchConfig(**options).settled()
    material = material_of(config, values, labels, split)
    training = training_matrix(material, config.seed)
    return material, training, list(search_folds(config, material, training))


@pytest.mark.parametrize("folds", [0, 3])
@pytest.mark.parametrize("balance", METHODS)
def test_only_training_rows_are_resampled_and_all_others_are_real(values, labels, split, balance, folds):
    material, training, cuts = laid_out(values, labels, split, balance=balance, folds=folds)
    train, validation, test = (
        labelled(values[rows], labels[rows]) for rows in (split.train, split.validation, split.test)
    )
    assert labelled(material.X_test, material.sealed.open({"any": np.zeros(len(split.test))})) == test
    assert material.n_synthetic_test_rows == 0
    np.testing.assert_array_equal(material.test_rows, split.test)

    scored = [labelled(cut.validation(np.arange(FEATURES)), cut.y_validation) for cut in cuts]
    if folds:
        assert len(scored) == folds
        assert sorted(row for fold in scored for row in fold) == sorted(train)  # each training row is scored once
    else:
        assert scored == [validation]

    fitted = [training, *(cut.train(np.arange(FEATURES))[:2] for cut in cuts)]
    for (X, y), forbidden in zip(fitted, [validation, *scored], strict=True):
        real = set(labelled(X, y)) & set(train)
        assert not set(rows_of(X)) & {row for row, _ in [*forbidden, *test]}
        n_synthetic = len(y) - len(real)
        assert (n_synthetic > 0) == ("smote" in balance)
        assert len(np.unique(np.bincount(y))) == 1 or balance == "none"
    assert balance != "none" or labelled(*training) == train


def test_synthetic_rows_of_a_fold_lie_between_rows_of_that_fold_only(labels, split):
    # One feature, the row's number: a synthetic row lies between two rows of its own class and fold.
    numbers = np.arange(N, dtype=np.float16)[:, None]
    _, _, cuts = laid_out(numbers, labels, split, folds=3)
    for cut in cuts:
        X, y, _ = cut.train(np.array([0]))
        held_out = set(cut.validation(np.array([0]))[:, 0].tolist())
        for label in range(3):
            own = X[y == label, 0]
            real = sorted({x for x in own.tolist() if float(x).is_integer() and int(x) not in held_out})
            assert own.min() >= real[0]
            assert own.max() <= real[-1]


def test_parts_that_share_rows_trip_the_alarm(values, labels, split):
    crossed = Split("crossed", split.train, split.validation, np.append(split.test, split.train[7]), "f" * 16)
    with pytest.raises(LeakageError, match="train and test share 1 rows"):
        material_of(SearchConfig().settled(), values, labels, crossed)


def test_smote_first_puts_synthetic_rows_on_both_sides(values, labels, split):
    material, training, cuts = laid_out(values, labels, split, protocol="leaky-smote-first")
    n_all = 3 * np.bincount(labels).max()
    assert len(material.X) + len(material.X_test) == n_all
    assert len(material.X_test) == pytest.approx(0.2 * n_all, abs=1)
    real = set(rows_of(values))
    assert material.n_synthetic_test_rows == sum(row not in real for row in rows_of(material.X_test)) > 0
    assert any(row not in real for row in rows_of(training[0]))
    assert material.test_rows is None
    assert len(training[1]) == len(material.y)  # resampled already, and not a second time
    assert len(cuts) == 1
    assert len(cuts[0].y_validation) == pytest.approx(n_all / 10, abs=2)


def test_smote_on_the_test_part_leaves_the_developing_rows_real(values, labels, split):
    material, training, cuts = laid_out(values, labels, split, protocol="leaky-smote-test")
    real = set(rows_of(values))
    assert set(rows_of(material.X)) <= real
    for cut in cuts:
        assert set(rows_of(cut.validation(np.arange(FEATURES)))) <= real
    assert material.n_synthetic_test_rows == sum(row not in real for row in rows_of(material.X_test)) > 0
    counts = np.bincount(material.sealed.open({"any": np.zeros(len(material.X_test))}))
    assert len(set(counts.tolist())) == 1
    assert not set(rows_of(material.X_test)) & set(rows_of(training[0]))


@pytest.mark.parametrize("protocol", ["leaky-smote-first", "leaky-smote-test"])
@pytest.mark.parametrize("balance", ["none", "nearmiss"])
def test_a_protocol_named_after_smote_is_refused_without_it(values, labels, split, protocol, balance):
    config = SearchConfig(protocol=protocol, balance=balance)
    with pytest.raises(ConfigError, match=f"got balance {balance}; set --balance smote"):
        check_protocol(config)
    with pytest.raises(ConfigError, match="needs SMOTE"):
        material_of(config, values, labels, split)


def test_the_clean_protocol_takes_every_balance():
    for balance in METHODS:
        check_protocol(SearchConfig(balance=balance))


def test_too_few_rows_to_cut_are_said_in_one_line(values, split):
    labels = np.r_[np.zeros(10, np.int16), np.int16(1)]
    with pytest.raises(DataError, match=r"to cut 20 % from 11; .*bring more pictures"):
        material_of(SearchConfig(protocol="leaky-smote-test").settled(), values[:11], labels, split)
