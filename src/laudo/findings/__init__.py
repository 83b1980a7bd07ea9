"""The facts a chest X-ray report states, in English or Brazilian Portuguese, and CheXpert's 14 labels from them.

One engine reads all languages; what differs is data (`concepts/*.toml`, `languages/*.toml`). From text to labels:

    text        small letters without accents, and where each character stood
    sentences   those that may state findings
    schema      what a file of the lexicon may say
    phrases     how a phrase is written and found
    lexicon     the phrases of a sentence and what each does
    clauses     how far the words around a mention can reach
    verdicts    present, absent or uncertain
    structures  what is said of a heart, a mediastinum, an aorta
    details     side, place, size, change, measure
    reading     all of it: `read`
    labels      CheXpert's labels: `labels`
"""

from laudo.findings.labels import labels
from laudo.findings.reading import Fact, Measure, Mode, as_json, forget, mistaken, read
from laudo.findings.schema import Lang
from laudo.mimic import LABELS

__all__ = ["LABELS", "Fact", "Lang", "Measure", "Mode", "as_json", "forget", "labels", "mistaken", "read"]
