"""The little jobs do what they say where all is well, and fail where something is wrong."""

from importlib.util import find_spec

import pytest

from acofer.doctor import jobs


def test_a_small_search_finds_the_feature_that_matters():
    assert jobs.core()["said"]


def test_a_search_that_finds_another_feature_is_found_out(monkeypatch):
    from acofer.colony import selector

    class Blind(selector.AntColonySelector):
        def get_support(self, indices=False):
            return super().get_support(indices) * 0

    monkeypatch.setattr(selector, "AntColonySelector", Blind)
    with pytest.raises(RuntimeError, match="wrong feature"):
        jobs.core()


def test_a_network_runs_and_says_on_what():
    pytest.importorskip("keras")
    told = jobs.nets()
    assert told["said"].startswith(f"networks run on {told['device']['backend']}, ")
    assert told["device"]["kind"] in ("cpu", "gpu")
    assert "keras" in told["versions"]


def test_a_study_takes_a_trial():
    pytest.importorskip("optuna")
    assert jobs.tune()["said"]


def test_the_searchers_begin():
    for package in ("deap", "pymoo", "boruta"):
        pytest.importorskip(package)
    assert jobs.bench()["said"]


def test_the_face_detector_is_not_fooled_by_nothing():
    pytest.importorskip("dlib")
    if find_spec("face_recognition_models") is None:  # not imported: it asks for what setuptools no longer has
        pytest.skip("the landmark model is not installed")
    assert jobs.faces()["said"]
