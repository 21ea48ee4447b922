"""How options are declared, converted, checked and written down.

The options of a command are the fields of one frozen dataclass. Their metadata
say in which section of a TOML file each stands and what ``--help`` tells; the
command line, the environment and the files are all read from this one table.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from acofer.errors import ConfigError, nearest, shown

Check = Callable[[Any], Any]
_LARGEST = 2**63 - 1
"""Of whole numbers: what NumPy, JSON's readers and operating systems take."""


def option(section: str, default: Any, text: str, expected: str = "", check: Check | None = None, **more: Any) -> Any:
    """Declare an option: its section, default, help text, and what values are accepted."""
    metadata = {"section": section, "help": text, "expected": expected, "check": check, **more}
    return dataclasses.field(default=default, metadata=metadata)


def choice(section: str, default: str, text: str, choices: tuple[str, ...], **more: Any) -> Any:
    """Declare an option that is one of a few words; `aliases` are words that are read as one of them."""
    expected = f"one of {', '.join(choices)}"
    return option(section, default, text, expected, lambda v: v in choices, choices=choices, **more)


def table(section: str, expected: str = "a table", check: Check | None = None) -> Any:
    """Declare a section of its own whose keys acofer does not list: parameters of something that the options name."""
    metadata = {"section": section, "help": "", "expected": expected, "check": check, "is_table": True}
    return dataclasses.field(default_factory=dict, metadata=metadata)


@dataclass(frozen=True)
class Options:
    """The options of one command; a subclass declares them as its fields.

    Raises
    ------
    ConfigError
        If a value is of the wrong kind or out of its range.
    """

    command: ClassVar[str]

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            object.__setattr__(self, field.name, _converted(field, getattr(self, field.name)))

    def to_toml(self) -> str:
        """Return the options as a TOML file that repeats the run; every one stands in it."""
        import tomli_w

        lines = [f"# Repeat this run with:  acofer {self.command} --config THIS_FILE"]
        section = ""
        for field in _by_section(plain_options(type(self))):
            if field.metadata["section"] != section:
                section = field.metadata["section"]
                lines += ["", f"[{section}]"]
            value = getattr(self, field.name)
            if value is None:
                lines.append(f"# {field.name} =  # {field.metadata['help']}")
            else:
                lines.append(f"{tomli_w.dumps({field.name: value}).strip()}  # {field.metadata['help']}")
        for field in dataclasses.fields(self):
            if "is_table" in field.metadata and getattr(self, field.name):
                lines += ["", tomli_w.dumps({field.name: getattr(self, field.name)}).strip()]
        return "\n".join(lines) + "\n"


def options_of(kind: type[Options]) -> dict[str, dataclasses.Field[Any]]:
    """Return every option's field by name."""
    return {field.name: field for field in dataclasses.fields(kind)}


def table_names(kind: type[Options]) -> set[str]:
    """Return the options that are sections of their own; see `table`."""
    return {name for name, field in options_of(kind).items() if "is_table" in field.metadata}


def plain_options(kind: type[Options]) -> list[dataclasses.Field[Any]]:
    """Return the options that are no tables."""
    return [field for field in dataclasses.fields(kind) if "is_table" not in field.metadata]


def _by_section(fields: list[dataclasses.Field[Any]]) -> list[dataclasses.Field[Any]]:
    """Return fields section by section, in the order in which the sections begin: TOML names each once."""
    order = list(dict.fromkeys(field.metadata["section"] for field in fields))
    return sorted(fields, key=lambda field: order.index(field.metadata["section"]))


def _converted(field: dataclasses.Field[Any], value: Any) -> Any:
    """Return `value` as the option's kind (text from flags and environment included), or raise ConfigError."""
    kinds = str(field.type)
    if value is None and "None" in kinds:
        return None
    try:
        converted = field.metadata.get("aliases", {}).get(value, value) if isinstance(value, str) else value
        converted = _as_kind(kinds, converted)
        accepted = field.metadata["check"] is None or field.metadata["check"](converted)
    except (TypeError, ValueError):
        accepted = False
    if accepted:
        return converted
    expected = field.metadata["expected"] or _kind_name(kinds)
    choices = field.metadata.get("choices")
    hint = f"; {nearest(value, choices)}" if choices else ""
    raise ConfigError(f"{field.name}: expected {_kind_name(kinds)}{expected}; got {shown(value)}{hint}")


def _kind_name(kinds: str) -> str:
    return {"int": "a whole number: ", "float": "a number: "}.get(kinds, "")


def _as_kind(kinds: str, value: Any) -> Any:
    """Return `value` as the first of the kinds, e.g. of ``int | str``, that it can be."""
    if isinstance(value, bool):
        raise TypeError
    if kinds.startswith("dict"):
        return dict(value)
    if "int" in kinds and "float" in kinds:
        return _number_or_text(value)
    for kind in kinds.split(" | "):
        try:
            return _READERS[kind](value)
        except (KeyError, TypeError, ValueError):
            continue
    raise TypeError


def _whole(value: Any) -> int:
    if isinstance(value, float) and not value.is_integer():
        raise TypeError
    number = int(value)
    if abs(number) > _LARGEST:
        raise ValueError
    return number


def _finite(value: Any) -> float:
    number = float(value)
    if number != number or number in (float("inf"), float("-inf")):
        raise ValueError
    return number


def _text(value: Any) -> str:
    if not isinstance(value, str | int | Path):
        raise TypeError
    text = str(value)
    if "\0" in text:  # in no name of a file
        raise ValueError
    return text


_READERS: dict[str, Callable[[Any], Any]] = {"int": _whole, "float": _finite, "str": _text}


def _number_or_text(value: Any) -> int | float | str:
    """Return text as the number that it reads as; 1 and 1.0 stay apart, since one may be a count, the other a share."""
    if not isinstance(value, str):
        return value
    for kind in (int, float):
        try:
            return kind(value)
        except ValueError:
            continue
    return value
