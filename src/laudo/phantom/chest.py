"""The chest without findings: the views, the patient's position and the anatomy of each projection.

A frontal shape is defined once, for the patient's right side, which is on the left of the picture; the other
side is its mirror image. In the lateral views the back is at low x: the chest wall is at low x in every view,
and all views can share their signs.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import NamedTuple

import numpy as np

from laudo.phantom.canvas import (
    AIR,
    BONE,
    HEART,
    LUNG,
    METAL,
    SOFT,
    Array,
    Canvas,
    Lung,
    Patch,
    Point,
    bands,
    curve,
    ramp,
)

RIGHT_LUNG = Lung((0.30, 0.50), outward=0.195, inward=0.155, height=0.41, dome=(0.33, 0.735), steep=1.9)
LATERAL_LUNG = Lung((0.46, 0.50), outward=0.33, inward=0.36, height=0.41, dome=(0.62, 0.70), steep=0.62)

FRONTAL_VESSELS = ((-0.08, -0.26), (-0.17, -0.17), (-0.24, -0.04), (-0.23, 0.1), (-0.16, 0.21), (-0.08, 0.25))
LATERAL_VESSELS = ((-0.16, -0.16), (-0.22, -0.02), (-0.20, 0.14), (-0.10, 0.22), (0.14, -0.18), (0.04, 0.20))


def frontal_chest(canvas: Canvas, rng: np.random.Generator, *, heart_width: float = 1.0) -> None:
    """Paints body, lungs, ribs, shoulder girdle, mediastinum, heart, spine and trachea."""
    picture = Patch(canvas.image, canvas.x, canvas.y)
    u = np.abs(picture.x - 0.5)
    neck = 0.3 * ramp((0.17 - u) * 9)
    shoulder = ramp((picture.y + neck - 0.02 - 0.36 * np.maximum(u - 0.15, 0)) * 16)
    picture.cover(shoulder * ramp((0.47 + 0.3 * np.maximum(0.32 - picture.y, 0) - u) * 30), SOFT)
    picture.add(ramp((picture.y - 0.66) * 4) * ramp((0.47 - u) * 6), 0.26)
    left = canvas.mirrored()
    for side, dome in ((canvas, 0.735), (left, 0.76)):
        _lung(side, canvas.lung.with_dome(dome), rng)
        _shoulder_girdle(side)
    _mediastinum(canvas)
    heart(canvas, (0.5, 0.65), heart_width)
    _spine(canvas)
    _airway(canvas)
    left.blob((0.30, 0.87), (0.075, 0.045), -0.26, edge=0.8)  # air in the stomach
    _marker(canvas, (0.075, 0.06))


def _marker(canvas: Canvas, at: Point) -> None:
    """Paints the lead letter D (direita) on the patient's right."""
    x, y = at
    bow = [(x, y - 0.02), *curve((x + 0.01, y - 0.02), (x + 0.05, y), (x + 0.01, y + 0.02)), (x, y + 0.02)]
    canvas.stroke([*bow, (x, y - 0.02)], width=0.007, level=METAL)


def _lung(canvas: Canvas, lung: Lung, rng: np.random.Generator) -> None:
    patch = canvas.patch((0.02, 0.03), (0.5, 0.95))
    inside = patch.lung(lung)
    patch.cover(inside, LUNG)
    patch.add(inside * ramp((patch.y - 0.3) * 1.6), 0.07)
    _vessels(canvas, rng)
    _ribs(patch, lung)


def _vessels(canvas: Canvas, rng: np.random.Generator) -> None:
    """Paints branches from the hilum, thinner outwards."""
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
    """Paints all ribs: posterior ones fall outwards, anterior ones inwards; both are level curves."""
    arch = np.maximum((0.5 - patch.y) * (1 / 0.47), 0)
    out = (0.5 - patch.x) * (1 / 0.415) / np.sqrt(np.maximum(1 - arch * arch, 0.04))
    cage = ramp((1.03 - out) * 25) * ramp((lung.dome[1] + 0.14 - patch.y) * 7) * ramp((patch.y - 0.07) * 20)
    back = bands((patch.y - 0.19 * out * out * out + 0.03 * out) * (1 / 0.076), width=0.44)
    patch.add((back + back * (1 - back) * 1.4) * cage, 0.085)
    front = bands((patch.y + 0.27 * out - 0.05 * out * out - 0.02) * (1 / 0.098), width=0.42)
    patch.add(front * cage * ramp((out - 0.32) * 3) * ramp((patch.y - 0.22) * 8), 0.045)


def _shoulder_girdle(canvas: Canvas) -> None:
    canvas.blob((0.05, 0.18), (0.075, 0.075), 0.16, edge=0.45)
    canvas.blob((0.095, 0.31), (0.075, 0.18), 0.08, edge=0.7)
    inner = curve((0.46, 0.175), (0.38, 0.095), (0.27, 0.12))
    clavicle = [*inner, *curve((0.27, 0.12), (0.17, 0.14), (0.07, 0.125))]
    canvas.stroke(clavicle, width=0.030, level=BONE, opacity=0.34, soft=0.012)
    canvas.stroke(clavicle, width=0.012, level=SOFT, opacity=0.18, soft=0.012)


def _mediastinum(canvas: Canvas) -> None:
    upper_mediastinum(canvas, (0.5, 0.33), 0.0)
    knob = canvas.around((0.545, 0.335), (0.07, 0.09))
    knob.lift(ramp((1 - knob.reach((0.545, 0.335), (0.048, 0.055))) * 3 + 0.5), HEART)
    root = canvas.patch((0.3, 0.3), (0.7, 0.9))
    half = 0.058 + 0.055 * ramp((root.y - 0.36) * 5)
    level = ramp((root.y - 0.34) * 8) * ramp((0.86 - root.y) * 7)
    root.lift(level * ramp((half - np.abs(root.x - 0.507)) * 22 + 0.5), HEART)


