"""The words of a report and what each does: `en.toml` and `pt.toml`, read into one matcher per language.

A phrase is written as one would say it, accents and capitals as one likes. `*` stands for any ending
(`consolida*`), `(a|b)` for a choice, `(a |)` for words that may be missing; a space also matches a hyphen
or a line break. Where several phrases fit, the longest wins, and a word is used once. A phrase may stand
in several lists: it then does several things.
"""

import re
import tomllib
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from itertools import groupby
from operator import itemgetter
from typing import Any, Literal, NamedTuple

Lang = Literal["en", "pt"]
Roles = Mapping[str, tuple[str, ...]]


class Token(NamedTuple):
    """A phrase of the lexicon met in a text; `start` and `end` are characters of the folded text."""

    start: int
    end: int
    roles: Roles

    def does(self, *roles: str) -> bool:
        """Whether it plays any of these roles."""
        return not self.roles.keys().isdisjoint(roles)

    def says(self, role: str) -> tuple[str, ...]:
        """What it says in a role: nothing where it does not play it."""
        return self.roles.get(role, ())

    @property
    def is_mention(self) -> bool:
        """Whether it names a finding, a sign of one, or a structure."""
        return self.does(*_MENTIONS)

    @property
    def is_predicate(self) -> bool:
        """Whether it says how a structure is."""
        return self.does("predicate", "abnormal", "suspect")

    @property
    def is_normal(self) -> bool:
        """Whether it says that a structure is normal."""
        return "normal" in self.says("predicate")


@dataclass(frozen=True)
class Lexicon:
    """A language, compiled: `roles[i]` is what the phrase that ends in group `i + 1` of `phrases` does."""

    phrases: re.Pattern[str]
    roles: tuple[Roles, ...]
    breaks: re.Pattern[str]
    headings: re.Pattern[str]

    def tokens(self, folded: str, start: int, end: int) -> list[Token]:
        """The phrases met in `folded[start:end]`, in order, none overlapping another."""
        found = self.phrases.finditer(folded, start, end)
        return [Token(m.start(), m.end(), self.roles[m.lastindex - 1]) for m in found if m.lastindex]


_MENTIONS = {"finding", "weak", "structure"}


def _base(character: str) -> str:
    return unicodedata.normalize("NFD", character)[0].lower()


# Sorted after every letter: any ending, then the end of a phrase.
_WILD, _END = "\U0010fffe", "\U0010ffff"

# Latin letters to their small letter without accent, MIMIC's `___` and tabs to spaces, typographic signs to ASCII.
_FOLD = {code: _base(chr(code)) for code in range(0x41, 0x250)} | str.maketrans("_\t\xa0’–—−‐‑", "   '-----")
_MARKS = re.compile("[\u0300-\u036f]")


def fold(plain: str) -> str:
    """The text in small letters without accents, of the same length."""
    return plain.translate(_FOLD)


def unmark(text: str) -> tuple[str, Sequence[int]]:
    """The text without combining accents, and the offset in `text` of each of its characters and of its end."""
    if text.isascii() or not _MARKS.search(text):
        return text, range(len(text) + 1)
    kept = [i for i, character in enumerate(text) if not _MARKS.match(character)]
    return "".join(text[i] for i in kept), [*kept, len(text)]


def _expand(phrase: str) -> Iterator[str]:
    """`"(no|sem) x"` -> `"no x"`, `"sem x"`; choices do not nest."""
    head, opened, rest = phrase.partition("(")
    if not opened:
        yield " ".join(fold(phrase).replace("-", " ").split())
        return
    choice, _, tail = rest.partition(")")
    for option in choice.split("|"):
        yield from _expand(head + option + tail)


_SIGNS = {" ": r"[\s-]{1,6}", "*": r"\w*", _END: r"(?!\w)()"}


def _longest_first(phrases: Iterable[str]) -> list[str]:
    """The phrases, each closed by `_END`, in an order that puts a longer one before what it begins with."""
    return sorted((phrase + _END for phrase in phrases), key=lambda phrase: phrase.replace("*", _WILD))


def _trie(phrases: Sequence[str]) -> str:
    """An expression that walks sorted phrases letter by letter, all at once.

    The empty group that ends a phrase tells which one matched: groups are numbered as the phrases are sorted.
    """
    if phrases == [""]:
        return ""
    branches = groupby(phrases, key=itemgetter(0))
    options = [_SIGNS.get(sign, re.escape(sign)) + _trie([p[1:] for p in rest]) for sign, rest in branches]
    return options[0] if len(options) == 1 else f"(?:{'|'.join(options)})"


