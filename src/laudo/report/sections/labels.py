"""The measures that have estimates by CheXpert label, in a figure and in numbers."""

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

MIN_POSITIVES = 10
"""An estimate that rests on fewer studies with the finding is drawn hollow and without interval."""


class LabelRow(NamedTuple):
    """A label, the test studies that have it, and its estimates by arm (None where there is none)."""

    label: str
    positives: int
    estimates: tuple[Estimate | None, ...]


class ByLabel(NamedTuple):
    """One measure by label."""

    title: str
    figure: Markup
    rows: tuple[LabelRow, ...]


@dataclass(frozen=True)
class Labels:
    """What the section shows: each measure that has estimates by label, the commonest finding first."""

    measures: tuple[ByLabel, ...]
    arms: tuple[str, ...]
    min_positives: int


def content(context: Context) -> Labels | None:
    estimates = [_estimates(context, measure) for measure in context.measures]
    measures = tuple(
        _by_label(context, measure, rows)
        for measure, rows in zip(context.measures, estimates, strict=True)
        if rows
    )
    return Labels(measures, tuple(context.experiment.arms), MIN_POSITIVES) if measures else None


def _estimates(context: Context, measure: Measure) -> dict[tuple[str, str], Estimate]:
    """(arm, label) -> the estimate by one measure."""
    return {
        (row.arm, row.label): row
        for row in context.tables.estimates
        if row.label and not row.versus and row.measure == measure.name
    }


def _by_label(context: Context, measure: Measure, estimates: Mapping[tuple[str, str], Estimate]) -> ByLabel:
    positives = context.tables.positives
    rows = tuple(
        LabelRow(
            label, positives[label], tuple(estimates.get((arm, label)) for arm in context.experiment.arms)
        )
        for label in sorted(positives, key=lambda label: -positives[label])
    )
    return ByLabel(measure.title, _figure(context, measure, rows), rows)


def _figure(context: Context, measure: Measure, rows: tuple[LabelRow, ...]) -> Markup:
    words = context.words
    groups = {
        f"{words.label(row.label)} ({words.whole(row.positives)})": [
            _mark(context, arm, estimate, is_hollow=row.positives < MIN_POSITIVES)
            for arm, estimate in zip(context.experiment.arms, row.estimates, strict=True)
        ]
        for row in rows
    }
    frame = context.frame(
        title=words.text("labels.axis", measure=measure.title),
        alt=words.text("labels.alt", measure=measure.title),
        width_in=drawing.WIDE_IN,
    )
    return drawing.for_each_screen(lambda frame: drawing.bars(groups, frame), frame)


def _mark(context: Context, arm: str, estimate: Estimate | None, *, is_hollow: bool) -> Mark:
    name, colour = context.arm(arm), context.colours[arm]
    if estimate is None:
        return Mark(name, colour, None, None, None)
    return Mark(name, colour, estimate.value, estimate.low, estimate.high, is_hollow=is_hollow)
