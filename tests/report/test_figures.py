import copy
import errno
from itertools import combinations, pairwise

import numpy as np
import pytest
from PIL import Image

from acofer.errors import StoreError
from acofer.report.figures import FIGURES, write_each, write_figures
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
        "features": [places_of("out_relu", 1280, [[5, 7], [0, 12]])],
    }


def places_of(layer, channels, places):
    """Return what is recorded of the chosen features of one layer."""
    n_places, chosen = sum(map(len, places)), sum(map(sum, places))
    return {"layer": layer, "of": n_places * channels, "chosen": chosen, "places": places}


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
    for words in (">out_relu<", ">24 of 5,120<", ">12<", "(darkest: 12)"):
        assert words in texts["features"]


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


def test_a_figure_that_cannot_be_written_is_told_and_leaves_nothing(tmp_path, monkeypatch):
    def full(self, path, **_):
        path.write_bytes(b"half a figure")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("matplotlib.figure.Figure.savefig", full)
    with pytest.raises(StoreError, match=r"a figure cannot be written .* No space left on device"):
        write_figures(numbers_of(), tmp_path)
    assert not list(tmp_path.iterdir())


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


def test_the_legend_lies_outside_of_the_data(tmp_path, drawn):
    numbers = long_run([16, 33], 2, restarts=(0,))
    for number, row in enumerate(numbers["search"]["scored"]):
        row["estimate"] = number % 4 == 2  # as many kinds of marks as there can be
    write_figures(numbers, tmp_path)
    legends = 0
    for figure in drawn:
        figure.draw_without_rendering()
        panels = [axes.get_window_extent() for axes in figure.axes]
        for legend in figure.legends:
            legends += 1
            box = legend.get_window_extent()
            assert not any(box.overlaps(inside) for inside in panels)
            assert box.x0 >= 0
            assert box.x1 <= figure.bbox.width
    assert legends == 6  # convergence, size and per class, each saved twice


def long_run(sizes, iterations, restarts=(), ants=4, metric="brier"):
    """Return the made-up numbers of a path of colonies; every iteration's first ant is improved, and its best."""
    scored, colony = [], []
    for size in sizes:
        for i in range(iterations):
            number = len(colony)
            values = 0.9 - 0.05 * sizes.index(size) - 0.1 / (iterations - i) + 0.01 * np.arange(ants)
            scored += [
                {"features": size, "value": float(value), "standard error": 0.02, "estimate": False,
                 "iteration": number, "exchanged": 3 if ant == 0 else 0}
                for ant, value in enumerate(values)
            ]  # fmt: skip
            colony.append({"iteration": number, "best_utility": float(-values[0]), "entropy": 1 - 0.5 * i / iterations,
                           "branching": 50.0 / (i + 1), "is_restart": number in restarts})  # fmt: skip
    best = [min((r for r in scored if r["features"] == size), key=lambda r: r["value"]) for size in sizes]
    numbers = numbers_of(metric=metric)
    numbers["configuration"] = {"path": "on"}
    numbers["search"] |= {"scored": scored, "colony": colony, "front": best, "best": best[-1], "chosen": best[-1]}
    return numbers


