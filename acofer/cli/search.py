"""``acofer search``: the main job."""

from __future__ import annotations

import argparse
import json
from typing import Any

from acofer.cli.options import add_options, config_of, given_options
from acofer.cli.progress import ProgressDisplay
from acofer.config.options import plain_options
from acofer.config.search import SearchConfig
from acofer.errors import ConfigError
from acofer.stopping import EXIT_CODES

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
  acofer search --time-budget 10m                         the best that ten minutes find
  acofer search --backend dask --scheduler tcp://HOST:8786        ants on a cluster's workers
  acofer search --resume runs/RUN                         go on after a crash, to the same result

Ctrl-C (or SIGTERM) ends the search after the ants that are being scored, tests the best so far
and keeps it; a second one ends at once, and says how to go on.
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
    parser.add_argument(
        "--resume", metavar="RUN", help="go on with a search that was killed; of the options only those of the machine "
        "(workers, backend, scheduler, caches, time budget) may be others than it was begun with",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print the numbers as JSON instead of tables")
    parser.add_argument("--quiet", action="store_true", help="show no progress")
    groups = {section: parser.add_argument_group(title) for section, title in _SECTIONS.items()}
    for section, group in groups.items():
        add_options(group, [o.name for o in plain_options(SearchConfig) if o.metadata["section"] == section])
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    if args.resume and args.config:
        raise ConfigError("--resume: expected no --config beside it; a run goes on as it began; leave one of them out")
    config = None if args.resume else config_of(args, args.config)
    with ProgressDisplay(quiet=args.quiet) as progress:
        progress("loading", 0, 1)
        from acofer.report.figures import write_figures
        from acofer.runs.search import resume_search, run_search

        progress("loading", 1, 1)
        args.stop.on_note = lambda reason: progress.say(
            f"{reason}: the ants that are being scored are waited for, and the best is tested; once more ends at once"
        )
        how: dict[str, Any] = {"progress": progress, "draw": write_figures, "stop": args.stop}
        if config is None:
            result = resume_search(args.resume, changes=given_options(args, SearchConfig), **how)
        else:
            result = run_search(config, **how)
    if args.json:
        print(json.dumps({"folder": str(result.folder), **result.numbers}, indent=1))
    else:
        from acofer.cli.tables import print_search

        print_search(result.numbers, str(result.folder))
    return EXIT_CODES.get(result.trace.ended, 0)
