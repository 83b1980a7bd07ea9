"""The phrases that a sentence contains, and what each of them does.

For each language the phrases of the concepts and of the language are put together.

A phrase is written in ordinary spelling; accents and capitals do not matter. `*` stands for any ending
(`consolida*`), `(a|b)` for a choice, `(a |)` for words that may be missing; a blank also matches a hyphen or
a line break. If several phrases fit, the longest is used, and each word is used once. A phrase may be in
several lists; it then does several things.

The phrases of `laudo.fidelity` are written otherwise: there accents count, and a blank matches no hyphen.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from laudo.errors import InputError
from laudo.findings.phrases import Phrases, Roles, expand
from laudo.findings.schema import Concept, LanguageCode, LanguageWords, Layout
from laudo.findings.sources import FOLDERS, concepts, languages
from laudo.findings.text import fold

DEVICES = "Support Devices"
_MENTION_ROLES = ("finding", "hint", "structure")
_CONCEPT_ROLES = {
    "finding": "terms",
    "hint": "hints",
    "structure": "structure",
    "abnormal": "abnormal",
    "suspect": "suspect",
    "unless": "unless",
}
"""The roles that phrases of a concept have, and the attribute of `Concept` that lists the phrases."""
_LANGUAGE_ROLES = ("side", "location", "size", "change", "predicate", "joint", "scope")
"""The roles that phrases of a language have besides those of its cues."""
# What characters that are no phrase do: "atelectasis? pneumonia?", "? pneumonia", "effusion: none".
_SIGN_ROLES: dict[str, Roles] = {
    "comma": {"joint": ("comma",)},
    "slash": {"joint": ("or",)},
    "question_after": {"after": ("hedge",)},
    "question_before": {"before": ("hedge",)},
    "denial_after_colon": {"after": ("negation",)},
}
# Characters that replace a capital that means a side, because the folded text has no capitals.
_REMEMBERED_MENTIONS = 1 << 14
_CAPITAL_SIGNS = "\ue000\ue001\ue002\ue003"


class Token(NamedTuple):
    """A phrase of the lexicon in a text. `start` and `end` are characters of the folded text."""

    start: int
    end: int
    roles: Roles

    def does(self, *roles: str) -> bool:
        """Returns whether it has any of these roles."""
        return not self.roles.keys().isdisjoint(roles)

    def says(self, role: str) -> tuple[str, ...]:
        """Returns its values in a role; none if it does not have the role."""
        return self.roles.get(role, ())

    @property
    def is_mention(self) -> bool:
        """Whether it names a finding, a sign of one, or a structure."""
        return self.does(*_MENTION_ROLES)

    @property
    def is_predicate(self) -> bool:
        """Whether it says in what condition a structure is."""
        return self.does("predicate", "abnormal", "suspect")

    @property
    def is_normal(self) -> bool:
        """Whether it says that a structure is normal."""
        return "normal" in self.says("predicate")


@dataclass(frozen=True, eq=False)
class Lexicon:
    """The compiled lexicon of a language.

    Attributes:
        places: the phrases of sides and of locations.
        units: the words that need a number before them, as expressions.
    """

    lang: LanguageCode
    concepts: Mapping[str, Concept]
    phrases: Phrases
    places: Mapping[str, Phrases]
    units: Sequence[tuple[re.Pattern[str], str]]
    layout: Layout

    def tokens(self, folded: str) -> list[Token]:
        """Returns the phrases and signs in the text, in order; none overlaps another."""
        atoms = list(self._atoms.finditer(folded))
        words = [atom[0] for atom in atoms]
        result = []
        position = 0
        while position < len(atoms):
            end, roles = self._phrase(words, position) or (position + 1, self._sign(atoms[position]))
            if roles:
                result.append(Token(atoms[position].start(), atoms[end - 1].end(), roles))
            position = end
        return result

    def _phrase(self, words: Sequence[str], start: int) -> tuple[int, Roles] | None:
        """Returns where the longest phrase ends that begins at a word, and what it does; None without one."""
        found = self.phrases.longest(words, start)
        if found is None or found[1].keys().isdisjoint(_MENTION_ROLES):
            return found
        end, roles = found
        return end, {**self._places_in(tuple(words[start:end]), is_device="device" in roles), **roles}

    @lru_cache(_REMEMBERED_MENTIONS)  # noqa: B019 - a lexicon lives as long as the program
    def _places_in(self, words: tuple[str, ...], *, is_device: bool) -> Roles:
        """Returns the side and location that the words of a mention contain.

        "Collapse of the right lung" is on the right. The name of a device contains no location: a central
        line does not end in the centre.
        """
        roles: dict[str, tuple[str, ...]] = {}
        for role in ("side",) if is_device else ("side", "location"):
            found = (self.places[role].longest(words, start) for start in range(len(words)))
            _, contained = next(filter(None, found), (0, {}))
            roles |= contained
        return roles

    def _sign(self, atom: re.Match[str]) -> Roles | None:
        """Returns what a sign or a measure does; None for a word that begins no phrase."""
        kind = atom.lastgroup
        if kind == "unit":
            return {"unit": (self._unit(atom["unit"]),)}
        return _SIGN_ROLES[kind] if kind else None

    def _unit(self, word: str) -> str:
        return next(unit for pattern, unit in self.units if pattern.fullmatch(word))

    @cached_property
    def _atoms(self) -> re.Pattern[str]:
        """The words, signs and measures of a text. The group says what a sign does by itself."""
        denials = "|".join(map(fold, self.layout.denials)) or "(?!)"
        units = "|".join(pattern.pattern for pattern, _ in self.units) or "(?!)"
        number = r"\d{1,5}(?:[.,]\d{1,3})?"
        # "x 1,1", "mm x 8": a further number of a measure.
        further_number = rf" ?[a-z]{{0,2}} ?[x×] ?{number}"
        alternatives = (
            # ": none", up to a comma, a semicolon or the end.
            rf"(?P<denial_after_colon>:\s{{0,3}}(?:{denials})(?=\s{{0,3}}(?:[;,]|\Z)))",
            rf"(?<![\w.,/]){number}(?:{further_number}){{0,2}}[\s-]?(?P<unit>(?:{units})(?!\w))",
            r"\w+",
            # A comma that is not in a number; other signs that separate; a dash between blanks.
            r"(?P<comma>,(?!\d)|[;:(]|(?<=\s)-(?=\s))",
            r"(?P<slash>/(?=[a-z]))",
            r"(?P<question_before>(?<![^\s(])\?(?=\s?\w))",
            r"(?P<question_after>\?)",
            r"[^\w\s-]",
        )
        return re.compile("|".join(alternatives))

    def mark_capitals(self, text: str, folded: str) -> str:
        """Returns the folded text with a sign for each capital that means a side.

        Such a capital is the E of "derrame pleural E".
        """
        signs = dict(zip(self.layout.capitals, _CAPITAL_SIGNS, strict=False))
        characters = list(folded)
        for capital in self._capitals.finditer(text):
            characters[capital.start()] = signs[capital[0]]
        return "".join(characters)

    @cached_property
    def _capitals(self) -> re.Pattern[str]:
        letters = "|".join(map(re.escape, self.layout.capitals)) or "(?!)"
        before = (
            r"(?<=[a-zà-ÿ][ (/])",  # "pleural E", "direita/E"
            r"(?<=[a-zà-ÿ] \()",  # "pleural (E"
            r"(?<=[A-Z]/)",  # "D/E"
        )
        return re.compile(rf"(?:{'|'.join(before)})(?:{letters})(?!\w)")

    def is_word(self, folded: str) -> bool:
        """Returns whether it is a word of a phrase."""
        words, beginnings = self._vocabulary
        return folded in words or folded.startswith(beginnings)

    @cached_property
    def _vocabulary(self) -> tuple[frozenset[str], tuple[str, ...]]:
        """The words of all phrases, and the beginnings of those with `*`."""
        words = {word for phrase in self.phrases.roles for word in phrase.split() if len(word) > 3}
        return frozenset(words), tuple(word.partition("*")[0] for word in words if "*" in word)


@cache
def load(lang: LanguageCode, folder: Path | None = None) -> Lexicon:
    """Returns the lexicon of a language, compiled once. `folder` adds concepts and languages.

    Raises:
        InputError: there is no such language, or a file of the folder is wrong.
    """
    if folder and not any((folder / kind).is_dir() for kind in FOLDERS):
        raise InputError(
            "the folder contains neither concepts/ nor languages/",
            where=str(folder),
            fix="see docs/findings.md",
        )
    known_concepts, known_languages = concepts(folder), languages(folder)
    if lang not in known_languages:
        raise InputError(
            f"no lexicon for the language {lang!r}", fix=f"use one of {', '.join(sorted(known_languages))}"
        )
    language = known_languages[lang]
    roles = _roles([*_concept_entries(known_concepts, lang), *_language_entries(language)])
    roles |= _capital_roles(language.layout)
    return Lexicon(
        lang=lang,
        concepts=known_concepts,
        phrases=Phrases(roles),
        places={role: _only(role, roles) for role in ("side", "location")},
        units=_units(language.unit),
        layout=language.layout,
    )


class _Entry(NamedTuple):
    """A phrase as a file has it, with the role and the value that its list gives it."""

    phrase: str
    role: str
    value: str


def _concept_entries(known: Mapping[str, Concept], lang: LanguageCode) -> Iterator[_Entry]:
    for name, concept in known.items():
        if concept.label == DEVICES:
            names = (*concept.terms.get(lang, ()), *concept.hints.get(lang, ()))
            yield from (_Entry(phrase, "device", name) for phrase in names)
        for role, attribute in _CONCEPT_ROLES.items():
            phrases = getattr(concept, attribute).get(lang, ())
            yield from (_Entry(phrase, role, name) for phrase in phrases)


def _language_entries(language: LanguageWords) -> Iterator[_Entry]:
    for role in _LANGUAGE_ROLES:
        for value, phrases in getattr(language, role).items():
            yield from (_Entry(phrase, role, value) for phrase in phrases)
    for kind, directions in language.cue.items():
        for direction, cues in directions.items():
            yield from (_Entry(phrase, direction, kind) for phrase in cues)


def _roles(entries: Iterable[_Entry]) -> dict[str, Roles]:
    """Returns what each expanded phrase does."""
    roles: dict[str, dict[str, tuple[str, ...]]] = defaultdict(dict)
    for entry in entries:
        for phrase in expand(entry.phrase):
            values = roles[phrase].get(entry.role, ())
            roles[phrase][entry.role] = tuple(dict.fromkeys((*values, entry.value)))
    return dict(roles)


def _only(role: str, roles: Mapping[str, Roles]) -> Phrases:
    return Phrases({phrase: {role: does[role]} for phrase, does in roles.items() if role in does})


def _units(words: Mapping[Any, Sequence[str]]) -> list[tuple[re.Pattern[str], str]]:
    return [
        (re.compile(re.escape(phrase).replace(r"\*", r"\w*")), unit)
        for unit, phrases in words.items()
        for choice in phrases
        for phrase in expand(choice)
    ]


def _capital_roles(layout: Layout) -> dict[str, Roles]:
    signs = zip(_CAPITAL_SIGNS, layout.capitals.values(), strict=False)
    return {sign: {"side": (side,)} for sign, side in signs}
