"""The words of a report and what each does, from data: `concepts/*.toml` and `languages/*.toml`.

A concept holds the words of all languages side by side, with sentences that must and must not state it; a language
holds what is said of concepts: denials, doubts, sides, sizes. Both are read into one matcher for each language.

A phrase is written as one would say it, accents and capitals as one likes. `*` stands for any ending
(`consolida*`), `(a|b)` for a choice, `(a |)` for words that may be missing; a space also matches a hyphen
or a line break. Where several phrases fit, the longest wins, and a word is used once. A phrase may stand
in several lists: it then does several things.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, NamedTuple

from laudo.errors import InputError
from laudo.findings import schema
from laudo.findings.phrases import Phrases, Roles, expand
from laudo.findings.schema import Concept, Lang, Language, Layout, Words
from laudo.findings.text import fold

DEVICES = "Support Devices"
ROLES = ("side", "location", "size", "change", "predicate", "joint", "scope", "unit")
_MENTIONS = {"finding", "hint", "structure"}
# What signs do: "atelectasis? pneumonia?", "? pneumonia", "effusion: none".
_SIGNS: dict[str, Roles] = {
    "comma": {"joint": ("comma",)},
    "slash": {"joint": ("or",)},
    "asked": {"after": ("hedge",)},
    "query": {"before": ("hedge",)},
    "denied": {"after": ("negation",)},
}
# What stands for a capital that means a side, once the text is in small letters.
_CAPITALS = "\ue000\ue001\ue002\ue003"
# A number, or several as in "2,3 x 1,1" or "12 mm x 8", before a unit.
_NUMBER = r"\d{1,5}(?:[.,]\d{1,3})?(?: ?[a-z]{0,2} ?[x×] ?\d{1,5}(?:[.,]\d{1,3})?){0,2}[\s-]?"


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


@dataclass(frozen=True, eq=False)
class Lexicon:
    """A language, compiled."""

    lang: Lang
    concepts: Mapping[str, Concept]
    phrases: Phrases
    units: Phrases
    layout: Layout

    @cached_property
    def _tokens(self) -> re.Pattern[str]:
        return re.compile(
            rf"(?P<denied>:\s{{0,3}}(?:{'|'.join(map(fold, self.layout.denials)) or '(?!)'})(?=\s{{0,3}}(?:[;,]|\Z)))"
            rf"|(?<!\w){self.phrases.expression}|(?P<comma>,(?!\d)|[;:(]|(?<=\s)-(?=\s))|(?P<slash>/(?=[a-z]))"
            rf"|(?P<query>(?<![^\s(])\?(?=\s?\w))|(?P<asked>\?)"
            rf"|(?<![\w.,/]){_NUMBER}(?P<unit>{self.units.expression})"
        )

    def marked(self, plain: str, folded: str) -> str:
        """The folded text with the capitals that mean a side told from small letters: "derrame pleural E"."""
        signs = dict(zip(self.layout.capitals, _CAPITALS, strict=False))
        whole, last = [], 0
        for met in self._capitals.finditer(plain):
            whole += [folded[last : met.start()], signs[met[0]]]
            last = met.end()
        return "".join([*whole, folded[last:]]) if whole else folded

    @cached_property
    def _capitals(self) -> re.Pattern[str]:
        letters = "|".join(map(re.escape, self.layout.capitals)) or "(?!)"
        return re.compile(rf"(?:(?<=[a-zà-ÿ][ (/])|(?<=[a-zà-ÿ] \()|(?<=[A-Z]/))(?:{letters})(?!\w)")

    def is_word(self, folded: str) -> bool:
        """Whether it is a word of a phrase."""
        words, beginnings = self._vocabulary
        return folded in words or folded.startswith(beginnings)

    @cached_property
    def _vocabulary(self) -> tuple[frozenset[str], tuple[str, ...]]:
        words = {word for phrase in self.phrases.roles for word in phrase.split() if len(word) > 3}
        return frozenset(words), tuple(word.partition("*")[0] for word in words if "*" in word)

    def tokens(self, folded: str) -> list[Token]:
        """The phrases met, in order, none overlapping another."""
        return [Token(m.start(), m.end(), self._roles(m)) for m in self._tokens.finditer(folded)]

    def _roles(self, met: re.Match[str]) -> Roles:
        if not met.lastgroup:
            return self.phrases.look_up(met[0])
        return _SIGNS.get(met.lastgroup) or self.units.look_up(met["unit"])


# --- the files -------------------------------------------------------------------------------------------------


@cache
def concepts(folder: Path | None = None) -> dict[str, Concept]:
    """The concepts of the package by name, with those of `folder` added or joined to them word by word.

    Raises:
        InputError: a file is at fault.
    """
    merged: dict[str, Any] = {}
    for file in _files("concepts", folder):
        _join(merged, schema.read(file, schema.CONCEPTS))
    return schema.CONCEPTS.validate_python(merged)


@cache
def languages(folder: Path | None = None) -> dict[Lang, Language]:
    """What each language says of concepts, by its code; a file of `folder` adds a language or words to one.

    Raises:
        InputError: a file is at fault, or a language has no decimal sign.
    """
    merged: dict[Lang, dict[str, Any]] = {}
    for file in _files("languages", folder):
        _join(merged.setdefault(Path(file.name).stem, {}), schema.read(file, schema.LANGUAGE))
    spoken = {lang: schema.LANGUAGE.validate_python(given) for lang, given in merged.items()}
    for lang in (lang for lang, language in spoken.items() if not language.layout.decimal):
        raise InputError(
            f"the language {lang} has no decimal sign", mend='write decimal = "," under [layout]'
        )
    return spoken


def _files(kind: str, folder: Path | None) -> Iterator[Traversable]:
    places: list[Traversable] = [files(__package__) / kind]
    if folder:
        places.append(folder / kind)
    for place in (place for place in places if place.is_dir()):
        yield from sorted(
            (file for file in place.iterdir() if file.name.endswith(".toml")), key=lambda file: file.name
        )


def _join(into: dict[str, Any], given: Mapping[str, Any]) -> None:
    """Adds lists to lists and tables to tables; a single value replaces another."""
    for key, value in given.items():
        if isinstance(value, dict):
            _join(into.setdefault(key, {}), value)
        elif isinstance(value, list):
            into[key] = [*into.get(key, ()), *value]
        else:
            into[key] = value


# --- what each phrase does ---------------------------------------------------------------------------------------


def _listed(language: Language, known: Mapping[str, Concept], lang: Lang) -> Iterator[tuple[str, str, str]]:
    """Every phrase of the files with the role and the value its list gives it."""
    for name, concept in known.items():
        if concept.label == DEVICES:
            yield from (
                (phrase, "device", name)
                for words in (concept.terms, concept.hints)
                for phrase in words.get(lang, ())
            )
        for role, words in _words_of(concept):
            yield from ((phrase, role, name) for phrase in words.get(lang, ()))
    for role in ROLES:
        for value, phrases in getattr(language, role).items():
            yield from ((phrase, role, value) for phrase in phrases)
    for kind, directions in language.cue.items():
        for direction, phrases in directions.items():
            yield from ((phrase, direction, kind) for phrase in phrases)


def _words_of(concept: Concept) -> Iterator[tuple[str, Words]]:
    yield from (("finding", concept.terms), ("hint", concept.hints))
    yield from ((role, getattr(concept, role)) for role in ("structure", "abnormal", "suspect", "unless"))


def _roles(listed: Iterable[tuple[str, str, str]]) -> dict[str, Roles]:
    roles: dict[str, dict[str, tuple[str, ...]]] = defaultdict(dict)
    for written, role, value in listed:
        for phrase in expand(written):
            values = roles[phrase].get(role, ())
            roles[phrase][role] = values if value in values else (*values, value)
    for role in ("side", "location"):
        _bring(role, roles)
    return dict(roles)


def _bring(role: str, roles: Mapping[str, dict[str, tuple[str, ...]]]) -> None:
    """Gives the mentions that hold a side or a place that side or place: "collapse of the right lung".

    The name of a device is no place: a central line does not end in the centre.
    """
    places = Phrases({phrase: {role: does[role]} for phrase, does in roles.items() if role in does})
    held = re.compile(rf"(?<!\w){places.expression}")
    for phrase, does in roles.items():
        apart = _MENTIONS.isdisjoint(does) or (role == "location" and "device" in does)
        inside = None if apart else held.search(phrase)
        if inside:
            does[role] = places.look_up(inside[0])[role]


@cache
def load(lang: Lang, folder: Path | None = None) -> Lexicon:
    """The lexicon of a language, compiled once; `folder` adds concepts, words and languages to the package's.

    Raises:
        InputError: there is no such language, or a file of the folder is at fault.
    """
    if folder and not (folder / "concepts").is_dir() and not (folder / "languages").is_dir():
        raise InputError(
            "holds neither concepts/ nor languages/", where=str(folder), mend="see docs/findings.md"
        )
    known, spoken = concepts(folder), languages(folder)
    if lang not in spoken:
        raise InputError(f"no lexicon for the language {lang!r}", mend=f"one of {', '.join(sorted(spoken))}")
    roles = _roles(_listed(spoken[lang], known, lang))
    capitals = zip(_CAPITALS, spoken[lang].layout.capitals.values(), strict=False)
    roles |= {sign: {"side": (side,)} for sign, side in capitals}
    return Lexicon(
        lang=lang,
        concepts=known,
        phrases=Phrases({phrase: does for phrase, does in roles.items() if "unit" not in does}),
        units=Phrases({phrase: does for phrase, does in roles.items() if "unit" in does}),
        layout=spoken[lang].layout,
    )
