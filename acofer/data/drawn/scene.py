"""What stands between a face and its picture: hair, glasses, things in the way, light, lens and film."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from acofer.data.drawn.canvas import LARGE, OVERSAMPLING, SIZE, Canvas, Pose, curve, ellipse
from acofer.data.drawn.person import Person

OCCLUDERS = ("none", "hand", "bar", "scarf", "strand")
GREY_STEP = 3
"""Finished pictures hold only multiples of this grey level: hardly visible at 48 x 48, and it takes 3,500 pictures
from 6.2 to 4.2 MB, because the last bits of a smooth gradient do not compress."""


@dataclass(frozen=True)
class Scene:
    """How a picture was taken.

    Attributes
    ----------
    pose : Pose
        Where the head is and how it is turned.
    light : tuple of float
        Direction the light comes from (x right, y down), each about -1 to 1.
    contrast_of_light : float
        0 (flat light) to 1 (one side in the dark).
    background : tuple of float
        Grey levels at the left, the right, the top and the bottom.
    occluder : str
        One of `OCCLUDERS`, placed at `occluder_at` (face units).
    occluder_tone : float
        Grey level of the occluder.
    contrast, brightness : float
        Of the film: grey levels are stretched about 128 and shifted.
    blur : float
        Radius of the lens' blur in pixels of the finished picture.
    noise : float
        Standard deviation of the film's grain in grey levels.
    """

    pose: Pose = field(default_factory=Pose)
    light: tuple[float, float] = (0.3, -0.5)
    contrast_of_light: float = 0.35
    background: tuple[float, float, float, float] = (120.0, 120.0, 140.0, 100.0)
    occluder: str = "none"
    occluder_at: tuple[float, float] = (0.0, 0.7)
    occluder_tone: float = 120.0
    contrast: float = 1.0
    brightness: float = 0.0
    blur: float = 0.0
    noise: float = 0.0


def visit(rng: np.random.Generator) -> Scene:
    """Draw a scene from `rng`; the spreads are ours, tuned for the difficulty of the embedded data set."""
    normal, uniform = rng.normal, rng.uniform
    pose = Pose(
        yaw=float(np.clip(normal(0, 0.075), -0.3, 0.3)),
        pitch=float(np.clip(normal(0, 0.045), -0.2, 0.2)),
        roll=normal(0, 0.04),
        scale=float(np.clip(normal(26.5, 0.7), 24, 29)),
        shift_x=normal(0, 0.55),
        shift_y=normal(-1.6, 0.5),
    )
    level = uniform(95, 150)
    return Scene(
        pose=pose,
        light=(uniform(-0.4, 0.7), uniform(-0.7, -0.1)),
        contrast_of_light=float(0.15 + 0.45 * rng.beta(1.5, 3.0)),
        background=(level, level + normal(0, 12), level + normal(0, 12), level + normal(0, 12)),
        occluder=str(rng.choice(OCCLUDERS, p=[0.91, 0.03, 0.02, 0.01, 0.03])),
        occluder_at=(uniform(-0.6, 0.6), uniform(-0.4, 0.95)),
        occluder_tone=uniform(40, 200),
        contrast=uniform(0.85, 1.1),
        brightness=normal(0, 5),
        blur=float(rng.choice([0.0, uniform(0.2, 0.5)], p=[0.55, 0.45])),
        noise=float(rng.choice([0.0, rng.gamma(2.0, 1.2)], p=[0.8, 0.2])),
    )


def backdrop(scene: Scene) -> NDArray[np.float64]:
    """Return the background, ``(LARGE, LARGE)`` grey levels: two gradients."""
    left, right, top, bottom = scene.background
    ramp = np.linspace(0, 1, LARGE)
    return (left + (right - left) * ramp[None, :] + top + (bottom - top) * ramp[:, None]) / 2


def shade(scene: Scene) -> NDArray[np.float64]:
    """Return the light on the head, ``(LARGE, LARGE)`` factors: Lambert's law on an ellipsoid, and a dark rim."""
    pose = scene.pose
    pixel = (np.arange(LARGE) + 0.5) / OVERSAMPLING - SIZE / 2
    x, y = (pixel[None, :] - pose.shift_x) / pose.scale, (pixel[:, None] - pose.shift_y) / pose.scale
    cos, sin = np.cos(pose.roll), np.sin(pose.roll)
    u, v = (x * cos + y * sin) / 1.0, (y * cos - x * sin) / 1.3
    w = np.sqrt(np.maximum(1 - u**2 - v**2, 0.04))
    direction = np.array([*scene.light, 0.9])
    direction /= np.linalg.norm(direction)
    lambert = np.maximum(u * direction[0] + v * direction[1] + w * direction[2], 0)
    strength = scene.contrast_of_light
    return (1 - strength) * (0.75 + 0.25 * w) + strength * (0.25 + lambert)


def draw_hair_behind(canvas: Canvas, person: Person) -> None:
    """Hair that lies behind the head."""
    if person.hair == "long":
        canvas.disc((0, -0.1), (person.width + 0.24, 1.2), person.hair_tone)
        canvas.polygon([(-1.02, 0), (1.02, 0), (1.0, 1.7), (-1.0, 1.7)], person.hair_tone)
    elif person.hair != "bald":
        canvas.disc((0, -0.32), (person.width + 0.1, 1.0), person.hair_tone)


