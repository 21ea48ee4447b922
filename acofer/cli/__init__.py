"""The command line: flags -> configuration -> one call into the rooms above -> print.

Results go to stdout, progress and complaints to stderr. Exit codes: 0 done, 1 a fault of acofer's, 2 something
the user can put right (one line says what), 130 interrupted (SIGINT), 143 terminated (SIGTERM).
"""

from __future__ import annotations

import argparse
import os
import sys
import textwrap
import warnings
from collections.abc import Sequence
from typing import Any, NoReturn

from acofer.cli import bench, cache, data, doctor, embed, nets, predict, report, search, train, tune
from acofer.cli.console import in_one_line
from acofer.errors import AcoferError, nearest
from acofer.stopping import EXIT_CODES, INTERRUPTED, TERMINATED, Stop, Terminated

_EXAMPLES = """\
examples:
  acofer search --ants 20 --iters 3          the embedded faces, offline, about a minute
  acofer search --data fer2013.csv           FER2013
  acofer train small-cnn --image-size 48     a network end to end, to compare with
  acofer bench configs/bench-quick.toml      selectors and networks side by side
  acofer report runs/bench-quick             one page of what came of it
  acofer data info fer2013.csv               what is in a data set
  acofer predict runs/RUN face.png           use what a search found
  acofer doctor                              what is installed, what is missing, what to do

Each command has its own --help, with examples.
"""


class _Formatter(argparse.RawDescriptionHelpFormatter):
    """Leaves flags and values whole where a line ends: they are to be copied."""

    def _split_lines(self, text: str, width: int) -> list[str]:
        return textwrap.wrap(text, width, break_on_hyphens=False)


class Parser(argparse.ArgumentParser):
    """An argument parser that names the nearest flag when one is misspelt, in one line."""

    def __init__(self, **settings: Any) -> None:
        settings.setdefault("formatter_class", _Formatter)
        super().__init__(allow_abbrev=False, **settings)

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        """Name the nearest command, where argparse would list them all."""
        if action.choices is not None and value not in action.choices:
            kind = str(action.metavar or action.dest).lower()
            raise argparse.ArgumentError(None, f"unknown {kind} {value!r}; {nearest(value, action.choices)}")

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"acofer: error: {message}; see {self.prog} --help\n")

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        parsed, unknown = super().parse_known_args(args, namespace)
        if "prog" not in parsed:  # the innermost command parses first
            parsed.prog = self.prog
            parsed.known_flags = [flag for action in self._actions for flag in action.option_strings]
        return parsed, unknown

    def parse_args(self, args: Sequence[str] | None = None, namespace: Any = None) -> Any:  # type: ignore[override]
        parsed, unknown = self.parse_known_args(args, namespace)
        if unknown:
            flag = unknown[0].partition("=")[0]
            hint = f"; {nearest(flag, parsed.known_flags)}" if flag.startswith("-") else ""
            self.exit(2, f"acofer: error: unknown argument {unknown[0]}{hint}; see {parsed.prog} --help\n")
        return parsed


def build_parser() -> Parser:
    """Return the parser of the whole command line; nothing heavy is imported."""
    parser = Parser(
        prog="acofer",
        description="Pick a small subset of a frozen image network's features by ant colony optimization,\n"
        "and say honestly what came of it.",
        epilog=_EXAMPLES,
    )
    parser.add_argument("--version", action=_Version)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True, parser_class=Parser)
    for module in (search, train, tune, bench, report, nets, embed, data, cache, predict, doctor):
        module.add_to(commands)
    return parser


class _Version(argparse.Action):
    """Look the version up only when it is asked for."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(nargs=0, help="print the version and exit", **settings)

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        from acofer import __version__

        print(f"acofer {__version__}")
        parser.exit()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    args = build_parser().parse_args(arguments)
    warnings.showwarning = _show_warning
    args.stop = Stop()
    with args.stop.listening():
        return _run(args)


def _run(args: argparse.Namespace) -> int:
    """Run a command, and say in one line what ended it early."""
    try:
        code = args.run(args)
        sys.stdout.flush()
        return int(code)
    except AcoferError as error:
        print(f"acofer: error: {in_one_line(error)}", file=sys.stderr)
        return 2
    except MemoryError as error:
        spared_by = getattr(args, "spared_by", "fewer features (--pooling avg, a smaller --image-size)")
        print(
            f"acofer: error: not enough memory; {in_one_line(error)}; use {spared_by} or --balance none",
            file=sys.stderr,
        )
        return 2
    except BrokenPipeError:  # the reader of stdout has had enough; what is left goes nowhere, quietly
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (KeyboardInterrupt, SystemError) as error:
        interrupt = _interrupt_in(error)
        if interrupt is None:
            raise
        reason = TERMINATED if isinstance(interrupt, Terminated) else INTERRUPTED
        # A run that can go on says how.
        print(f"acofer: {reason}; {str(interrupt) or 'nothing was written'}", file=sys.stderr)
        return EXIT_CODES[reason]


def _interrupt_in(error: BaseException | None) -> KeyboardInterrupt | None:
    """Return the interrupt, if it was one: in a compiled kernel it comes as a SystemError that it has caused."""
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__cause__ or error.__context__
    return error


def _show_warning(message: Warning | str, category: type[Warning], *_: Any, **__: Any) -> None:
    if issubclass(category, UserWarning):
        print(f"acofer: warning: {in_one_line(message)}", file=sys.stderr)
