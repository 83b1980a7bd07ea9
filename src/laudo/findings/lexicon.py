"""The words of a report and what each does, from data: `concepts/*.toml` and `languages/*.toml`.

A concept holds the words of all languages side by side, with sentences that must and must not state it; a language
holds what is said of concepts: denials, doubts, sides, sizes. Both are read into one matcher for each language.

A phrase is written as one would say it, accents and capitals as one likes. `*` stands for any ending
(`consolida*`), `(a|b)` for a choice, `(a |)` for words that may be missing; a space also matches a hyphen
or a line break. Where several phrases fit, the longest wins, and a word is used once. A phrase may stand
in several lists: it then does several things.
"""

import re
import tomllib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cache, cached_property
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, NamedTuple

from laudo.errors import InputError
from laudo.findings.phrases import Phrases, Roles, expand
from laudo.findings.text import fold

Lang = str
Words = Mapping[Lang, Sequence[str]]
DEVICES = "Support Devices"
ROLES = ("side", "location", "size", "change", "predicate", "joint", "scope", "unit")
LAYOUT = {"decimal", "silent", "spoken", "abbreviations", "unfinished", "denials"}
_MENTIONS = {"finding", "hint", "structure"}
# What signs do: "atelectasis? pneumonia?", "? pneumonia", "effusion: none".
_SIGNS: dict[str, Roles] = {
    "comma": {"joint": ("comma",)},
    "slash": {"joint": ("or",)},
    "asked": {"after": ("hedge",)},
    "query": {"before": ("hedge",)},
    "denied": {"after": ("negation",)},
}
# A number, or several as in "2,3 x 1,1" or "12 mm x 8", before a unit.
_NUMBER = r"\d{1,5}(?:[.,]\d{1,3})?(?: ?[a-z]{0,2} ?[x×] ?\d{1,5}(?:[.,]\d{1,3})?){0,2}[\s-]?"


@dataclass(frozen=True, kw_only=True)
class Concept:
    """A finding or device: its words, a list for each language, and sentences that try them.

    Attributes:
        label: the label of CheXpert that it counts for; None for the further findings.
        sided: whether it can be on the left or right.
        incidental: whether a report that states it may still have no finding.
        bare: whether chexpert-labeler takes a bare mention of its structure for the finding; of such a structure
            "stable" or "obscured" leaves the finding uncertain.
        terms: a mention states it. hints: a mention at most suggests it.
        structure: words that say nothing until a predicate does: `abnormal` states it, `suspect` suggests it.
        unless: phrases that hold its words and mean something else.
        examples: sentences that state it. counterexamples: sentences that have no fact of it.
    """

    name: str
    label: str | None
    sided: bool
    incidental: bool
    bare: bool
    terms: Words
    hints: Words
    structure: Words
    abnormal: Words
    suspect: Words
    unless: Words
    examples: Words
    counterexamples: Words


