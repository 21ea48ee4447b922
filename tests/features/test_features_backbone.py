from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import reference
from numpy.typing import NDArray

from acofer.errors import ConfigError, DataError
from acofer.features.backbone import (
    Backbone,
    check_options,
    load_backbone,
)
from acofer.features.layers import LAYERS
from acofer.pretrained.base import draw_weights
from acofer.pretrained.weights import architecture, resolve_weights

keras = pytest.importorskip("keras")
RANDOM = resolve_weights("random", "mobilenetv2", 64)


def pictures(n: int, size: int, seed: int = 0) -> list[NDArray[np.uint8]]:
    return list(np.random.default_rng(seed).integers(0, 256, (n, size, size), dtype=np.uint8))


@pytest.fixture(scope="module")
def flat() -> Backbone:
    return load_backbone("mobilenetv2", 64, RANDOM, "flatten")


def test_names_say_which_number_it_is(flat: Backbone) -> None:
    """Averages and maxima put together from the flattened features by their names are those of the pooled networks."""
    batch = pictures(3, 64)
    values = flat.features(batch).astype(np.float64)
    assert len(flat.feature_names) == values.shape[1] == len(set(flat.feature_names)) == 2 * 2 * 1280
    column = {name: values[:, i] for i, name in enumerate(flat.feature_names)}
    for pooling, pool in (("avg", np.mean), ("max", np.max)):
        net = load_backbone("mobilenetv2", 64, RANDOM, pooling)
        pooled = net.features(batch)
        places = ("r0c0", "r0c1", "r1c0", "r1c1")
        expected = [pool([column[f"{name}/{place}"] for place in places], axis=0) for name in net.feature_names]
        np.testing.assert_allclose(pooled.T, expected, rtol=2e-3, atol=1e-5)


@pytest.mark.parametrize("pooling", ["grid:3", "maxgrid:3", "grid:1", "grid:5"])
@pytest.mark.parametrize("mirror", ["off", "average"])
def test_grids_are_those_of_the_slow_twin(pooling: str, mirror: str) -> None:
    """At 80 pixels the maps have 10 and 5 places a side, which 3 does not divide, and 5 is the smaller map's own."""
    names = "block_6_expand_relu,block_13_expand_relu"
    batch = pictures(2, 80)
    n, reduce = int(pooling.split(":")[1]), np.max if pooling.startswith("max") else np.mean
    whole = load_backbone("mobilenetv2", 80, RANDOM, "flatten", layers=names)
    maps = maps_of(whole, batch)
    if mirror == "average":
        turned = maps_of(whole, [picture[:, ::-1] for picture in batch])
        maps = [(map_ + other[:, :, ::-1]) / 2 for map_, other in zip(maps, turned, strict=True)]
    net = load_backbone("mobilenetv2", 80, RANDOM, pooling, layers=names, mirror=mirror)
    expected = [[reference.pool_grid(map_[row], n, reduce).ravel() for map_ in maps] for row in range(2)]
    # The twin starts from maps rounded to float16, and the result is rounded once more.
    np.testing.assert_allclose(net.features(batch), [np.concatenate(row) for row in expected], rtol=2e-3, atol=2e-3)
    sides = [min(n, 10), min(n, 5)]
    assert [layer["shape"] for layer in net.layers] == [
        [side, side, ch] for side, ch in zip(sides, (192, 576), strict=True)
    ]
    assert [(layer["rows"], layer["columns"]) for layer in net.layers] == [(10, 10), (5, 5)]


def maps_of(net: Backbone, batch: list[NDArray[np.uint8]]) -> list[NDArray[np.float64]]:
    """Return each layer's maps of a network that flattens, cut out of its features."""
    values, maps = net.features(batch).astype(np.float64), []
    for layer in net.layers:
        width = int(np.prod(layer["shape"]))
        maps.append(values[:, :width].reshape(-1, *layer["shape"]))
        values = values[:, width:]
    assert values.shape[1] == 0
    return maps


def test_several_layers_are_those_of_one_network_each() -> None:
    names = ["block_6_expand_relu", "block_13_expand_relu", "out_relu"]
    batch = pictures(3, 64)
    together = load_backbone("mobilenetv2", 64, RANDOM, "grid:2", layers=",".join(reversed(names)))
    apart = [load_backbone("mobilenetv2", 64, RANDOM, "grid:2", layers=name) for name in names]
    np.testing.assert_allclose(
        together.features(batch), np.concatenate([net.features(batch) for net in apart], axis=1), rtol=2e-3, atol=1e-4
    )
    assert together.feature_names == tuple(name for net in apart for name in net.feature_names)
    assert [layer["name"] for layer in together.layers] == names


def test_the_network_ends_with_its_deepest_layer() -> None:
    names = "block_1_expand_relu,block_3_expand_relu"
    net = load_backbone("mobilenetv2", 32, RANDOM, "avg", layers=names)
    own = {layer.name for layer in net._model.layers}
    assert "block_3_expand_relu" in own
    assert not own & {"block_3_depthwise", "block_4_expand", "out_relu"}


