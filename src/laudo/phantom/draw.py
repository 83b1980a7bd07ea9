"""A chest radiograph drawn from facts: frontal or lateral, the same picture for the same arguments.

Every shape lives in body coordinates: x and y run from 0 to 1 over an upright, centred picture, and a
pose (shift, scale, rotation, body width) lays them over the pixels. A frontal sign is written once, for
the patient's right side, which is the picture's left; the left side is its mirror image. The lateral
view has the back at low x, so that the chest wall lies at low x in every view and signs can be shared.

Only operations that IEEE 754 rounds exactly touch the pixels (no exp, no sine), so that another
processor gives the same bytes. Grey levels run from 0 (air) to 1 (metal).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from laudo.phantom.facts import Fact

Array = npt.NDArray[np.floating]
Point = tuple[float, float]

AIR, LUNG, SOFT, HEART, BONE, METAL = 0.02, 0.17, 0.50, 0.70, 0.86, 1.0
SIZES = {"small": 0.78, "moderate": 1.0, "large": 1.28, None: 1.0}
STRENGTH = {"present": 1.0, "uncertain": 0.5, "absent": 0.0}


def draw(facts: Sequence[Fact], *, view: str, size_px: int, seed: int) -> npt.NDArray[np.uint8]:
    """Draws one radiograph.

    The patient's position, the exposure and the grain follow from `seed` and `view` alone: the same
    seed with and without a fact differs in that fact's sign only.

    Args:
        facts: what is to be seen; those that are absent leave no trace, their order does not matter.
        view: `PA`, `AP`, `LATERAL` or `LL`.
        size_px: the number of rows, the longer side.
        seed: not negative.

    Returns:
        Grey levels, (rows, columns), air black and bone white.
    """
    rng = np.random.default_rng([seed, list(VIEWS).index(view)])
    canvas = _pose(VIEWS[view], size_px, rng)
    exposure, contrast = rng.uniform(-0.03, 0.03), rng.uniform(0.92, 1.06)
    VIEWS[view].chest(canvas, rng)
    for place, (name, sign) in enumerate(SIGNS.items(), start=len(VIEWS)):
        for fact in facts:
            if name == (fact.kind or fact.finding) and fact.status != "absent":
                _show(canvas, sign, fact, np.random.default_rng([seed, place]))
    shape = canvas.image.shape
    grain = rng.random(shape, dtype=np.float32) + rng.random(shape, dtype=np.float32) - 1
    image = (canvas.image - 0.5) * contrast + (0.5 + exposure) + 0.035 * grain
    grey: npt.NDArray[np.uint8] = np.rint(np.clip(image, 0, 1) * 255).astype(np.uint8)
    return grey


# ---------------------------------------------------------------- the canvas


def ramp(t: Array) -> Array:
    """Rises smoothly from 0 (t <= 0) to 1 (t >= 1)."""
    t = np.clip(t, 0, 1)
    return t * t * (3 - 2 * t)


class Lung(NamedTuple):
    """An outline: an upper ellipse, straight walls below its centre, a dome as floor."""

    centre: Point
    outward: float
    inward: float
    height: float
    dome: Point
    steep: float


class Patch(NamedTuple):
    """A window of the picture: its grey levels (a view, painted in place) and their body coordinates."""

    image: Array
    x: Array
    y: Array

    def reach(self, at: Point, radii: Point, *, lean: float = 0.0) -> Array:
        """Distance from `at`, 1 on the ellipse with these radii; `lean` moves x per unit of y."""
        dy = self.y - at[1]
        dx = (self.x - at[0] - lean * dy) * (1 / radii[0])
        dy = dy * (1 / radii[1])
        return np.sqrt(dx * dx + dy * dy)

    def lung(self, lung: Lung, *, edge: float = 0.05) -> Array:
        """1 inside the lung, 0 outside."""
        dx = self.x - lung.centre[0]
        dx = np.maximum(dx * (-1 / lung.outward), dx * (1 / lung.inward))
        dy = np.maximum((lung.centre[1] - self.y) * (1 / lung.height), 0)
        walls = ramp((1 - np.sqrt(dx * dx + dy * dy)) * (1 / edge) + 0.5)
        return walls * ramp((self.floor(lung) - self.y) * 60 + 0.5)

    def floor(self, lung: Lung) -> Array:
        """Height (y) of the diaphragm over each pixel."""
        dx = self.x - lung.dome[0]
        return lung.dome[1] + lung.steep * dx * dx

    def add(self, mask: Array, amount: float) -> None:
        """Adds density; film saturates, so that the same tissue shows less over bright parts."""
        self.image[...] += mask * (1.2 - self.image) * amount

    def cover(self, mask: Array, level: float) -> None:
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
        rows, columns = self.image.shape
        return float(rows / columns)

    def mirrored(self) -> Canvas:
        """The same pixels with x counted from the other side."""
        (a, b, c), rest = self.affine
        return replace(self, x=1 - self.x, affine=((-a, -b, 1 - c), rest))

    def patch(self, low: Point, high: Point) -> Patch:
        """The window that holds the box between two corners."""
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
        """Distance to the line through points, in picture widths."""
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


def curve(start: Point, bend: Point, end: Point) -> list[Point]:
    """Points on the quadratic Bézier curve."""
    (x0, y0), (x1, y1), (x2, y2) = start, bend, end
    weights = [((1 - t) * (1 - t), 2 * t * (1 - t), t * t) for t in (step / 6 for step in range(7))]
    return [(a * x0 + b * x1 + c * x2, a * y0 + b * y1 + c * y2) for a, b, c in weights]


def _pose(view: View, rows: int, rng: np.random.Generator) -> Canvas:
    """An empty picture of a body that stands a little aside, turned, and closer or farther."""
    columns = round(rows / view.aspect)
    angle, scale = math.radians(rng.uniform(-2, 2)), rng.uniform(0.96, 1.04)
    wide = scale * rng.uniform(0.97, 1.03)
    tall = scale * view.inflation
    dx, dy = rng.uniform(-0.02, 0.02), rng.uniform(-0.02, 0.02)
    a, b = math.cos(angle) / wide / columns, math.sin(angle) * view.aspect / wide / rows
    d, e = -math.sin(angle) / view.aspect / tall / columns, math.cos(angle) / tall / rows
    c = 0.5 - dx - a * (columns / 2 - 0.5) - b * (rows / 2 - 0.5)
    f = 0.5 * view.inflation - dy - d * (columns / 2 - 0.5) - e * (rows / 2 - 0.5)
    column = np.arange(columns, dtype=np.float32)[None, :]
    row = np.arange(rows, dtype=np.float32)[:, None]
    x, y = column * a + (row * b + c), column * d + (row * e + f)
    canvas = Canvas(np.full((rows, columns), AIR, np.float32), x, y, ((a, b, c), (d, e, f)), view.lung)
    return replace(canvas.mirrored(), lateral=True) if view.lung is LATERAL_LUNG else canvas


def _show(canvas: Canvas, sign: Sign, fact: Fact, rng: np.random.Generator) -> None:
    """Draws the sign on its side or sides; an uncertain one by mixing the picture with and without it."""
    before = canvas.image.copy()
    x, y = sign.lateral if canvas.lateral else sign.frontal
    for side in ("right", "left"):
        if fact.side == side or fact.side == "bilateral" or (fact.side is None and side == "right"):
            apart = {"left": -0.015, "right": 0.015}[side] if canvas.lateral else 0.0
            at = (x + apart + rng.uniform(-0.008, 0.008), y - apart + rng.uniform(-0.008, 0.008))
            flipped = side == "left" and not canvas.lateral
            sign.draw(canvas.mirrored() if flipped else canvas, at, SIZES[fact.size], rng)
        if sign.midline:
            break
    strength = STRENGTH[fact.status]
    canvas.image[...] = before + strength * (canvas.image - before)


# ---------------------------------------------------------------- the chest

RIGHT_LUNG = Lung((0.30, 0.50), outward=0.195, inward=0.155, height=0.41, dome=(0.33, 0.735), steep=1.9)
LATERAL_LUNG = Lung((0.46, 0.50), outward=0.33, inward=0.36, height=0.41, dome=(0.62, 0.70), steep=0.62)

FRONTAL_VESSELS = ((-0.08, -0.26), (-0.17, -0.17), (-0.24, -0.04), (-0.23, 0.1), (-0.16, 0.21), (-0.08, 0.25))
LATERAL_VESSELS = ((-0.16, -0.16), (-0.22, -0.02), (-0.20, 0.14), (-0.10, 0.22), (0.14, -0.18), (0.04, 0.20))


def frontal_chest(canvas: Canvas, rng: np.random.Generator, *, heart_width: float = 1.0) -> None:
    """Body, lungs, ribs, shoulder girdle, mediastinum, heart, spine and trachea."""
    whole = Patch(canvas.image, canvas.x, canvas.y)
    u = np.abs(whole.x - 0.5)
    neck = 0.3 * ramp((0.17 - u) * 9)
    shoulder = ramp((whole.y + neck - 0.02 - 0.36 * np.maximum(u - 0.15, 0)) * 16)
    whole.cover(shoulder * ramp((0.47 + 0.3 * np.maximum(0.32 - whole.y, 0) - u) * 30), SOFT)
    whole.add(ramp((whole.y - 0.66) * 4) * ramp((0.47 - u) * 6), 0.26)
    left = canvas.mirrored()
    for side, dome in ((canvas, 0.735), (left, 0.76)):
        _lung(side, _with_dome(canvas.lung, dome), rng)
        _shoulder_girdle(side)
    _mediastinum(canvas)
    heart(canvas, (0.5, 0.65), heart_width, rng)
    _spine(canvas)
    _airway(canvas)
    left.blob((0.30, 0.87), (0.075, 0.045), -0.26, edge=0.8)  # air in the stomach
    _marker(canvas, (0.075, 0.06))


def _marker(canvas: Canvas, at: Point) -> None:
    """The lead letter D (direita) on the patient's right."""
    x, y = at
    bow = [(x, y - 0.02), *curve((x + 0.01, y - 0.02), (x + 0.05, y), (x + 0.01, y + 0.02)), (x, y + 0.02)]
    canvas.stroke([*bow, (x, y - 0.02)], width=0.007, level=METAL)


