from __future__ import annotations

import numpy as np
import pytest

from acofer.errors import DataError
from acofer.nets.build import build_net
from acofer.nets.device import device
from acofer.nets.start import extractor_names, start_from
from acofer.nets.timing import timing
from acofer.pretrained.base import backend_versions

keras = pytest.importorskip("keras")


def small(n_classes=7, seed=0, **parameters):
    return build_net("small-cnn", 32, n_classes, parameters={"filters": [4, 4], "units": 8, **parameters}, seed=seed)


def test_every_layer_is_taken_but_the_last_where_classes_differ():
    other = small(seed=1)
    model = small(seed=2)
    taken = start_from(model, other, "a run")
    assert taken == ["conv1", "conv2", "dense", "predictions"]
    pixels = np.random.default_rng(0).uniform(0, 255, (3, 32, 32, 3)).astype(np.float32)
    np.testing.assert_array_equal(model.predict_on_batch(pixels), other.predict_on_batch(pixels))
    fewer = small(n_classes=5, seed=3)
    before = fewer.get_layer("predictions").get_weights()
    assert start_from(fewer, other, "a run") == ["conv1", "conv2", "dense"]
    for mine, old in zip(fewer.get_layer("predictions").get_weights(), before, strict=True):
        np.testing.assert_array_equal(mine, old)


def test_a_layer_of_another_size_is_refused():
    with pytest.raises(DataError, match=r"a run: its layer conv2 has other sizes .*--set"):
        start_from(small(), small(filters=[4, 5]), "a run")


def test_only_extractors_cross_from_one_architecture_to_another():
    single = build_net("mobilenetv2-transfer", 32, 7, seed=1)
    model = build_net("mobilenetv2", 32, 7, parameters={"units": [8]}, seed=2)
    assert extractor_names(single) == ["mobilenetv2"]
    assert start_from(model, single, "a run") == ["mobilenetv2"]
    for mine, theirs in zip(
        model.get_layer("mobilenetv2").get_weights(), single.get_layer("mobilenetv2").get_weights(), strict=True
    ):
        np.testing.assert_array_equal(mine, theirs)
    with pytest.raises(DataError, match="is a small-cnn and has nothing that mobilenetv2 could start from"):
        start_from(model, small(), "a run")


def test_device_and_versions():
    assert device().keys() == {"backend", "kind", "name"}
    assert device()["kind"] in ("cpu", "gpu")
    assert backend_versions().keys() == {"keras", device()["backend"]}


def test_a_larger_network_takes_longer():
    quick, slow = timing(small()), timing(small(filters=[64, 64]))
    assert slow["latency of one picture, ms"] > quick["latency of one picture, ms"]
    assert slow["pictures a second"] < quick["pictures a second"]
