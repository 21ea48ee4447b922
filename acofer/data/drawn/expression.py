"""Seven expressions as combinations of facial action units.

The action units (AU) are those of the Facial Action Coding System (Ekman,
Friesen & Hager, *FACS, The Manual*, 2002). Which units make which emotion
follows the prototypes and major variants of EMFACS (Friesen & Ekman, 1983;
printed in the FACS Investigator's Guide, 2002, table 10-2). How probable and
how strong each unit is was chosen by us, to look right at 48 x 48 pixels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

CLASS_NAMES = ("Angry", "Disgust", "Fear", "Happy", "Sad", "Surprise", "Neutral")
"""The expressions, named and ordered as in FER2013."""

UNIT_NAMES = {
    1: "inner brow raiser",
    2: "outer brow raiser",
    4: "brow lowerer",
    5: "upper lid raiser",
    6: "cheek raiser",
    7: "lid tightener",
    9: "nose wrinkler",
    10: "upper lip raiser",
    12: "lip corner puller",
    14: "dimpler",
    15: "lip corner depressor",
    16: "lower lip depressor",
    17: "chin raiser",
    20: "lip stretcher",
    23: "lip tightener",
    24: "lip pressor",
    25: "lips part",
    26: "jaw drop",
    43: "eyes closed",
}
"""The action units that the drawn face knows."""


@dataclass(frozen=True)
class Recipe:
    """One way to show an expression: units that always act, and units that act with a probability.

    Attributes
    ----------
    core : dict of int to float
        Action unit -> activation (0 to 1) at full intensity.
    extra : dict of int to tuple of float
        Action unit -> (probability that it joins, activation at full intensity).
    """

    core: dict[int, float]
    extra: dict[int, tuple[float, float]]


RECIPES: dict[str, tuple[Recipe, ...]] = {
    "Angry": (
        Recipe({4: 1.0, 7: 0.7, 23: 0.9, 24: 0.6}, {5: (0.6, 0.7), 17: (0.5, 0.7)}),
        Recipe({4: 1.0, 7: 0.6, 10: 0.6, 16: 0.5, 25: 0.9}, {5: (0.6, 0.8), 26: (0.5, 0.6), 9: (0.3, 0.4)}),
    ),
    "Disgust": (
        Recipe({9: 1.0, 10: 0.6, 17: 0.7, 7: 0.5}, {4: (0.5, 0.5), 15: (0.5, 0.6), 6: (0.3, 0.4)}),
        Recipe({9: 0.9, 10: 0.9, 16: 0.6, 25: 0.8, 7: 0.5}, {4: (0.4, 0.5), 26: (0.3, 0.4)}),
    ),
    "Fear": (
        Recipe({1: 1.0, 2: 0.6, 4: 0.7, 5: 1.0, 20: 0.9, 25: 0.7}, {26: (0.6, 0.6), 7: (0.3, 0.3)}),
        Recipe({1: 0.9, 2: 0.6, 4: 0.5, 5: 0.9, 26: 0.7, 25: 0.8}, {20: (0.6, 0.8), 16: (0.4, 0.5)}),
    ),
    "Happy": (
        Recipe({6: 0.9, 12: 1.0, 25: 0.8}, {26: (0.35, 0.5), 10: (0.15, 0.3)}),
        Recipe({6: 0.7, 12: 1.0}, {14: (0.3, 0.6), 25: (0.2, 0.4), 7: (0.3, 0.3)}),
    ),
    "Sad": (
        Recipe({1: 1.0, 4: 0.6, 15: 1.0}, {17: (0.6, 0.7), 43: (0.5, 0.45), 6: (0.2, 0.3)}),
        Recipe({1: 0.9, 4: 0.4, 15: 0.8, 43: 0.4}, {17: (0.5, 0.6), 25: (0.2, 0.4)}),
    ),
    "Surprise": (
        Recipe({1: 1.0, 2: 1.0, 5: 0.8, 25: 0.7, 26: 1.0}, {12: (0.1, 0.3)}),
        Recipe({1: 0.9, 2: 1.0, 5: 0.7, 26: 0.75, 25: 0.8}, {}),
    ),
    "Neutral": (Recipe({}, {43: (0.2, 0.3), 14: (0.1, 0.3)}),),
}
"""The ways to show each expression; one of them is drawn at random."""


@dataclass(frozen=True)
class Action:
    """How strongly each action unit acts on either half of the face.

    Attributes
    ----------
    units : dict of int to ndarray of float64, shape (2,)
        Activation of the left and the right half of the picture, 0 (at rest) to about 1.
    gaze : ndarray of float64, shape (2,)
        Where the eyes look, right and down positive, in units of the eye's half width.
    """

    units: dict[int, NDArray[np.float64]]
    gaze: NDArray[np.float64]

    def both(self, unit: int) -> NDArray[np.float64]:
        """Activation of `unit` on both halves."""
        return self.units.get(unit, _AT_REST)

    def mean(self, unit: int) -> float:
        """Activation of `unit` over the whole face, for parts that lie in the middle."""
        return float(self.both(unit).mean())


_AT_REST = np.zeros(2)


def act(expression: str, intensity: float, rng: np.random.Generator, liveliness: float = 1.0) -> Action:
    """Move a face: the units of `expression` at `intensity`, each varied, uneven, and with stray units.

    Parameters
    ----------
    expression : str
        One of `CLASS_NAMES`.
    intensity : float
        0 (nothing to be seen) to 1 (the full expression).
    rng : numpy.random.Generator
        The picture's own stream.
    liveliness : float, default 1.0
        Scale of everything random; 0 gives the textbook expression.

    Returns
    -------
    Action
    """
    recipes = RECIPES[expression]
    recipe = recipes[int(rng.integers(len(recipes)))]
    wanted = dict(recipe.core)
    wanted.update({unit: level for unit, (chance, level) in recipe.extra.items() if rng.random() < chance})
    # Every unit draws its numbers, wanted or not: faces at rest are not blank, and stray units may act too.
    strength = 1 + liveliness * rng.normal(0, 0.2, len(UNIT_NAMES))
    lean = liveliness * rng.normal(0, 0.12, len(UNIT_NAMES))
    stray = liveliness * np.maximum(rng.normal(-0.22, 0.2, len(UNIT_NAMES)), 0)
    units = {}
    for j, unit in enumerate(UNIT_NAMES):
        level = wanted.get(unit, 0.0) * intensity * strength[j] + stray[j]
        units[unit] = np.clip(level * (1 + np.array([-lean[j], lean[j]])), 0, 1.3)
    gaze = liveliness * np.array([rng.normal(0, 0.22), rng.normal(0.02, 0.1)])
    return Action(units, gaze)
