"""The main figures without the test studies whose reference is in doubt, beside those of all test studies."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from laudo.fidelity import LEARNABLE
from laudo.report.context import Context
from laudo.report.measures import Measure
from laudo.report.tables import Estimate
from laudo.vocabulary import References


class Pair(NamedTuple):
    """An arm or a difference, estimated from all test studies and from those with a learnable reference."""

    name: str
    all: Estimate
    learnable: Estimate


class Compared(NamedTuple):
    """A measure: its arms, then the differences between them."""

    title: str
    pairs: tuple[Pair, ...]


@dataclass(frozen=True)
class Sensitivity:
    """What the section shows: the foremost measures, and how many of the test references are in doubt."""

    measures: tuple[Compared, ...]
    in_doubt: int
    references: int
    all: References = References.ALL
    learnable: References = References.LEARNABLE


def content(context: Context) -> Sensitivity | None:
    """Returns the foremost measures; None where no reference is in doubt."""
    verdicts = context.tables.verdicts["test"]
    in_doubt = sum(n for verdict, n in verdicts.items() if verdict not in LEARNABLE)
    measures = tuple(_compared(context, measure) for measure in context.measures if measure.is_foremost)
    if not in_doubt or not any(measure.pairs for measure in measures):
        return None
    return Sensitivity(measures, in_doubt, sum(verdicts.values()))


def _compared(context: Context, measure: Measure) -> Compared:
    every, learnable = (
        _by_arms(context.tables.estimates_of(references), measure)
        for references in (References.ALL, References.LEARNABLE)
    )
    arms = [*context.experiment.arms]
    of_arms = sorted((row for row in every.values() if not row.versus), key=lambda row: arms.index(row.arm))
    of_pairs = sorted((row for row in every.values() if row.versus), key=context.place_of_difference)
    return Compared(
        measure.title,
        tuple(
            Pair(_name(context, row), row, learnable[row.arm, row.versus])
            for row in (*of_arms, *of_pairs)
            if (row.arm, row.versus) in learnable
        ),
    )


def _by_arms(estimates: Iterable[Estimate], measure: Measure) -> dict[tuple[str, str], Estimate]:
    """(arm, versus) -> the estimate by one measure over all labels."""
    return {(row.arm, row.versus): row for row in estimates if row.measure == measure.name and not row.label}


def _name(context: Context, row: Estimate) -> str:
    return context.difference(row) if row.versus else context.arm(row.arm)
