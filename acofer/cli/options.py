"""Flags that several commands share, taken from the one table of options."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from typing import Any

from acofer.config import SearchConfig, option_names, search_config

_METAVARS = {
    "data": "DATA",
    "ferplus": "FILE",
    "weights": "WEIGHTS",
    "cache_dir": "FOLDER",
    "penalty": "X",
    "pick": "RULE",
    "out": "FOLDER",
}


def flag_of(option: Any) -> str:
    """Return an option's flag."""
    return option.metadata.get("flag", "--" + option.name.replace("_", "-"))


def add_options(group: Any, names: Iterable[str]) -> None:
    """Add a flag for each of these options to a parser or a group of it."""
    for option in (option_names()[name] for name in names):
        group.add_argument(flag_of(option), dest=option.name, metavar=_metavar(option), help=_help(option))


def _metavar(option: Any) -> str:
    by_kind = {"int": "N", "float": "X", "int | float | str": "SIZE"}
    return _METAVARS.get(option.name) or by_kind.get(str(option.type), "NAME")


def _help(option: Any) -> str:
    choices = f"; one of {', '.join(option.metadata['choices'])}" if "choices" in option.metadata else ""
    default = "" if option.default is None else f" (default {option.default})"
    return f"{option.metadata['help']}{choices}{default}".replace("%", "%%")


def config_of(args: argparse.Namespace, config_file: str | None = None) -> SearchConfig:
    """Join defaults, file, environment and the flags that this command has."""
    given = {name: getattr(args, name) for name in option_names() if hasattr(args, name)}
    return search_config(given, config_file)
