"""What the metrics declare, in the page's language; nothing in the page knows a metric by its name."""

from __future__ import annotations

from typing import NamedTuple

from laudo import metrics
from laudo.metrics import Metric
from laudo.metrics.statistics import mean
from laudo.vocabulary import Language


class Measure(NamedTuple):
    """A measure of a metric.

    Attributes:
        name: as the column `metric` of `scores` and `summary` has it.
        metric: the metric that gives it.
        title, reading: what a reader calls it, and how it is read.
        statistics: what a reader calls its statistics, in their order; none where they are not worth showing.
        is_foremost: whether it is the first measure of its metric.
        is_mean: whether it is the mean of the studies' own scores, and not a ratio of sums over studies.
    """

    name: str
    metric: Metric
    title: str
    reading: str
    statistics: tuple[str, ...]
    is_foremost: bool
    is_mean: bool


def declared(language: Language) -> tuple[Measure, ...]:
    """Returns the measures of all metrics in their order; the first one is the primary measure."""
    return tuple(
        Measure(
            name, metric, *metric.words[language][name], is_foremost=place == 0, is_mean=aggregate is mean
        )
        for metric in metrics.METRICS
        for place, (name, aggregate) in enumerate(metric.measures.items())
    )
