import copy
import io
import pickle

import joblib
import numpy as np
import pytest
import reference
from scipy import stats
from sklearn.datasets import load_breast_cancer, load_digits, make_classification
from sklearn.ensemble import BaggingClassifier, RandomForestClassifier
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from acofer.errors import AcoferError, ConfigError, DataError
from acofer.forest import vote
from acofer.forest.binning import SAMPLE_ROWS, Bins, find_bins
from acofer.forest.forest import HistForestClassifier, is_sound
from acofer.forest.trees import tree_seeds

LEARNT = ("tree_starts_", "share_starts_", "node_features_", "node_thresholds_", "node_children_", "leaf_shares_",
          "bin_edges_", "classes_", "feature_importances_")  # fmt: skip


def quick(n_estimators=10, **knobs):
    return HistForestClassifier(n_estimators, **{"random_state": 0, **knobs})


@pytest.fixture(scope="module")
def planted():
    """Four classes, three of which have a feature of their own among thirty-five, at columns 10, 20 and 30."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 4, 300)
    X = rng.normal(size=(300, 35))
    X[y < 3, 10 * (y[y < 3] + 1)] += 3
    return X, np.array(["north", "east", "south", "west"])[y]


def assert_equal_forests(one, other):
    for name in LEARNT:
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)


@parametrize_with_checks(
    [HistForestClassifier(5)],
    expected_failed_checks=lambda _: {
        "check_sample_weight_equivalence_on_dense_data": "weights act through the draws, so they are equal to "
        "repeated rows in distribution only, as in RandomForestClassifier; that is tested below"
    },
)
def test_scikit_learns_checks(estimator, check):
    check(estimator)


@pytest.mark.parametrize(
    "data",
    [
        load_digits(return_X_y=True),
        load_breast_cancer(return_X_y=True),
        make_classification(1000, 40, n_informative=10, n_classes=4, random_state=0),
    ],
    ids=["digits", "breast cancer", "made"],
)
def test_is_as_accurate_as_scikit_learns(data):
    X, X_test, y, y_test = train_test_split(*data, test_size=0.5, random_state=0, stratify=data[1])
    own, theirs = (
        np.array([kind(100, random_state=seed).fit(X, y).score(X_test, y_test) for seed in range(6)])
        for kind in (HistForestClassifier, RandomForestClassifier)
    )
    # Two standard deviations are what another seed may move the accuracy of one forest.
    assert abs(own.mean() - theirs.mean()) < 2 * np.sqrt((own.var(ddof=1) + theirs.var(ddof=1)) / 2)


def test_threads_do_not_matter(planted, monkeypatch):
    X, y = planted
    monkeypatch.setattr("acofer.forest.forest._WORTH_THREADS", 0)
    monkeypatch.setattr("acofer.forest.forest._ROWS_AT_ONCE", 900)
    alone, *others = (quick(30, oob_score=True, n_jobs=jobs).fit(X, y) for jobs in (None, 1, 2, 5, -1))
    for other in others:
        assert_equal_forests(alone, other)
        np.testing.assert_array_equal(alone.oob_decision_function_, other.oob_decision_function_)
        np.testing.assert_array_equal(alone.predict_proba(X), other.predict_proba(X))


def test_the_first_trees_are_the_same_however_many_there_are(planted):
    few, many = (quick(n).fit(*planted) for n in (3, 20))
    n_nodes = few.tree_starts_[-1]
    np.testing.assert_array_equal(few.tree_starts_, many.tree_starts_[:4])
    np.testing.assert_array_equal(few.node_features_, many.node_features_[:n_nodes])
    np.testing.assert_array_equal(few.node_children_, many.node_children_[:n_nodes])


def test_random_state_is_scikit_learns(planted):
    first, again, other = (quick(random_state=seed).fit(*planted) for seed in (0, 0, 1))
    assert_equal_forests(first, again)
    assert not np.array_equal(first.node_features_, other.node_features_)
    assert_equal_forests(*(quick(random_state=np.random.RandomState(3)).fit(*planted) for _ in range(2)))
    unseeded = [quick(random_state=None).fit(*planted).node_features_ for _ in range(2)]
    assert not np.array_equal(*unseeded)


def test_predictions_are_the_twins_votes(planted):
    X, y = planted
    forest = quick(5, max_depth=4).fit(X, y)
    trees = [reference.nodes_of(tree, 4) for tree in forest._trees()]
    rows = Bins(forest.bin_edges_).codes(X[:50])
    expected = np.array([np.mean([reference.leaf_shares(nodes, row) for nodes in trees], axis=0) for row in rows])
    proba = forest.predict_proba(X[:50])
    np.testing.assert_allclose(proba, expected, rtol=1e-12)
    np.testing.assert_array_equal(forest.predict(X[:50]), forest.classes_[proba.argmax(axis=1)])
    assert np.isneginf(forest.predict_log_proba(X[:50])[proba == 0]).all()
    np.testing.assert_allclose(np.exp(forest.predict_log_proba(X[:50])), proba)


def drawn_by(forest, y):
    """Yield, for each tree, its nodes and how often it drew each row; by the twin."""
    by_class = np.argsort(np.searchsorted(forest.classes_, y), kind="stable")
    for stream, first, last in zip(
        tree_seeds(forest.random_state, forest.n_estimators), forest.tree_starts_, forest.tree_starts_[1:], strict=False
    ):
        drawn = reference.draw_rows(list(by_class), len(y), None, reference.SplitMix(stream))
        yield slice(first, last), np.bincount(drawn, minlength=len(y))


def test_importances_are_the_mean_decrease_of_impurity(planted):
    X, y = planted
    forest = quick(7, max_depth=5).fit(X, y)
    codes, labels = Bins(forest.bin_edges_).codes(X), np.searchsorted(forest.classes_, y)

    def impurity(counts):
        """Gini impurity times weight."""
        weight = np.bincount(labels, counts)
        return weight.sum() - np.sum(weight**2) / weight.sum()

    by_tree = []
    for own, counts in drawn_by(forest, y):
        feature, threshold, child = (
            part[own] for part in (forest.node_features_, forest.node_thresholds_, forest.node_children_)
        )
        decreases = np.zeros(35)
        waiting = [(0, counts)]
        while waiting:
            node, here = waiting.pop()
            if feature[node] < 0:
                continue
            left = here * (codes[:, feature[node]] <= threshold[node])
            decreases[feature[node]] += impurity(here) - impurity(left) - impurity(here - left)
            waiting += [(child[node], left), (child[node] + 1, here - left)]
        by_tree.append(decreases / decreases.sum())
    np.testing.assert_allclose(forest.feature_importances_, np.mean(by_tree, axis=0), rtol=1e-5)
    assert set(np.argsort(forest.feature_importances_)[-3:]) == {10, 20, 30}


def test_importances_resemble_scikit_learns():
    # Over several forests: one forest's depend on which columns share a block.
    X, y = load_digits(return_X_y=True)
    own = np.mean([quick(40, random_state=seed).fit(X, y).feature_importances_ for seed in range(10)], axis=0)
    theirs = RandomForestClassifier(200, random_state=0).fit(X, y).feature_importances_
    assert np.corrcoef(own, theirs)[0, 1] > 0.99
    assert own.sum() == pytest.approx(1)


def test_nothing_to_split_on_has_no_importance():
    forest = quick().fit(np.ones((6, 3)), [0, 0, 0, 1, 1, 1])
    np.testing.assert_array_equal(forest.feature_importances_, np.zeros(3))
    assert forest.predict_proba([[1, 1, 1]]) == pytest.approx(0.5, abs=0.3)


def test_out_of_bag_is_the_vote_of_trees_that_have_not_drawn_the_row(planted):
    X, y = planted
    forest = quick(20, oob_score=True, max_depth=3).fit(X, y)
    votes, n_votes = np.zeros((300, 4)), np.zeros((300, 1))
    codes = Bins(forest.bin_edges_).codes(X)
    for tree, (_, counts) in zip(forest._trees(), drawn_by(forest, y), strict=True):
        for row in np.flatnonzero(counts == 0):
            votes[row] += reference.leaf_shares(reference.nodes_of(tree, 4), codes[row])
            n_votes[row] += 1
    assert (n_votes > 0).all()
    np.testing.assert_allclose(forest.oob_decision_function_, votes / n_votes, atol=1e-12)
    assert forest.oob_score_ == np.mean(forest.classes_[votes.argmax(axis=1)] == y)
    by_errors = quick(20, max_depth=3, oob_score=lambda true, predicted: np.sum(true != predicted)).fit(X, y)
    assert by_errors.oob_score_ == round(300 * (1 - forest.oob_score_))


def test_rows_without_out_of_bag_votes_are_said_and_left_out(planted):
    X, y = planted
    forest = quick(1, oob_score=True)
    with pytest.warns(UserWarning, match=r"of 300 rows without an out-of-bag vote.*grow more trees") as caught:
        forest.fit(X, y)
    assert caught[0].filename == __file__
    missing = np.isnan(forest.oob_decision_function_).all(axis=1)
    assert 0.55 < missing.mean() < 0.7  # 1 - 1/e of the rows are drawn
    voted = forest.oob_decision_function_[~missing].argmax(axis=1)
    assert forest.oob_score_ == np.mean(forest.classes_[voted] == y[~missing])
    with pytest.warns(UserWarning, match="2 of 2 rows"):
        assert np.isnan(quick(1, max_samples=100, oob_score=True).fit(X[:2], y[:2]).oob_score_)


@pytest.mark.filterwarnings("ignore:.*out-of-bag vote")
@pytest.mark.parametrize("n", [200, SAMPLE_ROWS + 500])
@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_fitting_codes_is_fitting_the_columns(n, kind):
    rng = np.random.default_rng(n)
    y = rng.integers(0, 3, n)
    X = (rng.normal(size=(n, 60)) + np.outer(y, rng.random(60) < 0.2)).astype(kind)
    X[:, 1::2] = X[:, 1::2].round()  # fewer values than bins
    X[:, 5] = 1
    bins = find_bins(X, 32, seed=4)
    codes = bins.codes(X)
    for columns, weight in (
        (rng.permutation(60)[:40], None),
        (np.arange(1, 60, 2), 1 + y),
        ([5], None),
        ([59, 0], None),
    ):
        knobs = {"random_state": 4, "max_bins": 32, "max_depth": 9, "min_samples_leaf": 2, "oob_score": True}
        direct = quick(15, **knobs).fit(X[:, np.sort(columns)], y, weight)
        binned = quick(15, **{**knobs, "max_bins": 7}).fit_codes(bins, codes, y, columns, weight)
        assert_equal_forests(direct, binned)
        np.testing.assert_array_equal(direct.oob_decision_function_, binned.oob_decision_function_)
        np.testing.assert_array_equal(bins.codes(X), codes)


def test_a_nursery_grows_the_same_trees(planted):
    X, y = planted
    bins = find_bins(X, 32)
    codes, labels, columns = bins.codes(X), np.unique(y, return_inverse=True)[1], np.array([30, 3, 20, 10, 7])
    weight = np.random.default_rng(1).integers(0, 3, 300)
    forest = quick(4, max_samples=0.7, min_samples_leaf=0.01, max_depth=6)
    nursery = forest.nursery(bins, codes, labels, 4, columns, weight)
    trees = [nursery.grow(stream)[0] for stream in tree_seeds(0, 4)]
    forest.fit_codes(bins, codes, y, columns, weight)
    for i, name in enumerate(("node_features_", "node_thresholds_", "node_children_", "leaf_shares_")):
        part = np.concatenate([tree[i] for tree in trees])
        if name == "node_features_":
            part = np.where(part < 0, -1, np.searchsorted(np.sort(columns), part))
        np.testing.assert_array_equal(part, getattr(forest, name))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"codes": np.zeros((300, 34), np.uint8)}, "codes: expected uint8 of shape"),
        ({"codes": np.zeros((300, 35), np.int64)}, "codes: expected uint8 of shape"),
        ({"y": np.zeros(299)}, "y: expected a label for each of 300 rows; got 299"),
        ({"columns": []}, "columns: expected different numbers from 0 to 34"),
        ({"columns": [1, 1]}, "columns: expected different numbers"),
        ({"columns": [35]}, "columns: expected different numbers"),
        ({"columns": [-1]}, "columns: expected different numbers"),
        ({"columns": [0.5]}, "columns: expected different numbers"),
        ({"sample_weight": np.ones(299)}, "sample_weight: expected 300 numbers"),
    ],
)
def test_codes_that_do_not_fit_are_refused(planted, change, message):
    X, y = planted
    bins = find_bins(X, 32)
    with pytest.raises(DataError, match=message):
        quick().fit_codes(**{"bins": bins, "codes": bins.codes(X), "y": y, "columns": [1, 2], **change})


def test_rows_of_weight_zero_are_as_if_they_were_not_there(planted):
    X, y = planted
    weight = np.random.default_rng(1).integers(0, 3, 300)
    kept = weight > 0
    whole = quick(50, oob_score=True).fit(X, y, weight)
    part = quick(50, oob_score=True).fit(X[kept], y[kept], weight[kept])
    assert_equal_forests(whole, part)
    np.testing.assert_array_equal(whole.oob_decision_function_[kept], part.oob_decision_function_)
    assert np.isnan(whole.oob_decision_function_[~kept]).all()
    assert whole.oob_score_ == part.oob_score_


def test_a_class_without_weight_is_known_and_never_predicted(planted):
    X, y = planted
    forest = quick().fit(X, y, y != "west")
    assert forest.classes_.tolist() == ["east", "north", "south", "west"]
    assert not forest.predict_proba(X)[:, 3].any()


def test_only_the_proportions_of_weights_matter(planted):
    X, y = planted
    weight = np.random.default_rng(0).exponential(size=300)
    assert_equal_forests(quick().fit(X, y, weight), quick().fit(X, y, 1024 * weight))
    assert_equal_forests(quick().fit(X, y), quick().fit(X, y, np.full(300, 7.3)))
    assert_equal_forests(quick().fit(X, y), quick().fit(X, y, 2.0))
    with pytest.raises(AssertionError):
        assert_equal_forests(quick().fit(X, y), quick().fit(X, y, weight))


def test_class_weight_is_sample_weight_by_class(planted):
    X, y = planted
    by_hand = np.where(y == "west", 3.0, 1.0)
    assert_equal_forests(quick(class_weight={"west": 3, "east": 1, "north": 1, "south": 1}).fit(X, y),
                         quick().fit(X, y, by_hand))  # fmt: skip
    rare = np.where(np.arange(300) % 5 == 0, y, "north")
    counts = dict(zip(*np.unique(rare, return_counts=True), strict=True))
    balanced = quick(class_weight="balanced").fit(X, rare)
    assert_equal_forests(balanced, quick().fit(X, rare, [1 / counts[label] for label in rare]))
    weight = np.random.default_rng(0).exponential(size=300)
    totals = {label: weight[rare == label].sum() for label in counts}
    both = quick(class_weight="balanced").fit(X, rare, weight)
    by_hand = quick().fit(X, rare, [w / totals[label] for w, label in zip(weight, rare, strict=True)])
    np.testing.assert_array_equal(both.node_features_, by_hand.node_features_)
    recall = [np.mean(forest.predict(X[rare != "north"]) != "north") for forest in (quick(max_depth=2).fit(X, rare),
              quick(max_depth=2, class_weight="balanced").fit(X, rare))]  # fmt: skip
    assert recall[0] < recall[1]


def test_whole_weights_are_repeated_rows_in_distribution():
    # What check_sample_weight_equivalence_on_dense_data asks for, as far as it can be had of random draws.
    rng = np.random.default_rng(0)
    X, y = rng.integers(0, 5, (30, 4)).astype(float), rng.integers(0, 3, 30)
    weight = rng.integers(0, 5, 30)

    def shares(seeds, *data):
        """Class shares of each row by one forest a seed, (40, 30 * 3)."""
        settings = {"max_samples": 40, "min_samples_leaf": 2}
        return np.array([quick(30, random_state=s, **settings).fit(*data).predict_proba(X).ravel() for s in seeds])

    weighted = shares(range(40), X, y, weight)
    repeated = shares(range(100, 140), X.repeat(weight, axis=0), y.repeat(weight))
    unweighted = shares(range(200, 240), X, y)
    equal, unequal = (stats.ttest_ind(weighted, other, equal_var=False).pvalue for other in (repeated, unweighted))
    assert np.nanmin(equal) > 0.05 / 90
    assert np.nanmin(unequal) < 1e-12


@pytest.mark.parametrize(
    ("weight", "message"),
    [
        (np.zeros(300), "sample_weight: expected finite weights of at least zero, and one above zero; got 0.0 to 0.0"),
        (np.arange(300) - 1, "sample_weight: expected finite .*got -1"),
        (np.full(300, np.nan), "sample_weight: expected finite .*got nan"),
        (np.full(300, np.inf), "sample_weight: expected finite .*got inf"),
        (np.ones((300, 2)), r"sample_weight: expected 300 numbers, one a row; got an array of shape \(300, 2\)"),
        (np.ones(299), "sample_weight: expected 300 numbers"),
    ],
)
def test_bad_weights_get_one_clear_line(planted, weight, message):
    with pytest.raises(DataError, match=message) as caught:
        quick().fit(*planted, weight)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("knobs", "message"),
    [
        ({"n_estimators": 0}, "n_estimators: expected a whole number of at least 1; got 0"),
        ({"n_estimators": 2.0}, "n_estimators: expected a whole number"),
        ({"max_bins": 1}, "max_bins: expected a whole number from 2 to 256; got 1"),
        ({"max_bins": 257}, "max_bins: expected"),
        ({"max_features": "sqr"}, "max_features: expected .*did you mean 'sqrt'"),
        ({"max_features": 0}, "max_features: expected a whole number of at least 1, or a share"),
        ({"max_features": 1.5}, "max_features: expected"),
        ({"max_samples": 0.0}, "max_samples: expected"),
        ({"max_samples": True}, "max_samples: expected"),
        ({"min_samples_leaf": -1}, "min_samples_leaf: expected"),
        ({"max_depth": 0}, "max_depth: expected a whole number of at least 1, or None; got 0"),
        ({"n_jobs": 0}, "n_jobs: expected a whole number other than 0, or None; got 0"),
        ({"oob_score": "yes"}, "oob_score: expected True, False or a function"),
        ({"class_weight": "balancd"}, "class_weight: expected a dict, 'balanced' or None; got 'balancd'"),
        ({"class_weight": {"up": 1}}, "class_weight: expected a weight for each class of y"),
        ({"class_weight": {"west": -1, "east": 1, "north": 1, "south": 1}}, "class_weight: expected"),
    ],
)
def test_bad_parameters_get_one_clear_line(planted, knobs, message):
    with pytest.raises(AcoferError, match=message) as caught:
        quick(**knobs).fit(*planted)
    assert isinstance(caught.value, ValueError)
    assert "\n" not in str(caught.value)


def test_parameters_can_be_checked_before_there_are_data():
    quick().check_params()
    with pytest.raises(ConfigError, match="max_bins"):
        quick(max_bins=0).check_params()


def test_the_parameters_do_what_they_say(planted):
    X, y = planted

    def depths(forest):
        for first, last in zip(forest.tree_starts_, forest.tree_starts_[1:], strict=False):
            depth = np.zeros(last - first, int)
            for node in np.flatnonzero(forest.node_features_[first:last] >= 0):
                child = forest.node_children_[first + node]
                depth[child : child + 2] = depth[node] + 1
            yield depth.max()

    assert max(depths(quick(max_depth=3).fit(X, y))) == 3
    assert max(depths(quick().fit(X, y))) > 3
    full, light = (np.diff(quick(max_samples=share).fit(X, y).tree_starts_) for share in (None, 0.2))
    assert light.max() < full.min()
    np.testing.assert_array_equal(np.diff(quick(max_samples=60).fit(X, y).tree_starts_), light)
    smallest_share = quick(min_samples_leaf=10).fit(X, y).leaf_shares_
    assert smallest_share[smallest_share > 0].min() > 1 / 300
    assert_equal_forests(quick(min_samples_leaf=0.0334).fit(X, y), quick(min_samples_leaf=11).fit(X, y))
    for names in (("sqrt", 5), ("log2", 5), (0.5, 17), (None, 35), (None, 1.0), (None, 99)):
        assert_equal_forests(*(quick(max_features=m).fit(X, y) for m in names))
    assert len(quick(max_bins=3).fit(X, y).bin_edges_) == 2


@pytest.mark.parametrize("n_classes", [1, 2, 255, 256, 257, 1000])
def test_any_number_of_classes(n_classes):
    X = np.arange(2.0 * n_classes)[:, None] // 2
    y = np.arange(2 * n_classes) // 2 * 3
    forest = quick(5, max_bins=256, max_samples=8 * n_classes).fit(X, y)
    proba = forest.predict_proba(X)
    assert proba.shape == (len(X), n_classes)
    np.testing.assert_allclose(proba.sum(axis=1), 1)
    # 256 bins tell 256 values apart; of more, neighbours share one.
    assert (forest.predict(X) == y).mean() == 1 if n_classes <= 256 else abs(forest.predict(X) - y).max() <= 3 * 5


@pytest.mark.parametrize("labels", [[False, True], [-1, 1], [0.0, 2.0], ["a", "b"]])
def test_any_labels(labels):
    X = np.random.default_rng(0).normal(size=(60, 2))
    y = np.array(labels)[(X[:, 0] > 0).astype(int)]
    forest = quick().fit(X, y)
    assert forest.predict(X).dtype == y.dtype
    assert forest.score(X, y) > 0.95


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_predicts_in_the_kind_that_it_has_met(planted, kind):
    X, y = planted
    forest = quick().fit(X.astype(kind), y)
    assert forest.bin_edges_.dtype == kind
    np.testing.assert_array_equal(forest.predict_proba(X.astype(np.float32)),
                                  forest.predict_proba(X.astype(np.float32).astype(np.float64)))  # fmt: skip
    np.testing.assert_array_equal(forest.predict_proba(np.asfortranarray(X)), forest.predict_proba(X.tolist()))
    whole = quick().fit(np.round(10 * X).astype(int), y)
    assert whole.bin_edges_.dtype == np.float32


def test_large_float64_values_are_told_apart():
    X = np.array([[1e300], [1e300 * (1 + 1e-15)], [-1e300]])
    forest = quick(50).fit(X, [0, 1, 2])
    assert forest.predict(X).tolist() == [0, 1, 2]


@pytest.mark.filterwarnings("ignore:.*out-of-bag vote")
def test_fitting_again_forgets(planted):
    X, y = planted
    pd = pytest.importorskip("pandas")
    forest = quick(oob_score=True).fit(pd.DataFrame(X, columns=[f"f{j}" for j in range(35)]), y)
    assert forest.feature_names_in_[0] == "f0"
    forest.set_params(oob_score=False).fit(X[:, :7], y)
    assert not hasattr(forest, "oob_score_")
    assert not hasattr(forest, "feature_names_in_")
    assert_equal_forests(forest, quick().fit(X[:, :7], y))


def test_learns_nothing_but_plain_arrays_and_numbers(planted):
    forest = quick(oob_score=True, n_estimators=40).fit(*planted)
    kinds = {type(value) for name, value in vars(forest).items() if name.endswith("_")}
    assert kinds == {np.ndarray, int, float}
    assert is_sound(forest)


@pytest.mark.parametrize("through", ["pickle", "joblib", "copy"])
def test_copies_predict_alike(planted, through):
    X, y = planted
    forest = quick().fit(X, y)
    if through == "joblib":
        file = io.BytesIO()
        joblib.dump(forest, file)
        file.seek(0)
        again = joblib.load(file)
    else:
        again = pickle.loads(pickle.dumps(forest)) if through == "pickle" else copy.deepcopy(forest)
    np.testing.assert_array_equal(again.predict_proba(X), forest.predict_proba(X))


def test_a_model_is_small():
    X, y = load_digits(return_X_y=True)
    own, theirs = (kind(20, random_state=0).fit(X, y) for kind in (HistForestClassifier, RandomForestClassifier))
    size = len(pickle.dumps(own))
    assert size < 9 * len(own.node_features_) + own.leaf_shares_.nbytes + own.bin_edges_.nbytes + 4000
    assert size < len(pickle.dumps(theirs)) / 10


def test_works_within_scikit_learn(planted):
    X, y = planted
    pipeline = make_pipeline(StandardScaler(), quick())
    search = GridSearchCV(pipeline, {"histforestclassifier__max_bins": [2, 32]}, cv=3).fit(X, y)
    assert search.best_params_ == {"histforestclassifier__max_bins": 32}
    assert search.best_score_ > 0.6
    assert BaggingClassifier(quick(), 3, max_features=0.9, random_state=0).fit(X, y).score(X, y) > 0.9
    with pytest.raises(NotFittedError):
        quick().predict(X)


def test_what_is_sound_can_be_followed(planted, monkeypatch):
    # numpy looks where the compiled kernels do not.
    X, y = planted
    forest = quick(3, max_depth=4).fit(X, y)
    codes = Bins(forest.bin_edges_).codes(X[:20])
    monkeypatch.setattr(vote, "_find_leaves", vote._find_leaves.py_func)
    rng = np.random.default_rng(0)
    n_sound = 0
    for _ in range(400):
        altered = copy.deepcopy(forest)
        name = rng.choice(["tree_starts_", "share_starts_", "node_features_", "node_children_"])
        array = getattr(altered, name)
        array[rng.integers(len(array))] += rng.choice([-40, -3, -1, 1, 2, 30])
        if not is_sound(altered):
            continue
        n_sound += 1
        votes = np.zeros((20, 4))
        for tree in altered._trees():
            assert tree.feature.max() < 35
            vote.add_votes.py_func(codes, np.arange(20), *tree, votes)
        np.testing.assert_allclose(votes.sum(axis=1), 3)
    assert 40 < n_sound < 360
