"""Which lines of a report are headers, and of which section.

One expression finds the lines that may be a header; only those are looked at closely. The spellings are
data: `headers.toml`.
"""

from __future__ import annotations

import re
import tomllib
import unicodedata
from functools import cache, lru_cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from laudo.sections import Lang

# Words that may be a name, then a colon, a dash or the end of the line. Possessive throughout: a line is read
# once, whatever stands in it. A full stop ends a sentence, so that most lines of text fail early.
_WORDS = r"[^:*_.;!?\n–—-]"
_NAME = rf"[^\W\d_]{_WORDS}{{0,59}}+(?:-(?!\s){_WORDS}{{1,30}}+){{0,2}}+"
LINE = re.compile(
    r"\n[ \t]*+(?:(?P<rule>_{10,}+)[ \t]*+(?=\n)|"
    rf"(?P<mark>\*{{2,3}}|\#{{1,6}})?+[ \t]*+(?P<name>{_NAME})(?(mark)\**+)[ \t]*+"
    r"(?P<end>\.?:|[-–—](?=\s)|(?=\n))(?(mark)\**+))"
)
"""A line, from the line break before it, that is a rule of underscores or perhaps a header (`name`)."""

# A header that names only views (`CHEST, PA AND LATERAL:`) has the findings under it (as section_parser.py).
_VIEW_NOUNS = re.compile(r"chest|torax|portable|ribs|radiographs?|radiografia|rx|views?|window")
_VIEW_WORDS = re.compile(
    rf"(?:(?:{_VIEW_NOUNS.pattern}|ap|pa|lat|lateral|frontal|semi|upright|erect|supine|bone|left|right|one|"
    r"two|three|single|and|of|the|in|perfil|leito|raios?|x|incidencias?|de|d[oa]|n[oa]|em|e)\b\W*)+"
)


def opened(line: re.Match[str], *, start: int, lang: Lang) -> str | None:
    """The section that a match of `LINE` opens, None for ordinary text; `start` is where the open one began.

    A name in capitals or marked as a heading is a header wherever it begins a line. In small letters it needs
    the start of a paragraph, as a wrapped line can begin with `comparison:`; in a text that is not indented,
    as MIMIC's wrapped lines are, the end of a sentence before it is enough.
    """
    name, end = line["name"], line["end"]
    section = _section(name, end, lang)
    if section is None or line["mark"] or name.isupper():
        return section
    text, at = line.string, line.start()
    before = text[max(start, text.rfind("\n", 0, at)) : at].strip(" \t\n_")
    begins = not before or (text[at + 1] not in " \t" and before[-1] in ".:;!?")
    if lang == "en" and name[0].isupper():
        # `Findings: as described` is a sentence. Brazilians go on in small letters after a header too.
        after = text[line.end() : text.index("\n", line.end())].lstrip()
        return section if begins and not after[:1].islower() else None
    return section if begins and (end or name[0].isupper()) else None


@lru_cache(maxsize=4096)
def _section(name: str, end: str, lang: Lang) -> str | None:
    """A spelling that is listed, or for capitals before a colon what can be inferred."""
    plain = _plain(name)
    listed = _spellings(lang).get(plain)
    return listed or (_inferred(plain) if name.isupper() and ":" in end else None)


def _inferred(plain: str) -> str | None:
    by_part = next((section for part, section in _parts().items() if part in plain), None)
    return by_part or ("findings" if _VIEW_WORDS.fullmatch(plain) and _VIEW_NOUNS.search(plain) else None)


def _plain(name: str) -> str:
    """Lower case, no accents, single blanks, none around a slash, no number at the end (`ADDENDUM #2`)."""
    bare = "".join(c for c in unicodedata.normalize("NFKD", name) if not unicodedata.combining(c))
    single = " ".join(bare.casefold().split())
    return re.sub(r" ?/ ?", "/", re.sub(r" ?# ?\d{1,2}$", "", single))


@cache
def _spellings(lang: Lang) -> dict[str, str]:
    # A model asked for Portuguese may leave an English heading; the section under it is still that section.
    languages = ("en", "pt") if lang == "pt" else ("en",)
    return {_plain(s): name for of in languages for name, lists in _data().items() for s in lists[of]}


@cache
def _parts() -> dict[str, str]:
    return {_plain(part): name for name, lists in _data().items() for part in lists.get("part", ())}


@cache
def _data() -> dict[str, Any]:
    return tomllib.loads(files(__package__).joinpath("headers.toml").read_text("utf-8"))
