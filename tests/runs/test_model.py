import io
import json
import pickle
import zipfile

import numpy as np
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import BaggingClassifier, GradientBoostingClassifier, RandomForestClassifier, VotingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

from acofer.errors import DataError, MissingFileError
from acofer.forest.forest import HistForestClassifier
from acofer.runs.model import read_model, write_model
from acofer.runs.soundness import CHECKED, kind_of, parts_of
from acofer.scoring.moments import FoldMoments
from acofer.scoring.protocol import stratified_folds
from acofer.scoring.ridge import fit_ridge

X = np.random.default_rng(0).normal(size=(90, 5)).astype(np.float32)
Y = np.repeat([0, 1, 2], 30)


@pytest.fixture
def forest():
    return RandomForestClassifier(5, random_state=0).fit(X + Y[:, None], Y)


@pytest.mark.parametrize(
    "model",
    [
        RandomForestClassifier(5, random_state=0),
        GradientBoostingClassifier(n_estimators=3, random_state=0),
        BaggingClassifier(n_estimators=3, max_features=0.6, random_state=0),
        MLPClassifier((4,), max_iter=500, tol=1e-2, random_state=0),
        SVC(),
        HistForestClassifier(5, oob_score=True, random_state=0),
        BaggingClassifier(HistForestClassifier(3), n_estimators=3, max_features=0.6, random_state=0),
    ],
    ids=lambda model: type(model).__name__,
)
@pytest.mark.filterwarnings("ignore:.*out-of-bag vote")
def test_a_model_comes_back_as_it_went(model, tmp_path):
    model.fit(X, Y)
    write_model(tmp_path / "model.skops", model)
    again = read_model(tmp_path / "model.skops")
    np.testing.assert_array_equal(again.predict(X), model.predict(X))
    if hasattr(model, "predict_proba"):
        np.testing.assert_array_equal(again.predict_proba(X), model.predict_proba(X))


def test_a_model_that_cannot_be_checked_is_kept_with_a_warning_and_not_loaded(tmp_path):
    with pytest.warns(UserWarning, match=r"KNeighborsClassifier is kept, but .*KDTree"):
        write_model(tmp_path / "model.skops", KNeighborsClassifier().fit(X, Y))
    with pytest.raises(DataError, match=r"expected types that are safe to load; it holds .*KDTree.*; not loaded"):
        read_model(tmp_path / "model.skops")


def test_no_model_is_said_with_what_makes_one(tmp_path):
    with pytest.raises(MissingFileError, match="make one with: acofer search"):
        read_model(tmp_path / "model.skops")


@pytest.mark.parametrize("content", [b"", b"not a zip file", pickle.dumps({"a": 1})])
def test_what_is_not_a_model_is_refused(tmp_path, content):
    (tmp_path / "model.skops").write_bytes(content)
    with pytest.raises(DataError, match="expected a model written by acofer search"):
        read_model(tmp_path / "model.skops")


@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_a_cut_model_is_refused(tmp_path, forest, share):
    path = tmp_path / "model.skops"
    write_model(path, forest)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(DataError, match="expected a model written by acofer search"):
        read_model(path)


def rewritten(path, change):
    """Pass every member of the zip through `change(name, bytes)`."""
    with zipfile.ZipFile(path) as old:
        members = {name: change(name, old.read(name)) for name in old.namelist()}
    with zipfile.ZipFile(path, "w") as new:
        for name, content in members.items():
            new.writestr(name, content)


def test_a_foreign_type_is_named_and_not_loaded(tmp_path, forest):
    path = tmp_path / "model.skops"
    write_model(path, forest)

    def to_system(name, content):
        if name != "schema.json":
            return content
        schema = json.loads(content)
        schema["__module__"], schema["__class__"] = "os", "system"
        return json.dumps(schema).encode()

    rewritten(path, to_system)
    with pytest.raises(DataError, match=r"it holds .*os\.system.*; not loaded"):
        read_model(path)


def tampered(path, change):
    """Let `change` alter the nodes of the first tree that has enough of them, as they lie in the file."""
    done = []

    def alter(name, content):
        if not name.endswith(".npy") or done:
            return content
        array = np.load(io.BytesIO(content), allow_pickle=False)
        if array.dtype.names is None or "left_child" not in array.dtype.names or len(array) < 5:
            return content
        done.append(name)
        changed = array.copy()
        change(changed)
        target = io.BytesIO()
        np.save(target, changed)
        return target.getvalue()

    rewritten(path, alter)
    assert done


def child_out_of_range(nodes):
    nodes["left_child"][0] = 10**6


def negative_child(nodes):
    nodes["right_child"][0] = -5


def cycle(nodes):
    inner = np.flatnonzero(nodes["left_child"] != -1)[-1]
    nodes["left_child"][inner] = 0