def _with_dome(lung: Lung, height: float) -> Lung:
    return lung._replace(dome=(lung.dome[0], height))


def _lung(canvas: Canvas, lung: Lung, rng: np.random.Generator) -> None:
    patch = canvas.patch((0.02, 0.03), (0.5, 0.95))
    inside = patch.lung(lung)
    patch.cover(inside, LUNG)
    patch.add(inside * ramp((patch.y - 0.3) * 1.6), 0.07)
    _vessels(canvas, rng)
    _ribs(patch, lung)


def _vessels(canvas: Canvas, rng: np.random.Generator) -> None:
    """Branches from the hilum, thinner outwards."""
    x, y = (0.48, 0.42) if canvas.lateral else (0.425, 0.45)
    canvas.blob((x, y), (0.08, 0.10), 0.28)
    for dx, dy in LATERAL_VESSELS if canvas.lateral else FRONTAL_VESSELS:
        dx, dy = dx + rng.uniform(-0.02, 0.02), dy + rng.uniform(-0.02, 0.02)
        trunk = curve((x, y), (x + 0.4 * dx + 0.22 * dy, y + 0.4 * dy - 0.12 * dx), (x + dx, y + dy))
        canvas.stroke(trunk[:4], width=0.010, level=SOFT, opacity=0.36, soft=0.012)
        canvas.stroke(trunk[3:], width=0.005, level=SOFT, opacity=0.30, soft=0.010)
        for start, turn in ((trunk[2], -0.4), (trunk[4], 0.35)):
            side = (start[0] + 0.4 * dx - turn * dy, start[1] + 0.4 * dy + turn * dx)
            canvas.stroke([start, side], width=0.003, level=SOFT, opacity=0.26, soft=0.009)


