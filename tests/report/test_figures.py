import copy
from itertools import pairwise

import numpy as np
import pytest
from PIL import Image

from acofer.report.figures import FIGURES, write_figures
from acofer.scoring.metrics import scorecard


def numbers_of(names=("calm", "cross", "glad"), protocol="clean", metric="log-loss", draws=2):
    """Return what `write_figures` reads, for made-up classes."""
    rng = np.random.default_rng(0)
    y = np.arange(60 * len(names)) % len(names)
    proba = rng.random((len(y), len(names)))
    proba[np.arange(len(y)), y] += 0.7
    card = {"features": 24, **scorecard(y, proba / proba.sum(1, keepdims=True))}
    scored = [
        {
            "features": int(size),
            "value": 2 - 0.1 * i,
            "standard error": 0.05,
            "iteration": i // 3,
            "estimate": i % 3 == 1,
        }
        for i, size in enumerate((8, 12, 24, 17, 34, 24))
    ]
    everything = {**card, "features": 1280}
    return {
        "protocol": protocol,
        "data": {"classes": list(names)},
        "contenders": {
            "colony": card,
            "all features": everything,
            "top by heuristic": card,
            **{f"random {d + 1}": card for d in range(draws)},
        },
        "search": {
            "metric": metric,
            "pick": "1se",
            "scored": scored,
            "front": scored[:3],
            "best": scored[-1],
            "chosen": {**scored[2], "standard error": None},
        },
    }


def texts_of(folder):
    return {name: (folder / f"{name}.svg").read_text() for name in FIGURES}


def test_each_figure_is_written_as_svg_and_png(tmp_path):
    write_figures(numbers_of(), tmp_path / "figures")
    assert {path.name for path in (tmp_path / "figures").iterdir()} == {
        f"{name}.{kind}" for name in FIGURES for kind in ("svg", "png")
    }
    for name in FIGURES:
        with Image.open(tmp_path / "figures" / f"{name}.png") as picture:
            assert picture.width == 1050
            assert len(picture.convert("RGB").getcolors(1 << 20)) > 5


def test_text_stays_text(tmp_path):
    write_figures(numbers_of(), tmp_path)
    texts = texts_of(tmp_path)
    for name in ("calm", "cross", "glad"):
        assert f">{name}<" in texts["confusion"]
        assert name in texts["per_class"]
    assert "smaller is better" in texts["convergence"]
    assert "colony (24)" in texts["contenders"]
    assert "all features (1,280)" in texts["contenders"]
    assert "chosen (1se)" in texts["size"]


def test_the_direction_of_the_metric_is_told(tmp_path):
    write_figures(numbers_of(metric="macro-f1"), tmp_path)
    texts = texts_of(tmp_path)
    assert "larger is better" in texts["convergence"]
    assert "larger is better" in texts["size"]


def test_the_same_numbers_give_the_same_svg(tmp_path):
    numbers = numbers_of()
    before = copy.deepcopy(numbers)
    for name in ("one", "two"):
        write_figures(numbers, tmp_path / name)
    assert texts_of(tmp_path / "one") == texts_of(tmp_path / "two")
    assert numbers == before


@pytest.mark.parametrize("protocol", ["leaky-smote-first", "leaky-smote-test"])
def test_a_leaky_protocol_is_named_in_every_figure(tmp_path, protocol):
    write_figures(numbers_of(protocol=protocol), tmp_path)
    for text in texts_of(tmp_path).values():
        assert f"protocol {protocol}: not an honest figure" in text


def test_an_honest_figure_carries_no_such_line(tmp_path):
    write_figures(numbers_of(), tmp_path)
    for text in texts_of(tmp_path).values():
        assert "leaky" not in text
        assert "not an honest" not in text


def test_two_classes_and_twenty_draw(tmp_path):
    for count in (2, 20):
        names = [f"expression {i}" for i in range(count)]
        write_figures(numbers_of(names, draws=20), tmp_path / str(count))
        assert all(name in texts_of(tmp_path / str(count))["confusion"] for name in names)
    with Image.open(tmp_path / "2" / "confusion.png") as small, Image.open(tmp_path / "20" / "confusion.png") as large:
        assert large.width > small.width
        assert large.height > small.height


@pytest.mark.parametrize(
    "names",
    [
        ("Angry", "Disgust", "Fear", "Happy", "Sad", "Surprise", "Neutral"),
        ("a" * 18,) * 4,
        ("abcdefgh",) * 8,
        ("a", "b"),
    ],
)
def test_names_below_the_bars_do_not_run_into_each_other(names):
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4.6), layout="constrained")
    axes = figure.add_subplot()
    FIGURES["per_class"](axes, numbers_of(names))
    figure.draw_without_rendering()
    labels = axes.get_xticklabels()
    if labels[0].get_rotation() == 0:
        boxes = [label.get_window_extent() for label in labels]
        assert all(left.x1 < right.x0 for left, right in pairwise(boxes))
    else:
        assert len(names) * max(map(len, names)) > 60  # turned only where there is no room


def test_a_class_name_is_shown_as_it_is_written(tmp_path):
    # A dollar sign began a formula: "$\frac$" stopped the run after the search.
    names = (r"$\frac$", "a_b^c", "<tag> & more", "n" * 200, "ärgerlich")
    write_figures(numbers_of(names), tmp_path)
    text = texts_of(tmp_path)["confusion"]
    assert r"$\frac$" in text
    assert "a_b^c" in text
    assert "&lt;tag&gt; &amp; more" in text
    assert "n" * 17 + "…" in text
    assert "n" * 19 not in text
    assert "ärgerlich" in text


def test_the_legend_lies_outside_of_the_data(tmp_path, monkeypatch):
    from matplotlib.figure import Figure

    drawn = []
    save = Figure.savefig
    monkeypatch.setattr(Figure, "savefig", lambda self, *a, **k: drawn.append(self) or save(self, *a, **k))
    write_figures(numbers_of(), tmp_path)
    legends = 0
    for figure in drawn:
        figure.draw_without_rendering()
        inside = figure.axes[0].get_window_extent()
        for legend in figure.legends:
            legends += 1
            box = legend.get_window_extent()
            assert not box.overlaps(inside)
            assert box.x0 >= 0
            assert box.x1 <= figure.bbox.width
    assert legends == 6  # convergence, size and per class, each saved twice


def test_one_iteration_draws_no_line_between_iterations(tmp_path):
    numbers = numbers_of()
    for row in numbers["search"]["scored"]:
        row["iteration"] = 0
    write_figures(numbers, tmp_path)
    assert "dotted" not in texts_of(tmp_path)["convergence"]