def self_loop(nodes):
    nodes["right_child"][0] = 0


def feature_out_of_range(nodes):
    nodes["feature"][0] = 10**6


def negative_feature(nodes):
    nodes["feature"][0] = -2


def half_a_leaf(nodes):
    nodes["right_child"][0] = -1


@pytest.mark.parametrize(
    "change",
    [child_out_of_range, negative_child, cycle, self_loop, feature_out_of_range, negative_feature, half_a_leaf],
)
def test_a_tampered_tree_is_refused_before_anything_follows_it(tmp_path, forest, monkeypatch, change):
    path = tmp_path / "model.skops"
    write_model(path, forest)
    tampered(path, change)
    monkeypatch.setattr(RandomForestClassifier, "predict", None)
    monkeypatch.setattr(RandomForestClassifier, "predict_proba", None)
    with pytest.raises(DataError, match="expected a sound tree; its nodes point astray; not loaded"):
        read_model(path)


def test_a_tree_of_more_features_than_its_forest_is_refused(tmp_path, forest):
    # Rows are held against the forest's number of features; a tree that believes in more would read past them.
    wide = DecisionTreeClassifier(random_state=0).fit(np.hstack([X, X, X]), Y)
    forest.estimators_[2] = wide
    write_model(tmp_path / "model.skops", forest)
    with pytest.raises(DataError, match="expected a sound tree"):
        read_model(tmp_path / "model.skops")


def test_a_forest_that_does_not_know_its_width_is_refused(tmp_path, forest):
    del forest.n_features_in_
    write_model(tmp_path / "model.skops", forest)
    with pytest.raises(DataError, match="expected a sound tree"):
        read_model(tmp_path / "model.skops")


def test_trees_are_found_wherever_they_are_kept(forest):
    calibrated = CalibratedClassifierCV(DecisionTreeClassifier(), cv=2).fit(X, Y)
    for held, n_trees in ((forest, 5), (calibrated, 2), ({"a": [(forest,)], "b": {"c": forest}}, 5)):
        assert sum(kind_of(part) in CHECKED for part in parts_of(held)) == n_trees


@pytest.fixture
def own_forest():
    return HistForestClassifier(3, max_depth=4, random_state=0).fit(X + Y[:, None], Y)


def with_entry(index, value):
    def change(array):
        changed = array.copy()
        changed[index] = value
        return changed

    return change


def root_of_second(forest):
    return int(forest.tree_starts_[1])


def first_leaf(forest):
    return int(np.flatnonzero(forest.node_features_ < 0)[0])


def last_inner(forest):
    return int(np.flatnonzero(forest.node_features_ >= 0)[-1])


FOREST_CHANGES = {
    "child beyond the tree": ("node_children_", lambda f: with_entry(0, 10**6)),
    "child in the next tree": ("node_children_", lambda f: with_entry(0, root_of_second(f))),
    "right child behind the tree": ("node_children_", lambda f: with_entry(0, root_of_second(f) - 1)),
    "right child behind the forest": ("node_children_", lambda f: with_entry(root_of_second(f), len(f.node_children_))),
    "negative child": ("node_children_", lambda f: with_entry(0, -5)),
    "child itself": ("node_children_", lambda f: with_entry(0, 0)),
    "child further up": ("node_children_", lambda f: with_entry(last_inner(f), 1)),
    "leaf without a class": ("node_children_", lambda f: with_entry(first_leaf(f), 10**6)),
    "leaf with another tree's shares": (
        "node_children_",
        lambda f: with_entry(first_leaf(f), 3 + int(f.share_starts_[1])),
    ),
    "negative class": ("node_children_", lambda f: with_entry(first_leaf(f), -1)),
    "feature that is not there": ("node_features_", lambda f: with_entry(0, 5)),
    "negative feature": ("node_features_", lambda f: with_entry(0, -2)),
    "features of another kind": ("node_features_", lambda f: lambda a: a.astype(np.int64)),
    "features in two dimensions": ("node_features_", lambda f: lambda a: a[:, None]),
    "too few children": ("node_children_", lambda f: lambda a: a[:-1]),
    "too few thresholds": ("node_thresholds_", lambda f: lambda a: a[:-1]),
    "signed thresholds": ("node_thresholds_", lambda f: lambda a: a.astype(np.int8)),
    "trees that end too late": ("tree_starts_", lambda f: with_entry(-1, 10**6)),
    "trees that end too soon": ("tree_starts_", lambda f: with_entry(-1, root_of_second(f) + 1)),
    "trees that overlap": ("tree_starts_", lambda f: with_entry(2, 0)),
    "trees that wrap around": ("tree_starts_", lambda f: with_entry(slice(1, 3), [2**63 - 1, 1 - 2**63])),
    "no tree": ("tree_starts_", lambda f: lambda a: a[:1]),
    "a tree without shares of its own": ("share_starts_", lambda f: lambda a: a[:-1]),
    "shares that end too late": ("share_starts_", lambda f: with_entry(-1, 10**6)),
    "shares that go back": ("share_starts_", lambda f: with_entry(1, -1)),
    "shares that are not finite": ("leaf_shares_", lambda f: with_entry((0, 0), np.nan)),
    "shares below zero": ("leaf_shares_", lambda f: with_entry((0, slice(None)), [-1, 1, 1])),
    "shares of too few classes": ("leaf_shares_", lambda f: lambda a: a[:, :-1]),
    "float32 shares": ("leaf_shares_", lambda f: lambda a: a.astype(np.float32)),
    "shares column by column": ("leaf_shares_", lambda f: np.asfortranarray),
    "edges of too few features": ("bin_edges_", lambda f: lambda a: a[:, :-1].copy()),
    "edges that are not numbers": ("bin_edges_", lambda f: with_entry((0, 0), np.nan)),
    "edges that descend": ("bin_edges_", lambda f: lambda a: a[::-1].copy()),
    "no edges": ("bin_edges_", lambda f: lambda a: a[:0]),
    "too many edges": ("bin_edges_", lambda f: lambda a: np.zeros((256, 5))),
    "edges of whole numbers": ("bin_edges_", lambda f: lambda a: np.arange(155).reshape(31, 5)),
    "edges in a list": ("bin_edges_", lambda f: lambda a: a.tolist()),
    "edges column by column": ("bin_edges_", lambda f: np.asfortranarray),
    "too few classes": ("classes_", lambda f: lambda a: a[:-1]),
    "one class too few": ("n_classes_", lambda f: lambda n: n - 1),
    "one feature too many": ("n_features_in_", lambda f: lambda n: n + 1),
    "features as words": ("n_features_in_", lambda f: lambda n: "5"),
}


