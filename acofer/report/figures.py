"""The figures of a search, drawn from its numbers and nothing else; `acofer.report.curves` draws those of a training.

Colours are Okabe and Ito's (2008), which colour-blind readers can tell apart;
shapes differ as well. SVGs keep their text as text.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any

from acofer.colony.colony import CONVERGED
from acofer.scoring.metrics import METRICS
from acofer.writing import written_beside

Draw = Callable[[Any, dict[str, Any]], None]
BLUE, ORANGE, GREEN, GREY, BLACK = "#0072B2", "#D55E00", "#009E73", "#999999", "#000000"
PURPLE = "#CC79A7"
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
_MAPS_ACROSS = 4
_MAP_INCHES = 2.4
_MOST_COUNTS = 6
"""Places a side up to which a map has room for its counts; larger ones show them by their colours."""
_MOST_DOTS = 600
"""More dots than that are drawn small, and as one picture within the SVG, which would weigh megabytes otherwise."""
MOST_MARKED = 30
"""Iterations of one colony, or epochs, up to which each has a marker; a line of more shows its dashes instead."""
_LEAST_ENTROPY_SPAN = 0.01
"""What the axis of the entropy spans at least, so that its labels stay short while the pheromone is almost even."""


def write_figures(numbers: dict[str, Any], folder: Path) -> None:
    """Write every figure of a search as SVG and PNG.

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
    # Searches of before layers were told apart recorded no features.
    write_each({name: draw for name, draw in FIGURES.items() if name != "features" or name in numbers}, numbers, folder)


def write_each(figures: dict[str, Draw], numbers: dict[str, Any], folder: Path) -> None:
    """Write figures as SVG and PNG, each with the legend of all its panels below them.

    Parameters
    ----------
    figures : dict of str to callable
        By file name: ``draw(axes, numbers)``, which may add panels.
    numbers : dict
        The content of ``result.json``.
    folder : pathlib.Path
        Where they go; made if need be.

    Raises
    ------
    StoreError
        Where they cannot be written.
    """
    for name, draw in figures.items():
        with styled_figure(_size(name, numbers)) as figure:
            draw(figure.add_subplot(), numbers)
            add_legend(figure)
            protocol = numbers.get("protocol", "clean")
            if protocol != "clean":
                figure.suptitle(f"protocol {protocol}: not an honest figure", color=ORANGE, fontweight="bold")
            for kind, about in (("svg", {"Date": None}), ("png", {})):
                with written_beside(folder / f"{name}.{kind}", "a figure") as beside:
                    figure.savefig(beside, format=kind, metadata=about, dpi=150)


@contextmanager
def styled_figure(inches: tuple[float, float]) -> Iterator[Any]:
    """Yield an empty figure, to be drawn and saved within the block: the style holds until it ends."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context(_STYLE):
        yield Figure(figsize=inches, layout="constrained")


def add_legend(figure: Any) -> None:
    """Add the legend below the axes, where no data can lie."""
    shown: dict[str, Any] = {}
    for axes in figure.axes:
        handles, labels = axes.get_legend_handles_labels()
        shown |= dict(zip(labels, handles, strict=True))
    if shown:
        is_one_row = len(shown) <= 3 and sum(map(len, shown)) <= _UPRIGHT
        columns = len(shown) if is_one_row else 2
        figure.legend(shown.values(), shown.keys(), loc="outside lower center", ncols=columns)


def draw_convergence(axes: Any, numbers: dict[str, Any]) -> None:
    """Draw every ant's score by iteration, and the best so far; below them how far the pheromone has converged."""
    search = numbers["search"]
    scored, colony = search["scored"], search.get("colony")
    times, colonies = _times(scored), _colonies(numbers)
    _plot_scored(axes, times, scored, "an ant's subset")
    _plot_improved(axes, times, scored)
    label = "best so far" if len(colonies) == 1 else "best so far of its size"
    for number, own in enumerate(colonies):
        _plot_best(axes, times, scored, own, search["metric"], "" if number else label)
    axes.set_ylabel(f"search score: {search['metric']}{_direction(search)}")
    axes.set_title("Convergence", pad=20 if len(colonies) > 1 else None)
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.set_xlim(0, 1.005 * (scored[-1]["iteration"] + 1))  # the last line is not cut in half
    lowest = axes
    if colony:
        upper, lower = axes.get_subplotspec().subgridspec(2, 1, height_ratios=(5, 2))
        axes.set_subplotspec(upper)
        axes.tick_params(labelbottom=False)
        lowest = axes.figure.add_subplot(lower, sharex=axes)
        _draw_pheromone(lowest, colony, [scored[own.start]["iteration"] for own in colonies])
        _mark_restarts((axes, lowest), colony)
    if len(colonies) > 1:
        _mark_sizes((axes, lowest), scored, colonies)
    lowest.set_xlabel("iterations (between two of them: one iteration's ants, in order)")


