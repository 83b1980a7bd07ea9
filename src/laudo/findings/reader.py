"""Extracts the facts from a text, sentence by sentence. Sentences are cached, because reports repeat them."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from laudo.findings import sentences, structures
from laudo.findings.assertions import Assertion, assertions
from laudo.findings.clauses import clauses
from laudo.findings.details import Detail, details
from laudo.findings.facts import Fact, Measure, Mode, require_mode
from laudo.findings.lexicon import DEVICES, Lexicon, Token, load
from laudo.findings.schema import LanguageCode
from laudo.findings.sources import concepts, languages
from laudo.findings.text import clean, fold
from laudo.vocabulary import Status

CACHED_SENTENCES = 1 << 16
LONGEST_CACHED = 1000  # characters of a sentence


def read(text: str, *, lang: LanguageCode, mode: Mode = "default", lexicon: Path | None = None) -> list[Fact]:
    """Returns the facts of a report, in the order of their position.

    Sections that state no findings (indication, technique, comparison), questions and history give no facts.

    Args:
        text: the report.
        lang: `en`, `pt`, or another language that `lexicon` adds.
        mode: `reference` reads two things as chexpert-labeler does: a heart or mediastinum about which
            nothing is said is present, and "a or b" makes both uncertain.
        lexicon: a folder with concepts and languages to add to the package's; see docs/findings.md.

    Raises:
        InputError: there is no such language or mode, or a file of `lexicon` is wrong.
    """
    require_mode(mode)
    words = load(lang, lexicon)
    cleaned, offsets = clean(text, is_word=words.is_word)
    folded = words.mark_capitals(cleaned, fold(cleaned))
    facts: list[Fact] = []
    for start, end in sentences.spans(cleaned, words):
        facts_of = _cached_facts if end - start <= LONGEST_CACHED else _facts
        facts += [_in_text(fact, start, offsets) for fact in facts_of(words, mode, folded[start:end])]
    return sorted(facts, key=lambda fact: (fact.start, fact.end))


def clear_cache() -> None:
    """Forgets the cached sentences and lexicons, so that a changed file is loaded again."""
    for cached in (_cached_facts, load, concepts, languages):
        cached.cache_clear()


def failed_examples(*, lexicon: Path | None = None) -> list[str]:
    """Returns the examples that do not state their concept, and the counterexamples that do.

    Each has its concept and its language before it.
    """
    failed = []
    for name, concept in concepts(lexicon).items():
        for tests, is_stated in ((concept.examples, True), (concept.counterexamples, False)):
            for lang in tests.keys() & languages(lexicon).keys():
                failed += [
                    f"{name}, {lang}: {sentence}"
                    for sentence in tests[lang]
                    if _states(sentence, name, lang=lang, lexicon=lexicon) != is_stated
                ]
    return failed


def _states(sentence: str, finding: str, *, lang: LanguageCode, lexicon: Path | None) -> bool:
    facts = read(sentence, lang=lang, lexicon=lexicon)
    return any(fact.finding == finding and fact.status != Status.ABSENT for fact in facts)


def _in_text(fact: Fact, shift: int, offsets: Sequence[int]) -> Fact:
    """Returns the fact of a sentence with its positions in the text.

    It names each field, because `dataclasses.replace` would take longer than the reading itself.
    """
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


# --- one sentence -----------------------------------------------------------------------------------------


@lru_cache(CACHED_SENTENCES)
def _cached_facts(lexicon: Lexicon, mode: Mode, sentence: str) -> tuple[Fact, ...]:
    return tuple(_facts(lexicon, mode, sentence))


class _Statement(NamedTuple):
    """A finding that a mention is about, and what the sentence asserts about it."""

    mention: Token
    finding: str
    assertion: Assertion

    @property
    def is_explicit(self) -> bool:
        """Whether the mention is a name of the finding, not only a sign of it."""
        return self.finding in self.mention.says("finding")


@dataclass(frozen=True)
class _Sentence:
    """A sentence with what it says: predicates, assertions and details by the start of their mention."""

    text: str
    lexicon: Lexicon
    mode: Mode
    predicates: Mapping[int, Token]
    assertions: Mapping[int, Assertion]
    details: Mapping[int, Mapping[str, Detail]]

    def statements(self, mention: Token) -> Iterator[_Statement]:
        """Yields the findings that a mention is about. An assertion may have no status."""
        assertion = self.assertions[mention.start]
        for finding in mention.says("finding"):
            yield _Statement(mention, finding, assertion)
        for finding in mention.says("hint"):
            yield _Statement(mention, finding, structures.suggested(assertion, mention))
        for finding in mention.says("structure"):
            yield _Statement(mention, finding, self._of_structure(finding, mention))

    def _of_structure(self, finding: str, mention: Token) -> Assertion:
        """Returns what the sentence asserts about the finding of a structure."""
        about_mention = self.assertions[mention.start]
        counts_alone = self.lexicon.concepts[finding].counts_alone
        predicate = self.predicates.get(mention.start)
        if predicate and about_mention.status:
            assertion = self.assertions[predicate.start]
            if predicate.start < mention.start and assertion.status == Status.PRESENT:
                assertion = about_mention  # "an enlarged heart cannot be excluded"
            assertion = structures.of_structure(finding, predicate, assertion, counts_alone=counts_alone)
            if assertion.status:
                return assertion
        return about_mention if counts_alone and self.mode == "reference" else Assertion(None)

    def fact(self, statement: _Statement) -> Fact:
        """Returns the fact that a statement gives. Its positions are characters of the sentence."""
        mention, finding, assertion = statement
        concept = self.lexicon.concepts[finding]
        details = self.details[mention.start]
        values = {kind: detail.value for kind, detail in details.items()}
        return Fact(
            finding=finding,
            label=concept.label,
            status=assertion.status or Status.PRESENT,
            side=values.get("side") if concept.sided else None,  # type: ignore[arg-type]
            location=values.get("location"),
            size=None if concept.label == DEVICES else values.get("size"),  # type: ignore[arg-type]
            measure=self._measure(details["unit"]) if "unit" in details else None,
            change="resolved" if assertion.resolved else values.get("change"),  # type: ignore[arg-type]
            incidental=concept.incidental,
            start=mention.start,
            end=mention.end,
            cues=assertion.cues,
        )

    def _measure(self, detail: Detail) -> Measure:
        """Returns the largest number: `2,3 x 1,1 cm` is 2.3 cm.

        Three digits after a sign that is not the decimal sign of the language are thousands.
        """
        words = self.text[detail.token.start : detail.token.end]
        thousands = "." if self.lexicon.layout.decimal == "," else ","
        numbers = [
            re.sub(rf"\{thousands}(?=\d{{3}}\b)", "", number)
            for number in re.findall(r"\d+(?:[.,]\d+)?", words)
        ]
        return Measure(max(float(number.replace(",", ".")) for number in numbers), detail.value)


def _facts(lexicon: Lexicon, mode: Mode, text: str) -> list[Fact]:
    """Returns the facts of a folded sentence. Their positions are characters of the sentence."""
    tokens = lexicon.tokens(text)
    mentions = [token for token in tokens if token.is_mention]
    if not mentions:
        return []
    predicates = structures.predicates(tokens)
    starts = {mention.start for mention in mentions}
    targets = starts | {predicate.start for predicate in predicates.values()}
    parts = list(clauses(tokens, targets))
    sentence = _Sentence(
        text=text,
        lexicon=lexicon,
        mode=mode,
        predicates=predicates,
        assertions=assertions(parts, targets, or_is_uncertain=mode == "reference"),
        details=details(parts, starts),
    )
    statements = [statement for mention in mentions for statement in sentence.statements(mention)]
    facts = [(s.is_explicit, sentence.fact(s)) for s in statements if s.assertion.status]
    return list(_without_signs(facts))


def _without_signs(facts: Sequence[tuple[bool, Fact]]) -> Iterator[Fact]:
    """Yields the facts, except signs of a finding that the sentence also states explicitly (True).

    "The right costophrenic angle is blunted by an effusion" states one effusion, not a suspected one as well.
    """
    stated = {
        (fact.finding, fact.side) for explicit, fact in facts if explicit and fact.status != Status.ABSENT
    }
    for explicit, fact in facts:
        if explicit or fact.status != Status.UNCERTAIN or (fact.finding, fact.side) not in stated:
            yield fact
