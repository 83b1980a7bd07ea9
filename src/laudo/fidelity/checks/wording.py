"""Checks of the wording: Portuguese, as it is written in Brazil, in a radiologist's terms."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache

from laudo.fidelity import phrases
from laudo.fidelity.data import check_data
from laudo.fidelity.section import TranslatedSection, named, words


def language(section: TranslatedSection) -> str:
    """Fails a translation with sentences in English. Short sentences are not judged."""
    # Only English counts: Portuguese in short sentences may look Spanish.
    minimum = check_data()["language"]["words"]
    judged = [sentence for sentence in section.translation_sentences if len(words(sentence)) >= minimum]
    english = [sentence for sentence in judged if _is_english(sentence)]
    return f"{len(english)} of {len(judged)} sentences in English" if english else ""


def _is_english(sentence: str) -> bool:
    (code, score), (_, second_score), *_ = _rank_languages()(sentence)
    return code == "en" and score - second_score > check_data()["language"]["margin"]


@cache
def _rank_languages() -> Callable[[str], list[tuple[str, float]]]:
    """The languages of a sentence with their log-probabilities, the likeliest first."""
    import py3langid

    py3langid.set_languages(check_data()["language"]["candidates"])
    rank: Callable[[str], list[tuple[str, float]]] = py3langid.rank
    return rank


def brazilian(section: TranslatedSection) -> str:
    """Fails a translation with European spellings or words, each by its meaning."""
    return named("European form of:", _meanings_in(section.translation, "brazilian"))


def terminology(section: TranslatedSection) -> str:
    """Fails a translation with terms that look like the English ones but are not a radiologist's."""
    return named("false friend of:", _meanings_in(section.translation, "terminology"))


def _meanings_in(text: str, check: str) -> list[str]:
    return [meaning for meaning, pattern in _patterns(check).items() if pattern.search(text)]


@cache
def _patterns(check: str) -> dict[str, re.Pattern[str]]:
    """The patterns of a check by meaning: `chest tube` for `chest_tube` in the data."""
    entries = check_data()[check]
    return {name.replace("_", " "): phrases.compiled(entry["phrases"]) for name, entry in entries.items()}