def _times(scored: list[dict[str, Any]]) -> list[float]:
    """Return when each ant was scored, in iterations."""
    ants = Counter(row["iteration"] for row in scored)
    passed: Counter[int] = Counter()
    times = []
    for row in scored:
        times.append(row["iteration"] + (passed[row["iteration"]] + 0.5) / ants[row["iteration"]])
        passed[row["iteration"]] += 1
    return times


def _colonies(numbers: dict[str, Any]) -> list[range]:
    """Return the ants of each colony: of a path, those of each size; else all."""
    scored = numbers["search"]["scored"]
    starts = [0]
    if numbers.get("configuration", {}).get("path") == "on":
        starts += [i for i in range(1, len(scored)) if scored[i]["features"] != scored[i - 1]["features"]]
    return [range(start, stop) for start, stop in pairwise([*starts, len(scored)])]


def _plot_improved(axes: Any, times: list[float], scored: list[dict[str, Any]]) -> None:
    points = [(time, row["value"]) for time, row in zip(times, scored, strict=True) if row.get("exchanged")]
    if points:
        size = 5 if len(scored) <= _MOST_DOTS else 3
        axes.plot(*zip(*points, strict=True), "^", color=GREEN, markersize=size, label="improved by local search")


def _plot_best(
    axes: Any, times: list[float], scored: list[dict[str, Any]], own: range, metric: str, label: str
) -> None:
    better = max if METRICS[metric].greater_is_better else min
    best = list(accumulate((scored[i]["value"] for i in own), better))
    end = scored[own[-1]]["iteration"] + 1
    x, y = [*times[own.start : own.stop], end], [*best, best[-1]]
    axes.step(x, y, where="post", color=BLUE, linewidth=2, label=label)


def _draw_pheromone(axes: Any, colony: list[dict[str, Any]], starts: list[int]) -> None:
    """Draw branching factor and entropy after each iteration; the lines break where a colony starts, or restarts."""
    from matplotlib.ticker import LogLocator

    starts = sorted({*starts, *(row["iteration"] + 1 for row in colony[:-1] if row["is_restart"])})
    right = axes.twinx()
    for own in (colony[start:stop] for start, stop in pairwise([*starts, len(colony)])):
        after = [row["iteration"] + 1 for row in own]
        marker = "." if len(own) <= MOST_MARKED else ""
        axes.plot(after, [row["branching"] for row in own], f"{marker}-", color=BLUE, markersize=4)
        right.plot(after, [row["entropy"] for row in own], f"{marker}--", color=PURPLE, markersize=4)
    axes.set_yscale("log")
    branching = [row["branching"] for row in colony]
    axes.set_ylim(0.9 * min(*branching, 1.0), 1.1 * max(*branching, 2.0))
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if max(branching) < 30 else (1,)))
    axes.yaxis.set_major_formatter("{x:,g}")
    axes.minorticks_off()
    axes.axhline(CONVERGED, color=BLUE, linewidth=0.8, linestyle=":")
    axes.set_ylabel(f"branching factor\n({CONVERGED:g}: converged)", color=BLUE)
    span = max(1 - min(row["entropy"] for row in colony), _LEAST_ENTROPY_SPAN)
    right.set_ylim(1 - 1.1 * span, 1 + 0.1 * span)
    right.ticklabel_format(useOffset=False)
    right.set_ylabel("entropy, dashed\n(1: none preferred)", color=PURPLE)
    right.spines["right"].set_visible(True)
    right.grid(visible=False)


