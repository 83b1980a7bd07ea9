"""How to read the page: the measures, intervals and p-values, the control, and what all this is not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from laudo.report.context import Context


class Explained(NamedTuple):
    """Measures that are read alike, and how."""

    titles: tuple[str, ...]
    reading: str


@dataclass(frozen=True)
class Reading:
    """What the section shows."""

    measures: tuple[Explained, ...]
    primary: str
    has_control: bool


def content(context: Context) -> Reading:
    return Reading(_explained(context), context.primary.title, has_control=bool(context.experiment.controls))


def _explained(context: Context) -> tuple[Explained, ...]:
    """The measures that have a text on how to read them; most are read like the foremost of their metric."""
    by_reading: dict[str, list[str]] = {}
    for measure in context.measures:
        if measure.reading:
            by_reading.setdefault(measure.reading, []).append(measure.title)
    return tuple(Explained(tuple(titles), reading) for reading, titles in by_reading.items())
