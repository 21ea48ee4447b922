"""What ``acofer nets`` tells."""

import itertools
import json

import pytest

from acofer.nets.table import NETS


def test_the_networks_are_listed_by_paper(acofer):
    outcome = acofer("nets", "--names")
    assert outcome.err == ""
    lines = outcome.out.splitlines()
    for net in NETS.values():
        place = lines.index(next(line for line in lines if line.startswith(f"  {net.name} ")))
        assert lines[place].endswith(f" {net.summary}")
        assert [line for line in lines[:place] if not line.startswith(" ")][-1] == net.paper
    assert max(map(len, lines)) <= 100


def test_one_is_told_with_its_recipe_and_parameters(acofer):
    told = acofer("nets", "small-cnn", "--names").out
    flat = " ".join(told.split())
    recipe = NETS["small-cnn"].recipe
    for words in (
        f"image_size={recipe.image_size}, epochs={recipe.epochs}, learning_rate={recipe.learning_rate}, ",
        "flip=on, ", "loss=binary", "filters=[8, 16, 32, 64, 128], ", "output=sigmoid", NETS["small-cnn"].printed,
    ):  # fmt: skip
        assert words in flat
    assert "target=" not in flat
    assert "cost" not in flat
    assert max(map(len, told.splitlines())) <= 100


def test_what_a_network_costs_is_counted(acofer):
    pytest.importorskip("keras")
    arguments = ("nets", "small-cnn", "--image-size", "48", "--quiet")
    (row,) = json.loads(acofer(*arguments, "--json").out)
    # Of 5 x 5 kernels and their biases, at 48, 24, 12, 6 and 3 pixels; one pixel of 128 channels is left.
    channels, sides = (3, 8, 16, 32, 64, 128), (48, 24, 12, 6, 3)
    products = [25 * before * after for before, after in itertools.pairwise(channels)]
    dense = 128 * 128 + 128 * 7
    assert row["cost"] == {
        "image_size": 48,
        "trainable": sum(products) + sum(channels[1:]) + dense + 128 + 7,
        "frozen": 0,
        "multiply-adds": sum(n * side**2 for n, side in zip(products, sides, strict=True)) + dense,
    }
    flat = " ".join(acofer(*arguments).out.split())
    assert f"{row['cost']['trainable']:,} weights to train, 0 frozen, " in flat
    assert "of 48 x 48 pixels" in flat


def test_costs_stand_in_a_table(acofer, monkeypatch):
    from acofer.cli import nets

    cost = {"image_size": 96, "trainable": 1234567, "frozen": 89, "multiply-adds": 12340000}
    monkeypatch.setattr(nets, "_costs", lambda chosen, *_, **__: [cost] * len(chosen))
    lines = acofer("nets").out.splitlines()
    for name in NETS:
        (line,) = (line for line in lines if f" {name} " in line)
        for figure in ("96", "1.2 M", "89", "12.3 M"):
            assert f" {figure} " in line


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["hybrd"], "net 'hybrd' is unknown; did you mean 'hybrid'?; see: acofer nets"),
        (["small-cnn", "--image-size", "8"], "image_size: expected at least 32 pixels a side for small-cnn; got 8"),
        (["--image-size", "x"], "image_size: expected auto, or a whole number of at least 8; got 'x'"),
    ],
)
def test_a_wrong_command_line_is_one_line(complains, arguments, words):
    assert words in complains("nets", *arguments)


def test_predictions_are_timed_where_that_is_wanted(acofer):
    pytest.importorskip("keras")
    (row,) = json.loads(acofer("nets", "small-cnn", "--image-size", "32", "--time", "--json", "--quiet").out)
    assert row["cost"]["bytes on disk"] > 4 * row["cost"]["trainable"]
    assert row["cost"]["latency of one picture, ms"] > 0
    assert row["cost"]["pictures a second"] > 1000 / row["cost"]["latency of one picture, ms"] / 4