def _mark_restarts(panels: tuple[Any, ...], colony: list[dict[str, Any]]) -> None:
    for number, row in enumerate(row for row in colony if row["is_restart"]):
        for axes in panels:
            label = "" if number else "restart: the colony forgets its pheromone"
            axes.axvline(row["iteration"] + 1, color=ORANGE, linewidth=1, linestyle="--", label=label)


def _mark_sizes(panels: tuple[Any, ...], scored: list[dict[str, Any]], colonies: list[range]) -> None:
    """Write the size of each colony of a path above its iterations, and draw a line where the next begins."""
    above: Any = {"transform": panels[0].get_xaxis_transform(), "va": "bottom", "fontsize": 8}
    panels[0].text(0, 1.02, "features: ", ha="right", **above)
    for own in colonies:
        start, stop = scored[own[0]]["iteration"], scored[own[-1]]["iteration"] + 1
        size = scored[own[0]]["features"]
        panels[0].text((start + stop) / 2, 1.02, f"{size:,}", ha="center", **above)
        for axes in panels if start else ():
            axes.axvline(start, color=BLACK, linewidth=0.8)


def draw_size(axes: Any, numbers: dict[str, Any]) -> None:
    """Draw search score against size, with the front, or the best of each size of a path, and the chosen subset."""
    search = numbers["search"]
    best, chosen = search["best"], search["chosen"]
    _plot_scored(axes, [row["features"] for row in search["scored"]], search["scored"], "scored")
    axes.set_xscale("log", base=2)
    axes.xaxis.set_major_formatter("{x:,.0f}")
    if len(_colonies(numbers)) > 1:
        _draw_path(axes, search)
    elif len(search["front"]) > 1:
        axes.plot(*_points(search["front"]), "-s", color=BLUE, markersize=5, label="front: none smaller is as good")
    if (best["features"], best["value"]) == (chosen["features"], chosen["value"]):
        _mark(axes, chosen, ORANGE, "*", f"best, and chosen ({search['pick']}), with one standard error")
    else:
        _mark(axes, best, GREEN, "D", "best")
        _mark(axes, chosen, ORANGE, "*", f"chosen ({search['pick']}), with one standard error")
    axes.set_xlabel("features in the subset")
    axes.set_ylabel(f"search score: {search['metric']}{_direction(search)}")
    axes.set_title("Score against size")


def _draw_path(axes: Any, search: dict[str, Any]) -> None:
    """Draw the best of each size, and what it came to."""
    greater = METRICS[search["metric"]].greater_is_better
    by_size: dict[int, float] = {}
    for row in [*search["scored"], *search["front"]]:
        if not row["estimate"]:
            known = by_size.get(row["features"], row["value"])
            by_size[row["features"]] = (max if greater else min)(known, row["value"])
    sizes = sorted(by_size)
    axes.plot(sizes, [by_size[size] for size in sizes], "-s", color=BLUE, markersize=6, label="best of each size")
    for size in sizes:
        axes.annotate(
            f"{by_size[size]:.3f}",
            (size, by_size[size]),
            (-4, 9 if greater else -9),
            textcoords="offset points",
            ha="right",
            va="bottom" if greater else "top",
            color=BLUE,
            fontsize=9,
        )
    axes.margins(0.1)
    axes.set_xticks(sizes)
    axes.minorticks_off()


