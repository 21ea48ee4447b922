"""What runs print, from their numbers and nothing else."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table

from acofer.cli.console import plain_console
from acofer.scoring.metrics import RATES

_MOST_CONFUSED = 10
"""Classes up to which the confusion matrix fits 80 columns."""


_ENDED = {
    "evaluations": "all {evaluations} evaluations were used up",
    "time budget": "the time budget of {time_budget} was used up",
    "interrupted": "it was interrupted",
    "terminated": "it was terminated",
}


def print_search(numbers: dict[str, Any], folder: str) -> None:
    """Print the outcome of a search to stdout."""
    console = plain_console()
    _print_warnings(console, numbers)
    console.print(_contenders(numbers))
    console.print(_per_class(numbers, numbers["contenders"]["colony"], "The chosen features"))
    console.print(_search_line(numbers), markup=False)
    if numbers["search"]["ended"] in _ENDED:
        console.print(_ended_line(numbers), style="bold", markup=False)
    if numbers["search"]["screen"]:
        console.print(_screen_line(numbers["search"]["screen"]), markup=False)
    if numbers["search"]["cost"]:
        console.print(_cost_line(numbers["search"]), markup=False)
    if numbers["without copies"]:
        console.print(_copies_line(numbers), markup=False)
    console.print(_time_line(numbers["seconds"]), markup=False)
    _print_end(console, numbers, "search", folder)


def print_training(numbers: dict[str, Any], folder: str) -> None:
    """Print the outcome of a training to stdout."""
    console = plain_console()
    _print_warnings(console, numbers)
    console.print(_rates(numbers))
    console.print(_per_class(numbers, numbers["test"], numbers["net"]["name"]))
    console.print(_course_line(numbers["training"]), markup=False)
    for start in numbers["net"]["started from"]:
        console.print(f"started from {start['run']}: {', '.join(start['layers'])}", markup=False)
    console.print(_net_line(numbers["net"]), markup=False)
    if numbers["without copies"]:
        console.print(_copies_line(numbers), markup=False)
    console.print(_time_line(numbers["seconds"]), markup=False)
    _print_end(console, numbers, "train", folder)


def _print_warnings(console: Console, numbers: dict[str, Any]) -> None:
    for warning in numbers["data"]["warnings"]:
        console.print(f"warning: {warning}", style="yellow", markup=False)


def _print_end(console: Console, numbers: dict[str, Any], command: str, folder: str) -> None:
    console.print()
    console.print(numbers["verdict"], style="bold", markup=False)
    console.print()
    console.print(f"kept in {folder}", markup=False, soft_wrap=True)
    console.print(f"  repeat:  acofer {command} --config {folder}/config.toml", markup=False, soft_wrap=True)
    console.print(f"  predict: acofer predict {folder} PICTURE...", markup=False, soft_wrap=True)


def _titled(numbers: dict[str, Any], text: str) -> str:
    """Name the protocol where it leaks; a training knows no other than the clean one."""
    protocol = numbers.get("protocol", "clean")
    return text if protocol == "clean" else f"{text} [{protocol}]"


def plain_table(title: str) -> Table:
    """Return an empty table with a title, as all commands print them."""
    from rich import box
    from rich.text import Text

    return Table(
        title=Text(title, style="bold", overflow="fold"),
        title_justify="left",
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
    )


def _contenders(numbers: dict[str, Any]) -> Table:
    """One row a measure; the chosen subset and its nulls side by side, intervals below the values."""
    cards, draws = numbers["contenders"], numbers["random draws"]
    rows = cards["colony"]["rows"]
    table = plain_table(_titled(numbers, f"Test part, {rows:,} rows, opened once (95 % bootstrap intervals)"))
    table.add_column("", no_wrap=True)
    named = [name for name in cards if not name.startswith("random")]
    for name in named:
        table.add_column(f"{name}\n{cards[name]['features']:,}", justify="right", no_wrap=True)
    table.add_column(f"random x {draws['draws']}\n{cards['colony']['features']:,}", justify="right", no_wrap=True)
    for measure in RATES:
        cells = [_with_interval(cards[name][measure]) for name in named]
        spread = draws[measure]
        cells.append(f"{spread['mean']:.3f}\n{spread['lowest']:.3f}–{spread['highest']:.3f}")
        table.add_row(measure, *cells)
    return table


def _ended_line(numbers: dict[str, Any]) -> str:
    search, settings = numbers["search"], numbers["configuration"]
    why = _ENDED[search["ended"]].format(**settings)
    return f"the search ended early: {why}; {search['ants']} of {search['ants planned']} ants had their turn"


def _with_interval(rate: dict[str, Any]) -> str:
    low, high = rate["interval"]
    return f"{rate['value']:.3f}\n{low:.3f}–{high:.3f}"


def _rates(numbers: dict[str, Any]) -> Table:
    """One row a measure, with its interval beside it."""
    card = numbers["test"]
    table = plain_table(f"Test part, {card['rows']:,} rows, opened once")
    for column in ("", numbers["net"]["name"], "95 % bootstrap"):
        table.add_column(column, justify="right" if column else "left", no_wrap=True)
    for measure in (*RATES, "binary accuracy"):
        table.add_row(measure, *_with_interval(card[measure]).split("\n"))
    return table


def _per_class(numbers: dict[str, Any], card: dict[str, Any], whose: str) -> Table:
    """One row a class, with where its pictures went where that fits a page."""
    names = numbers["data"]["classes"]
    shows_confusion = len(names) <= _MOST_CONFUSED
    where = "; right: where its pictures went, %" if shows_confusion else ""
    table = plain_table(_titled(numbers, f"{whose} by class{where}"))
    columns = [str(c) for c in range(len(names))] if shows_confusion else []
    for column in ("class", "rows", "precision", "recall", "F1", *columns):
        table.add_column(column, justify="left" if column == "class" else "right", no_wrap=True)
    for c, (row, counts) in enumerate(zip(card["per class"], card["confusion"], strict=True)):
        shares = [f"{100 * count / max(row['rows'], 1):.0f}" for count in counts] if shows_confusion else []
        rates = [f"{row[measure]:.2f}" for measure in ("precision", "recall", "F1")]
        table.add_row(f"{c} {names[c]}", str(row["rows"]), *rates, *shares)
    return table


def _search_line(numbers: dict[str, Any]) -> str:
    search, score = numbers["search"], numbers["search score"]
    error = search["chosen"]["standard error"]
    margin = "" if error is None else f" ± {error:.3f}"
    optimism = score["optimism"]
    last = "tested by another classifier" if optimism is None else f"optimism {optimism:+.3f}"
    return _titled(
        numbers,
        f"search score ({score['metric']} on {search['scored on']}, the pick of {search['subsets scored']} subsets): "
        f"{score['search score']:.3f}{margin}; on the test part {score['same metric on the test part']:.3f}; {last}",
    )


def _screen_line(screen: dict[str, Any]) -> str:
    return (
        f"screening: {screen['by']} looked at {screen['subsets']} subsets and spared the scorer {screen['spared']}; "
        f"{screen['finished']} more were scored on demand, e.g. after local search"
    )


def _cost_line(search: dict[str, Any]) -> str:
    cost = search["cost"]
    if cost["trees in full"] is None:
        return f"trees: {cost['trees grown']:,} grown, {cost['trees remembered']:,} remembered, some of them in vain"
    return (
        f"trees: {cost['trees grown']:,} grown instead of {cost['trees in full']:,}; racing stopped "
        f"{cost['subsets stopped by racing']} of {cost['subsets']} subsets and spared "
        f"{cost['trees spared by racing']:,}, remembered scores {cost['trees remembered']:,}"
    )


def _copies_line(numbers: dict[str, Any]) -> str:
    n_copies = numbers["split"]["test rows also in train or validation"]
    rest = numbers["without copies"]
    return (
        f"{n_copies} test pictures also stand in train or validation; without them accuracy is "
        f"{rest['accuracy']['value']:.3f} on {rest['rows']:,} rows"
    )


def _course_line(course: dict[str, Any]) -> str:
    best = course["history"][course["best epoch"] - 1]
    loss, accuracy = best["validation_loss"], best["validation_accuracy"]
    return (
        f"training: {course['epochs']} epochs, {course['seconds']:,.1f} s; kept as after epoch {best['epoch']}, "
        f"the best by validation loss, {loss:.3f}; accuracy there {accuracy:.3f} on the validation part, "
        f"{best['accuracy']:.3f} in training"
    )


def _net_line(net: dict[str, Any]) -> str:
    weights, timing = net["parameters"], net["timing"]
    one, many = timing["latency of one picture, ms"], timing["pictures a second"]
    return (
        f"network: {weights['trainable']:,} weights trained, {weights['frozen']:,} frozen; "
        f"{net['multiply-adds'] / 1e6:,.1f} M multiply-adds a picture; {net['bytes on disk'] / 1e6:,.1f} MB; "
        f"{one:,} ms for one picture, {many:,.0f} pictures a second in batches"
    )


def _time_line(seconds: dict[str, float]) -> str:
    total = sum(seconds.values())
    return "seconds: " + ", ".join(f"{stage} {value:.1f}" for stage, value in seconds.items()) + f"; in all {total:.1f}"