@pytest.mark.parametrize(("name", "change_of"), FOREST_CHANGES.values(), ids=FOREST_CHANGES)
def test_a_tampered_own_forest_is_refused_before_anything_follows_it(
    tmp_path, own_forest, monkeypatch, name, change_of
):
    assert own_forest.share_starts_[1] < own_forest.share_starts_[3]
    setattr(own_forest, name, change_of(own_forest)(getattr(own_forest, name)))
    write_model(tmp_path / "model.skops", own_forest)
    monkeypatch.setattr(HistForestClassifier, "predict", None)
    monkeypatch.setattr(HistForestClassifier, "predict_proba", None)
    with pytest.raises(DataError, match="expected a sound tree; its nodes point astray; not loaded"):
        read_model(tmp_path / "model.skops")


@pytest.mark.parametrize("name", ["bin_edges_", "tree_starts_", "node_children_", "n_classes_", "classes_"])
def test_an_own_forest_with_a_part_missing_is_refused(tmp_path, own_forest, name):
    delattr(own_forest, name)
    write_model(tmp_path / "model.skops", own_forest)
    with pytest.raises(DataError, match="expected a sound tree"):
        read_model(tmp_path / "model.skops")


def test_a_tampered_own_forest_is_found_within_another_model(tmp_path):
    bagging = BaggingClassifier(HistForestClassifier(3), n_estimators=3, random_state=0).fit(X, Y)
    bagging.estimators_[1].node_features_[0] = 99
    write_model(tmp_path / "model.skops", bagging)
    with pytest.raises(DataError, match="expected a sound tree"):
        read_model(tmp_path / "model.skops")


@pytest.fixture
def ridge():
    moments = FoldMoments.of(X + Y[:, None], Y, stratified_folds(Y, 3, 0), 3)
    return fit_ridge(moments, np.arange(5), 1e-3)


def test_a_ridge_classifier_comes_back_as_it_went(tmp_path, ridge):
    write_model(tmp_path / "model.skops", ridge)
    again = read_model(tmp_path / "model.skops")
    np.testing.assert_array_equal(again.predict_proba(X), ridge.predict_proba(X))
    assert again.n_features_in_ == 5


RIDGE_CHANGES = {
    "coefficients of too few classes": ("coef_", lambda r: r.coef_[:-1]),
    "coefficients of too few features": ("coef_", lambda r: r.coef_[:, :-1].copy()),
    "coefficients that are not finite": ("coef_", lambda r: r.coef_ * np.inf),
    "float32 coefficients": ("coef_", lambda r: r.coef_.astype(np.float32)),
    "coefficients in a list": ("coef_", lambda r: r.coef_.tolist()),
    "an intercept too many": ("intercept_", lambda r: np.zeros(4)),
    "an intercept that is not a number": ("intercept_", lambda r: np.array([0.0, np.nan, 0.0])),
    "classes in words": ("classes_", lambda r: np.array(["a", "b", "c"])),
    "too few classes": ("classes_", lambda r: r.classes_[:-1]),
    "classes in a list": ("classes_", lambda r: [0, 1, 2]),
    "no class": ("classes_", lambda r: r.classes_[:0]),
    "features as words": ("n_features_in_", lambda r: "5"),
    "one feature too many": ("n_features_in_", lambda r: 6),
}


