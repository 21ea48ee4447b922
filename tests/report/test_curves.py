import copy
import json
from itertools import combinations

import numpy as np
import pytest
from PIL import Image

from acofer.report.curves import TRAINING_FIGURES, write_training_figures
from acofer.report.figures import BLACK, BLUE, GREEN, GREY, ORANGE, write_each
from acofer.scoring.metrics import binary_accuracy, scorecard

FACES = ("Angry", "Disgust", "Fear", "Happy", "Sad", "Surprise", "Neutral")


def numbers_of(rates=(1e-3,), best=1, names=FACES, balance="none"):
    """Return what `write_training_figures` reads, for a made-up course with an epoch a rate."""
    rng = np.random.default_rng(0)
    y = np.arange(60 * len(names)) % len(names)
    proba = rng.random((len(y), len(names)))
    proba[np.arange(len(y)), y] += 0.7
    history = [
        {
            "epoch": i + 1,
            "learning_rate": rate,
            "loss": 0.3 + 1.6 * 0.9**i,
            "accuracy": 0.9 - 0.6 * 0.9**i,
            "binary_accuracy": 0.97,
            "validation_loss": 1.0 + 0.1 * abs(i + 1 - best) ** 0.5,
            "validation_accuracy": 0.6 - 0.02 * abs(i + 1 - best) ** 0.5,
            "validation_binary_accuracy": 0.96,
            "seconds": 2.0,
        }
        for i, rate in enumerate(rates)
    ]
    return {
        "configuration": {"loss": "categorical", "balance": balance},
        "data": {"classes": list(names)},
        "net": {"name": "separable-attention"},
        "training": {"epochs": len(history), "best epoch": best, "history": history},
        "test": {
            **scorecard(y, proba / proba.sum(1, keepdims=True)),
            "binary accuracy": binary_accuracy(y, proba / proba.sum(1, keepdims=True)),
        },
    }


