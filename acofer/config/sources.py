"""Where options come from: default < TOML file < ``ACOFER_*`` environment < flag."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from acofer import reading
from acofer.config.options import Options, options_of, table_names
from acofer.config.search import SearchConfig
from acofer.config.train import TrainConfig
from acofer.config.tune import TuneConfig
from acofer.errors import ConfigError, MissingFileError, nearest, shown
from acofer.reading import UnreadableError

COMMANDS: tuple[type[Options], ...] = (SearchConfig, TrainConfig, TuneConfig)
ENVIRONMENT_PREFIX = "ACOFER_"
_NOT_OPTIONS = {"ACOFER_CACHE_DIR"}  # read where the cache is opened: it says where things are, not what a run does
Kind = TypeVar("Kind", bound=Options)


def search_config(flags: Mapping[str, Any], config_file: str | Path | None = None) -> SearchConfig:
    """Join the sources of the options of ``acofer search``; see `join_sources`."""
    return join_sources(SearchConfig, flags, config_file)


def train_config(flags: Mapping[str, Any], config_file: str | Path | None = None) -> TrainConfig:
    """Join the sources of the options of ``acofer train``; see `join_sources`."""
    return join_sources(TrainConfig, flags, config_file)


def join_sources(kind: type[Kind], flags: Mapping[str, Any], config_file: str | Path | None = None) -> Kind:
    """Join the sources of options, the later over the earlier: defaults, file, environment, flags.

    Parameters
    ----------
    kind : type
        The dataclass of a command's options.
    flags : mapping of str to object
        By the options' names; those that are None were not given. A table's keys join those of the file's.
    config_file : path, optional

    Raises
    ------
    MissingFileError, ConfigError
        If a source cannot be read, or a value is of the wrong kind or out of its range.
    """
    values = read_toml(config_file, kind) if config_file else {}
    values.update(read_environment(kind))
    given = {name: value for name, value in flags.items() if value is not None}
    for name in table_names(kind) & given.keys():
        given[name] = {**values.get(name, {}), **given[name]}
    return kind(**{**values, **given})


def read_toml(path: str | Path, kind: type[Options]) -> dict[str, Any]:
    """Read a command's options from a TOML file: ``{name: value}``.

    Raises
    ------
    MissingFileError, ConfigError
        If there is no such file, it is not TOML, a section or key is unknown, or it was made for another command.
    """
    values: dict[str, Any] = {}
    for section, given in _content(path).items():
        own = _names_in(kind, section)
        if not own:
            _refuse_anothers(path, kind, section)
            sections = {field.metadata["section"] for field in options_of(kind).values()}
            raise ConfigError(f"{path}: unknown section [{section}]; {nearest(section, sections)}")
        if not isinstance(given, dict):
            raise ConfigError(f"{path}: expected a section [{section}]; got {section} = {shown(given)}")
        if section in table_names(kind):
            values[section] = given
            continue
        for name, value in given.items():
            if name not in own:
                _refuse_anothers(path, kind, section, name)
                raise ConfigError(f"{path}: unknown key {name!r} in [{section}]; {nearest(name, own)}")
            values[name] = value
    return values


def _content(path: str | Path) -> dict[str, Any]:
    try:
        return reading.read_toml(path)[0]
    except OSError as error:
        raise MissingFileError(f"expected a TOML file at {path}; {error.strerror}; check --config") from None
    except UnreadableError as error:
        raise ConfigError(f"{path}: expected a TOML file; {error}") from None


def _names_in(kind: type[Options], section: str) -> set[str]:
    return {name for name, field in options_of(kind).items() if field.metadata["section"] == section}


def _refuse_anothers(path: str | Path, kind: type[Options], section: str, name: str | None = None) -> None:
    """Raise ConfigError if another command has the section, or the key in it: the file is most likely meant for it."""
    what = f"[{section}]" if name is None else f"{name!r} in [{section}]"
    for other in COMMANDS:
        names = _names_in(other, section)
        if name in names or (name is None and names):
            raise ConfigError(
                f"{path}: expected the options of acofer {kind.command}; {what} is of acofer {other.command}; "
                f"use the file with: acofer {other.command} --config {path}"
            )


def read_environment(kind: type[Options], environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Read a command's options from ``ACOFER_<NAME>`` variables, e.g. ``ACOFER_ANTS=40``; other commands' stay unread.

    Raises
    ------
    ConfigError
        If a variable with the prefix names no option of any command.
    """
    own, known = _variables(kind), {variable for command in COMMANDS for variable in _variables(command)}
    values = {}
    for variable, value in environment.items():
        if not variable.startswith(ENVIRONMENT_PREFIX) or variable in _NOT_OPTIONS:
            continue
        if variable not in known:
            raise ConfigError(f"unknown environment variable {variable}; {nearest(variable, known)}")
        if variable in own:
            values[own[variable]] = value
    return values


def _variables(kind: type[Options]) -> dict[str, str]:
    return {ENVIRONMENT_PREFIX + name.upper(): name for name in options_of(kind).keys() - table_names(kind)}
