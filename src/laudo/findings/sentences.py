"""The sentences of a report that may state findings: no indication, technique, mere question ..."""

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import NamedTuple

from laudo.findings.lexicon import Lexicon
from laudo.findings.schema import Layout
from laudo.findings.text import fold
from laudo.sections import headers

_STOP = re.compile(r"[.;](?=\s|\Z)")
_COLON = re.compile(r"[:(,]")
_WITHOUT_FINDINGS = frozenset({"history", "indication", "technique", "comparison", "examination"})
_ONE_LINE = frozenset({"technique", "comparison", "examination"})
"""The sections that state no findings, and those whose text is only the line of the heading."""
_REPORT = frozenset({"findings", "impression"})
_BLANK_LINE = re.compile(r"(?<=\S)[ \t]{0,8}\r?\n[ \t]{0,8}\r?\n")
# The end of a line with text that does not end in a comma, if no small letter follows.
_END_OF_LINE = re.compile(r"(?<=[^,\s])[ \t]{0,8}\r?\n(?![ \t]{0,8}[a-zà-ÿ])")
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
    for start, end in _sections(text, patterns.headings, _section_of_heading(lexicon)):
        yield from _sentences(text, ends, start, end)


class _Heading(NamedTuple):
    """A heading in a text, with the section that it opens; None if it is not listed."""

    start: int
    end: int
    section: str | None


def _found(text: str, pattern: re.Pattern[str], sections: Mapping[str, str]) -> list[_Heading]:
    """Returns the headings of a text. A hypothesis under the findings is a conclusion."""
    result: list[_Heading] = []
    for match in pattern.finditer(text):
        name = headers.normalised(match["listed"] or match["alone"] or match["longer"] or "")
        section = sections.get(name)
        if name in headers.concluding() and any(heading.section in _REPORT for heading in result):
            section = "impression"
        result.append(_Heading(match.start(), match.end(), section))
    return result


def _sections(text: str, pattern: re.Pattern[str], sections: Mapping[str, str]) -> Iterator[tuple[int, int]]:
    """Yields the start and the end of each section, without text under a heading without findings."""
    found = _found(text, pattern, sections)
    last_of_report = max((h.start for h in found if h.section in _REPORT), default=-1)
    first, *ends = [*(heading.start for heading in found), len(text)]
    yield 0, first
    for heading, end in zip(found, ends, strict=True):
        if heading.section not in _WITHOUT_FINDINGS:
            yield heading.start, end
            continue
        is_line = heading.section in _ONE_LINE or heading.start > last_of_report
        yield _end_of_skipped(text, heading.end, end, is_line=is_line), end


def _end_of_skipped(text: str, start: int, end: int, *, is_line: bool) -> int:
    """Returns where text that states no findings ends.

    It ends at a blank line. Without one it ends with its line if `is_line`, because the heading is about one
    line or no heading of findings follows; else at the next heading.
    """
    while start < end and text[start] in " \t:":
        start += 1
    on_line = not text.startswith(("\n", "\r"), start)
    blank = _BLANK_LINE.search(text, start, end)
    line = _END_OF_LINE.search(text, start, end) if is_line and (on_line or not blank) else None
    return min((match.end() for match in (blank, line) if match), default=end)


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
        headings=_headings(lexicon),
    )


def _any_of(phrases: Sequence[str]) -> str:
    """Returns an expression for any of the phrases, with or without each accent."""
    forms = sorted(map(_with_or_without_accents, phrases), key=len, reverse=True)
    return f"(?i:{'|'.join(forms) or '(?!)'})"


_ACCENTED = {"a": "aáàâã", "e": "eéê", "i": "ií", "o": "oóôõ", "u": "uúü", "c": "cç", "n": "nñ"}


def _with_or_without_accents(phrase: str) -> str:
    return "".join(f"[{_ACCENTED[c]}]" if c in _ACCENTED else re.escape(c) for c in fold(phrase))


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


@cache
def _section_of_heading(lexicon: Lexicon) -> dict[str, str]:
    """Returns the section of each normalised spelling: those of `sections`, or those of an added language."""
    own = {headers.normalised(name): to for to, names in lexicon.layout.headings.items() for name in names}
    return headers.spellings(lexicon.lang) | own


def _headings(lexicon: Lexicon) -> re.Pattern[str]:
    """Returns the headings at the start of a line or after a stop.

    `listed` is a listed heading before a colon, `alone` one alone on its line, and `longer` one that states
    no findings and has more words ("reason for exam (signs/symptoms):"). Any other match is
    a heading that is not listed.
    """
    by_section = _section_of_heading(lexicon)
    without = _any_of([name for name, section in by_section.items() if section in _WITHOUT_FINDINGS])
    names = _any_of(list(by_section))
    more_words = r"(?:[ /]\(?[^\W\d_]{1,20}\)?){0,5}"
    in_capitals = r"[A-ZÀ-Ý][A-ZÀ-Ý /]{2,40}"
    title = r"[A-ZÀ-Ý](?:[A-ZÀ-Ý /]{2,40}|[a-zà-ÿ]{2,20}(?: [a-zà-ÿ]{1,20}){0,3})"
    listed = (
        rf"(?P<listed>{names})[ \t]?:",
        rf"(?P<longer>{without}){more_words}[ \t]?:",
        rf"(?P<alone>{names})[ \t]{{0,8}}$",
    )
    headings = (
        rf"(?:^|(?<=[.;?!]))[ \t]{{0,8}}(?:{'|'.join(listed)})",
        rf"^[ \t]{{0,8}}{title}[ \t]?:",  # an unknown heading at the start of a line
        rf"(?<=[.;?!])[ \t]{{0,8}}{in_capitals}[ \t]?:",  # an unknown heading after a stop
    )
    return re.compile("|".join(headings), re.MULTILINE)
