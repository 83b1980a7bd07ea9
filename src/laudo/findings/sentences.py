"""The sentences of a report that may state findings: no questions, no indication, technique or comparison."""

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache

from laudo.findings.lexicon import Lexicon
from laudo.findings.text import fold


def spans(plain: str, lexicon: Lexicon) -> Iterator[tuple[int, int]]:
    """Where each such sentence starts and ends."""
    start, silent = 0, False
    breaks, headings = _layout(lexicon)
    for heading in headings.finditer(plain):
        if not silent:
            yield from _split(plain, breaks, start, heading.start())
        start, silent = heading.start(), bool(heading["silent"])
    if not silent:
        yield from _split(plain, breaks, start, len(plain))


def _split(plain: str, breaks: re.Pattern[str], start: int, end: int) -> Iterator[tuple[int, int]]:
    for stop in breaks.finditer(plain, start, end):
        if stop["end"] is None:
            continue
        if stop["end"] != "?":
            yield start, stop.start()
        start = stop.end()
    if start < end:
        yield start, end


@cache
def _layout(lexicon: Lexicon) -> tuple[re.Pattern[str], re.Pattern[str]]:
    return _breaks(lexicon.layout), _headings(lexicon.layout)


def _words(phrases: Sequence[str]) -> str:
    """An expression for any of the phrases, with or without accents."""
    forms = {form for phrase in phrases for form in (phrase, fold(phrase))}
    return "|".join(re.escape(form) for form in sorted(forms, key=len, reverse=True)) or "(?!)"


def _breaks(layout: Mapping[str, Sequence[str]]) -> re.Pattern[str]:
    """Where sentences end: group `end` matches there; a match without it protects a stop or a line break.

    A dash between blanks does before a capital; a line break does before a blank line, a list mark or a
    capitalised word, unless the line stops at a comma or at a word that cannot end a sentence.
    """
    return re.compile(
        rf"\b(?i:{_words(layout['abbreviations'])})\.(?=\s{{1,4}}[a-zà-ÿ])"
        rf"|(?:,|\b(?i:{_words(layout['unfinished'])}))[ \t]{{0,8}}\r?\n"
        r"|(?P<end>[!?]|;(?!\s{0,3}[a-z]\))|(?<=\s)[-–](?=\s[A-ZÀ-Ý])|\.(?=\s|\Z|[A-ZÀ-Ý])|\r?\n[ \t]{0,8}"
        r"(?:\r?\n|(?=[A-ZÀ-Ý][a-zà-ÿ])|(?:[-*•]|\d{1,2}[.)]|[a-z]\))[ \t]))"
    )


def _headings(layout: Mapping[str, Sequence[str]]) -> re.Pattern[str]:
    """Headings at the start of a line or after a stop: group `silent` if what follows states no findings."""
    return re.compile(
        rf"(?:^|(?<=[.;]))[ \t]{{0,8}}(?:(?P<silent>(?i:{_words(layout['silent'])}))"
        rf"|(?i:{_words(layout['spoken'])})|[A-ZÀ-Ý][A-ZÀ-Ý /]{{2,40}})[ \t]?:",
        re.MULTILINE,
    )
