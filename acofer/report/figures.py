"""The figures of a run, drawn from its numbers and nothing else.

Colours are Okabe and Ito's (2008), which colour-blind readers can tell apart;
shapes differ as well. SVGs keep their text as text.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from acofer.scoring.metrics import METRICS

BLUE, ORANGE, GREEN, GREY, BLACK = "#0072B2", "#D55E00", "#009E73", "#999999", "#000000"
_STYLE: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "acofer",  # the same numbers give the same file
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.25,
    "legend.frameon": False,
}


_INCHES = (7.0, 4.6)
_UPRIGHT = 72
"""Letters that stand side by side, unturned, below axes of that width."""
_LONGEST_NAME = 18
_MOST_STARTS = 30
"""Iterations up to which lines between them can be told apart."""


def write_figures(numbers: dict[str, Any], folder: Path) -> None:
    """Write every figure of a run as SVG and PNG.

    Parameters
    ----------
    numbers : dict
        The content of ``result.json``.
    folder : pathlib.Path
        Where they go; made if need be.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    folder.mkdir(parents=True, exist_ok=True)
    with mpl.rc_context(_STYLE):
        for name, draw in FIGURES.items():
            figure = Figure(figsize=_size(name, numbers), layout="constrained")
            axes = figure.add_subplot()
            draw(axes, numbers)
            handles, labels = axes.get_legend_handles_labels()
            if labels:  # below the axes, where no data can lie
                figure.legend(handles, labels, loc="outside lower center", ncols=2 if len(labels) > 3 else len(labels))
            if numbers["protocol"] != "clean":
                figure.suptitle(
                    f"protocol {numbers['protocol']}: not an honest figure", color=ORANGE, fontweight="bold"
                )
            figure.savefig(folder / f"{name}.svg", metadata={"Date": None})
            figure.savefig(folder / f"{name}.png", dpi=150)


def draw_convergence(axes: Any, numbers: dict[str, Any]) -> None:
    """Draw every ant's score by iteration, and the best so far."""
    search = numbers["search"]
    scored = search["scored"]
    better = max if METRICS[search["metric"]].greater_is_better else min
    best, lowest = [], None
    for row in scored:
        lowest = row["value"] if lowest is None else better(lowest, row["value"])
        best.append(lowest)
    order = range(1, len(scored) + 1)
    _plot_scored(axes, list(order), scored, "an ant's subset")
    axes.step(order, best, where="post", color=BLUE, linewidth=2, label="best so far")
    starts = [i + 0.5 for i in range(1, len(scored)) if scored[i]["iteration"] != scored[i - 1]["iteration"]]
    shows_starts = 0 < len(starts) <= _MOST_STARTS
    for position in starts if shows_starts else []:
        axes.axvline(position, color=BLACK, linewidth=0.6, linestyle=":")
    axes.set_xlabel(f"ants, in order{' (dotted: a new iteration)' if shows_starts else ''}")
    axes.set_ylabel(f"search score: {search['metric']}{_direction(search)}")
    axes.set_title("Convergence")
    axes.xaxis.get_major_locator().set_params(integer=True)


def draw_size(axes: Any, numbers: dict[str, Any]) -> None:
    """Draw search score against size, with the front and the chosen subset."""
    search = numbers["search"]
    _plot_scored(axes, [row["features"] for row in search["scored"]], search["scored"], "scored")
    axes.plot(*_points(search["front"]), "-s", color=BLUE, markersize=5, label="front: none smaller is as good")
    _mark(axes, search["best"], GREEN, "D", "best")
    _mark(axes, search["chosen"], ORANGE, "*", f"chosen ({search['pick']}), with one standard error")
    axes.set_xscale("log", base=2)
    axes.xaxis.set_major_formatter("{x:.0f}")
    axes.set_xlabel("features in the subset")
    axes.set_ylabel(f"search score: {search['metric']}{_direction(search)}")
    axes.set_title("Score against size")


def _plot_scored(axes: Any, positions: list[int], scored: list[dict[str, Any]], label: str) -> None:
    """Plot scores as dots, those of subsets that racing stopped as rings."""
    for is_estimate, face, words in ((False, GREY, label), (True, "white", f"{label}, stopped early: estimated")):
        own = [i for i, row in enumerate(scored) if row["estimate"] == is_estimate]
        if own:
            values = [scored[i]["value"] for i in own]
            x = [positions[i] for i in own]
            axes.plot(x, values, "o", color=GREY, markerfacecolor=face, markersize=4, label=words)


