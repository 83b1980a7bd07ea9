"""A text as it is matched: small letters without accents, and where each character stood in the text as given."""

import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from itertools import chain


def _base(character: str) -> str:
    return unicodedata.normalize("NFD", character)[0].lower()


# Latin letters to their small letter without accent, MIMIC's `___` and tabs to spaces, typographic signs to ASCII.
_FOLD = {code: _base(chr(code)) for code in range(0x41, 0x250)} | str.maketrans("_\t\xa0’–—−‐‑", "   '-----")
_MARKS = re.compile("[\u0300-\u036f]")
_BROKEN = re.compile(r"([^\W\d_]+)(-[ \t]{0,8}\r?\n[ \t]{0,8})([^\W\d_]+)")


def fold(plain: str) -> str:
    """The text in small letters without accents, of the same length."""
    return plain.translate(_FOLD)


def plain(text: str, *, is_word: Callable[[str], bool]) -> tuple[str, Sequence[int]]:
    """The text without combining accents and broken words, and the offset in `text` of each character and of the end.

    A hyphen at the end of a line is taken out where `is_word` of the small letters of the word made so ("pneumo-", "thorax").
    """
    gone = {*_marks(text), *_breaks(text, is_word)}
    if not gone:
        return text, range(len(text) + 1)
    kept = [i for i in range(len(text)) if i not in gone]
    return "".join(text[i] for i in kept), [*kept, len(text)]


def _marks(text: str) -> Iterator[int]:
    return iter(()) if text.isascii() else (mark.start() for mark in _MARKS.finditer(text))


def _breaks(text: str, is_word: Callable[[str], bool]) -> Iterator[int]:
    if "-\n" not in text and "-\r" not in text and not re.search(r"-[ \t]+\r?\n", text):
        return iter(())
    breaks = (broken for broken in _BROKEN.finditer(text) if is_word(fold(broken[1] + broken[3])))
    return chain.from_iterable(range(*broken.span(2)) for broken in breaks)
