"""Divides a report, English or Portuguese, into its sections, and puts sections together again.

`split` reads a report as a radiologist would. `reference.split` does exactly what MIT-LCP's section parser
does. docs/sections.md lists the differences.
"""

from laudo.sections.divide import split
from laudo.sections.headers import headers_digest
from laudo.sections.lines import unwrap
from laudo.sections.report import Section, SectionedReport
from laudo.sections.targets import HEADINGS, TARGETS, chosen, render, target

__all__ = [
    "HEADINGS",
    "TARGETS",
    "Section",
    "SectionedReport",
    "chosen",
    "headers_digest",
    "render",
    "split",
    "target",
    "unwrap",
]
