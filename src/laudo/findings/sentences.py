"""The sentences of a report that may state findings: no indication, technique, mere question ..."""

import re
from collections.abc import Iterator, Sequence
from functools import cache
from typing import NamedTuple

from laudo.findings.lexicon import Lexicon
from laudo.findings.schema import Layout
from laudo.findings.text import fold

_STOP = re.compile(r"[.;](?=\s|\Z)")
_COLON = re.compile(r"[:(,]")
# The end of a section under a heading without findings: a blank line.
_BLANK_LINE = re.compile(r"(?<=\S)[ \t]{0,8}\r?\n[ \t]{0,8}\r?\n")
# The end of a section of one line: the end of a line with text that does not end in a comma, if a capital
# follows.
_END_OF_LINE = r":[ \t]{0,8}\S[^\n]*(?<![,\s])[ \t]{0,8}\n(?=\s{0,8}[A-ZÀ-Ý])"
_ONE_LINE = re.compile(rf"{_END_OF_LINE}|{_BLANK_LINE.pattern}")
# What follows a question mark if the sentence goes on.
_GOES_ON = re.compile(r"\s{0,3}(?![A-ZÀ-Ý])[\w(]")


class _Patterns(NamedTuple):
    """Where sentences end; where they end in a text without full stops; and the headings."""

    ends: re.Pattern[str]
    ends_of_lines: re.Pattern[str]
    headings: re.Pattern[str]


def spans(text: str, lexicon: Lexicon) -> Iterator[tuple[int, int]]:
    """Yields the start and the end of each such sentence.

    In a text without full stops each line is a sentence.
    """
    patterns = _patterns(lexicon)
    ends = patterns.ends if _STOP.search(text) else patterns.ends_of_lines
    for start, end in _sections(text, patterns.headings):
        yield from _sentences(text, ends, start, end)


def _sections(text: str, headings: re.Pattern[str]) -> Iterator[tuple[int, int]]:
    """Yields the start and the end of each section, without text under a heading without findings."""
    start, end_of_skipped = 0, None
    for heading in headings.finditer(text):
        yield _start(text, start, heading.start(), end_of_skipped), heading.start()
        start, end_of_skipped = heading.start(), _end_of_skipped(heading)
    yield _start(text, start, len(text), end_of_skipped), len(text)


def _end_of_skipped(heading: re.Match[str]) -> re.Pattern[str] | None:
    """Returns what ends the text that is skipped under a heading; None if the heading has findings."""
    if heading["one_line"]:
        return _ONE_LINE
    return _BLANK_LINE if heading["without_findings"] or heading["alone"] else None


def _start(text: str, start: int, end: int, end_of_skipped: re.Pattern[str] | None) -> int:
    """Returns where the text of a section begins that may state findings."""
    if not end_of_skipped:
        return start
    match = end_of_skipped.search(text, start, end)
    return match.end() if match else end


def _sentences(text: str, ends: re.Pattern[str], start: int, end: int) -> Iterator[tuple[int, int]]:
    """Yields the sentences between two characters, without mere questions."""
    states = False
    for stop in ends.finditer(text, start, end):
        if stop["end"] is None:
            continue
        if stop["end"] != "?":
            yield start, stop.start()
        else:
            states = states or _states_before_question(text, start, stop.start())
            if states and _GOES_ON.match(text, stop.end(), end):
                continue  # "opacity at the base: atelectasis? pneumonia?" is one sentence
            if states:
                yield start, stop.end()
        start, states = stop.end(), False
    if start < end:
        yield start, end


def _states_before_question(text: str, start: int, end: int) -> bool:
    """Returns whether a sentence states something before it asks.

    "Opacity (atelectasis?)" does, "pneumonia?" does not.
    """
    colon = _COLON.search(text, start, end)
    return bool(colon and text[start : colon.start()].strip())


@cache
def _patterns(lexicon: Lexicon) -> _Patterns:
    layout = lexicon.layout
    return _Patterns(
        ends=_ends(layout, after_line_break=_PARAGRAPH),
        ends_of_lines=_ends(layout, after_line_break=""),
        headings=_headings(layout),
    )


