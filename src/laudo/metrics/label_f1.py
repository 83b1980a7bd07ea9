"""F1 of CheXpert's 14 labels, which `findings` extracts from the generated report and from the reference.

Present and uncertain count as positive, absent and not mentioned as negative. The counts of all studies
are summed before F1 is computed (micro-F1).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np

import laudo
from laudo import findings
from laudo.engines.needs import Lack
from laudo.metrics.metric import MeasureWords, Score, ScoredPair, Scorer, Text
from laudo.metrics.statistics import Aggregate, micro_f1
from laudo.settings import Settings
from laudo.vocabulary import LABELS, Language

_MEASURE = "label_f1"

_POSITIVE = (1, -1)
"""Present and uncertain, as values of a label."""

_COUNTED_LABELS = {"": frozenset(LABELS), **{label: frozenset({label}) for label in LABELS}}
"""The rows of a study: the `label` of a row -> the labels that are counted in it."""

_READINGS: dict[Language, str] = {
    "pt": (
        "Um programa de regras lê o laudo gerado, em português, e o original, em inglês, e marca em cada "
        "um os quatorze rótulos do CheXpert. Presente e incerto contam como achado; ausente e não "
        "mencionado, como sem achado. O F1 junta os achados certos, os inventados e os omitidos de todos "
        "os estudos e rótulos antes de ser calculado (micro); não é a média dos F1 de cada rótulo (macro), "
        "e um achado frequente pesa mais nele. O valor 1 seria acertar todos sem inventar nenhum. Ele não vê "
        "lado, tamanho, posição de tubos nem evolução, trata todos os achados como igualmente graves, e erra "
        "onde as regras erram ao ler."
    ),
    "en": (
        "A program of rules reads the generated report, in Portuguese, and the original, in English, and "
        "marks CheXpert's fourteen labels in each. Present and uncertain count as a finding; absent and "
        "not mentioned, as no finding. F1 combines the right, the invented and the missed findings of all "
        "studies and labels before it is computed (micro); it is not the mean of the labels' own F1 (macro), "
        "and a common finding weighs more in it. 1 would mean that all were reported and none was invented. "
        "It does not see side, size, the position of tubes or change over time, treats all findings as "
        "equally serious, and errs where the rules misread a report."
    ),
}

_COUNTS: dict[Language, tuple[str, str, str]] = {
    "pt": ("rótulos certos", "inventados", "omitidos"),
    "en": ("right labels", "invented", "missed"),
}
"""What a reader calls tp, fp and fn."""


class LabelF1:
    """Micro-F1 over the 14 labels together, and of each label."""

    name = _MEASURE
    reference: Language = "en"
    reads: Literal["text", "facts"] = "facts"
    measures: Mapping[str, Aggregate] = {_MEASURE: micro_f1}
    words: Mapping[Language, Mapping[str, MeasureWords]] = {
        "pt": {_MEASURE: MeasureWords("F1 dos rótulos (micro)", _READINGS["pt"], _COUNTS["pt"])},
        "en": {_MEASURE: MeasureWords("Label F1 (micro)", _READINGS["en"], _COUNTS["en"])},
    }
    settings: type[Settings] | None = None

    def identity(self, settings: None) -> dict[str, Any]:
        """Returns a recipe number alone: the lexicon is in the identity of the facts."""
        return {"recipe": 1}

    def lacks(self, settings: None) -> list[Lack]:
        """Returns nothing: no model is needed."""
        return []

    def open(self, settings: None, *, batch_size: int) -> Scorer:
        """Returns a scorer, which loads nothing."""
        return _LabelScorer()


class _LabelScorer:
    @property
    def signature(self) -> str:
        return (
            f"label_f1|labels:chexpert-14|positive:present+uncertain|empty:no-label"
            f"|lexicon:{findings.lexicon_digest()}|version:{laudo.__version__}"
        )

    def score(self, pairs: Sequence[ScoredPair]) -> list[Score]:
        return [row for pair in pairs for row in _rows(pair)]


class _Counts(NamedTuple):
    """Labels positive in both texts, in the candidate alone, and in the reference alone."""

    tp: float
    fp: float
    fn: float


def _rows(pair: ScoredPair) -> Iterator[Score]:
    """Yields a study's row over all labels, and one for each label."""
    if pair.reference is None:
        for label in _COUNTED_LABELS:
            yield Score(pair.study_id, _MEASURE, label, None, None, "no reference")
        return
    candidate, reference = _positive_labels(pair.candidate), _positive_labels(pair.reference)
    for label, counted in _COUNTED_LABELS.items():
        counts = _count(candidate=candidate & counted, reference=reference & counted)
        value = _f1(counts)
        why = _why(value, pair.candidate)
        yield Score(pair.study_id, _MEASURE, label, value, counts, why)


def _positive_labels(text: Text) -> set[str]:
    return {label for label, value in text.labels.items() if value in _POSITIVE}


def _count(*, candidate: set[str], reference: set[str]) -> _Counts:
    both, invented, missed = candidate & reference, candidate - reference, reference - candidate
    return _Counts(float(len(both)), float(len(invented)), float(len(missed)))


def _f1(counts: _Counts) -> float | None:
    return float(micro_f1(np.array(counts))) if any(counts) else None


def _why(value: float | None, candidate: Text) -> str:
    if value is None:
        return "no label in either text"
    return "empty candidate" if candidate.is_empty else ""
