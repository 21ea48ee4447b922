"""``acofer bench``: contenders on the same splits, under the same clock and guards."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from acofer.cli.console import wide_console
from acofer.cli.progress import ProgressDisplay
from acofer.workers.crew import DASK, LOKY, THREADING, check_backend

_DESCRIPTION = """\
Run a plan: selectors and networks on the same splits, under the same clock and the same
guards. Every cell is a row; a failure or a time-out is a row, too, and stops nothing. What
has its row already is not run again. When all have theirs, the test labels are opened, once.
"""
_EPILOG = """\
examples:
  acofer bench configs/bench-quick.toml            the embedded faces; into runs/bench-quick
  acofer bench configs/bench-quick.toml --list     what would run, and what has its row
  acofer bench --contenders                        the selectors, with their settings
  acofer bench plan.toml --retry                   failures and time-outs once more
  acofer bench plan.toml --backend dask --scheduler tcp://HOST:8786    cells on a cluster's workers
  acofer report runs/bench-quick                   one page of what came of it

Stopped, by Ctrl-C or otherwise, it goes on with the same command.
"""


def add_to(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "bench",
        usage="acofer bench PLAN [OPTION ...]",
        help="compare selectors and networks by a plan",
        description=_DESCRIPTION,
        epilog=_EPILOG,
    )
    parser.add_argument("plan", metavar="PLAN", nargs="?", help="TOML file; configs/bench-quick.toml explains itself")
    parser.add_argument("--out", metavar="FOLDER", help="the bench's folder (default runs/<the plan's name>)")
    parser.add_argument("--retry", action="store_true", help="run cells again that failed, timed out or were skipped")
    parser.add_argument("--list", action="store_true", help="list the cells and their states, and run nothing")
    parser.add_argument("--contenders", action="store_true", help="list the selectors and their settings")
    parser.add_argument(
        "--backend",
        metavar="NAME",
        default=THREADING,
        help=f"{THREADING}: cell by cell, here (default); {DASK}: on the workers of a Dask cluster, one a worker",
    )
    parser.add_argument(
        "--scheduler", metavar="WHERE", help="the cluster's: its address (tcp://HOST:8786), or a scheduler file"
    )
    parser.add_argument("--json", action="store_true", help="print the result as JSON instead of a table")
    parser.add_argument("--quiet", action="store_true", help="show no progress")
    parser.set_defaults(run=_run, spared_by="fewer pictures or features in a setting")


def _run(args: argparse.Namespace) -> int:
    from acofer.errors import ConfigError

    if args.contenders:
        return _list_contenders()
    check_backend(args.backend, args.scheduler)
    if args.backend == LOKY:
        raise ConfigError(
            "backend: expected threading or dask: cells side by side on one machine would share its clock"
        )
    if args.plan is None:
        raise ConfigError("expected a plan, e.g.: acofer bench configs/bench-quick.toml")
    from acofer.bench.plan import read_plan

    with ProgressDisplay(quiet=args.quiet) as progress:
        progress("loading", 0, 1)
        plan = read_plan(args.plan)
        out = Path(args.out or f"runs/{plan.name}")
        progress("loading", 1, 1)
        if args.list:
            return _list_cells(plan, out)
        result = _bench(plan, out, args, progress)
    if args.json:
        print(json.dumps({"folder": str(out), **result}))
        return 0
    from acofer.cli.bench_table import print_bench

    print_bench(result, str(out))
    return 0


def _bench(plan: Any, out: Path, args: argparse.Namespace, progress: ProgressDisplay) -> dict[str, Any]:
    from acofer.bench.runner import run_plan

    def on_row(row: dict[str, Any], done: int, total: int) -> None:
        progress("cells", done, total)
        stages = (row.get("seconds") or {}).items()
        spent = sum(seconds or 0 for stage, seconds in stages if stage not in ("embedding", "balancing"))
        why = f": {row['reason']}" if row["reason"] else f", {spent:.1f} s"
        null = ", shuffled labels" if row["is null"] else ""
        size = "" if row["size"] is None else f" of {row['size']}"
        progress.say(
            f"{done}/{total} {row['setting']}, {row['protocol']}{null}, seed {row['seed']}: "
            f"{row['contender']}{size}, {row['classifier'] or 'network'}: {row['status']}{why}"
        )

    on_part = progress if sys.stderr.isatty() else None  # a log wants a line a cell, not more
    return run_plan(plan, out, retry=args.retry, on_row=on_row, on_part=on_part, scheduler=args.scheduler)


def _list_cells(plan: Any, out: Path) -> int:
    from acofer.bench.store import BenchFolder
    from acofer.cli.tables import plain_table

    rows = BenchFolder(out).rows() if out.exists() else {}
    table = plain_table(f"{plan.name}: {len(plan.cells)} cells, {len(rows)} rows in {out}")
    for column in ("cell", "setting", "protocol", "contender", "size", "classifier", "seed", "state"):
        table.add_column(column, overflow="fold", no_wrap=column in ("cell", "contender", "state"))
    for cell in plan.cells:
        state = rows[cell.key]["status"] if cell.key in rows else "to be run"
        protocol = f"{cell.protocol}, shuffled" if cell.is_null else cell.protocol
        size = "" if cell.size is None else str(cell.size)
        table.add_row(
            *(cell.key, cell.setting, protocol, cell.contender, size, cell.classifier or "", str(cell.config.seed)),
            state,
        )
    wide_console().print(table)
    return 0


def _list_contenders() -> int:
    from acofer.bench.selectors import SELECTORS
    from acofer.cli.tables import plain_table
    from acofer.nets.table import NETS

    table = plain_table("selector = ...")
    for column in ("name", "what it does", "searches", "size", "settings (set = { ... })"):
        table.add_column(column, overflow="fold", no_wrap=column == "name")  # names are to be copied
    for selector in SELECTORS.values():
        knobs = ", ".join(f"{name} {knob.default}" for name, knob in selector.knobs.items())
        searches = "yes" if selector.searches else ""
        table.add_row(selector.name, selector.summary, searches, selector.takes_size, knobs)
    console = wide_console()
    console.print(table)
    console.print("searches: as long as the budget lasts; size exact: a number or a share, any: also a range or auto")
    console.print(f"net = {', '.join(NETS)}: see acofer nets", markup=False)
    return 0