def _ribs(patch: Patch, lung: Lung) -> None:
    """Posterior ribs fall outwards, anterior ones inwards; both are level curves, so one pass draws all."""
    arch = np.maximum((0.5 - patch.y) * (1 / 0.47), 0)
    out = (0.5 - patch.x) * (1 / 0.415) / np.sqrt(np.maximum(1 - arch * arch, 0.04))
    cage = ramp((1.03 - out) * 25) * ramp((lung.dome[1] + 0.14 - patch.y) * 7) * ramp((patch.y - 0.07) * 20)
    back = _bands((patch.y - 0.19 * out * out * out + 0.03 * out) * (1 / 0.076), width=0.44)
    patch.add((back + back * (1 - back) * 1.4) * cage, 0.085)
    front = _bands((patch.y + 0.27 * out - 0.05 * out * out - 0.02) * (1 / 0.098), width=0.42)
    patch.add(front * cage * ramp((out - 0.32) * 3) * ramp((patch.y - 0.22) * 8), 0.045)


def _bands(v: Array, *, width: float) -> Array:
    """1 on stripes around every half-integer v, each `width` of the period."""
    away = np.abs(v - np.floor(v) - 0.5) * 2
    return ramp((width - away) * 6 + 0.5)


def _shoulder_girdle(canvas: Canvas) -> None:
    canvas.blob((0.05, 0.18), (0.075, 0.075), 0.16, edge=0.45)
    canvas.blob((0.095, 0.31), (0.075, 0.18), 0.08, edge=0.7)
    inner = curve((0.46, 0.175), (0.38, 0.095), (0.27, 0.12))
    clavicle = [*inner, *curve((0.27, 0.12), (0.17, 0.14), (0.07, 0.125))]
    canvas.stroke(clavicle, width=0.030, level=BONE, opacity=0.34, soft=0.012)
    canvas.stroke(clavicle, width=0.012, level=SOFT, opacity=0.18, soft=0.012)


