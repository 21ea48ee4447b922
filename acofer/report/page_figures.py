"""The figures of a page, drawn from its numbers and nothing else."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from acofer.report.figures import BLACK, BLUE, GREEN, GREY, ORANGE
from acofer.report.inline_svg import DrawnFigure, PageFigure, legible, printable, saved, tip
from acofer.report.numerals import large, rate, rate_range, signed, signed_range
from acofer.report.page_panels import (
    draw_archives,
    draw_convergence,
    draw_places,
    draw_strips,
    draw_two_confusions,
    inches_of_confusions,
    inches_of_panels,
    inches_of_places,
)
from acofer.report.page_tables import best_first
from acofer.writing import written_beside

_WIDTH = 7.5
_ROW = 0.27
"""Inches of a row of a figure whose rows are names."""
_WIDE = 20
"""An axis whose largest value is so many times its smallest is logarithmic."""
_MILLION = 1_000_000
_AXES = {
    "features": "features that are kept",
    "multiply-adds": "multiply-adds a picture",
    "latency, ms": "latency of one picture, ms",
    "search seconds": "seconds of search",
}
_OUTCOMES = {
    "better": ("^", GREEN, "better"),
    "worse": ("v", ORANGE, "worse"),
    "no difference": ("o", BLUE, "not told apart"),
    "not compared": ("x", GREY, "not compared"),
}
_MEASURES = {"accuracy": ("o", BLUE), "binary accuracy": ("s", ORANGE)}
_PRINTED = {"accuracy": "o", "binary accuracy": "s", "likely binary accuracy": "D"}
_MOST_PLACES = 8
"""Contenders whose places are drawn; the table has all."""


def figures_of(numbers: dict[str, Any]) -> list[PageFigure]:
    """Return the figures of a page, those of the empty sections left out.

    Parameters
    ----------
    numbers : dict
        What `acofer.report.numbers.page_numbers` returns.
    """
    numbers = printable(numbers)
    makers = (_differences, _costs, _convergences, _archives, _strips, _places, _confusions, _audits)
    return [figure for make in makers for figure in make(numbers)]


def write_page_figures(figures: list[DrawnFigure], folder: Path) -> None:
    """Write each figure as SVG, PNG and PDF into a folder.

    Raises
    ------
    StoreError
        Where they cannot be written.
    """
    for one in figures:
        files = {"svg": one.svg.encode(), **saved(one.figure, "png", "pdf")}
        for kind, content in files.items():
            with written_beside(folder / f"{one.figure.name}.{kind}", "a figure") as beside:
                beside.write_bytes(content)


def reference_ids(numbers: dict[str, Any]) -> set[str]:
    """Return the rows that others are compared with, one a setting."""
    return {row["id"] for row in numbers["main"]["rows"] if row["outcome"] == "reference"}


def slug(text: str) -> str:
    """Return text as part of a file's name: lower-case letters, digits and hyphens."""
    return re.sub("[^a-z0-9]+", "-", text.lower()).strip("-")[:40] or "unnamed"


def _by_setting(
    numbers: dict[str, Any], entries: list[dict[str, Any]]
) -> Iterator[tuple[str, str, list[dict[str, Any]]]]:
    """Yield what to append to a figure's name and to its title, and the entries of one setting."""
    settings = numbers["settings"]
    for place, setting in enumerate(settings, start=1):
        own = [entry for entry in entries if entry["setting"] == setting["key"]]
        if own:
            is_only = len(settings) == 1
            yield ("", "", own) if is_only else (f"-{place}-{slug(setting['name'])}", f": {setting['name']}", own)


def _differences(numbers: dict[str, Any]) -> Iterator[PageFigure]:
    for tail, where, entries in _by_setting(numbers, best_first(numbers["differences"])):
        told = "; ".join(
            f"{e['contender']} {signed(e['difference'])} ({signed_range(e['interval'])}), {_OUTCOMES[e['outcome']][2]}"
            for e in entries
        )
        yield PageFigure(
            f"differences{tail}",
            "differences",
            f"Accuracy less that of {entries[0]['reference']}{where}",
            f"Differences with their 95 % intervals, widened for so many rivals: {told}.",
            (_WIDTH, _ROW * len(entries) + 1.3),
            partial(_draw_differences, entries=entries),
        )