def _mark(axes: Any, score: dict[str, Any], colour: str, marker: str, label: str) -> None:
    error = score["standard error"]
    size = 14 if marker == "*" else 8
    axes.errorbar(
        score["features"], score["value"], yerr=error, fmt=marker, color=colour, markersize=size, capsize=3, label=label
    )


def draw_contenders(axes: Any, numbers: dict[str, Any]) -> None:
    """Draw the test accuracy of the chosen subset and of its nulls, with intervals."""
    cards = numbers["contenders"]
    for position, (name, card) in enumerate(reversed(cards.items())):
        value, (low, high) = card["accuracy"]["value"], card["accuracy"]["interval"]
        colour = ORANGE if name == "colony" else BLUE
        axes.plot([low, high], [position, position], "-", color=colour, linewidth=2)
        axes.plot(value, position, "o", color=colour, markersize=8)
    axes.set_yticks(range(len(cards)), [f"{name} ({cards[name]['features']:,})" for name in reversed(cards)])
    rows = cards["colony"]["rows"]
    axes.set_xlabel(f"accuracy on {rows:,} test rows, 95 % bootstrap interval")
    axes.set_title("The chosen subset beside simpler choices (features)")


def draw_confusion(axes: Any, numbers: dict[str, Any]) -> None:
    """Draw the confusion matrix of the chosen subset on the test part, rows adding up to 100 %."""
    counts, names = numbers["contenders"]["colony"]["confusion"], _names(numbers)
    shares = [[100 * cell / max(sum(row), 1) for cell in row] for row in counts]
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=100, aspect="auto")
    for i, row in enumerate(shares):
        for j, share in enumerate(row):
            axes.text(j, i, f"{share:.0f}", ha="center", va="center", color="white" if share > 55 else BLACK)
    axes.set_xticks(range(len(names)), names, rotation=30, ha="right")
    axes.set_yticks(range(len(names)), [f"{n} ({sum(r):,})" for n, r in zip(names, counts, strict=True)])
    axes.grid(visible=False)
    axes.set_xlabel("predicted")
    axes.set_ylabel("true (rows)")
    axes.set_title("Confusion on the test part, % of each true class")


def draw_per_class(axes: Any, numbers: dict[str, Any]) -> None:
    """Draw precision, recall and F1 of each class on the test part."""
    rows, names = numbers["contenders"]["colony"]["per class"], _names(numbers)
    for shift, (measure, colour) in enumerate(zip(("precision", "recall", "F1"), (BLUE, ORANGE, GREEN), strict=True)):
        positions = [i + (shift - 1) * 0.27 for i in range(len(rows))]
        axes.bar(positions, [row[measure] for row in rows], width=0.25, color=colour, label=measure)
    counts = [f"{row['rows']:,}" for row in rows]
    if len(names) * (2 + max(map(len, [*names, *(f"{count} rows" for count in counts)]))) <= _UPRIGHT:
        axes.set_xticks(range(len(names)), [f"{n}\n{count} rows" for n, count in zip(names, counts, strict=True)])
    else:
        labels = [f"{n} ({count})" for n, count in zip(names, counts, strict=True)]
        axes.set_xticks(range(len(names)), labels, rotation=30, ha="right")
    axes.grid(visible=False, axis="x")
    axes.set_ylim(0, 1)
    axes.set_title("Per class, on the test part")


def _size(name: str, numbers: dict[str, Any]) -> tuple[float, float]:
    """Return a figure's inches: as many as its classes or contenders need."""
    width, height = _INCHES
    classes, contenders = len(numbers["data"]["classes"]), len(numbers["contenders"])
    if name == "confusion":
        return max(width, 0.55 * classes + 1.5), max(height, 0.4 * classes + 1)
    if name == "per_class":
        return max(width, 0.6 * classes + 1), height
    if name == "contenders":
        return width, max(height, 0.3 * contenders + 1)
    return width, height


def _names(numbers: dict[str, Any]) -> list[str]:
    """Return the classes' names as a figure can show them: not endless, and a dollar sign is no formula."""
    names = numbers["data"]["classes"]
    short = [n if len(n) <= _LONGEST_NAME else n[: _LONGEST_NAME - 1] + "…" for n in names]
    return [name.replace("$", r"\$") for name in short]


def _points(scores: list[dict[str, Any]]) -> tuple[list[int], list[float]]:
    return [score["features"] for score in scores], [score["value"] for score in scores]


def _direction(search: dict[str, Any]) -> str:
    return " (larger is better)" if METRICS[search["metric"]].greater_is_better else " (smaller is better)"


FIGURES = {
    "convergence": draw_convergence,
    "size": draw_size,
    "contenders": draw_contenders,
    "confusion": draw_confusion,
    "per_class": draw_per_class,
}