@pytest.mark.parametrize(
    "backbone", ["mobilenetv2", "mobilenet", pytest.param("efficientnetb0", marks=pytest.mark.nightly)]
)
def test_the_mirror_image_says_the_same_turned_round(backbone: str) -> None:
    """The mean of both is symmetric: a mirrored picture gives the same numbers with left and right exchanged."""
    batch = pictures(2, 32)
    weights = resolve_weights("random", backbone, 32)
    net = load_backbone(backbone, 32, weights, "grid:2", layers="bank", mirror="average")
    plain, mirrored = (maps_of(net, each) for each in (batch, [picture[:, ::-1] for picture in batch]))
    for map_, other in zip(plain, mirrored, strict=True):
        np.testing.assert_allclose(other, map_[:, :, ::-1], rtol=2e-3, atol=2e-3 * map_.std())
        assert not np.allclose(map_, map_[:, :, ::-1], rtol=2e-3, atol=2e-3 * map_.std())
    without = maps_of(load_backbone(backbone, 32, weights, "grid:2", layers="bank"), batch)
    assert not np.allclose(without[0], plain[0], rtol=2e-3, atol=2e-3 * plain[0].std())


@pytest.mark.parametrize("backbone", ["mobilenetv2", "efficientnetb0", "mobilenet"])
def test_every_layer_that_is_offered_can_be_taken(backbone: str) -> None:
    """All at once, down to single places, without a network run: their shapes and names agree."""
    names = ",".join(LAYERS[backbone])
    net = load_backbone(backbone, 32, resolve_weights("random", backbone, 32), "grid:2", layers=names)
    assert len(net.feature_names) == net._model.output_shape[1] == len(set(net.feature_names))
    assert [layer["name"] for layer in net.layers] == list(LAYERS[backbone])


def test_short_batch_gives_the_same_rows(flat: Backbone) -> None:
    batch = pictures(5, 64)
    whole = flat.features(batch)
    assert whole.dtype == np.float16
    np.testing.assert_allclose(flat.features(batch[:2]), whole[:2], rtol=2e-3, atol=1e-5)


def test_random_weights_belong_to_their_seed_and_leave_the_caller_alone() -> None:
    np.random.seed(5)  # noqa: NPY002 - the global generator is what must not change
    state = np.random.get_state()[1].copy()  # noqa: NPY002
    batch = pictures(2, 32)
    made = [
        load_backbone("mobilenetv2", 32, resolve_weights("random", "mobilenetv2", 32, seed), "avg").features(batch)
        for seed in (0, 0, 1)
    ]
    np.testing.assert_array_equal(made[0], made[1])
    assert not np.array_equal(made[0], made[2])
    np.testing.assert_array_equal(np.random.get_state()[1], state)  # noqa: NPY002


@pytest.mark.parametrize("name", ["mobilenet", "efficientnetb0"])
def test_named_file_gives_what_keras_gives_for_imagenet(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Keras scales EfficientNet's input once more for "imagenet" than for the path of the same file."""
    from keras.src.utils import file_utils

    net = architecture(name)
    build = getattr(keras.applications, net.application)
    drawn = build(weights=None, include_top=False, input_shape=(32, 32, 3))
    draw_weights(drawn, seed=0)
    normalisation = {"mean": (0.485, 0.456, 0.406), "variance": (0.229**2, 0.224**2, 0.225**2)}
    for variable in drawn.variables:
        if variable.name == "gamma":
            variable.assign(np.full(variable.shape, 1.2))
        elif variable.name in normalisation:
            variable.assign(np.reshape(normalisation[variable.name], variable.shape))
    path = tmp_path / "drawn.h5"
    drawn.save(path)  # the older layout of HDF5, that of Keras' own files
    monkeypatch.setattr(file_utils, "get_file", lambda *_, **__: str(path))
    own = build(weights="imagenet", include_top=False, input_shape=(32, 32, 3), pooling="avg")
    batch = pictures(3, 32)
    pixels = np.stack(batch)[..., None].repeat(3, axis=-1) * net.scale + net.offset
    expected = own.predict_on_batch(pixels.astype(np.float32))
    made = load_backbone(name, 32, resolve_weights(path, name, 32), "avg").features(batch)
    assert expected.std() > 1e-3, "a dead network would prove nothing"
    np.testing.assert_allclose(made, expected, rtol=2e-3, atol=2e-3 * expected.std())


class Fixed:
    """A network that gives one number."""

    def __init__(self, number: float) -> None:
        self.input_shape = (None, 4, 4, 3)
        self.number = number

    def predict_on_batch(self, pixels: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.full((len(pixels), 1), self.number, np.float32)


@pytest.mark.parametrize("number", [np.nan, np.inf, 1e6])
def test_features_that_are_not_finite(number: float) -> None:
    layers: list[dict[str, Any]] = [{"name": "a", "shape": [1, 1, 1]}]
    net = Backbone(Fixed(number), architecture("mobilenet"), RANDOM, layers, "avg")
    with pytest.raises(DataError, match="not finite"):
        net.features(pictures(2, 4))


def test_options_are_checked_without_keras() -> None:
    with pytest.raises(ConfigError, match="from 32 up, but came as 31"):
        check_options("mobilenetv2", 31, "avg")
    with pytest.raises(ConfigError, match="whole number"):
        check_options("mobilenetv2", 48.5, "avg")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="did you mean 'flatten'"):
        check_options("mobilenetv2", 48, "flat")
    with pytest.raises(ConfigError, match="layer 'block_6_relu' is unknown in mobilenetv2; did you mean"):
        check_options("mobilenetv2", 48, "avg", "block_6_relu")
    with pytest.raises(ConfigError, match="mirror must be one of off, average, but came as 'on'"):
        check_options("mobilenetv2", 48, "avg", "last", "on")