def _draw_differences(figure: Any, entries: list[dict[str, Any]]) -> None:
    axes = figure.add_subplot()
    axes.axvline(0, color=BLACK, linewidth=1)
    for row, entry in enumerate(entries):
        marker, colour, words = _OUTCOMES[entry["outcome"]]
        pointed = (
            f"{entry['contender']}: {signed(entry['difference'])}, "
            f"95 % interval {signed_range(entry['interval'])}, {words}"
        )
        _plot_row(axes, row, entry["difference"], entry["interval"], marker, colour, words, pointed)
    _name_rows(axes, [entry["contender"] for entry in entries])
    axes.set_xlabel(f"accuracy less that of {legible(entries[0]['reference'])}, and 95 % interval")


def _plot_row(
    axes: Any, row: int, value: float, interval: list[float] | None, marker: str, colour: str, label: str, pointed: str
) -> None:
    if interval is not None:
        axes.plot(interval, [row, row], "-", color=colour, linewidth=2, gid=tip(pointed))
    axes.plot([value], [row], marker, color=colour, markersize=7, label=label, gid=tip(pointed))


def _name_rows(axes: Any, names: list[str]) -> None:
    axes.set_yticks(range(len(names)), [legible(name, 44) for name in names])
    axes.set_ylim(len(names) - 0.4, -0.6)  # the first on top
    axes.grid(visible=False, axis="y")
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)


