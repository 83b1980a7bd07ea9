"""Facts into sentences, English and Brazilian Portuguese together, with the wordings of `wordings.toml`."""

from __future__ import annotations

import hashlib
import re
import tomllib
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from random import Random
from typing import Any, NamedTuple

from laudo.phantom.facts import TrueFact
from laudo.vocabulary import Status

_NOUN_PHRASE = ["{Np}.", "{Np}."]
_CHOICE = re.compile(r"\{([^{}|]*(?:\|[^{}|]*)+)\}")


class _SidePt(NamedTuple):
    """A side in Portuguese: as a masculine and a feminine adjective, and as an adverb."""

    masculine: str
    feminine: str
    adverb: str


_SIDES_PT = {
    "left": _SidePt("esquerdo", "esquerda", "à esquerda"),
    "right": _SidePt("direito", "direita", "à direita"),
}
_NO_SIDE_PT = _SidePt("", "", "")


class Assertion(NamedTuple):
    """What a sentence asserts: a fact, None for what the words leave out, and the wording that asserts it."""

    fact: TrueFact
    wording: str
    set_aside: bool


@dataclass(frozen=True)
class Sentence:
    """One sentence in both languages, and what it asserts."""

    en: str
    pt: str
    assertions: tuple[Assertion, ...] = ()


class _Phrase(NamedTuple):
    """A noun phrase in both languages; `article` is the English one."""

    en: str
    pt: str
    is_plural: bool
    gender: str
    article: str


@cache
def wordings() -> dict[str, Any]:
    """Returns the wordings, as `wordings.toml` holds them."""
    return tomllib.loads(files(__package__).joinpath("wordings.toml").read_text("utf-8"))


