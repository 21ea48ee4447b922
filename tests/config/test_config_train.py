import datetime
from pathlib import Path

import pytest

from acofer.config.options import options_of
from acofer.config.search import SearchConfig
from acofer.config.train import TrainConfig
from acofer.errors import ConfigError

RECIPE = (
    "image_size", "weights", "balance", "target", "flip", "shift", "rotate", "zoom", "epochs", "batch_size",
    "learning_rate", "lowest_rate", "plateau", "patience", "loss",
)  # fmt: skip


def test_what_a_recipe_settles_is_auto():
    config = TrainConfig()
    assert {getattr(config, name) for name in RECIPE} == {"auto"}
    assert (config.net, config.precision, config.faces, config.net_params) == ("small-cnn", "auto", "off", {})


def test_pictures_and_runs_are_named_as_for_a_search():
    for name in ("data", "ferplus", "on_broken", "split", "seed", "out"):
        of_train, of_search = options_of(TrainConfig)[name], options_of(SearchConfig)[name]
        assert (of_train.default, of_train.type) == (of_search.default, of_search.type)
        differing = {key for key in of_train.metadata if of_train.metadata[key] != of_search.metadata[key]}
        assert differing <= {"check"}  # a function of its own for each


@pytest.mark.parametrize(
    ("name", "given", "kept"),
    [
        ("image_size", "96", 96), ("image_size", "auto", "auto"), ("image_size", 8.0, 8), ("epochs", "1", 1),
        ("target", 2650, 2650), ("shift", "0.1", 0.1), ("shift", 1, 1.0), ("rotate", "180", 180.0), ("zoom", 0, 0.0),
        ("learning_rate", "1e-3", 1e-3), ("lowest_rate", 0, 0.0), ("plateau", "0", 0), ("patience", "auto", "auto"),
        ("classes", "Happy, Sad", "Happy, Sad"), ("start", Path("runs") / "A", str(Path("runs") / "A")),
        ("net_params", {"units": [8, 4], "skip": False}, {"units": [8, 4], "skip": False}),
    ],
)  # fmt: skip
def test_values_are_kept_as_their_kind(name, given, kept):
    found = getattr(TrainConfig(**{name: given}), name)
    assert (found, type(found)) == (kept, type(kept))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("image_size", 7), ("image_size", "7.5"), ("image_size", 48.5), ("image_size", True), ("image_size", None),
        ("epochs", 0), ("epochs", "many"), ("batch_size", 0), ("batch_size", 2.5), ("target", 0), ("flip", "yes"),
        ("flip", True), ("shift", -0.1), ("shift", 1.1), ("shift", "nan"), ("rotate", 181), ("zoom", 1), ("zoom", []),
        ("learning_rate", 0), ("learning_rate", "inf"), ("lowest_rate", -1), ("plateau", -1), ("patience", -1),
        ("patience", "1.5"), ("loss", "mse"), ("precision", "float64"), ("balance", "smoth"), ("faces", "on"),
        ("classes", ""), ("classes", "Happy,,Sad"), ("start", "runs/A,"), ("seed", -1), ("net_params", 3),
        ("net_params", {"dropout": float("nan")}), ("net_params", {"since": datetime.date(2021, 1, 1)}),
    ],
)  # fmt: skip
def test_values_out_of_range_are_refused(name, value):
    with pytest.raises(ConfigError, match=rf"^{name}: expected .*got"):
        TrainConfig(**{name: value})


def test_a_wrong_number_is_told_what_was_expected():
    with pytest.raises(ConfigError, match=r"^epochs: expected auto, or a whole number of at least 1; got '0'$"):
        TrainConfig(epochs="0")
    with pytest.raises(ConfigError, match="did you mean 'bfloat16'"):
        TrainConfig(precision="bfloat")


def test_the_rate_is_halved_downwards_only():
    with pytest.raises(ConfigError, match=r"^lowest_rate: expected at most the learning rate, 0.001; got 0.01$"):
        TrainConfig(learning_rate=1e-3, lowest_rate=1e-2)
    for given in ({"lowest_rate": 1.0}, {"learning_rate": 1e-9}, {"learning_rate": 1e-3, "lowest_rate": 1e-3}):
        TrainConfig(**given)