def halving(epochs, every):
    return [1e-3 / 2 ** (i // every) for i in range(epochs)]


def panels_of(numbers, drawn, folder):
    """Write the curves alone; return their panels: loss, accuracy, rate."""
    write_each({"curves": TRAINING_FIGURES["curves"]}, numbers, folder)
    drawn[0].draw_without_rendering()
    return drawn[0].axes


def lines_of(axes, colour):
    return [line for line in axes.lines if line.get_color() == colour]


def labels_of(axis):
    """Return the labels of an axis that are drawn: those of ticks within its limits."""
    low, high = axis.get_view_interval()
    return [tick.label1 for tick in axis.get_major_ticks() if low <= tick.get_loc() <= high]


def test_each_figure_is_written_as_svg_and_png(tmp_path):
    write_training_figures(numbers_of(halving(6, 3), 4), tmp_path / "figures")
    files = {path.name for path in (tmp_path / "figures").iterdir()}
    assert files == {f"{name}.{kind}" for name in ("curves", "confusion", "per_class") for kind in ("svg", "png")}
    for name in TRAINING_FIGURES:
        with Image.open(tmp_path / "figures" / f"{name}.png") as picture:
            assert picture.width == 1050
            assert len(picture.convert("RGB").getcolors(1 << 20)) > 5


def test_curves_show_training_at_the_middle_of_an_epoch_and_validation_at_its_end(tmp_path, drawn):
    numbers = numbers_of(halving(6, 3), 4)
    rows = numbers["training"]["history"]
    for axes, measure in zip(panels_of(numbers, drawn, tmp_path), ("loss", "accuracy"), strict=False):
        assert axes.get_ylabel().startswith(measure)
        (training,), (validation,) = lines_of(axes, BLUE), lines_of(axes, ORANGE)
        np.testing.assert_allclose(training.get_xydata(), [(row["epoch"] - 0.5, row[measure]) for row in rows])
        np.testing.assert_allclose(
            validation.get_xydata(), [(row["epoch"], row[f"validation_{measure}"]) for row in rows]
        )
        assert training.get_linestyle() != validation.get_linestyle()


def test_binary_accuracy_stands_nowhere(tmp_path, drawn):
    for axes in panels_of(numbers_of(halving(6, 3), 4), drawn, tmp_path):
        assert not any(np.isin([0.96, 0.97], line.get_ydata()).any() for line in axes.lines)
    assert not any("binary" in path.read_text() for path in tmp_path.glob("*.svg"))


def test_the_kept_epoch_and_the_fallen_rate_are_lines_through_all_panels(tmp_path, drawn):
    panels = panels_of(numbers_of([1e-3, 1e-3, 5e-4, 5e-4, 2.5e-4], 4), drawn, tmp_path)
    for axes in panels:
        assert [set(line.get_xdata()) for line in lines_of(axes, GREY)] == [{2}, {4}]
        assert [set(line.get_xdata()) for line in lines_of(axes, BLACK)] == [{4}]
    rate = panels[2]
    assert rate.get_yscale() == "log"
    (steps,) = rate.patches
    np.testing.assert_allclose(steps.get_data().values, [1e-3, 1e-3, 5e-4, 5e-4, 2.5e-4])
    np.testing.assert_allclose(steps.get_data().edges, range(6))
    assert [label.get_text() for label in rate.get_yticklabels()] == ["0.00025", "0.001"]
    words = [text.get_text() for text in drawn[0].legends[0].get_texts()]
    assert words.count("learning rate lowered") == 1
    assert "epoch 4: lowest validation loss, kept" in words


def test_a_rate_that_stays_has_no_steps(tmp_path, drawn):
    panels = panels_of(numbers_of([1e-4] * 5), drawn, tmp_path)
    assert not any(lines_of(axes, GREY) for axes in panels)
    assert [label.get_text() for label in panels[2].get_yticklabels()] == ["0.0001"]
    assert "lowered" not in (tmp_path / "curves.svg").read_text()


def test_the_test_accuracy_stands_with_its_interval(tmp_path, drawn):
    numbers = numbers_of(halving(6, 3), 4)
    accuracy = panels_of(numbers, drawn, tmp_path)[1]
    value, (low, high) = numbers["test"]["accuracy"]["value"], numbers["test"]["accuracy"]["interval"]
    (line,) = lines_of(accuracy, GREEN)
    assert set(line.get_ydata()) == {value}
    (band,) = accuracy.patches
    assert (band.get_y(), band.get_y() + band.get_height()) == pytest.approx((low, high))
    assert f"test: {value:.3f}, 95 % interval {low:.3f} to {high:.3f}" in (tmp_path / "curves.svg").read_text()
    assert accuracy.get_ylabel() == "accuracy\n(7 classes)"


def test_one_epoch_is_dots(tmp_path, drawn):
    loss, accuracy, rate = panels_of(numbers_of(), drawn, tmp_path)
    for axes in (loss, accuracy):  # a line of one point shows nothing
        assert {line.get_marker() for line in lines_of(axes, BLUE) + lines_of(axes, ORANGE)} == {"o", "s"}
    assert 1 < rate.get_xlim()[1] < 1.1
    assert [label.get_text() for label in labels_of(rate.xaxis)] == ["0", "1"]


@pytest.mark.parametrize(("epochs", "every"), [(1, 5), (6, 2), (30, 40), (100, 60), (100, 7)])
def test_labels_neither_run_into_each_other_nor_out_of_the_figure(epochs, every, tmp_path, drawn):
    numbers = numbers_of(halving(epochs, every), max(1, epochs // 3), balance="nearmiss-smote")
    numbers["net"]["name"] = "mobilenet-skip-mha"
    panels = panels_of(numbers, drawn, tmp_path)
    figure = drawn[0]
    (legend,) = figure.legends
    texts = [panels[0].title, *legend.get_texts(), panels[2].xaxis.label, *labels_of(panels[2].xaxis)]
    texts += [text for axes in panels for text in (axes.yaxis.label, *labels_of(axes.yaxis))]
    boxes = [text.get_window_extent() for text in texts]
    assert not any(one.overlaps(other) for one, other in combinations(boxes, 2))
    assert not any(legend.get_window_extent().overlaps(axes.get_window_extent()) for axes in panels)
    for box in (*boxes, legend.get_window_extent()):
        assert box.x0 >= 0
        assert box.x1 <= figure.bbox.x1
        assert box.y0 >= 0
        assert box.y1 <= figure.bbox.y1


def test_many_epochs_have_no_markers_and_stay_a_small_file(tmp_path, drawn):
    panels = panels_of(numbers_of(halving(100, 10), 40), drawn, tmp_path)
    assert {line.get_marker() for line in lines_of(panels[0], BLUE) + lines_of(panels[1], ORANGE)} <= {"", "None"}
    assert (tmp_path / "curves.svg").stat().st_size < 100_000


def test_one_loss_far_out_does_not_flatten_the_others(tmp_path, drawn):
    numbers = numbers_of(halving(20, 10), 12)
    assert panels_of(numbers, drawn, tmp_path)[0].get_yscale() == "linear"
    numbers["training"]["history"][1]["validation_loss"] = 60.0
    drawn.clear()
    assert panels_of(numbers, drawn, tmp_path)[0].get_yscale() == "log"


def test_a_balanced_training_part_is_told(tmp_path, drawn):
    assert panels_of(numbers_of(), drawn, tmp_path)[0].get_title() == "Training of separable-attention"
    drawn.clear()
    title = panels_of(numbers_of(balance="smote"), drawn, tmp_path)[0].get_title()
    assert title == "Training of separable-attention (balance: smote)"


def test_confusion_and_classes_are_those_of_the_test_part(tmp_path, drawn):
    numbers = numbers_of()
    write_training_figures(numbers, tmp_path)
    (confusion,), (per_class,) = drawn[2].axes, drawn[4].axes
    counts = np.array(numbers["test"]["confusion"])
    np.testing.assert_allclose(confusion.images[0].get_array(), 100 * counts / counts.sum(1, keepdims=True))
    heights = [[bar.get_height() for bar in bars] for bars in per_class.containers]
    rows = numbers["test"]["per class"]
    assert heights == [[row[measure] for row in rows] for measure in ("precision", "recall", "F1")]


def test_class_names_are_shown_as_they_are_written(tmp_path):
    write_training_figures(numbers_of(names=(r"$\frac$", "n" * 200, "<calm> & more")), tmp_path)
    for name in ("confusion", "per_class"):
        text = (tmp_path / f"{name}.svg").read_text()
        assert r"$\frac$" in text
        assert "&lt;calm&gt; &amp; more" in text
        assert "n" * 17 + "…" in text
        assert "n" * 18 not in text


def test_what_a_run_folder_holds_gives_the_same_figures_again(tmp_path):
    numbers = numbers_of(halving(6, 3), 4)
    before = copy.deepcopy(numbers)
    write_training_figures(numbers, tmp_path / "one")
    write_training_figures(json.loads(json.dumps(numbers)), tmp_path / "two")
    assert numbers == before
    for name in TRAINING_FIGURES:
        assert (tmp_path / "one" / f"{name}.svg").read_text() == (tmp_path / "two" / f"{name}.svg").read_text()
