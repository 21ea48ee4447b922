"""The options of a run: default < TOML file < ``ACOFER_*`` environment < flag.

Every option is one field of `SearchConfig`. Its metadata say in which section
of a TOML file it stands and what ``--help`` tells; the command line, the
environment and the files are all read from this one table.
"""

from __future__ import annotations

import dataclasses
import os
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from acofer.errors import ConfigError, MissingFileError, nearest

PROTOCOLS = ("clean", "leaky-smote-first", "leaky-smote-test")
ENVIRONMENT_PREFIX = "ACOFER_"
RIDGE_FOLDS = 5
"""Folds by which ridge scores where none are asked for; in closed form they cost next to nothing."""
_NOT_OPTIONS = {"ACOFER_CACHE_DIR"}  # read where the cache is opened: it says where things are, not what a run does
_Check = Callable[[Any], Any]


def _option(section: str, default: Any, text: str, expected: str = "", check: _Check | None = None, **more: Any) -> Any:
    """Declare an option: its section, default, help text, and what values are accepted."""
    metadata = {"section": section, "help": text, "expected": expected, "check": check, **more}
    return dataclasses.field(default=default, metadata=metadata)


def _choice(section: str, default: str, text: str, choices: tuple[str, ...]) -> Any:
    return _option(section, default, text, f"one of {', '.join(choices)}", lambda v: v in choices, choices=choices)


def _is_size(value: Any) -> bool:
    return isinstance(value, int | float | str) and not isinstance(value, bool)


