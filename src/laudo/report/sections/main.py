"""The main result: differences between arms, and every arm by every measure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from markupsafe import Markup

from laudo.report import drawing
from laudo.report.context import Context
from laudo.report.drawing import Mark
from laudo.report.measures import Measure
from laudo.report.tables import Estimate


class ArmRow(NamedTuple):
    """An arm, the studies it was scored on (None without a score), and its estimates by measure."""

    arm: str
    studies: int | None
    estimates: Mapping[str, Estimate]


class DifferenceRow(NamedTuple):
    """A difference between two arms by one measure."""

    name: str
    measure: str
    estimate: Estimate


@dataclass(frozen=True)
class Main:
    """What the section shows.

    Attributes:
        primary: the figure of the differences by the primary measure, None where there are none.
        others: those of the other metrics' foremost measures.
    """

    primary: Markup | None
    others: tuple[Markup, ...]
    measures: tuple[Measure, ...]
    arms: tuple[ArmRow, ...]
    differences: tuple[DifferenceRow, ...]
    resamples: int


def content(context: Context) -> Main:
    differences = tuple(
        DifferenceRow(context.difference(estimate), measure.title, estimate)
        for measure in context.measures
        for estimate in _differences(context, measure)
    )
    foremost = [measure for measure in context.measures if measure.is_foremost]
    figures = {measure.name: _forest(context, measure) for measure in foremost}
    return Main(
        primary=figures.pop(context.primary.name),
        others=tuple(figure for figure in figures.values() if figure is not None),
        measures=tuple(measure for measure in context.measures if _is_estimated(context, measure)),
        arms=tuple(_arm(context, arm) for arm in context.experiment.arms),
        differences=differences,
        resamples=context.experiment.evaluate.resamples,
    )


def _differences(context: Context, measure: Measure) -> list[Estimate]:
    """The differences over all labels by one measure, those from a control last."""
    rows = [
        row
        for row in context.tables.estimates
        if row.versus and not row.label and row.measure == measure.name
    ]
    return sorted(rows, key=context.place_of_difference)


def _is_estimated(context: Context, measure: Measure) -> bool:
    return any(row.measure == measure.name for row in context.tables.estimates)


def _arm(context: Context, arm: str) -> ArmRow:
    estimates = {
        row.measure: row
        for row in context.tables.estimates
        if row.arm == arm and not row.versus and not row.label
    }
    studies = max((row.n for row in estimates.values()), default=None)
    return ArmRow(arm, studies, estimates)


# --- figures -----------------------------------------------------------------------------------------------


def _forest(context: Context, measure: Measure) -> Markup | None:
    """The differences by one measure, wide for the primary one; None where there are none."""
    is_primary = measure.name == context.primary.name
    marks = [_mark(context, row, is_long=is_primary) for row in _differences(context, measure)]
    if not marks:
        return None
    numbers = "; ".join(f"{mark.name} {' '.join(mark.notes)}" for mark in marks)
    alt = context.words.text("main.alt", measure=measure.title, differences=numbers)
    if not is_primary:
        return drawing.forest(marks, context.frame(title=measure.title, alt=alt, width_in=drawing.HALF_IN))
    frame = context.frame(title=measure.title, alt=alt, width_in=drawing.WIDE_IN)
    return drawing.for_each_screen(lambda frame: drawing.forest(marks, frame), frame)


def _mark(context: Context, row: Estimate, *, is_long: bool) -> Mark:
    """A difference, hollow if its interval contains 0; if long, with interval and p-value beside it."""
    words = context.words
    holds_zero = row.low is None or row.high is None or row.low <= 0 <= row.high
    notes = [words.signed(row.value)]
    if is_long:
        notes += [words.interval(row.low, row.high), f"p {words.p_value(row.p, row.p_floor)}"]
    return Mark(
        context.difference(row),
        drawing.INK,
        row.value,
        row.low,
        row.high,
        is_hollow=holds_zero,
        notes=tuple(notes),
    )
