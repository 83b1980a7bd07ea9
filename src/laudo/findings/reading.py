"""Text -> facts: sentence by sentence, each sentence remembered, as reports repeat them."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, NamedTuple

from laudo.findings import sentences, structures
from laudo.findings.clauses import clauses
from laudo.findings.details import Place, details
from laudo.findings.lexicon import DEVICES, Lexicon, Token, concepts, languages, load
from laudo.findings.schema import Lang
from laudo.findings.text import fold, plain
from laudo.findings.verdicts import Span, Status, Verdict, verdicts

Side = Literal["left", "right", "bilateral"]
Size = Literal["small", "moderate", "large"]
Change = Literal["new", "increased", "decreased", "unchanged", "resolved"]
Mode = Literal["default", "reference"]
REMEMBERED, LONGEST = 1 << 16, 1000  # sentences, and characters of the longest that is remembered


class Measure(NamedTuple):
    """A number with its unit (`mm`, `cm` or `ml`); the largest where several are given, as in 2.3 x 1.1 cm."""

    value: float
    unit: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """One finding as one mention states it; None where the text does not say.

    Attributes:
        finding: a concept of the lexicon, such as `pleural_effusion` or `endotracheal_tube`.
        label: the label of CheXpert that it counts for, None for further findings.
        location: a place of the lexicon, such as `upper_lobe`; for a device, where it ends.
        size: severity or size in words. measure: size or distance in numbers.
        change: since the prior study.
        incidental: whether a report that states it may still have no finding.
        start, end: the mention, in characters of the text as given.
        cues: where the words are that made it absent or uncertain.
    """

    finding: str
    label: str | None
    status: Status
    side: Side | None
    location: str | None
    size: Size | None
    measure: Measure | None
    change: Change | None
    incidental: bool
    start: int
    end: int
    cues: tuple[Span, ...]


def read(text: str, *, lang: Lang, mode: Mode = "default", lexicon: Path | None = None) -> list[Fact]:
    """The facts of a report, in order of position.

    Sections that state no findings (indication, technique, comparison), questions and history give none.

    Args:
        lang: `en`, `pt`, or another that `lexicon` brings.
        mode: `reference` reads two things as chexpert-labeler does: a heart or mediastinum of which nothing is said
            is present, and "a or b" leaves both uncertain.
        lexicon: a folder with concepts and languages to add to the package's, see docs/findings.md.

    Raises:
        InputError: there is no such language, or a file of `lexicon` is at fault.
    """
    words = load(lang, lexicon)
    unbroken, offsets = plain(text, is_word=words.is_word)
    folded = words.marked(unbroken, fold(unbroken))
    facts = [
        _placed(fact, start, offsets)
        for start, end in sentences.spans(unbroken, words)
        for fact in (_remembered if end - start <= LONGEST else _facts)(words, mode, folded[start:end])
    ]
    return sorted(facts, key=lambda fact: (fact.start, fact.end))


def _placed(fact: Fact, shift: int, offsets: Sequence[int]) -> Fact:
    """The fact of a sentence as one of the text; `dataclasses.replace` would take longer than the reading."""
    return Fact(
        finding=fact.finding,
        label=fact.label,
        status=fact.status,
        side=fact.side,
        location=fact.location,
        size=fact.size,
        measure=fact.measure,
        change=fact.change,
        incidental=fact.incidental,
        start=offsets[fact.start + shift],
        end=offsets[fact.end + shift],
        cues=tuple((offsets[start + shift], offsets[end + shift]) for start, end in fact.cues),
    )


def as_json(fact: Fact, *, text: str) -> dict[str, Any]:
    """The fact as `laudo label` writes it: cues with their words, which are words of `text`."""
    row = {field.name: getattr(fact, field.name) for field in fields(fact)}
    return row | {
        "measure": fact.measure and fact.measure._asdict(),
        "cues": [{"text": text[start:end], "start": start, "end": end} for start, end in fact.cues],
    }


@lru_cache(REMEMBERED)
def _remembered(lexicon: Lexicon, mode: Mode, sentence: str) -> tuple[Fact, ...]:
    return tuple(_facts(lexicon, mode, sentence))


def forget() -> None:
    """Forgets the sentences read so far and the lexicons, so that a file that was changed is read again."""
    for remembered in (_remembered, load, concepts, languages):
        remembered.cache_clear()


def mistaken(*, lexicon: Path | None = None) -> list[str]:
    """The examples and counterexamples of the lexicon that are not read as they should be, each with its concept."""
    spoken = languages(lexicon)
    return [
        f"{name}, {lang}: {sentence}"
        for name, concept in concepts(lexicon).items()
        for sentences, should in ((concept.examples, True), (concept.counterexamples, False))
        for lang in sentences.keys() & spoken.keys()
        for sentence in sentences[lang]
        if should
        != any(f.finding == name and f.status != "absent" for f in read(sentence, lang=lang, lexicon=lexicon))
    ]


def _facts(lexicon: Lexicon, mode: Mode, sentence: str) -> list[Fact]:
    tokens = lexicon.tokens(sentence)
    mentions = [token for token in tokens if token.is_mention]
    if not mentions:
        return []
    predicates = structures.predicates(tokens)
    named = {mention.start for mention in mentions}
    targets = named | {predicate.start for predicate in predicates.values()}
    cut = list(clauses(tokens, targets))
    said, given = verdicts(cut, targets, or_doubts=mode == "reference"), details(cut, named)
    facts = [
        (
            finding in mention.says("finding"),
            _fact(lexicon, sentence, mention, finding, verdict, given[mention.start]),
        )
        for mention in mentions
        for finding, verdict in _stated(lexicon, mode, mention, said, predicates)
        if verdict.status
    ]
    return list(_without_signs(facts))


def _stated(
    lexicon: Lexicon, mode: Mode, mention: Token, said: Mapping[int, Verdict], predicates: Mapping[int, Token]
) -> Iterator[tuple[str, Verdict]]:
    """The findings a mention speaks of, each with what is said of it."""
    own = said[mention.start]
    for finding in mention.says("finding"):
        yield finding, own
    for finding in mention.says("hint"):
        yield finding, structures.weakened(own, mention)
    predicate = predicates.get(mention.start)
    for finding in mention.says("structure"):
        bare = lexicon.concepts[finding].bare
        told = (
            _of_structure(finding, mention, predicate, said, bare=bare) if predicate and own.status else None
        )
        if told and told.status:
            yield finding, told
        elif bare and mode == "reference":
            yield finding, own


def _of_structure(
    finding: str, mention: Token, predicate: Token, said: Mapping[int, Verdict], *, bare: bool
) -> Verdict:
    told = said[predicate.start]
    if predicate.start < mention.start and told.status == "present":
        told = said[mention.start]  # "an enlarged heart cannot be excluded"
    return structures.verdict(finding, predicate, told, bare=bare)


def _fact(
    lexicon: Lexicon,
    sentence: str,
    mention: Token,
    finding: str,
    verdict: Verdict,
    detail: Mapping[str, Place],
) -> Fact:
    concept = lexicon.concepts[finding]
    told = {kind: place.value for kind, place in detail.items()}
    measure = detail.get("unit")
    return Fact(
        finding=finding,
        label=concept.label,
        status=verdict.status or "present",
        side=told.get("side") if concept.sided else None,  # type: ignore[arg-type]
        location=told.get("location"),
        size=None if concept.label == DEVICES else told.get("size"),  # type: ignore[arg-type]
        measure=_measure(sentence[measure.token.start : measure.token.end], measure.value, lexicon)
        if measure
        else None,
        change="resolved" if verdict.resolved else told.get("change"),  # type: ignore[arg-type]
        incidental=concept.incidental,
        start=mention.start,
        end=mention.end,
        cues=verdict.cues,
    )


def _measure(words: str, unit: str, lexicon: Lexicon) -> Measure:
    """`2,3 x 1,1 cm` -> 2.3 cm. Three digits after a sign that is not the language's decimal sign are thousands."""
    thousands = "." if lexicon.layout.decimal == "," else ","
    numbers = (re.sub(rf"\{thousands}(?=\d{{3}}\b)", "", n) for n in re.findall(r"\d+(?:[.,]\d+)?", words))
    return Measure(max(float(number.replace(",", ".")) for number in numbers), unit)


def _without_signs(facts: Sequence[tuple[bool, Fact]]) -> Iterator[Fact]:
    """The facts less those that only suggest what the sentence also states outright (the True ones).

    "The right costophrenic angle is blunted by an effusion" is one effusion, not a suspected one as well.
    """
    told = {(fact.finding, fact.side) for outright, fact in facts if outright and fact.status != "absent"}
    for outright, fact in facts:
        if outright or fact.status != "uncertain" or (fact.finding, fact.side) not in told:
            yield fact
