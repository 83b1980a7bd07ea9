"""Checks of the form: a complete translation, in as many sentences, with its blanks and nothing around it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from laudo.fidelity.data import check_data
from laudo.fidelity.section import TranslatedSection, words

_RUN = 6  # words; a run as long as this is rarely said twice
_LOOP = 3  # times
_BLANK = re.compile(r"_{3,}")  # MIMIC's mark for what was removed: a name, a date


def complete(section: TranslatedSection) -> str:
    """Fails a text that was cut short, an empty text, and a source that was copied instead of translated."""
    if section.stop != "end":
        return "cut short"
    if not section.translation:
        return "empty"
    return "an echo of the source" if _is_echo(words(section.source), words(section.translation)) else ""


def _is_echo(source: Sequence[str], translation: Sequence[str]) -> bool:
    """Whether nearly all words are the source's. A short text may be the same in both languages."""
    echo = check_data()["complete"]["echo"]
    if len(source) <= echo["longer_than"]:
        return False
    shared = (Counter(source) & Counter(translation)).total()
    return bool(2 * shared > echo["share"] * (len(source) + len(translation)))


def structure(section: TranslatedSection) -> str:
    """Fails a translation with many more or fewer sentences; one sentence may become several."""
    limits = check_data()["structure"]
    before, after = len(section.source_sentences), len(section.translation_sentences)
    tolerance = max(limits["tolerance"], limits["tolerated_share"] * before)
    if before == 1 or abs(before - after) <= tolerance:
        return ""
    return f"{before} sentences in the source, {after} in the translation"


def deid(section: TranslatedSection) -> str:
    """Fails a translation that lost a blank (`___`), filled one or has one too many."""
    before, after = len(_BLANK.findall(section.source)), len(_BLANK.findall(section.translation))
    return "" if before == after else f"{before} blanks in the source, {after} in the translation"


def preface(section: TranslatedSection) -> str:
    """Fails an answer with words around the translation. They have been taken out."""
    return (
        "words around the translation, taken out" if section.translation != section.without_markdown else ""
    )


def markdown(section: TranslatedSection) -> str:
    """Fails an answer with markdown. It has been taken out."""
    return "markdown, taken out" if section.without_markdown != section.raw.strip() else ""


def repetition(section: TranslatedSection) -> str:
    """Fails a translation that repeats itself more than its source, as a model in a loop does."""
    before, after = _most_repeated(words(section.source)), _most_repeated(words(section.translation))
    return f"the same {_RUN} words {after} times" if after >= _LOOP and after > before else ""


def _most_repeated(words: Sequence[str]) -> int:
    """How often the commonest run of `_RUN` words occurs."""
    runs = Counter(tuple(words[start : start + _RUN]) for start in range(len(words) - _RUN + 1))
    return max(runs.values(), default=0)
