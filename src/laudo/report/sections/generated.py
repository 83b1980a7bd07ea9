"""How many reports each arm wrote, and how many of them are empty or cut."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from laudo.report.context import Context
from laudo.report.tables import GenerationCounts


@dataclass(frozen=True)
class Generated:
    """What the section shows: the counts by arm, and the limit at which a report is cut."""

    arms: Mapping[str, GenerationCounts]
    max_new_tokens: int


def content(context: Context) -> Generated:
    return Generated(context.tables.generation_counts, context.experiment.generate.max_new_tokens)
