"""The checks of a translated section, by name.

    form        complete, structure, deid, preface, markdown, repetition
    numbers     numbers
    meaning     findings, negation, laterality, certainty, change
    wording     language, brazilian, terminology

A check is a function with the check's name. It takes a `TranslatedSection` and returns why it fails, in a few
words, or empty text if it passes. The words name findings, numbers and sides; they never quote the report, so
that they may be logged.

To add a check, write the function and add its line to `CHECKS`. By default a failed check flags the study. To
quarantine it, or to call it repaired, add the name to a set in `laudo.fidelity.verdict`.
"""

from __future__ import annotations

from collections.abc import Callable

from laudo.fidelity.checks import form, meaning, numbers, wording
from laudo.fidelity.section import TranslatedSection

CHECKS: dict[str, Callable[[TranslatedSection], str]] = {
    "complete": form.complete,
    "structure": form.structure,
    "negation": meaning.negation,
    "laterality": meaning.laterality,
    "numbers": numbers.numbers,
    "findings": meaning.findings,
    "certainty": meaning.certainty,
    "change": meaning.change,
    "deid": form.deid,
    "language": wording.language,
    "brazilian": wording.brazilian,
    "preface": form.preface,
    "markdown": form.markdown,
    "repetition": form.repetition,
    "terminology": wording.terminology,
}
"""The checks in the order in which they run."""

CHECK_NAMES = tuple(CHECKS)
"""The names of the checks, in order."""
