"""Which lines of a report are headers, and of which section.

One expression finds the lines that may be headers; only these are examined. The spellings are data:
`headers.toml`.
"""

import re
import tomllib
import unicodedata
from functools import cache, lru_cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any

from laudo.hashing import digest_of_files
from laudo.vocabulary import Language

# The quantifiers are possessive, so that each line is searched once, whatever it contains. A full stop ends a
# sentence and is not part of a name, so that most lines of text fail early.
_NAME_CHARACTER = r"[^:*_.;!?\n–—-]"
_HYPHENATED = rf"-(?!\s){_NAME_CHARACTER}{{1,30}}+"
_NAME = rf"[^\W\d_]{_NAME_CHARACTER}{{0,59}}+(?:{_HYPHENATED}){{0,2}}+"
_MARK = r"(?P<mark>\*{2,3}|\#{1,6})?+"  # of bold text or a heading
_CLOSING_MARK = r"(?(mark)\**+)"
_END = r"(?P<end>\.?:|[-–—](?=\s)|(?=\n))"
_RULE = r"(?P<rule>_{10,}+)[ \t]*+(?=\n)"
_HEADER = rf"{_MARK}[ \t]*+(?P<name>{_NAME}){_CLOSING_MARK}[ \t]*+{_END}{_CLOSING_MARK}"
LINE = re.compile(rf"\n[ \t]*+(?:{_RULE}|{_HEADER})")
"""A line with the line break before it: a rule of underscores (`rule`), or perhaps a header (`name`)."""

# A header that names only views (`CHEST, PA AND LATERAL:`) has the findings under it, as in MIT-LCP's parser.
_VIEW_NOUNS = "chest|torax|portable|ribs|radiographs?|radiografia|rx|views?|window"
_VIEW_ADJECTIVES = "ap|pa|lat|lateral|frontal|semi|upright|erect|supine|bone|left|right|one|two|three|single"
_VIEW_PARTICLES = "and|of|the|in|perfil|leito|raios?|x|incidencias?|de|d[oa]|n[oa]|em|e"
_VIEW_NOUN = re.compile(_VIEW_NOUNS)
_VIEW_WORDS = re.compile(rf"(?:(?:{_VIEW_NOUNS}|{_VIEW_ADJECTIVES}|{_VIEW_PARTICLES})\b\W*)+")


# A shorter line was not wrapped: its end is meant.
_WRAPPED = 60


def data_folder() -> Traversable:
    """Returns the folder that holds the package's `headers.toml` and `reference.toml`."""
    return files(__package__)


def headers_digest() -> str:
    """Returns a digest of `headers.toml` and `reference.toml` (`hashing.digest_of_files`)."""
    return digest_of_files({name: data_folder() / name for name in ("headers.toml", "reference.toml")})


def opened_section(line: re.Match[str], *, start: int, lang: Language) -> str | None:
    """Returns the section that a match of `LINE` opens; None if the line is ordinary text.

    A name in capitals, or marked as a heading, is a header at the start of any line. A name in small letters
    is one only at the start of a paragraph, because a wrapped line can begin with `comparison:`. In a text
    that is not indented, as MIMIC's wrapped lines are, it may also follow the end of a sentence. `start` is
    where the section before the line began.
    """
    name, end = line["name"], line["end"]
    section = _section(name, end, lang)
    if section is None or line["mark"] or name.isupper():
        return section
    if not _begins_paragraph(line, start):
        return None
    if lang == "en" and name[0].isupper():
        # `Findings: as described` is a sentence. Brazilians use small letters after a header, too.
        return None if _text_after(line)[:1].islower() else section
    return section if end or name[0].isupper() else None


def _begins_paragraph(line: re.Match[str], start: int) -> bool:
    text, line_break = line.string, line.start()
    line_before = text[max(start, text.rfind("\n", 0, line_break)) : line_break].strip(" \t\n_")
    if not line_before or text[line_break + 1] in " \t":
        return not line_before
    return line_before[-1] in ".:;!?" or (len(line_before) < _WRAPPED and line["name"][0].isupper())


def _text_after(line: re.Match[str]) -> str:
    text = line.string
    return text[line.end() : text.index("\n", line.end())].lstrip()


@lru_cache(maxsize=4096)
def _section(name: str, end: str, lang: Language) -> str | None:
    """Returns the section of a listed spelling; for capitals before a colon, also what they suggest."""
    spelling = normalised(name)
    listed = spellings(lang).get(spelling)
    return listed or (_suggested(spelling) if name.isupper() and ":" in end else None)


def _suggested(spelling: str) -> str | None:
    by_part = next((section for part, section in _parts().items() if part in spelling), None)
    if by_part:
        return by_part
    return "findings" if _VIEW_WORDS.fullmatch(spelling) and _VIEW_NOUN.search(spelling) else None


def normalised(name: str) -> str:
    """Returns a name in lower case without accents.

    There are single blanks, none around a slash, and no number at the end (`ADDENDUM #2`).
    """
    decomposed = unicodedata.normalize("NFKD", name)
    letters = "".join(c for c in decomposed if not unicodedata.combining(c))
    single_blanks = " ".join(letters.casefold().split())
    return re.sub(r" ?/ ?", "/", re.sub(r" ?# ?\d{1,2}$", "", single_blanks))


@cache
def spellings(lang: str) -> dict[str, str]:
    """Returns the section of each normalised spelling.

    A Portuguese report may have English headers, because models leave them.
    """
    languages = ("en", "pt") if lang == "pt" else ("en",)
    return {
        normalised(spelling): section
        for language in languages
        for section, lists in _data().items()
        for spelling in lists[language]
    }


@cache
def concluding() -> frozenset[str]:
    """Returns the normalised spellings that open the impression if findings stand above them."""
    return frozenset(normalised(name) for lists in _data().values() for name in lists.get("concluding", ()))


@cache
def _parts() -> dict[str, str]:
    return {normalised(part): section for section, lists in _data().items() for part in lists.get("part", ())}


@cache
def _data() -> dict[str, Any]:
    return tomllib.loads(data_folder().joinpath("headers.toml").read_text("utf-8"))