def _mediastinum(canvas: Canvas) -> None:
    widened(canvas, (0.5, 0.33), 0.0, np.random.default_rng(0))
    knob = canvas.around((0.545, 0.335), (0.07, 0.09))
    knob.lift(ramp((1 - knob.reach((0.545, 0.335), (0.048, 0.055))) * 3 + 0.5), HEART)
    root = canvas.patch((0.3, 0.3), (0.7, 0.9))
    half = 0.058 + 0.055 * ramp((root.y - 0.36) * 5)
    level = ramp((root.y - 0.34) * 8) * ramp((0.86 - root.y) * 7)
    root.lift(level * ramp((half - np.abs(root.x - 0.507)) * 22 + 0.5), HEART)


def _spine(canvas: Canvas) -> None:
    patch = canvas.patch((0.40, -0.3), (0.60, 1.3))
    column = ramp((0.056 - np.abs(patch.x - 0.5)) * 40)
    patch.add(column * _bands(patch.y * (1 / 0.062), width=0.78), 0.08)


def _airway(canvas: Canvas) -> None:
    """Trachea and main bronchi, to the carina at y = 0.34."""
    canvas.stroke([(0.495, -0.3), (0.497, 0.335)], width=0.034, level=0.40, opacity=0.55, soft=0.024)
    for end in ((0.45, 0.415), (0.56, 0.41)):
        canvas.stroke([(0.497, 0.345), end], width=0.018, level=0.42, opacity=0.36, soft=0.020)


def lateral_chest(canvas: Canvas, rng: np.random.Generator) -> None:
    """Body, lungs over each other, spine behind, sternum in front, heart, both domes, trachea."""
    whole = Patch(canvas.image, canvas.x, canvas.y)
    dx, dy = np.abs(whole.x - 0.47) * (1 / 0.44), np.maximum(0.55 - whole.y, 0) * (1 / 0.62)
    whole.cover(ramp((1.06 - np.sqrt(dx * dx + dy * dy)) * 9), SOFT)
    whole.add(ramp((whole.y - 0.66) * 4) * ramp((1 - dx) * 4), 0.26)
    for dome in (0.735, 0.70):  # two floors: the farther lung shines through the nearer dome
        whole.cover(whole.lung(_with_dome(canvas.lung, dome)) * 0.72, LUNG)
    inside = whole.lung(canvas.lung)
    whole.add(inside * ramp((0.34 - whole.y) * 4), 0.14)  # shoulders and arms
    ahead = whole.x - 0.15
    ribs = _bands((whole.y - 0.50 * ahead + 0.30 * ahead * ahead) * (1 / 0.088), width=0.36)
    whole.add(ribs * inside, 0.045)
    _aorta(canvas)
    _vessels(canvas, rng)
    heart(canvas, (0.65, 0.60), 1.0, rng)
    _spine_and_sternum(canvas)


def _aorta(canvas: Canvas) -> None:
    arch = curve((0.64, 0.34), (0.54, 0.16), (0.35, 0.32))
    canvas.stroke([*arch, (0.31, 0.66)], width=0.06, level=SOFT, opacity=0.30, soft=0.05)


