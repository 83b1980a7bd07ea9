"""A study's facts into a report in MIMIC's form, and into its Brazilian Portuguese rendering."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from random import Random

from laudo.phantom.facts import TrueFact
from laudo.phantom.words import Assertion, Sentence, deny, other, phrase, say
from laudo.vocabulary import Status

_ORDER = (
    "support_devices",
    "cardiomegaly",
    "enlarged_cardiomediastinum",
    "edema",
    "consolidation",
    "pneumonia",
    "lung_opacity",
    "lung_lesion",
    "atelectasis",
    "pleural_effusion",
    "pneumothorax",
    "pleural_other",
    "fracture",
)
"""The order in which a findings section speaks of the findings."""

_DENIED_ALONE = ("cardiomegaly", "enlarged_cardiomediastinum")
"""Findings that are denied in a sentence of their own and not in a list."""

_FORMS = {"both": 62, "findings": 12, "impression": 18, "unsectioned": 8}
"""Which sections a report has -> how often, in per cent."""

_PT_HEADERS = {
    "EXAMINATION": "EXAME",
    "INDICATION": "INDICAÇÃO",
    "TECHNIQUE": "TÉCNICA",
    "COMPARISON": "COMPARAÇÃO",
    "WET READ": "LEITURA PRELIMINAR",
    "FINDINGS": "ACHADOS",
    "IMPRESSION": "IMPRESSÃO",
    "ADDENDUM": "ADENDO",
    "RECOMMENDATION(S)": "RECOMENDAÇÕES",
}
_RULE = "_" * 78


@dataclass(frozen=True)
class Section:
    """One section; its header is empty if the report has none."""

    header: str
    sentences: tuple[Sentence, ...]

    @property
    def en(self) -> str:
        return " ".join(sentence.en for sentence in self.sentences)

    @property
    def pt(self) -> str:
        return " ".join(sentence.pt for sentence in self.sentences)


@dataclass(frozen=True)
class ComposedReport:
    """A report as sections in order, each in both languages."""

    sections: tuple[Section, ...]
    addendum: Section | None = None

    @property
    def target(self) -> tuple[Section, ...]:
        """Findings and impression, or the text without headers."""
        return tuple(s for s in self.sections if s.header in ("FINDINGS", "IMPRESSION", ""))

    @property
    def assertions(self) -> tuple[tuple[str, Assertion], ...]:
        """What the target asserts, with the name of the section (empty for a text without headers)."""
        return tuple(
            (section.header.lower(), assertion)
            for section in self.target
            for sentence in section.sentences
            for assertion in sentence.assertions
        )

    def mimic_text(self) -> str:
        """Returns the report file: lines under 80 characters, each after a space, `FINAL REPORT` centred."""
        lines = [f"{'FINAL REPORT':^78}".rstrip()]
        if self.addendum:
            lines = [" ADDENDUM:", *_wrapped(self.addendum.en), " ", " " + _RULE, *lines]
        for section in self.sections:
            lines += _block(section)
        return "\n".join(lines) + "\n"

    def portuguese_text(self) -> str:
        """Returns the same sections in the same order, in Brazilian Portuguese, unwrapped."""
        sections = [self.addendum, *self.sections] if self.addendum else self.sections
        return "\n\n".join(f"{_PT_HEADERS[s.header]}: {s.pt}" if s.header else s.pt for s in sections)


def compose(facts: list[TrueFact], rng: Random, *, lateral: bool, new_wordings: bool) -> ComposedReport:
    """Returns the report of a study.

    Args:
        facts: what the report states; every fact that is not absent is stated in the target.
        lateral: whether the study has a lateral view, for the technique.
        new_wordings: whether wordings that were set aside may be used (the test split).
    """
    form = rng.choices(list(_FORMS), list(_FORMS.values()))[0]
    findings = Section("FINDINGS", tuple(_findings(facts, rng, new_wordings=new_wordings)))
    impression = Section("IMPRESSION", tuple(_impression(facts, rng)))
    if form == "unsectioned":
        sections = [*_examination(facts, rng, lateral=lateral), Section("", findings.sentences)]
    else:
        target = {
            "both": [findings, impression],
            "findings": [findings],
            "impression": [Section("IMPRESSION", findings.sentences)],
        }
        sections = [*_preliminaries(facts, rng, lateral=lateral), *target[form]]
        if rng.random() < 0.04:
            sections.append(Section("RECOMMENDATION(S)", (other("recommendation", rng),)))
    addendum = Section("ADDENDUM", (other("communication", rng),)) if rng.random() < 0.02 else None
    return ComposedReport(tuple(sections), addendum)


def _findings(facts: list[TrueFact], rng: Random, *, new_wordings: bool) -> list[Sentence]:
    """Returns a sentence for each fact, and one or two lists of what is denied."""
    ordered = _in_order(facts)
    denied = [f for f in ordered if f.status == Status.ABSENT and f.finding not in _DENIED_ALONE]
    stated = [f for f in ordered if f.status != Status.ABSENT or f.finding in _DENIED_ALONE]
    sentences = [say(fact, rng, new_wordings=new_wordings) for fact in stated]
    if not _abnormal(facts):
        sentences.append(other("clear", rng))
    elif rng.random() < 0.15:
        sentences.insert(0, other("low_volumes", rng))
    if denied:
        length = rng.choice((2, 3, 4))
        lists = [part for part in (denied[:length], denied[length:]) if part]
        sentences += [deny(part, rng, new_wordings=new_wordings) for part in lists]
    if rng.random() < 0.2 and not any(fact.finding == "fracture" for fact in facts):
        sentences.append(other("bones", rng))
    return sentences


def _impression(facts: list[TrueFact], rng: Random) -> list[Sentence]:
    """Returns a noun phrase for each abnormal finding, but none for devices."""
    listed = [fact for fact in _in_order(_abnormal(facts)) if fact.kind is None]
    sentences = [phrase(fact, rng) for fact in listed]
    if not sentences:
        sentences = [other("no_acute" if any(fact.kind for fact in facts) else "normal", rng)]
    if len(sentences) > 1 and rng.random() < 0.5:
        numbered = enumerate(sentences, 1)
        sentences = [Sentence(f"{i}. {s.en}", f"{i}. {s.pt}", s.assertions) for i, s in numbered]
    if listed and rng.random() < 0.08:
        sentences.append(other("recommendation", rng))
    if listed and rng.random() < 0.04:
        sentences.append(other("communication", rng))
    return sentences


def _abnormal(facts: list[TrueFact]) -> list[TrueFact]:
    return [fact for fact in facts if fact.status != Status.ABSENT]


def _in_order(facts: list[TrueFact]) -> list[TrueFact]:
    return sorted(facts, key=lambda fact: _ORDER.index(fact.finding))


def _examination(facts: list[TrueFact], rng: Random, *, lateral: bool) -> list[Section]:
    """Returns the examination alone, or nothing: what precedes a text without headers."""
    if rng.random() < 0.5:
        return []
    return [s for s in _preliminaries(facts, rng, lateral=lateral) if s.header == "EXAMINATION"]


def _preliminaries(facts: list[TrueFact], rng: Random, *, lateral: bool) -> list[Section]:
    """Returns the sections before the findings; each is left out now and then."""
    is_compared = any(fact.change for fact in facts)
    technique = other("technique_lateral" if lateral else "technique_frontal", rng)
    sections = [Section("EXAMINATION", (Sentence("Chest radiograph.", "Radiografia de tórax."),))]
    sections.append(Section("INDICATION", (other("indication", rng),)))
    if rng.random() < 0.7:
        sections.append(Section("TECHNIQUE", (technique,)))
    has_comparison = is_compared or rng.random() < 0.5
    comparison = other("comparison" if has_comparison else "comparison_none", rng)
    sections.append(Section("COMPARISON", (comparison,)))
    if rng.random() < 0.02:
        sections.append(Section("WET READ", tuple(_impression(facts, rng)[:1])))
    return [section for section in sections if rng.random() < 0.93]


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(
        text, 78, initial_indent=" ", subsequent_indent=" ", break_on_hyphens=False, break_long_words=False
    )


def _block(section: Section) -> list[str]:
    text = f"{section.header}: {section.en}" if section.header else section.en
    return [" ", *_wrapped(text)]
