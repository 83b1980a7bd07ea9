"""The sentences of a report that may state findings: no indication, technique or comparison, no bare questions."""

import re
from collections.abc import Iterator, Sequence
from functools import cache

from laudo.findings.lexicon import Lexicon
from laudo.findings.schema import Layout
from laudo.findings.text import fold

_STOP = re.compile(r"[.;](?=\s|\Z)")
_COLON = re.compile(r"[:(,]")
_BLANK_LINE = re.compile(r"(?<=\S)[ \t]{0,8}\r?\n[ \t]{0,8}\r?\n")
_NEXT_LINE = re.compile(
    rf":[ \t]{{0,8}}\S[^\n]*(?<![,\s])[ \t]{{0,8}}\n(?=\s{{0,8}}[A-ZÀ-Ý])|{_BLANK_LINE.pattern}"
)
_GOES_ON = re.compile(r"\s{0,3}(?![A-ZÀ-Ý])[\w(]")


def spans(plain: str, lexicon: Lexicon) -> Iterator[tuple[int, int]]:
    """Where each such sentence starts and ends. In a text without a full stop, a line is a sentence."""
    sentences, lines, headings = _layout(lexicon)
    ends = sentences if _STOP.search(plain) else lines
    start, silence = 0, None
    for heading in headings.finditer(plain):
        yield from _section(plain, ends, start, heading.start(), silence=silence)
        start, silence = heading.start(), _silence(heading)
    yield from _section(plain, ends, start, len(plain), silence=silence)


def _silence(heading: re.Match[str]) -> re.Pattern[str] | None:
    """What ends the silence of a heading: a blank line; of a brief one, a line after what stands on its own."""
    if heading["brief"]:
        return _NEXT_LINE
    return _BLANK_LINE if heading["silent"] or heading["alone"] else None


def _section(
    plain: str, ends: re.Pattern[str], start: int, end: int, *, silence: re.Pattern[str] | None
) -> Iterator[tuple[int, int]]:
    """The sentences of a section; of a silent one those after the end of its silence: a body without a heading."""
    if silence:
        over = silence.search(plain, start, end)
        start = over.end() if over else end
    tells = False
    for stop in ends.finditer(plain, start, end):
        if stop["end"] is None:
            continue
        tells = tells or (stop["end"] == "?" and _tells(plain, start, stop.start()))
        if stop["end"] == "?" and tells and _GOES_ON.match(plain, stop.end(), end):
            continue  # "opacity at the base: atelectasis? pneumonia?" is one sentence
        if stop["end"] != "?":
            yield start, stop.start()
        elif tells:
            yield start, stop.end()
        start, tells = stop.end(), False
    if start < end:
        yield start, end


def _tells(plain: str, start: int, end: int) -> bool:
    """Whether a sentence says something before it asks: "opacity (atelectasis?)", not "pneumonia?"."""
    colon = _COLON.search(plain, start, end)
    return bool(colon and plain[start : colon.start()].strip())


@cache
def _layout(lexicon: Lexicon) -> tuple[re.Pattern[str], re.Pattern[str], re.Pattern[str]]:
    layout = lexicon.layout
    return _breaks(layout, line=_PARAGRAPH), _breaks(layout, line=""), _headings(layout)


def _words(phrases: Sequence[str]) -> str:
    """An expression for any of the phrases, each accent there or not."""
    forms = sorted(map(_form, phrases), key=len, reverse=True)
    return f"(?i:{'|'.join(forms) or '(?!)'})"


def _form(phrase: str) -> str:
    return "".join(re.escape(c) if fold(c) == c.lower() else f"[{c}{fold(c)}]" for c in phrase)


# What follows a line break that ends a sentence: a blank line, a capitalised word, a mark of a list.
_MARK = r"(?:[-*•]|\d{1,2}[.)]|[a-z]\))[ \t]"
_PARAGRAPH = rf"(?:\r?\n|(?=[A-ZÀ-Ý][a-zà-ÿ])|{_MARK})"


def _breaks(layout: Layout, *, line: str) -> re.Pattern[str]:
    """Where sentences end: group `end` matches there; a match without it protects a stop or a line break.

    A dash between blanks does, and a number of a list before a capital; a line break does before `line`, unless
    the line stops at a comma or at a word that cannot end a sentence.
    """
    return re.compile(
        rf"\b{_words(layout.abbreviations)}\.(?=\s{{1,4}}[a-zà-ÿ])"
        rf"|(?:,|\b{_words(layout.unfinished)})[ \t]{{0,8}}\r?\n"
        r"|(?P<end>!|;(?!\s{0,3}[a-z]\))|(?<=[^\s(])\?|\?(?!\s?\w)|(?<=\s)[-–](?=\s)"
        r"|(?<=\s)(?:\d{1,2}\)|#\d{1,2})\s(?=[A-ZÀ-Ý])|\.(?=\s|\Z|[A-ZÀ-Ý])|(?<=[^\W\d_]{3})\.(?=[^\W\d_]{3})"
        rf"|\r?\n[ \t]{{0,8}}{line})"
    )


def _headings(layout: Layout) -> re.Pattern[str]:
    """Headings at the start of a line or after a stop: group `silent` if what follows states no findings.

    More words may follow a silent one ("reason for exam (signs/symptoms):"); one that is spoken may stand alone on
    its line, without a colon.
    """
    silent, brief, spoken = map(_words, (layout.silent, layout.brief, layout.spoken))
    more = r"(?:[ /]\(?[^\W\d_]{1,20}\)?){0,5}"
    title = r"[A-ZÀ-Ý](?:[A-ZÀ-Ý /]{2,40}|[a-zà-ÿ]{2,20}(?: [a-zà-ÿ]{1,20}){0,3})"
    return re.compile(
        rf"(?:^|(?<=[.;?!]))[ \t]{{0,8}}(?:(?P<brief>{brief})[ \t]?(?=:)|(?P<silent>{silent}{more})[ \t]?:|{spoken}[ \t]?:"
        rf"|(?P<alone>{silent})[ \t]{{0,8}}$|{spoken}[ \t]{{0,8}}$)|^[ \t]{{0,8}}{title}[ \t]?:|(?<=[.;?!])[ \t]{{0,8}}[A-ZÀ-Ý][A-ZÀ-Ý /]{{2,40}}[ \t]?:",
        re.MULTILINE,
    )
