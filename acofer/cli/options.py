"""Flags that several commands share, taken from the one table of options."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from typing import Any

from acofer.config import SearchConfig, option_names, search_config


def flag_of(option: Any) -> str:
    """Return an option's flag."""
    return option.metadata.get("flag", "--" + option.name.replace("_", "-"))


def add_options(group: Any, names: Iterable[str]) -> list[str]:
    """Add a flag for each of these options to a parser or a group of it; return the flags."""
    flags = []
    for option in (option_names()[name] for name in names):
        choices = option.metadata.get("choices")
        metavar = "{" + ",".join(choices) + "}" if choices else _metavar(option.type)
        default = "" if option.default is None else f" (default {option.default})"
        text = option.metadata["help"].replace("%", "%%") + default
        group.add_argument(flag_of(option), dest=option.name, metavar=metavar, help=text)
        flags.append(flag_of(option))
    return flags


def _metavar(kinds: Any) -> str:
    return {"int": "N", "float": "X", "int | float | str": "SIZE"}.get(str(kinds), "TEXT")


def config_of(args: argparse.Namespace, config_file: str | None = None) -> SearchConfig:
    """Join defaults, file, environment and the flags that this command has."""
    given = {name: getattr(args, name) for name in option_names() if hasattr(args, name)}
    return search_config(given, config_file)
