"""The figures of a training, drawn from its numbers and nothing else."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

from acofer.report.figures import (
    BLACK,
    BLUE,
    GREEN,
    GREY,
    MOST_MARKED,
    ORANGE,
    Draw,
    draw_confusion,
    draw_per_class,
    write_each,
)

_FAR_OUT = 10
"""How many times their median the largest loss is where only a log scale shows the others."""


def write_training_figures(numbers: dict[str, Any], folder: Path) -> None:
    """Write every figure of a training as SVG and PNG.

    Parameters
    ----------
    numbers : dict
        The content of ``result.json``.
    folder : pathlib.Path
        Where they go; made if need be.

    Raises
    ------
    StoreError
        Where they cannot be written.
    """
    write_each(TRAINING_FIGURES, numbers, folder)


def draw_curves(axes: Any, numbers: dict[str, Any]) -> None:
    """Draw loss, accuracy and learning rate by epoch, the epoch whose weights are kept, and the test accuracy.

    What is measured in training is a mean over the epoch and stands at its middle; validation stands at its end.
    """
    rows, best = numbers["training"]["history"], numbers["training"]["best epoch"]
    cells = axes.get_subplotspec().subgridspec(3, 1, height_ratios=(5, 5, 2))
    axes.set_subplotspec(cells[0])
    panels = [axes, *(axes.figure.add_subplot(cell, sharex=axes) for cell in list(cells)[1:])]
    _draw_loss(panels[0], rows, numbers["configuration"]["loss"])
    _draw_accuracy(panels[1], rows, numbers)
    _draw_rate(panels[2], rows)
    _mark_epochs(panels, rows, best)
    for upper in panels[:-1]:
        upper.tick_params(labelbottom=False)
    axes.set_xlim(0, 1.02 * len(rows))  # the last markers are not cut in half
    axes.xaxis.get_major_locator().set_params(integer=True)
    balance = numbers["configuration"]["balance"]
    # Where training and validation differ in their shares of classes, their curves differ for that alone.
    axes.set_title(f"Training of {numbers['net']['name']}" + ("" if balance == "none" else f" (balance: {balance})"))
    panels[-1].set_xlabel("epochs")
    axes.figure.align_ylabels(panels)


def _draw_loss(axes: Any, rows: list[dict[str, Any]], loss: str) -> None:
    _plot_measure(axes, rows, "loss")
    axes.set_ylabel(f"loss: {loss}\ncross-entropy")
    values = [row[name] for row in rows for name in ("loss", "validation_loss")]
    if max(values) > _FAR_OUT * median(values):
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter("{x:,g}")


def _draw_accuracy(axes: Any, rows: list[dict[str, Any]], numbers: dict[str, Any]) -> None:
    _plot_measure(axes, rows, "accuracy")
    value, (low, high) = numbers["test"]["accuracy"]["value"], numbers["test"]["accuracy"]["interval"]
    label = f"test: {value:.3f}, 95 % interval {low:.3f} to {high:.3f}"
    axes.axhspan(low, high, color=GREEN, alpha=0.2, linewidth=0, label=label)
    axes.axhline(value, color=GREEN, linewidth=1, zorder=1)  # below the curves
    axes.set_ylabel(f"accuracy\n({len(numbers['data']['classes'])} classes)")
    axes.ticklabel_format(axis="y", useOffset=False)


def _plot_measure(axes: Any, rows: list[dict[str, Any]], measure: str) -> None:
    ends = [row["epoch"] for row in rows]
    middles = [end - 0.5 for end in ends]
    training, validation = [row[measure] for row in rows], [row[f"validation_{measure}"] for row in rows]
    dot, square = ("o", "s") if len(rows) <= MOST_MARKED else ("", "")
    axes.plot(middles, training, f"{dot}--", color=BLUE, markersize=4, label="in training, mean of the epoch")
    axes.plot(ends, validation, f"{square}-", color=ORANGE, markersize=4, label="validation, after the epoch")


def _draw_rate(axes: Any, rows: list[dict[str, Any]]) -> None:
    rates = [row["learning_rate"] for row in rows]
    axes.stairs(rates, range(len(rows) + 1), baseline=None, color=BLACK, linewidth=1.5)
    axes.set_yscale("log")
    axes.set_yticks(sorted({min(rates), max(rates)}))
    axes.minorticks_off()
    axes.yaxis.set_major_formatter("{x:.3g}")
    axes.set_ylabel("learning\nrate")


def _mark_epochs(panels: list[Any], rows: list[dict[str, Any]], best: int) -> None:
    """Draw lines through all panels where the rate fell, and after the epoch whose weights are kept."""
    for axes in panels:
        for before, row in pairwise(rows):
            if row["learning_rate"] < before["learning_rate"]:
                axes.axvline(before["epoch"], color=GREY, linewidth=1, linestyle=":", label="learning rate lowered")
        axes.axvline(best, color=BLACK, linewidth=1, label=f"epoch {best}: lowest validation loss, kept")


TRAINING_FIGURES: dict[str, Draw] = {"curves": draw_curves, "confusion": draw_confusion, "per_class": draw_per_class}
