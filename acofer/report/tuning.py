"""The figures of a tuning, drawn from its numbers and nothing else."""

from __future__ import annotations

from itertools import accumulate
from pathlib import Path
from typing import Any

from acofer.report.figures import BLUE, GREEN, GREY, ORANGE, Draw, write_each


def write_tuning_figures(numbers: dict[str, Any], folder: Path) -> None:
    """Write every figure of a tuning as SVG and PNG; importances where there are any.

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
    drawn = {n: draw for n, draw in TUNING_FIGURES.items() if n != "importances" or numbers["importances"]}
    write_each(drawn, numbers, folder)


def draw_history(axes: Any, numbers: dict[str, Any]) -> None:
    """Draw every trial's value, the best so far, the defaults' value, and where trials were pruned."""
    complete = [row for row in numbers["history"] if row["value"] is not None]
    objective, default = numbers["objective"], numbers["default"]
    better = max if objective["greater is better"] else min
    places, values = [row["trial"] for row in complete], [row["value"] for row in complete]
    axes.plot(places, values, "o", color=GREY, markersize=5, label="a trial, mean over outer folds")
    end = max(row["trial"] for row in numbers["history"])
    best = list(accumulate(values, better))
    axes.step(
        [*places, end], [*best, best[-1]], where="post", color=BLUE, linewidth=2, label="best so far (optimistic)"
    )
    if default:
        axes.axhline(default["value"], color=GREEN, linewidth=1, linestyle="--", label="defaults")
    pruned = [row["trial"] for row in numbers["history"] if row["state"] == "pruned"]
    if pruned:
        edge = axes.get_xaxis_transform()  # as high as the lower edge, whatever the values are
        axes.plot(pruned, [0.0] * len(pruned), "x", color=ORANGE, transform=edge, clip_on=False, label="pruned")
    axes.set_xlabel("trial")
    axes.set_ylabel(f"{objective['metric']} on held-out rows ({'larger' if better is max else 'smaller'} is better)")
    axes.set_title(f"Tuning of {numbers['contender']}")
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.ticklabel_format(axis="y", useOffset=False)


def draw_importances(axes: Any, numbers: dict[str, Any]) -> None:
    """Draw the share of each knob in the spread of the trials' values, the largest on top."""
    shares = sorted(numbers["importances"].items(), key=lambda item: item[1])
    bars = axes.barh([name for name, _ in shares], [share for _, share in shares], color=BLUE)
    axes.bar_label(bars, fmt="%.2f", padding=3)
    axes.set_xlim(0, 1.12 * max(share for _, share in shares))
    axes.grid(visible=False, axis="y")
    axes.set_xlabel("share of the spread that a knob explains (fANOVA)")
    n = numbers["trials"]["complete"]
    axes.set_title(f"Importance of knobs in {n} complete trial{'s' * (n != 1)}")


TUNING_FIGURES: dict[str, Draw] = {"history": draw_history, "importances": draw_importances}
