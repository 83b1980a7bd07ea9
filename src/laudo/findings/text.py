"""A text prepared for matching: lower case, no accents, and where each character was in the original text."""

import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from laudo.vocabulary import INVISIBLE, OTHER_BLANKS, OTHER_LINE_BREAKS


def _base(character: str) -> str:
    return unicodedata.normalize("NFD", character)[0].lower()


# Latin letters to their lower-case letter without accent, MIMIC's `___` and tabs to blanks, typographic
# characters to ASCII.
_FOLD = {code: _base(chr(code)) for code in range(0x41, 0x250)} | str.maketrans("_\t’–—−‐‑", "  '-----")
_BLANK = re.compile(f"[{OTHER_BLANKS}]")
_LINE_BREAK = re.compile(f"[{OTHER_LINE_BREAKS}]")
# Combining accents, and what shows nothing.
_INVISIBLE = re.compile(f"[\u0300-\u036f\u1ab0-\u1aff\u20d0-\u20ff{INVISIBLE}]")
# A word divided by a hyphen at the end of a line.
_DIVIDED = re.compile(r"([^\W\d_]+)(-[ \t]{0,8}\r?\n[ \t]{0,8})([^\W\d_]+)")


class CleanText(NamedTuple):
    """A text from which characters were removed.

    `offsets` says for each character where it stood in the original text, and at the end where that text
    ends.
    """

    text: str
    offsets: Sequence[int]


def fold(text: str) -> str:
    """Returns the text in lower case without accents, with the same length."""
    return text.translate(_FOLD)


def clean(text: str, *, is_word: Callable[[str], bool]) -> CleanText:
    """Returns the text with plain blanks, without combining accents and invisible characters.

    A word that a hyphen divides at the end of a line ("pneumo-", "thorax") is joined if `is_word` knows the
    folded result.
    """
    text = _LINE_BREAK.sub("\n", _BLANK.sub(" ", text))  # one for one: no character moves
    unmarked = _without(text, (mark.span() for mark in _INVISIBLE.finditer(text)))
    joined = _without(unmarked.text, _false_hyphens(unmarked.text, is_word))
    if len(unmarked.text) == len(text):
        return joined
    return CleanText(joined.text, [unmarked.offsets[i] for i in joined.offsets])


def _false_hyphens(text: str, is_word: Callable[[str], bool]) -> Iterable[tuple[int, int]]:
    if "-" not in text or "\n" not in text:
        return []
    return [divided.span(2) for divided in _DIVIDED.finditer(text) if is_word(fold(divided[1] + divided[3]))]


def _without(text: str, spans: Iterable[tuple[int, int]]) -> CleanText:
    removed = {i for span in spans for i in range(*span)}
    if not removed:
        return CleanText(text, range(len(text) + 1))
    remaining = [i for i in range(len(text)) if i not in removed]
    return CleanText("".join(text[i] for i in remaining), [*remaining, len(text)])