def _spine_and_sternum(canvas: Canvas) -> None:
    patch = canvas.patch((0.05, -0.1), (0.40, 1.1))
    dy = patch.y - 0.5
    off = np.abs(patch.x - 0.20 - 0.35 * dy * dy)
    body = ramp((0.058 - off) * 35)
    patch.add(body * _bands((patch.y - 0.15 * patch.x) * (1 / 0.078), width=0.80), 0.16)
    patch.add(ramp((0.095 - off) * 18), 0.10)
    sternum = curve((0.735, 0.20), (0.82, 0.32), (0.845, 0.54))
    canvas.stroke(sternum, width=0.024, level=BONE, opacity=0.45, soft=0.014)
    canvas.stroke([(0.53, -0.05), (0.49, 0.36)], width=0.042, level=0.12, opacity=0.62, soft=0.022)
    canvas.blob((0.42, 0.05), (0.24, 0.15), 0.16)


# ---------------------------------------------------------------- the signs


def heart(canvas: Canvas, at: Point, scale: float, rng: np.random.Generator) -> None:
    """The heart, `scale` times as wide as a normal one."""
    patch = canvas.patch((0.1, 0.35), (0.95, 0.95))
    tall = 0.75 + 0.25 * scale
    if canvas.lateral:
        back = (at[0] - 0.11 * (scale - 1), at[1])
        low = patch.reach((back[0] + 0.02, at[1] + 0.09), (0.17 * scale, 0.13))
        reach = _joined(patch.reach(back, (0.14 * scale, 0.155 * tall), lean=0.25), low)
        reach += np.maximum(patch.x - 0.80, 0) * 8  # the sternum flattens it
    else:
        left = patch.reach((at[0] + 0.055 * scale, at[1] - 0.01), (0.12 * scale, 0.135 * tall), lean=0.35)
        apex = patch.reach((at[0] + 0.075 * scale, at[1] + 0.07), (0.145 * scale, 0.085 * tall))
        right = patch.reach((at[0] - 0.02, at[1] + 0.01), (0.085 * scale, 0.15 * tall))
        reach = _joined(_joined(left, apex), right)
    patch.lift(ramp((1 - reach) * 4 + 0.5), HEART + 0.02)


def _joined(a: Array, b: Array) -> Array:
    """The smaller reach, rounded where the outlines meet (polynomial smooth minimum)."""
    near = np.maximum(0.4 - np.abs(a - b), 0)
    return np.minimum(a, b) - near * near * (0.25 / 0.4)


def cardiomegaly(canvas: Canvas, at: Point, scale: float, rng: np.random.Generator) -> None:
    heart(canvas, at, 1 + 0.42 * scale, rng)


def widened(canvas: Canvas, at: Point, scale: float, rng: np.random.Generator) -> None:
    """The upper mediastinum, bulging most at its middle height; size 0 is a normal one."""
    patch = canvas.patch((0.2, -0.3), (0.85, 0.75))
    if canvas.lateral:
        patch.lift(ramp((1 - patch.reach(at, (0.11 * scale, 0.21))) * 4 + 0.5), HEART)
        return
    half = 0.056 + 0.075 * scale * ramp((0.29 - np.abs(patch.y - at[1])) * 4)
    patch.lift(ramp((half - np.abs(patch.x - at[0])) * 28 + 0.5) * ramp((0.62 - patch.y) * 8), HEART)
    _airway(canvas)


def effusion(canvas: Canvas, at: Point, scale: float, rng: np.random.Generator) -> None:
    """Fluid to the level at[1], higher at the wall: a meniscus."""
    patch = canvas.patch((0.0, 0.40), (0.75, 1.1))
    top = at[1] - 0.24 * (scale - 1) - 1.5 * np.square(np.maximum(0.36 - patch.x, 0))
    inside = patch.lung(_with_dome(canvas.lung, canvas.lung.dome[1] + 0.06))
    away = ramp((0.62 - patch.x) * 6) if canvas.lateral else 1.0
    patch.lift(inside * ramp((patch.y - top) * 30 + 0.5) * away, HEART + 0.04)


def pneumothorax(canvas: Canvas, at: Point, scale: float, rng: np.random.Generator) -> None:
    """Black air between the wall and a thin bright pleural line, without lung markings."""
    patch = canvas.patch((0.0, 0.0), (0.95, 0.75))
    inside = patch.lung(canvas.lung)
    high = 0.43 - 0.085 * scale
    radii = (0.55, high + 0.10) if canvas.lateral else (0.25 - 0.045 * scale, high)
    gap = patch.reach((at[0] + 0.16, at[1] + (0.53 if canvas.lateral else 0.42)), radii)
    inside *= ramp((0.68 - patch.y) * 7)
    patch.cover(inside * ramp((gap - 1) * 25), AIR)
    patch.cover(inside * ramp(1 - np.abs(gap - 1) * 24), BONE)


