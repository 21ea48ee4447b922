from __future__ import annotations

import numpy as np
import pytest
import reference
from hypothesis import given
from hypothesis import strategies as st

from acofer.config.search import SearchConfig
from acofer.errors import ConfigError
from acofer.features.layers import (
    BANKS,
    LAYERS,
    activated_layers,
    check_pooling,
    chosen_layers,
    chosen_pooling,
    describe_layer,
    grid_cells,
    name_features,
    place_of,
)
from acofer.pretrained.weights import ARCHITECTURES


@pytest.mark.parametrize("backbone", LAYERS)
def test_the_table_is_that_of_keras(backbone: str) -> None:
    """Names, order and strides; at 64 pixels, which every stride divides."""
    keras = pytest.importorskip("keras")
    build = getattr(keras.applications, ARCHITECTURES[backbone].application)
    net = build(weights=None, include_top=False, input_shape=(64, 64, 3))
    kinds = [type(layer).__name__ for layer in net.layers]
    first = kinds.index("Conv2D")
    maps = {
        layer.name: layer.output.shape[1:3]
        for layer, kind in zip(net.layers[first:], kinds[first:], strict=True)
        if len(layer.output.shape) == 4 and kind != "ZeroPadding2D"
    }
    assert list(maps) == list(LAYERS[backbone])
    sides = {name: 64 // stride if stride else 1 for name, stride in LAYERS[backbone].items()}
    assert maps == {name: (side, side) for name, side in sides.items()}


def test_banks_are_activated_layers_at_strides_8_16_16() -> None:
    assert BANKS.keys() == LAYERS.keys() == ARCHITECTURES.keys()
    for backbone, names in BANKS.items():
        assert [LAYERS[backbone][name] for name in names] == [8, 16, 16]
        assert set(names) < set(activated_layers(backbone))
        inside = [name for name in activated_layers(backbone) if LAYERS[backbone][name] in (8, 16)]
        of_eight = [name for name in inside if LAYERS[backbone][name] == 8]
        assert (names[0], names[2]) == (of_eight[-1], inside[-1]), "the last ones of their stride"


def test_what_the_words_mean() -> None:
    assert chosen_layers("last", "mobilenet") == ("conv_pw_13_relu",)
    assert chosen_layers("bank", "mobilenetv2") == BANKS["mobilenetv2"]
    assert chosen_layers("all", "mobilenetv2") == (*(f"block_{i}_expand_relu" for i in range(1, 17)), "out_relu")
    assert chosen_layers("all", "mobilenet") == tuple(f"conv_pw_{i}_relu" for i in range(1, 14))
    efficient = chosen_layers("all", "efficientnetb0")
    assert (efficient[0], efficient[-2:], len(efficient)) == (
        "block2a_expand_activation",
        ("block7a_expand_activation", "top_activation"),
        16,
    )


def test_names_come_in_the_order_of_the_network_and_once() -> None:
    assert chosen_layers("out_relu, Conv1,block_6_expand_relu,last", "mobilenetv2") == (
        "Conv1",
        "block_6_expand_relu",
        "out_relu",
    )
    assert chosen_layers("bank,last", "mobilenetv2") == (*BANKS["mobilenetv2"], "out_relu")


def test_an_unknown_layer_names_the_nearest_or_those_that_exist() -> None:
    with pytest.raises(
        ConfigError, match=r"layer 'block_6_expand_rel' is unknown in mobilenetv2; did you mean 'block_6_e"
    ):
        chosen_layers("block_6_expand_rel", "mobilenetv2")
    with pytest.raises(
        ConfigError, match=r"unknown in mobilenet; known: last, bank, all, conv_pw_1_relu, .*between"
    ) as caught:
        chosen_layers("??", "mobilenet")
    assert len(str(caught.value)) < 400
    with pytest.raises(ConfigError, match=r"did you mean one of block7a_expand_conv, .*, block7a_project_bn"):
        chosen_layers("block7a", "efficientnetb0")
    for nothing in ("", "bank,", "out_relu,,Conv1"):
        with pytest.raises(ConfigError, match="layer '' is unknown"):
            chosen_layers(nothing, "mobilenetv2")
    with pytest.raises(ConfigError, match="did you mean 'mobilenetv2'"):
        chosen_layers("last", "mobilnetv2")


def test_pooling_follows_the_layers_unless_it_is_named() -> None:
    assert chosen_pooling("auto", "last") == "flatten"
    assert chosen_pooling("auto", "bank") == chosen_pooling("auto", "out_relu") == "grid:3"
    assert chosen_pooling("max", "bank") == "max"
    for known in ("flatten", "avg", "max", "grid:1", "grid:12", "maxgrid:999"):
        check_pooling(known)
    for unknown in ("auto", "grid", "grid:", "grid:0", "grid:03", "grid:-1", "grid:1000", "grid:2x2", "avggrid:2", "٣"):
        with pytest.raises(ConfigError, match="is unknown"):
            check_pooling(unknown)


@pytest.mark.parametrize(
    "pooling", ["flatten", "avg", "max", "grid:1", "maxgrid:999", "grid:0", "grid:03", "grids", ""]
)
def test_the_configuration_accepts_the_same_poolings(pooling: str) -> None:
    """It knows no networks, and has to say by itself what it accepts."""
    outcomes = []
    for check in (check_pooling, lambda value: SearchConfig(pooling=value)):
        try:
            check(pooling)
        except ConfigError:
            outcomes.append("refused")
        else:
            outcomes.append("accepted")
    assert outcomes[0] == outcomes[1]
    config = SearchConfig()
    assert (config.layers, config.pooling, config.mirror) == ("last", "auto", "off")


@given(st.integers(1, 60), st.integers(1, 20))
def test_cells_cover_a_side_and_overlap_by_one_line_at_most(side: int, n: int) -> None:
    cells = grid_cells(side, n)
    assert len(cells) == min(n, side)
    assert {line for start, stop in cells for line in range(start, stop)} == set(range(side))
    assert all(0 <= cells[i][1] - cells[i + 1][0] <= 1 for i in range(len(cells) - 1))
    members = [reference.grid_members(side, len(cells), i) for i in range(len(cells))]
    assert [list(range(*cell)) for cell in cells] == members


def test_cells_of_a_side_that_is_not_divided() -> None:
    assert grid_cells(7, 3) == [(0, 3), (2, 5), (4, 7)]
    assert grid_cells(2, 3) == [(0, 1), (1, 2)]
    assert grid_cells(6, 3) == [(0, 2), (2, 4), (4, 6)]


@pytest.mark.parametrize(
    ("pooling", "shape"),
    [("flatten", [6, 5, 4]), ("avg", [1, 1, 4]), ("max", [1, 1, 4]), ("grid:3", [3, 3, 4]), ("maxgrid:9", [6, 5, 4])],
)
def test_what_is_recorded_of_a_layer(pooling: str, shape: list[int]) -> None:
    layer = describe_layer("a", (6, 5, 4), pooling)
    assert layer == {"name": "a", "shape": shape, "rows": 6, "columns": 5}
    names = name_features([layer], pooling)
    assert len(names) == len(set(names)) == np.prod(shape)
    places = {place_of(name) for name in names}
    assert places == {("a", row, column) for row in range(shape[0]) for column in range(shape[1])}


def test_names_follow_layer_row_column_channel() -> None:
    layers = [describe_layer("a", (1, 2, 2), "flatten"), describe_layer("b", (1, 1, 1), "flatten")]
    assert name_features(layers, "flatten") == (
        "a/c0000/r0c0",
        "a/c0001/r0c0",
        "a/c0000/r0c1",
        "a/c0001/r0c1",
        "b/c0000/r0c0",
    )
    assert name_features([describe_layer(name, (4, 4, 1), "max") for name in "ab"], "max") == ("a/c0000", "b/c0000")
    assert name_features([describe_layer("a", (4, 4, 1), "grid:1")], "grid:1") == ("a/c0000/r0c0",)
