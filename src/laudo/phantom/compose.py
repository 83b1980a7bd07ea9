"""A study's facts into a report in MIMIC's form, and its Brazilian Portuguese rendering."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from random import Random

from laudo.phantom.facts import Fact
from laudo.phantom.words import Said, Sentence, deny, other, phrase, say

# The order in which a findings section speaks of things.
_ORDER = (
    "support_devices", "cardiomegaly", "enlarged_cardiomediastinum", "edema", "consolidation", "pneumonia", "lung_opacity",
    "lung_lesion", "atelectasis", "pleural_effusion", "pneumothorax", "pleural_other", "fracture",
)  # fmt: skip
_ALONE = ("cardiomegaly", "enlarged_cardiomediastinum")  # denied in a sentence of its own, not in a list
_RULE = "_" * 78
_FORMS = {"both": 62, "findings": 12, "impression": 18, "unsectioned": 8}
_PT_HEADERS = {
    "EXAMINATION": "EXAME", "INDICATION": "INDICAÇÃO", "TECHNIQUE": "TÉCNICA", "COMPARISON": "COMPARAÇÃO", "WET READ": "LEITURA PRELIMINAR",
    "FINDINGS": "ACHADOS", "IMPRESSION": "IMPRESSÃO", "ADDENDUM": "ADENDO", "RECOMMENDATION(S)": "RECOMENDAÇÕES",
}  # fmt: skip


@dataclass(frozen=True)
class Section:
    """One section; its header is empty where the report has none."""

    header: str
    sentences: tuple[Sentence, ...]

    @property
    def en(self) -> str:
        return " ".join(sentence.en for sentence in self.sentences)

    @property
    def pt(self) -> str:
        return " ".join(sentence.pt for sentence in self.sentences)


@dataclass(frozen=True)
class Report:
    """The sections in order. `said` is what findings and impression (or the bare text) state."""

    sections: tuple[Section, ...]
    addendum: Section | None = None

    @property
    def target(self) -> tuple[Section, ...]:
        """Findings and impression, or the bare text."""
        return tuple(s for s in self.sections if s.header in ("FINDINGS", "IMPRESSION", ""))

    @property
    def said(self) -> tuple[tuple[str, Said], ...]:
        return tuple(
            (s.header.lower(), said)
            for s in self.target
            for sentence in s.sentences
            for said in sentence.said
        )

    def mimic_text(self) -> str:
        """The report file: lines under 80 characters, each after one space, `FINAL REPORT` centred."""
        lines = [f"{'FINAL REPORT':^78}".rstrip()]
        if self.addendum:
            lines = [" ADDENDUM:", *_wrapped(self.addendum.en), " ", " " + _RULE, *lines]
        for section in self.sections:
            lines += _block(section)
        return "\n".join(lines) + "\n"

    def portuguese_text(self) -> str:
        """The same sections in the same order, in Brazilian Portuguese, unwrapped."""
        sections = ([self.addendum] if self.addendum else []) + list(self.sections)
        return "\n\n".join(f"{_PT_HEADERS[s.header]}: {s.pt}" if s.header else s.pt for s in sections)


def compose(facts: list[Fact], rng: Random, *, lateral: bool, new_wordings: bool) -> Report:
    """Writes the report of a study.

    Args:
        facts: what the report states; every fact that is not absent is stated in the text scored.
        lateral: whether the study has a lateral view, for the technique.
        new_wordings: whether wordings that were set aside may be used (the test split).
    """
    form = rng.choices(list(_FORMS), list(_FORMS.values()))[0]
    findings, impression = _findings(facts, rng, new_wordings), _impression(facts, rng)
    sections = (
        [] if form == "unsectioned" and rng.random() < 0.5 else _preliminaries(facts, rng, lateral=lateral)
    )
    if form == "unsectioned":
        sections = [s for s in sections if s.header == "EXAMINATION"] + [Section("", tuple(findings))]
    if form in ("both", "findings"):
        sections.append(Section("FINDINGS", tuple(findings)))
    if form == "both":
        sections.append(Section("IMPRESSION", tuple(impression)))
    if form == "impression":
        sections.append(Section("IMPRESSION", tuple(findings)))
    if form != "unsectioned" and rng.random() < 0.04:
        sections.append(Section("RECOMMENDATION(S)", (other("recommendation", rng),)))
    addendum = Section("ADDENDUM", (other("communication", rng),)) if rng.random() < 0.02 else None
    return Report(tuple(sections), addendum)


def _findings(facts: list[Fact], rng: Random, new: bool) -> list[Sentence]:
    ordered = sorted(facts, key=lambda fact: _ORDER.index(fact.finding))
    denied = [f for f in ordered if f.status == "absent" and f.finding not in _ALONE]
    out = [say(f, rng, new_wordings=new) for f in ordered if f.status != "absent" or f.finding in _ALONE]
    if not any(f.status != "absent" for f in facts):
        out.append(other("clear", rng))
    elif rng.random() < 0.15:
        out.insert(0, other("low_volumes", rng))
    if denied:
        half = denied[: rng.choice((2, 3, 4))]
        out += [deny(part, rng, new_wordings=new) for part in (half, denied[len(half) :]) if part]
    if rng.random() < 0.2 and not any(f.finding == "fracture" for f in facts):
        out.append(other("bones", rng))
    return out


def _impression(facts: list[Fact], rng: Random) -> list[Sentence]:
    told = sorted(
        (f for f in facts if f.status != "absent" and f.kind is None), key=lambda f: _ORDER.index(f.finding)
    )
    out = [phrase(fact, rng) for fact in told] or [
        other("no_acute" if any(f.kind for f in facts) else "normal", rng)
    ]
    if len(out) > 1 and rng.random() < 0.5:
        out = [Sentence(f"{i}. {s.en}", f"{i}. {s.pt}", s.said) for i, s in enumerate(out, 1)]
    if told and rng.random() < 0.08:
        out.append(other("recommendation", rng))
    if told and rng.random() < 0.04:
        out.append(other("communication", rng))
    return out


def _preliminaries(facts: list[Fact], rng: Random, *, lateral: bool) -> list[Section]:
    compared = any(fact.change for fact in facts)
    technique = other("technique_lateral" if lateral else "technique_frontal", rng)
    sections = [Section("EXAMINATION", (Sentence("Chest radiograph.", "Radiografia de tórax."),))]
    sections.append(Section("INDICATION", (other("indication", rng),)))
    if rng.random() < 0.7:
        sections.append(Section("TECHNIQUE", (technique,)))
    sections.append(
        Section(
            "COMPARISON", (other("comparison" if compared or rng.random() < 0.5 else "comparison_none", rng),)
        )
    )
    if rng.random() < 0.02:
        sections.append(Section("WET READ", tuple(_impression(facts, rng)[:1])))
    return [s for s in sections if rng.random() < 0.93]


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(
        text, 78, initial_indent=" ", subsequent_indent=" ", break_on_hyphens=False, break_long_words=False
    )


def _block(section: Section) -> list[str]:
    text = f"{section.header}: {section.en}" if section.header else section.en
    return [" ", *_wrapped(text)]
