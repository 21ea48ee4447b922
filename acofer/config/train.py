"""The options of ``acofer train``."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, ClassVar

from acofer.config.common import PictureOptions, is_list, name_option, out_option, seed_option
from acofer.config.options import Check, choice, option, table
from acofer.errors import ConfigError


def _auto_or(section: str, text: str, expected: str, check: Check) -> Any:
    """Declare an option that is a number, or left to the architecture's own recipe."""
    return option(section, "auto", text, f"auto, or {expected}", lambda v: v == "auto" or check(v))


def _is_kept_by_json(parameters: dict[str, Any]) -> bool:
    """Whether a run's record can hold them; JSON has no dates and no infinity."""
    return bool(json.dumps(parameters, allow_nan=False))


@dataclass(frozen=True)
class TrainConfig(PictureOptions):
    """Everything that decides the outcome of ``acofer train``, and how it is run.

    What is "auto" is settled by the architecture's own recipe.

    Raises
    ------
    ConfigError
        If a value is of the wrong kind or out of its range.
    """

    command: ClassVar[str] = "train"

    faces: str = choice(
        "data",
        "off",
        "find faces and crop to them; pictures without one are dropped or kept whole",
        ("off", "drop", "keep"),
    )
    net: str = option("net", "small-cnn", "architecture; see: acofer nets", flag="NET")
    image_size: int | str = _auto_or(
        "net", "side in pixels to which pictures are resized", "a whole number of at least 8", lambda v: v >= 8
    )
    weights: str = option(
        "net",
        "auto",
        "'imagenet', 'random' or a file, of the networks that come trained; auto: imagenet where the net has one",
    )
    start: str | None = option(
        "net",
        None,
        "runs, with commas between them, whose weights to start from",
        "run folders, with commas between",
        is_list,
        flag="--from",
    )
    balance: str = choice(
        "balance",
        "auto",
        "of training pictures only: resampling, or class weights",
        ("auto", "none", "smote", "nearmiss", "nearmiss-smote", "weights"),
    )
    target: int | str = _auto_or(
        "balance", "rows a class after resampling", "a whole number of at least 1", lambda v: v >= 1
    )
    flip: str = choice(
        "augment", "auto", "training pictures are mirrored, left and right, half of the time", ("auto", "on", "off")
    )
    shift: float | str = _auto_or(
        "augment", "the furthest they are shifted, as a share of the side", "0 to 1", lambda v: 0 <= v <= 1
    )
    rotate: float | str = _auto_or(
        "augment", "the furthest they are turned, in degrees", "0 to 180", lambda v: 0 <= v <= 180
    )
    zoom: float | str = _auto_or(
        "augment", "the furthest they are zoomed, in and out, as a share", "0 to below 1", lambda v: 0 <= v < 1
    )
    epochs: int | str = _auto_or("training", "epochs, at most", "a whole number of at least 1", lambda v: v >= 1)
    batch_size: int | str = _auto_or("training", "pictures a step", "a whole number of at least 1", lambda v: v >= 1)
    learning_rate: float | str = _auto_or("training", "learning rate of Adam", "a number above 0", lambda v: v > 0)
    lowest_rate: float | str = _auto_or(
        "training",
        "the rate is halved on plateau down to this; equal to learning_rate: never halved",
        "a number of at least 0",
        lambda v: v >= 0,
    )
    plateau: int | str = _auto_or(
        "training",
        "epochs without a better validation loss after which the rate is halved; 0: never",
        "a whole number of at least 0",
        lambda v: v >= 0,
    )
    patience: int | str = _auto_or(
        "training",
        "epochs without a better validation loss after which training stops; 0: never",
        "a whole number of at least 0",
        lambda v: v >= 0,
    )
    loss: str = choice(
        "training",
        "auto",
        "cross-entropy: of all classes together, or of each by itself",
        ("auto", "categorical", "binary"),
    )
    precision: str = choice(
        "training",
        "auto",
        "what the network computes in; auto: mixed bfloat16 on a GPU, else float32",
        ("auto", "float32", "bfloat16", "float16"),
    )
    seed: int = seed_option()
    out: str | None = out_option()
    name: str | None = name_option("the network's name")
    net_params: dict[str, Any] = table(
        "net_params", "a table of numbers, text, true and false, and lists of them", _is_kept_by_json
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        rate, lowest = self.learning_rate, self.lowest_rate
        if isinstance(rate, float) and isinstance(lowest, float) and lowest > rate:
            raise ConfigError(f"lowest_rate: expected at most the learning rate, {rate:g}; got {lowest:g}")
