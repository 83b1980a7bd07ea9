"""What a metric is: rows for pairs of texts, and how the rows of many studies become one number.

A metric is one file of this folder and its line in `laudo.metrics.METRICS`. All code that goes over
metrics (the plan, the scores, the summary, the page) uses what is declared here, and names no metric.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Protocol

from laudo import findings
from laudo.engines.needs import Lack
from laudo.findings import Fact
from laudo.metrics.statistics import Aggregate
from laudo.settings import Settings
from laudo.vocabulary import Language


@dataclass(frozen=True)
class Text:
    """A text to score, and the facts that it states; these are given only to a metric that `reads` facts."""

    text: str
    facts: Sequence[Fact] = ()

    @property
    def is_empty(self) -> bool:
        return not self.text.strip()

    @property
    def labels(self) -> dict[str, int | None]:
        """CheXpert's 14 labels from the facts: 1, 0, -1, or None where the text does not mention the finding.

        An empty text has no label at all; a report without findings would have No Finding.
        """
        return dict.fromkeys(findings.LABELS) if self.is_empty else findings.labels(self.facts)


class ScoredPair(NamedTuple):
    """A study's generated report and its reference, None where there is none."""

    study_id: int
    candidate: Text
    reference: Text | None


class Score(NamedTuple):
    """One row of `scores`.

    Attributes:
        metric: a measure that the metric declares.
        label: the CheXpert label that it is of, or empty.
        value: the study's own score; None where it is not defined.
        statistics: what is summed over studies, as the measure's aggregate expects it; None where the
            study does not count.
        why: why the value is None or 0, or what was cut before scoring; else empty.
    """

    study_id: int
    metric: str
    label: str
    value: float | None
    statistics: Sequence[float] | None
    why: str


class MeasureWords(NamedTuple):
    """What a reader calls a measure.

    Attributes:
        title: its name.
        reading: one paragraph of plain text on how to read it; empty for all but a metric's foremost measure.
        statistics: the names of its statistics, in their order; empty where a reader gains nothing by seeing
            those of one study.
    """

    title: str
    reading: str
    statistics: tuple[str, ...] = ()


class Scorer(Protocol):
    """A metric with its settings; models are loaded when `signature` or `score` is first used."""

    @property
    def signature(self) -> str:
        """All that fixes a score, in sacreBLEU's style: `name|key:value|...|version:...`."""

    def score(self, pairs: Sequence[ScoredPair]) -> list[Score]:
        """Returns the rows of the pairs, in the order of the pairs; a pair's rows stand together.

        Each pair has one row for each measure, and for each label if the measure has labels, also where there
        is nothing to score. If the reference is None, `value` and `statistics` are None and `why` is
        "no reference". Two pairs of a metric with the measures `f1` and `recall`, the second without a
        reference:

            Score(7, "f1", "", 0.8, (0.8, 1.0), "")
            Score(7, "recall", "", 0.9, (0.9, 1.0), "")
            Score(8, "f1", "", None, None, "no reference")
            Score(8, "recall", "", None, None, "no reference")
        """


class Metric(Protocol):
    """A metric, as the plan and the page know it before anything is scored.

    Attributes:
        name: names its partition of `scores` and its section of `[evaluate]`.
        reference: the reference that it compares with.
        reads: whether it compares the texts alone, or the facts in them too.
        measures: the names of its measures, the foremost first, each with the aggregate that makes one
            number of the summed statistics of many studies.
        words: what a page says of each measure, by the page's language.
        settings: the section `[evaluate.<name>]`; None where it has no settings.
    """

    name: str
    reference: Language
    reads: Literal["text", "facts"]
    measures: Mapping[str, Aggregate]
    words: Mapping[Language, Mapping[str, MeasureWords]]
    settings: type[Settings] | None

    def identity(self, settings: Any) -> dict[str, Any]:
        """All that decides its scores besides the texts: JSON values, known without loading anything.

        A number `recipe` stands for the metric's code: it is raised with a change that gives other scores.
        """

    def lacks(self, settings: Any) -> list[Lack]:
        """Returns what it lacks on this machine to score, such as a model; nothing is loaded."""

    def open(self, settings: Any, *, batch_size: int) -> Scorer:
        """Makes a scorer; nothing is loaded yet."""
