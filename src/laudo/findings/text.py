"""A text as it is matched: small letters without accents, and where each character stood in the text as given."""

import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence


def _base(character: str) -> str:
    return unicodedata.normalize("NFD", character)[0].lower()


# Latin letters to their small letter without accent, MIMIC's `___` and tabs to spaces, typographic signs to ASCII.
_FOLD = {code: _base(chr(code)) for code in range(0x41, 0x250)} | str.maketrans("_\t\xa0’–—−‐‑", "   '-----")
# Combining marks, the soft hyphen, blanks without width.
_INVISIBLE = re.compile("[\u0300-\u036f\u1ab0-\u1aff\u20d0-\u20ff\u00ad\u200b-\u200d\ufeff]")
_BROKEN = re.compile(r"([^\W\d_]+)(-[ \t]{0,8}\r?\n[ \t]{0,8})([^\W\d_]+)")


def fold(plain: str) -> str:
    """The text in small letters without accents, of the same length."""
    return plain.translate(_FOLD)


def plain(text: str, *, is_word: Callable[[str], bool]) -> tuple[str, Sequence[int]]:
    """The text without combining accents, soft hyphens and broken words, and where each character stood.

    A hyphen at the end of a line is taken out where `is_word` of the small letters of the word made so ("pneumo-",
    "thorax"). The offsets are of `text`, with that of its end as the last.
    """
    unmarked, offsets = _without(text, (mark.span() for mark in _INVISIBLE.finditer(text)))
    breaks = _BROKEN.finditer(unmarked) if "-" in unmarked and "\n" in unmarked else ()
    joined = (broken.span(2) for broken in breaks if is_word(fold(broken[1] + broken[3])))
    whole, kept = _without(unmarked, joined)
    return whole, kept if len(unmarked) == len(text) else [offsets[i] for i in kept]


def _without(text: str, spans: Iterable[tuple[int, int]]) -> tuple[str, Sequence[int]]:
    """The text less the spans, and where each character that is left stood, and the end."""
    gone = {i for span in spans for i in range(*span)}
    if not gone:
        return text, range(len(text) + 1)
    kept = [i for i in range(len(text)) if i not in gone]
    return "".join(text[i] for i in kept), [*kept, len(text)]
