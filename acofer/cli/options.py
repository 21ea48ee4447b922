"""Flags, taken from the one table of a command's options."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from typing import Any, TypeVar, overload

from acofer.config.options import Options, options_of
from acofer.config.search import SearchConfig
from acofer.config.sources import join_sources
from acofer.errors import ConfigError
from acofer.reading import UnreadableError, parse_toml

_METAVARS = {
    "data": "DATA",
    "ferplus": "FILE",
    "weights": "WEIGHTS",
    "cache_dir": "FOLDER",
    "penalty": "X",
    "pick": "RULE",
    "out": "FOLDER",
    "classes": "NAMES",
    "start": "RUNS",
    "space": "KNOBS",
    "timeout": "TIME",
    "storage": "WHERE",
    "scheduler": "WHERE",
}
_BY_KIND = {
    "int": "N",
    "float": "X",
    "int | None": "N",
    "float | None": "X",
    "int | str": "N",
    "float | str": "X",
    "int | float | str": "SIZE",
}
Kind = TypeVar("Kind", bound=Options)


def flag_of(option: Any) -> str:
    """Return an option's flag."""
    return option.metadata.get("flag", "--" + option.name.replace("_", "-"))


def add_options(group: Any, names: Iterable[str], kind: type[Options] = SearchConfig) -> None:
    """Add a flag for each of these options of a command to a parser or a group of it."""
    for option in (options_of(kind)[name] for name in names):
        metavar = _METAVARS.get(option.name) or _BY_KIND.get(str(option.type), "NAME")
        group.add_argument(flag_of(option), dest=option.name, metavar=metavar, help=help_of(option))


def help_of(option: Any) -> str:
    """Return what ``--help`` tells of an option."""
    choices = f"; one of {', '.join(option.metadata['choices'])}" if "choices" in option.metadata else ""
    default = "" if option.default is None else f" (default {option.default})"
    return f"{option.metadata['help']}{choices}{default}".replace("%", "%%")


def given_options(args: argparse.Namespace, kind: type[Options]) -> dict[str, Any]:
    """Return the options that were given as flags, as they were written."""
    return {name: value for name in options_of(kind) if (value := getattr(args, name, None)) is not None}


@overload
def config_of(args: argparse.Namespace, config_file: str | None = None) -> SearchConfig: ...
@overload
def config_of(args: argparse.Namespace, config_file: str | None, kind: type[Kind]) -> Kind: ...
def config_of(args: argparse.Namespace, config_file: str | None = None, kind: type[Any] = SearchConfig) -> Any:
    """Join defaults, file, environment and the flags that this command has."""
    return join_sources(kind, given_options(args, kind), config_file)


def parameters_of(assignments: Iterable[str]) -> dict[str, Any]:
    """Return a table of what several ``--set NAME=VALUE`` say.

    A value is a number, true, false, a list or text in quotes where TOML reads it as such, and else the text itself.

    Raises
    ------
    ConfigError
        If one is no assignment, or a name is given twice.
    """
    parameters: dict[str, Any] = {}
    for assignment in assignments:
        name, equals, text = (part.strip() for part in assignment.partition("="))
        if not (name.isidentifier() and equals and text):
            raise ConfigError(f"--set: expected NAME=VALUE, e.g. dropout=0.3; got {assignment!r}")
        if name in parameters:
            raise ConfigError(f"--set: expected each name once; got {name!r} twice")
        parameters[name] = _value_of(text)
    return parameters


def _value_of(text: str) -> Any:
    try:
        read = parse_toml(f"value = {text}")
    except UnreadableError:
        return text
    value = read.pop("value")
    is_plain = isinstance(value, bool | int | float | str | list) and not read  # no date, and nothing beside it
    return value if is_plain else text
