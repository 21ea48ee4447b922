"""A canvas that sees a face from an angle and smooths its edges.

Everything is drawn in face units (x to the right, y down, the chin at rest at
about (0, 1)), projected by the pose, and painted four times larger than the
picture; `Canvas.finish` brings it down to size, which smooths all edges.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

if TYPE_CHECKING:
    from PIL import Image, ImageDraw

SIZE = 48
OVERSAMPLING = 4
LARGE = SIZE * OVERSAMPLING
NEUTRAL = 128
"""Level of the relief layer that leaves the skin as it is; less darkens, more lightens."""


@dataclass(frozen=True)
class Pose:
    """Angles in radians; `scale` in pixels of the finished picture a face unit; shifts in such pixels."""

    yaw: float = 0.0
    pitch: float = 0.0
    roll: float = 0.0
    scale: float = 22.5
    shift_x: float = 0.0
    shift_y: float = 0.0

    def project(self, points: ArrayLike, lift: float = 0.0) -> NDArray[np.float64]:
        """Turn face points into canvas pixels: the head is a half ellipsoid, seen from far away.

        Parameters
        ----------
        points : array-like of float, shape (n, 2)
            Face units.
        lift : float, default 0.0
            How far the points stand out of the ellipsoid (the tip of the nose).

        Returns
        -------
        ndarray of float64, shape (n, 2)
        """
        x, y = np.asarray(points, float).T
        z = 0.7 * np.sqrt(np.maximum(1 - (x / 0.95) ** 2 - (y / 1.3) ** 2, 0)) + lift
        x, z = x * np.cos(self.yaw) + z * np.sin(self.yaw), z * np.cos(self.yaw) - x * np.sin(self.yaw)
        y = y * np.cos(self.pitch) + z * np.sin(self.pitch)
        cos, sin = np.cos(self.roll), np.sin(self.roll)
        turned = np.stack([x * cos - y * sin, x * sin + y * cos], axis=1)
        middle = np.array([SIZE / 2 + self.shift_x, SIZE / 2 + self.shift_y])
        return (turned * self.scale + middle) * OVERSAMPLING


class Canvas:
    """Paint in face units; tones are grey levels from 0 to 255."""

    def __init__(self, pose: Pose, background: NDArray[np.float64]) -> None:
        from PIL import Image

        self.pose = pose
        self.paint = Image.fromarray(np.clip(background, 0, 255).astype(np.uint8))
        self.relief = Image.new("L", (LARGE, LARGE), NEUTRAL)

    def polygon(self, points: ArrayLike, tone: float, lift: float = 0.0) -> None:
        """Fill a polygon with `tone`."""
        self._draw(self.paint).polygon(self._flat(points, lift), fill=_level(tone))

    def stroke(self, points: ArrayLike, tone: float, width: float, lift: float = 0.0) -> None:
        """Draw an open line, `width` in face units."""
        self._draw(self.paint).line(
            self._flat(points, lift), fill=_level(tone), width=self._pixels(width), joint="curve"
        )

    def disc(self, centre: tuple[float, float], radius: tuple[float, float], tone: float, lift: float = 0.0) -> None:
        """Fill an ellipse that turns with the head."""
        self.polygon(ellipse(centre, radius), tone, lift)

    def within(self, outline: ArrayLike, marks: list[tuple[NDArray[np.float64], float]]) -> None:
        """Fill polygons (points, tone), in order, but only inside `outline`: an iris within the lids."""
        from PIL import Image

        mask = Image.new("L", (LARGE, LARGE), 0)
        self._draw(mask).polygon(self._flat(outline), fill=255)
        layer = self.paint.copy()
        for points, tone in marks:
            self._draw(layer).polygon(self._flat(points), fill=_level(tone))
        self.paint.paste(layer, mask=mask)

    def veil(self, points: ArrayLike, tone: float, opacity: float, blur: float) -> None:
        """Lay a soft-edged polygon of `tone` over the picture, `opacity` 0 to 1, `blur` in face units."""
        from PIL import Image, ImageFilter

        mask = Image.new("L", (LARGE, LARGE), 0)
        self._draw(mask).polygon(self._flat(points), fill=_level(255 * opacity))
        mask = mask.filter(ImageFilter.GaussianBlur(self._pixels(blur)))
        self.paint.paste(_level(tone), (0, 0, LARGE, LARGE), mask)

    def crease(self, points: ArrayLike, depth: float, width: float = 0.03, lift: float = 0.0) -> None:
        """Mark a fold of the skin: `depth` from -1 (bright ridge) to 1 (dark furrow); within 0.04 of 0 nothing."""
        if abs(depth) >= 0.04:
            draw = self._draw(self.relief)
            draw.line(
                self._flat(points, lift), fill=_level(NEUTRAL * (1 - depth)), width=self._pixels(width), joint="curve"
            )

    def bulge(self, centre: tuple[float, float], radius: tuple[float, float], depth: float) -> None:
        """Mark a round hollow (`depth` above 0) or bump (below 0)."""
        self._draw(self.relief).polygon(self._flat(ellipse(centre, radius)), fill=_level(NEUTRAL * (1 - depth)))

    def soften(self, blur: float) -> None:
        """Blur the relief drawn so far, `blur` in face units: what is drawn later stays sharper."""
        from PIL import ImageFilter

        self.relief = self.relief.filter(ImageFilter.GaussianBlur(blur * self.pose.scale * OVERSAMPLING))

    def settle(self, shade: NDArray[np.float64]) -> None:
        """Multiply the paint by the relief and by `shade`, ``(LARGE, LARGE)``, and start a new relief."""
        from PIL import Image

        lit = np.asarray(self.paint, float) * (np.asarray(self.relief, float) / NEUTRAL) * shade
        self.paint = Image.fromarray(np.clip(lit, 0, 255).astype(np.uint8))
        self.relief = Image.new("L", (LARGE, LARGE), NEUTRAL)

    def finish(self) -> NDArray[np.float64]:
        """Return the picture at its final size, ``(SIZE, SIZE)`` grey levels."""
        large = np.asarray(self.paint, float)
        return large.reshape(SIZE, OVERSAMPLING, SIZE, OVERSAMPLING).mean(axis=(1, 3))

    def _flat(self, points: ArrayLike, lift: float = 0.0) -> list[tuple[float, float]]:
        return [(float(x), float(y)) for x, y in self.pose.project(points, lift)]

    def _pixels(self, width: float) -> int:
        return max(1, round(width * self.pose.scale * OVERSAMPLING))

    @staticmethod
    def _draw(image: Image.Image) -> ImageDraw.ImageDraw:
        from PIL import ImageDraw

        return ImageDraw.Draw(image)


def ellipse(centre: tuple[float, float], radius: tuple[float, float], n: int = 24) -> NDArray[np.float64]:
    """Return `n` points on an ellipse, ``(n, 2)``."""
    t = np.linspace(0, 2 * np.pi, n, endpoint=False)
    return np.stack([centre[0] + radius[0] * np.cos(t), centre[1] + radius[1] * np.sin(t)], axis=1)


def curve(*controls: tuple[float, float], n: int = 16) -> NDArray[np.float64]:
    """Return `n` points on the Bezier curve of the control points, ``(n, 2)``."""
    t = np.linspace(0, 1, n)[:, None, None]
    points = np.broadcast_to(np.asarray(controls, float), (n, len(controls), 2))
    while points.shape[1] > 1:  # de Casteljau's algorithm
        points = (1 - t) * points[:, :-1] + t * points[:, 1:]
    return points[:, 0]


def _level(tone: float) -> int:
    return int(np.clip(round(float(tone)), 0, 255))
