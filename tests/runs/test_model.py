import io
import json
import pickle
import zipfile

import numpy as np
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import BaggingClassifier, GradientBoostingClassifier, RandomForestClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

from acofer.errors import DataError, MissingFileError
from acofer.runs.model import _trees, read_model, write_model

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
    ],
    ids=lambda model: type(model).__name__,
)
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
    assert len(list(_trees(forest))) == 5
    assert len(list(_trees(calibrated))) == 2
    assert len(list(_trees({"a": [(forest,)], "b": {"c": forest}}))) == 5
