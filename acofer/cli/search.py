"""``acofer search``: the main job."""

from __future__ import annotations

import argparse
import json
from typing import Any

from acofer.cli.options import add_options, config_of
from acofer.cli.progress import ProgressDisplay
from acofer.config.options import plain_options
from acofer.config.search import SearchConfig

_DESCRIPTION = """\
Embed pictures with a frozen network, let an ant colony choose features, and test the
choice once, beside all features, as many drawn at random, and as many by the heuristic alone.
Everything is kept in a run folder.
"""
_EPILOG = """\
The later wins: default, --config, ACOFER_* variables (e.g. ACOFER_ANTS=40), flags.

examples:
  acofer search --ants 20 --iters 3                       the embedded faces, offline
  acofer search --data fer2013.csv --size 256             exactly 256 features of FER2013
  acofer search --data pictures/ --folds 5 --metric macro-f1
  acofer search --data fer2013.csv --image-size 96 --layers bank --scorer ridge --size 32:1024
                                                          inner layers; a best subset of each size
  acofer search --scorer ridge --classifier LogisticRegression    searched by one, tested by another
  acofer search --screen ridge                            the forest sees what ridge thinks best
  acofer search --config runs/RUN/config.toml --seed 1    a run again, with another seed
  acofer search --protocol leaky-smote-first              what SMOTE before the split would print
"""
_SECTIONS = {
    "data": "pictures",
    "features": "embeddings",
    "balance": "balancing",
    "scoring": "scoring of subsets",
    "colony": "ant colony",
    "run": "the run",
}


def add_to(commands: Any) -> None:
    """Add the command and its flags, one for each option of `SearchConfig`."""
    parser = commands.add_parser(
        "search",
        usage="acofer search [OPTION ...]",
        help="choose features by ant colony and test the choice",
        description=_DESCRIPTION,
        epilog=_EPILOG,
    )
    parser.add_argument("--config", metavar="FILE", help="TOML file of options, e.g. a run folder's config.toml")
    parser.add_argument("--json", action="store_true", help="print the numbers as JSON instead of tables")
    parser.add_argument("--quiet", action="store_true", help="show no progress")
    groups = {section: parser.add_argument_group(title) for section, title in _SECTIONS.items()}
    for section, group in groups.items():
        add_options(group, [o.name for o in plain_options(SearchConfig) if o.metadata["section"] == section])
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    numbers, folder = _search(config_of(args, args.config), quiet=args.quiet)
    if args.json:
        print(json.dumps({"folder": str(folder), **numbers}, indent=1))
    else:
        from acofer.cli.tables import print_search

        print_search(numbers, str(folder))
    return 0


def _search(config: SearchConfig, *, quiet: bool) -> tuple[dict[str, Any], Any]:
    with ProgressDisplay(quiet=quiet) as progress:
        progress("loading", 0, 1)
        from acofer.report.figures import write_figures
        from acofer.runs.search import run_search

        progress("loading", 1, 1)
        result = run_search(config, progress=progress, draw=write_figures)
    return result.numbers, result.folder
