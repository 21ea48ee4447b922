"""``acofer report``: one page of any runs."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from acofer.cli.console import plain_console, printable
from acofer.cli.progress import ProgressDisplay
from acofer.errors import ConfigError

_DESCRIPTION = """\
Make one page of any runs: who won, by how much, at what cost, and whether that is more than
chance. It is a single HTML file that loads nothing from elsewhere; its numbers are written
beside it as JSON. Runs are compared wherever they were tested on the same rows.
"""
_EPILOG = """\
examples:
  acofer report runs/bench-quick                          runs/bench-quick/page.html, and page.json
  acofer report runs/SEARCH runs/TRAINING --out page.html a search beside a network
  acofer report runs/bench-full --reference all           differences to all features
  acofer report runs/bench-full --export figures          figures (SVG, PNG, PDF), tables (CSV, Markdown, LaTeX)
"""


def add_to(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "report",
        usage="acofer report RUN... [OPTION ...]",
        help="make one page of any runs",
        description=_DESCRIPTION,
        epilog=_EPILOG,
    )
    parser.add_argument("runs", metavar="RUN", nargs="+", help="folder of acofer bench, search or train")
    parser.add_argument("--out", metavar="PAGE", help="the page, an .html file (default page.html in the only RUN)")
    parser.add_argument("--export", metavar="FOLDER", help="write figures and tables as files, too")
    parser.add_argument("--reference", metavar="NAME", help="contender that the others are compared with")
    parser.add_argument("--title", metavar="TEXT", help="title of the page")
    parser.add_argument("--json", action="store_true", help="print the numbers as JSON instead of the verdict")
    parser.add_argument("--quiet", action="store_true", help="show no progress")
    parser.set_defaults(run=_run, spared_by="fewer runs at once")


def _run(args: argparse.Namespace) -> int:
    runs = [Path(run) for run in args.runs]
    place = _place(args.out, runs)
    export = None if args.export is None else Path(args.export)
    with ProgressDisplay(quiet=args.quiet) as progress:
        from acofer.report.gathered import rows_of
        from acofer.report.numbers import page_numbers
        from acofer.report.page import write_page

        results = []
        for done, run in enumerate(runs):
            progress("reading runs", done, len(runs))
            results.append(rows_of(run))
        progress("reading runs", len(runs), len(runs))
        numbers = page_numbers(results, reference=args.reference, title=args.title)
        progress("the page", 0, 1)
        write_page(numbers, place, export=export)
        progress("the page", 1, 1)
    _print(numbers, place, export, as_json=args.json)
    return 0


def _place(out: str | None, runs: list[Path]) -> Path:
    """Return where the page goes; its JSON must not be written over another's."""
    place = Path(out) if out else (runs[0] if len(runs) == 1 else Path()) / "page.html"
    if place.suffix.lower() not in (".html", ".htm"):
        raise ConfigError(f"--out: expected a file that ends in .html; got {out!r}")
    numbers = place.with_suffix(".json")
    if numbers.exists() and not place.exists():
        raise ConfigError(f"--out: {str(numbers)!r} would be written over and is no page's; choose another name")
    return place


def _print(numbers: dict[str, Any], place: Path, export: Path | None, *, as_json: bool) -> None:
    if as_json:
        print(json.dumps({"page": str(place), **numbers}, indent=1))
        return

    console = plain_console()
    for sentence in numbers["verdict"]:
        console.print(printable(sentence), style="bold", markup=False)
        console.print()
    for check in numbers["checks"]:
        if check["status"] in ("warn", "fail"):
            line = f"{check['status']}: {check['number']} {check['name']}: {check['finding']}"
            console.print(printable(line), style="yellow" if check["status"] == "warn" else "red", markup=False)
    console.print(f"page:    {place}", markup=False, soft_wrap=True)
    console.print(f"numbers: {place.with_suffix('.json')}", markup=False, soft_wrap=True)
    if export is not None:
        console.print(f"figures and tables: {export}", markup=False, soft_wrap=True)
