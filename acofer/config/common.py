"""Options that several commands have, declared once."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from acofer.config.options import Options, choice, option

_UNITS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0}


def seconds_of(text: str) -> float:
    """Return what ``"90"``, ``"90s"``, ``"10m"`` or ``"1.5h"`` say, in seconds; ValueError where they say nothing."""
    read = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smh]?)", text.strip())
    if read is None:
        raise ValueError(text)
    return float(read[1]) * _UNITS[read[2]]


def is_list(names: str) -> bool:
    """Whether text is names with commas between them."""
    return all(name.strip() for name in names.split(","))


def listed(text: str | None) -> list[str]:
    """Return the names in such text."""
    return [name.strip() for name in text.split(",")] if text else []


@dataclass(frozen=True)
class PictureOptions(Options):
    """Which pictures, and how they are split; the first options of every command that computes with pictures."""

    data: str = option("data", "demo", "'demo', a folder of pictures, or FER2013's CSV (plain, .gz or .zip)")
    ferplus: str | None = option("data", None, "FER+ votes (CSV) to take FER2013's labels from")
    on_broken: str = choice("data", "error", "what to do with a picture that cannot be read", ("error", "skip"))
    split: str = choice(
        "data",
        "auto",
        "auto: the official split where there is one, else stratified",
        ("auto", "official", "stratified"),
    )
    split_seed: int | None = option(
        "data", None, "seed of a stratified split; default the run's seed", "0 or more", lambda v: v >= 0
    )
    classes: str | None = option(
        "data", None, "only these classes, by name, with commas between them", "names, with commas between", is_list
    )


def seed_option() -> Any:
    """Declare the seed."""
    return option("run", 0, "seed of everything random", "0 or more", lambda v: v >= 0)


def out_option() -> Any:
    """Declare the run folder."""
    return option("run", None, "run folder; default runs/<time>-<name>")


def name_option(default: str) -> Any:
    """Declare the run's name."""
    return option("run", None, f"name of the run, for its folder; default {default}")


def time_option(section: str, text: str) -> Any:
    """Declare a time after which something ends."""
    expected = "a time above 0: seconds, or with s, m or h"
    return option(section, None, f"{text}: seconds, or with s, m or h (10m)", expected, lambda v: seconds_of(v) > 0)