def _plot_scored(axes: Any, positions: Sequence[float], scored: list[dict[str, Any]], label: str) -> None:
    """Plot scores as dots, those of subsets that racing stopped as rings."""
    is_crowded = len(scored) > _MOST_DOTS
    for is_estimate, face, words in ((False, GREY, label), (True, "white", f"{label}, stopped early: estimated")):
        own = [i for i, row in enumerate(scored) if row["estimate"] == is_estimate]
        if own:
            values = [scored[i]["value"] for i in own]
            x = [positions[i] for i in own]
            axes.plot(
                x,
                values,
                "o",
                color=GREY,
                markerfacecolor=face,
                markersize=2 if is_crowded else 4,
                rasterized=is_crowded,
                label=words,
            )


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
    """Draw the confusion matrix of the chosen subset, or the network, on the test part, rows adding up to 100 %."""
    counts, names = _card(numbers)["confusion"], _names(numbers)
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
    rows, names = _card(numbers)["per class"], _names(numbers)
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


def draw_features(axes: Any, numbers: dict[str, Any]) -> None:
    """Draw how many features were chosen at each place of the picture, one map a layer."""
    layers = numbers["features"]
    most = max(count for layer in layers for row in layer["places"] for count in row)
    axes.set_axis_off()
    maps = axes.figure.add_subfigure(axes.get_subplotspec())
    maps.suptitle(f"Chosen features by layer and place in the picture (darkest: {most:,})")
    grid = maps.add_gridspec(*_maps_down_and_across(layers))
    for cell, layer in zip(grid, layers, strict=False):
        own = maps.add_subplot(cell)
        _draw_places(own, layer["places"], most)
        own.set_title(f"{layer['layer']}\n{layer['chosen']:,} of {layer['of']:,}", fontsize=8)


def _draw_places(axes: Any, places: list[list[int]], most: int) -> None:
    """Draw one map; all maps share their colours, so that layers can be compared."""
    axes.imshow(places, cmap="Blues", vmin=0, vmax=max(most, 1))
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(True)
    axes.grid(visible=False)
    if max(len(places), len(places[0])) > _MOST_COUNTS:
        return
    for i, row in enumerate(places):
        for j, count in enumerate(row):
            colour = "white" if count > 0.55 * most else BLACK
            axes.text(j, i, f"{count:,}", ha="center", va="center", fontsize=8, color=colour)


def _maps_down_and_across(layers: list[dict[str, Any]]) -> tuple[int, int]:
    across = min(len(layers), _MAPS_ACROSS)
    return -(-len(layers) // across), across


def _size(name: str, numbers: dict[str, Any]) -> tuple[float, float]:
    """Return a figure's inches: as many as its classes or contenders need."""
    width, height = _INCHES
    classes = len(numbers["data"]["classes"])
    if name == "confusion":
        return max(width, 0.55 * classes + 1.5), max(height, 0.4 * classes + 1)
    if name == "per_class":
        return max(width, 0.6 * classes + 1), height
    if name == "contenders":
        return width, max(height, 0.3 * len(numbers["contenders"]) + 1)
    if name == "curves" or (name == "convergence" and numbers["search"].get("colony")):
        return width, height + 1.6
    if name == "features":
        down, across = _maps_down_and_across(numbers["features"])
        return width, down * min(_MAP_INCHES, width / across) + 0.4 * down + 0.5
    return width, height


def _card(numbers: dict[str, Any]) -> dict[str, Any]:
    """Return the scorecard of the test part: a network's, else the chosen subset's."""
    card: dict[str, Any] = numbers["test"] if "test" in numbers else numbers["contenders"]["colony"]
    return card


def _names(numbers: dict[str, Any]) -> list[str]:
    """Return the classes' names as a figure can show them: not endless, and a dollar sign is no formula."""
    names = numbers["data"]["classes"]
    short = [n if len(n) <= _LONGEST_NAME else n[: _LONGEST_NAME - 1] + "…" for n in names]
    return [name.replace("$", r"\$") for name in short]


def _points(scores: list[dict[str, Any]]) -> tuple[list[int], list[float]]:
    return [score["features"] for score in scores], [score["value"] for score in scores]


def _direction(search: dict[str, Any]) -> str:
    return " (larger is better)" if METRICS[search["metric"]].greater_is_better else " (smaller is better)"


FIGURES: dict[str, Draw] = {
    "convergence": draw_convergence,
    "size": draw_size,
    "contenders": draw_contenders,
    "confusion": draw_confusion,
    "per_class": draw_per_class,
    "features": draw_features,
}
