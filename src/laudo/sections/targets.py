"""The sections of a report that are about the image: only these are translated, trained on and scored."""

import re
from collections.abc import Mapping

from laudo.sections.report import Section, SectionedReport
from laudo.vocabulary import Language

HEADINGS: dict[Language, dict[str, str]] = {
    "en": {"findings": "FINDINGS", "impression": "IMPRESSION"},
    "pt": {"findings": "ACHADOS", "impression": "IMPRESSÃO"},
}
_WITHOUT_HEADING = ("last_paragraph", "full_report")
TARGETS = ("findings", "impression", *_WITHOUT_HEADING)
"""The sections that may be a target."""
_BLANKS_OF_BLANK_LINE = re.compile(r"\n[ \t]+(?=\n)")


def target(report: SectionedReport) -> dict[str, str]:
    """Returns what is translated, trained on and scored, section by section.

    It is the findings and the impression if present, else the last paragraph, else the full report. It is
    never the indication, the technique or the comparison. It is empty if the report says nothing about the
    image.
    """
    headed = _bodies(report, ("findings", "impression"))
    return headed or dict(list(_bodies(report, _WITHOUT_HEADING).items())[:1])


def chosen(report: SectionedReport) -> Section | None:
    """Returns the one section to take if only one is used, as in `mimic_cxr_sections.csv`.

    It is the last impression, else the findings, the last paragraph, the full report. It is never the
    comparison, which MIT-LCP's parser takes in the end, nor the indication or the technique: they say nothing
    about this image.
    """
    bodies = _bodies(report, ("impression", "findings", *_WITHOUT_HEADING))
    return next((Section(name, body) for name, body in bodies.items()), None)


def _bodies(report: SectionedReport, names: tuple[str, ...]) -> dict[str, str]:
    """Returns the last section of each name that has text, in the order of the names."""
    return {name: body for name in names if (body := report.last(name))}


def render(sections: Mapping[str, str], *, lang: Language) -> str:
    """Returns the text of target sections under fixed headings, from which `split` makes the same sections.

    Sections that are no target (any but findings, impression, last_paragraph and full_report) are left out;
    so is a last_paragraph or full_report that stands beside findings or an impression.

    A `last_paragraph` or `full_report` has no heading and comes back as `full_report`, because nothing in the
    text tells the two apart.
    """
    headed = [f"{title}: {sections[name]}" for name, title in HEADINGS[lang].items() if sections.get(name)]
    if headed:
        return "\n".join(headed)
    body = next((sections[name] for name in _WITHOUT_HEADING if sections.get(name)), "")
    return _BLANKS_OF_BLANK_LINE.sub("\n", body)
