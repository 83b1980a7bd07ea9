"""Checks of the meaning: the same findings, alike in denial, certainty, change over time and side.

Facts are compared as `laudo.findings` read them, so these checks know no more than its lexicon does. Beside
facts, two things are counted in words: sides, and sentences that state an acute process.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from typing import NamedTuple

from laudo.fidelity import phrases
from laudo.fidelity.data import check_data
from laudo.fidelity.section import FactPair, TranslatedSection, named, only_in_one
from laudo.findings import Fact
from laudo.vocabulary import Status


def findings(section: TranslatedSection) -> str:
    """Fails a translation that names a finding which the source does not name, or the reverse."""
    return only_in_one(list(section.source_facts), list(section.translation_facts))


def negation(section: TranslatedSection) -> str:
    """Fails a translation that states what the source denies, or the reverse."""
    names = _findings_that_differ(section, _polarity)
    # "No acute cardiopulmonary process", the commonest impression, denies no finding that has a name.
    if _acute_statements_pt(section.translation_sentences) > _acute_statements_en(section.source_sentences):
        names.append("acute process")
    return named("stated in one text, denied in the other:", names)


def certainty(section: TranslatedSection) -> str:
    """Fails a translation in which a finding is more or less certain than in the source."""
    return named("certain in one text, uncertain in the other:", _findings_that_differ(section, _certainty))


def change(section: TranslatedSection) -> str:
    """Fails a translation in which a finding changed otherwise since the prior study."""
    return named("another change over time:", _findings_that_differ(section, _change))


def laterality(section: TranslatedSection) -> str:
    """Fails a translation with more or fewer words for a side, or with the side of another finding."""
    source, translation = _without_understood(section.source), _without_understood(section.translation)
    counts = [
        (side, len(pattern.en.findall(source)), len(pattern.pt.findall(translation)))
        for side, pattern in _side_words().items()
    ]
    details = [
        f"{side}: {before} in the source, {after} in the translation"
        for side, before, after in counts
        if before != after
    ]
    # Words may agree in number and stand with the wrong findings.
    swapped = named("another side:", _findings_that_differ(section, _side))
    return "; ".join([*details, swapped] if swapped else details)


# --- facts ------------------------------------------------------------------------------------------------


def _polarity(fact: Fact) -> str:
    return "denied" if fact.status == Status.ABSENT else "stated"


def _certainty(fact: Fact) -> str | None:
    return None if fact.status == Status.ABSENT else fact.status


def _change(fact: Fact) -> str | None:
    # A resolved finding is read as absent, so it is a matter of denial.
    return None if fact.change == "resolved" else fact.change


def _side(fact: Fact) -> str | None:
    return fact.side


def _findings_that_differ(section: TranslatedSection, attribute: Callable[[Fact], str | None]) -> list[str]:
    """The findings that have the attribute in both texts, but not the same values."""
    return [finding for finding, facts in section.common_findings() if _differ(facts, attribute)]


def _differ(facts: FactPair, attribute: Callable[[Fact], str | None]) -> bool:
    """Whether the values differ: mention by mention, because a translation keeps the order of mentions.

    If one text has more mentions with a value, only the sets of values are compared, because one language may
    name twice what the other names once.
    """
    source, translation = _values(facts.source, attribute), _values(facts.translation, attribute)
    if not source or not translation:
        return False
    if len(source) == len(translation):
        return source != translation
    return set(source) != set(translation)


def _values(facts: Iterable[Fact], attribute: Callable[[Fact], str | None]) -> list[str]:
    values = (attribute(fact) for fact in facts)
    return [value for value in values if value]


# --- words ------------------------------------------------------------------------------------------------


class _Patterns(NamedTuple):
    """One pattern for each language."""

    en: re.Pattern[str]
    pt: re.Pattern[str]


def _acute_statements_en(sentences: Sequence[str]) -> int:
    return _count_statements(sentences, _acute_process().en, _denial().en)


def _acute_statements_pt(sentences: Sequence[str]) -> int:
    return _count_statements(sentences, _acute_process().pt, _denial().pt)


def _count_statements(sentences: Sequence[str], topic: re.Pattern[str], denial: re.Pattern[str]) -> int:
    """The number of sentences on a topic that hold no denial."""
    return len([s for s in sentences if topic.search(s) and not denial.search(s)])


@cache
def _acute_process() -> _Patterns:
    """In Portuguese the noun is needed too, because `seios costofrênicos agudos` are sharp angles."""
    data = check_data()["negation"]["acute_process"]
    noun, acute = phrases.any_of(data["nouns_pt"]), phrases.any_of(data["acute_pt"])
    between = rf"\w*[^,;]{{0,{data['reach_pt']}}}"
    noun_with_acute = re.compile(noun + between + acute, re.IGNORECASE)
    return _Patterns(en=phrases.compiled(data["acute_en"]), pt=noun_with_acute)


@cache
def _denial() -> _Patterns:
    data = check_data()["negation"]["denial"]
    return _Patterns(en=phrases.compiled(data["en"]), pt=phrases.compiled(data["pt"]))


def _without_understood(text: str) -> str:
    """The text without the sides that the other language need not say."""
    on_one_line = " ".join(text.split())  # a line may break within "right middle lobe"
    return _understood_side().sub(" ", on_one_line)


@cache
def _understood_side() -> re.Pattern[str]:
    return phrases.compiled(check_data()["laterality"]["understood"]["phrases"])


@cache
def _side_words() -> dict[str, _Patterns]:
    data = check_data()["laterality"]
    return {
        side: _Patterns(
            en=_words_or_capitals(data[side]["en"], data[side]["capitals_en"]),
            pt=_words_or_capitals(data[side]["pt"], data[side]["capitals_pt"]),
        )
        for side in ("left", "right")
    }


def _words_or_capitals(words: Sequence[str], capitals: Sequence[str]) -> re.Pattern[str]:
    """The words in any letters, the abbreviations only in capitals: `LIE` is a lobe."""
    return re.compile(rf"{phrases.any_of(words)}|(?-i:{phrases.any_of(capitals)})", re.IGNORECASE)
