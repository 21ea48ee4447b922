"""``acofer doctor``: what is installed and at hand, and what to do about what is not."""

from __future__ import annotations

import argparse
import json
import re
import shutil
import textwrap
from typing import TYPE_CHECKING, Any

from acofer.cli.console import printable

if TYPE_CHECKING:
    from acofer.doctor.finding import Finding, Section

_DESCRIPTION = """\
Say what is installed, which extras work, where caches are and how large, whether ImageNet
weights are at hand, and what to do about what is missing. Nothing is changed, and nothing
asked for over a network.
"""
_EPILOG = """\
examples:
  acofer doctor                              a look, in seconds
  acofer doctor --deep                       extras are used and files checked, too; a minute or so
  acofer doctor --cache-dir /data/acofer     of another cache folder
  acofer doctor --json > doctor.json         to go with a report of a fault

Exit code 0 where the core works, whatever else is missing; 2 where it does not.
"""
_WIDEST = 100
_INDENT = " " * 23
"""Marks and names stand in columns of their own."""


_GLUE = re.compile(r"(?<=\w) (?=\d)|(?<=\d) (?=[GM]B)")


def add_to(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "doctor",
        help="say what is installed and at hand, and what to do about the rest",
        description=_DESCRIPTION,
        epilog=_EPILOG,
    )
    parser.add_argument(
        "--deep", action="store_true", help="use each extra, search a little, check every byte that is kept"
    )
    parser.add_argument("--cache-dir", metavar="FOLDER", help="folder of cached embeddings")
    parser.add_argument("--json", action="store_true", help="print JSON instead of text")
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    from acofer.doctor.examination import examine
    from acofer.doctor.finding import works

    sections = []
    for section in examine(args.cache_dir, deep=args.deep):
        sections.append(section)
        if section.findings and not args.json:
            print(_told(section, _width()), flush=True)  # at once: the next may take a while
    if args.json:
        print(json.dumps(_as_data(sections, deep=args.deep), indent=1))
    else:
        print(_verdict(sections, deep=args.deep, width=_width()))
    if any(section.is_own_fault for section in sections):
        return 1
    return 0 if works(sections) else 2


def _width() -> int:
    return max(60, min(shutil.get_terminal_size().columns, _WIDEST))


def _as_data(sections: list[Section], *, deep: bool) -> dict[str, Any]:
    from acofer.doctor.finding import works

    return {"format": 1, "works": works(sections), "deep": deep, "sections": [each.to_dict() for each in sections]}


def _told(section: Section, width: int) -> str:
    """Return a section as text, without rich, which may be what is missing."""
    lines = [line for finding in section.findings for line in _lines(finding, width)]
    return "\n".join([section.title, *map(printable, lines), ""])


def _lines(finding: Finding, width: int) -> list[str]:
    lines = _wrapped(finding.said, f"  {finding.mark:<7}  {finding.name:<11} ", _INDENT, width)
    if finding.advice is not None:
        lines += _wrapped(finding.advice, f"{_INDENT}-> ", f"{_INDENT}   ", width)
    for line in (finding.command or "").splitlines():  # whole, however long: it is to be copied
        lines.append(f"{_INDENT}{'   ' if finding.advice else '-> '}{line}")
    return lines


def _wrapped(text: str, first: str, indent: str, width: int) -> list[str]:
    """Break text into lines, but not between a package and its version, a number and its unit."""
    lines = textwrap.wrap(
        _GLUE.sub("\N{NO-BREAK SPACE}", text),
        width,
        initial_indent=first,
        subsequent_indent=indent,
        break_on_hyphens=False,
        break_long_words=False,
    )
    return [line.replace("\N{NO-BREAK SPACE}", " ") for line in lines]


def _verdict(sections: list[Section], *, deep: bool, width: int) -> str:
    from acofer.doctor.finding import OK

    findings = [finding for section in sections for finding in section.findings]
    stopped = [finding.name for finding in findings if finding.stops_the_core]
    noted = [finding.name for finding in findings if finding.mark != OK and not finding.stops_the_core]
    said = f"The core does not work: {', '.join(stopped)}." if stopped else "The core works."
    if noted:
        said += f" To look at: {', '.join(noted)}."
    if not deep:
        said += " Extras were looked up, not used; acofer doctor --deep uses them."
    return "\n".join(textwrap.wrap(printable(said), width, break_on_hyphens=False, break_long_words=False))
