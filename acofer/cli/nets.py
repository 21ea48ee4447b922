"""``acofer nets``: the architectures that can be trained."""

from __future__ import annotations

import argparse
import dataclasses
import itertools
import json
import tempfile
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

from acofer.cli.console import plain_console
from acofer.cli.progress import ProgressDisplay

if TYPE_CHECKING:
    from acofer.nets.table import Net

_EPILOG = """\
examples:
  acofer nets                                all, with what they cost
  acofer nets --names                        all by paper, at once: nothing is built
  acofer nets hybrid                         one, with its recipe and its own parameters
  acofer nets --image-size 48 --time         how fast each predicts on this machine
"""
_COUNTS = ("pixels", "weights", "frozen", "mult-adds")
_TIMES = ("MB", "ms each", "a second")
_CLASSES = 7  # of faces, as in FER2013
_WIDTH = 100


def add_to(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "nets",
        help="list the networks that can be trained",
        description="List the networks that acofer train knows, and count their weights and multiply-adds for seven\n"
        "classes. They are built for that, which takes some seconds.",
        epilog=_EPILOG,
    )
    parser.add_argument("nets", nargs="*", metavar="NET", help="these alone, with recipe and parameters")
    parser.add_argument("--names", action="store_true", help="names and papers alone; nothing is built")
    parser.add_argument("--image-size", metavar="N", help="for pictures of this side (default the recipe's)")
    parser.add_argument("--time", action="store_true", help="time predictions, too, and tell the size on disk")
    parser.add_argument("--json", action="store_true", help="print JSON instead of text")
    parser.add_argument("--quiet", action="store_true", help="show no progress")
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    from acofer.nets.table import NETS, net_named

    nets = [net_named(name) for name in args.nets or NETS]
    rows = [_described(net) for net in nets]
    if not args.names:
        costs = _costs(nets, args.image_size or "auto", timed=args.time, quiet=args.quiet)
        for row, cost in zip(rows, costs, strict=True):
            row["cost"] = cost
    if args.json:
        print(json.dumps(rows, indent=1))
    elif args.nets:
        print("\n\n".join(_told(row) for row in rows))
    elif args.names:
        _print_names(rows)
    else:
        _print_costs(rows)
    return 0


def _described(net: Net) -> dict[str, Any]:
    """Return what the table of architectures says, the recipe as the options of ``acofer train`` say it."""
    recipe = dataclasses.asdict(net.recipe)
    augmentation = recipe.pop("augmentation")
    return {
        "net": net.name,
        "summary": net.summary,
        "paper": net.paper,
        "paper prints": net.printed,
        "recipe": {**recipe, **augmentation, "flip": "on" if augmentation["flip"] else "off"},
        "parameters": net.parameters,
    }


def _costs(nets: list[Net], image_size: str, *, timed: bool, quiet: bool) -> list[dict[str, Any]]:
    """Build the networks, with random weights, count, and time them where that is wanted."""
    from acofer.config.train import TrainConfig
    from acofer.nets.build import build_net, check_net
    from acofer.nets.count import multiply_adds, parameters
    from acofer.nets.timing import timing

    wanted = TrainConfig(image_size=image_size).image_size
    sizes = [net.recipe.image_size if isinstance(wanted, str) else wanted for net in nets]
    for net, size in zip(nets, sizes, strict=True):
        check_net(net, size, _CLASSES, {})
    costs: list[dict[str, Any]] = []
    with ProgressDisplay(quiet=quiet) as progress:
        for done, (net, size) in enumerate(zip(nets, sizes, strict=True)):
            progress("building", done, len(nets))
            model = build_net(net.name, size, _CLASSES)
            costs.append({"image_size": size, **parameters(model), "multiply-adds": multiply_adds(model)})
            if timed:
                costs[-1] |= {"bytes on disk": _bytes(model), **timing(model)}
        progress("building", len(nets), len(nets))
    return costs


def _bytes(model: Any) -> int:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.keras"
        model.save(path)
        return path.stat().st_size


def _print_names(rows: list[dict[str, Any]]) -> None:
    longest = max(len(row["net"]) for row in rows)
    for paper, of_paper in itertools.groupby(rows, lambda row: row["paper"]):
        print(paper)
        for row in of_paper:
            print(f"  {row['net']:<{longest}}  {row['summary']}")


def _print_costs(rows: list[dict[str, Any]]) -> None:
    from rich import box
    from rich.table import Table

    is_timed = "bytes on disk" in rows[0]["cost"]
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("net", no_wrap=True)
    for column in (*_COUNTS, *_TIMES) if is_timed else _COUNTS:
        table.add_column(column, justify="right", no_wrap=True)
    for row in rows:
        table.add_row(row["net"], *_cells(row["cost"], is_timed))
    console = plain_console()
    console.print(table)
    console.print("weights: trained and, beside them, frozen ones; multiply-adds of one picture")
    if is_timed:
        console.print("MB on disk; ms for one picture by itself; pictures a second in batches of 32")


def _cells(cost: dict[str, Any], is_timed: bool) -> list[str]:
    cells = [str(cost["image_size"]), *(_short(cost[name]) for name in ("trainable", "frozen", "multiply-adds"))]
    if is_timed:
        cells += [f"{cost['bytes on disk'] / 1e6:,.1f}", f"{cost['latency of one picture, ms']:,.1f}"]
        cells.append(f"{cost['pictures a second']:,.0f}")
    return cells


def _short(n: int) -> str:
    """Return a count in thousands or millions, three digits or more."""
    if n < 1000:
        return str(n)
    return f"{n / 1e3:.1f} k" if n < 1e6 else f"{n / 1e6:,.1f} M"


def _told(row: dict[str, Any]) -> str:
    facts = {
        "paper": f"{row['paper']}; it prints: {row['paper prints']}",
        "recipe": _settings(row["recipe"]),
        "--set": _settings(row["parameters"]),
    }
    if "cost" in row:
        cost = row["cost"]
        facts["cost"] = (
            f"{cost['trainable']:,} weights to train, {cost['frozen']:,} frozen, {cost['multiply-adds'] / 1e6:,.1f} M "
            f"multiply-adds a picture of {cost['image_size']} x {cost['image_size']} pixels"
        )
    lines = (
        textwrap.fill(f"  {name:<8}{fact}", _WIDTH, subsequent_indent=" " * 10, break_on_hyphens=False)
        for name, fact in facts.items()
    )
    return "\n".join([f"{row['net']}: {row['summary']}", *lines])


def _settings(values: dict[str, Any]) -> str:
    """Name the settings as options and ``--set`` take them."""
    said = {name: value if isinstance(value, str) else json.dumps(value) for name, value in values.items()}
    return ", ".join(f"{name}={value}" for name, value in said.items() if value != "null")
