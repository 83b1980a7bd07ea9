"""How the scores of the studies are distributed, by the measures that are means of them.

A measure that is a ratio of sums over all studies is not shown: the mean of its studies' scores would be
another number than its estimate.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from markupsafe import Markup

from laudo.report import drawing
from laudo.report.context import Context
from laudo.report.drawing import Violin
from laudo.report.measures import Measure


@dataclass(frozen=True)
class Spread:
    """What the section shows: a figure for each measure, foremost measures first."""

    figures: tuple[Markup, ...]


def content(context: Context) -> Spread | None:
    means = [measure for measure in context.measures if measure.is_mean]
    means.sort(key=lambda measure: not measure.is_foremost)
    figures = [_figure(context, measure) for measure in means]
    not_empty = tuple(figure for figure in figures if figure is not None)
    return Spread(not_empty) if not_empty else None


class _Values(NamedTuple):
    """The scores of an arm's studies by one measure: all of them, and those of reports that are not empty."""

    all: list[float]
    not_empty: list[float]

    @property
    def mean(self) -> float | None:
        return sum(self.all) / len(self.all) if self.all else None


def _figure(context: Context, measure: Measure) -> Markup | None:
    """The distributions of one measure; None without a score."""
    words = context.words
    by_arm = {arm: _values(context, measure, arm) for arm in context.experiment.arms}
    means = "; ".join(
        words.text("spread.mean", arm=context.arm(arm), mean=words.number(values.mean), count=len(values.all))
        for arm, values in by_arm.items()
        if values.all
    )
    if not means:
        return None
    alt = words.text("spread.alt", measure=measure.title, means=means)
    violins = [_violin(context, arm, values) for arm, values in by_arm.items()]
    return drawing.violins(violins, context.frame(title=measure.title, alt=alt, width_in=drawing.HALF_IN))


def _violin(context: Context, arm: str, values: _Values) -> Violin:
    """Empty reports are in the mean, and counted beside it, but not in the shape."""
    words = context.words
    note = words.number(values.mean)
    empty = len(values.all) - len(values.not_empty)
    if empty:
        note = f"{note} {words.text('spread.empty', count=empty)}"
    return Violin(context.arm(arm), context.colours[arm], values.not_empty, values.mean, note)


def _values(context: Context, measure: Measure, arm: str) -> _Values:
    scores = context.tables.scores[arm].get(measure.name, {}).values()
    return _Values(
        all=[score.value for score in scores if score.value is not None],
        not_empty=[score.value for score in scores if score.value is not None and not score.is_empty],
    )
