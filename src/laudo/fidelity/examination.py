"""One translated section compared with its English source: repaired, then checked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from laudo.fidelity.checks import CHECKS
from laudo.fidelity.repairs import repair
from laudo.fidelity.section import TranslatedSection, by_finding
from laudo.findings import Fact, read
from laudo.vocabulary import Stop


class Result(NamedTuple):
    """One check of one section. `detail` says why it failed and is empty if it passed.

    It names findings, numbers and sides, and never quotes the report.
    """

    check: str
    passed: bool
    detail: str


class Examined(NamedTuple):
    """The repaired translation, and one result for each check."""

    text: str
    results: list[Result]


def examine(
    *, source: str, raw: str, stop: Stop, source_facts: Sequence[Fact], translation_facts: Sequence[Fact]
) -> list[Result]:
    """Returns one result for each check, in the order of `CHECK_NAMES`. No `detail` quotes the report.

    Args:
        source: the English section.
        raw: the model's answer to it.
        stop: why the model stopped. Anything but `end` is a text that was cut short.
        source_facts: the facts of `source`, read as English.
        translation_facts: the facts of `repair(source=source, raw=raw)`, read as Portuguese.
    """
    section = TranslatedSection(source, raw, stop, by_finding(source_facts), by_finding(translation_facts))
    details = {name: check(section) for name, check in CHECKS.items()}
    return [Result(name, detail == "", detail) for name, detail in details.items()]


def examine_texts(*, source: str, translation: str, stop: Stop = "end") -> Examined:
    """Returns the repaired translation and its results; reads the facts of both texts itself.

    Args:
        source: the English section.
        translation: the model's answer to it.
        stop: why the model stopped, as in `examine`.
    """
    text = repair(source=source, raw=translation)
    results = examine(
        source=source,
        raw=translation,
        stop=stop,
        source_facts=read(source, lang="en"),
        translation_facts=read(text, lang="pt"),
    )
    return Examined(text, results)
