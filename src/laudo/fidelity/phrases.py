"""Phrases of the data files as regular expressions.

A phrase is written as it stands in a text. Accents count, because they tell European from Brazilian spelling;
capitals do not, unless the caller compiles the expression with case. A blank matches no hyphen. (In the
lexicon of `laudo.findings` accents do not count, and a blank also matches a hyphen.) Three signs have a
meaning:

    -         white space or hyphens
    (a|b)     a choice; `(a |)` is a word that may be absent
    *         any ending, or none
"""

from __future__ import annotations

import re
from collections.abc import Iterable

_SIGNS = {"-": r"[\s-]+", "(": "(?:", "|": "|", ")": ")", "*": r"\w*"}
_WORD_START = r"(?<!\w)"
_WORD_END = r"(?!\w)"


def any_of(phrases: Iterable[str]) -> str:
    """Returns the expression that finds one of the phrases as whole words.

    The ending of a phrase that ends with `*` is not part of the match: "fractur*" matches `fractur` in
    "fractura".
    """
    return _WORD_START + any_ending_of(phrases)


def any_ending_of(phrases: Iterable[str]) -> str:
    """Returns the same expression for phrases that may follow a letter or digit, as `mm` in "12mm"."""
    return f"(?:{'|'.join(_expression(phrase) for phrase in phrases)})"


def compiled(phrases: Iterable[str]) -> re.Pattern[str]:
    """Returns the pattern that finds one of the phrases, in capitals or small letters."""
    return re.compile(any_of(phrases), re.IGNORECASE)


def _expression(phrase: str) -> str:
    stem = phrase.removesuffix("*")
    expression = "".join(_SIGNS.get(character, re.escape(character)) for character in stem)
    return expression if phrase.endswith("*") else expression + _WORD_END
