"""Whose face it is: proportions, tones, hair, beard, glasses."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

HAIR_STYLES = ("bald", "short", "fringe", "parted", "long", "cap")
BEARDS = ("none", "stubble", "moustache", "goatee", "full")
GLASSES = ("none", "thin", "thick", "dark")


@dataclass(frozen=True)
class Person:
    """Proportions in face units (the chin at rest lies 1 below the middle of the face), tones in grey levels."""

    width: float = 0.76
    jaw: float = 2.6
    eye_x: float = 0.33
    eye_y: float = -0.14
    eye_width: float = 0.178
    eye_height: float = 0.08
    eye_tilt: float = 0.01
    iris: float = 0.075
    brow_y: float = -0.36
    brow_arch: float = 0.05
    brow_slope: float = 0.0
    brow_thickness: float = 0.045
    nose_y: float = 0.22
    nose_width: float = 0.13
    mouth_y: float = 0.52
    mouth_width: float = 0.29
    mouth_bend: float = 0.0
    lip: float = 0.06
    age: float = 0.2
    skin: float = 185.0
    lip_tone: float = 0.72
    iris_tone: float = 60.0
    hair_tone: float = 50.0
    hair: str = "short"
    beard: str = "none"
    glasses: str = "none"


def meet(rng: np.random.Generator) -> Person:
    """Draw a person from `rng`; the spreads are ours, wide enough that no two faces are alike."""
    normal, uniform = rng.normal, rng.uniform
    hair_tone = float(rng.choice([uniform(30, 60), uniform(60, 90), uniform(110, 160)], p=[0.8, 0.14, 0.06]))
    return Person(
        width=normal(0.76, 0.028),
        jaw=uniform(2.2, 3.2),
        eye_x=normal(0.33, 0.013),
        eye_y=normal(-0.14, 0.015),
        eye_width=normal(0.178, 0.008),
        eye_height=float(np.clip(normal(0.08, 0.008), 0.055, 0.11)),
        eye_tilt=normal(0.01, 0.01),
        iris=normal(0.078, 0.003),
        brow_y=normal(-0.36, 0.018),
        brow_arch=normal(0.05, 0.012),
        brow_slope=normal(0.0, 0.016),
        brow_thickness=float(np.clip(normal(0.047, 0.009), 0.022, 0.085)),
        nose_y=normal(0.22, 0.02),
        nose_width=normal(0.13, 0.011),
        mouth_y=normal(0.52, 0.016),
        mouth_width=normal(0.29, 0.015),
        mouth_bend=normal(0.0, 0.014),
        lip=float(np.clip(normal(0.06, 0.01), 0.025, 0.1)),
        age=float(rng.beta(1.2, 3.0)),
        skin=float(np.clip(normal(182, 14), 120, 222)),
        lip_tone=uniform(0.62, 0.8),
        iris_tone=uniform(30, 85),
        hair_tone=hair_tone,
        hair=str(rng.choice(HAIR_STYLES, p=[0.06, 0.5, 0.1, 0.2, 0.1, 0.04])),
        beard=str(rng.choice(BEARDS, p=[0.8, 0.07, 0.05, 0.03, 0.05])),
        glasses=str(rng.choice(GLASSES, p=[0.89, 0.06, 0.04, 0.01])),
    )
