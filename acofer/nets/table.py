"""The architectures by name, and how their papers train them; nothing here loads Keras."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from acofer.errors import ConfigError, nearest


@dataclass(frozen=True)
class Augmentation:
    """How training pictures are varied.

    Attributes
    ----------
    flip : bool
        Left and right are exchanged half of the time.
    shift : float
        Largest shift, as a share of the side.
    rotate : float
        Largest rotation, in degrees.
    zoom : float
        Largest zoom, in and out, as a share.
    """

    flip: bool = False
    shift: float = 0.0
    rotate: float = 0.0
    zoom: float = 0.0


@dataclass(frozen=True)
class Recipe:
    """How a network is trained; what a paper leaves open is said where the recipe stands.

    Attributes
    ----------
    image_size : int
        Side of the pictures in pixels.
    epochs, batch_size : int
    learning_rate, lowest_rate : float
        Of Adam. On plateau it is halved, down to the lowest.
    plateau, patience : int
        Epochs without a better validation loss after which the rate is halved, and training stops; 0: never.
    loss : str
        ``"categorical"`` or ``"binary"`` cross-entropy.
    augmentation : Augmentation
    balance : str
        How training pictures are resampled.
    target : int or None
        Pictures a class after resampling.
    """

    image_size: int
    epochs: int
    learning_rate: float = 1e-3
    batch_size: int = 32
    lowest_rate: float = 0.0
    plateau: int = 0
    patience: int = 0
    loss: str = "categorical"
    augmentation: Augmentation = field(default_factory=Augmentation)
    balance: str = "none"
    target: int | None = None


@dataclass(frozen=True)
class Net:
    """An architecture.

    Attributes
    ----------
    name : str
    summary : str
        What it is, in a few words.
    paper : str
    builder : str
        ``"module:function"`` in this room.
    channels : int
        1 for grey pictures, 3 for RGB.
    smallest : int
        The smallest side of pictures, in pixels.
    recipe : Recipe
    backbones : tuple of str
        The networks of `keras.applications` within it.
    printed : str
        What the paper prints for it, in its own words for accuracy.
    """

    name: str
    summary: str
    paper: str
    builder: str
    channels: int
    smallest: int
    recipe: Recipe
    backbones: tuple[str, ...]
    printed: str

    @property
    def build(self) -> Callable[..., Any]:
        """The function that builds it."""
        module, _, function = self.builder.partition(":")
        return getattr(importlib.import_module(f"acofer.nets.{module}"), function)

    @property
    def parameters(self) -> dict[str, Any]:
        """The architecture's own parameters with their defaults."""
        named = inspect.signature(self.build).parameters.values()
        return {p.name: p.default for p in named if p.kind is p.KEYWORD_ONLY and p.name != "weights"}


_IAJIT = "Gafsa, Sfax; IAJIT 20(3A) 2023"
_IJICTR = "Zanjan; IJICTR 2023"
_IJEEI = "Kufa; IJEEI 2021"
_QZJ = "Duhok; QZJ 2024"

# Halved on plateau down to 2.5e-4, early stopping, 100 epochs at most, about 2,650 pictures a class by NearMiss, then
# SMOTE. How long a plateau is, the paper does not say: 5 epochs, and 15 before it stops, let the rate halve twice.
_SKIP = Recipe(48, 100, lowest_rate=2.5e-4, plateau=5, patience=15, balance="nearmiss-smote", target=2650)
# The papers name flip, shift, rotate and zoom without amounts; a tenth and 15 degrees keep a face a face.
_ALL_FOUR = Augmentation(flip=True, shift=0.1, rotate=15.0, zoom=0.1)
# No augmentation is named; faces are mirrored and shifted by a tenth, as is usual on FER2013.
_ZANJAN = Recipe(48, 20, augmentation=Augmentation(flip=True, shift=0.1))
_KUFA = Recipe(200, 100, augmentation=_ALL_FOUR)
_DUHOK_CNN = Recipe(180, 20, learning_rate=1e-4, loss="binary", augmentation=_ALL_FOUR)
_DUHOK_NET = Recipe(180, 20, learning_rate=1e-4, augmentation=_ALL_FOUR)

NETS: dict[str, Net] = {
    net.name: net
    for net in (
        Net(
            "mobilenet",
            "frozen MobileNet, averaged, softmax",
            _IAJIT,
            "mobilenet_attention:mobilenet",
            3,
            32,
            _SKIP,
            ("mobilenet",),
            "binary accuracy .913, recall .782",
        ),
        Net(
            "mobilenet-skip",
            "frozen MobileNet with trained skip connections between its blocks",
            _IAJIT,
            "mobilenet_attention:mobilenet_skip",
            3,
            32,
            _SKIP,
            ("mobilenet",),
            "binary accuracy .956, recall .817",
        ),
        Net(
            "mobilenet-skip-mha",
            "the same with multi-head attention after every block",
            _IAJIT,
            "mobilenet_attention:mobilenet_skip_mha",
            3,
            32,
            _SKIP,
            ("mobilenet",),
            "binary accuracy .960, recall .821",
        ),
        Net(
            "separable-attention",
            "six residual blocks, additive and dot-product attention",
            _IJICTR,
            "separable_attention:separable_attention",
            1,
            16,
            _ZANJAN,
            (),
            "accuracy .653",
        ),
        Net(
            "efficientnetb0",
            "EfficientNetB0, fine-tuned, two dense layers",
            _IJEEI,
            "hybrid:efficientnetb0",
            3,
            32,
            _KUFA,
            ("efficientnetb0",),
            "accuracy .733",
        ),
        Net(
            "mobilenetv2",
            "MobileNetV2, fine-tuned, two dense layers",
            _IJEEI,
            "hybrid:mobilenetv2",
            3,
            32,
            _KUFA,
            ("mobilenetv2",),
            "accuracy .710",
        ),
        Net(
            "hybrid",
            "EfficientNetB0 and MobileNetV2 side by side, two dense layers",
            _IJEEI,
            "hybrid:hybrid",
            3,
            32,
            _KUFA,
            ("efficientnetb0", "mobilenetv2"),
            "accuracy .586 frozen, .732 fine-tuned, .744 fine-tuned, then frozen",
        ),
        Net(
            "small-cnn",
            "five convolutions and a dense layer, a sigmoid a class",
            _QZJ,
            "small_cnn:small_cnn",
            3,
            32,
            _DUHOK_CNN,
            (),
            "on other data .972 of five classes, likely binary accuracy",
        ),
        Net(
            "mobilenetv2-transfer",
            "frozen MobileNetV2, averaged, softmax",
            _QZJ,
            "transfer:mobilenetv2_transfer",
            3,
            32,
            _DUHOK_NET,
            ("mobilenetv2",),
            "accuracy .792 of five classes",
        ),
    )
}
"""Every architecture, in the order of the papers."""

FROZEN_EPOCHS = {_IJEEI: 150}
"""Epochs where the extractors are frozen, in papers that train longer then."""


def net_named(name: str) -> Net:
    """Return the architecture of this name, or raise ConfigError that names the nearest."""
    if name not in NETS:
        raise ConfigError(f"net {name!r} is unknown; {nearest(name, NETS)}; see: acofer nets")
    return NETS[name]
