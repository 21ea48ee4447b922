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
NOT_OPTIONS = {"ACOFER_CACHE_DIR"}  # read where the cache is opened: it says where things are, not what a run does
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
    own = _variables(kind)
    values = {}
    for variable, value in ours_in(environment).items():
        if variable in own:
            values[own[variable]] = value
        elif not takers_of(variable):
            raise ConfigError(f"unknown environment variable {variable}; {_nearest_variable(variable)}")
    return values


def ours_in(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables of an environment that are to be options."""
    return {
        variable: value
        for variable, value in environment.items()
        if variable.startswith(ENVIRONMENT_PREFIX) and variable not in NOT_OPTIONS
    }


def takers_of(variable: str) -> list[type[Options]]:
    """Return the commands' options among which a variable is one."""
    return [kind for kind in COMMANDS if variable in _variables(kind)]


def fault_of(variable: str, value: str) -> str | None:
    """Return what a command would complain of where the environment has this variable; None where nothing is wrong."""
    takers = takers_of(variable)
    if not takers:
        return f"unknown; {_nearest_variable(variable)}"
    for kind in takers:
        try:
            kind(**{_variables(kind)[variable]: value})
        except ConfigError as error:
            return str(error)
    return None


def _nearest_variable(variable: str) -> str:
    return nearest(variable, {known for kind in COMMANDS for known in _variables(kind)})


def _variables(kind: type[Options]) -> dict[str, str]:
    return {ENVIRONMENT_PREFIX + name.upper(): name for name in options_of(kind).keys() - table_names(kind)}
