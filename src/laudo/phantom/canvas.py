"""What a drawn radiograph is painted on: grey levels, body coordinates and a few strokes for all shapes.

Every shape has body coordinates: x and y run from 0 to 1 over an upright, centred picture, and a pose (shift,
scale, rotation, body width) maps them to pixels. Grey levels run from 0 (air) to 1 (metal).

Pixels are computed only with operations that IEEE 754 rounds exactly (no exp, no sine), so that another
processor gives the same bytes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.floating]
Point = tuple[float, float]

AIR, LUNG, SOFT, HEART, BONE, METAL = 0.02, 0.17, 0.50, 0.70, 0.86, 1.0


def ramp(t: Array) -> Array:
    """Returns a smooth rise from 0 (t <= 0) to 1 (t >= 1)."""
    t = np.clip(t, 0, 1)
    return t * t * (3 - 2 * t)


def bands(v: Array, *, width: float) -> Array:
    """Returns 1 on stripes around every half-integer v, each `width` of the period, and 0 between them."""
    away = np.abs(v - np.floor(v) - 0.5) * 2
    return ramp((width - away) * 6 + 0.5)


def curve(start: Point, bend: Point, end: Point) -> list[Point]:
    """Returns points on the quadratic Bézier curve."""
    (x0, y0), (x1, y1), (x2, y2) = start, bend, end
    weights = [((1 - t) * (1 - t), 2 * t * (1 - t), t * t) for t in (step / 6 for step in range(7))]
    return [(a * x0 + b * x1 + c * x2, a * y0 + b * y1 + c * y2) for a, b, c in weights]


class Lung(NamedTuple):
    """An outline: an upper ellipse, straight walls below its centre, a dome as floor."""

    centre: Point
    outward: float
    inward: float
    height: float
    dome: Point
    steep: float

    def with_dome(self, height: float) -> Lung:
        """Returns the same lung over a floor whose top is at this height (y)."""
        return self._replace(dome=(self.dome[0], height))


class Patch(NamedTuple):
    """A window of the picture: its grey levels (a view, painted in place) and their body coordinates."""

    image: Array
    x: Array
    y: Array

    def reach(self, at: Point, radii: Point, *, lean: float = 0.0) -> Array:
        """Returns the distance from `at`, 1 on the ellipse with these radii; `lean` moves x per unit of y."""
        dy = self.y - at[1]
        dx = (self.x - at[0] - lean * dy) * (1 / radii[0])
        dy = dy * (1 / radii[1])
        return np.sqrt(dx * dx + dy * dy)

    def lung(self, lung: Lung, *, edge: float = 0.05) -> Array:
        """Returns 1 inside the lung, 0 outside."""
        dx = self.x - lung.centre[0]
        dx = np.maximum(dx * (-1 / lung.outward), dx * (1 / lung.inward))
        dy = np.maximum((lung.centre[1] - self.y) * (1 / lung.height), 0)
        walls = ramp((1 - np.sqrt(dx * dx + dy * dy)) * (1 / edge) + 0.5)
        dx = self.x - lung.dome[0]
        floor = lung.dome[1] + lung.steep * dx * dx
        return walls * ramp((floor - self.y) * 60 + 0.5)

    def add(self, mask: Array, amount: float) -> None:
        """Adds density; film saturates, so that the same tissue shows less over bright parts."""
        self.image[...] += mask * (1.2 - self.image) * amount

    def cover(self, mask: Array, level: float) -> None:
        """Paints over with `level`."""
        self.image[...] += mask * (level - self.image)

    def lift(self, mask: Array, level: float) -> None:
        """Covers what is darker than `level`: soft tissue over lung, unseen over soft tissue."""
        self.image[...] += mask * np.maximum(level - self.image, 0)


@dataclass(frozen=True)
class Canvas:
    """The picture and its body coordinates, all (rows, columns).

    Attributes:
        affine: body (x, y) = affine @ (column, row, 1), 2 x 3.
        lung: the outline at low x.
    """

    image: Array
    x: Array
    y: Array
    affine: tuple[tuple[float, float, float], tuple[float, float, float]]
    lung: Lung
    lateral: bool = False

    @property
    def aspect(self) -> float:
        """Rows over columns."""
        rows, columns = self.image.shape
        return float(rows / columns)

    def mirrored(self) -> Canvas:
        """Returns the same pixels with x counted from the other side."""
        (a, b, c), rest = self.affine
        return replace(self, x=1 - self.x, affine=((-a, -b, 1 - c), rest))

    def patch(self, low: Point, high: Point) -> Patch:
        """Returns the window that holds the box between two corners."""
        (a, b, c), (d, e, f) = self.affine
        corners = [(x - c, y - f) for x in (low[0], high[0]) for y in (low[1], high[1])]
        columns = [(e * x - b * y) / (a * e - b * d) for x, y in corners]
        rows = [(a * y - d * x) / (a * e - b * d) for x, y in corners]
        window = (
            slice(max(math.floor(min(rows)), 0), max(math.ceil(max(rows)) + 1, 0)),
            slice(max(math.floor(min(columns)), 0), max(math.ceil(max(columns)) + 1, 0)),
        )
        return Patch(self.image[window], self.x[window], self.y[window])

    def around(self, at: Point, radii: Point) -> Patch:
        """Returns the window that holds an ellipse."""
        return self.patch((at[0] - radii[0], at[1] - radii[1]), (at[0] + radii[0], at[1] + radii[1]))

    def blob(self, at: Point, radii: Point, amount: float, *, edge: float = 1.0) -> None:
        """Adds an ellipse, from one that fades from its centre (edge 1) to a crisp one (edge near 0)."""
        patch = self.around(at, radii)
        patch.add(ramp((1 - patch.reach(at, radii)) * (1 / edge)), amount)

    def stroke(
        self, points: Sequence[Point], *, width: float, level: float, opacity: float = 1.0, soft: float = 0.0
    ) -> None:
        """Covers a line through points with `level`; `width` and its soft edge in picture widths."""
        soft = max(soft, 1 / self.image.shape[1])
        margin = (width + soft) / 2
        low = (min(x for x, _ in points) - margin, min(y for _, y in points) - margin)
        high = (max(x for x, _ in points) + margin, max(y for _, y in points) + margin)
        patch = self.patch(low, high)
        patch.cover(ramp((margin - self._distance(patch, points)) * (1 / soft)) * opacity, level)

    def _distance(self, patch: Patch, points: Sequence[Point]) -> Array:
        """Returns the distance to the line through points, in picture widths."""
        nearest = np.full(patch.x.shape, 9, dtype=np.float32)
        for (x0, y0), (x1, y1) in pairwise(points):
            dx, dy = patch.x - x0, (patch.y - y0) * self.aspect
            ux, uy = x1 - x0, (y1 - y0) * self.aspect
            square = ux * ux + uy * uy or 1.0
            along = np.clip(dx * (ux / square) + dy * (uy / square), 0, 1)
            dx -= along * ux
            dy -= along * uy
            nearest = np.minimum(nearest, dx * dx + dy * dy)
        return np.sqrt(nearest)
