"""What is compared: the English section, the model's translation of it, and the facts of both."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import NamedTuple

from laudo.fidelity.data import check_data
from laudo.fidelity.repairs import without_frame, without_markdown
from laudo.findings import Fact
from laudo.sections import unwrap
from laudo.vocabulary import Stop

_WORD = re.compile(r"[^\W\d_]+")
_LIST_NUMBER = re.compile(r"(?<!\S)\d{1,2}[.)]\s")


class FactPair(NamedTuple):
    """The facts of one finding in source and translation, each in the order of the text."""

    source: Sequence[Fact]
    translation: Sequence[Fact]


@dataclass(frozen=True)
class TranslatedSection:
    """A section's English source and what the model made of it.

    Attributes:
        raw: the model's answer. stop: why the model stopped, `end` if it came to an end.
        source_facts, translation_facts: by finding, each in the order of the text.
    """

    source: str
    raw: str
    stop: Stop
    source_facts: Mapping[str, Sequence[Fact]]
    translation_facts: Mapping[str, Sequence[Fact]]

    @cached_property
    def without_markdown(self) -> str:
        """The answer without markdown, but with preface and postface."""
        return without_markdown(source=self.source, raw=self.raw)

    @cached_property
    def translation(self) -> str:
        """The repaired translation (`repair`)."""
        return without_frame(source=self.source, text=self.without_markdown)

    @cached_property
    def source_sentences(self) -> Sequence[str]:
        """The sentences of the source."""
        return sentences(self.source)

    @cached_property
    def translation_sentences(self) -> Sequence[str]:
        """The sentences of the repaired translation."""
        return sentences(self.translation)

    def common_findings(self) -> Iterator[tuple[str, FactPair]]:
        """Gives the findings that both texts state or deny, sorted, with their facts."""
        for finding in sorted(self.source_facts.keys() & self.translation_facts.keys()):
            yield finding, FactPair(self.source_facts[finding], self.translation_facts[finding])


def by_finding(facts: Iterable[Fact]) -> dict[str, list[Fact]]:
    """Returns the facts of each finding; findings and facts stay in the order given."""
    grouped: dict[str, list[Fact]] = defaultdict(list)
    for fact in facts:
        grouped[fact.finding].append(fact)
    return dict(grouped)


def words(text: str) -> list[str]:
    """Returns the words of a text in small letters, without numbers and signs."""
    return [word.casefold() for word in _WORD.findall(text)]


def sentences(text: str) -> list[str]:
    """Returns the sentences of a text. An item of a list begins one, also if it does not begin a line."""
    pieces = _sentence_end().split(_LIST_NUMBER.sub("\n", unwrap(text)))
    return [piece.strip() for piece in pieces if _WORD.search(piece)]


@cache
def _sentence_end() -> re.Pattern[str]:
    """A line break, or a full stop that does not end an abbreviation."""
    not_after = "".join(rf"(?<!\b{short})" for short in check_data()["structure"]["abbreviations"])
    return re.compile(rf"{not_after}[.!?]+(?=\s|\Z)|\n+", re.IGNORECASE)


def named(problem: str, names: Sequence[str]) -> str:
    """Returns a detail: the problem and what it concerns. Without names there is no problem: empty text."""
    return f"{problem} {', '.join(names)}" if names else ""


def only_in_one(source: Iterable[str], translation: Iterable[str]) -> str:
    """Returns a detail: what only one of the texts has, as often as it has it. Empty text if they agree."""
    in_source, in_translation = Counter(source), Counter(translation)
    surplus = {"source": in_source - in_translation, "translation": in_translation - in_source}
    return "; ".join(
        f"{', '.join(sorted(values.elements()))} only in the {text}"
        for text, values in surplus.items()
        if values
    )
