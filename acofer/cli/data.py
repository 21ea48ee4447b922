"""``acofer data``: look at a data set before computing with it."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from acofer.cli.options import add_options, config_of
from acofer.cli.progress import ProgressDisplay

_EPILOG = """\
examples:
  acofer data info demo
  acofer data info fer2013.csv --near --sheet sheet.png
  acofer data info pictures/ --on-broken skip --json
"""


def add_to(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "data", help="look at a data set", description="Look at a data set before computing with it."
    )
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    info = actions.add_parser(
        "info",
        help="counts, copies, blanks, a contact sheet",
        description="Show counts by class and part, copies across parts and blank pictures,\n"
        "and write a contact sheet: some pictures of each class.",
        epilog=_EPILOG,
    )
    info.add_argument("data", metavar="DATA", help="'demo', a folder of pictures, or FER2013's CSV")
    info.add_argument("--near", action="store_true", help="look for near copies, too")
    info.add_argument("--sheet", metavar="FILE", help="contact sheet to write (default contact-sheet-<name>.png)")
    info.add_argument("--no-sheet", action="store_true", help="write no contact sheet")
    info.add_argument("--json", action="store_true", help="print JSON instead of tables")
    info.add_argument("--quiet", action="store_true", help="show no progress")
    add_options(info, ("ferplus", "on_broken"))
    info.set_defaults(run=_info)


def _info(args: argparse.Namespace) -> int:
    config = config_of(args)
    with ProgressDisplay(quiet=args.quiet) as progress:
        from acofer.data.census import describe
        from acofer.data.contact_sheet import write_contact_sheet
        from acofer.runs.pictures import configured_pictures

        images = configured_pictures(config, progress)
        census = describe(images, near=args.near, progress=progress)
        sheet = None if args.no_sheet else Path(args.sheet or f"contact-sheet-{images.name}.png")
        if sheet is not None:
            write_contact_sheet(sheet, images)
    if args.json:
        print(json.dumps(census, indent=1))
    else:
        _print(census)
        if sheet is not None:
            print(f"contact sheet: {sheet}")
    return 0


def _print(census: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False)
    for warning in census["warnings"]:
        console.print(f"warning: {warning}", style="yellow", markup=False)
    parts = list(census["parts"])
    table = Table(title=f"{census['name']}: {census['n_pictures']:,} pictures", title_justify="left")
    table.add_column("class")
    for column in (*(part for part in parts if part != "all"), "all"):
        table.add_column(column, justify="right")
    for row in census["classes"]:
        table.add_row(row["name"], *(f"{row[p]:,}" for p in parts if p != "all"), f"{row['n']:,}")
    counts = [f"{n:,}" for part, n in census["parts"].items() if part != "all"]
    table.add_row("all", *counts, f"{census['n_pictures']:,}", style="bold")
    console.print(table)
    sizes = ", ".join(f"{s['width']}x{s['height']}x{s['channels']} ({s['n']:,})" for s in census["sizes"][:5])
    more = f" and {len(census['sizes']) - 5} more" if len(census["sizes"]) > 5 else ""
    print(f"sizes: {sizes}{more}")
    print(f"blank pictures: {census['blank']['n']}{_named(census['blank']['rows'])}")
    _print_copies("exact copies", census["exact_copies"])
    if census["near_copies"] is not None:
        _print_copies("near copies", census["near_copies"])
    print(f"pixels: sha256 {census['digest']}")


def _named(rows: list[str]) -> str:
    return f" ({', '.join(rows[:5])}{', ...' if len(rows) > 5 else ''})" if rows else ""


def _print_copies(title: str, copies: dict[str, Any]) -> None:
    print(
        f"{title}: {copies['groups']:,} groups, {copies['extra']:,} pictures beyond the first of each; "
        f"{copies['contradictory_groups']} groups with more than one label"
    )
    for line in copies["across"]:
        print(f"  {line['n']:,} pictures of {line['part']} also stand in {line['also_in']}")
