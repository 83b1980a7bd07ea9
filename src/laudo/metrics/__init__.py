"""Measures of generated reports: a metric is one file here and its line in `METRICS`.

metric       what a metric declares
statistics   intervals and tests by patient
label_f1     F1 of CheXpert's 14 labels
bertscore    BERTScore, against either reference
encoder      the model that BERTScore compares texts with
"""

from laudo.metrics.bertscore import BertScore
from laudo.metrics.label_f1 import LabelF1
from laudo.metrics.metric import MeasureWords, Metric, Score, ScoredPair, Scorer, Text

METRICS: tuple[Metric, ...] = (LabelF1(), BertScore("pt"), BertScore("en"))
"""In the order in which a reader meets them; the first one is the primary measure."""

__all__ = [
    "METRICS",
    "BertScore",
    "LabelF1",
    "MeasureWords",
    "Metric",
    "Score",
    "ScoredPair",
    "Scorer",
    "Text",
]