def _any_of(phrases: Sequence[str]) -> str:
    """Returns an expression for any of the phrases, with or without each accent."""
    forms = sorted(map(_with_or_without_accents, phrases), key=len, reverse=True)
    return f"(?i:{'|'.join(forms) or '(?!)'})"


def _with_or_without_accents(phrase: str) -> str:
    return "".join(re.escape(c) if fold(c) == c.lower() else f"[{c}{fold(c)}]" for c in phrase)


_LIST_MARK = r"(?:[-*•]|\d{1,2}[.)]|[a-z]\))[ \t]"
# What follows a line break that ends a sentence: a blank line, a capitalised word, the mark of a list item.
_PARAGRAPH = rf"(?:\r?\n|(?=[A-ZÀ-Ý][a-zà-ÿ])|{_LIST_MARK})"


def _ends(layout: Layout, *, after_line_break: str) -> re.Pattern[str]:
    """Returns what ends a sentence: the group `end`.

    A match without that group is a stop or a line break that does not end a sentence. A line break ends a
    sentence before `after_line_break`, unless the line ends with a comma or an unfinished word.
    """
    abbreviation = rf"\b{_any_of(layout.abbreviations)}\.(?=\s{{1,4}}[a-zà-ÿ])"
    unfinished_line = rf"(?:,|\b{_any_of(layout.unfinished)})[ \t]{{0,8}}\r?\n"
    ends = (
        r"!",
        r";(?!\s{0,3}[a-z]\))",  # a semicolon, but not in a list "a) ...; b) ..."
        r"(?<=[^\s(])\?",  # a question mark after a word
        r"\?(?!\s?\w)",  # a question mark that no word follows
        r"(?<=\s)[-–](?=\s)",  # a dash between blanks
        r"(?<=\s)(?:\d{1,2}\)|#\d{1,2})\s(?=[A-ZÀ-Ý])",  # the number of a list item: "2) No", "#2 No"
        r"\.(?=\s|\Z|[A-ZÀ-Ý])",  # a full stop, but not in a number
        r"(?<=[^\W\d_]{3})\.(?=[^\W\d_]{3})",  # a full stop after which the blank is missing
        rf"\r?\n[ \t]{{0,8}}{after_line_break}",
    )
    return re.compile(f"{abbreviation}|{unfinished_line}|(?P<end>{'|'.join(ends)})")


def _headings(layout: Layout) -> re.Pattern[str]:
    """Returns the headings at the start of a line or after a stop.

    The groups `one_line`, `without_findings` and `alone` (on its line, without a colon) are headings of
    sections that state no findings. Such a heading may have more words ("reason for exam (signs/symptoms):").
    """
    one_line = _any_of(layout.one_line_headings)
    without_findings = _any_of(layout.headings_without_findings)
    with_findings = _any_of(layout.headings_with_findings)
    more_words = r"(?:[ /]\(?[^\W\d_]{1,20}\)?){0,5}"
    listed = (
        rf"(?P<one_line>{one_line})[ \t]?(?=:)",
        rf"(?P<without_findings>{without_findings}{more_words})[ \t]?:",
        rf"{with_findings}[ \t]?:",
        rf"(?P<alone>{without_findings})[ \t]{{0,8}}$",
        rf"{with_findings}[ \t]{{0,8}}$",
    )
    in_capitals = r"[A-ZÀ-Ý][A-ZÀ-Ý /]{2,40}"
    title = r"[A-ZÀ-Ý](?:[A-ZÀ-Ý /]{2,40}|[a-zà-ÿ]{2,20}(?: [a-zà-ÿ]{1,20}){0,3})"
    headings = (
        rf"(?:^|(?<=[.;?!]))[ \t]{{0,8}}(?:{'|'.join(listed)})",
        rf"^[ \t]{{0,8}}{title}[ \t]?:",  # an unknown heading at the start of a line
        rf"(?<=[.;?!])[ \t]{{0,8}}{in_capitals}[ \t]?:",  # an unknown heading after a stop
    )
    return re.compile("|".join(headings), re.MULTILINE)
