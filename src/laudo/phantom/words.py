"""Facts into sentences, English and Brazilian Portuguese at once, from the wordings in `wordings.toml`."""

from __future__ import annotations

import hashlib
import re
import tomllib
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from random import Random
from typing import Any, NamedTuple

from laudo.phantom.facts import Fact

_PHRASE = ["{Np}.", "{Np}."]
_CHOICE = re.compile(r"\{([^{}|]*(?:\|[^{}|]*)+)\}")
_LADO = {"left": ("esquerdo", "esquerda", "à esquerda"), "right": ("direito", "direita", "à direita")}


class Said(NamedTuple):
    """A fact as a sentence states it (what the words leave out is None) and the wording that states it."""

    fact: Fact
    wording: str
    set_aside: bool


@dataclass(frozen=True)
class Sentence:
    """One sentence in both languages and the facts that it states."""

    en: str
    pt: str
    said: tuple[Said, ...] = ()


class _Phrase(NamedTuple):
    en: str
    pt: str
    plural: bool
    gender: str
    article: str


@cache
def wordings() -> dict[str, Any]:
    """The wordings, as `wordings.toml` holds them."""
    return tomllib.loads(files("laudo.phantom").joinpath("wordings.toml").read_text("utf-8"))


@cache
def set_aside() -> frozenset[str]:
    """The wordings kept for the test split: every third of each finding and status, by a hash of its name.

    A wording is `finding/status/frame/noun` or `finding/status/sentence`. Where there are fewer than
    three, none is set aside, so that nothing is only ever seen in the test split. What impressions say in
    every split (`phrase`) is not set aside either.
    """
    aside: set[str] = set()
    for group in _groups().values():
        ranked = sorted(group, key=lambda name: hashlib.sha256(name.encode()).digest())
        aside.update(name for name in ranked[: len(ranked) // 3] if not _is_phrase(name))
    return frozenset(aside)


def _is_phrase(name: str) -> bool:
    """Whether a wording is the very sentence that `phrase` makes."""
    _, status, *pick = name.split("/")
    frames = {"present": _PHRASE, "uncertain": wordings()["frames"]["uncertain"][0]}
    return pick[1:] == ["0"] and bool(wordings()["frames"][status][int(pick[0])] == frames.get(status))


def _groups() -> dict[str, list[str]]:
    data, groups = wordings(), {}
    for finding, entry in data["findings"].items():
        for status, frames in data["frames"].items():
            nouns = entry.get("negated" if status == "absent" else "nouns", [])
            names = [f"{finding}/{status}/{f}/{n}" for f in range(len(frames)) for n in range(len(nouns))]
            names += [f"{finding}/{status}/{s}" for s in range(len(_sentences(entry, status)))]
            groups[f"{finding}/{status}"] = names
    return groups


def _sentences(entry: dict[str, Any], status: str) -> list[list[str]]:
    rows: list[list[str]] = entry.get("sentences", {}).get(status, [])
    return rows


@cache
def _choices(finding: str, status: str, new_wordings: bool) -> tuple[tuple[str, ...], ...]:
    names = _groups().get(f"{finding}/{status}", [])
    allowed = [name for name in names if new_wordings or name not in set_aside()]
    return tuple(tuple(name.split("/")[2:]) for name in allowed)


def say(fact: Fact, rng: Random, *, new_wordings: bool) -> Sentence:
    """Words one fact. Wordings that were set aside are used only where `new_wordings` is true."""
    name, status = fact.kind or fact.finding, fact.change or fact.status
    whole = [c for c in _choices(name, status, new_wordings) if len(c) == 1]
    framed = [c for c in _choices(name, status, new_wordings) if len(c) == 2]
    if fact.side == "bilateral" or (fact.size and framed):
        whole = []
    pick = rng.choice(whole) if whole and (not framed or rng.random() < 0.5) else rng.choice(framed)
    if fact.status == "absent" and len(pick) == 2:
        return deny([fact], rng, new_wordings=new_wordings)
    wording = "/".join((name, status, *pick))
    if len(pick) == 1:
        return _whole_sentence(fact, wording, int(pick[0]), status, rng)
    entry, frame = wordings()["findings"][name], wordings()["frames"][status][int(pick[0])]
    phrase = _phrase(fact, entry, int(pick[1]), rng)
    return Sentence(_fill(frame[0], phrase, "en"), _fill(frame[1], phrase, "pt"), (_said(fact, wording),))


def deny(facts: list[Fact], rng: Random, *, new_wordings: bool) -> Sentence:
    """Words several absent findings as one list."""
    frames = wordings()["frames"]["absent"]
    frame = rng.choice(_frames_for(facts[0].finding, new_wordings))
    nouns, said = [], []
    for fact in facts:
        options = [
            c[1] for c in _choices(fact.finding, "absent", new_wordings) if len(c) == 2 and c[0] == frame
        ]
        if not options:
            continue
        noun = rng.choice(options)
        nouns.append(wordings()["findings"][fact.finding]["negated"][int(noun)])
        said.append(_said(fact, f"{fact.finding}/absent/{frame}/{noun}"))
    en, pt = (
        frames[int(frame)][i].replace("{list}", _listed([n[i] for n in nouns], word))
        for i, word in enumerate(("or", "ou"))
    )
    return Sentence(en, pt, tuple(said))


@cache
def _frames_for(finding: str, new_wordings: bool) -> tuple[str, ...]:
    return tuple(sorted({c[0] for c in _choices(finding, "absent", new_wordings) if len(c) == 2}))


def phrase(fact: Fact, rng: Random) -> Sentence:
    """The bare noun phrase, as an impression lists it: «Small left pleural effusion.»

    It uses the first noun of the finding, so it is no wording of its own and never set aside.
    """
    entry = wordings()["findings"][fact.finding]
    frame = wordings()["frames"]["uncertain"][0] if fact.status == "uncertain" else _PHRASE
    built = _phrase(fact, entry, 0, rng)
    said = Said(replace(fact, change=None), f"{fact.finding}/impression", False)
    return Sentence(_fill(frame[0], built, "en"), _fill(frame[1], built, "pt"), (said,))


def other(kind: str, rng: Random) -> Sentence:
    """A sentence without facts: a technique, an indication, a recommendation ..."""
    en, pt = rng.choice(wordings()["other"][kind])
    return Sentence(en, pt)


def _said(fact: Fact, wording: str) -> Said:
    return Said(fact, wording, wording in set_aside())


def _whole_sentence(fact: Fact, wording: str, index: int, status: str, rng: Random) -> Sentence:
    en, pt, _ = _sentences(wordings()["findings"][fact.kind or fact.finding], status)[index]
    cm = _centimetres(fact, rng)
    lado_m, lado_f, lado = _LADO.get(fact.side or "", ("", "", ""))
    side = fact.side or ""
    en = en.replace("{side}", side).replace("{Side}", side.capitalize()).replace("{cm}", cm)
    pt = (
        pt.replace("{lado_m}", lado_m)
        .replace("{lado_f}", lado_f)
        .replace("{lado}", lado)
        .replace("{cm}", cm.replace(".", ","))
    )
    return Sentence(en, pt, (_said(replace(fact, size=None), wording),))


def _centimetres(fact: Fact, rng: Random) -> str:
    low, high = {"small": (6, 14), "large": (26, 45)}.get(fact.size or "", (12, 28))
    return f"{rng.randint(low, high) / 10:.1f}" if fact.kind is None else f"{rng.randint(25, 65) / 10:.1f}"


def _phrase(fact: Fact, entry: dict[str, Any], noun: int, rng: Random) -> _Phrase:
    singular, plural, pt_singular, pt_plural, gender = entry["nouns"][noun]
    many = fact.side == "bilateral" and bool(plural)
    en, pt = (plural, pt_plural) if many else (singular, pt_singular)
    places = entry.get("places", [])
    place = rng.choice(places) if places and fact.side and rng.random() < 0.6 else None
    if place and not (fact.side == "bilateral" and not place[2]):
        lead_en, (tail_en, tail_pt) = "", _place(place, fact.side)
    else:
        lead_en, tail_en, tail_pt = fact.side or "", "", _side_pt(fact.side, many=many)
    if fact.size:
        size_en, where, size_pt = wordings()["sizes"][entry["sizes"]][fact.size]
        lead_en = f"{size_en} {lead_en}"
        size_pt = _agree(size_pt, many, gender)
        pt = f"{size_pt} {pt}" if where == "pre" else f"{pt} {size_pt}"
    en = " ".join(f"{lead_en} {en} {tail_en}".split())
    article = "" if many or not plural else ("an " if en[0] in "aeiou" else "a ")
    return _Phrase(en, " ".join(f"{pt} {tail_pt}".split()), many, gender, article)


def _place(place: list[str], side: str | None) -> tuple[str, str]:
    if side == "bilateral":
        return place[2], place[3]
    lado_m, lado_f, lado = _LADO[side or ""]
    pt = place[1].replace("{lado_m}", lado_m).replace("{lado_f}", lado_f).replace("{lado}", lado)
    return place[0].replace("{side}", side or ""), pt


def _side_pt(side: str | None, *, many: bool) -> str:
    if side == "bilateral":
        return "bilaterais" if many else "bilateral"
    return _LADO[side][2] if side else ""


def _fill(frame: str, phrase: _Phrase, lang: str) -> str:
    text = _CHOICE.sub(lambda m: _agree(m[1], phrase.plural, phrase.gender), frame)
    np = phrase.en if lang == "en" else phrase.pt
    return (
        text.replace("{a np}", phrase.article + np)
        .replace("{np}", np)
        .replace("{Np}", np[0].upper() + np[1:])
    )


def _agree(forms: str, many: bool, gender: str) -> str:
    options = forms.split("|")
    return options[many if len(options) == 2 else 2 * many + (gender == "f")]


def _listed(nouns: list[str], word: str) -> str:
    if len(nouns) < 3:
        return f" {word} ".join(nouns)
    comma = "," if word == "or" else ""
    return f"{', '.join(nouns[:-1])}{comma} {word} {nouns[-1]}"