def _costs(numbers: dict[str, Any]) -> Iterator[PageFigure]:
    for tail, where, points in _by_setting(numbers, numbers["cost"]["points"]):
        shown = [axis for axis in numbers["cost"]["axes"] if any(p["x"].get(axis) is not None for p in points)]
        if not shown:
            continue
        fronts = "; ".join(
            f"by {axis}: {', '.join(p['contender'] for p in points if p['front'].get(axis)) or 'nobody'}"
            for axis in shown
        )
        yield PageFigure(
            f"cost{tail}",
            "cost",
            f"Accuracy against cost{where}",
            f"Who is not beaten in accuracy by anything cheaper, {fronts}.",
            (_WIDTH * 1.2, 3.1 * -(-len(shown) // 2) + 0.5),
            partial(_draw_costs, points=points, shown=shown, references=reference_ids(numbers)),
        )


def _draw_costs(figure: Any, points: list[dict[str, Any]], shown: list[str], references: set[str]) -> None:
    across = min(2, len(shown))
    first = None
    for place, axis in enumerate(shown, start=1):
        first = axes = figure.add_subplot(-(-len(shown) // across), across, place, sharey=first)
        _draw_cost(axes, [p for p in points if p["x"].get(axis) is not None], axis, references)
        if (place - 1) % across == 0:
            axes.set_ylabel("accuracy, 95 % interval")
        else:
            axes.tick_params(labelleft=False)


def _draw_cost(axes: Any, points: list[dict[str, Any]], axis: str, references: set[str]) -> None:
    costs = [p["x"][axis] for p in points]
    if min(costs) > 0 and max(costs) > _WIDE * min(costs):
        axes.set_xscale("log")
        axes.xaxis.set_minor_formatter(lambda *_: "")
    else:
        axes.locator_params(axis="x", nbins=5)
    axes.xaxis.set_major_formatter(lambda x, _: large(x) if x >= _MILLION else f"{x:,g}")
    front = sorted((p for p in points if p["front"].get(axis)), key=lambda p: (p["x"][axis], p["accuracy"]))
    axes.step(
        [p["x"][axis] for p in front],
        [p["accuracy"] for p in front],
        where="post",
        color=BLACK,
        linewidth=1,
        linestyle="--",
        label="front: nothing cheaper is as accurate",
    )
    for point in sorted(points, key=lambda p: p["id"] in references):  # the reference on top
        _plot_point(axes, point, axis, is_reference=point["id"] in references)
    axes.margins(x=0.12, y=0.1)
    axes.autoscale_view()  # the names ask where the middle is
    axes.set_xlabel(_AXES.get(axis, legible(axis)))
    _name_points(axes, front, axis)


def _plot_point(axes: Any, point: dict[str, Any], axis: str, *, is_reference: bool) -> None:
    marker, colour, label = ("s", GREEN, "network") if point["kind"] == "network" else ("o", BLUE, "selector")
    if is_reference:
        marker, colour, label = "*", ORANGE, f"{legible(point['contender'])} (reference)"
    x = point["x"][axis]
    values = f"accuracy {rate(point['accuracy'])} ({rate_range(point['interval'])}); {axis} {x:,g}"
    pointed = f"{point['contender']}: {values}"
    if point["interval"] is not None:
        axes.plot([x, x], point["interval"], "-", color=colour, linewidth=1, alpha=0.5)
    face = colour if point["front"].get(axis) else "#FFFFFF"
    size = 12 if is_reference else 7
    axes.plot([x], [point["accuracy"]], marker, color=colour, markerfacecolor=face, markersize=size, gid=tip(pointed))
    axes.plot([], [], marker, color=colour, markersize=size, label=label)  # the legend's is filled in any case


def _name_points(axes: Any, front: list[dict[str, Any]], axis: str) -> None:
    """Write the names of the front's members, towards the middle of the axes."""
    for point in front:
        at = (point["x"][axis], point["accuracy"])
        is_right = axes.transLimits.transform(axes.transScale.transform(at))[0] > 0.5
        shift, side = ((-7, 5), "right") if is_right else ((7, -9), "left")
        name = legible(point["contender"], 22)
        axes.annotate(name, at, shift, textcoords="offset points", ha=side, va="center", fontsize=8)


def _convergences(numbers: dict[str, Any]) -> Iterator[PageFigure]:
    for tail, where, curves in _by_metric(numbers, numbers["convergence"]):
        reference = [entry for entry in curves if entry["id"] in reference_ids(numbers)]
        yield PageFigure(
            f"convergence{tail}",
            "search",
            f"The best search score so far, one line a seed{where}",
            f"One panel for each of {', '.join(e['contender'] for e in curves)}: {curves[0]['metric']}, "
            f"{_direction(curves[0])}, by how many subsets were scored.",
            inches_of_panels(len(curves)),
            partial(draw_convergence, entries=curves, behind=reference, words=_score_words(curves[0])),
        )


def _archives(numbers: dict[str, Any]) -> Iterator[PageFigure]:
    of_many = [entry for entry in numbers["archive"] if len({scored[0] for scored in entry["scored"]}) > 1]
    for tail, where, entries in _by_metric(numbers, of_many):
        fronts = "; ".join(
            f"{e['contender']}, seed {e['seed']}: {len(e['scored'])} subsets, front "
            + ", ".join(f"{size:,} features {rate(value)}" for size, value in e["front"])
            for e in entries
        )
        yield PageFigure(
            f"archive{tail}",
            "search",
            f"Every subset that was scored, and the front{where}",
            f"{entries[0]['metric']}, {_direction(entries[0])}, by size. {fronts}.",
            inches_of_panels(len(entries)),
            partial(draw_archives, entries=entries, words=_score_words(entries[0])),
        )


def _strips(numbers: dict[str, Any]) -> Iterator[PageFigure]:
    of_one = [entry for entry in numbers["archive"] if len({scored[0] for scored in entry["scored"]}) == 1]
    for tail, where, entries in _by_metric(numbers, of_one):
        chosen = "; ".join(f"{e['contender']}, seed {e['seed']}: {rate(e['chosen'][1])}" for e in entries)
        yield PageFigure(
            f"archive-one-size{tail}",
            "search",
            f"Every subset that was scored, all of one size{where}",
            f"{entries[0]['metric']}, {_direction(entries[0])}. Chosen: {chosen}.",
            (_WIDTH, _ROW * len(entries) + 1.3),
            partial(draw_strips, entries=entries, words=_score_words(entries[0])),
        )


def _by_metric(
    numbers: dict[str, Any], entries: list[dict[str, Any]]
) -> Iterator[tuple[str, str, list[dict[str, Any]]]]:
    """Yield as `_by_setting` does, the metrics of a setting apart: their scores share no axis."""
    for tail, where, own in _by_setting(numbers, entries):
        metrics = sorted({entry["metric"] for entry in own})
        for metric in metrics:
            named = (f"{tail}-{slug(metric)}", f"{where} ({metric})") if len(metrics) > 1 else (tail, where)
            yield (*named, [entry for entry in own if entry["metric"] == metric])


def _direction(entry: dict[str, Any]) -> str:
    return "larger is better" if entry["greater is better"] else "smaller is better"


def _score_words(entry: dict[str, Any]) -> str:
    return f"search score: {legible(entry['metric'])}\n({_direction(entry)})"


def _places(numbers: dict[str, Any]) -> Iterator[PageFigure]:
    for tail, where, entries in _by_setting(numbers, [e for e in numbers["features"] if e["layers"]]):
        shown = entries[:_MOST_PLACES]
        told = "; ".join(
            f"{entry['contender']}: "
            + ", ".join(f"{layer['layer']} {layer['chosen']:.3g}" for layer in entry["layers"])
            for entry in shown
        )
        rest = "" if len(shown) == len(entries) else f" (the first {len(shown)} of {len(entries)})"
        yield PageFigure(
            f"places{tail}",
            "features",
            f"Where in the picture the chosen features look, by layer, mean over seeds{rest}{where}",
            f"Features chosen by layer. {told}.",
            inches_of_places(shown),
            partial(draw_places, entries=shown),
        )


def _confusions(numbers: dict[str, Any]) -> Iterator[PageFigure]:
    by_id = {entry["id"]: entry for entry in numbers["classes"]}
    for tail, where, entries in _by_setting(numbers, numbers["confusion differences"]):
        for place, entry in enumerate(entries, start=1):
            ours, theirs = by_id[entry["of"]], by_id[entry["minus"]]
            names = [row["class"] for row in ours["per class"]]
            yield PageFigure(
                f"confusion{tail}" + (f"-{place}" if len(entries) > 1 else ""),
                "classes",
                f"Confusion of {ours['contender']}, of {theirs['contender']}, and their difference{where}",
                "Rows are true classes and add up to 100 %. On the diagonal, "
                + ", ".join(
                    f"{name}: {ours['confusion'][i][i]:.0%} and {theirs['confusion'][i][i]:.0%}"
                    for i, name in enumerate(names)
                )
                + ".",
                inches_of_confusions(len(names)),
                partial(draw_two_confusions, ours=ours, theirs=theirs, cells=entry["cells"], names=names),
            )


def _audits(numbers: dict[str, Any]) -> Iterator[PageFigure]:
    printed = [entry for entry in numbers["audit"]["printed"] if entry["value"] is not None]
    for tail, where, rows in _by_setting(numbers, numbers["audit"]["rows"]):
        if not printed and all(row["protocol"] == "clean" for row in rows):
            continue
        told = "; ".join(f"{r['protocol']}, {r['contender']}: {r['measure']} {rate(r['value'])}" for r in rows)
        yield PageFigure(
            f"audit{tail}",
            "audit",
            f"What each protocol makes of the figure, beside what papers print{where}",
            f"Measured: {told}." + "".join(f" Printed for {_printed_words(entry)}." for entry in printed),
            (_WIDTH * 1.15, _ROW * (len(rows) + len(printed)) + 1.3),
            partial(_draw_audit, rows=rows, printed=printed),
        )
        printed = []  # once is enough


def _printed_words(entry: dict[str, Any]) -> str:
    return f"{entry['system']}: {entry['figure']}"


def _draw_audit(figure: Any, rows: list[dict[str, Any]], printed: list[dict[str, Any]]) -> None:
    axes = figure.add_subplot()
    for place, row in enumerate(rows):
        marker, colour = _MEASURES.get(row["measure"], ("^", GREEN))
        pointed = f"{row['protocol']}, {row['contender']}: {row['measure']} {rate(row['value'])}"
        label = f"measured here: {legible(row['measure'])}"
        _plot_row(axes, place, row["value"], row["interval"], marker, colour, label, pointed)
    for place, entry in enumerate(printed, start=len(rows)):
        marker = _PRINTED.get(entry["kind"], "^")
        label = f"printed: {legible(entry['kind'])}"
        _plot_row(axes, place, entry["value"], None, marker, BLACK, label, f"{_printed_words(entry)}, {entry['paper']}")
    if printed:
        axes.axhline(len(rows) - 0.5, color=GREY, linewidth=1)
    _name_rows(axes, [f"{r['contender']}, {r['protocol']}" for r in rows] + [_printed_words(e) for e in printed])
    axes.set_xlabel("share of test rows that is right, or of their outputs (binary accuracy)")