_LISTS = ("terms", "hints", "structure", "abnormal", "suspect", "unless", "examples", "counterexamples")
_DEFAULTS: dict[str, Any] = {"label": None, "sided": True, "incidental": False, "bare": False} | {
    key: {} for key in _LISTS
}


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
    layout: Mapping[str, Any]

    @cached_property
    def _tokens(self) -> re.Pattern[str]:
        return re.compile(
            rf"(?P<denied>:\s{{0,3}}(?:{'|'.join(map(fold, self.layout['denials'])) or '(?!)'})(?=\s{{0,3}}(?:[;,]|\Z)))"
            rf"|(?<!\w){self.phrases.expression}|(?P<comma>,(?!\d)|[;:(]|(?<=\s)-(?=\s))|(?P<slash>/(?=[a-z]))"
            rf"|(?P<query>(?<![^\s(])\?(?=\s?\w))|(?P<asked>\?)"
            rf"|(?<![\w.,/]){_NUMBER}(?P<unit>{self.units.expression})"
        )

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
        InputError: a file cannot be read, is not TOML, or has a key that no concept has.
    """
    merged: dict[str, dict[str, Any]] = {}
    for name, source in _sources("concepts", folder):
        for concept, given in source.items():
            _check(given, f"{name}, [{concept}]")
            _join(merged.setdefault(concept, {}), given)
    return {name: Concept(name=name, **{**_DEFAULTS, **given}) for name, given in merged.items()}


@cache
def languages(folder: Path | None = None) -> dict[Lang, dict[str, Any]]:
    """What each language says of concepts, by its code; a file of `folder` adds a language or words to one."""
    merged: dict[Lang, dict[str, Any]] = {}
    for name, source in _sources("languages", folder):
        known = {*ROLES, "cue", "layout"}
        if source.keys() - known:
            raise InputError(
                "is no language with these tables",
                where=name,
                mend=f"its tables are {', '.join(sorted(known))}",
            )
        _join(merged.setdefault(Path(name).stem, {}), source)
    for lang, source in merged.items():
        absent = LAYOUT - source.get("layout", {}).keys()
        if absent:
            raise InputError(
                f"[layout] of the language {lang} lacks {', '.join(sorted(absent))}",
                mend="see languages/en.toml",
            )
    return merged


def _sources(kind: str, folder: Path | None) -> Iterator[tuple[str, dict[str, Any]]]:
    places: list[Traversable] = [files(__package__) / kind]
    if folder:
        places.append(folder / kind)
    for place in (place for place in places if place.is_dir()):
        for file in sorted(place.iterdir(), key=lambda file: file.name):
            if file.name.endswith(".toml"):
                yield str(file), _parsed(file)


def _parsed(file: Traversable) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"cannot be read as TOML: {error}", where=str(file)) from None


def _check(given: Any, where: str) -> None:
    known = {field.name for field in fields(Concept)} - {"name"}
    if not isinstance(given, dict) or given.keys() - known:
        raise InputError(
            "is no concept with these keys",
            where=where,
            mend=f"the keys of a concept are {', '.join(sorted(known))}",
        )
    for key in given.keys() & set(_LISTS):
        lists: list[Any] = list(given[key].values()) if isinstance(given[key], dict) else [None]
        if not all(
            isinstance(words, list) and all(isinstance(word, str) for word in words) for words in lists
        ):
            raise InputError(
                f"{key} has no list of phrases", where=where, mend=f'write {key}.en = ["a phrase"]'
            )
        unclosed = [phrase for words in lists for phrase in words if phrase.count("(") != phrase.count(")")]
        if unclosed:
            raise InputError(f"a bracket of {unclosed[0]!r} is not closed", where=where)


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


def _listed(
    source: Mapping[str, Any], known: Iterable[Concept], lang: Lang
) -> Iterator[tuple[str, str, str]]:
    """Every phrase of the files with the role and the value its list gives it."""
    for concept in known:
        for phrase in (*concept.terms.get(lang, ()), *concept.hints.get(lang, ())):
            if concept.label == DEVICES:
                yield phrase, "device", concept.name
        for role in ("terms", "hints", "structure", "abnormal", "suspect", "unless"):
            name = {"terms": "finding", "hints": "hint"}.get(role, role)
            yield from ((phrase, name, concept.name) for phrase in getattr(concept, role).get(lang, ()))
    for role in ROLES:
        for value, phrases in source.get(role, {}).items():
            yield from ((phrase, role, value) for phrase in phrases)
    for kind, directions in source.get("cue", {}).items():
        for direction, phrases in directions.items():
            yield from ((phrase, direction, kind) for phrase in phrases)


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
    roles = _roles(_listed(spoken[lang], known.values(), lang))
    return Lexicon(
        lang=lang,
        concepts=known,
        phrases=Phrases({phrase: does for phrase, does in roles.items() if "unit" not in does}),
        units=Phrases({phrase: does for phrase, does in roles.items() if "unit" in does}),
        layout=spoken[lang]["layout"],
    )
