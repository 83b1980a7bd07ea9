"""Takes the marks `___` that de-identification left out of sentences which say enough without them.

A mark stands for a date, a time, a name or a measure. Only a phrase that dates something ("compared to" and
the mark) or names someone ("by Dr." and the mark) can go; any other sentence needs its mark.
"""

from __future__ import annotations

import re

from laudo.targets.sentences import as_sentence, capitalised

# Pieces of the expressions below, which ignore blanks and line breaks in their source.
_B = r"[ \t]"
_MARK = r"_{2,}"
_TIME = rf"\d{{1,2}}:\d{{2}}(?:{_B}*[ap]\.?m\b\.?)?"
_STUDY = r"(?:study|film|radiograph|exam\w*|CT|x-?ray|scan)\b"
_MORE_MARKS = rf"{_B}*(?:,|-|&|and|through|to|at)?{_B}*(?:{_MARK}|{_TIME})"
# A mark, further marks or times of day, and perhaps the kind of study: "___ and ___ at 5:30 a.m.", "___ CT".
_DATES = rf"{_MARK}(?:{_MORE_MARKS})*+(?:{_B}+{_STUDY})?"
# A word that may stand between a preposition and the dates: "from the most recent study dated ___".
_FILLER_WORDS = (
    r"the|a|an|prior|previous|earlier|most|recent|study|studies|exam\w*|radiographs?|films?|"
    r"CT|chest|x-?rays?|scan|portable|same|day|and|dated|performed|obtained|of|from|on"
)
_FILLER = rf"(?:(?:{_FILLER_WORDS}){_B}+)"
_STOP = rf"{_B}*(?:[,;:.)]|$)"
_GOES_ON = rf"{_B}+(?:and|but|with|there|is|are|has|have|now|the|which)\b"

_DATING_PHRASE = re.compile(
    rf"""
    # A comparison or a time, anywhere; what follows shows that the mark is no measure and no part of a name.
    (?<!{_B}) {_B}*+ ,? {_B}*+ \b
    (?: (?:as|when|in) {_B}+ )?
    (?: compar(?:ed|ison) {_B}+ (?:to|with) | relative {_B}+ to | since | from | dated ) {_B}+
    {_FILLER}{{0,8}}+ {_DATES}
    (?= {_STOP} | {_GOES_ON} ) ,?

    # A day after what it dates; at the beginning it would date a sentence on another film.
    | (?<=\w) ,? {_B}+
    (?: (?:placed|seen|performed|obtained|done|inserted|noted) {_B}+ )?
    (?: (?:than|as) {_B}+ )?
    (?:on|in) {_B}+
    {_FILLER}{{0,8}}+ {_DATES}
    (?= {_STOP} )

    # A film that something is compared with: "similar to the prior study of ___".
    | (?<=\w) {_B}+ (?:of|to|with) {_B}+
    {_FILLER}{{1,8}}+ {_DATES}
    (?= {_STOP} )

    # A person: "placed by Dr. ___".
    | (?<=\w) {_B}+ by {_B}+ (?: Dr\.? {_B}+ )? {_MARK} (?![\w])
    """,
    re.IGNORECASE | re.VERBOSE,
)

_BRACKETS_WITH_MARK = re.compile(rf"{_B}?\([^()]{{0,60}}{_MARK}[^()]{{0,60}}\)")

# What says nothing without its mark: "Comparison is made to ___.", and what ends with a preposition.
_HOLLOW = re.compile(
    r"""
    (?:comparison|compared)\b (?:\W+\w+){0,3} \W*
    | .*\b (?:than|on|in|at|of|to|with|from|since|the|and|or|by) \W*
    """,
    re.IGNORECASE | re.DOTALL | re.VERBOSE,
)


def without_marks(sentence: str) -> tuple[str, int]:
    """Returns the sentence without the phrases that hold a mark, and their number; "" if it needs a mark."""
    text, brackets = _BRACKETS_WITH_MARK.subn("", sentence)
    text, phrases = _DATING_PHRASE.subn("", text)
    text = text.lstrip(" \t,;:").rstrip()
    if "__" in text or not re.search(r"\w{2}", text) or _HOLLOW.fullmatch(text):
        return "", 0
    ends_with_stop = sentence.rstrip().endswith((".", "!", "?"))
    return as_sentence(text) if ends_with_stop else capitalised(text), brackets + phrases
