"""``acofer train``: a network trained end to end, tested once."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING, Any

from acofer.cli.options import add_options, config_of, flag_of, given_options, parameters_of
from acofer.cli.progress import ProgressDisplay
from acofer.config.options import options_of, plain_options
from acofer.config.sources import read_environment
from acofer.config.train import TrainConfig
from acofer.errors import ConfigError

if TYPE_CHECKING:
    from acofer.nets.training import EpochRow

_DESCRIPTION = """\
Train a network on pictures from end to end and test it once. What is left at "auto" is as
in the network's paper. Everything is kept in a run folder; an interrupted run can go on.
"""
_EPILOG = """\
The later wins: the network's recipe, --config, ACOFER_* variables (e.g. ACOFER_EPOCHS=40), flags.

examples:
  acofer train small-cnn --image-size 48                  the embedded faces, offline, in minutes
  acofer train mobilenetv2 --data fer2013.csv --image-size 48 --weights FILE
  acofer train separable-attention --data fer2013.csv --set dropout=0.3
  acofer train hybrid --data fer2013.csv --from runs/EFFNET,runs/MOBILENET --set trainable=none
                                                          two runs joined, frozen, with a new head
  acofer train --config runs/RUN/config.toml --seed 1     a run again, with another seed
  acofer train --resume runs/RUN                          a run that was interrupted goes on
"""
_SECTIONS = {
    "data": "pictures",
    "net": "network",
    "balance": "balancing",
    "augment": "augmentation of training pictures",
    "training": "training",
    "run": "the run",
}


def add_to(commands: Any) -> None:
    """Add the command and its flags, one for each option of `TrainConfig`."""
    parser = commands.add_parser(
        "train",
        usage="acofer train NET [OPTION ...]",
        help="train a network end to end and test it",
        description=_DESCRIPTION,
        epilog=_EPILOG,
    )
    parser.add_argument("net", nargs="?", metavar="NET", help="architecture; acofer nets lists them")
    parser.add_argument("--config", metavar="FILE", help="TOML file of options, e.g. a run folder's config.toml")
    parser.add_argument(
        "--resume",
        metavar="RUN",
        help="run to go on with; no other option may be given but --epochs, --json and --quiet",
    )
    parser.add_argument("--json", action="store_true", help="print the numbers as JSON instead of tables")
    parser.add_argument("--quiet", action="store_true", help="show no progress")
    groups = {section: parser.add_argument_group(title) for section, title in _SECTIONS.items()}
    for section, group in groups.items():
        names = [o.name for o in plain_options(TrainConfig) if o.metadata["section"] == section and o.name != "net"]
        add_options(group, names, TrainConfig)
    groups["net"].add_argument(
        "--set", action="append", metavar="NAME=VALUE", help="a parameter of the network's own; may be repeated"
    )
    parser.set_defaults(run=_run, spared_by="a smaller --batch-size or --image-size,")


def _run(args: argparse.Namespace) -> int:
    config = _config(args) if args.resume is None else None
    epochs = None if args.resume is None else _epochs_beside_resume(args)
    with ProgressDisplay(quiet=args.quiet) as progress:
        progress("loading", 0, 1)
        from acofer.report.curves import write_training_figures
        from acofer.runs.train import resume_train, run_train

        progress("loading", 1, 1)

        def on_epoch(row: EpochRow) -> None:
            progress.say(_epoch_line(row))

        if config is None:
            result = resume_train(
                args.resume, epochs=epochs, progress=progress, on_epoch=on_epoch, draw=write_training_figures
            )
        else:
            result = run_train(config, progress=progress, on_epoch=on_epoch, draw=write_training_figures)
    if args.json:
        print(json.dumps({"folder": str(result.folder), **result.numbers}, indent=1))
    else:
        from acofer.cli.tables import print_training

        print_training(result.numbers, str(result.folder))
    return 0


def _epoch_line(row: EpochRow) -> str:
    return (
        f"epoch {row.epoch}: loss {row.loss:.4f}, validation loss {row.validation_loss:.4f}, "
        f"validation accuracy {row.validation_accuracy:.3f}, rate {row.learning_rate:g}, {row.seconds:.1f} s"
    )


def _config(args: argparse.Namespace) -> TrainConfig:
    if not (args.net or args.config or "net" in read_environment(TrainConfig)):
        raise ConfigError("expected NET, --config FILE or --resume RUN; got none of them; see: acofer nets")
    args.net_params = parameters_of(args.set) if args.set else None
    return config_of(args, args.config, TrainConfig)


def _epochs_beside_resume(args: argparse.Namespace) -> int | None:
    """Return the only option that may be given beside ``--resume``; None where the run keeps its own."""
    given = given_options(args, TrainConfig)
    epochs = given.pop("epochs", "auto")
    others = [flag_of(options_of(TrainConfig)[name]) for name in given]
    others += [f"--{name}" for name in ("config", "set") if getattr(args, name)]
    if others:
        raise ConfigError(
            f"--resume: expected no other option but --epochs, --quiet and --json; got {', '.join(others)}; "
            "a run goes on as it began"
        )
    settled = TrainConfig(epochs=epochs).epochs
    return None if isinstance(settled, str) else settled
