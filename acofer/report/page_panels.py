"""Figures of a page that are made of small panels: what each search saw, where its features look, confusions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from acofer.report.figures import BLACK, BLUE, GREY, ORANGE
from acofer.report.inline_svg import legible, tip
from acofer.report.numerals import count, percent, rate, signed_percent

_ACROSS = 3
_PANEL = (3.0, 2.0)
_MOST_DOTS = 600
"""More dots of a panel than that are drawn as one picture within the SVG, which would weigh megabytes otherwise."""
_MOST_CELLS = 400
"""A map of more cells than that is drawn as a picture, without its values."""
_MAPS_ACROSS = 4
_MAP = 1.6
_DARKEST = 0.55
"""How much of the ink the largest value gets: the text on it can be read in the same colour as elsewhere, on light
and on dark ground."""
_MOST_WRITTEN = 7
"""Places a side up to which a map has room for its values."""


def inches_of_panels(panels: int) -> tuple[float, float]:
    """Return width and height of so many panels."""
    across = min(_ACROSS, panels)
    return max(_PANEL[0] * across, 5.0), _PANEL[1] * -(-panels // across) + 1.1


def draw_convergence(figure: Any, entries: list[dict[str, Any]], behind: list[dict[str, Any]], words: str) -> None:
    """Draw the best score so far of each search, those of the reference behind the others."""
    for axes, entry in _panels(figure, entries, "subsets scored"):
        is_reference = entry in behind
        for other in [] if is_reference else behind:
            label = f"{legible(other['contender'])}, for comparison"
            _plot_curves(axes, other, color=GREY, linewidth=0.8, label=label)
        _plot_curves(axes, entry, color=ORANGE if is_reference else BLUE, linewidth=1.2)
        axes.set_title(legible(entry["contender"]), fontsize=9, loc="left")
    figure.supylabel(words, fontsize=9)


def _plot_curves(axes: Any, entry: dict[str, Any], **style: Any) -> None:
    for curve in entry["curves"]:
        pointed = f"{entry['contender']}, seed {curve['seed']}"
        axes.step(curve["evaluations"], curve["value"], where="post", gid=tip(pointed), **style)


def draw_archives(figure: Any, entries: list[dict[str, Any]], words: str) -> None:
    """Draw score against size of every subset that was scored, the front, and the chosen one."""
    for axes, entry in _panels(figure, entries, "features in the subset"):
        for is_estimate, face, label in (
            (False, GREY, "a subset"),
            (True, "#FFFFFF", "a subset, stopped early: estimated"),
        ):
            dots = [(size, value) for size, value, estimate in entry["scored"] if estimate == is_estimate]
            if dots:
                axes.plot(
                    *zip(*dots, strict=True),
                    "o",
                    color=GREY,
                    markerfacecolor=face,
                    markersize=3,
                    label=label,
                    rasterized=len(entry["scored"]) > _MOST_DOTS,
                )
        if entry["front"]:
            axes.plot(*zip(*entry["front"], strict=True), "-s", color=BLUE, markersize=4, label="front")
        _plot_chosen(axes, (entry["chosen"][0], entry["chosen"][1]), entry)
        axes.set_title(f"{legible(entry['contender'])}, seed {entry['seed']}", fontsize=9, loc="left")
    figure.supylabel(words, fontsize=9)


def draw_strips(figure: Any, entries: list[dict[str, Any]], words: str) -> None:
    """Draw the scores of every subset that was scored as strokes, one row a search, and the chosen one."""
    axes = figure.add_subplot()
    for row, entry in enumerate(entries):
        for is_estimate, colour, label in (
            (False, BLUE, "a subset"),
            (True, GREY, "a subset, stopped early: estimated"),
        ):
            values = [value for _, value, estimate in entry["scored"] if estimate == is_estimate]
            if values:
                axes.plot(
                    values,
                    [row] * len(values),
                    "|",
                    color=colour,
                    alpha=0.6,
                    markersize=9,
                    label=label,
                    rasterized=len(values) > _MOST_DOTS,
                )
        _plot_chosen(axes, (entry["chosen"][1], row), entry)
    axes.set_yticks(range(len(entries)), [f"{legible(e['contender'])}, seed {e['seed']}" for e in entries])
    axes.set_ylim(len(entries) - 0.4, -0.6)
    axes.grid(visible=False, axis="y")
    axes.set_xlabel(words)


def _plot_chosen(axes: Any, place: tuple[float, float], entry: dict[str, Any]) -> None:
    size, value = entry["chosen"]
    pointed = f"{entry['contender']}, seed {entry['seed']}: chosen, {size:,} features, {rate(value)}"
    axes.plot(*place, "*", color=ORANGE, markersize=11, label="chosen", gid=tip(pointed))


def _panels(figure: Any, entries: list[dict[str, Any]], across_words: str) -> Iterator[tuple[Any, dict[str, Any]]]:
    """Yield axes that share their scales, and whose they are; labels stand at the left and below only."""
    across = min(_ACROSS, len(entries))
    down = -(-len(entries) // across)
    first = None
    for place, entry in enumerate(entries):
        first = axes = figure.add_subplot(down, across, place + 1, sharex=first, sharey=first)
        is_lowest = place + across >= len(entries)
        axes.tick_params(labelleft=place % across == 0, labelbottom=is_lowest, labelsize=8)
        axes.set_xlabel(across_words if is_lowest else "", fontsize=9)
        yield axes, entry


def inches_of_places(entries: list[dict[str, Any]]) -> tuple[float, float]:
    """Return width and height of the maps of these contenders."""
    down, across = _down_and_across(entries)
    return max(_MAP * across, 4.0), (_MAP + 0.35) * down


def _down_and_across(entries: list[dict[str, Any]]) -> tuple[int, int]:
    layers = max(len(entry["layers"]) for entry in entries)
    if layers > 1:  # each contender has a row of its own, so that layers stand below each other
        return len(entries), layers
    across = min(_MAPS_ACROSS, len(entries))
    return -(-len(entries) // across), across


def draw_places(figure: Any, entries: list[dict[str, Any]]) -> None:
    """Draw how many features each contender chose at each place, one map a layer."""
    down, across = _down_and_across(entries)
    step = max(len(entry["layers"]) for entry in entries)
    for row, entry in enumerate(entries):
        most = max(value for layer in entry["layers"] for line in layer["places"] for value in line)
        for place, layer in enumerate(entry["layers"], start=row * step + 1):
            axes = figure.add_subplot(down, across, place)
            _draw_map(axes, layer["places"], most)
            axes.set_title(f"{legible(entry['contender'], 26)}\n{_layer_words(layer)}", fontsize=8)


def _layer_words(layer: dict[str, Any]) -> str:
    return f"{legible(layer['layer'], 20)}: {count(layer['chosen'])} of {layer['of']:,}"


def _draw_map(axes: Any, places: list[list[float]], most: float) -> None:
    is_written = max(len(places), len(places[0])) <= _MOST_WRITTEN
    _draw_cells(axes, places, count if is_written else lambda _: "", most)
    axes.set_aspect("equal")
    axes.set_xticks([])
    axes.set_yticks([])


def inches_of_confusions(classes: int) -> tuple[float, float]:
    """Return width and height of two confusions and their difference."""
    side = max(2.6, 0.38 * classes)
    return 3 * side + 1.0, side + 0.9


def draw_two_confusions(
    figure: Any, ours: dict[str, Any], theirs: dict[str, Any], cells: list[list[float]], names: list[str]
) -> None:
    """Draw two confusions in per cent, and the first less the second in points."""
    most = max((abs(cell) for row in cells for cell in row), default=0)
    titles = (legible(ours["contender"]), legible(theirs["contender"]), "difference, points")
    for place, (title, shares) in enumerate(
        zip(titles, (ours["confusion"], theirs["confusion"], cells), strict=True), start=1
    ):
        axes = figure.add_subplot(1, 3, place)
        is_difference = place == 3
        _draw_cells(axes, shares, signed_percent if is_difference else percent, most if is_difference else 1)
        shown = [legible(name, 14) for name in names]
        axes.set_xticks(range(len(names)), shown, rotation=45, ha="right", fontsize=8)
        axes.set_yticks(range(len(names)), shown if place == 1 else [], fontsize=8)
        axes.tick_params(length=0)
        axes.set_title(title, fontsize=9)
        axes.set_xlabel("predicted", fontsize=9)
        if place == 1:
            axes.set_ylabel("true", fontsize=9)


def _draw_cells(axes: Any, values: list[list[float]], words: Callable[[float], str], most: float) -> None:
    """Draw a grid of cells, the more ink the larger the value, which is written on each where there are not many."""
    if sum(map(len, values)) > _MOST_CELLS:
        is_signed = any(value < 0 for row in values for value in row)
        axes.imshow(values, "RdBu" if is_signed else "Blues", vmin=-most if is_signed else 0, vmax=most, aspect="auto")
    else:
        for i, row in enumerate(values):
            for j, value in enumerate(row):
                _draw_cell(axes, (i, j), value, words(value), _DARKEST * abs(value) / most if most else 0)
    axes.set_xlim(-0.5, len(values[0]) - 0.5)
    axes.set_ylim(len(values) - 0.5, -0.5)
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)


def _draw_cell(axes: Any, place: tuple[int, int], value: float, words: str, ink: float) -> None:
    i, j = place
    x, y = (j - 0.5, j + 0.5, j + 0.5, j - 0.5), (i - 0.5, i - 0.5, i + 0.5, i + 0.5)
    axes.fill(x, y, color=BLUE if value > 0 else ORANGE, alpha=ink, linewidth=0, clip_on=False)
    text = axes.text(j, i, words, ha="center", va="center", fontsize=8, color=BLACK)
    text.set_in_layout(False)  # it lies within the axes; asking each takes a second