@cache
def set_aside() -> frozenset[str]:
    """Returns the wordings of the test split: every third of each finding and status, by a hash of its name.

    A wording is `finding/status/frame/noun` or `finding/status/sentence`. If a finding and status have fewer
    than three, none is set aside, so that nothing occurs only in the test split. What impressions say in
    every split (`phrase`) is not set aside either.
    """
    names: set[str] = set()
    for group in _groups().values():
        ranked = sorted(group, key=lambda name: hashlib.sha256(name.encode()).digest())
        third = ranked[: len(ranked) // 3]
        names.update(name for name in third if not _is_noun_phrase(name))
    return frozenset(names)


def _is_noun_phrase(name: str) -> bool:
    """Returns whether a wording is the sentence that `phrase` makes: the first noun in its frame."""
    _, status, *choice = name.split("/")
    if len(choice) == 1:
        return False
    frame, noun = choice
    frames: dict[str, list[str]] = {
        Status.PRESENT: _NOUN_PHRASE,
        Status.UNCERTAIN: _frames(Status.UNCERTAIN)[0],
    }
    return noun == "0" and _frames(status)[int(frame)] == frames.get(status)


def _groups() -> dict[str, list[str]]:
    """Returns the names of all wordings by `finding/status`."""
    groups = {}
    for finding, entry in wordings()["findings"].items():
        for status, frames in wordings()["frames"].items():
            nouns = entry.get("negated" if status == Status.ABSENT else "nouns", [])
            framed = [f"{finding}/{status}/{f}/{n}" for f in range(len(frames)) for n in range(len(nouns))]
            sentences = [f"{finding}/{status}/{s}" for s in range(len(_sentences(entry, status)))]
            groups[f"{finding}/{status}"] = framed + sentences
    return groups


def _frames(status: str) -> list[list[str]]:
    frames: list[list[str]] = wordings()["frames"][status]
    return frames


def _sentences(entry: dict[str, Any], status: str) -> list[list[str]]:
    sentences: list[list[str]] = entry.get("sentences", {}).get(status, [])
    return sentences


class _Choices(NamedTuple):
    """The wordings to choose from: numbers of sentences, and pairs of the numbers of a frame and a noun."""

    sentences: tuple[int, ...]
    framed: tuple[tuple[int, int], ...]


@cache
def _choices(finding: str, status: str, new_wordings: bool) -> _Choices:
    names = _groups().get(f"{finding}/{status}", [])
    allowed = [name.split("/")[2:] for name in names if new_wordings or name not in set_aside()]
    return _Choices(
        tuple(int(choice[0]) for choice in allowed if len(choice) == 1),
        tuple((int(choice[0]), int(choice[1])) for choice in allowed if len(choice) == 2),
    )


def say(fact: TrueFact, rng: Random, *, new_wordings: bool) -> Sentence:
    """Returns a sentence of one fact; it uses wordings that were set aside only if `new_wordings` is true."""
    name, status = fact.kind or fact.finding, fact.change or fact.status
    sentences, framed = _choices(name, status, new_wordings)
    if fact.side == "bilateral" or (fact.size and framed):
        sentences = ()  # no sentence names two sides or a size
    if sentences and (not framed or rng.random() < 0.5):
        return _sentence(fact, rng.choice(sentences), rng)
    frame, noun = rng.choice(framed)
    if fact.status == Status.ABSENT:
        return deny([fact], rng, new_wordings=new_wordings)
    en, pt = _frames(status)[frame]
    noun_phrase = _phrase(fact, wordings()["findings"][name], noun, rng)
    assertion = _assertion(fact, f"{name}/{status}/{frame}/{noun}")
    return Sentence(_fill(en, noun_phrase, "en"), _fill(pt, noun_phrase, "pt"), (assertion,))


def deny(facts: list[TrueFact], rng: Random, *, new_wordings: bool) -> Sentence:
    """Returns a sentence that denies several absent findings, as one list."""
    frame = rng.choice(_frames_of(facts[0].finding, new_wordings))
    nouns, assertions = [], []
    for fact in facts:
        framed = _choices(fact.finding, Status.ABSENT, new_wordings).framed
        options = [noun for of_frame, noun in framed if of_frame == frame]
        if not options:
            continue
        noun = rng.choice(options)
        nouns.append(wordings()["findings"][fact.finding]["negated"][noun])
        assertions.append(_assertion(fact, f"{fact.finding}/{Status.ABSENT}/{frame}/{noun}"))
    en, pt = _frames(Status.ABSENT)[frame]
    return Sentence(
        en.replace("{list}", _listed([english for english, _ in nouns], "or")),
        pt.replace("{list}", _listed([portuguese for _, portuguese in nouns], "ou")),
        tuple(assertions),
    )


@cache
def _frames_of(finding: str, new_wordings: bool) -> tuple[int, ...]:
    return tuple(sorted({frame for frame, _ in _choices(finding, Status.ABSENT, new_wordings).framed}))


def phrase(fact: TrueFact, rng: Random) -> Sentence:
    """Returns the noun phrase alone, as an impression lists it: "Small left pleural effusion."

    It uses the first noun of the finding, so it is not a wording of its own and never set aside.
    """
    en, pt = _frames(Status.UNCERTAIN)[0] if fact.status == Status.UNCERTAIN else _NOUN_PHRASE
    noun_phrase = _phrase(fact, wordings()["findings"][fact.finding], 0, rng)
    assertion = Assertion(replace(fact, change=None), f"{fact.finding}/impression", False)
    return Sentence(_fill(en, noun_phrase, "en"), _fill(pt, noun_phrase, "pt"), (assertion,))


def other(kind: str, rng: Random) -> Sentence:
    """Returns a sentence without facts: a technique, an indication, a recommendation ..."""
    en, pt = rng.choice(wordings()["other"][kind])
    return Sentence(en, pt)


def _assertion(fact: TrueFact, wording: str) -> Assertion:
    return Assertion(fact, wording, wording in set_aside())


def _sentence(fact: TrueFact, number: int, rng: Random) -> Sentence:
    """Returns a sentence that has no frame; none of them says a size in words."""
    name, status = fact.kind or fact.finding, fact.change or fact.status
    en, pt = _sentences(wordings()["findings"][name], status)[number]
    cm, side = _centimetres(fact, rng), fact.side or ""
    en = en.replace("{side}", side).replace("{Side}", side.capitalize()).replace("{cm}", cm)
    pt = _with_side_pt(pt, fact.side).replace("{cm}", cm.replace(".", ","))
    return Sentence(en, pt, (_assertion(replace(fact, size=None), f"{name}/{status}/{number}"),))


def _with_side_pt(pt: str, side: str | None) -> str:
    side_pt = _SIDES_PT.get(side or "", _NO_SIDE_PT)
    pt = pt.replace("{lado_m}", side_pt.masculine).replace("{lado_f}", side_pt.feminine)
    return pt.replace("{lado}", side_pt.adverb)


_MILLIMETRES = {"small": (6, 14), None: (12, 28), "moderate": (12, 28), "large": (26, 45)}
_MILLIMETRES_OF_DEVICE = (25, 65)


def _centimetres(fact: TrueFact, rng: Random) -> str:
    low, high = _MILLIMETRES_OF_DEVICE if fact.kind else _MILLIMETRES[fact.size]
    return f"{rng.randint(low, high) / 10:.1f}"


def _phrase(fact: TrueFact, entry: dict[str, Any], noun: int, rng: Random) -> _Phrase:
    """Returns the noun phrase of a fact: size, noun, and its side or a place."""
    singular, plural, pt_singular, pt_plural, gender = entry["nouns"][noun]
    is_plural = fact.side == "bilateral" and bool(plural)
    en, pt = (plural, pt_plural) if is_plural else (singular, pt_singular)
    place = _place(fact, entry.get("places", []), rng)
    size_en, size_position, size_pt = _size(fact, entry)
    if size_pt:
        adjective = _agree(size_pt, is_plural=is_plural, gender=gender)
        pt = f"{adjective} {pt}" if size_position == "pre" else f"{pt} {adjective}"
    if place:
        en, pt = f"{en} {place.en}", f"{pt} {place.pt}"
    elif fact.side:
        en, pt = f"{fact.side} {en}", f"{pt} {_side_pt(fact.side, is_plural=is_plural)}"
    if size_en:
        en = f"{size_en} {en}"
    has_article = bool(plural) and not is_plural
    article = ("an " if en[0] in "aeiou" else "a ") if has_article else ""
    return _Phrase(en, pt, is_plural, gender, article)


def _size(fact: TrueFact, entry: dict[str, Any]) -> list[str]:
    """Returns the English size, its place in Portuguese ("pre" or "post"), and its Portuguese forms."""
    if not fact.size:
        return ["", "", ""]
    size: list[str] = wordings()["sizes"][entry["sizes"]][fact.size]
    return size


class _Place(NamedTuple):
    en: str
    pt: str


_P_PLACE = 0.6
"""How often a place is named instead of the side alone."""


def _place(fact: TrueFact, places: list[list[str]], rng: Random) -> _Place | None:
    if not places or not fact.side or rng.random() >= _P_PLACE:
        return None
    en, pt, en_both, pt_both = rng.choice(places)
    if fact.side == "bilateral":
        return _Place(en_both, pt_both) if en_both else None
    return _Place(en.replace("{side}", fact.side), _with_side_pt(pt, fact.side))


def _side_pt(side: str, *, is_plural: bool) -> str:
    if side == "bilateral":
        return "bilaterais" if is_plural else "bilateral"
    return _SIDES_PT[side].adverb


def _fill(frame: str, phrase: _Phrase, lang: str) -> str:
    """Returns the frame with the noun phrase in it."""
    text = _CHOICE.sub(lambda m: _agree(m[1], is_plural=phrase.is_plural, gender=phrase.gender), frame)
    np = phrase.en if lang == "en" else phrase.pt
    capitalised = np[0].upper() + np[1:]
    return text.replace("{a np}", phrase.article + np).replace("{np}", np).replace("{Np}", capitalised)


def _agree(forms: str, *, is_plural: bool, gender: str) -> str:
    """Returns the form of a word: of `singular|plural`, or of `m|f|m plural|f plural`."""
    options = forms.split("|")
    if len(options) == 4:
        options = options[1::2] if gender == "f" else options[0::2]
    singular, plural = options
    return plural if is_plural else singular


def _listed(nouns: list[str], word: str) -> str:
    """Returns "a, b, or c"; Portuguese has no comma before `ou`."""
    if len(nouns) < 3:
        return f" {word} ".join(nouns)
    comma = "," if word == "or" else ""
    return f"{', '.join(nouns[:-1])}{comma} {word} {nouns[-1]}"