def consolidation(canvas: Canvas, at: Point, scale: float, rng: np.random.Generator) -> None:
    canvas.blob(at, (0.105 * scale, 0.09 * scale), 0.55, edge=0.7)


def opacity(canvas: Canvas, at: Point, scale: float, rng: np.random.Generator) -> None:
    canvas.blob(at, (0.13 * scale, 0.13 * scale), 0.24, edge=0.6)


SPOTS = ((-0.05, -0.045), (0.04, -0.05), (-0.005, 0.0), (-0.055, 0.04), (0.06, 0.015), (0.02, 0.055))


def pneumonia(canvas: Canvas, at: Point, scale: float, rng: np.random.Generator) -> None:
    for dx, dy in SPOTS:
        dx, dy = scale * dx + rng.uniform(-0.006, 0.006), scale * dy + rng.uniform(-0.006, 0.006)
        canvas.blob((at[0] + dx, at[1] + dy), (0.044 * scale, 0.040 * scale), 0.45)


def lesion(canvas: Canvas, at: Point, scale: float, rng: np.random.Generator) -> None:
    radius = 0.048 * scale
    canvas.blob(at, (radius, radius / canvas.aspect), 0.55, edge=0.18)


def atelectasis(canvas: Canvas, at: Point, scale: float, rng: np.random.Generator) -> None:
    """Two plates, nearly horizontal."""
    for dx, dy, half in ((0.0, 0.0, 0.115), (0.02, 0.038, 0.09)):
        plate, radii = (at[0] + dx, at[1] + dy), (half * scale, 0.017 * scale)
        patch = canvas.around(plate, (radii[0], 0.05))
        patch = patch._replace(y=patch.y + 0.10 * (patch.x - plate[0]))
        patch.cover(ramp((1 - patch.reach(plate, radii)) * 2.5), BONE)


def edema(canvas: Canvas, at: Point, scale: float, rng: np.random.Generator) -> None:
    """A butterfly: haze around both hila, with streaks."""
    for side in (canvas,) if canvas.lateral else (canvas, canvas.mirrored()):
        radii = (0.19 * scale, 0.19 * scale)
        patch = side.around(at, radii)
        wing = ramp((1 - patch.reach(at, radii)) * 1.4) * patch.lung(canvas.lung, edge=0.12)
        streaks = _bands((patch.y - 0.6 * patch.x) * 26, width=0.35)
        patch.add(wing * (0.75 + 0.35 * streaks), 0.42)


def plaque(canvas: Canvas, at: Point, scale: float, rng: np.random.Generator) -> None:
    """Pleura thickened along the lateral wall."""
    lens = (0.036 * scale, 0.105 * scale)
    patch = canvas.around(at, lens)
    patch.cover(ramp((1 - patch.reach(at, lens)) * 3), BONE)


def fracture(canvas: Canvas, at: Point, scale: float, rng: np.random.Generator) -> None:
    """A rib in two pieces, one end stepped down, dark between them."""
    x, y = at
    outer = curve((x - 0.055 * scale, y + 0.035), (x - 0.045, y - 0.005), (x - 0.005, y - 0.022))
    inner = [(x + 0.008, y + 0.022), (x + 0.085 * scale, y - 0.005)]
    canvas.stroke(
        [(x - 0.05, y + 0.012), (x + 0.06, y)], width=0.05 * scale, level=AIR, opacity=0.75, soft=0.05
    )
    for piece in (outer, inner):
        canvas.stroke(piece, width=0.026 * scale, level=METAL, opacity=0.95, soft=0.008)


def endotracheal_tube(canvas: Canvas, at: Point, scale: float, rng: np.random.Generator) -> None:
    x, tip = at
    top = (x + (0.045 if canvas.lateral else 0.0), -0.2)
    canvas.stroke([top, (x, tip)], width=0.044, level=METAL, opacity=0.95)
    canvas.stroke([top, (x, tip)], width=0.014, level=SOFT, opacity=0.7)


