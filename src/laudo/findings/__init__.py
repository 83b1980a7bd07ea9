"""The facts that a chest X-ray report states in English or Brazilian Portuguese, and CheXpert's 14 labels.

One engine reads all languages. The words of a language are data: `concepts/*.toml` and `languages/*.toml`.
The modules, in the order in which each uses those above it:

    facts       a fact, and the forms in which it is written and stored
    text        lower-case text without accents, and where each character stood in the original
    schema      what a file of the lexicon may contain
    sources     the files of the lexicon
    phrases     how a phrase is written, and how it is found in a text
    lexicon     the phrases of a sentence, and what each of them does
    sentences   the sentences that may state findings
    clauses     how far the words around a mention can reach
    assertions  present, absent or uncertain
    structures  what is said about a heart, a mediastinum, an aorta
    details     side, location, size, change and measure
    reader      all of these together: `read`
    labels      CheXpert's labels: `labels`
"""

from laudo.findings.facts import Fact, Measure, Mode, as_json, as_row, from_row
from laudo.findings.labels import labels
from laudo.findings.reader import clear_cache, failed_examples, read
from laudo.findings.schema import LanguageCode
from laudo.findings.sources import lexicon_digest
from laudo.vocabulary import LABELS

__all__ = [
    "LABELS",
    "Fact",
    "LanguageCode",
    "Measure",
    "Mode",
    "as_json",
    "as_row",
    "clear_cache",
    "failed_examples",
    "from_row",
    "labels",
    "lexicon_digest",
    "read",
]
