"""What a file of the lexicon may contain. docs/findings.md explains it to the people who write such files."""

from __future__ import annotations

import re
import tomllib
from importlib.resources.abc import Traversable
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from laudo.errors import InputError
from laudo.vocabulary import LABELS

# "(a (b", "a) b)", "a)", "(a": brackets that nest or are not closed.
_BAD_BRACKETS = re.compile(r"\([^)]*\(|\)[^(]*\)|^[^(]*\)|\([^)]*$")
_NO_WORD = re.compile(r"\W*")


def _phrase(phrase: str) -> str:
    if _BAD_BRACKETS.search(phrase):
        raise ValueError(f"the brackets of {phrase!r} are not closed, or they nest")
    shortest = re.sub(r"\(([^)]*)\)", lambda choice: min(choice[1].split("|"), key=len), phrase).strip()
    if _NO_WORD.fullmatch(shortest) or "*" in shortest[:2]:
        raise ValueError(f"{phrase!r} may match nearly anything: begin it with two letters or more")
    return phrase


def _label(label: str) -> str:
    if label not in LABELS or label == "No Finding":
        raise ValueError(f"{label!r} is not a CheXpert label")
    return label


LanguageCode = str
Phrase = Annotated[str, AfterValidator(_phrase)]
Phrases = list[Phrase]
# Cues and conjunctions may be short: "e", "x", "s/".
Short = Annotated[str, Field(pattern=r"\S")]
Words = dict[LanguageCode, Phrases]
Direction = Literal["before", "after", "either", "rest"]
Letter = Annotated[str, Field(pattern=r"^\w$")]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Concept(_Strict):
    """A finding or device: its words, one list for each language, and sentences to test them.

    Attributes:
        label: the CheXpert label that it counts for; None for further findings.
        sided: whether it can be on the left or right.
        incidental: whether a report that states it may still have no finding.
        counts_alone: whether chexpert-labeler counts a mention of its structure alone as the finding.
            "Stable" or "obscured", said about such a structure, makes the finding uncertain.
        terms: words that state it.
        hints: words that at most suggest it.
        structure: words that state nothing without a predicate.
        abnormal: predicates of the structure that state the finding.
        suspect: predicates of the structure that suggest the finding.
        unless: phrases that contain its words and mean something else.
        examples: sentences that state it.
        counterexamples: sentences that do not state it.
    """

    label: Annotated[str, AfterValidator(_label)] | None = None
    sided: bool = True
    incidental: bool = False
    counts_alone: bool = False
    terms: Words = Field(default_factory=dict)
    hints: Words = Field(default_factory=dict)
    structure: Words = Field(default_factory=dict)
    abnormal: Words = Field(default_factory=dict)
    suspect: Words = Field(default_factory=dict)
    unless: Words = Field(default_factory=dict)
    examples: dict[LanguageCode, list[Short]] = Field(default_factory=dict)
    counterexamples: dict[LanguageCode, list[Short]] = Field(default_factory=dict)


class Layout(_Strict):
    """How the reports of a language are written.

    Attributes:
        decimal: the decimal sign.
        denials: words that deny after a colon ("effusion: none").
        headings: headings of an added language, by the section that they open, as in `sections/headers.toml`.
        capitals: single letters that mean a side where they stand alone.
        abbreviations: words whose full stop does not end a sentence.
        unfinished: words that do not end a sentence at the end of a line.
    """

    decimal: Literal[".", ","] | None = None
    denials: list[Short] = []
    headings: dict[str, list[Short]] = {}
    capitals: Annotated[dict[Letter, Literal["left", "right"]], Field(max_length=4)] = {}
    abbreviations: list[Short] = []
    unfinished: list[Short] = []


class LanguageWords(_Strict):
    """What a language says about concepts.

    Attributes:
        predicate: words that make a structure normal or doubtful.
        joint: words that join the items of a list.
        scope: words that end the reach of a denial (`contrast`, `concession`, `statement`), that say that
            something is present (`affirmation`) or that name a part (`part`). Phrases under `ignore` do
            nothing; no other phrase may use their words.
        cue: words that deny or hedge a mention, that say that it has resolved, that it cannot be excluded
            (`doubt`), or that nothing is stated about it (`silence`). They apply to a mention that follows
            them (`before`), that precedes them (`after`), to both (`either`), or to all that follows
            (`rest`).
    """

    side: dict[Literal["left", "right", "bilateral"], Phrases] = {}
    location: dict[str, Phrases] = {}
    size: dict[Literal["small", "moderate", "large"], Phrases] = {}
    change: dict[Literal["new", "increased", "decreased", "unchanged"], Phrases] = {}
    unit: dict[Literal["mm", "cm", "ml"], Phrases] = {}
    predicate: dict[Literal["normal", "doubtful"], Phrases] = {}
    joint: dict[Literal["and", "or", "with"], list[Short]] = {}
    scope: dict[Literal["contrast", "concession", "statement", "affirmation", "part", "ignore"], Phrases] = {}
    cue: dict[Literal["negation", "resolved", "hedge", "doubt", "silence"], dict[Direction, list[Short]]] = {}
    layout: Layout = Layout()


Content = TypeVar("Content")
CONCEPTS: TypeAdapter[dict[str, Concept]] = TypeAdapter(dict[str, Concept])
LANGUAGE: TypeAdapter[LanguageWords] = TypeAdapter(LanguageWords)


def load(file: Traversable, kind: TypeAdapter[Content]) -> dict[str, Any]:
    """Returns the content of a TOML file, unchanged, after checking that it is of a kind.

    Raises:
        InputError: the file cannot be opened, is not TOML, or contains something that is not allowed.
    """
    try:
        content = tomllib.loads(file.read_text(encoding="utf-8-sig"))
        kind.validate_python(content)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise InputError(
            f"{place}: {first['msg']}", where=str(file), fix="see docs/findings.md for what is allowed"
        ) from None
    except (OSError, ValueError) as error:
        raise InputError(
            f"cannot be read as TOML: {error}",
            where=str(file),
            fix="correct the file; it must be TOML in UTF-8",
        ) from None
    return content