def nasogastric_tube(canvas: Canvas, at: Point, scale: float, rng: np.random.Generator) -> None:
    x, tip = at
    end = (x - 0.06, tip + 0.02) if canvas.lateral else (x + 0.17, tip)
    path = [(x, -0.2), (x, 0.68), *curve((x, 0.68), (x, tip + 0.03), end)]
    canvas.stroke(path, width=0.016, level=METAL)


def central_line(canvas: Canvas, at: Point, scale: float, rng: np.random.Generator) -> None:
    x, tip = at
    path = [*curve((x - 0.24, 0.10), (x - 0.02, 0.13), (x, 0.26)), (x, tip)]
    canvas.stroke(path, width=0.022, level=METAL)


def pacemaker(canvas: Canvas, at: Point, scale: float, rng: np.random.Generator) -> None:
    x, y = at
    lead = (0.60, 0.66) if canvas.lateral else (0.53, 0.70)
    vein = curve((x, y), (0.42, 0.10), (0.475, 0.34))
    canvas.stroke([*vein, *curve((0.475, 0.34), (0.46, 0.62), lead)], width=0.010, level=METAL)
    patch = canvas.around(at, (0.07, 0.06))
    dx, dy = np.square((patch.x - x) * (1 / 0.058)), np.square((patch.y - y) * (1 / 0.045))
    patch.cover(ramp((1 - np.sqrt(dx * dx + dy * dy)) * 6 + 0.5), METAL)


class Sign(NamedTuple):
    """How a finding looks: what draws it, and where (x, y) in frontal and lateral views.

    `draw` gets the canvas, the place with a little jitter, the size (1 moderate) and its own generator.
    A midline sign ignores the side.
    """

    draw: Callable[[Canvas, Point, float, np.random.Generator], None]
    frontal: Point
    lateral: Point
    midline: bool = False


SIGNS = {
    "cardiomegaly": Sign(cardiomegaly, (0.5, 0.65), (0.65, 0.60), midline=True),
    "enlarged_cardiomediastinum": Sign(widened, (0.5, 0.31), (0.60, 0.33), midline=True),
    "edema": Sign(edema, (0.35, 0.44), (0.46, 0.43), midline=True),
    "lung_opacity": Sign(opacity, (0.33, 0.24), (0.42, 0.25)),
    "consolidation": Sign(consolidation, (0.36, 0.60), (0.40, 0.60)),
    "pneumothorax": Sign(pneumothorax, (0.15, 0.11), (0.30, 0.11)),
    "pneumonia": Sign(pneumonia, (0.21, 0.48), (0.33, 0.47)),
    "pleural_effusion": Sign(effusion, (0.2, 0.70), (0.2, 0.72)),
    "atelectasis": Sign(atelectasis, (0.24, 0.585), (0.46, 0.64)),
    "lung_lesion": Sign(lesion, (0.235, 0.355), (0.33, 0.34)),
    "pleural_other": Sign(plaque, (0.125, 0.45), (0.155, 0.47)),
    "fracture": Sign(fracture, (0.11, 0.61), (0.16, 0.66)),
    "endotracheal_tube": Sign(endotracheal_tube, (0.494, 0.305), (0.49, 0.30), midline=True),
    "nasogastric_tube": Sign(nasogastric_tube, (0.532, 0.88), (0.44, 0.88), midline=True),
    "central_line": Sign(central_line, (0.435, 0.44), (0.56, 0.44)),
    "pacemaker": Sign(pacemaker, (0.12, 0.215), (0.80, 0.23)),
}
"""Finding, or kind of device -> its sign, in the order of painting: wide and soft first, metal last."""


class View(NamedTuple):
    """A projection: what draws the chest, rows over columns, how deep the breath, which lung outline."""

    chest: Callable[[Canvas, np.random.Generator], None]
    aspect: float
    inflation: float
    lung: Lung


def _bedside_chest(canvas: Canvas, rng: np.random.Generator) -> None:
    frontal_chest(canvas, rng, heart_width=1.15)


VIEWS = {
    "PA": View(frontal_chest, 1.2, 1.0, RIGHT_LUNG),
    "AP": View(_bedside_chest, 1.05, 0.94, RIGHT_LUNG),
    "LATERAL": View(lateral_chest, 1.2, 1.0, LATERAL_LUNG),
    "LL": View(lateral_chest, 1.2, 1.0, LATERAL_LUNG),
}
