"""``acofer tune``: the colony's knobs, or another searcher's, tuned on training rows."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from acofer.cli.console import plain_console
from acofer.cli.options import add_options, config_of
from acofer.cli.progress import ProgressDisplay
from acofer.config.options import plain_options
from acofer.config.tune import TuneConfig
from acofer.stopping import EXIT_CODES

_DESCRIPTION = """\
Tune the colony's knobs, and on request the scorer's, or another searcher's with the same
budget, by Optuna. Training rows are cut into outer folds; in each a search chooses on the
rest, and its choice is scored on the held-out rows. Validation and test part stay untouched.
"""
_EPILOG = """\
The later wins: default, --config (also one of acofer search), ACOFER_* variables, flags.

examples:
  acofer tune --scorer ridge --size 64 --trials 30        the embedded faces, offline
  acofer tune --space auto,size,penalty --scorer ridge --timeout 10m
  acofer tune --space alpha=0:3,variant=acs|mmas --pruner off
  acofer tune --contender genetic-algorithm --size 64     a rival, as long and on the same rows
  acofer tune --storage study.journal                     run it twice: two processes, one study
  acofer tune --config RUN/config.toml --storage RUN/study.journal --trials 100
                                                          a study goes on
  acofer tune --backend dask --scheduler tcp://HOST:8786   a trial on each worker of a cluster
  acofer search --config RUN/tune-best.toml               what came of it
"""
_SECTIONS = {
    "tune": "tuning",
    "data": "pictures",
    "features": "embeddings",
    "balance": "balancing",
    "scoring": "scoring of subsets",
    "colony": "ant colony, where it is not tuned",
    "run": "the run",
}
NOT_HERE = {"iterations", "path", "protocol", "null_draws", "all_features", "memo", "join", "time_budget"}
"""Options of a search that tuning does not ask: the budget, or that there is no test, says what they would."""


def add_to(commands: Any) -> None:
    """Add the command and its flags, one for each option of `TuneConfig` that it heeds."""
    parser = commands.add_parser(
        "tune",
        usage="acofer tune [OPTION ...]",
        help="tune the colony's knobs, or a rival's",
        description=_DESCRIPTION,
        epilog=_EPILOG,
    )
    parser.add_argument("--config", metavar="FILE", help="TOML file of options, e.g. a run folder's config.toml")
    parser.add_argument("--json", action="store_true", help="print the numbers as JSON instead of tables")
    parser.add_argument("--quiet", action="store_true", help="show no progress")
    for section, title in _SECTIONS.items():
        options = [o for o in plain_options(TuneConfig) if o.metadata["section"] == section]
        add_options(parser.add_argument_group(title), [o.name for o in options if o.name not in NOT_HERE], TuneConfig)
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    config = config_of(args, args.config, TuneConfig)
    with ProgressDisplay(quiet=args.quiet) as progress:
        progress("loading", 0, 1)
        from acofer.report.tuning import write_tuning_figures
        from acofer.tune.run import run_tune

        progress("loading", 1, 1)
        result = run_tune(
            config,
            progress=progress,
            on_trial=lambda trial: progress.say(_trial_line(trial)),
            draw=write_tuning_figures,
            stop=args.stop,
        )
    numbers, folder = result.numbers, str(result.folder)
    if args.json:
        print(json.dumps({"folder": folder, **numbers}, indent=1))
    else:
        _print(numbers, folder)
    ended = numbers["ended"]
    if ended in EXIT_CODES:
        print(f"acofer: {ended}; the best so far is kept in {folder}", file=sys.stderr)
    return EXIT_CODES.get(ended, 0)


def _trial_line(trial: dict[str, Any]) -> str:
    reached = "pruned" if trial["value"] is None else f"{trial['value']:.4f}"
    best = "" if trial["best"] is None else f", best {trial['best value']:.4f} (trial {trial['best']})"
    knobs = ", ".join(f"{name} {_shown(value)}" for name, value in trial["knobs"].items())
    return f"trial {trial['trial']}: {reached}{best}, {trial['seconds']:.1f} s; {knobs}"


def _print(numbers: dict[str, Any], folder: str) -> None:

    console = plain_console()
    console.print(_table(numbers))
    counts, metric = numbers["trials"], numbers["objective"]["metric"]
    console.print(
        f"{counts['complete']} trials complete, {counts['pruned']} pruned; {metric} of the final classifier on the "
        f"held-out rows, mean over {numbers['outer folds']} outer folds of the {numbers['split']['train']:,} training "
        "rows; validation and test part untouched",
        markup=False,
    )
    console.print()
    console.print(numbers["verdict"], style="bold", markup=False)
    console.print()
    storage = numbers["configuration"]["storage"] or f"{folder}/{numbers['study']['storage']}"
    lines = [f"kept in {folder}"]
    if numbers["contender"] == "colony":
        lines.append(f"  use:     acofer search --config {folder}/tune-best.toml")
    else:
        lines.append(f"  use:     {folder}/tune-best.toml is a contender for a plan of acofer bench")
    lines.append(f"  go on:   acofer tune --config {folder}/config.toml --storage {storage} --trials N")
    for line in lines:
        console.print(line, markup=False, soft_wrap=True)


def _table(numbers: dict[str, Any]) -> Any:
    """One row a knob: what it is without tuning, what is best, and how much of the spread it explains."""
    from rich import box
    from rich.table import Table

    default, best, shares = numbers["default"], numbers["best"], numbers["importances"] or {}
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), title_justify="left", title_style="bold")
    table.title = f"Knobs of {numbers['contender']}"
    for column in ("", "default", "best", "importance"):
        table.add_column(column, justify="right" if column else "left", no_wrap=True)
    for name, knob in numbers["space"].items():
        share = f"{shares[name]:.2f}" if name in shares else ""
        table.add_row(name, _shown(knob["default"]), _shown(best["knobs"][name]), share)
    table.add_section()
    table.add_row(
        numbers["objective"]["metric"], f"{default['value']:.4f}" if default else "", f"{best['value']:.4f}", ""
    )
    return table


def _shown(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
