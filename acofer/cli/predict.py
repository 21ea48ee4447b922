"""``acofer predict``: use what a search or a training left behind."""

from __future__ import annotations

import argparse
import json
from typing import Any

from acofer.cli.console import plain_console, printable
from acofer.cli.progress import ProgressDisplay

_EPILOG = """\
examples:
  acofer predict runs/RUN face.png
  acofer predict runs/RUN *.jpg --json
"""


def add_to(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "predict",
        help="use what a search or a training left, on pictures",
        description="Classify pictures with what a run kept: a trained network, or a classifier of embeddings.",
        epilog=_EPILOG,
    )
    parser.add_argument("folder", metavar="RUN", help="run folder of a search or of a training")
    parser.add_argument("pictures", metavar="PICTURE", nargs="+", help="picture files")
    parser.add_argument("--weights", metavar="FILE", help="weights file of the search, where it has moved")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--quiet", action="store_true", help="show no progress")
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    with ProgressDisplay(quiet=args.quiet) as progress:
        from acofer.runs.predict import predict

        predictions = predict(args.folder, args.pictures, weights=args.weights, progress=progress)
    if args.json:
        print(json.dumps(predictions, indent=1))
    else:
        _print(predictions)
    return 0


def _print(predictions: list[dict[str, Any]]) -> None:
    from rich.table import Table

    table = Table()
    for column in ("picture", "class", "share", "next", "share "):
        table.add_column(column, justify="right" if column.startswith("share") else "left", overflow="fold")
    for row in predictions:
        (first, share), (second, next_share) = sorted(row["shares"].items(), key=lambda item: -item[1])[:2]
        table.add_row(
            printable(row["picture"]), printable(first), f"{share:.2f}", printable(second), f"{next_share:.2f}"
        )
    plain_console().print(table)