def draw_hair_before(canvas: Canvas, person: Person) -> None:
    """Hair, or a cap, that lies on the forehead and the temples."""
    wide, tone = person.width + 0.08, person.hair_tone
    lines = {
        "short": [(-wide, -0.3), (-0.62, -0.62), (-0.3, -0.8), (0.3, -0.8), (0.62, -0.62), (wide, -0.3)],
        "fringe": [(-wide, -0.1), (-0.66, -0.5), (-0.4, -0.5), (0.0, -0.56), (0.4, -0.48), (0.66, -0.5), (wide, -0.1)],
        "parted": [
            (-wide, -0.2),
            (-0.64, -0.5),
            (-0.4, -0.66),
            (0.1, -0.82),
            (0.4, -0.76),
            (0.64, -0.58),
            (wide, -0.2),
        ],
        "long": [
            (-wide, 0.4),
            (-0.7, -0.1),
            (-0.6, -0.5),
            (-0.2, -0.74),
            (0.2, -0.74),
            (0.6, -0.5),
            (0.7, -0.1),
            (wide, 0.4),
        ],
        "cap": [(-wide, -0.5), (-0.4, -0.6), (0.0, -0.62), (0.4, -0.6), (wide, -0.5)],
    }
    if person.hair in lines:
        line = lines[person.hair]
        t = np.linspace(np.pi, 2 * np.pi, 20)
        crown = np.stack([wide * np.cos(t), line[0][1] + (1.3 + line[0][1]) * np.sin(t)], axis=1)
        canvas.polygon(np.concatenate([crown, np.array(line)[::-1]]), tone)
    if person.hair == "cap":
        canvas.stroke(curve((-0.75, -0.5), (0, -0.72), (0.75, -0.5)), tone * 0.6, 0.08)


def draw_glasses(canvas: Canvas, person: Person) -> None:
    """Thin or thick frames, or dark glasses that hide the eyes."""
    if person.glasses == "none":
        return
    width = {"thin": 0.025, "thick": 0.055, "dark": 0.04}[person.glasses]
    for sign in (-1.0, 1.0):
        rim = ellipse((sign * person.eye_x, person.eye_y + 0.03), (0.24, 0.19))
        if person.glasses == "dark":
            canvas.polygon(rim, 25, 0.1)
        canvas.stroke(np.concatenate([rim, rim[:2]]), 35, width, 0.1)
        canvas.stroke([(sign * 0.57, person.eye_y + 0.02), (sign * person.width, person.eye_y - 0.02)], 45, width)
    canvas.stroke(curve((-0.1, person.eye_y), (0, person.eye_y - 0.05), (0.1, person.eye_y)), 35, width, 0.12)


def draw_occluder(canvas: Canvas, scene: Scene, person: Person) -> None:
    """A hand, a bar, a scarf or a strand of hair in front of the face."""
    x, y = scene.occluder_at
    tone = scene.occluder_tone
    if scene.occluder == "hand":
        side = 1.0 if x > 0 else -1.0
        top = max(y, 0.2)
        for j in range(4):
            tip = (side * (0.16 + 0.17 * j), top + 0.07 * abs(j - 1))
            base = (side * (0.4 + 0.17 * j), top + 0.85)
            canvas.stroke([tip, base], person.skin * (0.98 - 0.05 * j), 0.16)
            canvas.disc(tip, (0.08, 0.08), person.skin * (0.98 - 0.05 * j))
            canvas.stroke([(tip[0] + side * 0.09, tip[1]), (base[0] + side * 0.09, base[1])], person.skin * 0.6, 0.02)
        canvas.disc((side * 0.7, top + 0.85), (0.4, 0.3), person.skin * 0.92)
    elif scene.occluder == "bar":
        canvas.polygon([(-1.4, y - 0.1), (1.4, y - 0.3 * x - 0.1), (1.4, y - 0.3 * x + 0.1), (-1.4, y + 0.1)], tone)
    elif scene.occluder == "scarf":
        edge = curve((-0.9, 0.45), (0, 0.3 + 0.2 * abs(x)), (0.9, 0.45))
        canvas.polygon(np.concatenate([edge, [(1.1, 1.8), (-1.1, 1.8)]]), tone)
        for j in range(3):
            canvas.stroke(edge + np.array([0, 0.12 + 0.16 * j]), tone * 0.8, 0.03)
    elif scene.occluder == "strand":
        start, end = (0.2 * np.sign(x), -1.0), (x, 0.3)
        canvas.stroke(curve(start, (1.6 * x, -0.5), end), person.hair_tone, 0.1)


def expose(canvas: Canvas, scene: Scene, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Take the picture: lens blur, contrast, brightness, grain, grey steps; ``(SIZE, SIZE)`` uint8."""
    from PIL import ImageFilter

    if scene.blur > 0:
        canvas.paint = canvas.paint.filter(ImageFilter.GaussianBlur(scene.blur * OVERSAMPLING))
    grey = (canvas.finish() - 128) * scene.contrast + 128 + scene.brightness
    grey += scene.noise * rng.standard_normal((SIZE, SIZE))
    return (np.clip(np.rint(grey / GREY_STEP), 0, 255 // GREY_STEP) * GREY_STEP).astype(np.uint8)