def _spine(canvas: Canvas) -> None:
    patch = canvas.patch((0.40, -0.3), (0.60, 1.3))
    column = ramp((0.056 - np.abs(patch.x - 0.5)) * 40)
    patch.add(column * bands(patch.y * (1 / 0.062), width=0.78), 0.08)


def _airway(canvas: Canvas) -> None:
    """Paints trachea and main bronchi, to the carina at y = 0.34."""
    canvas.stroke([(0.495, -0.3), (0.497, 0.335)], width=0.034, level=0.40, opacity=0.55, soft=0.024)
    for end in ((0.45, 0.415), (0.56, 0.41)):
        canvas.stroke([(0.497, 0.345), end], width=0.018, level=0.42, opacity=0.36, soft=0.020)


def lateral_chest(canvas: Canvas, rng: np.random.Generator) -> None:
    """Paints body, lungs over each other, spine behind, sternum in front, heart, both domes, trachea."""
    picture = Patch(canvas.image, canvas.x, canvas.y)
    dx, dy = np.abs(picture.x - 0.47) * (1 / 0.44), np.maximum(0.55 - picture.y, 0) * (1 / 0.62)
    picture.cover(ramp((1.06 - np.sqrt(dx * dx + dy * dy)) * 9), SOFT)
    picture.add(ramp((picture.y - 0.66) * 4) * ramp((1 - dx) * 4), 0.26)
    for dome in (0.735, 0.70):  # two floors: the farther lung shines through the nearer dome
        picture.cover(picture.lung(canvas.lung.with_dome(dome)) * 0.72, LUNG)
    inside = picture.lung(canvas.lung)
    picture.add(inside * ramp((0.34 - picture.y) * 4), 0.14)  # shoulders and arms
    ahead = picture.x - 0.15
    ribs = bands((picture.y - 0.50 * ahead + 0.30 * ahead * ahead) * (1 / 0.088), width=0.36)
    picture.add(ribs * inside, 0.045)
    _aorta(canvas)
    _vessels(canvas, rng)
    heart(canvas, (0.65, 0.60), 1.0)
    _spine_and_sternum(canvas)


def _aorta(canvas: Canvas) -> None:
    arch = curve((0.64, 0.34), (0.54, 0.16), (0.35, 0.32))
    canvas.stroke([*arch, (0.31, 0.66)], width=0.06, level=SOFT, opacity=0.30, soft=0.05)


def _spine_and_sternum(canvas: Canvas) -> None:
    patch = canvas.patch((0.05, -0.1), (0.40, 1.1))
    dy = patch.y - 0.5
    off = np.abs(patch.x - 0.20 - 0.35 * dy * dy)
    body = ramp((0.058 - off) * 35)
    patch.add(body * bands((patch.y - 0.15 * patch.x) * (1 / 0.078), width=0.80), 0.16)
    patch.add(ramp((0.095 - off) * 18), 0.10)
    sternum = curve((0.735, 0.20), (0.82, 0.32), (0.845, 0.54))
    canvas.stroke(sternum, width=0.024, level=BONE, opacity=0.45, soft=0.014)
    canvas.stroke([(0.53, -0.05), (0.49, 0.36)], width=0.042, level=0.12, opacity=0.62, soft=0.022)  # trachea
    canvas.blob((0.42, 0.05), (0.24, 0.15), 0.16)  # shoulders


def heart(canvas: Canvas, at: Point, scale: float) -> None:
    """Paints the heart, `scale` times as wide as a normal one."""
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
    """Returns the smaller reach, rounded where the outlines meet (polynomial smooth minimum)."""
    near = np.maximum(0.4 - np.abs(a - b), 0)
    return np.minimum(a, b) - near * near * (0.25 / 0.4)


def upper_mediastinum(canvas: Canvas, at: Point, bulge: float) -> None:
    """Paints the upper mediastinum, which bulges most at its middle height; a bulge of 0 is normal."""
    patch = canvas.patch((0.2, -0.3), (0.85, 0.75))
    if canvas.lateral:
        patch.lift(ramp((1 - patch.reach(at, (0.11 * bulge, 0.21))) * 4 + 0.5), HEART)
        return
    half = 0.056 + 0.075 * bulge * ramp((0.29 - np.abs(patch.y - at[1])) * 4)
    patch.lift(ramp((half - np.abs(patch.x - at[0])) * 28 + 0.5) * ramp((0.62 - patch.y) * 8), HEART)
    _airway(canvas)


class View(NamedTuple):
    """A projection: the function that draws the chest, rows over columns, depth of breath, lung outline."""

    chest: Callable[[Canvas, np.random.Generator], None]
    aspect: float
    inflation: float
    lung: Lung
    lateral: bool = False


_LATERAL = View(lateral_chest, 1.2, 1.0, LATERAL_LUNG, lateral=True)
VIEWS = {
    "PA": View(frontal_chest, 1.2, 1.0, RIGHT_LUNG),
    "AP": View(partial(frontal_chest, heart_width=1.15), 1.05, 0.94, RIGHT_LUNG),
    "LATERAL": _LATERAL,
    "LL": _LATERAL,
}


def pose(view: View, rows: int, rng: np.random.Generator) -> Canvas:
    """Returns an empty picture of a body that is a little aside, turned, and closer or farther."""
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
    return replace(canvas.mirrored(), lateral=True) if view.lateral else canvas
