"""A chest radiograph drawn from facts: frontal or lateral, the same picture for the same arguments.

`chest` draws the patient, this module draws the findings. Each finding has a sign, painted in body
coordinates (see `canvas`); what is on the patient's right is on the left of the picture.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from laudo.phantom.canvas import AIR, BONE, HEART, METAL, SOFT, Canvas, Point, bands, curve, ramp
from laudo.phantom.chest import VIEWS, heart, pose, upper_mediastinum
from laudo.phantom.facts import TrueFact
from laudo.vocabulary import Status

SIZES = {"small": 0.78, "moderate": 1.0, "large": 1.28, None: 1.0}
STRENGTH = {Status.PRESENT: 1.0, Status.UNCERTAIN: 0.5}
SIDES = {"right": ("right",), "left": ("left",), "bilateral": ("right", "left"), None: ("right",)}
APART = {"right": 0.015, "left": -0.015}  # in a lateral view, where both sides lie over each other


def draw(facts: Sequence[TrueFact], *, view: str, size_px: int, seed: int) -> npt.NDArray[np.uint8]:
    """Returns one drawn radiograph.

    The patient's position, the exposure and the grain depend only on `seed` and `view`: two pictures of the
    same seed, with and without a fact, differ only in the sign of that fact.

    Args:
        facts: what the picture shows; absent facts leave no trace, and the order does not matter.
        view: `PA`, `AP`, `LATERAL` or `LL`.
        size_px: the number of rows, the longer side.
        seed: not negative.

    Returns:
        Grey levels, (rows, columns), air black and bone white.
    """
    rng = np.random.default_rng([seed, list(VIEWS).index(view)])
    canvas = pose(VIEWS[view], size_px, rng)
    exposure, contrast = rng.uniform(-0.03, 0.03), rng.uniform(0.92, 1.06)
    VIEWS[view].chest(canvas, rng)
    for place, (name, sign) in enumerate(SIGNS.items(), start=len(VIEWS)):
        for fact in facts:
            if name == (fact.kind or fact.finding) and fact.status != Status.ABSENT:
                _show(canvas, sign, fact, np.random.default_rng([seed, place]))
    shape = canvas.image.shape
    grain = rng.random(shape, dtype=np.float32) + rng.random(shape, dtype=np.float32) - 1
    image = (canvas.image - 0.5) * contrast + (0.5 + exposure) + 0.035 * grain
    grey: npt.NDArray[np.uint8] = np.rint(np.clip(image, 0, 1) * 255).astype(np.uint8)
    return grey


def _show(canvas: Canvas, sign: Sign, fact: TrueFact, rng: np.random.Generator) -> None:
    """Draws the sign on its side or sides; an uncertain one by mixing the picture with and without it."""
    before = canvas.image.copy()
    x, y = sign.lateral if canvas.lateral else sign.frontal
    for side in ("right",) if sign.midline else SIDES[fact.side]:
        apart = APART[side] if canvas.lateral else 0.0
        at = (x + apart + rng.uniform(-0.008, 0.008), y - apart + rng.uniform(-0.008, 0.008))
        flipped = side == "left" and not canvas.lateral
        sign.draw(canvas.mirrored() if flipped else canvas, at, SIZES[fact.size], rng)
    canvas.image[...] = before + STRENGTH[fact.status] * (canvas.image - before)


def cardiomegaly(canvas: Canvas, at: Point, scale: float, rng: np.random.Generator) -> None:
    heart(canvas, at, 1 + 0.42 * scale)


def widened(canvas: Canvas, at: Point, scale: float, rng: np.random.Generator) -> None:
    upper_mediastinum(canvas, at, scale)


def effusion(canvas: Canvas, at: Point, scale: float, rng: np.random.Generator) -> None:
    """Paints fluid up to the level at[1], higher at the wall: a meniscus."""
    patch = canvas.patch((0.0, 0.40), (0.75, 1.1))
    top = at[1] - 0.24 * (scale - 1) - 1.5 * np.square(np.maximum(0.36 - patch.x, 0))
    inside = patch.lung(canvas.lung.with_dome(canvas.lung.dome[1] + 0.06))
    away = ramp((0.62 - patch.x) * 6) if canvas.lateral else 1.0
    patch.lift(inside * ramp((patch.y - top) * 30 + 0.5) * away, HEART + 0.04)


def pneumothorax(canvas: Canvas, at: Point, scale: float, rng: np.random.Generator) -> None:
    """Paints black air between the wall and a thin bright pleural line, without lung markings."""
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
    """Paints two plates, nearly horizontal."""
    for dx, dy, half in ((0.0, 0.0, 0.115), (0.02, 0.038, 0.09)):
        plate, radii = (at[0] + dx, at[1] + dy), (half * scale, 0.017 * scale)
        patch = canvas.around(plate, (radii[0], 0.05))
        patch = patch._replace(y=patch.y + 0.10 * (patch.x - plate[0]))
        patch.cover(ramp((1 - patch.reach(plate, radii)) * 2.5), BONE)


def edema(canvas: Canvas, at: Point, scale: float, rng: np.random.Generator) -> None:
    """Paints a butterfly: haze around both hila, with streaks."""
    for side in (canvas,) if canvas.lateral else (canvas, canvas.mirrored()):
        radii = (0.19 * scale, 0.19 * scale)
        patch = side.around(at, radii)
        wing = ramp((1 - patch.reach(at, radii)) * 1.4) * patch.lung(canvas.lung, edge=0.12)
        streaks = bands((patch.y - 0.6 * patch.x) * 26, width=0.35)
        patch.add(wing * (0.75 + 0.35 * streaks), 0.42)


def plaque(canvas: Canvas, at: Point, scale: float, rng: np.random.Generator) -> None:
    """Paints thickened pleura along the lateral wall."""
    lens = (0.036 * scale, 0.105 * scale)
    patch = canvas.around(at, lens)
    patch.cover(ramp((1 - patch.reach(at, lens)) * 3), BONE)


def fracture(canvas: Canvas, at: Point, scale: float, rng: np.random.Generator) -> None:
    """Paints a rib in two pieces, one lower than the other, and dark between them."""
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
    patch.cover(ramp((1 - np.sqrt(dx * dx + dy * dy)) * 6 + 0.5), METAL)  # a box with round corners


class Sign(NamedTuple):
    """How a finding looks: the function that draws it, and its place (x, y) in frontal and lateral views.

    `draw` receives the canvas, the place moved a little, the size (1 is moderate) and a generator of its own.
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