def panels_of(name, numbers):
    """Draw one figure; return it and its axes."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 6.2), layout="constrained")
    FIGURES[name](figure.add_subplot(), numbers)
    figure.draw_without_rendering()
    return figure, figure.axes


def lines_of(axes, colour):
    return [line for line in axes.lines if line.get_color() == colour]


def test_ants_stand_in_order_within_their_iteration():
    _, (upper, *_) = panels_of("convergence", long_run([8], 3))
    dots = upper.lines[0]
    np.testing.assert_allclose(dots.get_xdata(), (np.arange(12) + 0.5) / 4)
    (improved,) = lines_of(upper, "#009E73")
    np.testing.assert_allclose(improved.get_xdata(), [0.125, 1.125, 2.125])
    (best,) = lines_of(upper, "#0072B2")
    assert best.get_xdata()[-1] == 3
    assert best.get_ydata()[-1] == pytest.approx(0.8)


def test_below_stand_branching_factor_and_entropy_after_each_iteration():
    _, (upper, lower, right) = panels_of("convergence", long_run([8], 3))
    assert lower.get_yscale() == "log"
    branching, converged = lines_of(lower, "#0072B2")
    np.testing.assert_allclose(branching.get_xydata(), [(1, 50), (2, 25), (3, 50 / 3)])
    assert set(converged.get_ydata()) == {1.2}
    np.testing.assert_allclose(right.lines[0].get_xydata(), [(1, 1), (2, 5 / 6), (3, 2 / 3)])
    assert upper.get_xlim() == lower.get_xlim()


def test_restarts_are_named_lines_through_both_panels_and_break_the_curves():
    _, (upper, lower, right) = panels_of("convergence", long_run([8], 9, restarts=(2, 5)))
    for axes in (upper, lower):
        assert [set(line.get_xdata()) for line in lines_of(axes, "#D55E00")] == [{3}, {6}]
    assert sum("restart" in label for label in upper.get_legend_handles_labels()[1]) == 1
    assert [len(line.get_xdata()) for line in right.lines] == [3, 3, 3]
    _, (upper, *_) = panels_of("convergence", long_run([8], 9))
    assert not lines_of(upper, "#D55E00")


def test_a_path_names_its_sizes_and_parts_them():
    figure, (upper, lower, right) = panels_of("convergence", long_run([16, 64, 1024], 4))
    above = [text for text in upper.texts if text.get_text() != "features: "]
    assert [(text.get_text(), text.get_position()[0]) for text in above] == [("16", 2), ("64", 6), ("1,024", 10)]
    for axes in (upper, lower):
        assert [set(line.get_xdata()) for line in lines_of(axes, "#000000")] == [{4}, {8}]
    best = lines_of(upper, "#0072B2")
    assert [line.get_ydata()[-1] for line in best] == pytest.approx([0.8, 0.75, 0.7]), "each size has its own best"
    assert [len(line.get_xdata()) for line in right.lines] == [4, 4, 4]
    title = upper.title.get_window_extent()
    assert not any(text.get_window_extent().overlaps(title) for text in upper.texts)
    assert figure.bbox.x0 <= min(text.get_window_extent().x0 for text in upper.texts)


def test_the_sizes_of_a_long_path_do_not_run_into_each_other():
    _, (upper, *_) = panels_of("convergence", long_run([4**i for i in range(8)] + [20_000 + i for i in range(5)], 2))
    boxes = [text.get_window_extent() for text in upper.texts]
    assert len(boxes) == 14
    assert not any(one.overlaps(other) for one, other in combinations(boxes, 2))


def test_a_colony_that_learns_its_size_is_no_path():
    numbers = long_run([16, 64], 2)
    numbers["configuration"]["path"] = "off"
    _, (upper, *_) = panels_of("convergence", numbers)
    assert not upper.texts
    assert len(lines_of(upper, "#0072B2")) == 1


def test_one_iteration_draws():
    _, (upper, lower, right) = panels_of("convergence", long_run([8], 1))
    assert upper.get_xlim()[0] == 0
    assert 1 < upper.get_xlim()[1] < 1.1
    assert lower.lines[0].get_marker() == "."  # a line of one point shows nothing
    assert right.get_ylim()[1] - right.get_ylim()[0] >= 0.01


def test_a_run_of_before_draws_without_what_it_did_not_record(tmp_path):
    numbers = numbers_of()
    del numbers["features"]
    write_figures(numbers, tmp_path)
    assert {path.stem for path in tmp_path.iterdir()} == set(FIGURES) - {"features"}
    _, axes = panels_of("convergence", numbers)
    assert len(axes) == 1


def test_a_long_search_stays_a_small_file(tmp_path):
    numbers = long_run([16, 33, 70, 147, 307, 640], 150, restarts=(60, 250), ants=20)
    write_figures(numbers, tmp_path)
    for name in ("convergence", "size"):
        assert (tmp_path / f"{name}.svg").stat().st_size < 600_000
        assert "<image" in (tmp_path / f"{name}.svg").read_text()


@pytest.mark.parametrize("metric", ["brier", "accuracy"])
def test_the_best_of_each_size_of_a_path_is_drawn_and_told(metric):
    numbers = long_run([16, 33, 70], 3, metric=metric)
    numbers["search"]["front"] = numbers["search"]["front"][:1]
    _, (axes,) = panels_of("size", numbers)
    by_size = {16: (0.8, 0.93 - 0.1 / 3), 33: (0.75, 0.88 - 0.1 / 3), 70: (0.7, 0.83 - 0.1 / 3)}
    best = [by_size[size][metric == "accuracy"] for size in by_size]
    curve = next(line for line in axes.lines if line.get_label() == "best of each size")
    np.testing.assert_allclose(curve.get_ydata(), best)
    assert [text.get_text() for text in axes.texts] == [f"{value:.3f}" for value in best]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["16", "33", "70"]


def test_an_estimate_is_not_the_best_of_its_size():
    numbers = long_run([16, 33], 3)
    for row in numbers["search"]["scored"]:
        row["estimate"] = row["value"] < 0.78
    numbers["search"]["front"] = []
    _, (axes,) = panels_of("size", numbers)
    curve = next(line for line in axes.lines if line.get_label() == "best of each size")
    assert min(curve.get_ydata()) >= 0.78


def test_one_mark_where_the_best_is_chosen():
    numbers = numbers_of()
    _, (axes,) = panels_of("size", numbers)
    assert "best" in axes.get_legend_handles_labels()[1]
    numbers["search"]["chosen"] = numbers["search"]["best"]
    _, (axes,) = panels_of("size", numbers)
    labels = axes.get_legend_handles_labels()[1]
    assert "best" not in labels
    assert any(label.startswith("best, and chosen (1se)") for label in labels)


def maps_of(layers, drawn, folder):
    """Draw the figure of features; return its maps."""
    write_each({"features": FIGURES["features"]}, {**numbers_of(), "features": layers}, folder)
    drawn[-1].draw_without_rendering()
    return [axes for axes in drawn[-1].axes if axes.images]


def test_each_layer_has_a_map_of_its_places(tmp_path, drawn):
    layers = [
        places_of("block_6_expand_relu", 192, [[1, 2, 3], [4, 5, 6], [7, 8, 90]]),
        places_of("block_13_expand_relu", 576, [[10, 0], [0, 40]]),
        places_of("out_relu", 1280, [[17]]),
    ]
    maps = maps_of(layers, drawn, tmp_path)
    assert len(maps) == 3
    for axes, layer in zip(maps, layers, strict=True):
        assert axes.get_title() == f"{layer['layer']}\n{layer['chosen']} of {layer['of']:,}"
        assert axes.images[0].get_array().tolist() == layer["places"]
        assert axes.images[0].get_clim() == (0, 90), "one scale for all layers"
        cells = {tuple(text.get_position()): text.get_text() for text in axes.texts}
        assert cells == {(j, i): str(n) for i, row in enumerate(layer["places"]) for j, n in enumerate(row)}


@pytest.mark.parametrize("count", [1, 4, 5, 17])
def test_maps_and_their_titles_do_not_run_into_each_other(count, tmp_path, drawn):
    layers = [places_of(f"block{i}a_expand_activation", 192, [[i] * 12] * 12) for i in range(count)]
    maps = maps_of(layers, drawn, tmp_path)
    boxes = [box for axes in maps for box in (axes.get_window_extent(), axes.title.get_window_extent())]
    assert len(boxes) == 2 * count
    assert not any(one.overlaps(other) for one, other in combinations(boxes, 2))
    figure = maps[0].figure
    heading = figure._suptitle.get_window_extent()
    assert not any(box.overlaps(heading) for box in boxes)
    assert all(figure.bbox.x0 <= box.x0 and box.x1 <= figure.bbox.x1 and figure.bbox.y0 <= box.y0 for box in boxes)
    assert not any(axes.texts for axes in maps), "no room for 144 counts"


def test_features_of_which_none_is_chosen_draw(tmp_path, drawn):
    (axes,) = maps_of([places_of("out_relu", 2, [[0, 0]])], drawn, tmp_path)
    assert axes.images[0].get_clim() == (0, 1)