@dataclass(frozen=True)
class SearchConfig:
    """Everything that decides the outcome of ``acofer search``, and how it is run.

    Raises
    ------
    ConfigError
        If a value is of the wrong kind or out of its range.
    """

    data: str = _option("data", "demo", "'demo', a folder of pictures, or FER2013's CSV (plain, .gz or .zip)")
    ferplus: str | None = _option("data", None, "FER+ votes (CSV) to take FER2013's labels from")
    on_broken: str = _choice("data", "error", "what to do with a picture that cannot be read", ("error", "skip"))
    split: str = _choice(
        "data",
        "auto",
        "auto: the official split where there is one, else stratified",
        ("auto", "official", "stratified"),
    )
    backbone: str = _option("features", "mobilenetv2", "frozen network: mobilenetv2, efficientnetb0 or mobilenet")
    image_size: int = _option(
        "features", 48, "side in pixels to which pictures are resized", "at least 32", lambda v: v >= 32
    )
    layers: str = _option(
        "features", "last", "last; bank: three layers of the network's middle; all; or names, with commas between them"
    )
    pooling: str = _option(
        "features", "auto", "what is made of a layer's map: flatten, avg, max, grid:N or maxgrid:N (mean or maximum of "
        "N x N cells), or auto: flatten of the last layer, else grid:3",
        "auto, flatten, avg, max, grid:N or maxgrid:N",
        re.compile("auto|flatten|avg|max|(max)?grid:[1-9][0-9]{0,2}").fullmatch,
    )  # fmt: skip
    mirror: str = _choice(
        "features", "off", "average: of each picture's maps and its mirror image's, turned back", ("off", "average")
    )
    weights: str = _option("features", "imagenet", "'imagenet', 'random' or the path of a weights file")
    cache_dir: str | None = _option("features", None, "folder of cached embeddings")
    balance: str = _choice(
        "balance",
        "auto",
        "of training rows only: resampling, or class weights; auto: smote, but none for ridge",
        ("auto", "none", "smote", "nearmiss", "nearmiss-smote", "weights"),
    )
    scorer: str = _option(
        "scoring",
        "forest",
        "who scores subsets: forest (fast, on binned features), ridge (least squares in closed form, by folds), "
        "sklearn (scikit-learn's forest), or any classifier of scikit-learn by its class name",
    )
    classifier: str = _option(
        "scoring",
        "auto",
        "what is fitted on the chosen features in the end, and tested: auto (what --scorer says), "
        "or forest, sklearn or a class name",
    )
    screen: str = _choice(
        "scoring", "off", "ridge: it looks at all subsets, and --scorer at the best of them only", ("off", "ridge")
    )
    trees: int = _option("scoring", 90, "trees of the forest", "at least 1", lambda v: v >= 1)
    metric: str = _choice(
        "scoring",
        "auto",
        "what subsets are compared by; brier: squared error of the probabilities; auto: brier for ridge, else log-loss",
        ("auto", "log-loss", "brier", "accuracy", "balanced-accuracy", "macro-f1"),
    )
    penalty: int | float | str = _option(
        "scoring", "auto", "ridge penalty, as a share of the rows; auto: chosen by the folds, one for each size",
        "auto, or a number of at least 0", lambda v: v == "auto" or 0 <= v < float("inf"),
    )  # fmt: skip
    race: str = _choice("scoring", "on", "on: subsets of the fast forest that fall behind stop early", ("on", "off"))
    memo: str = _choice("scoring", "on", "on: the fast forest's scores are remembered for later runs", ("on", "off"))
    folds: int = _option(
        "scoring", 0, "0: score on the validation part (ridge: 5 folds); k: k folds of the training part",
        "0, or at least 2",
        lambda v: v == 0 or v >= 2,
    )  # fmt: skip
    join: str = _choice(
        "scoring", "off", "on: where there are folds, the validation part joins the training part", ("off", "on")
    )
    ants: int = _option("colony", 20, "ants, i.e. subsets, per iteration", "at least 1", lambda v: v >= 1)
    iterations: int = _option("colony", 3, "iterations", "at least 1", lambda v: v >= 1, flag="--iters")
    alpha: float = _option("colony", 1.1, "exponent of pheromone", "at least 0", lambda v: v >= 0)
    beta: float = _option("colony", 1.5, "exponent of heuristic information", "at least 0", lambda v: v >= 0)
    rho: float = _option("colony", 0.2, "evaporation rate", "above 0 and at most 1", lambda v: 0 < v <= 1)
    q0: float = _option(
        "colony", 0.9, "probability that an ant takes the most desirable feature", "0 to 1", lambda v: 0 <= v <= 1
    )
    variant: str = _choice(
        "colony",
        "auto",
        "ant colony system, MAX-MIN ant system, ant system; auto: mmas with local search, else acs",
        ("auto", "acs", "mmas", "as"),
    )
    heuristic: str = _choice(
        "colony",
        "auto",
        "heuristic information, from training rows; conditional: what a feature adds to those an ant carries; "
        "auto: conditional where ridge scores or screens, else importance",
        ("auto", "conditional", "importance", "f", "mi", "uniform"),
    )
    candidates: int = _option(
        "colony", 300, "candidate list of ants with the conditional heuristic", "at least 1", lambda v: v >= 1
    )
    local_search: str = _choice(
        "colony",
        "on",
        "on: where ridge scores or screens, the best ant's features are exchanged while it pays",
        ("on", "off"),
    )
    patience: int = _option(
        "colony", 10, "iterations without a better subset after which a converged colony starts anew; 0: never",
        "0 or more", lambda v: v >= 0,
    )  # fmt: skip
    path: str = _choice(
        "colony",
        "auto",
        "on: a colony of its own for each size (a path of sizes); off: one colony that learns the size; "
        "auto: on for ridge",
        ("auto", "on", "off"),
    )
    size: int | float | str = _option(
        "colony", "auto", "features per subset: a number, a share (0.1), a range (64:512), or auto: a range by how "
        "many features there are", "a number, share, range or auto",
        _is_size,
    )  # fmt: skip
    pick: str = _option(
        "run", "1se", "1se: the smallest within one standard error of the best; best; N: the best of at most N",
        "best, 1se or a number", lambda v: v in ("best", "1se") or (v.isdecimal() and int(v) >= 1),
    )  # fmt: skip
    protocol: str = _choice("run", "clean", "clean, or by name a leak that published figures contain", PROTOCOLS)
    null_draws: int = _option("run", 5, "random subsets to compare with", "at least 1", lambda v: v >= 1)
    all_features: str = _choice(
        "run", "on", "off: all features are no contender, where a slow --classifier would take hours", ("on", "off")
    )
    seed: int = _option("run", 0, "seed of everything random", "0 or more", lambda v: v >= 0)
    workers: int = _option("run", 0, "ants scored at once; 0: one a core", "0 or more", lambda v: v >= 0)
    backend: str = _choice(
        "run", "threads", "how workers run; the fast forest always takes threads", ("threads", "processes")
    )
    out: str | None = _option("run", None, "run folder; default runs/<time>-<name>")
    name: str | None = _option("run", None, "name of the run, for its folder; default the data's name")
    scorer_params: dict[str, Any] = dataclasses.field(
        default_factory=dict,
        metadata={"section": "scorer_params", "help": "", "expected": "a table", "check": None, "hidden": True},
    )
    classifier_params: dict[str, Any] = dataclasses.field(
        default_factory=dict,
        metadata={"section": "classifier_params", "help": "", "expected": "a table", "check": None, "hidden": True},
    )

    def __post_init__(self) -> None:
        for option in dataclasses.fields(self):
            value = _converted(option, getattr(self, option.name))
            object.__setattr__(self, option.name, value)

    @property
    def n_jobs(self) -> int:
        """The workers as joblib and scikit-learn count them: -1 is one a core."""
        return self.workers or -1

    def settled(self) -> SearchConfig:
        """Return the same with every "auto" that other options decide replaced by what it means."""
        is_ridge = self.scorer == "ridge"
        has_moments = is_ridge or self.screen == "ridge"
        meant: dict[str, Any] = {
            "balance": "none" if is_ridge else "smote",
            "metric": "brier" if is_ridge else "log-loss",
            "heuristic": "conditional" if has_moments else "importance",
            "variant": "mmas" if has_moments and self.local_search == "on" else "acs",
            "path": "on" if is_ridge else "off",
        }
        unsaid = {name: value for name, value in meant.items() if getattr(self, name) == "auto"}
        folds = RIDGE_FOLDS if is_ridge and not self.folds else self.folds
        return dataclasses.replace(self, **unsaid, folds=folds)

    def to_toml(self) -> str:
        """Return the configuration as a TOML file that repeats the run; every option stands in it."""
        import tomli_w

        lines = ["# Repeat this run with:  acofer search --config THIS_FILE"]
        section = ""
        for option in visible_options():
            if option.metadata["section"] != section:
                section = option.metadata["section"]
                lines += ["", f"[{section}]"]
            value = getattr(self, option.name)
            if value is None:
                lines.append(f"# {option.name} =  # {option.metadata['help']}")
            else:
                lines.append(f"{tomli_w.dumps({option.name: value}).strip()}  # {option.metadata['help']}")
        for table in ("scorer_params", "classifier_params"):
            if getattr(self, table):
                lines += ["", tomli_w.dumps({table: getattr(self, table)}).strip()]
        return "\n".join(lines) + "\n"


