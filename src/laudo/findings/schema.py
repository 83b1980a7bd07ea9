"""What a file of the lexicon may say; docs/findings.md explains it to whoever writes one."""

from __future__ import annotations

import re
import tomllib
from importlib.resources.abc import Traversable
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from laudo.errors import InputError
from laudo.mimic import LABELS

_NESTED = re.compile(r"\([^)]*\(|\)[^(]*\)|^[^(]*\)|\([^)]*$")
_WORDLESS = re.compile(r"\W*")


def _phrase(phrase: str) -> str:
    if _NESTED.search(phrase):
        raise ValueError(f"the brackets of {phrase!r} are not closed, or nest")
    least = re.sub(r"\(([^)]*)\)", lambda choice: min(choice[1].split("|"), key=len), phrase).strip()
    if _WORDLESS.fullmatch(least) or "*" in least[:2]:
        raise ValueError(f"{phrase!r} may stand for nearly anything: begin it with two letters or more")
    return phrase


def _label(label: str) -> str:
    if label not in LABELS or label == "No Finding":
        raise ValueError(f"{label!r} is no label of CheXpert")
    return label


Lang = str
Phrase = Annotated[str, AfterValidator(_phrase)]
Phrases = list[Phrase]
# Cues and words that join may be short: "e", "x", "s/".
Short = Annotated[str, Field(pattern=r"\S")]
Words = dict[Lang, Phrases]
Direction = Literal["before", "after", "either", "rest"]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Concept(_Strict):
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
        examples: sentences that state it. counterexamples: sentences that do not.
    """

    label: Annotated[str, AfterValidator(_label)] | None = None
    sided: bool = True
    incidental: bool = False
    bare: bool = False
    terms: Words = Field(default_factory=dict)
    hints: Words = Field(default_factory=dict)
    structure: Words = Field(default_factory=dict)
    abnormal: Words = Field(default_factory=dict)
    suspect: Words = Field(default_factory=dict)
    unless: Words = Field(default_factory=dict)
    examples: dict[Lang, list[Short]] = Field(default_factory=dict)
    counterexamples: dict[Lang, list[Short]] = Field(default_factory=dict)


class Layout(_Strict):
    """How the reports of a language are written.

    Attributes:
        decimal: the decimal sign.
        denials: words that deny after a colon ("effusion: none").
        silent: headings of sections that state no findings; of the `brief` ones the first line alone. spoken:
            headings of those that do.
        capitals: letters that mean a side where they stand alone.
        abbreviations: words whose stop ends no sentence. unfinished: words that end no sentence at the end of a line.
    """

    decimal: Literal[".", ","] | None = None
    denials: list[Short] = []
    silent: list[Short] = []
    brief: list[Short] = []
    capitals: dict[str, Literal["left", "right"]] = {}
    spoken: list[Short] = []
    abbreviations: list[Short] = []
    unfinished: list[Short] = []


class Language(_Strict):
    """What a language says of concepts.

    Attributes:
        predicate: what makes a structure normal or doubtful.
        joint: what joins the items of a list. scope: what ends the reach of a denial (`contrast`, `concession`,
            `statement`), says that something is there (`affirmation`) or names a part (`part`); `ignore` are
            phrases that keep their words from any other.
        cue: what denies, resolves, doubts or silences the mention after or before it, either, or all the `rest`.
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


File = TypeVar("File")
CONCEPTS: TypeAdapter[dict[str, Concept]] = TypeAdapter(dict[str, Concept])
LANGUAGE: TypeAdapter[Language] = TypeAdapter(Language)


def read(file: Traversable, kind: TypeAdapter[File]) -> dict[str, Any]:
    """What a file says, as it says it, once it is known to be of its kind.

    Raises:
        InputError: it cannot be read, is not TOML, or says something it may not.
    """
    try:
        given = tomllib.loads(file.read_text(encoding="utf-8-sig"))
        kind.validate_python(given)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise InputError(
            f"{place}: {first['msg']}", where=str(file), mend="docs/findings.md says what may be there"
        ) from None
    except (OSError, ValueError) as error:
        raise InputError(f"cannot be read as TOML: {error}", where=str(file)) from None
    return given