def _listed(source: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Every phrase of the file with the role and the value its list gives it."""
    for finding, lists in source["finding"].items():
        yield from ((phrase, "finding", finding) for phrase in lists.get("terms", ()))
        yield from ((phrase, "weak", finding) for phrase in lists.get("weak", ()))
    for finding, lists in source["structure"].items():
        yield from ((phrase, "structure", finding) for phrase in lists["terms"])
        yield from ((phrase, "abnormal", finding) for phrase in lists.get("abnormal", ()))
        yield from ((phrase, "suspect", finding) for phrase in lists.get("suspect", ()))
    for role in ("side", "size", "change", "predicate", "joint", "scope"):
        for value, phrases in source[role].items():
            yield from ((phrase, role, value) for phrase in phrases)
    for kind, directions in source["cue"].items():
        for direction, phrases in directions.items():
            yield from ((phrase, direction, kind) for phrase in phrases)


def _roles(source: Mapping[str, Any]) -> dict[str, Roles]:
    roles: dict[str, dict[str, tuple[str, ...]]] = defaultdict(dict)
    for written, role, value in _listed(source):
        for phrase in _expand(written):
            values = roles[phrase].get(role, ())
            roles[phrase][role] = values if value in values else (*values, value)
    _bring_sides(roles)
    return dict(roles)


def _bring_sides(roles: Mapping[str, dict[str, tuple[str, ...]]]) -> None:
    """Gives the mentions that hold a side that side: "collapse of the right lung"."""
    order = _longest_first(phrase for phrase, does in roles.items() if "side" in does)
    sides = re.compile(rf"(?<!\w)(?:{_trie(order)})")
    for phrase, does in roles.items():
        inside = None if _MENTIONS.isdisjoint(does) else sides.search(phrase)
        if inside and inside.lastindex:
            does["side"] = roles[order[inside.lastindex - 1].rstrip(_END)]["side"]


def _words(phrases: Sequence[str]) -> str:
    """An expression for any of the phrases as written, with or without accents."""
    forms = {form for phrase in phrases for form in (phrase, *_expand(phrase))}
    return "|".join(re.escape(form) for form in sorted(forms, key=len, reverse=True))


def _breaks(layout: Mapping[str, Sequence[str]]) -> re.Pattern[str]:
    """Where sentences end: group `end` matches there; a match without it protects a stop or a line break.

    A line break ends a sentence before a blank line, a list mark or a capitalised word, unless the line
    stops at a comma or at a word that cannot end a sentence.
    """
    return re.compile(
        rf"\b(?i:{_words(layout['abbreviations'])})\.(?=\s{{1,4}}[a-zà-ÿ])"
        rf"|(?:,|\b(?i:{_words(layout['unfinished'])}))[ \t]{{0,8}}\r?\n"
        r"|(?P<end>[;!?]|\.(?=\s|\Z|[A-ZÀ-Ý])|\r?\n[ \t]{0,8}"
        r"(?:\r?\n|(?=[A-ZÀ-Ý][a-zà-ÿ])|(?:[-*•]|\d{1,2}[.)])[ \t]))"
    )


def _headings(layout: Mapping[str, Sequence[str]]) -> re.Pattern[str]:
    """Headings at the start of a line or after a stop: group `silent` if what follows states no findings."""
    return re.compile(
        rf"(?:^|(?<=[.;]))[ \t]{{0,8}}(?:(?P<silent>(?i:{_words(layout['silent'])}))"
        rf"|(?i:{_words(layout['spoken'])})|[A-ZÀ-Ý][A-ZÀ-Ý /]{{2,40}})[ \t]?:",
        re.MULTILINE,
    )


@cache
def load(lang: Lang) -> Lexicon:
    """The lexicon of a language, compiled once."""
    source = tomllib.loads(files(__package__).joinpath(f"{lang}.toml").read_text(encoding="utf-8"))
    roles = _roles(source)
    order = _longest_first(roles)
    signs: list[Roles] = [{"joint": ("comma",)}, {"joint": ("or",)}]
    phrases = rf"(?<!\w)(?:{_trie(order)})|(?:,(?!\d)|(?<=\s)-(?=\s))()|/(?=[a-z])()"
    return Lexicon(
        phrases=re.compile(phrases),
        roles=(*(roles[phrase.rstrip(_END)] for phrase in order), *signs),
        breaks=_breaks(source["layout"]),
        headings=_headings(source["layout"]),
    )