@pytest.mark.parametrize(("name", "changed"), RIDGE_CHANGES.values(), ids=RIDGE_CHANGES)
def test_a_tampered_ridge_classifier_is_refused(tmp_path, ridge, name, changed):
    setattr(ridge, name, changed(ridge))
    write_model(tmp_path / "model.skops", ridge)
    with pytest.raises(DataError, match=r"expected a sound ridge classifier; .*; not loaded"):
        read_model(tmp_path / "model.skops")


@pytest.mark.parametrize("name", ["coef_", "intercept_", "classes_", "n_features_in_"])
def test_a_ridge_classifier_with_a_part_missing_is_refused(tmp_path, ridge, name):
    delattr(ridge, name)
    write_model(tmp_path / "model.skops", ridge)
    with pytest.raises(DataError, match="expected a sound ridge classifier"):
        read_model(tmp_path / "model.skops")


def test_a_tampered_ridge_classifier_is_found_within_another_model(tmp_path, ridge):
    voting = VotingClassifier([("ridge", ridge)])
    voting.estimators_, voting.classes_ = [ridge], ridge.classes_
    ridge.coef_[0, 0] = np.nan
    write_model(tmp_path / "model.skops", voting)
    with pytest.raises(DataError, match="expected a sound ridge classifier"):
        read_model(tmp_path / "model.skops")


@pytest.fixture
def machine():
    return SVC(kernel="rbf").fit(X + Y[:, None], Y)


MACHINE_CHANGES = {
    "fewer vectors": ("support_vectors_", lambda a: a[:-1].copy()),
    "vectors of more features": ("support_vectors_", lambda a: np.hstack([a, a])),
    "float32 vectors": ("support_vectors_", lambda a: a.astype(np.float32)),
    "more vectors than there are": ("_n_support", lambda a: a * 1000),
    "vectors counted backwards": ("_n_support", lambda a: np.array([-5, 5, a.sum()], np.int32)),
    "one class": ("_n_support", lambda a: a[:1].copy()),
    "fewer coefficients": ("_dual_coef_", lambda a: a[:1].copy()),
    "coefficients in a list": ("_dual_coef_", lambda a: a.tolist()),
    "fewer intercepts": ("_intercept_", lambda a: a[:1].copy()),
    "more classes": ("classes_", lambda a: np.arange(9)),
    "probabilities of other pairs": ("_probA", lambda a: np.zeros(2)),
}


@pytest.mark.parametrize(("name", "change"), MACHINE_CHANGES.values(), ids=MACHINE_CHANGES)
def test_a_tampered_support_vector_machine_is_refused_before_libsvm_reads_past_its_arrays(
    tmp_path, machine, name, change
):
    setattr(machine, name, change(getattr(machine, name, np.empty(0))))
    write_model(tmp_path / "model.skops", machine)
    with pytest.raises(DataError, match="expected a sound support vector machine; its arrays do not fit; not loaded"):
        read_model(tmp_path / "model.skops")


def test_sparse_matrices_which_may_point_astray_are_not_loaded(tmp_path):
    """SciPy's kernels follow their indices without looking; skops trusts them as little."""
    with pytest.warns(UserWarning, match="csr_matrix"):
        write_model(tmp_path / "model.skops", LogisticRegression().fit(X, Y).sparsify())
    with pytest.raises(DataError, match=r"it holds .*csr_matrix; not loaded"):
        read_model(tmp_path / "model.skops")


def test_an_array_of_endless_nothing_is_refused(tmp_path):
    """A trillion values of no bytes take no room in a file, and hours to go through."""
    model = LogisticRegression().fit(X, Y)
    model.note_ = np.empty(1000, "V0")
    write_model(tmp_path / "model.skops", model)
    with pytest.raises(DataError, match="one claims values without room for them"):
        read_model(tmp_path / "model.skops")


def test_a_model_works_alone_whatever_it_asks_for(tmp_path, forest):
    """A million threads were tried to be started."""
    forest.n_jobs = forest.n_estimators = 10**6
    write_model(tmp_path / "model.skops", forest)
    assert read_model(tmp_path / "model.skops").n_jobs == 1


def test_a_model_that_unpacks_without_end_is_refused(tmp_path):
    path = tmp_path / "model.skops"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("schema.json", b" " * (65 << 20))
    assert path.stat().st_size < 100_000
    with pytest.raises(DataError, match="it unpacks to 68,157,440 bytes, more than 67,108,864"):
        read_model(path)
