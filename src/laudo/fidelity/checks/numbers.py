"""The check of numbers: every number of the source, with its unit, and no other."""

from __future__ import annotations

import re
from collections import Counter
from functools import cache

from laudo.fidelity import phrases
from laudo.fidelity.data import check_data
from laudo.fidelity.section import TranslatedSection, only_in_one, words


def numbers(section: TranslatedSection) -> str:
    """Fails a translation that lacks a number of the source or has another one.

    A number in digits may be a word in the other language (`spelled` in the data).
    """
    source, translation = _numbers(section.source), _numbers(section.translation)
    only_source = _not_spelled(source - translation, section.translation)
    only_translation = _not_spelled(translation - source, section.source)
    return only_in_one(only_source, only_translation)


def _numbers(text: str) -> Counter[str]:
    """The numbers of a text and how often each occurs: `4.5 cm`, `12 mm`, `6`."""
    return Counter(_standard_form(match) for match in _number().finditer(text))


@cache
def _number() -> re.Pattern[str]:
    units = check_data()["numbers"]["units"]
    whole = r"(?P<whole>\d+)"
    decimals = r"(?:[.,](?P<decimals>\d+))?"  # a comma in Portuguese
    unit = "|".join(f"(?P<{name}>{phrases.any_ending_of(unit['forms'])})" for name, unit in units.items())
    return re.compile(rf"{whole}{decimals}(?:[\s-]?(?:{unit}))?", re.IGNORECASE)


def _standard_form(match: re.Match[str]) -> str:
    """The number with a decimal point, without zeros that do not count, with its unit if it has one."""
    whole = match["whole"].lstrip("0") or "0"
    decimals = (match["decimals"] or "").rstrip("0")
    number = f"{whole}.{decimals}" if decimals else whole
    unit = next((name for name in check_data()["numbers"]["units"] if match[name]), None)
    return f"{number} {unit}" if unit else number


def _not_spelled(counts: Counter[str], other_text: str) -> list[str]:
    """The numbers that the other text does not write as a word."""
    other_words = set(words(other_text))
    return [number for number in counts.elements() if other_words.isdisjoint(_spellings(number))]


def _spellings(number: str) -> list[str]:
    spelled = check_data()["numbers"]["spelled"].get(number)
    return [*spelled["en"], *spelled["pt"]] if spelled else []