def _converted(option: dataclasses.Field[Any], value: Any) -> Any:
    """Return `value` as the option's kind (text from flags and environment included), or raise ConfigError."""
    kinds = str(option.type)
    if value is None and "None" in kinds:
        return None
    try:
        converted = _as_kind(kinds, value)
        accepted = option.metadata["check"] is None or option.metadata["check"](converted)
    except (TypeError, ValueError):
        accepted = False
    if accepted:
        return converted
    expected = option.metadata["expected"] or _kind_name(kinds)
    choices = option.metadata.get("choices")
    hint = f"; {nearest(str(value), choices)}" if choices else ""
    raise ConfigError(f"{option.name}: expected {_kind_name(kinds)}{expected}; got {value!r}{hint}")


def _kind_name(kinds: str) -> str:
    return {"int": "a whole number: ", "float": "a number: "}.get(kinds, "")


def _as_kind(kinds: str, value: Any) -> Any:
    if isinstance(value, bool):
        raise TypeError
    if kinds == "int":
        if isinstance(value, float) and not value.is_integer():
            raise TypeError
        return int(value)
    if kinds == "float":
        number = float(value)
        if number != number or number in (float("inf"), float("-inf")):
            raise ValueError
        return number
    if kinds.startswith("dict"):
        return dict(value)
    if "int" in kinds:  # the size: a number where it reads as one
        return _number_or_text(value)
    if not isinstance(value, str | int | Path):
        raise TypeError
    return str(value)


def _number_or_text(value: Any) -> int | float | str:
    if not isinstance(value, str):
        return value
    for kind in (int, float):
        try:
            return kind(value)
        except ValueError:
            continue
    return value


def visible_options() -> list[dataclasses.Field[Any]]:
    """Return the options that have a flag."""
    return [option for option in dataclasses.fields(SearchConfig) if not option.metadata.get("hidden")]


def option_names() -> dict[str, dataclasses.Field[Any]]:
    """Return every option's field by name."""
    return {option.name: option for option in dataclasses.fields(SearchConfig)}


def read_toml(path: str | Path) -> dict[str, Any]:
    """Read options from a TOML file: ``{name: value}``.

    Raises
    ------
    MissingFileError, ConfigError
        If there is no such file, it is not TOML, or a section or key is unknown.
    """
    try:
        content = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise MissingFileError(f"expected a TOML file at {path}; {error.strerror}; check --config") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: expected a TOML file; {error}") from None
    options = option_names()
    sections = {option.metadata["section"] for option in options.values()}
    values: dict[str, Any] = {}
    for section, table in content.items():
        if section not in sections:
            raise ConfigError(f"{path}: unknown section [{section}]; {nearest(section, sections)}")
        if not isinstance(table, dict):
            raise ConfigError(f"{path}: expected a section [{section}]; got {section} = {table!r}")
        if options.get(section, options["data"]).metadata.get("hidden"):  # a table of another package's parameters
            values[section] = table
            continue
        own = {name for name, option in options.items() if option.metadata["section"] == section}
        for name, value in table.items():
            if name not in own:
                raise ConfigError(f"{path}: unknown key {name!r} in [{section}]; {nearest(name, own)}")
            values[name] = value
    return values


def read_environment(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Read options from ``ACOFER_<NAME>`` variables, e.g. ``ACOFER_ANTS=40``.

    Raises
    ------
    ConfigError
        If a variable with the prefix names no option.
    """
    known = {ENVIRONMENT_PREFIX + name.upper(): name for name in option_names()}
    values = {}
    for variable, value in environment.items():
        if not variable.startswith(ENVIRONMENT_PREFIX) or variable in _NOT_OPTIONS:
            continue
        if variable not in known:
            raise ConfigError(f"unknown environment variable {variable}; {nearest(variable, known)}")
        values[known[variable]] = value
    return values


def search_config(flags: Mapping[str, Any], config_file: str | Path | None = None) -> SearchConfig:
    """Join the sources of options, the later over the earlier: defaults, file, environment, flags."""
    values = read_toml(config_file) if config_file else {}
    values.update(read_environment())
    values.update({name: value for name, value in flags.items() if value is not None})
    return SearchConfig(**values)
