"""The curves of the training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from laudo.report import drawing
from laudo.report.context import Context
from laudo.report.drawing import Line
from laudo.report.tables import Point

_LOSS = "loss"


@dataclass(frozen=True)
class Training:
    """What the section shows: the curves, and the point with the lowest validation loss."""

    figures: tuple[Markup, ...]
    lowest: Point | None


def content(context: Context) -> Training | None:
    points = context.tables.training
    if not points:
        return None
    curves = dict.fromkeys(point.curve for point in sorted(points, key=_loss_first))
    figures = tuple(_figure(context, curve) for curve in curves)
    losses = [point for point in points if point.curve == _LOSS and point.split == "validate"]
    return Training(figures, min(losses, key=lambda point: point.value, default=None))


def _loss_first(point: Point) -> tuple[bool, str]:
    return point.curve != _LOSS, point.curve


def _figure(context: Context, curve: str) -> Markup:
    words = context.words
    training, validation = (
        [point for point in context.tables.training if point.curve == curve and point.split == split]
        for split in ("train", "validate")
    )
    lines = [
        Line(words.split("train"), _coordinates(training), drawing.MUTED, is_strong=False),
        Line(words.split("validate"), _coordinates(validation), _colour(context), is_strong=True),
    ]
    ends = "; ".join(_ends(context, points) for points in (training, validation) if points)
    alt = words.text("training.alt", curve=words.curve(curve), ends=ends)
    frame = context.frame(title=words.curve(curve), alt=alt, width_in=drawing.THIRD_IN)
    return drawing.curves(lines, frame, axis=words.text("training.step"))


def _coordinates(points: Sequence[Point]) -> list[tuple[int, float]]:
    return [(point.step, point.value) for point in points]


def _ends(context: Context, points: Sequence[Point]) -> str:
    """Where a line begins and ends, in words."""
    words, first, last = context.words, points[0], points[-1]
    return words.text(
        "training.ends",
        split=words.split(first.split),
        first_value=words.number(first.value),
        first_step=first.step,
        last_value=words.number(last.value),
        last_step=last.step,
    )


def _colour(context: Context) -> str:
    """The hue of the first tuned arm."""
    tuned = [name for name, arm in context.experiment.arms.items() if arm.adapter]
    return context.colours[tuned[0]]
